"""Resampling: a coefficient of votes, and how sure it is.

Comes in: votes by item. Goes out: a Coefficient with two intervals, one for other pairs voted on by the same people,
one for other pairs and other people. Formulas: docs/agreement.md.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.coding import Grouped
from pipeline.coefficients import Floats, Integers, distinct_patterns, is_one_number, patterns_of_digits, values_of
from pipeline.intervals import jackknife_deviation, reach_over_people

_SHARES = ("percent", "with_others")
_WHY_UNDEFINED = {"with_others": "No vote can be compared with others that agree among themselves."}
_CELLS_AT_ONCE = 4_000_000
Columns = slice | list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficient:
    """One number and how sure it is. `value` is None where it is undefined, and `why` says so in words.

    `low` to `high` is a 95 % interval for other pairs voted on by the same people; `wide_low` to `wide_high` is
    one for other pairs and other people (None with fewer than three annotators). `n` counts the pairs compared.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    why: str = ""
    wide_low: float | None = None
    wide_high: float | None = None


class Resampled:
    """Distinct count rows of the votes; how often each occurs, as it is, resampled, and without each annotator."""

    def __init__(self, grouped: Grouped, seed: int, resamples: int) -> None:
        self.grouped, self.seed, self.resamples = grouped, seed, resamples
        self.rows, self.row_of, self.times = _patterns(grouped)
        self._drawn: Integers | None = None
        self._left: tuple[Integers, list[Integers]] | None = None

    def comparable(self, columns: Columns) -> int:
        """How many items have two votes or more."""
        return int(self.times[self.rows[:, columns].sum(axis=1) >= 2].sum())

    def value(self, name: str, columns: Columns) -> tuple[float, float]:
        """The coefficient, and the disagreement expected by chance."""
        values, expected = values_of(name, self.rows[:, columns], self.times)
        return float(values[0]), float(expected[0])

    def resampled(self, name: str, columns: Columns) -> Floats:
        """The coefficient on each resample of the pairs."""
        rows = self.rows[:, columns]
        size = max(1, _CELLS_AT_ONCE // len(self.rows))
        if size >= self.resamples:
            if self._drawn is None:
                self._drawn = next(iter(self._draws(self.resamples)))
            return values_of(name, rows, self._drawn)[0]
        return np.concatenate([values_of(name, rows, drawn)[0] for drawn in self._draws(size)])

    def _draws(self, size: int) -> Iterator[Integers]:
        """Resamples, at most `size` at once: how often each row occurs in each."""
        shares, total = self.times / self.times.sum(), int(self.times.sum())
        draw = np.random.default_rng(self.seed)
        for start in range(0, self.resamples, size):
            yield draw.multinomial(total, shares, min(size, self.resamples - start))

    def without_each(self, name: str, columns: Columns) -> Floats:
        """The coefficient with each annotator left out in turn."""
        if self._left is None:
            self._left = self._leave_out()
        rows, times = self._left
        return np.concatenate([values_of(name, rows[:, columns], some)[0] for some in times])

    def _leave_out(self) -> tuple[Integers, list[Integers]]:
        """Count rows with and without one vote, and how often each occurs without each annotator."""
        n_rows, k = self.rows.shape
        # A vote that is left out turns its pair's row into one with that label counted once less.
        lowered = np.maximum(self.rows[:, None, :] - np.eye(k, dtype=np.int64), 0).reshape(-1, k)
        rows, people = np.concatenate([self.rows, lowered]), self.grouped.n_annotators
        place = self.grouped.annotators * (n_rows * k) + self.grouped.labels
        rows_of = np.split(self.row_of * k, np.cumsum([block.shape[1] for block in self.grouped.blocks]))
        cells = [(place[block] + rows).reshape(-1) for block, rows in zip(self.grouped.blocks, rows_of, strict=False)]
        gained = np.bincount(np.concatenate(cells), minlength=people * n_rows * k).reshape(people, n_rows, k)
        times, size = [], max(1, _CELLS_AT_ONCE // len(rows))
        for start in range(0, people, size):
            some = gained[start : start + size]
            times.append(np.hstack([self.times - some.sum(axis=2), some.reshape(len(some), -1)]))
        return rows, times


def _patterns(grouped: Grouped) -> tuple[Integers, Integers, Integers]:
    """The distinct rows of the count matrix of items and labels, which of them each item has, and how often each occurs."""
    radix, k = max(len(block) for block in grouped.blocks) + 1, grouped.n_labels
    if is_one_number(radix, k):
        digits = radix**grouped.labels
        return patterns_of_digits(np.concatenate([digits[block].sum(axis=0) for block in grouped.blocks]), radix, k)
    said = [grouped.labels[block] for block in grouped.blocks]
    return distinct_patterns(np.vstack([np.stack([(some == label).sum(axis=0) for label in range(k)], axis=1) for some in said]))


def estimate(name: str, table: Resampled, *, labels: Sequence[int] | None = None, over_people: bool = True) -> Coefficient:
    """Return one coefficient of a table of counts, with both intervals, or with that over pairs alone.

    With `labels` (codes) only votes for those count, and the labels are in that order.
    """
    columns: Columns = slice(None) if labels is None else list(labels)
    n = table.comparable(columns)
    if n == 0:
        return undefined(0, "No pair has two votes that can be compared yet.")
    value, expected = table.value(name, columns)
    if np.isnan(value):
        return undefined(n, _WHY_UNDEFINED.get(name, "Every vote is the same, so agreement cannot be told from chance."))
    drawn = table.resampled(name, columns)
    drawn = drawn[~np.isnan(drawn)]
    low, high = np.percentile(drawn, [2.5, 97.5]) if len(drawn) else (value, value)
    lowest = 0.0 if name in _SHARES else -1.0
    without_each = table.without_each(name, columns) if over_people else np.array([])
    return sure(value, (low, high), float(drawn.std()), without_each, expected, n, lowest)


def undefined(n: int, why: str) -> Coefficient:
    """Return a coefficient without a value; `why` says in words what is missing."""
    return Coefficient(value=None, low=None, high=None, n=n, why=why)


def sure(
    value: float,
    narrow: tuple[float, float],
    sampling: float,
    without_each: Floats,
    expected: float,
    n: int,
    lowest: float,
) -> Coefficient:
    """Return a defined coefficient with its intervals; the wide one holds the narrow one.

    `sampling` is its standard deviation over other pairs, `without_each` its value without each annotator in turn,
    `expected` the disagreement that chance predicts, `lowest` the end of its range.
    """
    low, high = (float(bound) for bound in narrow)
    if sampling < 1e-12 or n < 2:
        low, high = _bounds_without_spread(value, expected, n, lowest)
    few = "Only one pair has two votes, so the true figure could be anything." if n < 2 else ""
    people = jackknife_deviation(without_each)
    if people is None:
        return Coefficient(value=value, low=low, high=high, n=n, why=few)
    reach = reach_over_people(sampling, people, len(without_each))
    wide = (max(lowest, min(low, value - reach)), min(1.0, max(high, value + reach)))
    return Coefficient(value=value, low=low, high=high, n=n, why=few, wide_low=wide[0], wide_high=wide[1])


def _bounds_without_spread(value: float, expected: float, n: int, lowest: float) -> tuple[float, float]:
    """Bounds where every resample gives the same number.

    When all n pairs look alike, up to 1 - 0.025^(1/n) of all pairs may still differ (exact binomial bound).
    """
    if n < 2:
        return lowest, 1.0
    reach = (1 - 0.025 ** (1 / n)) / expected
    return max(lowest, value - reach), min(1.0, value + reach)
