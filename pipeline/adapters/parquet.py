"""Parquet: keep the rows of a source sorted by language in the workspace, and read them back by language.

Comes in: the Hub's file, a local file, or the demonstration sample. Goes out: frames. A file in the workspace's
`sources` folder is complete or not there: it is made under another name and then renamed.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet
from filelock import FileLock

from pipeline import demonstration, languages, source
from pipeline.adapters import hub, local_files
from pipeline.errors import SourceError
from pipeline.source import Source

LAYOUT = 2
"""Counts changes of the sorted files' layout; a file of another layout is made again from its source."""

ROW_GROUP_ROWS = 2_048
SORT_MEMORY = "1GB"

WRITTEN = pa.schema([*local_files.SCHEMA, ("prompt_chars", pa.int32()), ("answer_chars", pa.int32()), ("position", pa.int64())])

SUMMARY = """
SELECT language,
       coalesce(mode(nullif(language_code, '')), '') AS code,
       count(*) AS "rows",
       nullif(count(DISTINCT nullif(user_id, '')), 0) AS contributors,
       CASE WHEN max(annotation_type) <> '' THEN count(*) FILTER (annotation_type = 'original-annotations') END AS original,
       CASE WHEN max(annotation_type) <> '' THEN count(*) FILTER (annotation_type = 're-annotations') END AS re_annotated,
       avg(prompt_chars) AS prompt_chars_mean, max(prompt_chars) AS prompt_chars_max,
       avg(answer_chars) AS answer_chars_mean, max(answer_chars) AS answer_chars_max
FROM read_parquet(?) GROUP BY language
"""


def open_source(
    spec: str,
    *,
    workspace: Path,
    endpoint: str = hub.OFFICIAL_ENDPOINT,
    token: str = "",
    progress: Callable[[int, int], None] | None = None,
    published: hub.Published | None = None,
) -> Source:
    """Return the source a person named: `sample`, `hub`, or the path of a file.

    The first opening reads or downloads the rows (`progress` gets bytes done and in all); later ones find them.

    Raises:
        SourceError: The rows cannot be had, and why; the hint names another way.
    """
    folder = workspace / "sources"
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if spec == source.HUB:
            return _open_hub(folder, published or hub.aya(), endpoint=endpoint, token=token, progress=progress)
        if spec == source.SAMPLE:
            return _open_sample(folder)
        return _open_file(folder, Path(spec).expanduser())


def hub_is_downloaded(workspace: Path, published: hub.Published | None = None) -> bool:
    """Return whether the Hub's rows are in the workspace already."""
    return _hub_path(workspace / "sources", published or hub.aya()).exists()


def language_rows(opened: Source, language: str) -> pd.DataFrame:
    """Return the rows of one language, in the order of the source.

    Returns:
        Columns source.COLUMNS and source.PROBLEM, all text.

    Raises:
        SourceError: The source has no row in that language; the hint offers names.
    """
    columns = [*source.COLUMNS, source.PROBLEM]
    with _reading(opened.path):
        table = pa.parquet.read_table(opened.path, columns=columns, filters=[("language", "=", language)], partitioning=None)
    rows: pd.DataFrame = table.to_pandas()
    if rows.empty:
        meant = language_in(opened, language)
        raise SourceError(f"“{language}” is not a name in this source.", hint=f"Use the name {meant.name}.")
    return rows


def summary(opened: Source) -> pd.DataFrame:
    """Return what the source holds, one row per language: columns languages.COLUMNS, the largest first."""
    return languages.describe(_query(SUMMARY, opened.path))


def _open_hub(
    folder: Path, published: hub.Published, *, endpoint: str, token: str, progress: Callable[[int, int], None] | None
) -> Source:
    path = _hub_path(folder, published)
    with _made_once(path) as work:
        if work is not None:
            file = hub.download(published, folder=work, endpoint=endpoint, token=token, progress=progress)
            _write_sorted(local_files.read_batches(file), path, work=work, where="The published file")
    return Source(name=source.HUB, revision=published.revision, path=path)


def language_in(opened: Source, name: str) -> languages.Language:
    """Return the language of the source that a person means by a name, a code or another common name.

    Raises:
        SourceError: No language of the source is called that, or several are; the hint offers names.
    """
    return languages.find_language(name, languages.languages_of(summary(opened)))


def _hub_path(folder: Path, published: hub.Published) -> Path:
    return folder / f"hub-{published.revision}-v{LAYOUT}.parquet"


