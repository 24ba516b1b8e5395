"""Run the studio's command line as a person would: a real process, its exit code, its JSON, its messages."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Result:
    code: int
    answer: dict[str, Any]
    messages: str


def environment(workspace: Path, **more: str) -> dict[str, str]:
    """The environment of a studio process: its own workspace, no proxy, no network of the Hub."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STUDIO_", "HF_"))}
    return kept | {"STUDIO_WORKSPACE": str(workspace), "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "NO_PROXY": "*"} | more


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "pipeline", *map(str, arguments), "--json"]


def studio(workspace: Path, *arguments: object, timeout_s: float = 120, **env: str) -> Result:
    """Run one command with `--json`; standard output must hold exactly one JSON document."""
    done = subprocess.run(
        command(*arguments),
        cwd=workspace.parent,
        env=environment(workspace, **env),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=timeout_s,
        check=False,
    )
    answer = json.loads(done.stdout) if done.stdout.strip() else {}
    return Result(code=done.returncode, answer=answer, messages=done.stderr)
