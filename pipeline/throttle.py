"""Throttle: how many requests may an endpoint have under way just now?

Starts at the number a person chose and never passes it. A refused or late request makes it smaller, answered ones
make it larger again; an endpoint that is down is left alone and asked again now and then. Times are seconds of a
clock handed in. Knows neither requests nor network.
Source: additive increase, multiplicative decrease, with slow start: Jacobson (1988), "Congestion Avoidance and Control".
"""

from enum import Enum, auto

CUT = 0.6
LONGEST_PAUSE_S = 15.0


class Signal(Enum):
    """What the end of a request tells about its endpoint."""

    ANSWERED = auto()
    """It works, whatever it said."""

    BUSY = auto()
    """It refuses for now, or is late: fewer at once."""

    DOWN = auto()
    """It cannot be reached or serves nobody: pause."""

    NOTHING = auto()
    """It tells nothing."""


class Throttle:
    """The requests that one endpoint may have under way.

    Args:
        most: How many at most, from 1 up.
        first_pause_s: How long an endpoint that is down is left alone at first; it doubles up to LONGEST_PAUSE_S.
        now: When it begins.
    """

    def __init__(self, most: int, *, first_pause_s: float, now: float) -> None:
        self.most, self.limit = most, float(most)
        self.under_way = 0
        self.resumes_at = now
        self.answered_at: float | None = None
        self.refusals, self.last_failure = 0, ""
        self._first_pause_s, self._pauses = first_pause_s, 0
        self._doubles_below, self._cut_at = float(most), now

    def may_start(self, now: float) -> bool:
        """Say whether one more request may begin."""
        return self.under_way < int(self.limit) and now >= self.resumes_at

    def start(self) -> None:
        """Note that a request begins."""
        self.under_way += 1

    def end(self, signal: Signal, *, began: float, now: float, wait_s: float | None = None) -> None:
        """Note that a request that began at `began` has ended; `wait_s` is how long the endpoint asks to wait."""
        self.under_way -= 1
        if signal is Signal.ANSWERED:
            self._grow(now)
        # One cut for all that were under way together: they speak of the same moment.
        elif signal is not Signal.NOTHING and began >= self._cut_at:
            self._cut(signal, now)
        if wait_s is not None:
            self.resumes_at = max(self.resumes_at, now + wait_s)

    def _grow(self, now: float) -> None:
        self.answered_at, self._pauses, self.refusals = now, 0, 0
        step = 1.0 if self.limit < self._doubles_below else max(1.0, self.most / 20) / self.limit
        self.limit = min(float(self.most), self.limit + step)

    def _cut(self, signal: Signal, now: float) -> None:
        self._cut_at = now
        self.refusals += 1
        if signal is Signal.BUSY:
            self.limit = max(1.0, self.limit * CUT)
            self._doubles_below = self.limit
            return
        if not self._pauses:
            self._doubles_below = self.limit
        self.limit = 1.0
        self.resumes_at = max(self.resumes_at, now + min(LONGEST_PAUSE_S, self._first_pause_s * 2**self._pauses))
        self._pauses += 1
