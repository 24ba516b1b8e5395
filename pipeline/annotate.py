"""Annotate: which two responses does an annotator see, in which order, and what does their answer mean?

Prompts and responses, or the file of a finished study, come in; Pairs, Cards, Choices and Votes go out.
No database and no Streamlit. A Card holds no source, so whatever shows it cannot give one away.
"""

import hashlib
import hmac
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from pipeline.errors import VoteError
from pipeline.records import (
    HUMAN,
    Choice,
    Exclusion,
    Pair,
    Prompt,
    Response,
    Role,
    Vote,
    make_pair,
    prompt_id,
    response_id,
)

MAX_NAME_CHARS = 60
_JOINERS = "\u200c\u200d"
REPEAT_AFTER, REPEAT_ONE_IN = 30, 40
"""From so many answers on, one card in so many is a pair the annotator has answered before."""
STUDY_CHOICES = ("a", "b", "tie", "both_bad", "skip")
STUDY_TEXTS = ("prompt", "response_a", "response_b")
STUDY_NAMES = ("source_a", "source_b", "annotator")

GUIDELINES = """\
Read the prompt, then both answers. Which one helps the person who asked more?
- An answer must be in the language of the prompt, unless the prompt asks for another.
- A correct, clear answer beats a long one. Ignore length and style where the content is equal.
- Equally good: you would be happy with either. Both bad: you would show neither to the person who asked.
- Skip what you cannot judge. Nobody sees which answer was written by a person, and there is no wrong opinion.
"""
"""The guidelines a new project begins with; the coordinator may change them."""

_COLOURS = ("amber", "azure", "coral", "golden", "green", "indigo", "ivory", "olive", "purple", "scarlet", "silver", "violet")
_ANIMALS = ("crane", "falcon", "gecko", "heron", "ibex", "lark", "lynx", "otter", "panda", "robin", "tapir", "wren")


class Pressed(StrEnum):
    """What an annotator presses: the side on the screen, or one of the answers that name no side."""

    LEFT = "left"
    RIGHT = "right"
    TIE = "tie"
    BOTH_BAD = "both_bad"
    SKIP = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One pair as one annotator sees it.

    `guidelines` is the text of `guidelines_version`: a vote is cast under what the annotator was shown.
    `previous` is the annotator's vote on the pair that a new one would supersede, None at first. In the role of a
    repeat, the annotator has answered the pair long ago and is not told so; the new vote supersedes nothing.
    """

    project: str
    annotator: str
    pair: Pair
    prompt: str
    shown_first_id: str
    shown_second_id: str
    shown_first: str
    shown_second: str
    guidelines_version: str = ""
    guidelines: str = ""
    previous: Vote | None = None
    role: Role = Role.ANNOTATOR

    @property
    def version(self) -> int:
        """The version a vote on this card would have."""
        return self.previous.version + 1 if self.previous else 0

    @property
    def id(self) -> str:
        """A name no other card of this annotator has, an undone one of the same pair included."""
        return f"{self.pair.id}-{self.role if self.role is Role.REPEAT else self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """What the file of a finished study holds; `exclusions` are pairs that no vote can tell apart.

    A vote's `at` is empty where the file does not say when it was cast.
    """

    prompts: list[Prompt]
    responses: list[Response]
    pairs: list[Pair]
    votes: list[Vote]
    exclusions: list[Exclusion]


def order(order_key: str, pair: Pair, annotator: str) -> tuple[str, str]:
    """Return the ids of the pair's responses in the order this annotator sees them, always the same."""
    # Drawn from the annotator and the pair, so a reload shows the same side first; keyed, so nobody can foretell it.
    drawn = hmac.new(order_key.encode(), f"{annotator}\n{pair.id}".encode(), hashlib.sha256).digest()
    return (pair.second_id, pair.first_id) if drawn[0] & 1 else (pair.first_id, pair.second_id)


def is_repeat_due(order_key: str, annotator: str, answers: int) -> bool:
    """Return whether the next card of an annotator with so many answers is a repeat; a reload changes nothing."""
    drawn = hmac.new(order_key.encode(), f"{annotator}\nrepeat {answers}".encode(), hashlib.sha256).digest()
    return answers >= REPEAT_AFTER and int.from_bytes(drawn[:4]) % REPEAT_ONE_IN == 0


def to_choice(pressed: Pressed, card: Card) -> Choice:
    """Return what was pressed says of the pair: it names a response, whichever side that was shown on."""
    if pressed in (Pressed.LEFT, Pressed.RIGHT):
        better = card.shown_first_id if pressed is Pressed.LEFT else card.shown_second_id
        return Choice.FIRST if better == card.pair.first_id else Choice.SECOND
    return Choice(pressed)


