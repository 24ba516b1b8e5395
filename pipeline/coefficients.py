"""Coefficients: how far do people agree beyond chance, given how often each item got each label?

Comes in: a count matrix, one row per item, one column per allowed label, each cell the number of people who
gave that label. Every coefficient is 1 - observed / expected disagreement, and each function returns those two
for many resamples at once: `times` says how often each row occurs in each resample. Few rows are distinct, so a
bootstrap over a million votes is a multinomial over a few dozen rows.

Sources: Fleiss (1971); Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability"; Gwet (2008, 2014);
Brennan and Prediger (1981).
Never reads votes, files or the network. The formulas are written out in docs/agreement.md.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Disagreement = tuple[Floats, Floats]
"""Observed and expected disagreement, one number per resample; NaN where there is nothing to compare."""


def count_labels(items: Integers, labels: Integers, *, n_items: int, n_labels: int) -> Integers:
    """Return the count matrix of label codes in [0, n_labels) given to item codes in [0, n_items)."""
    cells = np.bincount(items * n_labels + labels, minlength=n_items * n_labels)
    return cells.reshape(n_items, n_labels).astype(np.int64, copy=False)


def distinct_patterns(counts: Integers) -> tuple[Integers, Integers, Integers]:
    """Return the distinct rows of a count matrix in a fixed order, which of them each row is, and how often each occurs."""
    radix, k = int(counts.max(initial=0)) + 1, counts.shape[1]
    if is_one_number(radix, k):
        return patterns_of_digits(counts @ radix ** np.arange(k), radix, k)
    rows, row_of, times = np.unique(counts, axis=0, return_inverse=True, return_counts=True)
    return rows, row_of.reshape(-1).astype(np.int64), times.astype(np.int64)


def is_one_number(radix: int, k: int) -> bool:
    """Whether k counts below `radix` can be the digits of one number."""
    return bool(radix**k < 2**62)


def patterns_of_digits(numbers: Integers, radix: int, k: int) -> tuple[Integers, Integers, Integers]:
    """Return `distinct_patterns` of rows given as numbers whose k digits, the lowest first, are the counts."""
    row_of, codes = pd.factorize(numbers, sort=True)
    rows = codes[:, None] // radix ** np.arange(k) % radix
    return rows, row_of.astype(np.int64, copy=False), np.bincount(row_of, minlength=len(rows)).astype(np.int64, copy=False)


def _divide(above: Floats, below: Floats) -> Floats:
    """Divide; NaN where `below` is 0."""
    empty = np.full(np.broadcast(above, below).shape, np.nan)
    return np.asarray(np.divide(above, below, out=empty, where=below != 0))


def _item_disagreement(counts: Floats, times: Floats, weights: Floats) -> Floats:
    """Mean over the items with two or more labels of the share of their pairs of labels that disagree."""
    n = counts.sum(axis=1)
    comparable = n >= 2
    agreeing = (counts * (counts @ weights - 1)).sum(axis=1)
    disagreeing = np.where(comparable, 1 - agreeing / np.where(comparable, n * (n - 1), 1), 0)
    return _divide(times @ disagreeing, times @ comparable.astype(float))


def _label_shares(counts: Floats, times: Floats) -> Floats:
    """Mean share of each label over all items that have one: items with one label count here too."""
    n = counts.sum(axis=1)
    shares = counts / np.where(n > 0, n, 1)[:, None]
    return _divide(times @ shares, (times @ (n > 0).astype(float))[:, None])


def percent(counts: Floats, times: Floats) -> Disagreement:
    """Raw agreement: the chance that two of an item's labels are the same, averaged over items."""
    observed = _item_disagreement(counts, times, np.eye(counts.shape[1]))
    return observed, np.ones(len(observed))


def fleiss(counts: Floats, times: Floats) -> Disagreement:
    """Fleiss' kappa, in Gwet's form for items with differing numbers of labels."""
    shares = _label_shares(counts, times)
    return _item_disagreement(counts, times, np.eye(counts.shape[1])), 1 - (shares**2).sum(axis=1)


def brennan_prediger(counts: Floats, times: Floats) -> Disagreement:
    """Brennan and Prediger's kappa: by chance, each allowed label is as likely as any other."""
    observed = _item_disagreement(counts, times, np.eye(counts.shape[1]))
    return observed, np.full(len(observed), 1 - 1 / counts.shape[1])


def _gwet(counts: Floats, times: Floats, weights: Floats) -> Disagreement:
    shares, k = _label_shares(counts, times), counts.shape[1]
    by_chance = weights.sum() / max(k * (k - 1), 1) * (shares * (1 - shares)).sum(axis=1)
    return _item_disagreement(counts, times, weights), 1 - by_chance


