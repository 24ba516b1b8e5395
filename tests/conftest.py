"""Fixtures every test may use: a workspace in a temporary folder, a store in it, the real data beside the project."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.adapters.store import Store, open_store

ROOT = Path(__file__).resolve().parent.parent


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
def real_data() -> Path:
    """The folder of real data files; skips where it is absent."""
    folder = Path(os.environ.get("STUDIO_REAL_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data folder {folder} is not here (set STUDIO_REAL_DATA)")
    return folder


@pytest.fixture(scope="session")
def published(real_data: Path) -> dict[str, dict]:
    """Published agreement coefficients with their sources, by example."""
    return json.loads((real_data / "reference_values.json").read_text(encoding="utf-8"))