def annotator_name(text: str) -> str:
    """Return the name an annotator typed, spaces tidied; any script may be used.

    Raises:
        VoteError: It is empty, too long, or holds characters that cannot be seen.
    """
    name = " ".join(text.split())
    if len(name) > MAX_NAME_CHARS or not can_be_read(name):
        raise VoteError(
            f"A name has 1 to {MAX_NAME_CHARS} letters that can be seen.",
            hint="Type your name or any other name you will remember, or take a random one.",
        )
    return name


def can_be_read(name: str) -> bool:
    """Return whether a name has a letter or sign that can be seen, and nothing that cannot but the joiners some scripts need."""
    return bool(name.strip(f" {_JOINERS}")) and name.translate(dict.fromkeys(map(ord, _JOINERS))).isprintable()


def made_up_name(number: int) -> str:
    """Return a pleasant made-up name such as `amber-otter-042`; the same number gives the same name."""
    rest, colour = divmod(number, len(_COLOURS))
    rest, animal = divmod(rest, len(_ANIMALS))
    return f"{_COLOURS[colour]}-{_ANIMALS[animal]}-{rest % 1000:03d}"


def make_pairs(prompts: Iterable[Prompt], responses: Iterable[Response]) -> tuple[list[Pair], list[Exclusion]]:
    """Pair the human's response to each prompt with every model's.

    Returns:
        The pairs by prompt position, and under `identical` the responses that repeat the human's text.
    """
    by_prompt: dict[str, list[Response]] = defaultdict(list)
    for response in responses:
        by_prompt[response.prompt_id].append(response)
    pairs: list[Pair] = []
    exclusions: list[Exclusion] = []
    for prompt in sorted(prompts, key=lambda prompt: (prompt.position, prompt.id)):
        of_prompt = by_prompt[prompt.id]
        people = [response for response in of_prompt if response.source == HUMAN]
        models = [response for response in of_prompt if response.source != HUMAN]
        for one, other in ((one, other) for one in people for other in models):
            if one.text == other.text:
                exclusions.append(_identical(other))
            else:
                pairs.append(make_pair(one, other, position=prompt.position))
    return pairs, exclusions


def _identical(response: Response) -> Exclusion:
    detail = f"{response.source} gave the same text as the other response"
    return Exclusion(row_id=response.id, stage="pair", reason="identical", detail=detail, text=response.text)


def read_study(path: Path, *, language: str, now: datetime) -> Study:
    """Read the votes of a finished study, made here or elsewhere.

    Args:
        path: JSONL with `prompt`, `response_a`, `response_b`, `source_a`, `source_b`, `annotator`, `choice`
            (a, b, tie, both_bad or skip), and optionally `shown_first` (a or b), `reason`, `at`.
        language: The language of the prompts, part of their ids.
        now: When responses of a line without `at` are said to have been made.

    Returns:
        Records whose ids follow from the texts, so reading the file twice gives the same ones. A second vote
        of an annotator on a pair is a new version that supersedes the first; both are kept.

    Raises:
        VoteError: The file cannot be read, or lines are wrong; they are named.
    """
    return make_study(_read_lines(path), language=language, now=now)


def make_study(rows: Iterable[Mapping[str, str]], *, language: str, now: datetime) -> Study:
    """Make a study of rows with the fields that `read_study` names, all there and checked, those left out empty.

    A row without a `choice` adds its texts and its pair, and no vote. `edited` may stand beside the others.
    """
    prompts: dict[str, Prompt] = {}
    responses: dict[str, Response] = {}
    pairs: dict[str, Pair] = {}
    exclusions: dict[str, Exclusion] = {}
    votes: list[Vote] = []
    versions: Counter[tuple[str, str]] = Counter()
    for row in rows:
        at = row["at"] or _iso(now)
        prompt = Prompt(id=prompt_id(language, row["prompt"]), text=row["prompt"], position=len(prompts))
        prompts.setdefault(prompt.id, prompt)
        one, other = _response(row, "a", prompt, at), _response(row, "b", prompt, at)
        responses.setdefault(one.id, one)
        responses.setdefault(other.id, other)
        if one.id == other.id:
            # The same source gave the same text twice: a vote could not name which.
            exclusions.setdefault(one.id, _identical(one))
            continue
        pair = make_pair(one, other, position=len(pairs))
        pairs.setdefault(pair.id, pair)
        if row["choice"]:
            votes.append(_study_vote(row, pair, one, other, version=versions[row["annotator"], pair.id]))
            versions[row["annotator"], pair.id] += 1
    return Study(
        prompts=list(prompts.values()),
        responses=list(responses.values()),
        pairs=list(pairs.values()),
        votes=votes,
        exclusions=list(exclusions.values()),
    )


