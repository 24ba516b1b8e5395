"""Argilla cookbook: a dataset of the older cookbook, in which people rated two answers from 1 to 5, read as a study.

There each record showed the person's answer first, and a model's ratings stood filled in before anybody had voted. Here
the higher rating of a person is their choice and equal ratings are a tie; what the model filled in is a Judgement.
Reads over REST, a page at a time, and changes nothing on the server.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pipeline.adapters import argilla_people, argilla_records
from pipeline.adapters.argilla_client import ArgillaClient, rows
from pipeline.adapters.argilla_rows import moment
from pipeline.errors import ArgillaError
from pipeline.records import (
    HUMAN,
    Choice,
    Judgement,
    Response,
    is_text,
    make_pair,
    prompt_id,
    response_id,
)

Body = dict[str, Any]

NOTE = (
    "In such a dataset everybody saw the person's answer first, and wherever a model had rated the answers its ratings were "
    "filled in before the vote; as_suggested counts the votes that left both as they were. The model rated in one order only, "
    "so its judgements show beside the votes and decide nothing."
)
_ANSWER = re.compile(r"generations?[-_]?([01])")
_RATING = re.compile(r"generations?[-_]?([01])[-_]rating")
_RATIONALE = re.compile(r"generations?[-_]?([01])[-_]rationale")
_IMPROVED = "improved_response"


class Reason(StrEnum):
    """Why a record brought no pair, an answer no vote, or a suggestion no judgement."""

    NO_ANSWER = "no_answer"
    NOT_TEXT = "not_text"
    IDENTICAL = "identical"
    DRAFT = "draft"
    DISCARDED = "discarded"
    NO_VALUES = "no_values"
    RATING_MISSING = "rating_missing"
    NO_PAIR = "vote_on_no_pair"
    SUGGESTION_INCOMPLETE = "suggestion_incomplete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What this dataset calls the prompt, the two answers, and the questions about each; by place, 0 then 1."""

    prompt: str
    answers: tuple[str, str]
    ratings: tuple[str, str]
    rationales: tuple[str, str]


@dataclass(slots=True, kw_only=True)
class Found:
    """What a dataset holds.

    `rows` are as `annotate.make_study` takes them: one for each vote, and one without a vote for each record. Annotators
    stand in them by their id, which no renaming changes; `names` tells their user names. `as_suggested` counts votes with
    exactly the two ratings that stood there before.
    """

    records: int = 0
    rows: list[dict[str, str]] = field(default_factory=list)
    judgements: list[Judgement] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    excluded: Counter[str] = field(default_factory=Counter)
    as_suggested: int = 0


def find(client: ArgillaClient, workspace: str, name: str) -> Body:
    """Return the dataset of a name in a workspace; with an empty workspace name in any that the key may see.

    Raises:
        ArgillaError: There is none, or several; the hint names what there is.
    """
    inside = {"workspace_id": client.workspace(workspace)["id"]} if workspace else {}
    there = rows(client.get("me/datasets", **inside))
    found = [one for one in there if one["name"] == name]
    if len(found) == 1:
        return found[0]
    if found:
        raise ArgillaError(
            f"There are {len(found)} datasets named {name} on the server.", hint="Say in which one: --workspace-name NAME."
        )
    offer = ", ".join(sorted({str(one["name"]) for one in there})[:10])
    raise ArgillaError(
        f"The Argilla server has no dataset named {name} that this key may see.",
        hint=f"There are {offer}." if offer else "It has none at all; is it the right server, and the right key?",
    )


def read(
    client: ArgillaClient,
    dataset: Body,
    *,
    language: str,
    model: str,
    judge: str,
    on_progress: Callable[[int, int], None] | None = None,
) -> Found:
    """Read a dataset of the older cookbook.

    Args:
        client: A client whose key may read the responses of all.
        dataset: As the server describes it.
        language: Which language the prompts are in.
        model: Who wrote the second answer, which the dataset does not say.
        judge: Who filled in the ratings, where the dataset does not say.
        on_progress: Called with the records read, and all there are.

    Raises:
        ArgillaError: It is no such dataset, the key may not read it, or the server does not answer.
    """
    path = f"datasets/{dataset['id']}"
    questions = {str(one["id"]): str(one["name"]) for one in rows(client.get(f"{path}/questions"))}
    fields = [str(one["name"]) for one in rows(client.get(f"{path}/fields"))]
    reading = _Reading(layout=_layout(str(dataset["name"]), fields, questions.values()), questions=questions)
    reading.language, reading.model, reading.judge = language, model, judge
    total = int(client.get(f"{path}/records", limit=1).get("total") or 0)
    for page in argilla_records.all_records(client, dataset, include="responses,suggestions"):
        for record in page:
            reading.take(record)
        if on_progress:
            on_progress(reading.found.records, max(total, reading.found.records))
    annotators = {row["annotator"] for row in reading.found.rows} - {""}
    reading.found.names = argilla_people.names(client, str(dataset["workspace_id"]), annotators)
    return reading.found


def _layout(name: str, fields: list[str], questions: object) -> Layout:
    """The dataset's own names for what the cookbook asks; raises where it asked something else."""
    asked = [str(one) for one in questions]  # type: ignore[attr-defined]
    prompt = next((one for one in ("instruction", "prompt") if one in fields), "")
    answers, ratings = _by_place(_ANSWER, fields), _by_place(_RATING, asked)
    if not prompt or answers is None or ratings is None:
        raise ArgillaError(
            f"The dataset {name} was not made by the older cookbook: it has the fields {', '.join(fields) or 'none'} and asks "
            f"{', '.join(asked) or 'nothing'}.",
            hint="It should have the fields instruction, generations-0 and generations-1, and a rating of each. Votes on a "
            "project that was sent from here come home with: python -m pipeline pull PROJECT",
        )
    return Layout(prompt=prompt, answers=answers, ratings=ratings, rationales=_by_place(_RATIONALE, asked) or ("", ""))


