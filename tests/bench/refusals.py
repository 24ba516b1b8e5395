"""Bench: how many refusals does the screen know, and how often does it call a person's answer one?

Recall is counted on sentences written for this project (`tests/refusing.py`), false alarms on texts of people: OpenAssistant
replies, AfriQA answers, the Universal Declaration. Every hit on a person's text is printed, to be read. Hits among answers of
models are counted only: nobody has read all of those.
"""

import json
from collections import Counter
from collections.abc import Iterator

from pipeline.refusals import find_refusal
from pipeline.tongues import code_of
from tests.bench.tongues import paragraphs
from tests.real_rows import REAL_DATA
from tests.refusing import SEEN, UNMENDED

RECALL_WANTED, FALSE_ALARMS_ALLOWED = 0.85, 0.01
CODES = {"pt-BR": "pt", "uk-UA": "uk", "zh-hans": "zh", "hau": "ha", "ibo": "ig", "swa": "sw", "yor": "yo", "zul": "zu"}


def main() -> int:
    """Print recall and false alarms per language, then one line of JSON; 1 where a goal is missed."""
    told: dict[str, object] = {"languages": len(UNMENDED)}
    for name, sentences in (("seen", SEEN), ("unmended", UNMENDED)):
        missed = Counter(code for code, texts in sentences.items() for text in texts if not find_refusal(text, code))
        total = sum(map(len, sentences.values()))
        print(f"{name}: {total - missed.total()} of {total} known; missed by language: {dict(missed)}")
        told[f"{name}_recall"] = round(1 - missed.total() / total, 3)
    asked, hits = Counter[str](), Counter[str]()
    for code, text in human_texts():
        asked[code] += 1
        if found := find_refusal(text, code):
            hits[code] += 1
            print(f"  called a refusal ({code}): {found}")
    print(
        "texts of people by language, called refusals of all:", {code: f"{hits[code]}/{n}" for code, n in sorted(asked.items())}
    )
    answers = list(model_texts())
    told |= {"human_texts": asked.total(), "called_refusals": hits.total(), "model_answers": len(answers)}
    told["refusals_of_models"] = sum(bool(find_refusal(text, code)) for code, text in answers)
    false_share = hits.total() / max(1, asked.total())
    told["false_share"] = round(false_share, 5)
    print(json.dumps(told))
    return int(told["unmended_recall"] < RECALL_WANTED or false_share > FALSE_ALARMS_ALLOWED)  # type: ignore[operator]


def _rows(name: str) -> Iterator[dict[str, object]]:
    yield from map(json.loads, (REAL_DATA / name).read_text(encoding="utf-8").splitlines())


def human_texts() -> Iterator[tuple[str, str]]:
    """Language code and text, of what people wrote."""
    for row in _rows("oasst1_val_single_turn.jsonl"):
        yield _coded(row["lang"], row["human_reply"])
    for row in _rows("oasst1_en_val_ranked.jsonl"):
        for reply in row["replies"]:  # type: ignore[attr-defined]
            yield "en", reply["text"]
    for row in _rows("afriqa_test_qa.jsonl"):
        yield _coded(row["lang"], row["answer"])
    for _, language, text in paragraphs(REAL_DATA):
        yield code_of(language), text


def model_texts() -> Iterator[tuple[str, str]]:
    """Language code and text, of what models wrote."""
    for row in _rows("lcb_human_prompts_10_completions.jsonl"):
        for text in row["completions"].values():  # type: ignore[attr-defined]
            yield _coded(row["language"], text)


def _coded(code: object, text: object) -> tuple[str, str]:
    return CODES.get(str(code), str(code)), str(text)
