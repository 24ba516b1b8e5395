"""Screens: what can be noticed about a model's answer before a person spends time on it?

Responses and the human answers beside them come in, one Screen per model response goes out: the first reason that
holds, with its detail, or none. Nothing is dropped: a screened response's pairs are set aside under the reason until
somebody brings them back, and two of the reasons are only noted. Asks no network; the detector is handed in.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

from pipeline import near_duplicates, tongues
from pipeline.languages import Language
from pipeline.records import HUMAN, Response, Screen
from pipeline.refusals import find_refusal
from pipeline.shares import share_interval


class Reason(StrEnum):
    """What a screen may notice, in the order it is looked for: the first that holds is the response's reason."""

    EMPTY = "empty"
    TRUNCATED = "truncated"
    REFUSAL = "refusal"
    WRONG_LANGUAGE = "wrong_language"
    IDENTICAL = "identical"
    NEAR_IDENTICAL = "near_identical"
    PREFIX = "prefix"
    LENGTH_RATIO = "length_ratio"
    MARKUP = "markup"


EXPLAINED: Mapping[str, str] = {
    Reason.EMPTY: "the answer is empty",
    Reason.TRUNCATED: "the answer was cut at the longest length",
    Reason.REFUSAL: "the model refused to answer",
    Reason.WRONG_LANGUAGE: "the answer is in another language or script",
    Reason.IDENTICAL: "the same words as the human answer",
    Reason.NEAR_IDENTICAL: "nearly the same words as the human answer",
    Reason.PREFIX: "one answer is the beginning of the other",
    Reason.LENGTH_RATIO: "one answer is more than ten times as long as the other",
    Reason.MARKUP: "only one of the answers has lists, headings or code marks",
}

ONLY_NOTED = frozenset({Reason.LENGTH_RATIO, Reason.MARKUP})
"""Noted, not set aside: most models write longer answers and more lists than people, and that alone spoils no pair."""

PREFIX_CHARS = 20
"""A shorter beginning, such as a yes, is no repetition."""