def _by_place(pattern: re.Pattern[str], names: list[str]) -> tuple[str, str] | None:
    found = {match[1]: name for name in names if (match := pattern.fullmatch(name))}
    return (found["0"], found["1"]) if len(found) == 2 else None


class _Reading:
    """One pass over the records of a dataset."""

    def __init__(self, *, layout: Layout, questions: Mapping[str, str]) -> None:
        self.found = Found()
        self.language = self.model = self.judge = ""
        self._layout, self._questions = layout, questions

    def take(self, record: Body) -> None:
        """Add what one record holds, or the reason why it holds nothing."""
        self.found.records += 1
        given = record.get("fields") or {}
        texts = [given.get(name) for name in (self._layout.prompt, *self._layout.answers)]
        reason = _why_no_pair(texts)
        if reason is None:
            self._take_pair(record, *map(str, texts))
            return
        self.found.excluded[reason] += 1
        votes = sum(one.get("status") == "submitted" for one in record.get("responses") or [])
        self.found.excluded += Counter({Reason.NO_PAIR: votes})

    def _take_pair(self, record: Body, prompt: str, human: str, model: str) -> None:
        pair = {
            "prompt": prompt,
            "response_a": human,
            "response_b": model,
            "source_a": HUMAN,
            "source_b": self.model,
            "annotator": "",
            "choice": "",
            "shown_first": "a",
            "reason": "",
            "edited": "",
            "at": moment(record["inserted_at"]),
        }
        self.found.rows.append(pair)
        suggested = {self._questions.get(str(one["question_id"])): one for one in record.get("suggestions") or []}
        values = {str(name): one.get("value") for name, one in suggested.items()}
        self._take_suggestions(suggested, values, prompt, human, model)
        for response in record.get("responses") or []:
            told = self._vote(response, values)
            if isinstance(told, Reason):
                self.found.excluded[told] += 1
            else:
                self.found.rows.append(pair | told)

    def _vote(self, response: Body, suggested: Mapping[str, Any]) -> dict[str, str] | Reason:
        """What a person's response says, in the words of a study."""
        status = response.get("status")
        if status in (Reason.DRAFT, Reason.DISCARDED):
            return Reason(status)
        given = response.get("values")
        if not isinstance(given, dict) or not given:
            return Reason.NO_VALUES
        values = {name: one.get("value") if isinstance(one, dict) else None for name, one in given.items()}
        ratings = self._ratings(values)
        if ratings is None:
            return Reason.RATING_MISSING
        self.found.as_suggested += all(values.get(name) == suggested.get(name) for name in self._layout.ratings)
        # What a model suggested and nobody touched is not a reason somebody gave.
        reasons = [values.get(name) for name in self._layout.rationales if values.get(name) != suggested.get(name)]
        return {
            "annotator": str(response["user_id"]),
            "choice": "tie" if ratings[0] == ratings[1] else "a" if ratings[0] > ratings[1] else "b",
            "reason": _joined(reasons),
            "edited": str(values[_IMPROVED]) if is_text(values.get(_IMPROVED)) else "",
            "at": moment(response["updated_at"]),
        }

    def _ratings(self, values: Mapping[str, Any]) -> tuple[int, int] | None:
        """Both ratings, None where one is missing."""
        one, other = (values.get(name) for name in self._layout.ratings)
        # In Python true is the number 1, as a rating it is nothing.
        if not isinstance(one, int) or not isinstance(other, int) or bool in (type(one), type(other)):
            return None
        return one, other

    def _take_suggestions(
        self, suggested: Mapping[str | None, Body], values: Mapping[str, Any], prompt: str, human: str, model: str
    ) -> None:
        """Add the judgement that a model's two ratings are."""
        ratings = self._ratings(values)
        if ratings is None:
            if values.keys() & set(self._layout.ratings):
                self.found.excluded[Reason.SUGGESTION_INCOMPLETE] += 1
            return
        told = suggested[self._layout.ratings[0]]
        asked = prompt_id(self.language, prompt)
        shown, other = (
            Response(id=response_id(asked, source, text), prompt_id=asked, source=source, text=text)
            for source, text in ((HUMAN, human), (self.model, model))
        )
        self.found.judgements.append(
            Judgement(
                pair_id=make_pair(shown, other).id,
                judge=str(told.get("agent") or self.judge),
                shown_first=shown.id,
                choice=Choice.TIE if ratings[0] == ratings[1] else Choice.FIRST if ratings[0] > ratings[1] else Choice.SECOND,
                rating_first=float(ratings[0]),
                rating_second=float(ratings[1]),
                rationale=_joined(values.get(name) for name in self._layout.rationales),
                at=moment(told["updated_at"]),
            )
        )


def _why_no_pair(texts: list[object]) -> Reason | None:
    """Why a prompt and two answers are nothing to choose between, None when they are."""
    if any(text is None or text == "" for text in texts):
        return Reason.NO_ANSWER
    if not all(is_text(text) for text in texts):
        return Reason.NOT_TEXT
    return Reason.IDENTICAL if texts[1] == texts[2] else None


def _joined(texts: Iterable[object]) -> str:
    return "\n".join(str(text) for text in texts if text and is_text(text))
