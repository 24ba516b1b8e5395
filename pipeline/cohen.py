"""Cohen: how often does each pair of annotators agree, and how much of that is more than chance?

Comes in: votes by item. Goes out: percent, Cohen's kappa and Scott's pi of every two annotators who
voted on the same items, and the mean of the kappas with what its interval needs. Sources: Scott (1955); Cohen (1960);
the mean is that of Light (1971), weighted by the number of items two annotators share. Formulas: docs/agreement.md.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from pipeline.coding import Grouped
from pipeline.coefficients import Floats, Integers

MIN_SHARED_ITEMS = 5
"""Two annotators with fewer items in common do not enter the mean: their kappa is mostly noise."""


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


class Margins(NamedTuple):
    """Of label x label tables of two annotators: items they share, those they agree on, and both margins (a column a table)."""

    n: Floats
    agreed: Floats
    left: Floats
    right: Floats


class _Meetings(NamedTuple):
    """Every two votes on one item.

    `cells` are as the blocks of votes: a column an item, a row for each two of its votes, and what they said as a place in
    label x label x pair. `a` and `b` are the annotators of each pair.
    """

    cells: list[Integers]
    a: Integers
    b: Integers


def compare_annotators(grouped: Grouped) -> Comparison:
    """Compare every two annotators."""
    n_people, n_labels = grouped.n_annotators, grouped.n_labels
    met = _meetings(grouped)
    n, table = _margins(met, n_labels)
    cohen, expected = kappas(table)
    weights = np.where(np.isnan(cohen) | (n < MIN_SHARED_ITEMS), 0.0, n)
    weighted = weights * np.nan_to_num(cohen)
    value = _ratio(weighted.sum(), weights.sum())
    enters = np.tile(weights > 0, n_labels**2)
    mean = Mean(
        value=value,
        sampling=_sampling(met, table, cohen - value, expected, weights),
        without_each=_without_each(met.a, met.b, weighted, weights, n_people),
        n=sum(int(enters[cells].any(axis=0).sum()) for cells in met.cells),
        expected=_ratio((weights * expected).sum(), weights.sum()),
    )
    every = Comparison(met.a, met.b, n, table.agreed / table.n, cohen, scotts(table), expected, mean)
    return every._replace(**{name: getattr(every, name)[n > 0] for name in every._fields if name != "mean"})


def _meetings(grouped: Grouped) -> _Meetings:
    # Pairs are numbered (0, 1), (0, 2), ..., (1, 2), ...: the first of two people says where to begin, the other adds.
    people, n_pairs = np.arange(grouped.n_annotators), grouped.n_annotators * (grouped.n_annotators - 1) // 2
    firsts = people * (2 * grouped.n_annotators - people - 1) // 2
    begins = firsts - people - 1
    one = grouped.labels * (grouped.n_labels * n_pairs) + begins[grouped.annotators]
    other = grouped.labels * n_pairs + grouped.annotators
    cells = []
    for block in grouped.blocks:
        i, j = np.triu_indices(len(block), 1)
        cells.append(one[block][i] + other[block][j])
    pairs = np.arange(n_pairs)
    if n_pairs * grouped.n_labels > sum(some.size for some in cells):
        cells, pairs = _renumber(cells, n_pairs)
    a = np.searchsorted(firsts, pairs, side="right") - 1
    return _Meetings(cells, a, pairs - begins[a])


def _renumber(cells: list[Integers], n_pairs: int) -> tuple[list[Integers], Integers]:
    """Number only the pairs that met: among thousands of people they are few of all."""
    flat = _flat(cells)
    place, pairs = pd.factorize(flat % n_pairs, sort=True)
    flat = flat // n_pairs * len(pairs) + place
    ends = np.cumsum([some.size for some in cells])
    return [part.reshape(some.shape) for part, some in zip(np.split(flat, ends), cells, strict=False)], pairs


def _flat(cells: list[Integers]) -> Integers:
    return np.concatenate([some.reshape(-1) for some in cells])


def _margins(met: _Meetings, n_labels: int) -> tuple[Integers, Margins]:
    """How many items each pair shares, and their tables; two who share none count as one item without a label."""
    cells = np.bincount(_flat(met.cells), minlength=n_labels**2 * len(met.a)).reshape(n_labels, n_labels, len(met.a))
    left, right, agreed = cells.sum(axis=1), cells.sum(axis=0), np.add.reduce([cells[one, one] for one in range(n_labels)])
    n = left.sum(axis=0)
    return n, Margins(*(part.astype(float) for part in (np.maximum(n, 1), agreed, left, right)))


def kappas(table: Margins) -> tuple[Floats, Floats]:
    """Return Cohen's kappa and the disagreement expected by chance, one per table.

    Kappa is NaN where both annotators used one and the same label throughout. No table is empty.
    """
    return _beyond_chance(table, (table.left * table.right).sum(axis=0))


def scotts(table: Margins) -> Floats:
    """Return Scott's pi, one per table: chance is reckoned from the labels of both annotators taken together.

    NaN where both used one and the same label throughout. No table is empty.
    """
    both = (table.left + table.right) / 2
    return _beyond_chance(table, (both**2).sum(axis=0))[0]


def _beyond_chance(table: Margins, by_chance: Floats) -> tuple[Floats, Floats]:
    expected = 1 - by_chance / table.n**2
    expected = np.where(expected < 1e-12, 0.0, expected)
    observed = 1 - table.agreed / table.n
    return 1 - np.divide(observed, expected, out=np.full(len(expected), np.nan), where=expected > 0), expected


def _sampling(met: _Meetings, table: Margins, beyond_mean: Floats, expected: Floats, weights: Floats) -> float:
    """The standard deviation of the mean kappa over other items, by the influence of each item (infinitesimal jackknife).

    One more item on which two annotators say k and l moves n x kappa of the two by
    kappa + ([k = l] - agreed) / chance + (1 - agreed) (2 (1 - chance) - right_k - left_l) / chance^2.
    """
    share = np.where(weights > 0, 1 / max(weights.sum(), 1.0), 0.0)
    chance, agreed = np.where(expected > 0, expected, 1.0), table.agreed / table.n
    if_same, steep = share / chance, share * (1 - agreed) / chance**2
    base = share * np.nan_to_num(beyond_mean) - agreed * if_same + 2 * (1 - chance) * steep
    steep /= table.n
    moves = (base - steep * table.right)[:, None] - steep * table.left
    for label in range(len(moves)):
        moves[label, label] += if_same
    by_cell = moves.reshape(-1)
    return float(np.sqrt(sum((by_cell[cells].sum(axis=0) ** 2).sum() for cells in met.cells)))


def _without_each(a: Integers, b: Integers, weighted: Floats, weights: Floats, n_people: int) -> Floats:
    """The weighted mean without each annotator in turn; NaN where nothing is left."""
    gone = [np.bincount(a, x, minlength=n_people) + np.bincount(b, x, minlength=n_people) for x in (weighted, weights)]
    left = weights.sum() - gone[1]
    return np.asarray(np.divide(weighted.sum() - gone[0], left, out=np.full(n_people, np.nan), where=left > 0.5))


def _ratio(above: float, below: float) -> float:
    return float(above / below) if below else float("nan")
