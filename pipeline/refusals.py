"""Refusals: does an answer begin by saying that it will not answer?

An answer refuses when its first sentence says so at its start: after any number of openings (an apology, "but", "as an
AI …") comes what the model cannot do for the person. "I can't help but smile" is none, nor is a refusal that is quoted
later. Phrases stand in `facts/refusals.csv`; `…` in one stands for up to 60 characters of the same sentence.
"""

import csv
import re
from functools import cache
from importlib import resources

from pipeline import tongues
from pipeline.languages import find_language

READ_CHARS = 300
_GAP = r"[^.!?。！？।]{0,60}?"
_ENGLISH = "en"
"""Models refuse in English whatever they are asked in."""


def find_refusal(text: str, code: str) -> str:
    """Return the words with which a text refuses, in a language (its ISO 639-1 code) or in English; empty if it does not."""
    opening = " ".join(text[:READ_CHARS].replace("’", "'").casefold().split())
    pattern = _pattern(code)
    found = pattern.match(opening) or (_pattern(_ENGLISH).match(opening) if code != _ENGLISH else None)
    return found.group().strip() if found else ""


@cache
def _phrases() -> tuple[tuple[str, str, str], ...]:
    """Code of the language, `opening` or `refusal`, and the phrase, of each row of the file."""
    text = resources.files("pipeline").joinpath("facts", "refusals.csv").read_text(encoding="utf-8")
    codes = {row["language"]: tongues.code_of(find_language(row["language"])) for row in csv.DictReader(text.splitlines())}
    return tuple((codes[row["language"]], row["part"], row["phrase"]) for row in csv.DictReader(text.splitlines()))


@cache
def _pattern(code: str) -> re.Pattern[str]:
    """What a refusal in a language looks like, or in one that is written much the same; matches nothing where none is known."""
    parts: dict[str, list[str]] = {"opening": [], "refusal": []}
    for its_code, part, phrase in _phrases():
        if tongues.is_alike(its_code, code):
            parts[part].append(_GAP.join(re.escape(piece.strip()) for piece in phrase.casefold().split("…")))
    if not parts["refusal"]:
        return re.compile(r"(?!)")
    openings, refusals = ("|".join(sorted(parts[part], key=len, reverse=True)) for part in ("opening", "refusal"))
    return re.compile(rf"\W*(?:(?:{openings})\W*){{0,4}}(?:{refusals})" if openings else rf"\W*(?:{refusals})")
