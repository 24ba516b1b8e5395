"""Export: what a release holds becomes the files people train on.

`Contents` come in; `write_release` writes Parquet (and JSONL where it is asked for), the card and a manifest of hashes, checked
before it is final. The same input, seed and settings give the same bytes, whatever the order of the rows. Never changes a
vote, a response or a release that is already there.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import loader_check, recipes, release
from pipeline.contents import Contents, ReleaseOptions, gather
from pipeline.errors import ExportError
from pipeline.release import CARD, MANIFEST
from pipeline.shapes import Format, Layout, Split, parse_formats, parse_layout
from pipeline.traps import check_table

__all__ = [
    "Contents",
    "ExportResult",
    "Format",
    "Layout",
    "ReleaseFile",
    "ReleaseOptions",
    "Split",
    "gather",
    "parse_formats",
    "parse_layout",
    "training_check",
    "try_training",
    "write_release",
]

REASONS: Mapping[str, str] = {
    "empty": "the prompt or a response is empty",
    "identical": "both responses are the same text",
    "not_text": "a text holds half a character, which no file can store",
    "won_and_lost": "the answer won one pair and lost another",
    "same_answer": "the same answer stands in the file already",
    "in_evaluation": "the prompt stands in the evaluation set that models are compared on",
}
"""Why this step leaves out a pair, or a row of one format."""
TRAINING_CHECK = "training_check.json"
ROWS_TO_TRY = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFile:
    """One data file of a release; `format` is the configuration it belongs to."""

    path: str
    format: str
    split: str
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportResult:
    """A release on the disk. `created` is False when exactly this release was there already; `version` is the studio's count."""

    name: str
    directory: str
    files: tuple[ReleaseFile, ...]
    excluded: Mapping[str, int]
    excluded_by_format: Mapping[str, Mapping[str, int]]
    split: Mapping[str, object]
    manifest_digest: str
    preferences: int
    created: bool
    version: int = 0

    def as_json(self) -> dict[str, object]:
        """Return the document that the command line prints."""
        return asdict(self) | {"files": [asdict(file) for file in self.files]}


def write_release(
    contents: Contents,
    *,
    card: str,
    releases: Path,
    out_dir: Path | None = None,
    training_check: Mapping[str, object] | None = None,
    check_loads: bool = True,
) -> ExportResult:
    """Write the release as a new folder, whole or not at all, and with `check_loads` only if every configuration loads.

    The folder is `out_dir`, or one in `releases` named after the project and the digest of the manifest. If
    exactly this release is there already, nothing is written and it is returned. `training_check` is what `try_training`
    returned, if it was tried.

    Raises:
        ExportError: There is nothing to write, a row cannot be trained on, a configuration does not load, the disk
            refuses, or the folder holds something else.
    """
    if not contents.frames:
        raise ExportError(
            f"There is nothing to export from {contents.project.name} yet: no pair has been decided.",
            hint="Collect votes on the Annotate page and save the rules on the Curate page, then export again.",
        )
    parent = out_dir.resolve().parent if out_dir else releases
    with release.unfinished_folder(parent) as folder:
        files = tuple(_write_files(folder, contents))
        beside = {CARD: card, **recipes.recipes(contents)}
        if training_check:
            beside[TRAINING_CHECK] = _to_json(training_check)
        digests = _write_beside(folder, beside)
        if check_loads:
            schemas = {kind: contents.shape(Format(kind)).schema for kind in contents.splits}
            loader_check.check_loads(folder, contents.splits, schemas)
        (folder / MANIFEST).write_text(_to_json(_manifest(contents, files, digests)), encoding="utf-8", newline="\n")
        digest = release.flush_file(folder / MANIFEST)
        name = f"{_slug(contents.project.name)}-{digest[:8]}"
        target = out_dir.resolve() if out_dir else releases / name
        created = release.publish(folder, target)
        if not created and not release.same_files(folder, target):
            raise ExportError(
                f"The folder {target} is already there and holds something else; it was not touched.",
                hint=f"Choose a folder that is not there yet, for example {target.parent / name}-new, and export again.",
            )
    return ExportResult(
        name=name,
        directory=str(target),
        files=tuple(replace(file, path=str(target / file.path)) for file in files),
        excluded=contents.excluded,
        excluded_by_format=contents.excluded_by_format,
        split=contents.split_report.as_dict(),
        manifest_digest=digest,
        preferences=contents.counts["preferences"],
        created=created,
    )


def try_training(
    contents: Contents, *, progress: Callable[[int, int], None] | None = None, should_stop: Callable[[], bool] = lambda: False
) -> dict[str, object]:
    """Train five steps by each recipe on the first rows, with a tiny model made on the spot.

    `progress` gets the number of recipes done, and of all.

    Returns:
        `trainers`: recipe to `steps, rows, losses`; `versions` of what ran.

    Raises:
        ExportError: A trainer refuses, TRL cannot be run, or no recipe goes with these formats and this layout.
        KeyboardInterrupt: It should stop.
    """
    few = replace(contents, frames={part: frame.head(ROWS_TO_TRY) for part, frame in contents.frames.items()})
    files = recipes.recipes(contents)
    kinds = [str(kind) for kind in Format if f"{recipes.FOLDER}/{kind}.yaml" in files]
    if not kinds:
        raise ExportError(
            "No trainer of TRL goes with what was chosen.",
            hint="Choose dpo, orpo or kto in the layout messages, implicit or text.",
        )
    configs = [
        {"config_name": kind, "data_files": [{"split": split, "path": f"{kind}/{split}.parquet"} for split in parts]}
        for kind, parts in few.splits.items()
    ]
    with tempfile.TemporaryDirectory() as made:
        list(_write_files(Path(made), few))
        _write_beside(Path(made), {CARD: f"---\nconfigs: {json.dumps(configs)}\n---\n", **files})
        python, trainers = loader_check.need_trl(), dict[str, object]()
        for done, kind in enumerate(kinds):
            if progress:
                progress(done, len(kinds))
            # One after the other, each in a process of its own: so it can be said how far it is.
            tried = loader_check.run_trl(python, "train", Path(made), kind, should_stop=should_stop)
            trainers |= dict(tried["trainers"])  # type: ignore[call-overload]
        return tried | {"trainers": trainers}


