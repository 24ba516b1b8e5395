"""Privacy: does a written release hold e-mail addresses, telephone numbers, or the names of its annotators?

The tables of a release and the annotators' names come in; what was found goes out, with where it stands, for a person to look
at before publishing. It finds what has the form of these things and no more; it changes nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

# No longer than an address may be (RFC 5321): else a long word is tried from each of its letters on.
EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
PHONE = re.compile(r"(?<![\w.,/-])(?<!\d\s)(?:\+\d{1,3}|[0٠۰०০](?![.,]))[\s().-]{0,2}\d(?:[\s().-]{0,2}\d){6,12}(?![\w/])")
DATE = re.compile(r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}")
NOT_WRITTEN_BY_PEOPLE = re.compile(
    r"(_id|_source|_version|_model|_rating)$|^(at|annotator|choice|judge|language|method|model|shown_first|source|split)$"
)
"""Columns that hold ids, names of ours and times: nobody's words."""
SHORTEST_NAME = 3
AROUND = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One thing to look at: `what` is `e-mail`, `phone` or `name`; `excerpt` is the text around `match`."""

    what: str
    match: str
    column: str
    pair_id: str
    excerpt: str


def search(tables: Iterable[tuple[str, pa.Table]], *, names: Iterable[str]) -> list[Found]:
    """Return what was found in the tables of a release, each once, as (format, table) come.

    `names` are those the annotators voted under. In letters that stand for sounds, shorter ones than SHORTEST_NAME are left out.
    """
    wanted = [pattern for name in sorted(set(names)) if (pattern := _as_pattern(name.strip()))]
    person = re.compile("|".join(wanted), re.IGNORECASE) if wanted else None
    found: dict[tuple[str, str, str, str], Found] = {}
    for _, table in tables:
        for each in _in_table(table, person):
            found.setdefault((each.what, each.match, each.column, each.pair_id), each)
    return sorted(found.values(), key=lambda each: (each.what, each.match, each.column, each.pair_id))


def _as_pattern(name: str) -> str:
    """How a name is looked for; empty where it is too short to tell."""
    # Scripts that put no spaces between words have no ends of words to look for.
    if any(unicodedata.category(letter) == "Lo" for letter in name):
        return re.escape(name) if len(name) >= SHORTEST_NAME - 1 else ""
    return rf"(?<!\w){re.escape(name)}(?!\w)" if len(name) >= SHORTEST_NAME else ""


def _in_table(table: pa.Table, person: re.Pattern[str] | None) -> Iterator[Found]:
    pair_ids = table["pair_id"].to_pylist() if "pair_id" in table.column_names else [""] * table.num_rows
    for column in table.column_names:
        kind = table.schema.field(column).type
        if NOT_WRITTEN_BY_PEOPLE.search(column) or not (pa.types.is_string(kind) or pa.types.is_list(kind)):
            continue
        texts = pd.Series([_text_of(value) for value in table[column].to_pylist()], dtype=object)
        for text in texts.unique():
            matches = list(_in_text(text, person))
            if matches:
                pair_id = str(pair_ids[int((texts == text).idxmax())])
                for what, match, excerpt in matches:
                    yield Found(what=what, match=match, column=column, pair_id=pair_id, excerpt=excerpt)


def _text_of(value: object) -> str:
    """What a person reads in a cell: a text, or the contents of its messages."""
    if isinstance(value, list):
        return "\n".join(str(turn["content"]) for turn in value)
    return str(value or "")


def _in_text(text: str, person: re.Pattern[str] | None) -> Iterator[tuple[str, str, str]]:
    patterns = {"e-mail": EMAIL if "@" in text else None, "phone": PHONE, "name": person}
    for what, pattern in patterns.items():
        for match in pattern.finditer(text) if pattern else ():
            if what != "phone" or not DATE.fullmatch(match.group()):
                around = text[max(0, match.start() - AROUND) : match.end() + AROUND]
                yield what, match.group(), " ".join(around.split())
