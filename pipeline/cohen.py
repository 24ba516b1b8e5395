"""Cohen: how often does each pair of annotators agree, and how much of that is more than chance?

Comes in: votes as three arrays of codes. Goes out: percent, Cohen's kappa and Scott's pi of every two annotators who
voted on the same items, and the mean of the kappas with what its interval needs. Sources: Scott (1955); Cohen (1960);
the mean is that of Light (1971), weighted by the number of items two annotators share. Formulas: docs/agreement.md.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.coefficients import Floats, Integers
from pipeline.errors import VoteError

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
    """Of label x label tables of two annotators: items they share, those they agree on, and both margins (a row a table)."""

    n: Floats
    agreed: Floats
    left: Floats
    right: Floats


class _Meetings(NamedTuple):
    """Two votes each on one item, sorted by the pair of annotators.

    Those of a pair begin at its place in `starts` and are `n`; `one` and `other` are codes of a pair and what each of the
    two said.
    """

    item: Integers
    one: Integers
    other: Integers
    same: NDArray[np.bool_]
    starts: Integers
    n: Integers

    def spread(self, of_pairs: NDArray[Any]) -> NDArray[Any]:
        """Repeat what is said of each pair for each of its meetings."""
        return np.repeat(of_pairs, self.n)


def compare_annotators(items: Integers, annotators: Integers, labels: Integers, *, n_labels: int) -> Comparison:
    """Compare every two annotators.

    Args:
        items: The item of each vote, coded from 0; `annotators` and `labels` likewise. Sorted by item, then annotator, with
            one vote of each annotator on an item.
        n_labels: How many labels there are.
    """
    n_people, n_items = int(annotators.max(initial=-1)) + 1, int(items.max(initial=-1)) + 1
    met, a, b = _meetings(items, annotators, labels, n_people, n_items, n_labels)
    table = _margins(met, n_labels)
    cohen, expected = kappas(table)
    weights = np.where(np.isnan(cohen) | (table.n < MIN_SHARED_ITEMS), 0.0, table.n)
    weighted = weights * np.nan_to_num(cohen)
    value = _ratio(weighted.sum(), weights.sum())
    # The items of the others go to a place of their own: to write is cheaper than to choose.
    behind = np.zeros(n_items + 1, dtype=np.bool_)
    behind[np.where(met.spread(weights > 0), met.item, n_items)] = True
    mean = Mean(
        value=value,
        sampling=_sampling(met, table, cohen - value, expected, weights, n_items),
        without_each=_without_each(a, b, weighted, weights, n_people),
        n=int(behind[:n_items].sum()),
        expected=_ratio((weights * expected).sum(), weights.sum()),
    )
    return Comparison(a, b, met.n, table.agreed / table.n, cohen, scotts(table), expected, mean)


def _meetings(
    items: Integers, annotators: Integers, labels: Integers, n_people: int, n_items: int, n_labels: int
) -> tuple[_Meetings, Integers, Integers]:
    """Every two votes on one item, and the two annotators of each pair."""
    people_bits, item_bits, label_bits = n_people.bit_length(), n_items.bit_length(), n_labels.bit_length()
    if 2 * (people_bits + label_bits) + item_bits > 63:
        raise VoteError(
            f"{n_people:,} annotators and {n_items:,} pairs are more than can be compared at once.",
            hint="Measure agreement on a part of the votes.",
        )
    # A meeting is one number: both annotators, what each said, the item. Sorted, all that follows runs along memory.
    ones = annotators << (people_bits + label_bits)
    ones |= labels
    ones <<= label_bits + item_bits
    ones |= items
    others = annotators << (2 * label_bits)
    others |= labels
    others <<= item_bits
    # Votes come sorted by item and annotator, so the two are found at distance 1, then 2, and so on.
    found, distance = [np.array([], dtype=np.int64)], 1
    while distance < len(items):
        left = np.flatnonzero(items[distance:] == items[:-distance])
        if not len(left):
            break
        found.append(ones[left] | others[distance:][left])
        distance += 1
    key = np.concatenate(found)
    del ones, others, found
    key.sort()

    def take(bits: int) -> Integers:
        lowest = key & ((1 << bits) - 1)
        np.right_shift(key, bits, out=key)
        return np.asarray(lowest)

    item, other, one = take(item_bits), take(label_bits), take(label_bits)
    starts = np.flatnonzero(np.concatenate([[len(key) > 0], key[1:] != key[:-1]]))
    n, pairs = np.diff(starts, append=len(key)), key[starts]
    same = one == other
    base = np.repeat(np.arange(len(starts)) * n_labels, n)
    one += base
    other += base
    return _Meetings(item, one, other, same, starts, n), pairs >> people_bits, pairs & ((1 << people_bits) - 1)


def _margins(met: _Meetings, n_labels: int) -> Margins:
    left, right = (
        np.bincount(said, minlength=len(met.n) * n_labels).reshape(-1, n_labels).astype(float) for said in (met.one, met.other)
    )
    agreed = np.add.reduceat(met.same, met.starts, dtype=np.int64) if len(met.n) else met.n
    return Margins(met.n.astype(float), agreed.astype(float), left, right)


def kappas(table: Margins) -> tuple[Floats, Floats]:
    """Return Cohen's kappa and the disagreement expected by chance, one per table.

    Kappa is NaN where both annotators used one and the same label throughout. No table is empty.
    """
    return _beyond_chance(table, np.einsum("ij,ij->i", table.left, table.right))


def scotts(table: Margins) -> Floats:
    """Return Scott's pi, one per table: chance is reckoned from the labels of both annotators taken together.

    NaN where both used one and the same label throughout. No table is empty.
    """
    both = (table.left + table.right) / 2
    return _beyond_chance(table, np.einsum("ij,ij->i", both, both))[0]


def _beyond_chance(table: Margins, by_chance: Floats) -> tuple[Floats, Floats]:
    expected = 1 - by_chance / table.n**2
    expected = np.where(expected < 1e-12, 0.0, expected)
    observed = 1 - table.agreed / table.n
    return 1 - np.divide(observed, expected, out=np.full(len(expected), np.nan), where=expected > 0), expected


def _sampling(met: _Meetings, table: Margins, beyond_mean: Floats, expected: Floats, weights: Floats, n_items: int) -> float:
    """The standard deviation of the mean kappa over other items, by the influence of each item (infinitesimal jackknife).

    One more item on which two annotators say k and l moves n x kappa of the two by
    kappa + ([k = l] - agreed) / chance + (1 - agreed) (2 (1 - chance) - right_k - left_l) / chance^2.
    """
    share = np.where(weights > 0, 1 / max(weights.sum(), 1.0), 0.0)
    chance, agreed = np.where(expected > 0, expected, 1.0), table.agreed / table.n
    if_same, steep = share / chance, share * (1 - agreed) / chance**2
    base = share * np.nan_to_num(beyond_mean) - agreed * if_same + 2 * (1 - chance) * steep
    by_one = (base[:, None] - (steep / table.n)[:, None] * table.right).reshape(-1)
    by_other = ((steep / table.n)[:, None] * table.left).reshape(-1)
    moved = by_one[met.one]
    moved -= by_other[met.other]
    moved += met.spread(if_same) * met.same
    return float(np.sqrt((np.bincount(met.item, moved, minlength=n_items) ** 2).sum()))


def _without_each(a: Integers, b: Integers, weighted: Floats, weights: Floats, n_people: int) -> Floats:
    """The weighted mean without each annotator in turn; NaN where nothing is left."""
    gone = [np.bincount(a, x, minlength=n_people) + np.bincount(b, x, minlength=n_people) for x in (weighted, weights)]
    left = weights.sum() - gone[1]
    return np.asarray(np.divide(weighted.sum() - gone[0], left, out=np.full(n_people, np.nan), where=left > 0.5))


def _ratio(above: float, below: float) -> float:
    return float(above / below) if below else float("nan")
