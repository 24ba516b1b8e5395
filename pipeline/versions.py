"""Versions: what is in a written release, and what changed from one to the next?

Folders of releases come in; frames and a `Difference` go out. Reads files and changes none. A preference is the same one as
long as it is about the same pair; it is flipped when the other response is chosen now.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import ExportError
from pipeline.intervals import student_t
from pipeline.release import CARD, MANIFEST, digest_of
from pipeline.shapes import Format, texts_of

PREFERENCES = ("dpo", "orpo", "reward")
"""The formats that hold all preferences; the first one there is read."""
COLUMNS = ["pair_id", "prompt", "chosen", "rejected", "agreement"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """The mean share of the votes behind a choice, with its 95 % interval over n rows."""

    value: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What changed. `rows` has columns `change` (added, removed, flipped), `pair_id, prompt, before, now` (what was chosen)."""

    added: int
    removed: int
    flipped: int
    kept: int
    support_before: Support
    support_now: Support
    rows: pd.DataFrame

    def as_json(self) -> dict[str, object]:
        """Return the counts as the `diff` command prints them."""
        supports = {"support_before": self.support_before, "support_now": self.support_now}
        return {"added": self.added, "removed": self.removed, "flipped": self.flipped, "kept": self.kept} | {
            name: {"value": each.value, "low": each.low, "high": each.high, "n": each.n} for name, each in supports.items()
        }


def manifest(folder: Path) -> Mapping[str, object]:
    """Return the manifest of a release.

    Raises:
        ExportError: The folder holds no release, or half of one.
    """
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ExportError(
            f"{folder} does not hold a whole release: its {MANIFEST} cannot be read.",
            hint="Put the folder back where it was written, or export again: the same votes give the same release.",
        ) from error
    return found if isinstance(found, dict) else {}


def differences(folder: Path, digest: str) -> list[str]:
    """Return the files of a release that are missing, changed or not its own; `digest` is the SHA-256 of its manifest."""
    written = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    if MANIFEST not in written or digest_of(written[MANIFEST]) != digest:
        return [MANIFEST]
    told = manifest(folder)
    files, beside = told.get("files"), told.get("beside")
    expected = {MANIFEST: digest, CARD: str(told.get("card_sha256"))} | (beside if isinstance(beside, dict) else {})
    expected |= {file["path"]: file["sha256"] for file in files} if isinstance(files, list) else {}
    return sorted(
        path for path in expected.keys() | written.keys() if path not in written or expected.get(path) != digest_of(written[path])
    )


def tables(folder: Path) -> Iterator[tuple[str, pa.Table]]:
    """Yield the tables of a release, each with the format it belongs to.

    Raises:
        ExportError: A file that the manifest names cannot be read.
    """
    files = manifest(folder).get("files")
    for file in files if isinstance(files, list) else ():
        if str(file["path"]).endswith(".parquet"):
            try:
                yield str(file["format"]), pq.read_table(folder / str(file["path"]))
            except (OSError, pa.ArrowInvalid) as error:
                raise ExportError(
                    f"The file {file['path']} of the release in {folder} cannot be read.",
                    hint="Put the folder back as it was written, or export again: the same votes give the same release.",
                ) from error


def preferences(folder: Path) -> pd.DataFrame | None:
    """Return the preferences of a written release, in whatever layout, columns COLUMNS; None where no format holds them."""
    parts: dict[str, list[pa.Table]] = {}
    for kind, table in tables(folder):
        parts.setdefault(kind, []).append(table)
    kind = next((each for each in PREFERENCES if each in parts), "")
    if not kind:
        return None
    rows = pa.concat_tables(parts[kind]).to_pylist()
    return pd.DataFrame([row | texts_of(Format(kind), row) for row in rows], columns=COLUMNS)


def compare(before: pd.DataFrame, now: pd.DataFrame) -> Difference:
    """Return what changed from one release's preferences to another's; both have columns COLUMNS."""
    old, new = (frame.drop_duplicates("pair_id").set_index("pair_id") for frame in (before, now))
    both = old.index.intersection(new.index)
    flipped = both[(old.loc[both, "chosen"] == new.loc[both, "rejected"]).to_numpy()]
    added, removed = new.index.difference(old.index), old.index.difference(new.index)
    rows = [
        pd.DataFrame({"change": change, "pair_id": ids, "prompt": source.loc[ids, "prompt"].to_numpy()}).assign(
            before=old["chosen"].reindex(ids).to_numpy(), now=new["chosen"].reindex(ids).to_numpy()
        )
        for change, ids, source in (("flipped", flipped, new), ("added", added, new), ("removed", removed, old))
    ]
    return Difference(
        added=len(added),
        removed=len(removed),
        flipped=len(flipped),
        kept=len(both) - len(flipped),
        support_before=_support(before),
        support_now=_support(now),
        rows=pd.concat(rows, ignore_index=True),
    )


def _support(frame: pd.DataFrame) -> Support:
    shares = frame["agreement"].astype(float).dropna()
    n = len(shares)
    if n < 2:
        return Support(value=float(shares.mean()) if n else None, low=None, high=None, n=n)
    mean, reach = float(shares.mean()), student_t(n - 1) * float(shares.std(ddof=1)) / n**0.5
    return Support(value=mean, low=max(0.0, mean - reach), high=min(1.0, mean + reach), n=n)
