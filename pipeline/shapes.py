"""Shapes: the columns of each format in each layout, and the tables that are written.

Flat frames come in, one text per cell; Arrow tables come out as trainers read them, texts as lists of messages
`[{"role": "user", "content": ...}]` where the layout says so. Reads no files, writes none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

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
    JUDGEMENTS = "judgements"


class Layout(StrEnum):
    """How the rows are laid out; `docs/export.md` says which trainer reads which."""

    MESSAGES = "messages"
    IMPLICIT = "implicit"
    TEXT = "text"
    HANDBOOK = "alignment-handbook"
    LLAMA_FACTORY = "llama-factory"
    AXOLOTL = "axolotl"


class Split(StrEnum):
    """Which part of the prompts a file holds."""

    TRAIN = "train"
    TEST = "test"


Turn = tuple[str, str]
"""Who speaks, and the words, or the column of the flat frame that holds them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The columns of the files: `plain` as they stand in the flat frame, `spoken` as messages, turn by turn."""

    plain: Mapping[str, pa.DataType]
    spoken: Mapping[str, Sequence[Turn]] = field(default_factory=dict)

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the files: what is spoken, then the rest."""
        return pa.schema([*((name, type_of_message) for name in self.spoken), *self.plain.items()])

    @property
    def repetitive(self) -> list[str]:
        """The columns of the files in which few values stand again and again, as Parquet names them; no two texts are alike."""
        names = (name for name, kind in self.plain.items() if kind == pa.string() and name not in TEXTS)
        return [*names, *(f"{name}.list.element.role" for name in self.spoken)]

    @property
    def flat(self) -> set[str]:
        """The columns of the flat frame that are written."""
        return {*self.plain, *(name for turns in self.spoken.values() for _, name in turns)}


PAIRED = (Format.DPO, Format.ORPO, Format.REWARD)
"""Formats whose rows hold a chosen and a rejected answer."""
RAW = (Format.VOTES, Format.JUDGEMENTS)
"""Formats that say who said what; no trainer reads them and every layout has them alike."""
TEXTS = ("prompt", "first", "second", "chosen", "rejected", "completion")
"""Columns in which people or models speak."""
TEXT_SIDES = ("prompt", "first", "second")
"""What the rows of RAW formats take from their pair."""

_IDS = {"prompt_id": pa.string(), "pair_id": pa.string()}
_PROVENANCE = {
    "n_votes": pa.int64(),
    "agreement": pa.float64(),
    "confidence": pa.float64(),
    "method": pa.string(),
    "judge": pa.string(),
    "language": pa.string(),
}


def _texts(*names: str) -> dict[str, pa.DataType]:
    return dict.fromkeys(names, pa.string())


_OF_PAIRED = (
    _IDS
    | _texts("chosen_source", "rejected_source")
    | {"chosen_rating": pa.float64(), "rejected_rating": pa.float64()}
    | _PROVENANCE
)
_OF_ANSWERS = _IDS | _texts("source") | {"rating": pa.float64()} | _PROVENANCE
_OF_RAW = _IDS | _texts(*TEXT_SIDES, "first_source", "second_source")
_RAW_SHAPES = {
    Format.VOTES: Shape(
        plain=_OF_RAW
        | _texts("annotator", "choice", "shown_first", "reason", "edited")
        | {"seconds": pa.float64()}
        | _texts("guidelines_version", "at", "language")
    ),
    Format.JUDGEMENTS: Shape(
        plain=_OF_RAW
        | _texts("judge", "choice", "shown_first")
        | {"rating_first": pa.float64(), "rating_second": pa.float64()}
        | _texts("rationale", "at", "language")
    ),
}


