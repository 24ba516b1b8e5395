"""Loader check: do the trainers' own loaders read a release, before it is final?

A folder with a finished card comes in; nothing goes out, or an error that says which configuration does not load. Uses
`datasets` always, and TRL's own data functions where TRL is at hand: in this environment, or in another one whose Python
STUDIO_TRL_PYTHON names (it needs over 5 GB, so it is none of this program's requirements). Changes nothing.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from pipeline.errors import ExportError
from pipeline.shapes import RAW

SCRIPT = Path(__file__).with_name("trl_check.py")
TIMEOUT_S = 1800
LOOKED_EVERY_S = 1.0
ROWS_READ = 1_000
_HINT = "Nothing was written. Please report this, with the message; other formats or layouts may load."


def check_loads(folder: Path, splits: Mapping[str, Mapping[str, int]], schemas: Mapping[str, pa.Schema]) -> None:
    """Load each configuration by its name, as a stranger would, and count its rows.

    Raises:
        ExportError: A configuration does not load, or loads as something else.
    """
    # Half a second to import, and only an export needs it.
    import datasets

    datasets.disable_progress_bars()
    for kind, sizes in splits.items():
        try:
            loaded = datasets.load_dataset(str(folder), kind, streaming=True)
            kinds = {name: part.features.arrow_schema.types for name, part in loaded.items()}
            for part in loaded.values():
                next(part.with_format("arrow").iter(ROWS_READ), None)
            # Every row is counted, by a column that is short: what its texts are was looked at before they were written.
            counted = datasets.load_dataset(str(folder), kind, streaming=True, columns=["pair_id"])
            found = {name: sum(len(table) for table in part.with_format("arrow").iter(10_000)) for name, part in counted.items()}
        except (ValueError, OSError, pa.ArrowException, datasets.exceptions.DatasetsError) as error:
            raise ExportError(f"The configuration {kind} cannot be loaded: {str(error).splitlines()[0]}", hint=_HINT) from error
        if found != dict(sizes):
            raise ExportError(f"The configuration {kind} loads as {found} rows and holds {dict(sizes)}.", hint=_HINT)
        if any(types != schemas[kind].types for types in kinds.values()):
            raise ExportError(f"The configuration {kind} loads with other types than it was written with.", hint=_HINT)
    trl = find_trl(os.environ)
    trained = [kind for kind in splits if kind not in RAW]
    if trl and trained:
        run_trl(trl, "functions", folder, *trained)


def find_trl(env: Mapping[str, str]) -> str | None:
    """Return the Python that has TRL: the one STUDIO_TRL_PYTHON names, else this one, else None."""
    named = env.get("STUDIO_TRL_PYTHON", "")
    if named:
        return named
    return sys.executable if importlib.util.find_spec("trl") else None


def need_trl() -> str:
    """Return the Python that has TRL.

    Raises:
        ExportError: There is none.
    """
    found = find_trl(os.environ)
    if found is None:
        raise ExportError(
            "TRL is not installed, so no training can be tried.",
            hint="Run `make trl` in the program's folder (over 5 GB), and set STUDIO_TRL_PYTHON to the path it prints.",
        )
    return found


def run_trl(
    python: str, task: str, folder: Path, *kinds: str, should_stop: Callable[[], bool] = lambda: False
) -> dict[str, object]:
    """Run one task of `trl_check.py` on a release under the Python that has TRL; return what it printed.

    Raises:
        ExportError: TRL cannot be started, refuses a configuration, or takes over half an hour.
        KeyboardInterrupt: It should stop; TRL was ended.
    """
    quiet = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1", "TOKENIZERS_PARALLELISM": "false"}
    command = [python, str(SCRIPT), task, str(folder), *kinds]
    try:
        with tempfile.TemporaryDirectory() as cache:
            env = os.environ | quiet | {"HF_DATASETS_CACHE": cache, "CUDA_VISIBLE_DEVICES": ""}
            code, printed, errors = _follow(command, env, should_stop)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ExportError(f"TRL could not be run: {error}", hint="Check STUDIO_TRL_PYTHON, or unset it.") from error
    if code:
        reason = (errors.strip().splitlines() or ["it ended without a word"])[-1]
        raise ExportError(f"TRL refuses the release: {reason}", hint=_HINT)
    found: dict[str, object] = json.loads(printed.strip().splitlines()[-1])
    return found


def _follow(command: Sequence[str], env: Mapping[str, str], should_stop: Callable[[], bool]) -> tuple[int, str, str]:
    """Run a command to its end, looking every second whether it should stop; return its exit code and what it printed."""
    ends_at = time.monotonic() + TIMEOUT_S
    with subprocess.Popen(  # noqa: S603 - the Python this program runs under, or one its owner named
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8", env=env
    ) as process:
        try:
            while True:
                try:
                    printed, errors = process.communicate(timeout=LOOKED_EVERY_S)
                except subprocess.TimeoutExpired:
                    if should_stop():
                        raise KeyboardInterrupt from None
                    if time.monotonic() > ends_at:
                        raise
                else:
                    return process.returncode, printed, errors
        finally:
            process.kill()
