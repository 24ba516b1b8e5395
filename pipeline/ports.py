"""Ports: what the stages ask of the outside, so that no stage imports a vendor or the store.

A Generator turns a prompt into an Answer; a Judge rates two answers. A failed call is an Answer with an
`error`, for one bad row is data; only what stops the whole run (a refused key, an unknown model) is raised.
An AnnotationBackend is where people vote.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import pandas as pd

from pipeline.records import Choice, Exclusion, Job, Judgement, Pair, Prompt, Request, Response, Screen


class FailureReason(StrEnum):
    """Why a request brought no answer that can be used."""

    EMPTY = "empty"
    MALFORMED = "malformed"
    TIMEOUT = "timeout"
    RATE_LIMIT = "rate_limit"
    SERVER_ERROR = "server_error"
    CONNECTION = "connection"
    CONTENT_FILTER = "content_filter"
    TOO_LONG = "too_long"
    BAD_REQUEST = "bad_request"
    UNREADABLE = "unreadable"


FAILURES: Mapping[str, str] = {
    FailureReason.EMPTY: "the answer was empty",
    FailureReason.MALFORMED: "the server's answer could not be read",
    FailureReason.TIMEOUT: "no answer in time",
    FailureReason.RATE_LIMIT: "too many requests for the server",
    FailureReason.SERVER_ERROR: "a fault of the server",
    FailureReason.CONNECTION: "no connection",
    FailureReason.CONTENT_FILTER: "stopped by a content filter",
    FailureReason.TOO_LONG: "the prompt is too long for the model",
    FailureReason.BAD_REQUEST: "the server refused the request",
    FailureReason.UNREADABLE: "the verdict could not be read",
}


def failure(reason: str, detail: str = "") -> str:
    """Return a FailureReason in words, with the server's own words where there are any."""
    words = FAILURES.get(reason, reason)
    return f"{words} ({detail.rstrip('.')})" if detail else words


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one call: `text`, or `error` (a FailureReason) with `detail` in words.

    Tokens are 0 where the server does not count them. `finish_reason` is `length` for a truncated answer; `revision` is
    what the server tells of the model's version, often nothing. Of a failure, `wait_s` is how long the server asks to
    wait, and `is_down` says that the server, not this request, is to blame: it cannot be reached or is overloaded.
    """

    text: str | None
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    attempts: int = 1
    finish_reason: str = ""
    error: str = ""
    detail: str = ""
    revision: str = ""
    wait_s: float | None = None
    is_down: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A request and all that follows from its answer, stored in one transaction.

    `prompt` and `texts` (by response id) are what the pairs show, for those who go on from here.
    """

    request: Request
    responses: tuple[Response, ...] = ()
    pairs: tuple[Pair, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    judgements: tuple[Judgement, ...] = ()
    screens: tuple[Screen, ...] = ()
    prompt: str = ""
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """What a run found when it claimed requests: those made before, by key, and the keys that are now its own.

    A key in neither is being asked for by another run.
    """

    known: Mapping[str, Request]
    mine: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a judge says of two responses in the order shown: FIRST is the one shown first.

    `ratings` are 1 (worst) to 5, where the judge gives any. `rationales` is one for each response, or one for both.
    """

    choice: Choice
    ratings: tuple[float, float] | None = None
    rationales: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What a push did: how many pairs are open for voting now, and how many of them were not before.

    `excluded` counts pairs that were left out, by reason. `differences` says in sentences what was changed where people
    vote and was left as it is; `url` is where that is, empty for the studio's own pages.
    """

    pairs: int
    new: int
    excluded: Mapping[str, int] = field(default_factory=dict)
    differences: tuple[str, ...] = ()
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What a pull brought home: `new` first votes, and `changed` minds; answers left out are counted by reason."""

    new: int = 0
    changed: int = 0
    excluded: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotatorProgress:
    """How far one annotator is where they vote: answers given, begun, declined, and pairs that still wait for them."""

    annotator: str
    submitted: int
    drafts: int
    discarded: int
    pending: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendProgress:
    """How far the voting is: pairs open, those with as many answers as wanted, and each annotator by name."""

    pairs: int
    completed: int
    annotators: tuple[AnnotatorProgress, ...] = ()


class AnnotationBackend(Protocol):
    """Where people vote: the studio's own pages, or an Argilla server."""

    def push(
        self,
        project: str,
        pairs: Sequence[Pair] = (),
        *,
        suggest: bool = False,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Pushed:
        """Open these pairs and all the project has for voting, those set aside excepted; again, change no answer.

        With `suggest`, annotators see what a judge thinks before they choose, where the backend can show it.

        Raises:
            BackendError: The backend does not answer, or cannot take the project.
        """

    def pull(self, project: str) -> Pulled:
        """Bring new votes home; nothing that was brought home before is changed.

        Raises:
            BackendError: The backend does not answer, or the project was never pushed there.
        """

    def progress(self, project: str) -> BackendProgress:
        """Return how far the voting is, by annotator.

        Raises:
            BackendError: As in `pull`.
        """


class Generator(Protocol):
    """A model that answers prompts."""

    @property
    def model(self) -> str:
        """The model id, as the server names it."""

    @property
    def parameters(self) -> Mapping[str, object]:
        """What is sent beside the messages, such as the longest answer allowed."""

    def request_key(self, system_prompt: str, prompt: str, sample: int = 0) -> str:
        """Return the hash of model, messages, parameters and sample index."""

    async def answer(self, system_prompt: str, prompt: str) -> Answer:
        """Ask once; return the model's answer, or why there is none. Raises EndpointError when no call can succeed."""

    async def close(self) -> None:
        """Give back connections."""


class Judge(Protocol):
    """A model that rates two responses to one prompt, or chooses one, in the order given."""

    @property
    def name(self) -> str:
        """What its judgements stand under: the model, and how it was asked where that is not by rating."""

    @property
    def model(self) -> str:
        """The model id, as the server names it."""

    @property
    def parameters(self) -> Mapping[str, object]:
        """What is sent beside the messages."""

    def request_key(self, prompt: str, texts: tuple[str, str]) -> str:
        """Return the hash of model, messages and parameters."""

    async def rate(self, prompt: str, texts: tuple[str, str]) -> Answer:
        """Ask once; return the verdict in the model's own words. Raises EndpointError when no call can succeed."""

    def read(self, verdict: str) -> Verdict | None:
        """Return what a verdict in a model's own words says, None when that is not clear."""

    async def close(self) -> None:
        """Give back connections."""


class RequestStore(Protocol):
    """What a run of requests needs of the store."""

    def claim_requests(self, keys: Sequence[str], *, project: str, owner: str, lease_s: float) -> Claimed:
        """Return what the project knows of these requests, and make the others this run's own for a while."""

    def renew_claims(self, owner: str, *, lease_s: float) -> None:
        """Keep what a run claimed for a while longer."""

    def release_claims(self, owner: str) -> None:
        """Give up what a run claimed."""

    def claim_owners(self) -> list[str]:
        """Return the runs that hold claims."""

    def save_made(self, made: Sequence[Made]) -> None:
        """Commit requests and what they make, all in one transaction, and give up their claims."""

    def spent(self, project: str) -> tuple[float, int]:
        """Return what the project's requests cost in US dollars, and how many of them cost something."""


class ResponseStore(RequestStore, Protocol):
    """What generation needs of the store."""

    def counts(self, project: str) -> dict[str, float]:
        """Return the counts of the project; `prompts` is among them."""

    def prompt_ids_without(self, project: str, source: str) -> list[str]:
        """Return the ids of the prompts that have no response of this source yet."""

    def prompts_and_people(self, project: str, prompt_ids: Sequence[str]) -> list[tuple[Prompt, list[Response]]]:
        """Return these prompts, each with the responses people wrote to it."""


class JudgementStore(RequestStore, Protocol):
    """What judging needs of the store."""

    def pair_ids(self, project: str, *, source: str = "") -> list[str]:
        """Return the ids of the pairs, by position; with `source`, of those that hold a response of it."""

    def pairs(self, project: str, pair_ids: Sequence[str] | None = None) -> pd.DataFrame:
        """Return one row per pair with its texts; of these pairs, or of all."""

    def judgements(self, project: str) -> pd.DataFrame:
        """Return one row per judgement."""


class JobStore(Protocol):
    """What background jobs need of the store."""

    def save_job(self, job: Job, *, unless: Callable[[Job], bool]) -> Job | None:
        """Store a new job; or store nothing and return the running job of the project for which `unless` holds."""

    def update_job(self, job_id: str, **values: object) -> None:
        """Change the named fields of a job."""

    def jobs(self, project: str | None = None) -> list[Job]:
        """Return the jobs of a project, or of all, newest first."""
