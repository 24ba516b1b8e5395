"""Fixtures every test may use: a workspace in a temporary folder, a store in it, the real data beside the project."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from xdist.scheduler import LoadScopeScheduling

# Read when the Hub's client is imported: its other protocol cannot be served by the test's Hub.
os.environ.setdefault("HF_HUB_DISABLE_XET", "1")

from pipeline.adapters import schema
from pipeline.adapters.store import Store, open_store
from tests.argilla.people import Site
from tests.argilla.stack import Ports, Stack, StackError
from tests.real_rows import REAL_DATA
from tests.serving import free_port

ROOT = Path(__file__).resolve().parent.parent


class ByFile(LoadScopeScheduling):
    """With `-n 2` the tests of a file stay together, and so do all with Argilla, which is started once and killed by some."""

    def _split_scope(self, nodeid: str) -> str:
        return "argilla" if "argilla" in nodeid else nodeid.split("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFile:
    return ByFile(config, log)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """An empty workspace folder."""
    return tmp_path / "workspace"


@pytest.fixture
def store(workspace: Path) -> Iterator[Store]:
    """A real SQLite store in the workspace."""
    opened = open_store(f"sqlite:///{workspace / 'studio.db'}")
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server of its own, in a temporary folder, listening on a socket file only."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found or not shutil.which("runuser") or os.geteuid() != 0:
        pytest.skip("POSTGRES NOT TESTED: needs Debian's postgresql package, and root to start it as user postgres")
    folder = Path(tempfile.mkdtemp(prefix="studio-postgres-"))
    shutil.chown(folder, "postgres")

    def run(program: str, *arguments: str) -> None:
        command = ["runuser", "-u", "postgres", "--", str(found[-1].with_name(program)), *arguments]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)

    data = str(folder / "data")
    run("initdb", "-D", data, "-A", "trust", "-E", "UTF8", "--no-sync")
    run("pg_ctl", "-D", data, "-w", "-l", str(folder / "log"), "-o", f"-k {folder} -c listen_addresses=", "start")
    yield f"postgresql+psycopg://postgres@/postgres?host={folder}"
    run("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
    shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def either_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store in a SQLite file, then one on a PostgreSQL server."""
    if request.param == "sqlite":
        opened = open_store(f"sqlite:///{tmp_path / 'either.db'}")
    else:
        opened = open_store(request.getfixturevalue("postgres_url"))
    yield opened
    if request.param == "postgres":
        with opened.writing() as connection:
            for table in schema.metadata.sorted_tables:
                connection.execute(sa.delete(table))
    opened.close()


@pytest.fixture(scope="session")
def argilla(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A real Argilla on free ports, its data in a temporary folder; skips loudly where it cannot be had."""
    ports = Ports(*(free_port() for _ in range(4)))
    stack = Stack(tmp_path_factory.mktemp("argilla"), ports)
    try:
        stack.start()
    except StackError as error:
        stack.stop(signal.SIGKILL)
        pytest.skip(f"ARGILLA NOT TESTED: {error}")
    yield stack
    stack.stop(signal.SIGKILL)


@pytest.fixture
def site(argilla: Stack) -> Iterator[Site]:
    """A workspace of the test's own on that server."""
    opened = Site(argilla)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data files; skips where it is absent."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"real data folder {REAL_DATA} is not here (set STUDIO_REAL_DATA)")
    return REAL_DATA


@pytest.fixture(scope="session")
def published(real_data: Path) -> dict[str, dict]:
    """Published agreement coefficients with their sources, by example."""
    return json.loads((real_data / "reference_values.json").read_text(encoding="utf-8"))
