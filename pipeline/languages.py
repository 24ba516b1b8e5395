"""Languages: which languages does Aya hold, and how is each written?

Names, codes, scripts and published counts are facts read from `pipeline/facts`; nothing here counts rows of a source.
A language is known by its name as Aya writes it, never by its code: `zho` covers two of them.
"""

import csv
import difflib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import pandas as pd

from pipeline.errors import SourceError

COLUMNS = [
    "language",
    "code",
    "rows",
    "contributors",
    "original",
    "re_annotated",
    "prompt_chars_mean",
    "prompt_chars_max",
    "answer_chars_mean",
    "answer_chars_max",
    "script",
    "direction",
    "resource",
    "how",
]
"""Columns of every frame of languages; `how` is `exact`, `about` (read off a published plot) or `counted` (from the rows)."""

WHOLE_NUMBERS = ["rows", "contributors", "original", "re_annotated", "prompt_chars_max", "answer_chars_max"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """One language. `iso639_1` is empty where there is no two-letter code; `direction` is `ltr`, `rtl`, or empty if unknown.

    `published_rows` is None for a language that Aya does not hold; `resource` is `high`, `mid`, `low` or empty.
    """

    name: str
    code: str
    iso639_1: str = ""
    script: str = ""
    direction: str = ""
    published_rows: int | None = None
    how: str = "counted"
    resource: str = ""
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The published totals of Aya's train split, and of the file that holds it."""

    dataset: str
    revision: str
    rows: int
    languages: int
    original: int
    re_annotated: int
    file_bytes: int
    file_sha256: str

    @property
    def file_megabytes(self) -> int:
        """The size of the download, in millions of bytes."""
        return round(self.file_bytes / 1e6)


def _facts(name: str) -> str:
    return resources.files("pipeline").joinpath("facts", name).read_text(encoding="utf-8")


@cache
def aya_languages() -> tuple[Language, ...]:
    """Return Aya's 71 languages, the largest first."""
    return tuple(
        Language(
            name=row["language"],
            code=row["code"],
            iso639_1=row["iso639_1"],
            script=row["script"],
            direction=row["direction"],
            published_rows=int(row["rows"]),
            how=row["how"],
            resource=row["resource"],
            also=tuple(filter(None, row["also"].split(";"))),
        )
        for row in csv.DictReader(_facts("aya_languages.csv").splitlines())
    )


LANGUAGES = aya_languages()


@cache
def totals() -> Totals:
    """Return the published totals."""
    facts = json.loads(_facts("aya_totals.json"))
    return Totals(**{field: facts[field] for field in Totals.__dataclass_fields__})


@cache
def _lengths() -> dict[str, dict[str, float]]:
    lengths: dict[str, dict[str, float]] = json.loads(_facts("aya_totals.json"))["lengths"]
    return lengths


@cache
def _system_prompts() -> dict[str, str]:
    prompts: dict[str, str] = json.loads(_facts("system_prompts.json"))
    return prompts


def find_language(name: str, known: Iterable[Language] = LANGUAGES) -> Language:
    """Return the language a person means by its name, a code, or another common name.

    Raises:
        SourceError: No language is called that, or several are; the hint offers names.
    """
    by_key = _index(known)
    found = by_key.get(_key(name), [])
    if len(found) == 1:
        return found[0]
    if found:
        names = [language.name for language in found]
        raise SourceError(
            f"“{name}” means {len(names)} languages here: {', '.join(names)}.",
            hint=f"Give the full name of one, for example {names[0]}.",
        )
    nearest = nearest_names(name, by_key)
    raise SourceError(
        f"There is no language “{name}” here.",
        hint=f"Did you mean {' or '.join(nearest)}?" if nearest else "The Languages page lists all names.",
    )


def nearest_names(name: str, by_key: dict[str, list[Language]]) -> list[str]:
    """Return up to three language names that look like `name`, nearest first."""
    keys = difflib.get_close_matches(_key(name), by_key, n=8, cutoff=0.6)
    contained = [key for key in by_key if len(_key(name)) > 3 and _key(name) in key]
    return list(dict.fromkeys(language.name for key in [*keys, *contained] for language in by_key[key]))[:3]


def _key(name: str) -> str:
    return " ".join(name.replace("’", "'").casefold().split())


def _index(known: Iterable[Language]) -> dict[str, list[Language]]:
    """Key every name a language goes by; its own name wins over codes and other names of others."""
    known = list(known)
    index: dict[str, list[Language]] = {_key(language.name): [language] for language in known}
    own = set(index)
    for language in known:
        for other in (language.code, language.iso639_1, *language.also):
            key = _key(other)
            if key and key not in own and language not in index.setdefault(key, []):
                index[key].append(language)
    return index


def language_named(name: str, code: str = "") -> Language:
    """Return the facts of a language by its exact name; a language that Aya does not hold has none but its code."""
    by_name = {language.name: language for language in LANGUAGES}
    return by_name.get(name) or Language(name=name, code=code)


def system_prompt(language: Language) -> str:
    """Return what a model is told by default: answer in this language, unless the prompt asks for another.

    It is written in the language itself where the project has such a text, else in English.
    """
    name = language.name
    english = f"You are a helpful assistant. Answer in {name}, unless the prompt asks for another language. Be clear and correct."
    return _system_prompts().get(name, english)


def has_own_system_prompt(language: Language) -> bool:
    """Say whether `system_prompt` of a language is written in it."""
    return language.name in _system_prompts()


def published() -> pd.DataFrame:
    """Return the published figures, one row per language, columns COLUMNS; what was not published is missing."""
    return _frame(
        {"language": language.name, "code": language.code, "rows": language.published_rows} | _lengths().get(language.name, {})
        for language in LANGUAGES
    )


def describe(counted: pd.DataFrame) -> pd.DataFrame:
    """Add script, direction and resource level to figures counted from rows; columns COLUMNS, largest language first."""
    frame = _frame(counted.to_dict(orient="records"))
    frame["how"] = "counted"
    return frame.sort_values(["rows", "language"], ascending=[False, True], ignore_index=True)


def _frame(rows: Iterable[dict[Any, Any]]) -> pd.DataFrame:
    complete = []
    for row in rows:
        facts = language_named(row["language"], row["code"])
        complete.append(
            {"script": facts.script, "direction": facts.direction, "resource": facts.resource, "how": facts.how} | row
        )
    frame = pd.DataFrame(complete).reindex(columns=COLUMNS)
    return frame.astype(dict.fromkeys(WHOLE_NUMBERS, "Int64") | {"prompt_chars_mean": "Float64", "answer_chars_mean": "Float64"})


def languages_of(frame: pd.DataFrame) -> list[Language]:
    """Return the languages of a frame with columns `language` and `code`, to search with `find_language`."""
    return [
        language_named(str(name), str(code))
        for name, code in frame[["language", "code"]].itertuples(index=False, name=None)
        if name
    ]
