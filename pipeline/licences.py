"""Licences: under which terms may this release be published, and what must the coordinator answer first?

The sources of a release and the answers given so far come in; the terms of each part go out, with the questions that are still
open. What is known of models is a dated table (`facts/model_terms.csv`); what it does not know, or what two terms make of each
other, is asked and never guessed. Not legal advice; reads no files but the table, changes nothing.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources

from pipeline.errors import ExportError
from pipeline.records import Project, storable

CHOICES = (
    "apache-2.0",
    "mit",
    "cc-by-4.0",
    "cc-by-sa-4.0",
    "cc-by-nc-4.0",
    "cc-by-nc-sa-4.0",
    "cc0-1.0",
    "odc-by",
    "openrail",
    "gemma",
    "llama3.1",
    "other",
)
"""Licences by the names the Hub has for them."""

AYA, SAMPLE = "hub", "sample"
SOURCE, RELEASE, MODEL = "source", "release", "model:"
LONGEST_ANSWER = 500


class Outputs(StrEnum):
    """What a model's terms say of its answers: nothing, something that goes along with them, or that they may not be used so."""

    FREE = "free"
    CONDITIONS = "conditions"
    RESTRICTS = "restricts"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One source of a release and its terms, as known on a day (`as_of`); `answer` is what the coordinator found out."""

    what: str
    role: str
    licence: str
    outputs: Outputs
    says: str = ""
    as_of: str = ""
    source: str = ""
    answer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What must be answered before publishing; `choices` are empty where any words do."""

    id: str
    text: str
    why: str
    choices: tuple[str, ...] = ()
    answer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The terms of a release. `licence` is what the card states: `other` while a question is open."""

    parts: tuple[Part, ...]
    questions: tuple[Question, ...]
    licence: str

    @property
    def open(self) -> list[Question]:
        """The questions without an answer."""
        return [question for question in self.questions if not question.answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """A row of the table."""

    matches: str
    family: str
    licence: str
    outputs: str
    says: str
    as_of: str
    source: str


@cache
def _table() -> tuple[_Known, ...]:
    text = resources.files("pipeline").joinpath("facts", "model_terms.csv").read_text(encoding="utf-8")
    return tuple(_Known(**row) for row in csv.DictReader(text.splitlines()))


def compose(project: Project, *, models: Iterable[str], judges: Iterable[str] = (), answers: Mapping[str, str]) -> Terms:
    """Return the terms of a release and what is still to be answered.

    Args:
        project: Its source decides the terms of prompts and human responses.
        models: Names of the models that wrote responses in it.
        judges: Names of the models whose opinions stand in it.
        answers: Question to answer, as the coordinator gave them.
    """
    parts = [_of_texts(project, answers)]
    roles = [(name, "responses") for name in sorted(set(models))] + [(name, "opinions") for name in sorted(set(judges))]
    parts += [_of_model(name, role, project, answers) for name, role in roles]
    questions = [question for part in parts for question in _asked_of(part, answers)]
    licences = {part.licence for part in parts if part.outputs is not Outputs.RESTRICTS and part.licence}
    alone = licences.pop() if len(licences) == 1 and not questions else ""
    if not alone:
        questions.append(_of_release(parts, answers))
    terms = Terms(
        parts=tuple(parts), questions=tuple({question.id: question for question in questions}.values()), licence="other"
    )
    if terms.open:
        return terms
    return Terms(parts=terms.parts, questions=terms.questions, licence=alone or answers[RELEASE])


def _of_texts(project: Project, answers: Mapping[str, str]) -> Part:
    role = "prompts and human responses"
    if project.source == AYA:
        says = "Published by Cohere For AI and its community."
        return Part(what="CohereForAI/aya_dataset", role=role, licence="apache-2.0", outputs=Outputs.FREE, says=says)
    if project.source == SAMPLE:
        return Part(what="the demonstration sample", role=role, licence="apache-2.0", outputs=Outputs.FREE)
    answer = answers.get(SOURCE, "")
    known = answer if answer in CHOICES else ""
    return Part(what=project.public_source, role=role, licence=known, outputs=Outputs.UNKNOWN, answer=answer)


def _of_model(name: str, role: str, project: Project, answers: Mapping[str, str]) -> Part:
    if project.is_demonstration:
        says = "Invented for the demonstration; no such model exists."
        return Part(what=name, role=role, licence="apache-2.0", outputs=Outputs.FREE, says=says)
    answer = answers.get(f"{MODEL}{name}", "")
    short = name.lower().rsplit("/", 1)[-1]
    for known in _table():
        if re.search(known.matches, short):
            return Part(
                what=name,
                role=role,
                licence=known.licence,
                outputs=Outputs(known.outputs),
                says=known.says,
                as_of=known.as_of,
                source=known.source,
                answer=answer,
            )
    return Part(what=name, role=role, licence="", outputs=Outputs.UNKNOWN, answer=answer)


def _asked_of(part: Part, answers: Mapping[str, str]) -> Iterable[Question]:
    if part.role == "prompts and human responses":
        if part.outputs is Outputs.UNKNOWN:
            text = f"Under which licence do the prompts and human responses of {part.what} stand?"
            yield Question(id=SOURCE, text=text, why="They come from a file.", choices=CHOICES, answer=answers.get(SOURCE, ""))
        return
    if part.outputs is Outputs.FREE:
        return
    text = {
        Outputs.CONDITIONS: f"How do you pass on what the terms of {part.what} ask of those who use its {part.role}?",
        Outputs.RESTRICTS: f"What allows you to publish {part.role} of {part.what} for training?",
        Outputs.UNKNOWN: f"What do the terms of {part.what} say about publishing its {part.role} for training?",
    }[part.outputs]
    why = f"{part.says} ({part.source}, as known in {part.as_of})" if part.says else "The studio knows nothing of its terms."
    yield Question(id=f"{MODEL}{part.what}", text=text, why=why, answer=part.answer)


def _of_release(parts: Sequence[Part], answers: Mapping[str, str]) -> Question:
    named = sorted({part.licence for part in parts} - {"", "other"})
    own = ["terms of their own"] if any(part.licence in ("", "other") for part in parts) else []
    why = f"Its parts stand under {' and under '.join([', '.join(named)] * bool(named) + own)}."
    text = "Under which licence does the release as a whole go out?"
    return Question(id=RELEASE, text=text, why=why, choices=CHOICES, answer=answers.get(RELEASE, ""))


def check_answer(terms: Terms, question_id: str, answer: str) -> str:
    """Return the answer as it is stored.

    Raises:
        ExportError: There is no such question, or the answer is none.
    """
    asked = {question.id: question for question in terms.questions}
    if question_id not in asked:
        raise ExportError(
            f"There is no question {question_id} about the licence of this project.",
            hint=f"The questions are: {', '.join(asked) or 'none'}.",
        )
    choices, said = asked[question_id].choices, " ".join(storable(answer).split())
    if choices and said not in choices:
        raise ExportError(
            f"{said or 'Nothing'} is no licence the Hub has a name for.", hint=f"Choose from: {', '.join(choices)}."
        )
    if not 3 <= len(said) <= LONGEST_ANSWER:
        raise ExportError(
            "That is no answer that a reader of the card could check.",
            hint=f"Say in 3 to {LONGEST_ANSWER} characters what you found, and where; it is printed in the card.",
        )
    return said
