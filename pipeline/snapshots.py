"""Snapshots: everything a release was made from, kept beside it, so that it can be made again to the byte.

What goes into `contents.gather` and the card come in; a folder of Parquet and JSON goes out, and comes back as it was. It
holds the annotators' names and the project's key, so it stays in the workspace and never goes into a release.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline import release
from pipeline.contents import ReleaseOptions
from pipeline.errors import ExportError
from pipeline.records import Project
from pipeline.shapes import Layout

INPUTS, CARD, TRIED = "inputs.json", "card.md", "training_check.json"


def save(folder: Path, inputs: Mapping[str, Any], *, card: str, training_check: Mapping[str, object] | None = None) -> bool:
    """Keep what a release was made from; False, changing nothing, when the folder is there already.

    Raises:
        ExportError: The disk refuses.
    """
    frames = {name: value for name, value in inputs.items() if isinstance(value, pd.DataFrame)}
    plain = {name: value for name, value in inputs.items() if name not in frames}
    written = plain | {"project": asdict(plain["project"]), "options": asdict(plain["options"] or ReleaseOptions())}
    with release.unfinished_folder(folder.parent) as unfinished:
        for name, frame in frames.items():
            frame.to_parquet(unfinished / f"{name}.parquet", index=False, compression="zstd")
            release.flush_file(unfinished / f"{name}.parquet")
        texts = {INPUTS: _to_json(written), CARD: card} | ({TRIED: _to_json(training_check)} if training_check else {})
        for name, text in texts.items():
            (unfinished / name).write_bytes(text.encode())
            release.flush_file(unfinished / name)
        return release.publish(unfinished, folder)


def _to_json(values: Mapping[str, object]) -> str:
    return json.dumps(values, ensure_ascii=False, sort_keys=True)


def load(folder: Path) -> tuple[dict[str, Any], str, dict[str, object] | None]:
    """Return what a release was made from, as `contents.gather` takes it, its card, and what came of trying the training.

    Raises:
        ExportError: There is no snapshot, or it cannot be read.
    """
    try:
        inputs = json.loads((folder / INPUTS).read_text(encoding="utf-8"))
        frames = {path.stem: pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}
        card = (folder / CARD).read_bytes().decode()
        tried = json.loads((folder / TRIED).read_bytes()) if (folder / TRIED).is_file() else None
    except (OSError, ValueError) as error:
        raise ExportError(
            f"There is no whole snapshot at {folder}, so the release cannot be made again.",
            hint="Releases written before there were snapshots have none; the files of the release are not touched by this.",
        ) from error
    # Before it was a choice, every release held JSONL.
    options = {"jsonl": True} | inputs["options"]
    made_of = {
        "project": Project(**inputs["project"]),
        "options": ReleaseOptions(**options | {"layout": Layout(options["layout"])}),
    }
    return inputs | frames | made_of, card, tried
