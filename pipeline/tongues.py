"""Tongues: is a text in the language it should be in, as far as a detector and its letters can tell?

A text and a detector come in, a verdict with its grounds goes out. Where the detector says nothing the script speaks,
and where that fits, the text counts as right: what cannot be told is never held against an answer.
"""

import unicodedata
from collections import Counter
from collections.abc import Callable
from functools import cache

from pipeline.languages import LANGUAGES, Language

Detect = Callable[[str], str]
"""Text to language code (ISO 639-1 where there is one), empty where it cannot be told."""

CONFUSABLE = (
    frozenset({"id", "ms"}),
    frozenset({"bs", "hr", "sr"}),
    frozenset({"zh", "zh-Hant"}),
    frozenset({"da", "no", "nn"}),
    frozenset({"sv", "no", "nn"}),
    frozenset({"nso", "tn", "st"}),
    frozenset({"xh", "zu", "ss", "nr"}),
    frozenset({"jv", "su", "id"}),
    frozenset({"tl", "ceb", "war"}),
    frozenset({"nl", "af"}),
    frozenset({"ga", "gd"}),
    frozenset({"hi", "mr", "ne", "sa", "bh"}),
    frozenset({"pt", "gl"}),
    frozenset({"bn", "as"}),
    frozenset({"ur", "hi"}),
)
"""Languages a detector takes for one another in our measurements, or whose written forms overlap: no difference between
two of a group is called wrong."""

_CODES = {
    "Filipino": "tl",
    "Cebuano": "ceb",
    "Northern Sotho": "nso",
    "Traditional Chinese": "zh-Hant",
    "Central Kurdish": "ku",
}
_SCRIPTS = {
    "Japanese": {"Hiragana", "Katakana", "Cjk"},
    "Han (simplified)": {"Cjk"},
    "Han (traditional)": {"Cjk"},
}
_ALSO = {
    "Serbian": {"Latin"},
    "Central Kurdish": {"Latin"},
    "Panjabi": {"Arabic"},
    "Sindhi": {"Devanagari"},
    "Standard Malay": {"Arabic"},
    "Hausa": {"Arabic"},
    "Wolof": {"Arabic"},
}
"""Scripts that a language is at home in beside the one Aya's table gives it."""

LETTERS_NEEDED = 20
"""Below so many letters nothing is said of a text's script: names, sums and code are too much of it."""

LETTERS_NEEDED_WITHOUT_A_DETECTOR = 100


def code_of(language: Language) -> str:
    """Return the code a detector has for a language; for an Arabic dialect that of Arabic, for they are written alike."""
    if language.name.endswith("Arabic"):
        return "ar"
    return _CODES.get(language.name) or language.iso639_1 or language.code


@cache
def _names() -> dict[str, str]:
    return {code_of(language): language.name for language in reversed(LANGUAGES)} | {"ar": "Arabic", "zh": "Chinese"}


def name_of(code: str) -> str:
    """Return the English name of the language a detector's code stands for; what has no name here stays as it is."""
    return _names().get(code, code)


@cache
def _script_of(char: str) -> str:
    return unicodedata.name(char, "").split(" ")[0].split("-")[0].title() if char.isalpha() else ""


def dominant_script(text: str) -> tuple[str, int]:
    """Return the script that most letters of a text belong to, and how many letters it has; empty and 0 without letters."""
    scripts = Counter(filter(None, map(_script_of, text)))
    return (scripts.most_common(1)[0][0], scripts.total()) if scripts else ("", 0)


def written_in(text: str, detect: Detect) -> str:
    """Return the code of a text's language, or `unknown (Script)`, or `unknown` where there are no letters."""
    found = detect(text)
    if found:
        return found
    script, _ = dominant_script(text)
    return f"unknown ({script})" if script else "unknown"


def is_alike(one: str, other: str) -> bool:
    """Say whether two codes name one language, or two that a detector takes for one another."""
    return one == other or any(one in group and other in group for group in CONFUSABLE)


def find_wrong_language(text: str, found: str, language: Language, *, can_be_detected: bool, also: str = "") -> str:
    """Return why a text is not in the language, empty where it is or where that cannot be told.

    Args:
        text: The text.
        found: What `written_in` said of it.
        language: What it should be in.
        can_be_detected: Whether the detector knows that language at all.
        also: What `written_in` said of the human answer: where a person answered in another language, so may a model.
    """
    script, letters = dominant_script(text)
    if letters < LETTERS_NEEDED or found == also:
        return ""
    if not found.startswith("unknown"):
        if is_alike(found, code_of(language)) or is_alike(found, also):
            return ""
        enough = can_be_detected or letters >= LETTERS_NEEDED_WITHOUT_A_DETECTOR
        return f"written in {name_of(found)}, not in {language.name}" if enough else ""
    expected = _SCRIPTS.get(language.script, {language.script}) | _ALSO.get(language.name, set())
    if not language.script or script in expected:
        return ""
    return f"written in {script} letters, not in {language.script}"
