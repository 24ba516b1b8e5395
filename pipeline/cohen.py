"""Cohen: how often does each pair of annotators agree, and how much of that is more than chance?

Comes in: votes as three arrays of codes. Goes out: percent, Cohen's kappa and Scott's pi of every two annotators who
voted on the same items, and the mean of the kappas with what its interval needs. Sources: Scott (1955); Cohen (1960);
the mean is that of Light (1971), weighted by the number of items two annotators share. Formulas: docs/agreement.md.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from pipeline.coefficients import Floats, Integers

MIN_SHARED_ITEMS = 5
"""Two annotators with fewer items in common do not enter the mean: their kappa is mostly noise."""


_CELLS_AT_ONCE = 16_000_000


class Comparison(NamedTuple):
    """Every two annotators `a` < `b` (codes) who share items: on `n` of them `percent` agreement, `cohen` and `scott`."""

    a: Integers
    b: Integers
    n: Integers
    percent: Floats
    cohen: Floats
    scott: Floats
    expected: Floats
    mean: "Mean"


class Mean(NamedTuple):
    """The mean kappa, NaN where no two annotators share enough items.

    `sampling` is its standard deviation over other items; `without_each` the mean without each annotator in turn;
    `n` counts the items behind it; `expected` is the disagreement that chance predicts.
    """

    value: float
    sampling: float
    without_each: Floats
    n: int
    expected: float


def compare_annotators(items: Integers, annotators: Integers, labels: Integers, *, n_labels: int) -> Comparison:
    """Compare every two annotators; codes count from 0, with one vote of each annotator on an item."""
    n_people, cells = int(annotators.max(initial=-1)) + 1, n_labels**2
    order = np.argsort(items * max(n_people, 1) + annotators, kind="stable")
    item, who, label = items[order], annotators[order], labels[order]
    del order
    together = list(_together(item, who, label, n_people, n_labels))
    pair_key, place_of, tables = _tables([code for _, code in together], n_people, n_labels)
    percent, cohen, expected = kappas(tables)
    n = tables.sum(axis=(1, 2))
    weights = np.where(np.isnan(cohen) | (n < MIN_SHARED_ITEMS), 0.0, n)
    a, b = pair_key // max(n_people, 1), pair_key % max(n_people, 1)
    weighted = weights * np.nan_to_num(cohen)
    value = _ratio(weighted.sum(), weights.sum())
    slopes = (_slopes(tables, cohen, expected) - value) * (weights > 0)[:, None, None] / max(weights.sum(), 1.0)
    influence = np.zeros(int(item.max(initial=-1)) + 1)
    touched = np.zeros(len(influence), dtype=bool)
    for where, code in together:
        pair, cell = np.divmod(code, cells)
        row = place_of(pair)
        influence += np.bincount(where, slopes.reshape(-1)[row * cells + cell], minlength=len(influence))
        touched[where[weights[row] > 0]] = True
    mean = Mean(
        value=value,
        sampling=float(np.sqrt((influence**2).sum())),
        without_each=_without_each(a, b, weighted, weights, n_people),
        n=int(touched.sum()),
        expected=_ratio((weights * expected).sum(), weights.sum()),
    )
    return Comparison(a, b, n.astype(np.int64), percent, cohen, scotts(tables), expected, mean)


def _together(
    item: Integers, who: Integers, label: Integers, n_people: int, n_labels: int
) -> Iterator[tuple[Integers, Integers]]:
    """Every two votes on one item, as its code and one code of both annotators and both labels.

    Votes come sorted by item and annotator, so the two are compared at distance 1, then 2, and so on.
    """
    distance = 1
    while distance < len(item):
        left = np.flatnonzero(item[distance:] == item[:-distance])
        if not len(left):
            return
        right = left + distance
        people = who[left] * n_people + who[right]
        yield item[left], (people * n_labels + label[left]) * n_labels + label[right]
        distance += 1


def _tables(codes: list[Integers], n_people: int, n_labels: int) -> tuple[Integers, Callable[[Integers], Integers], Floats]:
    """The label x label table of every two annotators who share items, their sorted keys, and the place of a key."""
    cells = n_labels**2
    if n_people**2 * cells <= _CELLS_AT_ONCE:
        # Few people: counting into every possible cell is faster than sorting the codes.
        every = np.zeros(n_people**2 * cells, dtype=np.int64)
        for code in codes:
            every += np.bincount(code, minlength=len(every))
        grid = every.reshape(-1, cells)
        pair_key = np.flatnonzero(grid.any(axis=1))
        places = np.zeros(len(grid), dtype=np.int64)
        places[pair_key] = np.arange(len(pair_key))
        return pair_key, places.__getitem__, grid[pair_key].reshape(-1, n_labels, n_labels).astype(np.float64)
    counted = [np.unique(code, return_counts=True) for code in codes]
    none = np.array([], dtype=np.int64)
    found = np.concatenate([none, *(code for code, _ in counted)])
    times = np.concatenate([none, *(n for _, n in counted)])
    pair_key, pair = np.unique(found // cells, return_inverse=True)
    tables = np.bincount(pair * cells + found % cells, times, minlength=len(pair_key) * cells).astype(np.float64)
    return pair_key, lambda keys: np.searchsorted(pair_key, keys), tables.reshape(-1, n_labels, n_labels)


def kappas(tables: Floats) -> tuple[Floats, Floats, Floats]:
    """Return percent agreement, Cohen's kappa and the disagreement expected by chance, one per table.

    Kappa is NaN where both annotators used one and the same label throughout. No table is empty.
    """
    n = tables.sum(axis=(1, 2))
    percent = np.trace(tables, axis1=1, axis2=2) / n
    expected = 1 - (tables.sum(axis=1) * tables.sum(axis=2)).sum(axis=1) / n**2
    expected = np.where(expected < 1e-12, 0.0, expected)
    cohen = 1 - np.divide(1 - percent, expected, out=np.full(len(n), np.nan), where=expected > 0)
    return np.asarray(percent), np.asarray(cohen), expected


def scotts(tables: Floats) -> Floats:
    """Return Scott's pi, one per table: chance is reckoned from the labels of both annotators taken together.

    NaN where both used one and the same label throughout. No table is empty.
    """
    n = tables.sum(axis=(1, 2))
    shares = (tables.sum(axis=1) + tables.sum(axis=2)) / (2 * n)[:, None]
    expected = 1 - (shares**2).sum(axis=1)
    observed = 1 - np.trace(tables, axis1=1, axis2=2) / n
    return np.asarray(1 - np.divide(observed, expected, out=np.full(len(n), np.nan), where=expected > 1e-12))


def _slopes(tables: Floats, cohen: Floats, expected: Floats) -> Floats:
    """How n x kappa of each table changes with one more item in each of its cells."""
    n = tables.sum(axis=(1, 2))[:, None, None]
    kappa, chance = np.nan_to_num(cohen)[:, None, None], np.where(expected > 0, expected, 1.0)[:, None, None]
    left, right = tables.sum(axis=2)[:, :, None] / n, tables.sum(axis=1)[:, None, :] / n
    agreed = np.trace(tables, axis1=1, axis2=2)[:, None, None] / n
    same = np.eye(tables.shape[1])[None, :, :]
    # For cell (k, l) chance agreement moves with the share of k on the right side and of l on the left side.
    chance_moves = 2 * (1 - chance) - np.swapaxes(right, 1, 2) - np.swapaxes(left, 1, 2)
    return np.asarray(kappa + (same - agreed) / chance + (1 - agreed) * chance_moves / chance**2)


def _without_each(a: Integers, b: Integers, weighted: Floats, weights: Floats, n_people: int) -> Floats:
    """The weighted mean without each annotator in turn; NaN where nothing is left."""
    gone = [np.bincount(a, x, minlength=n_people) + np.bincount(b, x, minlength=n_people) for x in (weighted, weights)]
    left = weights.sum() - gone[1]
    return np.asarray(np.divide(weighted.sum() - gone[0], left, out=np.full(n_people, np.nan), where=left > 0.5))


def _ratio(above: float, below: float) -> float:
    return float(above / below) if below else float("nan")
