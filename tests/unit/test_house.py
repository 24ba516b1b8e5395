"""The house rules that a machine can check: arrows between modules, and the two lists of packages."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


def test_the_arrows_between_modules_point_one_way():
    result = run(str(BIN / "lint-imports"), "--no-cache")
    assert result.returncode == 0, result.stdout


def test_requirements_are_exported_from_the_lock_file():
    export = "export --quiet --locked --offline --no-dev --no-hashes --no-annotate --no-header --format requirements-txt"
    result = run(str(BIN / "uv"), *export.split())
    assert result.returncode == 0, result.stderr
    assert result.stdout == (ROOT / "requirements.txt").read_text(), "run `make lock`"
