"""Lane: what a run asks of one model for one purpose, and how far it is.

A run may have several: one that generates, others that judge what the first has brought. Each holds its questions
lazily, so that a hundred thousand take no more memory than a hundred.
"""

import dataclasses
import heapq
import itertools
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pipeline.ports import Answer, Made, failure
from pipeline.records import Endpoint, Request
from pipeline.terms import price
from pipeline.throttle import Throttle

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One request to make; `make` says what follows from it once it is answered or has failed.

    `rough_tokens` (read, written) are the most it may take: they price it until its answer is there, and where the server
    does not count.
    """

    key: str
    prompt_id: str
    ask: Callable[[], Awaitable[Answer]]
    make: Callable[[Request], Made] = lambda request: Made(request=request)
    rough_tokens: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """What all requests of a lane share; `name` is `generate` or `judge`."""

    project: str
    name: str
    model: str
    parameters: Mapping[str, object]
    system_prompt_version: str = ""


@dataclass(slots=True, kw_only=True)
class Tally:
    """What a lane has done so far.

    `set_aside` counts answers that a screen set aside, by its reason; `cost_usd` is None where no price is known;
    `waiting` says why nothing comes just now, empty while answers come; `ended_early` why questions were left, empty when
    none was.
    """

    total: int = 0
    stored: int = 0
    already_stored: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    set_aside: Counter[str] = field(default_factory=Counter)
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float | None = None
    seconds: float = 0.0
    waiting: str = ""
    ended_early: str = ""

    @property
    def done(self) -> int:
        """Questions that this run has dealt with."""
        return self.stored + self.already_stored + self.failed.total()

    def with_beside(self, other: "Tally") -> "Tally":
        """Return what this lane and one beside it have done together, for the progress shown."""
        costs = [tally.cost_usd for tally in (self, other) if tally.cost_usd is not None]
        return dataclasses.replace(
            self,
            total=self.total + other.total,
            stored=self.stored + other.stored,
            already_stored=self.already_stored + other.already_stored,
            failed=self.failed + other.failed,
            cost_usd=sum(costs) if costs else None,
            waiting=self.waiting or other.waiting,
        )

    def report(self, *, before: int = 0) -> "Report":
        """Return what the run brought; `before` answers were there when it began."""
        return Report(
            stored=self.stored,
            already_stored=before + self.already_stored,
            failed=dict(self.failed),
            set_aside=dict(self.set_aside),
            tokens_in=self.tokens_in,
            tokens_out=self.tokens_out,
            cost_usd=self.cost_usd,
            seconds=self.seconds,
            ended_early=self.ended_early,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a run brought: answers, or a judge's verdicts, one per pair and order.

    `already_stored` were there before or came from the same request elsewhere; `failed` counts questions by reason, and
    `set_aside` the answers that a screen set aside;
    `cost_usd` is None where no price is known; `ended_early` says why questions were left, empty when none was.
    """

    stored: int
    already_stored: int
    failed: Mapping[str, int]
    set_aside: Mapping[str, int]
    tokens_in: int
    tokens_out: int
    cost_usd: float | None
    seconds: float
    ended_early: str = ""

    def after(self, earlier: Tally) -> "Report":
        """Return this report with what was asked just before, and found here as stored already, counted as asked."""
        costs = [cost for cost in (self.cost_usd, earlier.cost_usd) if cost is not None]
        return dataclasses.replace(
            self,
            stored=self.stored + earlier.stored,
            already_stored=self.already_stored - earlier.stored,
            tokens_in=self.tokens_in + earlier.tokens_in,
            tokens_out=self.tokens_out + earlier.tokens_out,
            cost_usd=sum(costs) if costs else None,
            seconds=self.seconds + earlier.seconds,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often one request is tried, how long the first wait is, and how long a silent endpoint is waited for.

    An endpoint that never answered anything is given up after `attempts` rounds.
    """

    attempts: int = 4
    first_wait_s: float = 1.0
    outage_s: float = 600.0


@dataclass(slots=True, kw_only=True)
class Item:
    """A question under way: what was known of it, how often it was asked, and how often that was its own fault."""

    question: Question
    earlier: Request | None = None
    asked: int = 0
    tries: int = 0
    began: float = 0.0


@dataclass(slots=True, kw_only=True)
class Lane:
    """The questions for one model, and what has become of them.

    Args:
        questions: Made one by one as they are needed.
        total: How many there will be, for the progress shown; what `follow` adds is counted as it comes.
        close: Awaited at the end of the run.
        follow: The questions that what another lane made gives rise to.
        on_progress: Told the tally after each answer.
    """

    purpose: Purpose
    endpoint: Endpoint
    questions: Iterable[Question]
    total: int
    close: Callable[[], Awaitable[None]]
    follow: Callable[[Made], Iterable[Question]] | None = None
    on_progress: Callable[[Tally], None] = lambda _: None

    tally: Tally = field(default_factory=Tally)
    throttle: Throttle = field(init=False)
    ready: deque[Item] = field(default_factory=deque)
    followed: deque[Question] = field(default_factory=deque)
    elsewhere: deque[Question] = field(default_factory=deque)
    asking: set[str] = field(default_factory=set)
    under_way: int = 0
    unstored: int = 0
    spent_usd: float = 0.0
    reserved_usd: float = 0.0
    n_priced: int = 0
    failures_in_a_row: int = 0
    last_failure: str = ""
    is_closed: bool = False
    is_claiming: bool = False
    _left: Iterator[Question] | None = field(init=False)
    _later: list[tuple[float, int, Item]] = field(default_factory=list)
    _count: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self._left = iter(self.questions)
        self.tally.total = self.total

    def take(self, count: int) -> list[Question]:
        """Return the next questions nobody has looked at yet, those that follow from others first."""
        taken: list[Question] = []
        while self.followed and len(taken) < count:
            taken.append(self.followed.popleft())
        if self._left is not None and len(taken) < count:
            fresh = list(itertools.islice(self._left, count - len(taken)))
            if len(fresh) < count - len(taken):
                self._left = None
            taken += fresh
        return taken

    @property
    def may_lose_more(self) -> bool:
        """Whether one more request may begin without a kill costing more than what is under way.

        Answers that have come and are being stored count as under way; from 16 at once on, one in 8 may come on top,
        or a disk's milliseconds would cost more time than the network's.
        """
        return self.under_way + self.unstored < self.endpoint.concurrency + self.endpoint.concurrency // 16 * 2

    @property
    def wants_claims(self) -> bool:
        """Whether questions should be looked at now, so that there are always some ready."""
        has_more = self._left is not None or bool(self.followed)
        return has_more and not self.is_closed and not self.is_claiming and len(self.ready) < self.endpoint.concurrency

    def ask_later(self, item: Item, due: float) -> None:
        """Keep an item until it is due again."""
        heapq.heappush(self._later, (due, next(self._count), item))

    def has_item(self, now: float) -> bool:
        """Say whether there is something to ask at this moment."""
        return bool(self.ready) or bool(self._later and self._later[0][0] <= now)

    def peek(self, now: float) -> Item:
        """Return what `next_item` would, and leave it there."""
        return self._later[0][2] if self._later and self._later[0][0] <= now else self.ready[0]

    def next_item(self, now: float) -> Item:
        """Return what to ask next: what is due again before what is new."""
        if self._later and self._later[0][0] <= now:
            return heapq.heappop(self._later)[2]
        return self.ready.popleft()

    def wakes_at(self) -> float | None:
        """Return when there is something to do again without any news, None when never."""
        times = [self._later[0][0]] if self._later else []
        if self.ready or self._later:
            times.append(self.throttle.resumes_at)
        return max(times) if times else None

    def free(self, key: str) -> None:
        """Note that a request is stored; whoever else waited for it here may look at it now."""
        self.asking.discard(key)
        if self.elsewhere:
            waited = [question for question in self.elsewhere if question.key == key]
            self.elsewhere = deque(question for question in self.elsewhere if question.key != key)
            self.followed.extend(waited)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left to do here, as far as this lane can tell."""
        if self.under_way or self.is_claiming:
            return False
        return self.is_closed or not (self.ready or self._later or self.followed or self.elsewhere or self._left)

    def mean_price(self, usual: float) -> float:
        """Return what an answer that costs something has cost here on average, `usual` where none has come yet."""
        return self.spent_usd / self.n_priced if self.n_priced else usual

    def rough_price(self, item: Item) -> float:
        """Return the most a question may cost, 0 where no price is known."""
        return price(self.endpoint, *item.question.rough_tokens) or 0.0

    def cost(self, item: Item, answer: Answer) -> float | None:
        """Return the price of an answer; by the rough tokens where the server did not count, 0 where it gave nothing."""
        if answer.tokens_in or answer.tokens_out or answer.text is None:
            return price(self.endpoint, answer.tokens_in, answer.tokens_out)
        return price(self.endpoint, *item.question.rough_tokens)

    def request(self, item: Item, came: Answer | Request) -> Request:
        """Return the row for an answer. It carries on the price and the attempts of the failed one it replaces."""
        if isinstance(came, Request):
            # Nothing was asked, so nothing is paid; the prompt is this project's own.
            return dataclasses.replace(came, project=self.purpose.project, prompt_id=item.question.prompt_id, cost_usd=None)
        earlier, cost = item.earlier, self.cost(item, came)
        paid = earlier.cost_usd if earlier else None
        return Request(
            key=item.question.key,
            project=self.purpose.project,
            prompt_id=item.question.prompt_id,
            purpose=self.purpose.name,
            model=self.purpose.model,
            system_prompt_version=self.purpose.system_prompt_version,
            parameters=self.purpose.parameters,
            text=came.text,
            tokens_in=came.tokens_in,
            tokens_out=came.tokens_out,
            cost_usd=cost if paid is None else paid + (cost or 0.0),
            seconds=came.seconds,
            attempts=item.asked + (earlier.attempts if earlier else 0),
            finish_reason=came.finish_reason,
            error=came.error,
            detail=came.detail,
            revision=came.revision,
        )

    def count(self, item: Item, came: Answer | Request, made: Made) -> None:
        """Add what came, now that it is stored as `made`, to the tally."""
        tally, request = self.tally, made.request
        tally.set_aside.update(screen.reason for screen in made.screens if screen.is_out)
        if isinstance(came, Request):
            tally.already_stored += 1
            return
        tally.tokens_in += came.tokens_in
        tally.tokens_out += came.tokens_out
        if (cost := self.cost(item, came)) is not None:
            tally.cost_usd = (tally.cost_usd or 0.0) + cost
        if not request.error:
            tally.stored += 1
            self.failures_in_a_row = 0
            return
        tally.failed[request.error] += 1
        log.info("request failed: reason=%s prompt=%s model=%s", request.error, request.prompt_id, request.model)
        self.last_failure = failure(request.error, request.detail)
        self.failures_in_a_row += 1
