"""Runner: make many requests at once, item by item, and commit each answer as it arrives.

Comes in: lanes (questions for a model, and an endpoint's terms). Goes out: a tally for each, and one row in the store
per answer. A question whose key was answered before is not asked again, one that another run is asking is waited for,
and one that failed is asked again. Nothing waits for a batch: killed at any moment, the next run repeats at most what
was under way.
"""

import asyncio
import dataclasses
import logging
import random
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pipeline.errors import BackendError, EndpointError, PipelineError, UnstorableError, WorkspaceError
from pipeline.lane import Item, Lane, Patience, Question, Tally
from pipeline.owners import is_dead, new_owner
from pipeline.ports import Answer, Claimed, FailureReason, Made, RequestStore, failure
from pipeline.records import Request
from pipeline.spending import Spending
from pipeline.terms import check_terms, price
from pipeline.throttle import Signal, Throttle

T = TypeVar("T")

log = logging.getLogger(__name__)

FAILURES_IN_A_ROW = 10
"""So many failures one after the other end a run: something is wrong that the next prompt does not mend."""

DRAIN_S = 20.0
"""How long a stopped run waits for answers under way, which may be paid for already."""

LEASE_S, RENEW_S = 60.0, 10.0
"""How long a claim holds unless it is renewed, and how often it is."""

ASK_ELSEWHERE_S = 1.0
"""How often to look whether another run has answered what it claimed."""

GATHER_S = 0.02
"""Commits begin at least so long apart: an answer on its own is written at once, many together share one commit."""

SAVE_WAITS_S = (1.0, 4.0, 10.0)
"""How long to wait before each new try to store answers where the database is locked or away: they may be paid for."""

TELL_S = 1.0
REFUSED_S, SILENT_S = 3.0, 15.0
"""After so long without an answer it is told why: where the server refuses, and where it says nothing."""

LONGEST_WAIT_S = 60.0
TICK_S = 0.1
MOST_CLAIMED, MOST_SAVED = 256, 256

RETRIED = {FailureReason.TIMEOUT, FailureReason.RATE_LIMIT, FailureReason.SERVER_ERROR, FailureReason.CONNECTION}
OF_THE_ITEM = {"", FailureReason.EMPTY, FailureReason.CONTENT_FILTER, FailureReason.TOO_LONG, FailureReason.BAD_REQUEST}


