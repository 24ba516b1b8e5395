"""Start the real dashboard on a free port, wait until it answers, stop it again."""

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.terminal import ROOT, environment


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(workspace: Path, port: int, **env: str) -> "subprocess.Popen[bytes]":
    """Start `streamlit run dashboard/Home.py` as the README does, and return once it answers."""
    options = [f"--server.port={port}", "--server.headless=true"]
    command = [sys.executable, "-m", "streamlit", "run", "dashboard/Home.py", *options]
    workspace.parent.mkdir(parents=True, exist_ok=True)
    with (workspace.parent / f"server-{port}.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment(workspace, **env), stdout=log, stderr=log)
    wait_until_it_answers(process, port, workspace.parent / f"server-{port}.log")
    return process


def wait_until_it_answers(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    """Return once the server is healthy; raise with its log when it ends or takes longer than half a minute."""
    for _ in range(300):
        try:
            with urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            if process.poll() is not None:
                break
            time.sleep(0.1)
    process.kill()
    raise RuntimeError(log.read_text())


@contextmanager
def dashboard(workspace: Path, **env: str) -> Iterator[str]:
    """Run the dashboard for the block and yield its address."""
    port = free_port()
    process = start(workspace, port, **env)
    try:
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        process.wait(timeout=20)
