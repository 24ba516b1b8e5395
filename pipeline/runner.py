"""Runner: make many requests at once, item by item, and commit each answer as it arrives.

Comes in: questions (a key and a way to ask) and an endpoint's terms. Goes out: a tally, and through `save` one row in
the store per answer. A question whose key was answered before is not asked again; one that failed is. Nothing waits
for a batch: killed at any moment, the next run repeats at most what was under way.
"""

import asyncio
import dataclasses
import logging
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlsplit

from pipeline.errors import EndpointError, GenerationError, PipelineError
from pipeline.ports import Answer, FailureReason, RequestStore
from pipeline.records import Endpoint, Request

T = TypeVar("T")

log = logging.getLogger(__name__)

FAILURES_IN_A_ROW = 10
"""So many failures one after the other end a run: something is wrong that the next prompt does not mend."""

DRAIN_S = 20.0
"""How long a stopped run waits for answers under way, which may be paid for already."""

OF_THE_SERVER = {FailureReason.CONNECTION, FailureReason.TIMEOUT, FailureReason.SERVER_ERROR, FailureReason.RATE_LIMIT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One request to make. `rough_tokens` (read, written) price it where the server does not count."""

    key: str
    prompt_id: str
    ask: Callable[[], Awaitable[Answer]]
    rough_tokens: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """What all requests of a run share; `name` is `generate` or `judge`."""

    project: str
    name: str
    model: str
    parameters: Mapping[str, object]
    system_prompt_version: str = ""


@dataclass(slots=True, kw_only=True)
class Tally:
    """What a run has done so far.

    `cost_usd` is None where no price is known; `ended_early` says why questions were left, empty when none was.
    """

    total: int = 0
    stored: int = 0
    already_stored: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float | None = None
    seconds: float = 0.0
    ended_early: str = ""

    @property
    def done(self) -> int:
        """Questions that this run has dealt with."""
        return self.stored + self.already_stored + self.failed.total()


Save = Callable[[Question, Request], str]
"""Commits a request and what it makes; returns a FailureReason when its text cannot be used, else an empty string."""


def price(endpoint: Endpoint, tokens_in: float, tokens_out: float) -> float | None:
    """Return what so many tokens cost in US dollars, None where a price is not known."""
    if endpoint.price_in is None or endpoint.price_out is None:
        return None
    return (tokens_in * endpoint.price_in + tokens_out * endpoint.price_out) / 1_000_000


def check_terms(endpoint: Endpoint) -> None:
    """Refuse terms that make no sense.

    Raises:
        GenerationError: A budget without both prices, a number that is negative, infinite or not a number, or an
            address that holds a password.
    """
    if urlsplit(endpoint.base_url).password or urlsplit(endpoint.base_url).username:
        raise GenerationError(
            "The address holds a name or password, which would be written down with the run.",
            hint="Leave it out of the address; put the key in an environment variable and name that with --api-key-env.",
        )
    amounts = (endpoint.budget_usd, endpoint.price_in, endpoint.price_out)
    if endpoint.concurrency < 1 or any(amount is not None and not 0 <= amount < math.inf for amount in amounts):
        raise GenerationError(
            "A budget, a price or the number of requests at once makes no sense.",
            hint="Give amounts in US dollars from 0 up, and at least one request at once.",
        )
    if endpoint.budget_usd is not None and price(endpoint, 0, 0) is None:
        raise GenerationError(
            "A budget can only be kept when both prices are known.",
            hint="Add what a million tokens cost, read and written, for example --price-in 0.15 --price-out 0.60.",
        )


def run(
    store: RequestStore,
    questions: Iterable[Question],
    purpose: Purpose,
    save: Save,
    *,
    total: int,
    endpoint: Endpoint,
    close: Callable[[], Awaitable[None]],
    on_progress: Callable[[Tally], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Tally:
    """Ask every question, `endpoint.concurrency` at once, and save each answer as it arrives.

    The budget is for the project: what its earlier runs spent counts. `close` is awaited at the end.

    Raises:
        GenerationError: The terms make no sense.
        EndpointError: No call can succeed (refused key, unknown model), or too many failed in a row.
        BackendError: The store cannot take more. What was saved before stays saved.
    """
    check_terms(endpoint)
    before = store.counts(purpose.project) if endpoint.budget_usd is not None else {"spent_usd": 0.0, "responses": 0.0}
    state = _Run(store, iter(questions), purpose, save, endpoint, on_progress, should_stop, before, total)
    return asyncio.run(state.all(close))


@dataclass(slots=True)
class _Run:
    """The state of one run: it lives on one event loop, beside one thread that writes."""

    store: RequestStore
    questions: Iterator[Question]
    purpose: Purpose
    save: Save
    endpoint: Endpoint
    on_progress: Callable[[Tally], None]
    should_stop: Callable[[], bool]
    before: Mapping[str, float]
    total: int
    tally: Tally = field(default_factory=Tally)
    fatal: PipelineError | None = None
    under_way: int = 0
    failures_in_a_row: int = 0
    last_failure: str = ""
    writer: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(max_workers=1))

    async def all(self, close: Callable[[], Awaitable[None]]) -> Tally:
        """Drive the workers until all is done, a stop is asked for, or something fatal happens."""
        self.tally = Tally(total=self.total, cost_usd=price(self.endpoint, 0, 0))
        started = time.monotonic()
        workers = [asyncio.create_task(self.work()) for _ in range(min(self.endpoint.concurrency, self.total))]
        watch = asyncio.create_task(self.let_go_when_stopped(workers))
        try:
            outcomes = await asyncio.gather(*workers, return_exceptions=True)
        finally:
            watch.cancel()
            await close()
            self.writer.shutdown(wait=True)
        self.tally.seconds = time.monotonic() - started
        if self.tally.done >= self.total:
            self.tally.ended_early = ""
        elif self.should_stop():
            self.tally.ended_early = "Stopped on request."
        self.on_progress(self.tally)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        if not self.fatal and not self.tally.stored and OF_THE_SERVER.issuperset(self.tally.failed) and self.last_failure:
            self.fatal = self.too_many_failures()
        if self.fatal:
            raise self.fatal
        return self.tally

    async def let_go_when_stopped(self, workers: list[asyncio.Task[None]]) -> None:
        """Once a stop is asked for, give the answers under way some time, then let go of them."""
        while not self.should_stop():
            await asyncio.sleep(0.1)
        await asyncio.sleep(DRAIN_S)
        for worker in workers:
            worker.cancel()

    async def work(self) -> None:
        """Take one question after the other until there is a reason to end."""
        while not self.fatal and not self.should_stop() and self.is_affordable():
            question = next(self.questions, None)
            if question is None:
                return
            self.under_way += 1
            try:
                await self.one(question)
            except PipelineError as error:
                self.fatal = self.fatal or error
            finally:
                self.under_way -= 1
            self.on_progress(self.tally)

    def is_affordable(self) -> bool:
        """Say whether the budget carries one more request beside those under way, at the mean price so far."""
        if self.endpoint.budget_usd is None:
            return True
        spent = self.before["spent_usd"] + (self.tally.cost_usd or 0.0)
        answered = self.before["responses"] + self.tally.stored + self.tally.failed.total()
        mean = spent / answered if answered else 0.0
        if spent < self.endpoint.budget_usd and spent + (self.under_way + 1) * mean <= self.endpoint.budget_usd:
            return True
        self.tally.ended_early = f"The budget of {self.endpoint.budget_usd:.2f} US dollars is used up."
        return False

    async def one(self, question: Question) -> None:
        """Ask one question, unless it was answered before, and commit what came of it."""
        known = await self.in_writer(lambda: self.store.request(question.key))
        if known and not known.error:
            reused = dataclasses.replace(known, project=self.purpose.project)
            await self.in_writer(lambda: self.save(question, reused))
            self.tally.already_stored += 1
            return
        answer = await question.ask()
        cost = self.cost(question, answer)
        request = self.request(question, answer, cost, known)
        # Shielded: an answer that has arrived is written even when the run is let go of in this moment.
        error = await asyncio.shield(self.in_writer(lambda: self.save(question, request)))
        self.count(request, answer, cost, request.error or error)

    async def in_writer(self, call: Callable[[], T]) -> T:
        """Run a call of the store in the one thread that writes."""
        return await asyncio.get_running_loop().run_in_executor(self.writer, call)

    def cost(self, question: Question, answer: Answer) -> float | None:
        """Return the price of an answer; by the rough tokens where the server did not count, 0 where it gave nothing."""
        if answer.tokens_in or answer.tokens_out or answer.text is None:
            return price(self.endpoint, answer.tokens_in, answer.tokens_out)
        return price(self.endpoint, *question.rough_tokens)

    def request(self, question: Question, answer: Answer, cost: float | None, before: Request | None) -> Request:
        """Return the row for an answer. It carries on the price and the attempts of the failed one it replaces."""
        earlier = before.cost_usd if before else None
        return Request(
            key=question.key,
            project=self.purpose.project,
            prompt_id=question.prompt_id,
            purpose=self.purpose.name,
            model=self.purpose.model,
            system_prompt_version=self.purpose.system_prompt_version,
            parameters=self.purpose.parameters,
            text=answer.text,
            tokens_in=answer.tokens_in,
            tokens_out=answer.tokens_out,
            cost_usd=cost if earlier is None else earlier + (cost or 0.0),
            seconds=answer.seconds,
            attempts=answer.attempts + (before.attempts if before else 0),
            finish_reason=answer.finish_reason,
            error=answer.error,
            detail=answer.detail,
            revision=answer.revision,
        )

    def count(self, request: Request, answer: Answer, cost: float | None, error: str) -> None:
        """Add an answer to the tally; end the run when too many in a row failed."""
        tally = self.tally
        tally.tokens_in += answer.tokens_in
        tally.tokens_out += answer.tokens_out
        if cost is not None:
            tally.cost_usd = (tally.cost_usd or 0.0) + cost
        if not error:
            tally.stored += 1
            self.failures_in_a_row = 0
            return
        tally.failed[error] += 1
        log.info("request failed: reason=%s prompt=%s model=%s", error, request.prompt_id, request.model)
        self.last_failure = f"{error} ({answer.detail})" if answer.detail else error
        if error in OF_THE_SERVER or not tally.stored:
            self.failures_in_a_row += 1
        if self.failures_in_a_row >= max(FAILURES_IN_A_ROW, self.endpoint.concurrency):
            self.fatal = self.fatal or self.too_many_failures()

    def too_many_failures(self) -> EndpointError:
        """Return the error that ends a run in which nothing works any more."""
        return EndpointError(
            f"{self.failures_in_a_row} requests in a row failed; the last one: {self.last_failure}.",
            hint="Check that the model's server is running and can take so many requests at once, then start again: "
            "everything saved so far is kept, and only what is missing is asked for.",
        )