def training_check(folder: Path) -> dict[str, object] | None:
    """Return what a tried training came to in a written release; None where none was tried."""
    file = folder / TRAINING_CHECK
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else None


def _write_beside(folder: Path, texts: Mapping[str, str]) -> dict[str, str]:
    """Write the files beside the data; return the hash of each, by path."""
    for path, text in texts.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8", newline="\n")
    return {path: release.flush_file(folder / path) for path in sorted(texts)}


def _to_json(facts: Mapping[str, object]) -> str:
    return json.dumps(facts, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def _slug(name: str) -> str:
    """Return the name with everything that a file system may refuse turned into a hyphen."""
    # Marks belong to letters in many scripts: without them names would fall apart.
    kept = (letter if unicodedata.category(letter)[0] in "LMN" or letter in "-_" else "-" for letter in name)
    return "".join(kept)[:50].strip("-") or "release"


def _write_files(folder: Path, contents: Contents) -> Iterator[ReleaseFile]:
    """Write each part as Parquet, and as JSONL where it is asked for; formats of one shape share their bytes."""
    first: dict[tuple[int, tuple[str, ...], Split], Format] = {}
    twin_of = {
        (kind, split): first.setdefault((id(frame), tuple(contents.shape(kind).schema.names), split), kind)
        for (kind, split), frame in contents.frames.items()
    }
    for kind, _ in contents.frames:
        (folder / kind).mkdir(exist_ok=True)
    writers = {"parquet": _parquet} | ({"jsonl": _jsonl} if contents.options.jsonl else {})
    # Parquet and JSONL are made outside of Python's lock, so two at a time use two cores; the longest come last in `Format`.
    parts = [(write, *part) for part, twin in reversed(twin_of.items()) if part[0] is twin for write in writers.values()]
    with ThreadPoolExecutor(3) as pool:
        digests = dict(pool.map(lambda job: job[0](folder, contents, *job[1:]), parts))
    for (kind, split), twin in twin_of.items():
        for name in (f"{split}.{ending}" for ending in writers):
            path = Path(kind) / name
            if twin is not kind:
                shutil.copyfile(folder / twin / name, folder / path)
                digests[path] = release.flush_file(folder / path)
            rows = len(contents.frames[kind, split])
            yield ReleaseFile(path=path.as_posix(), format=str(kind), split=str(split), rows=rows, sha256=digests[path])


def _parquet(folder: Path, contents: Contents, kind: Format, split: Split) -> tuple[Path, str]:
    """Write a part as Parquet, every row checked; return its path and its hash."""
    path, options = Path(kind) / f"{split}.parquet", contents.options
    shape = contents.shape(kind)
    with pq.ParquetWriter(folder / path, shape.schema, compression="zstd", use_dictionary=shape.repetitive) as table:
        for piece in contents.tables(kind, split):
            check_table(kind, piece, options.layout, with_system=options.with_system)
            table.write_table(piece)
    return path, release.flush_file(folder / path)


def _jsonl(folder: Path, contents: Contents, kind: Format, split: Split) -> tuple[Path, str]:
    """Write a part as lines of JSON; return its path and its hash. DuckDB is ten times as fast as Python row by row."""
    path, digest = Path(kind) / f"{split}.jsonl", hashlib.sha256()
    with duckdb.connect(config={"threads": 1}) as engine, (folder / path).open("wb") as file:
        for piece in contents.tables(kind, split):
            engine.register("piece", piece)
            for lines in engine.sql("SELECT to_json(piece) || chr(10) FROM piece").to_arrow_table().column(0).chunks:
                whole = pa.ListArray.from_arrays(pa.array([0, len(lines)], pa.int32()), lines)
                told = pc.binary_join(whole, "")[0].as_buffer()
                digest.update(told)
                file.write(told)
        file.flush()
        os.fsync(file.fileno())
    return path, digest.hexdigest()


def _manifest(contents: Contents, files: tuple[ReleaseFile, ...], digests: Mapping[str, str]) -> dict[str, object]:
    """Return what identifies the release: no date and no path of this machine, so that it can be made again."""
    project = contents.project
    return {
        "release_format": 1,
        "project": project.name,
        "language": project.language,
        "code": project.code,
        "source": project.public_source,
        "revision": project.revision,
        "is_demonstration": project.is_demonstration,
        "seed": project.seed,
        "layout": str(contents.options.layout),
        "with_system": contents.options.with_system,
        "split": contents.split_report.as_dict(),
        "rules": dict(project.rules),
        "counts": contents.counts,
        "last_vote_at": contents.last_vote_at,
        "excluded": contents.excluded,
        "excluded_by_format": contents.excluded_by_format,
        "chosen_by_source": contents.chosen_by_source,
        "files": [asdict(file) for file in files],
        "card_sha256": digests[CARD],
        "beside": {path: digest for path, digest in digests.items() if path != CARD},
        "versions": {"pyarrow": pa.__version__},
    }
