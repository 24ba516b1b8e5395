"""Local files: read rows in Aya's columns from Parquet, CSV or JSONL, a piece at a time.

Goes out: batches with source.COLUMNS, all text, and source.PROBLEM, which says why a row is not text. A file that
cannot be read is refused; a row that holds no text is kept and marked. Texts are never changed.
"""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from pipeline import source
from pipeline.errors import SourceError

BATCH_ROWS = 2_048
CSV_BLOCK_BYTES = 16 << 20
SCHEMA = pa.schema([(column, pa.string()) for column in (*source.COLUMNS, source.PROBLEM)])


def read_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file in its order, as batches of SCHEMA.

    Raises:
        SourceError: The file is missing, empty, broken, of another kind, or lacks a column.
    """
    reader = _reader(path)
    try:
        yield from reader(path)
    except pa.ArrowInvalid as error:
        if "UTF8" in str(error):
            raise _not_utf8(path) from error
        raise SourceError(
            f"{path.name} cannot be read as {path.suffix.lstrip('.').upper()}: {_first_line(error)}",
            hint="Save it again, in UTF-8, and check that it is complete.",
        ) from error
    except OSError as error:
        raise SourceError(
            f"{path.name} cannot be read: {error.strerror or _first_line(error)}.",
            hint="Check that the file is complete and that you may read it.",
        ) from error


def _reader(path: Path) -> Callable[[Path], Iterator[pa.RecordBatch]]:
    readers = {".parquet": _parquet, ".csv": _csv, ".jsonl": _jsonl, ".ndjson": _jsonl}
    kinds = "a .parquet, .csv or .jsonl file"
    if path.is_dir():
        raise SourceError(f"{path} is a folder, not a file.", hint=f"Give the path of {kinds} inside it.")
    if not path.is_file():
        raise SourceError(f"There is no file {path}.", hint=f"Check the path; it must be {kinds}, or the word hub or sample.")
    if path.suffix.lower() not in readers:
        raise SourceError(f"{path.name} is of a kind that cannot be read here.", hint=f"Save it as {kinds}.")
    if path.stat().st_size == 0:
        raise source.nothing_there(path.name)
    return readers[path.suffix.lower()]


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")[:200]


def _parquet(path: Path) -> Iterator[pa.RecordBatch]:
    with pyarrow.parquet.ParquetFile(path) as file:
        names = file.schema_arrow.names
        source.check_columns(names, where=path.name)
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=[name for name in source.COLUMNS if name in names]):
            yield _checked(dict(zip(batch.schema.names, batch.columns, strict=True)), where=path.name)


def _csv(path: Path) -> Iterator[pa.RecordBatch]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            heading = file.readline(65_536)
        except UnicodeDecodeError as error:
            raise _not_utf8(path) from error
    delimiter = max(",;\t", key=heading.count)
    names = next(csv.reader([heading], delimiter=delimiter), [])
    source.check_columns(names, where=path.name)
    present = [name for name in source.COLUMNS if name in names]
    with pyarrow.csv.open_csv(
        path,
        read_options=pyarrow.csv.ReadOptions(block_size=CSV_BLOCK_BYTES),
        parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            include_columns=present, column_types={name: pa.string() for name in present}, strings_can_be_null=False
        ),
    ) as file:
        for batch in file:
            yield _checked(dict(zip(batch.schema.names, batch.columns, strict=True)), where=path.name)


def _not_utf8(path: Path) -> SourceError:
    return SourceError(f"{path.name} is not written in UTF-8.", hint="Save it again as “CSV UTF-8”.")


def _checked(columns: Mapping[str, pa.Array], *, where: str) -> pa.RecordBatch:
    """Return a batch of SCHEMA from the columns a file has; rows are looked at one by one only where text is not valid."""
    texts = {name: _as_text(array, f"{where}, column {name},") for name, array in columns.items()}
    n_rows = len(texts["inputs"])
    try:
        for array in texts.values():
            array.validate(full=True)
    except pa.ArrowInvalid:
        cells = {name: _decoded(array) for name, array in texts.items()}
        return _batch([dict(zip(cells, row, strict=True)) for row in zip(*cells.values(), strict=True)])
    empty = pa.repeat(pa.scalar("", pa.string()), n_rows)
    return pa.RecordBatch.from_arrays(
        [texts[name].fill_null("") if name in texts else empty for name in SCHEMA.names], schema=SCHEMA
    )


def _as_text(array: pa.Array, what: str) -> pa.Array:
    kind = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    is_text = (
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind) or pa.types.is_null(kind)
    )
    if not is_text and not pa.types.is_integer(kind):
        raise SourceError(f"{what} holds {kind}, not text.", hint="Save that column as text, then try again.")
    return array.cast(pa.string(), safe=False) if is_text else array.cast(pa.string())


def _decoded(array: pa.Array) -> list[str | None]:
    raw: Sequence[bytes | None] = array.cast(pa.binary()).to_pylist()
    return [None if cell is None else cell.decode(errors="surrogateescape") for cell in raw]


def _jsonl(path: Path) -> Iterator[pa.RecordBatch]:
    with path.open("rb") as file:
        numbered = ((number, line) for number, line in enumerate(file, start=1) if line.strip())
        names: dict[str, None] = {}
        while lines := list(islice(numbered, BATCH_ROWS)):
            rows = [_parsed(line, f"{path.name}, line {number},") for number, line in lines]
            if not names:
                names = dict.fromkeys(name for row in rows for name in row)
                source.check_columns(list(names), where=path.name)
            yield _batch(rows)


def _parsed(line: bytes, where: str) -> Mapping[str, object]:
    try:
        # A byte that is not UTF-8 becomes half a character, so that the row is marked and not the file refused.
        row = json.loads(line.decode(errors="surrogateescape").removeprefix("\ufeff"))
    except (json.JSONDecodeError, RecursionError) as error:
        raise SourceError(f"{where} is not JSON.", hint="Each line must be one JSON object. Is the file cut off?") from error
    if not isinstance(row, dict):
        raise SourceError(
            f"{where} is not a JSON object.", hint='Each line must look like {"inputs": "...", "targets": "...", ...}.'
        )
    return row


def _batch(rows: Iterable[Mapping[str, object]]) -> pa.RecordBatch:
    columns: dict[str, list[str]] = {name: [] for name in SCHEMA.names}
    for row in rows:
        problems = []
        for name in source.COLUMNS:
            text, problem = source.text_or_problem(row.get(name))
            columns[name].append(text)
            if problem:
                problems.append(f"{name} {problem}")
        columns[source.PROBLEM].append("; ".join(problems))
    return pa.RecordBatch.from_pydict(columns, schema=SCHEMA)
