"""Consensus: what do the votes on a pair add up to?

Comes in: the frame of votes that count. Goes out: one outcome per pair, with how far the votes support it and how
sure it is. A majority leaves a split undecided and says so. Dawid and Skene (1979) weighs annotators by how they
vote: better with about a hundred votes each and mixed quality, worse with ten. A skip is not an opinion.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.errors import SettingsError, VoteError
from pipeline.records import Choice

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MAJORITY = "majority"
DAWID_SKENE = "dawid-skene"
METHODS = (MAJORITY, DAWID_SKENE)
NONE = "none"
"""The outcome of a pair on which the votes do not decide."""

LABELS = (Choice.FIRST, Choice.SECOND, Choice.TIE, Choice.BOTH_BAD)
_OUTCOMES = np.array([*map(str, LABELS), NONE], dtype=object)
_LEVEL = 1e-9


def decide(votes: pd.DataFrame, *, method: str = MAJORITY, min_votes: int = 1) -> pd.DataFrame:
    """Return the consensus on each pair.

    Args:
        votes: Columns `pair_id, annotator, choice`; one row per annotator and pair.
        method: `majority` or `dawid-skene`.
        min_votes: A pair with fewer votes (skips do not count) has no consensus.

    Returns:
        One row per pair in `votes`, in order of its first vote. `pair_id`; `outcome`: first, second, tie, both_bad
        or none; `n_votes`; `support`: share of the votes for the outcome, in [0, 1], for `none` the share of the
        most frequent choice, NaN without votes; `confidence`, NaN without votes. A majority's confidence is the
        chance that more than half of all possible annotators would choose so, were each share equally likely
        before the votes; Dawid-Skene's is its posterior.

    Raises:
        SettingsError: There is no such method.
        VoteError: A vote says something that is no Choice.
    """
    if method not in METHODS:
        raise SettingsError(f"There is no method named {method}.", hint=f"Choose one of {', '.join(METHODS)}.")
    pairs, pair_ids = pd.factorize(votes["pair_id"])
    labels = pd.Index([str(choice) for choice in LABELS]).get_indexer(pd.Index(votes["choice"])).astype(np.int64)
    opinion = (votes["choice"] != Choice.SKIP).to_numpy(dtype=bool)
    if (labels[opinion] < 0).any():
        raise VoteError(
            f"A vote says {votes['choice'].to_numpy()[opinion & (labels < 0)][0]}, which is no choice.",
            hint=f"A vote says one of {', '.join(Choice)}; correct it and repeat the step.",
        )
    items, labels = pairs[opinion], labels[opinion]
    counts = np.bincount(items * len(LABELS) + labels, minlength=len(pair_ids) * len(LABELS)).reshape(-1, len(LABELS))
    if method == MAJORITY:
        scores, confidence = counts.astype(float), _majority_confidence(counts)
    else:
        annotators, people = pd.factorize(votes["annotator"].to_numpy()[opinion])
        fitted = dawid_skene(items, annotators, labels, n_items=len(pair_ids), n_annotators=len(people), n_labels=len(LABELS))
        scores, confidence = fitted.posterior, fitted.posterior.max(axis=1, initial=0)
    return _outcomes(pair_ids, counts, scores, confidence, min_votes)


def _outcomes(pair_ids: pd.Index, counts: Integers, scores: Floats, confidence: Floats, min_votes: int) -> pd.DataFrame:
    n = counts.sum(axis=1)
    best = scores.argmax(axis=1)
    ranked = np.sort(scores, axis=1)
    alone = ranked[:, -1] - ranked[:, -2] > _LEVEL
    decided = alone & (n >= max(min_votes, 1))
    votes_for = np.where(decided, counts[np.arange(len(n)), best], counts.max(axis=1, initial=0))
    support = np.divide(votes_for, n, out=np.full(len(n), np.nan), where=n > 0)
    return pd.DataFrame(
        {
            "pair_id": pair_ids,
            "outcome": _OUTCOMES[np.where(decided, best, len(LABELS))],
            "n_votes": n,
            "support": support,
            "confidence": np.where(n > 0, confidence, np.nan),
        }
    )


def _majority_confidence(counts: Integers) -> Floats:
    """The chance that a Beta(k + 1, n - k + 1) share exceeds one half, for k of n votes for the leading choice.

    It equals the chance of at most k heads in n + 1 throws of a coin.
    """
    n, k = counts.sum(axis=1), counts.max(axis=1, initial=0)
    cases, case_of = np.unique(np.column_stack([n, k]), axis=0, return_inverse=True)
    chances = [_at_most_heads(int(leading), int(total) + 1) for total, leading in cases]
    return np.array(chances)[case_of.reshape(-1)] if len(cases) else np.array([])


def _at_most_heads(k: int, throws: int) -> float:
    """The chance of at most k heads; in logarithms, as 2^throws leaves the range of floats."""
    steps = np.log(np.arange(throws, throws - k, -1) / np.arange(1, k + 1))
    terms = np.concatenate([[0.0], np.cumsum(steps)]) - throws * np.log(2)
    return float(min(1.0, np.exp(terms).sum()))


class DawidSkene(NamedTuple):
    """`posterior`: item x label; `confusion`: annotator x true label x given label; `prior`: of each label."""

    posterior: Floats
    confusion: Floats
    prior: Floats


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
    """Fit the model of Dawid and Skene (1979) by expectation-maximisation from the vote shares.

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
    voted = counts.sum(axis=1) > 0
    posterior = np.where(voted[:, None], counts / np.maximum(counts.sum(axis=1), 1)[:, None], 1 / n_labels)
    cell = annotators * n_labels + labels
    prior = np.full(n_labels, 1 / n_labels)
    confusion = np.zeros((n_annotators, n_labels, n_labels))
    for _ in range(max_rounds):
        prior, confusion = _maximise(posterior, voted, items, cell, n_annotators, smoothing)
        updated = _expect(prior, confusion, items, cell, n_items)
        moved = float(np.abs(updated - posterior).max(initial=0))
        posterior = updated
        if moved <= tolerance:
            break
    return DawidSkene(posterior, confusion, prior)


