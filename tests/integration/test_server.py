"""The server as the README starts it: on this computer only, from any folder, and protected against forged requests."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.serving import free_port, wait_until_it_answers
from tests.terminal import ROOT, environment


@pytest.fixture
def elsewhere(tmp_path: Path):
    """A server that was started from a folder that is not the project's, with its port."""
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "dashboard" / "Home.py"), f"--server.port={port}"]
    log = (tmp_path / "log").open("wb")
    process = subprocess.Popen(
        [*command, "--server.headless=true"], cwd=tmp_path, env=environment(tmp_path / "workspace"), stdout=log, stderr=log
    )
    wait_until_it_answers(process, port, tmp_path / "log")
    yield process, port
    process.terminate()
    process.wait(timeout=20)
    log.close()


def test_the_server_listens_on_this_computer_only(elsewhere):
    process, port = elsewhere
    addresses = {one.laddr.ip for one in psutil.Process(process.pid).net_connections() if one.laddr.port == port}
    assert addresses
    assert addresses <= {"127.0.0.1", "::1"}


def test_the_settings_keep_forged_requests_and_statistics_out():
    shown = subprocess.run(
        [sys.executable, "-c", "import streamlit.config as c, sys; c._main_script_path = sys.argv[1]; "
         "c.get_config_options(force_reparse=True); print(c.get_option('server.enableXsrfProtection'), "
         "c.get_option('browser.gatherUsageStats'), c.get_option('server.enableCORS'))", str(ROOT / "dashboard" / "Home.py")],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert shown.stdout.split() == ["True", "False", "True"]