def new_votes(votes: Iterable[Vote], stored: Iterable[Vote], *, now: datetime) -> list[Vote]:
    """Return the votes of a study that are not stored yet, each as the next version of its annotator on its pair.

    Args:
        votes: In the order of the file.
        stored: Every version stored so far. A vote is stored already when its choice, reason and moment are; one
            without a moment, when a stored one with its choice and reason is left that no other such vote stands for.
        now: The moment of a new vote that has none.
    """
    versions: dict[tuple[str, str], int] = {}
    seen: set[tuple[str, ...]] = set()
    unmatched: Counter[tuple[str, ...]] = Counter()
    for vote in stored:
        versions[vote.annotator, vote.pair_id] = max(versions.get((vote.annotator, vote.pair_id), 0), vote.version + 1)
        seen.add((*_said(vote), vote.at))
        unmatched[_said(vote)] += 1
    new = []
    for vote in votes:
        said = _said(vote)
        if vote.at and (*said, vote.at) in seen:
            continue
        if not vote.at and unmatched[said]:
            unmatched[said] -= 1
            continue
        seen.add((*said, vote.at))
        version = versions.get((vote.annotator, vote.pair_id), 0)
        versions[vote.annotator, vote.pair_id] = version + 1
        new.append(replace(vote, version=version, at=vote.at or _iso(now)))
    return new


def _said(vote: Vote) -> tuple[str, ...]:
    return vote.pair_id, vote.annotator, str(vote.choice), vote.reason


def _read_lines(path: Path) -> list[dict[str, str]]:
    """Return the checked rows of a study file."""
    try:
        lines = path.read_bytes().decode("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise VoteError(
            f"{path.name} cannot be read: {reason}.", hint="Give the path of a JSONL file: one JSON object on each line."
        ) from error
    rows, wrong = [], []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                rows.append(_check_row(json.loads(line)))
            except ValueError as error:
                wrong.append(f"line {number}: {error}")
    if wrong or not rows:
        first = "; ".join(wrong[:5]) or "it holds no vote"
        raise VoteError(
            f"{path.name} cannot be imported: {first}{f'; and {len(wrong) - 5} more lines' if len(wrong) > 5 else ''}.",
            hint="Correct these lines and import again; nothing was imported.",
        )
    return rows


def _check_row(row: object) -> dict[str, str]:
    """Return the row's known fields as text; ValueError says what is wrong with it."""
    if not isinstance(row, Mapping):
        raise ValueError("not a JSON object")
    missing = [name for name in (*STUDY_TEXTS, *STUDY_NAMES, "choice") if row.get(name) in (None, "")]
    # An empty answer is a real answer: some models say nothing.
    missing = [name for name in missing if not (name.startswith("response") and row.get(name) == "")]
    if missing:
        raise ValueError(f"{', '.join(missing)} missing")
    names = (*STUDY_TEXTS, *STUDY_NAMES, "choice", "shown_first", "reason", "at")
    checked = {name: _text(name, row.get(name)) for name in names}
    if checked["choice"] not in STUDY_CHOICES:
        raise ValueError(f"choice {checked['choice']!r} is not one of {', '.join(STUDY_CHOICES)}")
    if checked["shown_first"] not in ("", "a", "b"):
        raise ValueError(f"shown_first {checked['shown_first']!r} is neither a nor b")
    if checked["at"]:
        checked["at"] = _in_utc(checked["at"])
    return checked


def _text(name: str, value: object) -> str:
    """Return the value as text that every database can hold."""
    if isinstance(value, Mapping | list):
        raise ValueError(f"{name} is not text")
    # Tables turn the answers "5" and "true" into a number and a boolean on their way to JSON.
    text = value if isinstance(value, str) else "" if value is None else json.dumps(value)
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError(f"{name} holds a character that is not text")
    return text


def _in_utc(text: str) -> str:
    """Return a moment as ISO 8601 in UTC; one without a zone is taken as UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"at {text!r} is not a moment such as 2025-03-01T12:00:00Z") from error
    return _iso(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _response(row: Mapping[str, str], side: str, prompt: Prompt, at: str) -> Response:
    """The response a row calls a or b."""
    source, text = row[f"source_{side}"], row[f"response_{side}"]
    return Response(id=response_id(prompt.id, source, text), prompt_id=prompt.id, source=source, text=text, created_at=at)


def _study_vote(row: Mapping[str, str], pair: Pair, one: Response, other: Response, *, version: int) -> Vote:
    """The row's vote; `one` and `other` are the responses it calls a and b."""
    ids = {"a": one.id, "b": other.id}
    if row["choice"] in ids:
        choice = Choice.FIRST if ids[row["choice"]] == pair.first_id else Choice.SECOND
    else:
        choice = Choice(row["choice"])
    return Vote(
        pair_id=pair.id,
        annotator=row["annotator"],
        choice=choice,
        version=version,
        shown_first=ids.get(row["shown_first"], ""),
        reason=row["reason"],
        edited=row.get("edited", ""),
        at=row["at"],
    )
