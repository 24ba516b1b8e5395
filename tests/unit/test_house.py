"""The house rules that a machine can check: arrows between modules, and the two lists of packages."""

import ast
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


def test_no_page_holds_a_text_that_streamlit_would_show_by_itself():
    for page in [*(ROOT / "pages").glob("*.py"), ROOT / "dashboard" / "Home.py", ROOT / "dashboard" / "overview.py"]:
        # The first is the module's docstring, which Streamlit leaves alone; any other text on its own it writes on the page.
        after = ast.parse(page.read_text(encoding="utf-8")).body[1:]
        shown = [each for each in after if isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant)]
        assert not shown, f"{page.name}, line {shown[0].lineno}"
