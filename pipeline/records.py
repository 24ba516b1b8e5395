"""Records: the words of this project, each defined once.

A Project is one effort in one language. It holds Prompts; each Prompt has Responses, one written by
a person and others by models. Two Responses to one Prompt are a Pair, kept in canonical order. An
annotator's Choice on a Pair is a Vote; a model's opinion is a Judgement, never a Vote. Votes add up to
a Consensus, a Consensus becomes a Preference (chosen and rejected), and Preferences a Release.

Ids are content hashes, so that repeating a step updates and never duplicates. Times are ISO 8601 in UTC.
This module imports nothing of the project.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import PureWindowsPath
from typing import Any

HUMAN = "human"
"""The `source` of a Response that a person wrote; every other source is a model id."""

Summary = dict[str, Any]
"""What an action did or found, as the plain values that the terminal prints (docs/terminal.md)."""


class Choice(StrEnum):
    """What an annotator may say of a Pair; FIRST and SECOND are its responses in canonical order."""

    FIRST = "first"
    SECOND = "second"
    TIE = "tie"
    BOTH_BAD = "both_bad"
    SKIP = "skip"


OPINIONS = (Choice.FIRST, Choice.SECOND, Choice.TIE, Choice.BOTH_BAD)
"""The choices that are opinions, as they are listed and counted; a skip is none."""
SCALE = (Choice.FIRST, Choice.TIE, Choice.SECOND)
"""The opinions that lie on one scale, in its order; `both_bad` lies beside it."""


class Role(StrEnum):
    """In which role a vote was cast. A reviewer's decision is a vote as well, and decides the pair it is cast on."""

    ANNOTATOR = "annotator"
    ADJUDICATOR = "adjudicator"
    REPEAT = "repeat"
    """A pair shown to its annotator once more, unannounced, to see whether the answer lasts; it counts nowhere else."""


class Method(StrEnum):
    """How the votes on a pair are added up."""

    MAJORITY = "majority"
    WEIGHTED = "weighted"
    DAWID_SKENE = "dawid-skene"
    JUDGE_ASSISTED = "judge-assisted"


class Runner(StrEnum):
    """Who asks the models: this process, a distilabel pipeline, or actors of a Ray cluster."""

    LOCAL = "local"
    DISTILABEL = "distilabel"
    RAY = "ray"


class DocumentKind(StrEnum):
    """Texts of a project that are edited, versioned and named by the rows made under them."""

    SYSTEM_PROMPT = "system_prompt"
    GUIDELINES = "guidelines"
    TERMS = "terms"
    """What the coordinator answered about licences, as JSON: question to answer."""


