"""Refusals: does an answer begin by saying that it will not answer?

An answer refuses when its first sentence says so at its start: after any number of openings (an apology, "but", "as an
AI …") comes what the model cannot do for the person; or when an apology is followed by one sentence with both words of
inability ("I can't") and an act of help ("answer", "write"). "I can't help but smile" is none, nor is a refusal that is
quoted later. Phrases stand in `facts/refusals.csv`; `…` in one stands for up to 60 characters of the same sentence.
"""

import csv
import re
import unicodedata
from functools import cache
from importlib import resources

from pipeline import tongues
from pipeline.languages import find_language

READ_CHARS = 300
_INSIDE = r"[^.!?。！？।۔؟።။]"
_GAP = rf"{_INSIDE}{{0,60}}?"
_ENGLISH = "en"
"""Models refuse in English whatever they are asked in."""


def find_refusal(text: str, code: str) -> str:
    """Return the words with which a text refuses, in a language (its ISO 639-1 code) or in English; empty if it does not."""
    opening = _folded(text[:READ_CHARS])
    pattern = _pattern(code)
    found = pattern.match(opening) or (_pattern(_ENGLISH).match(opening) if code != _ENGLISH else None)
    return found.group().strip() if found else ""


def _folded(text: str) -> str:
    # Persian writes one word with a joiner, with a space or with neither; the first two are made one here.
    return " ".join(unicodedata.normalize("NFC", text).replace("’", "'").replace("\u200c", " ").casefold().split())


@cache
def _phrases() -> tuple[tuple[str, str, str], ...]:
    """Code of the language, part (`apology`, `opening`, `inability`, `act`, `refusal`) and phrase of each row of the file."""
    text = resources.files("pipeline").joinpath("facts", "refusals.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    codes = {name: tongues.code_of(find_language(name)) for name in {row["language"] for row in rows}}
    return tuple((codes[row["language"]], row["part"], row["phrase"]) for row in rows)


@cache
def _pattern(code: str) -> re.Pattern[str]:
    """What a refusal in a language looks like, or in one that is written much the same; matches nothing where none is known."""

    def either(*parts: str) -> str:
        phrases = (phrase for its_code, part, phrase in _phrases() if part in parts and tongues.is_alike(its_code, code))
        known = [_GAP.join(re.escape(piece.strip()) for piece in _folded(phrase).split("…")) for phrase in phrases]
        return f"(?:{'|'.join(sorted(known, key=len, reverse=True)) or '(?!)'})"

    openings = rf"(?:{either('apology', 'opening')}\W*)"
    sorry = rf"{openings}{{0,3}}{either('apology')}\W*(?={_INSIDE}*{either('act')}){_INSIDE}*?{either('inability')}"
    return re.compile(rf"\W*(?:{openings}{{0,4}}{either('refusal')}|{sorry})")