LENGTH_RATIO = 10
LONG_CHARS = 200
_MARKUP = re.compile(r"^\s{0,3}(#{1,6} |[-*•] |\d+[.)] |```|\|.*\|)|\*\*\S", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tongue:
    """The language answers should be in, and the detector that tells."""

    language: Language
    detect: tongues.Detect
    can_be_detected: bool = True


def screen(response: Response, people: Sequence[str], tongue: Tongue, *, finish_reason: str = "") -> Screen:
    """Return what is noticed about one response of a model.

    Args:
        response: The response.
        people: The human answers to the same prompt.
        tongue: What it should be written in.
        finish_reason: `length` where the answer was cut.
    """
    found = tongues.written_in(response.text, tongue.detect) if response.text.strip() else ""
    for reason, detail in _notices(response.text, people, tongue, found, finish_reason):
        is_out = reason not in ONLY_NOTED
        return Screen(response_id=response.id, reason=str(reason), detail=detail, language=found, is_out=is_out)
    return Screen(response_id=response.id, language=found)


def _notices(text: str, people: Sequence[str], tongue: Tongue, found: str, finish_reason: str) -> Iterable[tuple[Reason, str]]:
    """What holds for a text, in the order of Reason."""
    if not text.strip():
        yield Reason.EMPTY, ""
        return
    if finish_reason == "length":
        yield Reason.TRUNCATED, f"cut after {len(text):,} characters"
    if refusal := find_refusal(text, tongues.code_of(tongue.language)):
        yield Reason.REFUSAL, f"it begins with: {refusal}"
    also = tongues.written_in(people[0], tongue.detect) if people else ""
    wrong = tongues.find_wrong_language(text, found, tongue.language, can_be_detected=tongue.can_be_detected, also=also)
    if wrong:
        yield Reason.WRONG_LANGUAGE, wrong
    for look in (_identical, _near_identical, _prefix, _length_ratio, _markup):
        yield from (notice for person in people if (notice := look(text, person)) is not None)


def _identical(text: str, person: str) -> tuple[Reason, str] | None:
    is_same = near_duplicates.plain(text) == near_duplicates.plain(person)
    return (Reason.IDENTICAL, "but for capitals, spaces and punctuation") if is_same else None


def _near_identical(text: str, person: str) -> tuple[Reason, str] | None:
    repeats = near_duplicates.find_repeats([person, text])[1] is not None
    return (Reason.NEAR_IDENTICAL, "19 of 20 pieces of the texts are shared") if repeats else None


def _prefix(text: str, person: str) -> tuple[Reason, str] | None:
    shorter, longer = sorted((near_duplicates.plain(text), near_duplicates.plain(person)), key=len)
    if len(shorter) < PREFIX_CHARS or not longer.startswith(shorter):
        return None
    return Reason.PREFIX, f"the first {len(shorter):,} of {len(longer):,} characters are the same"


def _length_ratio(text: str, person: str) -> tuple[Reason, str] | None:
    shorter, longer = sorted((len(text), len(person)))
    if longer < LONG_CHARS or longer <= LENGTH_RATIO * shorter:
        return None
    return Reason.LENGTH_RATIO, f"{len(text):,} characters against {len(person):,} of the person"


def _markup(text: str, person: str) -> tuple[Reason, str] | None:
    mine, theirs = bool(_MARKUP.search(text)), bool(_MARKUP.search(person))
    if mine == theirs:
        return None
    return Reason.MARKUP, "only the model's answer has it" if mine else "only the person's answer has it"


def screen_all(responses: pd.DataFrame, known: Iterable[str], tongue: Tongue) -> list[Screen]:
    """Screen each response of a model that is not screened yet.

    Args:
        responses: Columns `id, prompt_id, source, text, finish_reason`.
        known: Ids of the responses screened before.
        tongue: What the responses should be written in.
    """
    screened = set(known)
    of_people = responses["source"] == HUMAN
    people = responses[of_people].groupby("prompt_id")["text"].agg(list).to_dict()
    new = responses[~of_people & ~responses["id"].isin(screened)]
    rows = zip(new["id"], new["prompt_id"], new["source"], new["text"], new["finish_reason"], strict=True)
    return [
        screen(
            Response(id=row_id, prompt_id=prompt_id, source=source, text=text),
            people.get(prompt_id, []),
            tongue,
            finish_reason=finish_reason if isinstance(finish_reason, str) else "",
        )
        for row_id, prompt_id, source, text, finish_reason in rows
    ]


def by_model(screened: pd.DataFrame) -> pd.DataFrame:
    """Return how the answers of each model fared.

    Args:
        screened: Columns `source, reason, is_out`, one row per screened response.

    Returns:
        Columns `model, answers, noticed, set_aside, wrong_language` (counts), `wrong_share` with its 95 % interval
        `wrong_low, wrong_high`; most answers first.
    """
    told = (
        screened.assign(noticed=screened["reason"] != "", wrong=screened["reason"] == str(Reason.WRONG_LANGUAGE))
        .groupby("source", sort=True)
        .agg(answers=("reason", "size"), noticed=("noticed", "sum"), set_aside=("is_out", "sum"), wrong_language=("wrong", "sum"))
        .rename_axis("model")
        .reset_index()
        .sort_values("answers", ascending=False, kind="stable", ignore_index=True)
    )
    ends = [share_interval(int(n), int(of)) for n, of in zip(told["wrong_language"], told["answers"], strict=True)]
    return told.assign(
        wrong_share=told["wrong_language"] / told["answers"],
        wrong_low=[low for low, _ in ends],
        wrong_high=[high for _, high in ends],
    )


def counts(screened: pd.DataFrame) -> pd.DataFrame:
    """Return columns `reason, responses, set_aside`, reasons in their order, those that occur."""
    noticed = screened[screened["reason"] != ""]
    told = noticed.groupby("reason").agg(responses=("reason", "size"), set_aside=("is_out", "sum"))
    order = [str(reason) for reason in Reason if str(reason) in told.index]
    return told.reindex(order).rename_axis("reason").reset_index().astype({"responses": int, "set_aside": int})
