"""Traps: would a table load without a word and spoil the training?

A table comes in, as it was written; nothing goes out, or an error that names the row and the trap. Every row is looked
at, column by column, so that hundreds of thousands take a second. Reads no files, writes none.
Read and run against TRL 1.16.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import ExportError
from pipeline.shapes import PAIRED, RAW, Format, Layout, Shape, shape_of

_BETWEEN = "\x1f"


class _Told(NamedTuple):
    """A column as texts, one per row: all that is said, what stands before the last turn, and who speaks.

    `roles` is None where the column is plain text.
    """

    words: pa.Array
    asked: pa.Array
    roles: pa.Array | None
    has_blank: pa.Array


Found = Iterator[tuple[str, pa.Array]]
"""What is wrong, and in which rows."""


def check_table(kind: Format, table: pa.Table, layout: Layout = Layout.MESSAGES, *, with_system: bool = False) -> int:
    """Check that each row trains as it should; return how many there were.

    Raises:
        ExportError: A row is one of the traps that load without a word; the message names row and trap.
    """
    shape = shape_of(kind, layout, with_system=with_system)
    _check_columns(kind, table, shape)
    if kind in RAW or not len(table):
        return len(table)
    told = {name: _told(table[name].combine_chunks()) for name in _read(shape)}
    for trap, rows in _find(told, shape):
        if pc.any(rows).as_py():
            pair = table["pair_id"][rows.index(True).as_py()].as_py()
            raise _refusal(kind, f"row of pair {pair}", trap)
    return len(table)


def _refusal(kind: Format, what: str, trap: str) -> ExportError:
    return ExportError(
        f"The {kind} {what} cannot be trained on: {trap}.",
        hint="Nothing was written. Look at this pair on the Curate page, leave it out, and export again.",
    )


def _read(shape: Shape) -> list[str]:
    """The columns whose texts a trainer reads."""
    return [*shape.spoken, *(name for name in ("prompt", "chosen", "rejected", "completion") if name in shape.plain)]


def _check_columns(kind: Format, table: pa.Table, shape: Shape) -> None:
    """Refuse tables whose columns alone mislead a trainer."""
    types = {column.name: column.type for column in table.schema}
    if "margin" in types and "margin" not in shape.plain:
        raise _refusal(kind, "table", "it has a margin column, which would change the loss")
    if kind in PAIRED and "prompt" not in types and types.get("chosen") == pa.string():
        raise _refusal(kind, "table", "plain text without a prompt is cut where the two answers begin to differ")
    for column in shape.schema:
        if column.name not in types:
            raise _refusal(kind, "table", f"it has no column {column.name}")
        if column.name in _read(shape) and (types[column.name] == pa.string()) != (column.type == pa.string()):
            raise _refusal(kind, "table", "plain text and message lists stand side by side")
        if types[column.name] != column.type:
            raise _refusal(kind, "table", f"its column {column.name} is of another type, {types[column.name]}")
    try:
        table.validate(full=True)
    except pa.ArrowInvalid as error:
        raise _refusal(kind, "table", "a text holds half a character, which no file can store") from error


def _told(column: pa.Array) -> _Told:
    if pa.types.is_string(column.type):
        words = column.fill_null("")
        return _Told(words, words, None, _is_blank(words))
    messages = column.flatten()
    lengths = column.value_lengths().fill_null(0).to_numpy()
    roles, words = (pc.struct_field(messages, name).fill_null("") for name in ("role", "content"))
    rows = np.repeat(np.arange(len(column)), lengths)
    is_last = np.append(rows[1:] != rows[:-1], True)[: len(rows)]
    has_blank = np.zeros(len(column), dtype=bool)
    has_blank[rows[_is_blank(words).to_numpy(zero_copy_only=False)]] = True
    return _Told(
        _joined(words, lengths),
        _joined(words.filter(pa.array(~is_last)), np.maximum(lengths - 1, 0)),
        _joined(roles, lengths),
        pa.array(has_blank),
    )


def _joined(parts: pa.Array, lengths: np.ndarray) -> pa.Array:
    if (lengths == 1).all():
        return parts
    ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(ends), parts), _BETWEEN)


def _is_blank(texts: pa.Array) -> pa.Array:
    begins = pc.utf8_trim_whitespace(pc.utf8_slice_codeunits(texts, 0, 1))
    likely = pc.equal(pc.binary_length(begins), 0)
    # Only what begins with a space can be blank: to trim every text would copy them all.
    blank = pc.equal(pc.binary_length(pc.utf8_trim_whitespace(texts.filter(likely))), 0)
    return pc.replace_with_mask(likely, likely, blank)


def _find(told: Mapping[str, _Told], shape: Shape) -> Found:
    for name, column in told.items():
        if column.roles is not None:
            yield from _wrong_turns(name, column.roles, [role for role, _ in shape.spoken[name]])
        elif name != "prompt" and not shape.spoken:
            yield f"its {name} repeats the prompt", _repeats(column.words, told["prompt"].words)
        yield f"its {name} is empty", column.has_blank
    if "rejected" in told:
        chosen, rejected = told["chosen"], told["rejected"]
        yield "chosen and rejected are the same", pc.equal(chosen.words, rejected.words)
        if chosen.roles is not None:
            yield "chosen and rejected answer different prompts", pc.not_equal(chosen.asked, rejected.asked)


def _wrong_turns(name: str, roles: pa.Array, expected: Sequence[str]) -> Found:
    yield f"its {name} is an empty list", pc.equal(roles, "")
    yield f"a message of its {name} has no role", pc.match_substring_regex(roles, f"^{_BETWEEN}|{_BETWEEN}{_BETWEEN}|{_BETWEEN}$")
    if expected == ["assistant"]:
        yield f"its {name} repeats the prompt", pc.starts_with(roles, f"user{_BETWEEN}")
    allowed = [_BETWEEN.join(expected), _BETWEEN.join(role for role in expected if role != "system")]
    yield f"its {name} is not spoken by the {expected[-1]}", pc.invert(pc.is_in(roles, pa.array(allowed)))


def _repeats(answers: pa.Array, prompts: pa.Array) -> pa.Array:
    """Which answers begin with their prompt, when most do: a greeting may rightly be answered by the same greeting."""
    begins = [text.startswith(prompt) for text, prompt in zip(answers.to_pylist(), prompts.to_pylist(), strict=True)]
    return pa.array(begins if 2 * sum(begins) > len(begins) else [False] * len(begins))
