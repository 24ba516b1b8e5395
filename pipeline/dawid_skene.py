"""Dawid-Skene: what is true of each item, when annotators err in ways of their own?

Comes in: votes as three arrays of codes. Goes out: the chance of each label of each item, and each annotator's table
of how often they say k where c is true (Dawid and Skene 1979, fitted by expectation-maximisation). Knows no pairs.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class DawidSkene(NamedTuple):
    """`posterior`: item x label; `confusion`: annotator x true label x given label; `prior`: of each label."""

    posterior: Floats
    confusion: Floats
    prior: Floats


class _Groups(NamedTuple):
    """Votes sorted by one code: `used` codes in order, where each `starts`, and the `other` code of each vote."""

    used: Integers
    starts: Integers
    other: Integers

    def sums(self, table: Floats) -> Floats:
        """Sum the columns of `table` that each used code's votes name: one column per used code."""
        return np.asarray(np.add.reduceat(table.take(self.other, axis=1), self.starts, axis=1))


def dawid_skene(
    items: Integers,
    annotators: Integers,
    labels: Integers,
    *,
    n_items: int,
    n_annotators: int,
    n_labels: int,
    smoothing: float = 1.0,
    max_rounds: int = 200,
    tolerance: float = 1e-6,
) -> DawidSkene:
    """Fit the model by expectation-maximisation from the vote shares.

    Args:
        items: The item of each vote, coded from 0; `annotators` and `labels` likewise. Same length.
        n_items: How many items there are; one without votes gets the prior. `n_annotators`, `n_labels` likewise.
        smoothing: Votes added to each cell of each annotator's table, so that a few votes prove little.
        max_rounds: Where to stop at the latest.
        tolerance: Stop when no posterior moved by more than this.

    Returns:
        The fit; the same votes give the same fit. Memory and time per round grow with votes x labels.
    """
    counts = np.bincount(items * n_labels + labels, minlength=n_items * n_labels).reshape(n_items, n_labels)
    n = counts.sum(axis=1)
    # Labels are rows and items columns throughout: sums over sorted votes then run along memory.
    posterior = np.ascontiguousarray(np.where(n[:, None] > 0, counts / np.maximum(n, 1)[:, None], 1 / n_labels).T)
    cell = annotators * n_labels + labels
    by_cell, by_item = _group(cell, items), _group(items, cell)
    prior = np.full(n_labels, 1 / n_labels)
    confusion = np.zeros((n_labels, n_annotators, n_labels))
    for _ in range(max_rounds):
        prior, confusion = _maximise(posterior, n > 0, by_cell, n_annotators, smoothing)
        updated = _expect(prior, confusion, by_item, n_items)
        moved = float(np.abs(updated - posterior).max(initial=0))
        posterior = updated
        if moved <= tolerance:
            break
    return DawidSkene(posterior.T, confusion.transpose(1, 0, 2), prior)


def _group(code: Integers, other: Integers) -> _Groups:
    order = np.argsort(code, kind="stable")
    used, starts = np.unique(code[order], return_index=True)
    return _Groups(used, starts, other[order])


def _maximise(
    posterior: Floats, voted: NDArray[np.bool_], by_cell: _Groups, n_annotators: int, smoothing: float
) -> tuple[Floats, Floats]:
    """Label shares, and tables (true label x annotator x given label), that fit the posterior best."""
    k = len(posterior)
    prior = posterior[:, voted].sum(axis=1) + smoothing
    confusion = np.full((k, n_annotators * k), smoothing)
    if len(by_cell.used):
        confusion[:, by_cell.used] += by_cell.sums(posterior)
    tables = confusion.reshape(k, n_annotators, k)
    return prior / prior.sum(), np.asarray(tables / tables.sum(axis=2, keepdims=True))


def _expect(prior: Floats, confusion: Floats, by_item: _Groups, n_items: int) -> Floats:
    """The chance of each label (row) of each item (column), given the tables."""
    score = np.repeat(np.log(prior)[:, None], n_items, axis=1)
    if len(by_item.used):
        score[:, by_item.used] += by_item.sums(np.log(confusion).reshape(len(prior), -1))
    score = np.exp(score - score.max(axis=0, keepdims=True, initial=-np.inf))
    return np.asarray(score / score.sum(axis=0, keepdims=True))