def gwet_ac1(counts: Floats, times: Floats) -> Disagreement:
    """Gwet's AC1."""
    return _gwet(counts, times, np.eye(counts.shape[1]))


def ordinal_weights(n_labels: int) -> Floats:
    """Gwet's ordinal weights: 1 on the diagonal, falling to 0 for the two ends of the scale."""
    apart = np.abs(np.subtract.outer(np.arange(n_labels), np.arange(n_labels))).astype(float)
    steps = apart * (apart + 1) / 2
    return np.asarray(1 - steps / max(steps.max(), 1.0))


def gwet_ac2(counts: Floats, times: Floats) -> Disagreement:
    """Gwet's AC2 with ordinal weights; the columns of `counts` are in order."""
    return _gwet(counts, times, ordinal_weights(counts.shape[1]))


def _krippendorff(counts: Floats, times: Floats, *, ordinal: bool) -> Disagreement:
    n_rows, k = counts.shape
    n = counts.sum(axis=1)
    comparable = n >= 2
    paired = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(k)
    paired *= (comparable / np.where(comparable, n - 1, 1))[:, None, None]
    together = (times @ paired.reshape(n_rows, k * k)).reshape(-1, k, k)
    totals = together.sum(axis=2)
    distance = _ordinal_distance(totals) if ordinal else np.broadcast_to(1 - np.eye(k), together.shape)
    all_labels = totals.sum(axis=1)
    by_chance = np.einsum("bi,bj,bij->b", totals, totals, distance)
    observed = _divide(np.einsum("bij,bij->b", together, distance), all_labels)
    return observed, _divide(by_chance, all_labels * (all_labels - 1))


def _ordinal_distance(totals: Floats) -> Floats:
    """Krippendorff's squared ordinal distance: the labels that lie between two labels, ends counted half."""
    middle = np.cumsum(totals, axis=1) - totals / 2
    return np.asarray((middle[:, :, None] - middle[:, None, :]) ** 2)


def krippendorff_nominal(counts: Floats, times: Floats) -> Disagreement:
    """Krippendorff's alpha with the nominal distance."""
    return _krippendorff(counts, times, ordinal=False)


def krippendorff_ordinal(counts: Floats, times: Floats) -> Disagreement:
    """Krippendorff's alpha with the ordinal distance; the columns of `counts` are in order."""
    return _krippendorff(counts, times, ordinal=True)


def with_others(counts: Floats, times: Floats) -> Disagreement:
    """How often a person says what most of the others on the item say; items whose others split do not count."""
    k = counts.shape[1]
    others = counts[:, None, :] - np.eye(k)[None, :, :]
    top = others.max(axis=2)
    alone = ((others == top[:, :, None]).sum(axis=2) == 1) & (top > 0)
    same = alone & (np.take_along_axis(others, np.arange(k)[None, :, None], axis=2)[:, :, 0] == top)
    compared, agreed = (counts * alone).sum(axis=1), (counts * same).sum(axis=1)
    return 1 - _divide(times @ agreed, times @ compared), np.ones(len(times))


COEFFICIENTS: Mapping[str, Callable[[Floats, Floats], Disagreement]] = {
    "percent": percent,
    "with_others": with_others,
    "brennan_prediger": brennan_prediger,
    "fleiss": fleiss,
    "krippendorff_nominal": krippendorff_nominal,
    "krippendorff_ordinal": krippendorff_ordinal,
    "gwet_ac1": gwet_ac1,
    "gwet_ac2": gwet_ac2,
}


def values_of(name: str, counts: Integers, times: Integers) -> tuple[Floats, Floats]:
    """Return the coefficient `name` for each resample, and the disagreement expected by chance.

    Args:
        name: A key of COEFFICIENTS.
        counts: Distinct rows of a count matrix.
        times: One row per resample: how often each row of `counts` occurs in it.

    Returns:
        Values, NaN where undefined: nothing to compare, or chance alone explains full agreement.
    """
    observed, expected = COEFFICIENTS[name](counts.astype(float), np.atleast_2d(times).astype(float))
    # A share that misses 0 by rounding alone must not make an undefined coefficient look defined.
    expected = np.where(np.abs(expected) < 1e-12, 0.0, expected)
    return 1 - _divide(observed, expected), expected


def value_of(name: str, counts: Integers) -> float:
    """Return the coefficient `name` of a whole count matrix; NaN where it is undefined."""
    rows, _, times = distinct_patterns(np.asarray(counts, dtype=np.int64))
    return float(values_of(name, rows, times)[0][0])
