"""Spending: does a project's budget carry one more request?

Comes in: the lanes of a run, and what the store says the project has spent. A budget is for the project: what its earlier
runs spent counts, and so does what another run spends at the same time. It is passed by what was under way at most.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from pipeline.lane import Item, Lane
from pipeline.ports import RequestStore
from pipeline.terms import dollars


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What the store says: US dollars spent and the answers they bought, by project if counted; whether others are at work."""

    by_project: Mapping[str, tuple[float, int]]
    is_shared: bool


class Spending:
    """What the budgeted projects of a run have spent.

    Args:
        owner: The run, as its claims name it.
        lanes: The lanes of the run; each counts what it spent and what its requests under way may cost.
        in_writer: Runs a call of the store where it disturbs nobody, one after the other.
    """

    def __init__(
        self,
        store: RequestStore,
        owner: str,
        lanes: Sequence[Lane],
        in_writer: Callable[[Callable[[], Spent]], Awaitable[Spent]],
    ) -> None:
        self._store, self._owner, self._lanes, self._in_writer = store, owner, lanes, in_writer
        self._projects = {lane.purpose.project for lane in lanes if lane.endpoint.budget_usd is not None}
        self._elsewhere = dict.fromkeys(self._projects, 0.0)
        self._usual_price = dict.fromkeys(self._projects, 0.0)
        self._counts_at = 0.0
        self._is_shared, self._is_counting, self._is_counted = False, False, False
        self.wants_count = False
        """Whether a request waits to know what other runs have spent by now."""

    def is_affordable(self, lane: Lane, item: Item) -> bool:
        """Say whether the budget carries one more request beside those under way, each at the most it may cost.

        The most is seldom reached: what it leaves of the budget is asked for one by one, at the mean price so far. A lane
        that finds too little while nothing is under way is closed.
        """
        budget, project = lane.endpoint.budget_usd, lane.purpose.project
        if budget is None:
            return True
        beside = [other for other in self._lanes if other.purpose.project == project]
        spent = self._elsewhere[project] + sum(other.spent_usd for other in beside)
        reserved = sum(other.reserved_usd for other in beside)
        left = budget - spent - reserved - lane.rough_price(item)
        if self._is_shared and not self._is_fresh(beside, is_near=left < 2 * reserved):
            return False
        if left >= 0:
            return True
        if any(other.under_way for other in beside):
            return False
        if spent < budget and spent + lane.mean_price(self._usual_price[project]) <= budget:
            return True
        lane.tally.ended_early = f"The budget of {dollars(budget)} US dollars is used up."
        lane.is_closed = True
        return False

    def _is_fresh(self, beside: Sequence[Lane], *, is_near: bool) -> bool:
        """Say whether it is known what other runs have spent up to now; ask for a count if it is not.

        They may have as much under way as this one: near the end, the answers that have come here are stored first.
        """
        is_stored = not any(lane.unstored for lane in beside)
        self.wants_count = is_stored and not self._is_counting and not self._is_counted
        return self._is_counted and (is_stored or not is_near)

    async def begin(self) -> None:
        """Count for the first time. After the first claim: of two runs that begin together, one then sees the other."""
        if not self._counts_at:
            await self.count()

    async def count(self) -> None:
        """Count what budgeted projects have spent beside this run, and what their answers cost on average.

        While other runs are at work it is counted each time; else for a tenth of the time at most. No answer of this run
        may be on its way into the store: it would count as another run's.
        """
        self.wants_count = False
        if not self._projects:
            return
        self._is_counting, self._is_counted = True, False
        began = asyncio.get_running_loop().time()
        here_usd = dict.fromkeys(self._projects, 0.0)
        for lane in self._lanes:
            if lane.purpose.project in here_usd:
                here_usd[lane.purpose.project] += lane.tally.cost_usd or 0.0
        told = await self._in_writer(partial(self._read, is_due=began >= self._counts_at))
        for project, (spent_usd, n_priced) in told.by_project.items():
            self._elsewhere[project] = max(0.0, spent_usd - here_usd[project])
            self._usual_price[project] = spent_usd / n_priced if n_priced else 0.0
        if told.by_project:
            now = asyncio.get_running_loop().time()
            self._counts_at = now + 10 * (now - began)
        self._is_shared, self._is_counting, self._is_counted = told.is_shared, False, True

    def _read(self, *, is_due: bool) -> Spent:
        is_shared = bool(set(self._store.claim_owners()) - {self._owner})
        by_project = {project: self._store.spent(project) for project in self._projects} if is_shared or is_due else {}
        return Spent(by_project=by_project, is_shared=is_shared)