def _open_file(folder: Path, file: Path) -> Source:
    batches = local_files.read_batches(file)
    first = next(batches, None)
    if first is None or first.num_rows == 0:
        raise source.nothing_there(file.name)
    with file.open("rb") as opened:
        revision = hashlib.file_digest(opened, "sha256").hexdigest()
    path = folder / f"file-{revision}-v{LAYOUT}.parquet"
    with _made_once(path) as work:
        if work is not None:
            _write_sorted(_chained(first, batches), path, work=work, where=file.name)
    return Source(name=str(file.resolve()), revision=revision, path=path)


def _open_sample(folder: Path) -> Source:
    rows = demonstration.rows()
    revision = hashlib.sha256(rows.to_json(orient="values", force_ascii=True).encode()).hexdigest()
    path = folder / f"sample-{revision}-v{LAYOUT}.parquet"
    with _made_once(path) as work:
        if work is not None:
            marked = rows.assign(**{source.PROBLEM: ""})
            batch = pa.RecordBatch.from_pandas(marked, schema=local_files.SCHEMA, preserve_index=False)
            _write_sorted([batch], path, work=work, where="The demonstration sample")
    return Source(name=source.SAMPLE, revision=revision, path=path, is_demonstration=True)


def _chained(first: pa.RecordBatch, rest: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield first
    yield from rest


@contextmanager
def _made_once(path: Path) -> Iterator[Path | None]:
    """Yield a folder to make a file in, or None where it is there; one maker at a time, in any process."""
    if path.exists():
        yield None
        return
    with FileLock(path.parent / ".making.lock"):
        if path.exists():
            yield None
            return
        for left_by_a_killed_process in path.parent.glob(".making-*"):
            shutil.rmtree(left_by_a_killed_process, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".making-") as work:
            yield Path(work)


def _write_sorted(batches: Iterable[pa.RecordBatch], path: Path, *, work: Path, where: str) -> None:
    """Write rows sorted by language, each language in the order it came, under a temporary name, then rename."""
    codes = {language.name: language.code for language in languages.LANGUAGES}
    unsorted, made = work / "unsorted.parquet", work / "sorted.parquet"
    if not _write_numbered(batches, unsorted, codes):
        raise source.nothing_there(where)
    with _connection(work) as connection:
        connection.execute(
            f"COPY (SELECT * EXCLUDE position FROM read_parquet(?) ORDER BY language, position) TO {_quoted(made)} "  # noqa: S608
            f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP_ROWS})",
            [_literal(unsorted)],
        )
    with made.open("rb+") as file:
        os.fsync(file.fileno())
    made.replace(path)


def _write_numbered(batches: Iterable[pa.RecordBatch], path: Path, codes: Mapping[str, str]) -> int:
    """Write rows as they come, each with its lengths and position, and return how many there are."""
    n_rows = 0
    with pyarrow.parquet.ParquetWriter(path, WRITTEN) as writer:
        for batch in batches:
            columns = dict(zip(batch.schema.names, batch.columns, strict=True))
            filled = source.fill_codes(batch["language"].to_pylist(), batch["language_code"].to_pylist(), codes)
            columns["language_code"] = pa.array(filled, pa.string())
            # Kept beside the texts, so that the summary of all languages reads no text.
            columns["prompt_chars"] = pyarrow.compute.utf8_length(batch["inputs"])
            columns["answer_chars"] = pyarrow.compute.utf8_length(batch["targets"])
            columns["position"] = pa.array(range(n_rows, n_rows + batch.num_rows), pa.int64())
            writer.write_batch(pa.RecordBatch.from_arrays([columns[name] for name in WRITTEN.names], schema=WRITTEN))
            n_rows += batch.num_rows
    return n_rows


@contextmanager
def _connection(work: Path | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "memory_limit": SORT_MEMORY,
    }
    if work is not None:
        config["temp_directory"] = str(work)
    connection = duckdb.connect(":memory:", config=config)
    try:
        yield connection
    finally:
        connection.close()


def _query(sql: str, path: Path) -> pd.DataFrame:
    with _reading(path), _connection() as connection:
        frame: pd.DataFrame = pa.table(connection.sql(sql, params=[_literal(path)])).to_pandas()
        return frame


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Translate a file of ours that is damaged or gone."""
    try:
        yield
    except (duckdb.Error, pa.ArrowInvalid, OSError) as error:
        raise SourceError(
            f"The rows kept in {path} cannot be read.", hint="Delete that file if it is there; it is made again from its source."
        ) from error


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Translate a full or read-only disk."""
    try:
        yield
    except (OSError, duckdb.IOException, duckdb.OutOfMemoryException) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error).splitlines()[0]
        raise SourceError(
            f"The rows cannot be written to {folder}: {why}.",
            hint="Check that the disk has free space and that you may write there, or choose another workspace.",
        ) from error


def _literal(path: Path) -> str:
    """Return a path in which DuckDB finds no wildcard."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in str(path))


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
