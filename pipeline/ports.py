"""Ports: what the stages ask of the outside, so that no stage imports a vendor or the store.

A Generator turns a prompt into an Answer; a Judge rates two answers. A failed call is an Answer with an
`error`, for one bad row is data; only what stops the whole run (a refused key, an unknown model) is raised.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import pandas as pd

from pipeline.records import Exclusion, Job, Judgement, Pair, Prompt, Request, Response


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one call: `text`, or `error` (a FailureReason) with `detail` in words.

    Tokens are 0 where the server does not count them. `finish_reason` is `length` for a truncated answer; `revision` is
    what the server tells of the model's version, often nothing.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """A judge's mark for one response, 1 (worst) to 5, and why."""

    value: float
    rationale: str


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
        """Return the model's answer, or why there is none. Raises EndpointError when no call can succeed."""

    async def close(self) -> None:
        """Give back connections."""


class Judge(Protocol):
    """A model that rates two responses to one prompt, in the order given."""

    @property
    def model(self) -> str:
        """The model id, as the server names it."""

    @property
    def parameters(self) -> Mapping[str, object]:
        """What is sent beside the messages."""

    def request_key(self, prompt: str, texts: tuple[str, str]) -> str:
        """Return the hash of model, messages and parameters."""

    async def rate(self, prompt: str, texts: tuple[str, str]) -> Answer:
        """Return the model's verdict in its own words. Raises EndpointError when no call can succeed."""

    def read(self, verdict: str) -> tuple[Rating, Rating] | None:
        """Return the two ratings a verdict holds, None when it holds no two."""

    async def close(self) -> None:
        """Give back connections."""


class RequestStore(Protocol):
    """What a run of requests needs of the store."""

    def request(self, key: str) -> Request | None:
        """Return the request with this key, answered or failed."""

    def save_request(
        self,
        request: Request,
        response: Response | None = None,
        pairs: Iterable[Pair] = (),
        exclusions: Iterable[Exclusion] = (),
    ) -> None:
        """Commit a request and what it makes, in one transaction."""

    def counts(self, project: str) -> dict[str, float]:
        """Return the counts of the project; `spent_usd` is among them."""


class ResponseStore(RequestStore, Protocol):
    """What generation needs of the store."""

    def prompts_without(self, project: str, source: str) -> list[Prompt]:
        """Return the prompts that have no response of this source yet."""

    def responses(self, project: str) -> pd.DataFrame:
        """Return one row per response: `id, prompt_id, source, text`, and more."""


class JudgementStore(RequestStore, Protocol):
    """What judging needs of the store."""

    def pairs(self, project: str) -> pd.DataFrame:
        """Return one row per pair with its texts."""

    def judgements(self, project: str) -> pd.DataFrame:
        """Return one row per judgement."""

    def add_judgements(self, project: str, judgements: Iterable[Judgement]) -> int:
        """Add judgements that are not there yet."""


class JobStore(Protocol):
    """What background jobs need of the store."""

    def save_job(self, job: Job) -> None:
        """Store a new job."""

    def update_job(self, job_id: str, **values: object) -> None:
        """Change the named fields of a job."""

    def jobs(self, project: str | None = None) -> list[Job]:
        """Return the jobs of a project, or of all, newest first."""