class JobState(StrEnum):
    """Where a background job stands."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


def is_text(value: object) -> bool:
    """Say whether a value is text that every store and file can hold: without a NUL or half a character."""
    return isinstance(value, str) and value == storable(value)


def storable(text: str) -> str:
    """Return a text that every store can hold: half a character (a lone surrogate) as its escape, NUL as a visible sign."""
    return text.encode(errors="backslashreplace").decode().replace("\0", "\u2400")


def content_id(*parts: str) -> str:
    """Return 20 hexadecimal digits that name exactly these strings in this order."""
    whole = json.dumps(parts, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(whole.encode()).hexdigest()[:20]


def utc_now() -> str:
    """Return the present moment as ISO 8601 in UTC with microseconds; such strings sort by time."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """One effort in one language.

    `source` is `sample`, `hub` or a path; `revision` names the exact rows it held. `order_key` is the
    key of the hash that draws which response is shown first. `rules` are the curation rules last saved.
    """

    name: str
    language: str
    code: str
    source: str
    revision: str
    is_demonstration: bool = False
    seed: int = 0
    votes_wanted: int = 3
    order_key: str = ""
    rules: Mapping[str, object] = field(default_factory=dict)
    created_at: str = field(default_factory=utc_now)

    @property
    def public_source(self) -> str:
        """The source as a release names it: of a path the file's name alone, for folders tell whose computer it was."""
        return PureWindowsPath(self.source).name


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What a person asks. `position` is its place in the project, from 0."""

    id: str
    text: str
    annotation_type: str = ""
    contributor: str = ""
    position: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One answer to a Prompt. `source` is HUMAN or a model id; the last fields say how it was made."""

    id: str
    prompt_id: str
    source: str
    text: str
    request_key: str | None = None
    created_at: str = field(default_factory=utc_now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call to a model and what came of it; `key` is the hash of model, messages, parameters, sample.

    `error` is empty when the answer arrived, else the reason (`timeout`, `rate_limit`, ...), with
    `detail` in words. A failed request is never an answer, and is made again by the next run.
    `cost_usd` is None where the price is not known; `revision` is what the server tells of the model's version.
    """

    key: str
    project: str
    prompt_id: str
    purpose: str
    model: str
    system_prompt_version: str
    parameters: Mapping[str, object]
    text: str | None
    tokens_in: int
    tokens_out: int
    cost_usd: float | None
    seconds: float
    attempts: int
    finish_reason: str = ""
    error: str = ""
    detail: str = ""
    at: str = field(default_factory=utc_now)
    revision: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a model answers, and on what terms; `api_key_env` names a variable, never holds a key.

    Prices are in US dollars per million tokens, None where they are not known. `temperature` is None for the server's
    own; `max_tokens` is the longest answer asked for, after which it comes back cut. `more_urls` are other servers with
    the same model, on the same terms.
    """

    model: str
    base_url: str
    api_key_env: str = ""
    concurrency: int = 16
    price_in: float | None = None
    price_out: float | None = None
    budget_usd: float | None = None
    temperature: float | None = None
    max_tokens: int = 1024
    more_urls: tuple[str, ...] = ()

    @property
    def base_urls(self) -> tuple[str, ...]:
        """The addresses of all servers."""
        return (self.base_url, *self.more_urls)


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """What was noticed about a model's Response without a person reading it; `reason` is empty where nothing was.

    `language` is what its text is written in, or `unknown (Script)`. `is_out` sets its pairs aside, until somebody brings
    them back.
    """

    response_id: str
    reason: str = ""
    detail: str = ""
    language: str = ""
    is_out: bool = False
    at: str = field(default_factory=utc_now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two Responses to one Prompt in canonical order: the human one first, else by source, then by id.

    So a label means the same on every pair, and chance agreement is measured against how often each source is preferred.
    """

    id: str
    prompt_id: str
    first_id: str
    second_id: str
    position: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """One annotator's Choice on one Pair. It names a response, never a side.

    `version` counts an annotator's changes of mind on the pair from 0; the highest counts, all are kept.
    `shown_first` is the id of the response the annotator saw first, empty where that is not known. The `role` of an
    adjudicator keeps a reviewer's decision apart from what the same person said as an annotator.
    """

    pair_id: str
    annotator: str
    choice: Choice
    version: int = 0
    shown_first: str = ""
    reason: str = ""
    edited: str = ""
    seconds: float | None = None
    guidelines_version: str = ""
    at: str = field(default_factory=utc_now)
    role: Role = Role.ANNOTATOR


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A model's opinion on a Pair in one of the two orders; never a Vote. Ratings are 1-5 or None."""

    pair_id: str
    judge: str
    shown_first: str
    choice: Choice
    rating_first: float | None = None
    rating_second: float | None = None
    rationale: str = ""
    at: str = field(default_factory=utc_now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """A row that a stage left out, and why. `stage` is `select` or `pair`; `text` is what a reader sees."""

    row_id: str
    stage: str
    reason: str
    detail: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Long work in its own process. `done` of `total` items; `heartbeat_at` tells a dead worker.

    `failed` and `set_aside` count answers by reason; `verdicts` of `verdicts_wanted` are those of a judge beside a run that
    generates, and `cost_usd` is of all. `message` says why nothing comes while it runs, and how it ended.
    """

    id: str
    project: str
    kind: str
    command: tuple[str, ...]
    state: JobState = JobState.RUNNING
    pid: int = 0
    pid_started: float = 0.0
    done: int = 0
    total: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)
    set_aside: Mapping[str, int] = field(default_factory=dict)
    verdicts: int = 0
    verdicts_wanted: int = 0
    cost_usd: float | None = None
    message: str = ""
    stop_requested: bool = False
    started_at: str = field(default_factory=utc_now)
    heartbeat_at: str = field(default_factory=utc_now)
    ended_at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One exported, immutable, versioned dataset. `digest` is the SHA-256 of its manifest; `version` counts from 1."""

    project: str
    name: str
    directory: str
    digest: str
    rows: int
    at: str = field(default_factory=utc_now)
    version: int = 0

    @property
    def label(self) -> str:
        """The version as people write it, such as v2."""
        return f"v{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A Release that went to the Hub: the repository, the commit it became, its tag, and who could see it then.

    `before` is the tag of what stood there before, empty where nothing was replaced.
    """

    project: str
    release: str
    repo: str
    url: str
    revision: str
    tag: str
    before: str
    is_private: bool
    at: str = field(default_factory=utc_now)


def prompt_id(language: str, text: str) -> str:
    """Return the id of a prompt: the same text in the same language is the same prompt."""
    return content_id("prompt", language, text)


def response_id(prompt: str, source: str, text: str) -> str:
    """Return the id of a response to the prompt with id `prompt`."""
    return content_id("response", prompt, source, text)


def make_pair(one: Response, other: Response, *, position: int = 0) -> Pair:
    """Return the Pair of two responses to one prompt, in canonical order whichever way round they come."""
    first, second = sorted((one, other), key=lambda response: (response.source != HUMAN, response.source, response.id))
    pair_id = content_id("pair", one.prompt_id, *sorted((one.id, other.id)))
    return Pair(id=pair_id, prompt_id=one.prompt_id, first_id=first.id, second_id=second.id, position=position)
