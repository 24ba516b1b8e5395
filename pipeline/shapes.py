"""Shapes: the rows of each training format, and the check that no broken one is written.

Flat frames come in (one text per cell); rows come out as TRL reads them, with texts as message lists
`[{"role": "user", "content": ...}]`. The check refuses what loads without a word and spoils the training.
Reads no files, writes none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd
import pyarrow as pa

from pipeline.errors import ExportError

type_of_message = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))

Row = dict[str, object]


class Format(StrEnum):
    """What a release can hold; each is one configuration of the dataset."""

    DPO = "dpo"
    ORPO = "orpo"
    KTO = "kto"
    REWARD = "reward"
    SFT = "sft"
    VOTES = "votes"


class Split(StrEnum):
    """Which part of the prompts a file holds."""

    TRAIN = "train"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The columns of a format, and the role that speaks in each column of messages."""

    columns: Mapping[str, pa.DataType]
    roles: Mapping[str, str]

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the files."""
        types = {name: type_of_message if name in self.roles else kind for name, kind in self.columns.items()}
        return pa.schema(list(types.items()))


_IDS = {"prompt_id": pa.string(), "pair_id": pa.string()}
_PROVENANCE = {
    "n_votes": pa.int64(),
    "agreement": pa.float64(),
    "confidence": pa.float64(),
    "method": pa.string(),
    "language": pa.string(),
}
_SOURCES = {"chosen_source": pa.string(), "rejected_source": pa.string()}
_SIDES = {"prompt": "user", "chosen": "assistant", "rejected": "assistant"}
_ANSWER = {"prompt": "user", "completion": "assistant"}


def _texts(names: Iterable[str]) -> dict[str, pa.DataType]:
    return {name: pa.string() for name in names}


_PREFERENCE = Shape(columns=_texts(_SIDES) | _IDS | _SOURCES | _PROVENANCE, roles=_SIDES)

SHAPES: Mapping[Format, Shape] = {
    Format.DPO: _PREFERENCE,
    Format.ORPO: _PREFERENCE,
    # The margin changes the loss of a reward model, so it stands in no other format.
    Format.REWARD: Shape(columns=_texts(_SIDES) | {"margin": pa.float64()} | _IDS | _SOURCES | _PROVENANCE, roles=_SIDES),
    Format.KTO: Shape(
        columns=_texts(_ANSWER) | {"label": pa.bool_()} | _IDS | {"source": pa.string()} | _PROVENANCE, roles=_ANSWER
    ),
    Format.SFT: Shape(
        columns=_texts(_ANSWER) | _IDS | {"source": pa.string(), "edited": pa.bool_()} | _PROVENANCE, roles=_ANSWER
    ),
    Format.VOTES: Shape(
        columns=_IDS
        | _texts(("prompt", "first", "second", "first_source", "second_source"))
        | _texts(("annotator", "choice", "shown_first", "reason", "edited"))
        | {"seconds": pa.float64()}
        | _texts(("guidelines_version", "at", "language")),
        roles={},
    ),
}


def parse_formats(names: Iterable[str]) -> list[Format]:
    """Return the formats of these names, each once, in the order of `Format`; `all` is every format.

    Raises:
        ExportError: A name is not a format.
    """
    wanted = set(names)
    unknown = sorted(wanted - {"all", *Format})
    if unknown or not wanted:
        raise ExportError(
            f"There is no export format {', '.join(unknown)}." if unknown else "No export format was chosen.",
            hint=f"Choose from {', '.join(Format)}, or all.",
        )
    return [each for each in Format if "all" in wanted or each in wanted]


def to_rows(kind: Format, frame: pd.DataFrame) -> Iterator[Row]:
    """Yield the rows of a flat frame as they are written; `frame` has the columns of the format's shape."""
    shape = SHAPES[kind]
    columns = (_messages(role, frame[name]) if (role := shape.roles.get(name)) else _plain(frame[name]) for name in shape.columns)
    for values in zip(*columns, strict=True):
        yield dict(zip(shape.columns, values, strict=True))


def _messages(role: str, texts: pd.Series[str]) -> list[list[dict[str, str]]]:
    return [[{"role": role, "content": text}] for text in texts.tolist()]


def _plain(values: pd.Series[str]) -> list[object]:
    missing = values.isna().tolist()
    return [None if gone else value for value, gone in zip(values.tolist(), missing, strict=True)]


def texts_of(kind: Format, row: Row) -> dict[str, str]:
    """Return the texts of a row that a person reads, by column."""
    names = SHAPES[kind].roles or ("prompt", "first", "second")
    return {name: "".join(_strings({name: row[name]})) for name in names}


def to_table(kind: Format, rows: Sequence[Row]) -> pa.Table:
    """Return checked rows as an Arrow table of the format's fixed schema, without pandas metadata."""
    return pa.Table.from_pylist(list(rows), schema=SHAPES[kind].schema)


def is_text(value: object) -> bool:
    """Say whether a value can be written as UTF-8; a lone surrogate cannot."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_rows(kind: Format, rows: Iterable[Mapping[str, object]]) -> int:
    """Check that each row trains as it should; return how many there were.

    Raises:
        ExportError: A row is one of the traps that load without a word; the message names row and trap.
    """
    count = 0
    for count, row in enumerate(rows, start=1):
        trap = _trap(kind, row)
        if trap:
            raise ExportError(
                f"The {kind} row of pair {row.get('pair_id', f'number {count}')} cannot be trained on: {trap}.",
                hint="Nothing was written. Look at this pair on the Curate page, leave it out, and export again.",
            )
    return count


def _trap(kind: Format, row: Mapping[str, object]) -> str:
    """Name what is wrong with a row, or return nothing."""
    roles = SHAPES[kind].roles
    missing = [name for name in roles or SHAPES[kind].columns if name not in row]
    if missing:
        return f"it has no column {missing[0]}"
    if "margin" in row and kind is not Format.REWARD:
        return "it has a margin column, which would change the loss"
    if len({isinstance(row[name], str) for name in roles}) > 1:
        return "plain text and message lists stand side by side"
    for name, role in roles.items():
        trap = _text_trap(name, row) if isinstance(row[name], str) else _messages_trap(name, role, row)
        if trap:
            return trap
    if "rejected" in roles and row["chosen"] == row["rejected"]:
        return "chosen and rejected are the same"
    if not is_text("".join(_strings(row))):
        return "a text holds half a character (a lone surrogate), which no file can store"
    return ""


def _text_trap(name: str, row: Mapping[str, object]) -> str:
    text = str(row[name])
    if not text.strip():
        return f"its {name} is empty"
    if name != "prompt" and text.startswith(str(row["prompt"])):
        return f"its {name} repeats the prompt"
    return ""


def _messages_trap(name: str, role: str, row: Mapping[str, object]) -> str:
    messages = row[name]
    if not isinstance(messages, list) or not messages:
        return f"its {name} is an empty list" if messages == [] else f"its {name} is not a list of messages"
    for message in messages:
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
            return f"a message of its {name} has no role"
        if not isinstance(message.get("content"), str) or not message["content"].strip():
            return f"its {name} is empty"
    if name != "prompt" and messages[0]["role"] == "user":
        return f"its {name} repeats the prompt"
    if messages[-1]["role"] != role:
        return f"its {name} is not spoken by the {role}"
    return ""


def _strings(row: Mapping[str, object]) -> Iterator[str]:
    for value in row.values():
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            yield from (message["content"] for message in value)
