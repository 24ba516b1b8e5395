"""Source: where do the prompts and the human answers come from, and can their rows be used?

A Source is one language-sorted Parquet file in Aya's columns, made once from the Hub, a local file or the
demonstration sample. The checks here are pure; `pipeline.adapters.parquet` reads and writes the files.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import SourceError

SAMPLE = "sample"
HUB = "hub"
NEEDED = ("inputs", "targets", "language")
COLUMNS = ("inputs", "targets", "language", "language_code", "annotation_type", "user_id")
"""Aya's columns; all but NEEDED may be absent from a local file and are then empty."""

PROBLEM = "problem"
"""A seventh column: empty, or why the row's text is not text. Such rows are kept, and left out by the selection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Rows in Aya's columns, ready to be read by language.

    `name` is `sample`, `hub` or the path it was read from; `revision` names these exact rows: a commit of
    the Hub, or the hash of the file's content.
    """

    name: str
    revision: str
    path: Path
    is_demonstration: bool = False


def check_columns(found: Sequence[str], *, where: str) -> None:
    """Refuse a file that lacks a needed column, naming what is missing and what is there.

    Raises:
        SourceError: A needed column is missing, or stands there twice.
    """
    missing = [column for column in NEEDED if column not in found]
    if missing:
        raise SourceError(
            f"{where} has no column {_listed(missing)}. It has: {_listed(found) or 'no columns at all'}.",
            hint=f"Name the columns as Aya does: {', '.join(NEEDED)}, and if you have them {', '.join(COLUMNS[3:])}.",
        )
    twice = [column for column in COLUMNS if list(found).count(column) > 1]
    if twice:
        raise SourceError(
            f"{where} has the column {_listed(twice)} more than once.",
            hint="Remove or rename one of them, so that each name is used once.",
        )


def text_or_problem(value: object) -> tuple[str, str]:
    """Return a cell as text that can be written, and why it is not text ('' when it is).

    None is an empty cell. A lone surrogate (half a character) is shown as its escape.
    """
    if value is None:
        return "", ""
    if not isinstance(value, str):
        return repr(value), f"holds {type(value).__name__}, not text"
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode(errors="backslashreplace").decode(), "holds half a character (not valid Unicode)"
    return value, ""


def fill_codes(languages: Sequence[str], codes: Sequence[str], known: Mapping[str, str]) -> list[str]:
    """Return the code of each row, from its language's name where the row has none."""
    return [code or known.get(language, "") for language, code in zip(languages, codes, strict=True)]


def file_stamp(spec: str) -> str:
    """Return what changes when the file at a path does, without reading it; empty where there is none."""
    path = Path(spec).expanduser()
    return f"{path.stat().st_mtime_ns}-{path.stat().st_size}" if path.is_file() else ""


def nothing_there(where: str) -> SourceError:
    """Return the error for a source without a single row."""
    return SourceError(f"{where} holds no rows.", hint="Choose a file with at least one row below its column names.")


def _listed(names: Collection[str], most: int = 20) -> str:
    shown = [str(name) for name in names][:most]
    return ", ".join(shown) + (f" and {len(names) - most} more" if len(names) > most else "")
