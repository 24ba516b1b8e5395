"""Runner: make many requests at once, item by item, and commit each answer as it arrives.

Comes in: questions (a key and a way to ask) and an endpoint's terms. Goes out: a tally, and through `save` one row in
the store per answer. A question whose key was answered before is not asked again; one that failed is. Nothing waits
for a batch: killed at any moment, the next run repeats at most what was under way.
"""

import asyncio
import dataclasses
import logging
import math
import re
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

MAX_NEW_TOKENS = 1024
"""The longest answer asked for; a longer one comes back cut, with the finish reason `length`."""

BYTES_PER_TOKEN = (5.0, 2.0)
"""How many bytes of UTF-8 make one token: at best, and at worst, over tokenizers and scripts."""

TOKENS_AROUND = 12
"""Tokens that a chat template adds to a request."""

log = logging.getLogger(__name__)

FAILURES_IN_A_ROW = 10
"""So many failures one after the other end a run: something is wrong that the next prompt does not mend."""

DRAIN_S = 20.0
"""How long a stopped run waits for answers under way, which may be paid for already."""

VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")
"""The name of an environment variable; keys hold small letters or other signs."""

OF_THE_SERVER = {FailureReason.CONNECTION, FailureReason.TIMEOUT, FailureReason.SERVER_ERROR, FailureReason.RATE_LIMIT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One request to make.

    `rough_tokens` (read, written) are the most it may take: they price it until its answer is there, and where the
    server does not count.
    """

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


def rough_tokens(text: str) -> tuple[int, int]:
    """Return how many tokens a text may be, at least and at most; a rule of thumb, for no tokenizer is at hand."""
    size = len(text.encode("utf-8", "surrogatepass"))
    return round(size / BYTES_PER_TOKEN[0]), round(size / BYTES_PER_TOKEN[1])


def check_terms(endpoint: Endpoint) -> None:
    """Refuse terms that make no sense; what is refused is not repeated, for it may hold a key.

    Raises:
        EndpointError: The address is none, or holds a password.
        GenerationError: A key in place of its variable's name, a budget without both prices, or a number that is
            negative, infinite or not a number.
    """
    check_address(endpoint.base_url)
    if endpoint.api_key_env and not VARIABLE.fullmatch(endpoint.api_key_env):
        raise GenerationError(
            "What was given for the key is not the name of a variable.",
            hint="Give the name of the environment variable that holds the key, in capitals, such as HF_TOKEN; "
            "never the key itself.",
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


def check_address(base_url: str) -> None:
    """Refuse what is not the address of a server, and one that holds a password; neither is repeated.

    Raises:
        EndpointError: It is refused.
    """
    try:
        parts = urlsplit(base_url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        is_address = is_address and base_url.isprintable() and " " not in base_url
    except ValueError:
        is_address = False
    if not is_address:
        raise EndpointError("This is not the address of a server.", hint="Give one such as http://localhost:11434/v1.")
    if parts.password or parts.username:
        raise EndpointError(
            "The address holds a name or password, which would be written down with the run.",
            hint="Leave it out of the address; put the key in an environment variable and name that with --api-key-env.",
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
    spent_usd, n_priced = store.spent(purpose.project) if endpoint.budget_usd is not None else (0.0, 0)
    state = _Run(store, iter(questions), purpose, save, endpoint, on_progress, should_stop, total, spent_usd, n_priced)
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
    total: int
    spent_usd: float
    n_priced: int
    reserved_usd: float = 0.0
    tally: Tally = field(default_factory=Tally)
    fatal: PipelineError | None = None
    asking: int = 0
    came_in: asyncio.Event = field(default_factory=asyncio.Event)
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
        while self.goes_on():
            question = next(self.questions, None)
            if question is None:
                return
            try:
                await self.one(question)
            except PipelineError as error:
                self.fatal = self.fatal or error
            self.on_progress(self.tally)

    def goes_on(self) -> bool:
        """Say whether new questions are still taken."""
        return not self.fatal and not self.should_stop() and not self.tally.ended_early

    async def one(self, question: Question) -> None:
        """Deal with one question: by what was answered before, or else by asking, as far as the budget goes."""
        known = await self.in_writer(lambda: self.store.request(question.key, self.purpose.project))
        if known and not known.error:
            # Nothing is asked, so nothing is paid; the prompt is this project's own.
            reused = dataclasses.replace(known, project=self.purpose.project, prompt_id=question.prompt_id, cost_usd=None)
            await self.in_writer(lambda: self.save(question, reused))
            self.tally.already_stored += 1
        elif await self.reserve(question):
            try:
                await self.ask(question, known)
            finally:
                self.asking -= 1
                self.reserved_usd -= self.rough_price(question)
                self.came_in.set()

    async def reserve(self, question: Question) -> bool:
        """Set the most a question may cost aside; wait while requests under way hold the money, False once it is spent."""
        while self.goes_on():
            if self.is_affordable(question):
                self.asking += 1
                self.reserved_usd += self.rough_price(question)
                return True
            if not self.asking:
                self.tally.ended_early = f"The budget of {self.endpoint.budget_usd:.2f} US dollars is used up."
                return False
            self.came_in.clear()
            await self.came_in.wait()
        return False

    def is_affordable(self, question: Question) -> bool:
        """Say whether the budget carries one more request beside those under way, each at the most it may cost.

        The most is seldom reached: what it leaves of the budget is asked for one by one, at the mean price so far.
        """
        budget = self.endpoint.budget_usd
        if budget is None or self.spent_usd + self.reserved_usd + self.rough_price(question) <= budget:
            return True
        mean = self.spent_usd / self.n_priced if self.n_priced else 0.0
        return not self.asking and self.spent_usd < budget and self.spent_usd + mean <= budget

    def rough_price(self, question: Question) -> float:
        """Return the most a question may cost, 0 where no price is known."""
        return price(self.endpoint, *question.rough_tokens) or 0.0

    async def ask(self, question: Question, before: Request | None) -> None:
        """Ask one question and commit what came of it. `before` is the failed request it repeats."""
        answer = await question.ask()
        cost = self.cost(question, answer)
        self.spent_usd += cost or 0.0
        self.n_priced += bool(cost)
        request = self.request(question, answer, cost, before)
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
