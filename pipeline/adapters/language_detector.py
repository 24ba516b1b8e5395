"""Language detector: what language is a text written in, told on this computer without a network?

CLD2 by way of pycld2, pinned: its verdicts decide what is screened. It names about 165 languages, all of Aya's but Kurdish
among them (dialects of Arabic are all Arabic to it), and says nothing rather than guess.
"""

from functools import cache

import pycld2

NEVER_FOUND = "ku"
"""In CLD2's list, and yet it recognises neither of two written forms of Kurdish (0 of 116 paragraphs)."""

_OURS = {"jw": "jv", "iw": "he", "mo": "ro", "nb": "no", "fil": "tl"}


def detect(text: str) -> str:
    """Return the code of the language a text is written in, ISO 639-1 where there is one; empty where CLD2 cannot tell."""
    try:
        is_reliable, _, found = pycld2.detect(_readable(text), isPlainText=True, bestEffort=False)
    except pycld2.error:
        return ""
    code = found[0][1]
    return _OURS.get(code, code) if is_reliable and code != "un" else ""


@cache
def detectable() -> frozenset[str]:
    """Return the codes `detect` may return."""
    named = {code for name, code in pycld2.LANGUAGES if name in pycld2.DETECTED_LANGUAGES}
    return frozenset(_OURS.get(code, code) for code in named) - {NEVER_FOUND}


def _readable(text: str) -> bytes:
    """A text without the characters that CLD2 refuses: control characters and halves of characters."""
    return "".join(char if char.isprintable() else " " for char in text).encode("utf-8", "ignore")
