"""Tongues: how many paragraphs of the Universal Declaration does the language check place rightly, in 65 Aya languages?

For whole paragraphs, for 60 and for 20 characters: recall and confusions per language, and the share that would be set
aside wrongly if it were an answer. The goal: .95 recalled of whole paragraphs (confusable languages counted as one, Kurdish
left out as undetectable), and at most one paragraph in 200 called wrong.
"""

import json
import sys
import time
from collections import Counter
from pathlib import Path

from pipeline.adapters.language_detector import detect, detectable
from pipeline.languages import Language, find_language
from pipeline.tongues import code_of, find_wrong_language, is_alike, written_in
from tests.real_rows import REAL_DATA

LENGTHS = (None, 60, 20)
GOALS = {"recall": 0.95, "called_wrong": 0.005}
NAMES = {
    "cmn_hans": "Simplified Chinese",
    "cmn_hant": "Traditional Chinese",
    "yue": "Traditional Chinese",
    "por_BR": "Portuguese",
    "por_PT": "Portuguese",
    "srp_cyrl": "Serbian",
    "srp_latn": "Serbian",
    "deu_1996": "German",
    "ell_monotonic": "Greek",
    "nya_chechewa": "Nyanja",
    "nep": "Nepali",
    "pbu": "Southern Pashto",
    "tgl": "Filipino",
    "kmr": "Central Kurdish",
}


def paragraphs(folder: Path) -> list[tuple[str, Language, str]]:
    """The code the file gives, the Aya language, and the text of each paragraph."""
    lines = (folder / "udhr_aya_languages.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    spoken = {code: find_language(NAMES.get(code, code)) for code in {row["code"] for row in rows}}
    return [(row["code"], spoken[row["code"]], row["text"]) for row in rows]


def measure(rows: list[tuple[str, Language, str]], chars: int | None) -> dict[str, object]:
    """Recall over all, per language with its confusions where it is not complete, and the share called wrong."""
    found: dict[str, Counter[str]] = {}
    wrong: Counter[str] = Counter()
    for code, language, text in rows:
        told = written_in(text[:chars], detect)
        found.setdefault(code, Counter())["right" if is_alike(told, code_of(language)) else told] += 1
        if code_of(language) in detectable():
            wrong[code] += bool(find_wrong_language(text[:chars], told, language, can_be_detected=True))
    known = [code for code, language, _ in {row[0]: row for row in rows}.values() if code_of(language) in detectable()]
    right, total = sum(found[code]["right"] for code in known), sum(found[code].total() for code in known)
    return {
        "recall": right / total,
        "called_wrong": wrong.total() / total,
        "called_wrong_in": {code: n for code, n in wrong.most_common() if n},
        "not_complete": {
            code: f"{told['right']}/{told.total()} "
            + " ".join(f"{name}:{n}" for name, n in told.most_common() if name != "right")
            for code, told in sorted(found.items())
            if told["right"] < told.total()
        },
    }


def main() -> int:
    rows = paragraphs(REAL_DATA)
    started = time.perf_counter()
    told = {"whole" if chars is None else f"{chars} characters": measure(rows, chars) for chars in LENGTHS}
    seconds = time.perf_counter() - started
    print(
        f"{len(rows):,} paragraphs, {len({row[0] for row in rows})} languages, {seconds:.2f} s for three lengths", file=sys.stderr
    )
    print(json.dumps(told, ensure_ascii=False))
    whole = told["whole"]
    return int(float(str(whole["recall"])) < GOALS["recall"] or float(str(whole["called_wrong"])) > GOALS["called_wrong"])
