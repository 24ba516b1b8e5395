"""Demonstration: what can a visitor try before any download?

Reads the sample in `pipeline/sample`: rows with Aya's columns, a recorded second answer to each prompt, and
recorded votes. Goes out: a frame of rows, and answers and votes of one language. No network, no store.
The sample was written for this project; it is not Aya, and no real person or model stands behind it.
"""

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

import pandas as pd

from pipeline.errors import SourceError
from pipeline.records import HUMAN, Choice, Project, Request, Vote, content_id

NOTICE = (
    "This is a demonstration, not Aya: its prompts, answers, people and votes were made up for this project, "
    "so its figures say nothing about any language or model."
)
COLUMNS = ("inputs", "targets", "language", "language_code", "annotation_type", "user_id")

_FOLDER = Path(__file__).parent / "sample"


class RecordedChoice(StrEnum):
    """What a recorded annotator said; HUMAN and MODEL name the source of the preferred response."""

    HUMAN = "human"
    MODEL = "model"
    TIE = "tie"
    BOTH_BAD = "both_bad"
    SKIP = "skip"


class Flaw(StrEnum):
    """What was done to a recorded answer on purpose; NONE for an ordinary answer, good or middling."""

    NONE = ""
    WRONG_LANGUAGE = "wrong_language"
    TRUNCATED = "truncated"
    REFUSAL = "refusal"
    WRONG_FACT = "wrong_fact"
    VERBOSE = "verbose"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAnswer:
    """A second response to the prompt with text `inputs`; `model` is an invented id."""

    inputs: str
    response: str
    model: str
    finish_reason: str
    flaw: Flaw = Flaw.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedVote:
    """One annotator's choice between the human and the recorded response to `inputs`.

    `shown_first` is RecordedChoice.HUMAN or RecordedChoice.MODEL; `at` is ISO 8601 in UTC.
    """

    inputs: str
    annotator: str
    choice: RecordedChoice
    shown_first: RecordedChoice
    seconds: float
    reason: str
    at: str


def rows() -> pd.DataFrame:
    """Return every prompt with its human response; columns COLUMNS, named as Aya names them."""
    return pd.DataFrame(list(_lines("rows")), columns=list(COLUMNS))


def languages() -> list[str]:
    """Return the languages of the sample, in the order of the file."""
    return list(dict.fromkeys(str(row["language"]) for row in _lines("rows")))


def answers(language: str) -> list[RecordedAnswer]:
    """Return one recorded second response for each prompt of a language, in the order of the prompts.

    Raises:
        SourceError: The sample has no such language.
    """
    return [
        RecordedAnswer(
            inputs=str(line["inputs"]),
            response=str(line["response"]),
            model=str(line["model"]),
            finish_reason=str(line["finish_reason"]),
            flaw=Flaw(str(line["flaw"])),
        )
        for line in _lines_of("answers", language)
    ]


def votes(language: str) -> list[RecordedVote]:
    """Return the recorded votes of a language, oldest first.

    Raises:
        SourceError: The sample has no such language.
    """
    return [
        RecordedVote(
            inputs=str(line["inputs"]),
            annotator=str(line["annotator"]),
            choice=RecordedChoice(str(line["choice"])),
            shown_first=RecordedChoice(str(line["shown_first"])),
            seconds=float(str(line["seconds"])),
            reason=str(line["reason"]),
            at=str(line["at"]),
        )
        for line in _lines_of("votes", language)
    ]


def _lines_of(name: str, language: str) -> list[Mapping[str, object]]:
    known = languages()
    if language not in known:
        nearest = difflib.get_close_matches(language, known, n=1, cutoff=0.6)
        guess = f"Did you mean {nearest[0]}? " if nearest else ""
        raise SourceError(
            f"The demonstration sample has no language {language!r}.",
            hint=f"{guess}It has {', '.join(known)}.",
        )
    return [line for line in _lines(name) if line["language"] == language]


def _lines(name: str) -> Iterator[Mapping[str, object]]:
    # Split on "\n" only: str.splitlines would also cut at the line separators that a text may hold.
    text = (_FOLDER / f"{name}.jsonl").read_text(encoding="utf-8")
    return (json.loads(line) for line in text.split("\n") if line)


def to_requests(project: Project, prompt_ids: Mapping[str, str], *, system_prompt_version: str) -> list[Request]:
    """Return the recorded answers as the requests they stand for, which cost nothing. `prompt_ids`: text -> id."""
    return [
        Request(
            key=content_id("recorded", project.name, answer.model, prompt_ids[answer.inputs]),
            project=project.name,
            prompt_id=prompt_ids[answer.inputs],
            purpose="generate",
            model=answer.model,
            system_prompt_version=system_prompt_version,
            parameters={"recorded": True},
            text=answer.response,
            tokens_in=0,
            tokens_out=0,
            cost_usd=0.0,
            seconds=0.0,
            attempts=1,
            finish_reason=answer.finish_reason,
        )
        for answer in answers(project.language)
        if answer.inputs in prompt_ids
    ]


def to_votes(project: Project, pairs: pd.DataFrame, *, guidelines_version: str, now: datetime) -> list[Vote]:
    """Return the recorded votes on stored pairs, oldest first, moved in time so that the last was cast the day before `now`.

    Args:
        project: Names the language.
        pairs: Columns `prompt, pair_id, first_id, second_id, first_source`.
        guidelines_version: The guidelines in force.
        now: With a time zone.
    """
    recorded = votes(project.language)
    moved = now - timedelta(days=1) - max(datetime.fromisoformat(vote.at) for vote in recorded)
    stored = {str(row["prompt"]): row for row in pairs.to_dict("records")}
    cast = []
    for vote in recorded:
        if pair := stored.get(vote.inputs):
            human_first = pair["first_source"] == HUMAN
            side = {RecordedChoice.HUMAN: Choice.FIRST, RecordedChoice.MODEL: Choice.SECOND}
            if not human_first:
                side = {RecordedChoice.HUMAN: Choice.SECOND, RecordedChoice.MODEL: Choice.FIRST}
            cast.append(
                Vote(
                    pair_id=pair["pair_id"],
                    annotator=vote.annotator,
                    choice=side.get(vote.choice) or Choice(vote.choice),
                    shown_first=pair[f"{side[vote.shown_first]}_id"],
                    reason=vote.reason,
                    seconds=vote.seconds,
                    guidelines_version=guidelines_version,
                    at=(datetime.fromisoformat(vote.at) + moved).isoformat(timespec="microseconds"),
                )
            )
    return cast