def run(
    store: RequestStore,
    lanes: Sequence[Lane],
    *,
    patience: Patience | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[Tally]:
    """Ask every question of every lane, `endpoint.concurrency` at once, and save each answer as it arrives.

    Lanes of the same address share its limit. A budget is for the project: what its earlier runs spent counts.

    Raises:
        GenerationError: The terms make no sense.
        EndpointError: No call can succeed (refused key, unknown model), or too many failed in a row.
        BackendError: The store cannot take more. What was saved before stays saved.
    """
    for lane in lanes:
        check_terms(lane.endpoint)
    return asyncio.run(_Run(store, lanes, patience or Patience(), should_stop).all())


class _Run:
    """The state of one run: it lives on one event loop, beside one thread that reads and writes the store."""

    def __init__(self, store: RequestStore, lanes: Sequence[Lane], patience: Patience, should_stop: Callable[[], bool]) -> None:
        self.store, self.lanes, self.patience, self.should_stop = store, lanes, patience, should_stop
        self.owner = new_owner()
        self.spending = Spending(store, self.owner, lanes, self._in_writer)
        self.fatal: Exception | None = None
        self.unsaved: list[tuple[Lane, Item, Answer | Request]] = []
        self.is_saving, self.saves_at = False, 0.0
        self.news = asyncio.Event()
        self.tasks: set[asyncio.Task[None]] = set()
        self.writer = ThreadPoolExecutor(max_workers=1)

    async def all(self) -> list[Tally]:
        """Drive all lanes until nothing is left, a stop is asked for, or something fatal happens."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        self._open_throttles(started)
        timers = [asyncio.create_task(one()) for one in (self._keep_claims, self._look_elsewhere, self._tell_of_silence)]
        try:
            while not self._is_over():
                self._fill(loop.time())
                await self._wait_for_news(loop)
        finally:
            await self._end(timers)
        for lane in self.lanes:
            lane.tally.seconds = loop.time() - started
            self._say_why_it_ended(lane)
        if self.fatal:
            raise self.fatal
        return [lane.tally for lane in self.lanes]

    def _open_throttles(self, now: float) -> None:
        """One throttle for each address, as wide as the widest lane to it."""
        by_address: dict[str, Throttle] = {}
        for lane in sorted(self.lanes, key=lambda lane: -lane.endpoint.concurrency):
            address = lane.endpoint.base_url
            if address not in by_address:
                by_address[address] = Throttle(lane.endpoint.concurrency, first_pause_s=self.patience.first_wait_s, now=now)
            lane.throttle = by_address[address]
            lane.tally.cost_usd = price(lane.endpoint, 0, 0)

    async def _wait_for_news(self, loop: asyncio.AbstractEventLoop) -> None:
        """Sleep until an answer arrives, something is due, or a tick has passed (a stop makes no noise)."""
        times = [at for lane in self.lanes if (at := lane.wakes_at()) is not None]
        if self.unsaved and not self.is_saving:
            times.append(self.saves_at)
        now = loop.time()
        soonest = min((at for at in times if at > now), default=now + TICK_S)
        alarm = loop.call_later(min(TICK_S, soonest - now), self.news.set)
        await self.news.wait()
        self.news.clear()
        alarm.cancel()

    async def _end(self, timers: list[asyncio.Task[None]]) -> None:
        """Wait a while for what is under way, save each answer as it arrives, and give everything back."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + DRAIN_S
        while self.tasks and loop.time() < ends_at:
            await asyncio.wait(self.tasks, timeout=TICK_S, return_when=asyncio.FIRST_COMPLETED)
            self._save_in_time(loop.time())
        for task in (*self.tasks, *timers):
            task.cancel()
        await asyncio.gather(*self.tasks, *timers, return_exceptions=True)
        try:
            while self.unsaved:
                await self._save()
            await self._in_writer(lambda: self.store.release_claims(self.owner))
        except PipelineError as error:
            self.fatal = self.fatal or error
        for lane in self.lanes:
            await lane.close()
        self.writer.shutdown(wait=True)

    def _say_why_it_ended(self, lane: Lane) -> None:
        lane.tally.waiting = ""
        if lane.tally.done < lane.tally.total and self.should_stop():
            lane.tally.ended_early = "Stopped on request."
        lane.on_progress(lane.tally)

    def _is_over(self) -> bool:
        if self.fatal or self.should_stop():
            return True
        return not self.unsaved and not self.is_saving and all(lane.is_idle for lane in self.lanes)

    # What is begun

    def _fill(self, now: float) -> None:
        """Begin all that may begin now. The last lane goes first: it finishes what the first began."""
        is_short = False
        for lane in reversed(self.lanes):
            while not is_short and self._may_begin(lane, now):
                if not self.spending.is_affordable(lane, lane.peek(now)):
                    # Others wait with it for the money that requests under way hold, or it would never have its turn.
                    is_short = not lane.is_closed
                    break
                item = lane.next_item(now)
                lane.reserved_usd += lane.rough_price(item)
                lane.under_way += 1
                lane.throttle.start()
                self._begin(self._attempt(lane, item))
            if lane.wants_claims:
                lane.is_claiming = True
                self._begin(self._claim(lane))
        if self.spending.wants_count:
            self._begin(self.spending.count())
        self._save_in_time(now)

    def _save_in_time(self, now: float) -> None:
        """Begin to save what has arrived, unless the last save is under way or just begun."""
        if self.unsaved and not self.is_saving and now >= self.saves_at:
            self.is_saving, self.saves_at = True, now + GATHER_S
            self._begin(self._save())

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(self._guarded(work))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _guarded(self, work: Coroutine[None, None, None]) -> None:
        """Do one piece of work; what it raises ends the run."""
        try:
            await work
        except Exception as error:  # noqa: BLE001  # raised again at the end of the run, after all is saved
            self.fatal = self.fatal or error
        finally:
            self.news.set()

    def _may_begin(self, lane: Lane, now: float) -> bool:
        return not lane.is_closed and lane.may_lose_more and lane.throttle.may_start(now) and lane.has_item(now)

    async def _tell_of_silence(self) -> None:
        """Say why nothing comes, where nothing does: whoever watches should not have to guess."""
        began = asyncio.get_running_loop().time()
        while True:
            await asyncio.sleep(TELL_S)
            for lane in self.lanes:
                if not lane.is_idle:
                    lane.tally.waiting = self._why_silent(lane, began, asyncio.get_running_loop().time())
                    lane.on_progress(lane.tally)

    def _why_silent(self, lane: Lane, began: float, now: float) -> str:
        throttle = lane.throttle
        silent_s = now - max(began, throttle.answered_at or began)
        if throttle.refusals and silent_s > REFUSED_S:
            again_s = throttle.resumes_at - now
            again = f"in {_in_words(again_s)}" if again_s >= 1 else "now"
            return (
                f"The model's server has not answered for {_in_words(silent_s)}: {throttle.last_failure}. "
                f"It is asked again {again}; nothing is lost meanwhile."
            )
        if throttle.under_way and silent_s > SILENT_S:
            return (
                f"Nothing has come from the model's server for {_in_words(silent_s)}; {throttle.under_way} requests are under "
                "way. A model that was not in use may take minutes to load."
            )
        return ""

    # Who asks

    async def _claim(self, lane: Lane) -> None:
        """Look at the next questions: some were answered before, some are being asked elsewhere, the rest are ours."""
        try:
            questions, claimed = await self._in_writer(lambda: self._take(lane))
            await self.spending.begin()
            for question in questions:
                known = claimed.known.get(question.key)
                if question.key in lane.asking or (question.key not in claimed.mine and (not known or known.error)):
                    lane.elsewhere.append(question)
                elif known and not known.error:
                    lane.asking.add(question.key)
                    self.unsaved.append((lane, Item(question=question), known))
                else:
                    lane.asking.add(question.key)
                    lane.ready.append(Item(question=question, earlier=known))
        finally:
            lane.is_claiming = False

    def _take(self, lane: Lane) -> tuple[list[Question], Claimed]:
        questions = lane.take(min(MOST_CLAIMED, max(16, lane.endpoint.concurrency)))
        if not questions:
            return [], Claimed(known={}, mine=frozenset())
        keys = list(dict.fromkeys(question.key for question in questions))
        return questions, self.store.claim_requests(keys, project=lane.purpose.project, owner=self.owner, lease_s=LEASE_S)

    async def _keep_claims(self) -> None:
        while True:
            await asyncio.sleep(RENEW_S)
            try:
                await self._in_writer(lambda: self.store.renew_claims(self.owner, lease_s=LEASE_S))
            except PipelineError as error:
                # The lease outlives some missed renewals, and what stays broken shows when an answer is saved.
                log.warning("claims not renewed: %s", error.message)

    async def _look_elsewhere(self) -> None:
        """Look again at what another run was asking, and take over from runs that are dead."""
        try:
            await self._in_writer(self._release_dead)
            while True:
                await asyncio.sleep(ASK_ELSEWHERE_S)
                waiting = [lane for lane in self.lanes if lane.elsewhere]
                if waiting:
                    await self._in_writer(self._release_dead)
                for lane in waiting:
                    lane.followed.extend(lane.elsewhere)
                    lane.elsewhere.clear()
                    self.news.set()
        except PipelineError as error:
            self.fatal = self.fatal or error

    def _release_dead(self) -> None:
        for owner in self.store.claim_owners():
            if is_dead(owner):
                self.store.release_claims(owner)

    async def _in_writer(self, call: Callable[[], T]) -> T:
        """Run a call of the store in the one thread that reads and writes it."""
        return await asyncio.get_running_loop().run_in_executor(self.writer, call)

    # What comes of it

    async def _attempt(self, lane: Lane, item: Item) -> None:
        """Ask once; what came of it is saved, or asked again later."""
        loop = asyncio.get_running_loop()
        item.began, item.asked = loop.time(), item.asked + 1
        answer: Answer | None = None
        try:
            answer = await item.question.ask()
        finally:
            lane.under_way -= 1
            lane.reserved_usd = max(0.0, lane.reserved_usd - lane.rough_price(item)) if lane.under_way else 0.0
            now = loop.time()
            signal = _signal(answer) if answer else Signal.NOTHING
            lane.throttle.end(signal, began=item.began, now=now, wait_s=answer.wait_s if answer else None)
        if answer.error in RETRIED and self._is_asked_again(lane, item, answer, now):
            return
        cost = lane.cost(item, answer)
        lane.spent_usd += cost or 0.0
        lane.n_priced += bool(cost)
        lane.unstored += 1
        self.unsaved.append((lane, item, answer))

    def _is_asked_again(self, lane: Lane, item: Item, answer: Answer, now: float) -> bool:
        """Decide whether a request that failed is made again, and when; give up on an endpoint that is gone."""
        throttle, is_limit = lane.throttle, answer.error == FailureReason.RATE_LIMIT
        throttle.last_failure = failure(answer.error, answer.detail)
        if _signal(answer) in (Signal.BUSY, Signal.DOWN) and (gone := self._why_gone(lane, answer, now)):
            self.fatal = self.fatal or gone
            return True
        # Where nothing else was answered meanwhile, it is the endpoint's fault and not this request's.
        is_own_fault = not answer.is_down or (throttle.answered_at or now) >= item.began
        item.tries += is_own_fault
        most = self.patience.attempts * (5 if is_limit and throttle.answered_at else 1)
        if item.tries >= most:
            return False
        # Drawn at random, so that requests refused together do not come back together.
        backoff_s = self.patience.first_wait_s * 2 ** max(0, min(item.tries, 6) - 1) * random.uniform(0.75, 1.25)  # noqa: S311
        is_gated = answer.is_down or answer.wait_s is not None
        lane.ask_later(item, now if is_gated else now + min(LONGEST_WAIT_S, backoff_s))
        return True

    def _why_gone(self, lane: Lane, answer: Answer, now: float) -> EndpointError | None:
        """Say why an endpoint is not waited for any longer, None while it is."""
        throttle, hint = lane.throttle, "Everything saved so far is kept; start again when the server works."
        if answer.wait_s is not None and answer.wait_s > self.patience.outage_s:
            return EndpointError(f"The server asks to wait {_in_words(answer.wait_s)}: {answer.detail}", hint=hint)
        if throttle.answered_at is None and throttle.refusals >= self.patience.attempts:
            tries = f" in {throttle.refusals} tries; the last one:" if throttle.refusals > 1 else ":"
            return EndpointError(
                f"The model's server did not answer{tries} {throttle.last_failure}.",
                hint="Check that the model's server is running, that the address is right, and that it can take "
                f"{lane.endpoint.concurrency} requests at once, then start again.",
            )
        if throttle.answered_at is not None and now - throttle.answered_at > self.patience.outage_s:
            silent = _in_words(now - throttle.answered_at)
            return EndpointError(
                f"The model's server has not answered for {silent}; the last try: {throttle.last_failure}.", hint=hint
            )
        return None

    async def _save(self) -> None:
        """Commit what has arrived, all in one transaction; what arrives meanwhile goes into the next."""
        batch = self.unsaved[:MOST_SAVED]
        del self.unsaved[:MOST_SAVED]
        try:
            # Shielded: what has arrived is written even when the run is let go of in this moment.
            made = await asyncio.shield(self._in_writer(lambda: self._commit(batch)))
        except BackendError:
            # The end of the run tries once more.
            self.unsaved[:0] = batch
            raise
        finally:
            self.is_saving = False
        for (lane, item, came), one in zip(batch, made, strict=True):
            lane.free(item.question.key)
            lane.unstored -= isinstance(came, Answer)
            lane.count(item, came, one)
            self._check_failures(lane)
            if not one.request.error:
                self._follow(one)
            lane.on_progress(lane.tally)
        await self.spending.count()

    def _commit(self, batch: list[tuple[Lane, Item, Answer | Request]]) -> list[Made]:
        made = [item.question.make(lane.request(item, came)) for lane, item, came in batch]
        for wait_s in (*SAVE_WAITS_S, None):
            try:
                self.store.save_made(made)
            except UnstorableError:
                # A text that the database refuses must not cost the answers that came with it.
                return [self._commit_alone(one) for one in made]
            except WorkspaceError:
                raise
            except BackendError as error:
                if wait_s is None:
                    raise
                log.warning("answers not stored, another try follows: %s", error.message)
                time.sleep(wait_s)
            else:
                break
        return made

    def _commit_alone(self, one: Made) -> Made:
        try:
            self.store.save_made([one])
            return one
        except UnstorableError as error:
            request = dataclasses.replace(one.request, text=None, error=str(FailureReason.MALFORMED), detail=error.message)
            self.store.save_made([failed := Made(request=request)])
            return failed

    def _follow(self, made: Made) -> None:
        """Hand what was made to the lanes that go on from it."""
        for lane in self.lanes:
            if lane.follow is not None and not lane.is_closed:
                questions = list(lane.follow(made))
                lane.followed.extend(questions)
                lane.tally.total += len(questions)

    def _check_failures(self, lane: Lane) -> None:
        """End the run when too many in a row failed; a judge beside one that writes ends alone."""
        if lane.failures_in_a_row < max(FAILURES_IN_A_ROW, lane.endpoint.concurrency):
            return
        said = f"{lane.failures_in_a_row} requests in a row failed; the last one: {lane.last_failure}."
        if lane.follow is not None and any(other.follow is None for other in self.lanes):
            lane.is_closed = True
            lane.tally.ended_early = f"The judge was stopped: {said}"
            return
        self.fatal = self.fatal or EndpointError(
            said,
            hint="Look at the failures and at the model's server, then start again: everything saved so far is kept, "
            "and only what is missing is asked for.",
        )


def _signal(answer: Answer) -> Signal:
    """What an answer tells about its endpoint."""
    if answer.is_down:
        return Signal.DOWN
    if answer.error in (FailureReason.RATE_LIMIT, FailureReason.TIMEOUT):
        return Signal.BUSY
    return Signal.ANSWERED if answer.error in OF_THE_ITEM else Signal.NOTHING


def _in_words(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 120 else f"{seconds / 60:.0f} minutes"