def shape_of(kind: Format, layout: Layout = Layout.MESSAGES, *, with_system: bool = False) -> Shape:
    """Return the columns of a format; `with_system` puts the system prompt in front of the prompt, or beside it as text."""
    if kind in RAW:
        return _RAW_SHAPES[kind]
    asked: list[Turn] = [("system", "system")] * with_system + [("user", "prompt")]
    is_text = layout in (Layout.TEXT, Layout.LLAMA_FACTORY) or (kind is Format.KTO and layout is Layout.AXOLOTL)
    rest = _OF_PAIRED if kind in PAIRED else _OF_ANSWERS
    if kind is Format.REWARD:
        # The margin changes the loss of a reward model, so it stands in no other format.
        rest = {"margin": pa.float64()} | rest
    if kind is Format.KTO:
        rest = {"label": pa.bool_()} | rest | _texts("outcome")
    if kind is Format.SFT:
        rest = rest | {"edited": pa.bool_()}
    sides = ("chosen", "rejected") if kind in PAIRED else ("completion",)
    if is_text:
        return Shape(plain=_texts(*["system"] * with_system, "prompt", *sides) | rest)
    answers: dict[str, Sequence[Turn]] = {side: [("assistant", side)] for side in sides}
    whole: dict[str, Sequence[Turn]] = {side: [*asked, ("assistant", side)] for side in sides}
    if kind in PAIRED and layout is Layout.IMPLICIT:
        return Shape(spoken=whole, plain=rest)
    if kind in PAIRED and layout is Layout.HANDBOOK:
        scores = {"score_chosen": pa.float64(), "score_rejected": pa.float64()}
        return Shape(spoken=whole | {"messages": whole["chosen"]}, plain=_texts("prompt") | scores | rest)
    if kind is Format.SFT and layout in (Layout.IMPLICIT, Layout.HANDBOOK, Layout.AXOLOTL):
        return Shape(spoken={"messages": whole["completion"]}, plain=rest)
    return Shape(spoken={"prompt": asked, **answers}, plain=rest)


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


def parse_layout(name: str) -> Layout:
    """Return the layout of this name.

    Raises:
        ExportError: There is no such layout.
    """
    if name not in list(Layout):
        raise ExportError(f"There is no layout {name}.", hint=f"Choose one of {', '.join(Layout)}.")
    return Layout(name)


def to_table(shape: Shape, columns: Mapping[str, pd.Series[Any] | pa.Array]) -> pa.Table:
    """Return flat columns as an Arrow table of the shape's schema; an empty text in a first turn leaves the turn out."""
    spoken = [
        _conversations([(role, to_arrow(columns[name]).cast(pa.string())) for role, name in turns])
        for turns in shape.spoken.values()
    ]
    plain = [to_arrow(columns[name]).cast(kind) for name, kind in shape.plain.items()]
    return pa.Table.from_arrays([*spoken, *plain], schema=shape.schema)


def to_arrow(column: Any) -> pa.Array:
    """Return a column in one piece, whatever kind it is; nothing is copied where that can be helped."""
    found = column if isinstance(column, pa.Array) else pa.array(column, from_pandas=True)
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


def _conversations(turns: Sequence[tuple[str, pa.Array]]) -> pa.ListArray:
    """Lay the turns of each row one after the other."""
    rows, height = len(turns[0][1]), len(turns)
    order = np.arange(rows * height).reshape(height, rows).T.ravel()
    said = pa.concat_arrays([words for _, words in turns])
    # A single turn is in order already; to take would copy every text.
    said = said if height == 1 else said.take(pa.array(order))
    speaker = pa.DictionaryArray.from_arrays(
        pa.array(np.repeat(np.arange(height, dtype=np.int8), rows)[order]), pa.array([role for role, _ in turns])
    )
    lengths = np.full(rows, height)
    if height > 1 and turns[0][0] == "system":
        silent = pc.equal(pc.utf8_length(turns[0][1].fill_null("")), 0).to_numpy(zero_copy_only=False)
        keep = np.ones(rows * height, dtype=bool)
        keep[::height] = ~silent
        said, speaker, lengths = said.filter(pa.array(keep)), speaker.filter(pa.array(keep)), lengths - silent
    ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    messages = pa.StructArray.from_arrays([speaker.cast(pa.string()), said], fields=list(type_of_message.value_type))
    return pa.ListArray.from_arrays(pa.array(ends), messages)


def texts_of(kind: Format, row: Row) -> dict[str, str]:
    """Return the texts of a row that a person reads: system prompt if there is one, prompt, answers, wherever the layout
    has put them."""
    if kind in RAW:
        return {name: str(row[name]) for name in TEXT_SIDES}
    sides: list[str] = [name for name in ("chosen", "rejected", "completion") if name in row] or ["messages"]
    said = {name: _turns(row[name]) for name in sides}
    asked = said[sides[0]][:-1] or _turns(row.get("prompt"))
    system = [words for role, words in asked if role == "system"] or [str(row.get("system") or "")]
    answers = {"answer" if name == "messages" else name: turns[-1][1] for name, turns in said.items() if turns}
    return ({"system": system[0]} if system[0] else {}) | {"prompt": asked[-1][1] if asked else ""} | answers


def _turns(value: object) -> list[Turn]:
    """Who says what in a cell; of plain text it is not told who."""
    if isinstance(value, list):
        return [(str(turn["role"]), str(turn["content"])) for turn in value]
    return [("", str(value))] if value is not None else []


def is_text(value: object) -> bool:
    """Say whether a value can be written as UTF-8; a lone surrogate cannot."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
