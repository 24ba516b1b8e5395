"""Selection: which rows of a language become prompts of a project, and why not the others?

Rows in Aya's columns come in; Prompts, their human Responses and a counted Exclusion for every other row go out.
The outcome depends on the rows, the rules and the seed, not on the order of the rows. No text is changed.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

from pipeline.errors import SourceError
from pipeline.near_duplicates import THRESHOLD, find_repeats
from pipeline.records import HUMAN, Exclusion, Prompt, Response, content_id, prompt_id, response_id

STAGE = "select"


class Reason(StrEnum):
    """Why a row is left out; the first that holds counts."""

    NOT_TEXT = "not_text"
    EMPTY_PROMPT = "empty_prompt"
    EMPTY_ANSWER = "empty_answer"
    ANNOTATION_TYPE = "annotation_type"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    EXACT_DUPLICATE = "exact_duplicate"
    NEAR_DUPLICATE = "near_duplicate"
    OVER_LIMIT = "over_limit"


EXPLAINED: Mapping[str, str] = {
    Reason.NOT_TEXT: "holds something that is not text, or a character that cannot be stored",
    Reason.EMPTY_PROMPT: "the prompt is empty",
    Reason.EMPTY_ANSWER: "the human answer is empty",
    Reason.ANNOTATION_TYPE: "of a kind that was not asked for",
    Reason.TOO_SHORT: "prompt or answer is shorter than the rules allow",
    Reason.TOO_LONG: "prompt or answer is longer than the rules allow",
    Reason.EXACT_DUPLICATE: "the same prompt is there already",
    Reason.NEAR_DUPLICATE: "almost the same prompt is there already",
    Reason.OVER_LIMIT: "not drawn: the project takes fewer prompts than there are",
}
"""Each reason in words a reader of the page understands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionRules:
    """Which rows to take. Lengths are in characters; a maximum of None has no end; `annotation_types` None takes all."""

    annotation_types: tuple[str, ...] | None = None
    min_prompt_chars: int = 1
    max_prompt_chars: int | None = None
    min_answer_chars: int = 1
    max_answer_chars: int | None = None
    drop_near_duplicates: bool = True
    near_duplicate_share: float = THRESHOLD

    def __post_init__(self) -> None:
        """Refuse rules that no row can meet, or that mean nothing."""
        for what, low, high in (
            ("prompt", self.min_prompt_chars, self.max_prompt_chars),
            ("answer", self.min_answer_chars, self.max_answer_chars),
        ):
            if high is not None and high < low:
                raise SourceError(
                    f"No {what} can have at least {low} and at most {high} characters.",
                    hint="Make the maximum larger than the minimum.",
                )
        if not 0 < self.near_duplicate_share <= 1:
            raise SourceError(
                f"{self.near_duplicate_share} is not a share.",
                hint="Give how much of two prompts must be the same, above 0 and up to 1.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What was taken, each prompt with its human response at the same place, and what was left out."""

    prompts: list[Prompt]
    responses: list[Response]
    exclusions: list[Exclusion]

    def counts(self) -> dict[str, int]:
        """Return how many rows were left out for each reason, in the order of Reason, without zeros."""
        found = Counter(exclusion.reason for exclusion in self.exclusions)
        return {reason.value: found[reason] for reason in Reason if found[reason]}


@dataclass(slots=True, kw_only=True)
class _Row:
    """One row on its way through the rules."""

    id: str
    inputs: str
    targets: str
    annotation_type: str
    user_id: str
    problem: str
    reason: Reason | None = None
    detail: str = ""

    def leave_out(self, reason: Reason, detail: str = "") -> None:
        self.reason, self.detail = reason, detail


def select_prompts(
    rows: pd.DataFrame, *, language: str, seed: int = 0, limit: int | None = None, rules: SelectionRules | None = None
) -> Selection:
    """Choose the rows that become prompts.

    Of rows with the same or almost the same prompt one is kept, always the same one. Above `limit` rows are drawn with
    the seed; a larger limit adds rows and takes none away.

    Args:
        rows: Columns `inputs`, `targets`, `annotation_type`, `user_id` and optionally `problem`, of one language.
        language: The name all rows belong to; part of the prompts' ids.
        seed: Draws the rows and their order in the project.
        limit: The largest number of prompts, or None for all.
        rules: What a row must meet; default SelectionRules().

    Returns:
        As many prompts and exclusions together as there are rows.
    """
    rules = rules or SelectionRules()
    identified = sorted(_read(rows, language), key=lambda row: row.id)
    for row in identified:
        _check_alone(row, rules)
    _drop_exact_duplicates(_kept(identified))
    if rules.drop_near_duplicates:
        _drop_near_duplicates(_kept(identified), rules.near_duplicate_share)
    drawn = sorted(_kept(identified), key=lambda row: _draw(row.id, seed))
    for row in drawn[limit:] if limit is not None else []:
        row.leave_out(Reason.OVER_LIMIT)
    return _selection(_kept(drawn), [row for row in identified if row.reason is not None], language)


def _read(rows: pd.DataFrame, language: str) -> list[_Row]:
    """Give each row an id made of its content; equal rows are told apart by a count."""
    problems = rows["problem"] if "problem" in rows else [""] * len(rows)
    seen: Counter[str] = Counter()
    identified = []
    for values in zip(rows["inputs"], rows["targets"], rows["annotation_type"], rows["user_id"], problems, strict=True):
        inputs, targets, annotation_type, user_id, problem = values
        same = content_id("row", language, *map(str, values))
        identified.append(
            _Row(
                id=content_id(same, str(seen[same])),
                inputs=inputs if isinstance(inputs, str) else "",
                targets=targets if isinstance(targets, str) else "",
                annotation_type=annotation_type,
                user_id=user_id,
                problem=problem,
            )
        )
        seen[same] += 1
    return identified


def _kept(rows: Iterable[_Row]) -> list[_Row]:
    return [row for row in rows if row.reason is None]


def _check_alone(row: _Row, rules: SelectionRules) -> None:
    """Mark a row that breaks a rule by itself."""
    prompt_chars, answer_chars = len(row.inputs), len(row.targets)
    wanted = rules.annotation_types
    checks: tuple[tuple[Reason, bool, Callable[[], str]], ...] = (
        (Reason.NOT_TEXT, bool(_flaw(row)), lambda: _flaw(row)),
        (Reason.EMPTY_PROMPT, not row.inputs.strip(), str),
        (Reason.EMPTY_ANSWER, not row.targets.strip(), str),
        (Reason.ANNOTATION_TYPE, wanted is not None and row.annotation_type not in wanted, lambda: row.annotation_type),
        (Reason.TOO_SHORT, prompt_chars < rules.min_prompt_chars, lambda: f"prompt of {prompt_chars} characters"),
        (Reason.TOO_SHORT, answer_chars < rules.min_answer_chars, lambda: f"answer of {answer_chars} characters"),
        (Reason.TOO_LONG, _above(prompt_chars, rules.max_prompt_chars), lambda: f"prompt of {prompt_chars} characters"),
        (Reason.TOO_LONG, _above(answer_chars, rules.max_answer_chars), lambda: f"answer of {answer_chars} characters"),
    )
    for reason, holds, detail in checks:
        if holds:
            row.leave_out(reason, detail())
            return


def _above(chars: int, maximum: int | None) -> bool:
    return maximum is not None and chars > maximum


def _flaw(row: _Row) -> str:
    """Say why a row cannot be stored; a NUL is no text to Postgres and ends a string in many programs."""
    if row.problem:
        return row.problem
    for name, text in (("inputs", row.inputs), ("targets", row.targets)):
        if "\x00" in text:
            return f"{name} holds a NUL character"
    return ""


def _drop_exact_duplicates(rows: Iterable[_Row]) -> None:
    first: dict[str, str] = {}
    for row in rows:
        kept = first.setdefault(row.inputs, row.id)
        if kept != row.id:
            row.leave_out(Reason.EXACT_DUPLICATE, f"same prompt as row {kept}")


def _drop_near_duplicates(rows: list[_Row], share: float) -> None:
    for row, kept in zip(rows, find_repeats([row.inputs for row in rows], threshold=share), strict=True):
        if kept is not None:
            row.leave_out(Reason.NEAR_DUPLICATE, f"almost the same as: {rows[kept].inputs[:200]}")


def _draw(row_id: str, seed: int) -> bytes:
    """Return the lot of a row: the lowest are drawn."""
    return hashlib.sha256(f"{seed}:{row_id}".encode()).digest()


def _selection(kept: list[_Row], left_out: list[_Row], language: str) -> Selection:
    ids = [prompt_id(language, row.inputs) for row in kept]
    return Selection(
        prompts=[
            Prompt(id=id_, text=row.inputs, annotation_type=row.annotation_type, contributor=row.user_id, position=position)
            for position, (id_, row) in enumerate(zip(ids, kept, strict=True))
        ],
        responses=[
            Response(id=response_id(id_, HUMAN, row.targets), prompt_id=id_, source=HUMAN, text=row.targets)
            for id_, row in zip(ids, kept, strict=True)
        ],
        exclusions=[
            Exclusion(
                row_id=row.id, stage=STAGE, reason=str(row.reason), detail=_storable(row.detail), text=_storable(row.inputs)
            )
            for row in left_out
        ],
    )


def _storable(text: str) -> str:
    """Return a text every database takes: NUL as a visible sign."""
    return text.replace("\x00", "\u2400")