def _maximise(
    posterior: Floats, voted: NDArray[np.bool_], items: Integers, cell: Integers, n_annotators: int, smoothing: float
) -> tuple[Floats, Floats]:
    """Label shares and confusion tables that fit the posterior best."""
    k = posterior.shape[1]
    prior = posterior[voted].sum(axis=0) + smoothing
    given = [np.bincount(cell, posterior[items, true], minlength=n_annotators * k) for true in range(k)]
    confusion = np.stack(given).reshape(k, n_annotators, k).transpose(1, 0, 2) + smoothing
    return prior / prior.sum(), np.asarray(confusion / confusion.sum(axis=2, keepdims=True))


def _expect(prior: Floats, confusion: Floats, items: Integers, cell: Integers, n_items: int) -> Floats:
    """The chance of each label of each item, given the tables."""
    k = len(prior)
    logs = np.log(confusion).transpose(1, 0, 2).reshape(k, -1)
    score = np.stack([np.bincount(items, logs[true][cell], minlength=n_items) for true in range(k)], axis=1) + np.log(prior)
    score = np.exp(score - score.max(axis=1, keepdims=True, initial=-np.inf))
    return np.asarray(score / score.sum(axis=1, keepdims=True))


def flips(votes: pd.DataFrame, *, min_votes: int = 1) -> pd.DataFrame:
    """Return the pairs on which the two methods differ: columns `pair_id, majority, dawid_skene, n_votes`."""
    majority = decide(votes, method=MAJORITY, min_votes=min_votes)
    weighed = decide(votes, method=DAWID_SKENE, min_votes=min_votes)
    both = majority.assign(majority=majority["outcome"], dawid_skene=weighed["outcome"])
    return both.loc[both["majority"] != both["dawid_skene"], ["pair_id", "majority", "dawid_skene", "n_votes"]].reset_index(
        drop=True
    )


def advise(votes: pd.DataFrame) -> str:
    """Say in a sentence which method fits these votes, by the number of votes per annotator."""
    opinions = votes[votes["choice"] != Choice.SKIP]
    if opinions.empty:
        return "There are no votes yet; a majority is the plain choice."
    typical = int(opinions["annotator"].value_counts().median())
    if typical >= 100:
        return (
            f"The typical annotator cast {typical:,} votes: enough for Dawid-Skene to learn who is careful. "
            "It gains most where some annotators are much less careful than others."
        )
    return (
        f"The typical annotator cast {typical:,} votes. Dawid-Skene needs about 100 to tell careful from careless; "
        "on sets with 10 it decided worse than a majority. Stay with the majority."
    )
