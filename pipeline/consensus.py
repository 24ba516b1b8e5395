"""Consensus: what do the votes on a pair add up to?

Comes in: the frame of votes that count, and for one method a judge's verdicts. Goes out: one outcome per pair, with how
far the votes support it and how sure it is. A skip is not an opinion. Formulas and measurements: docs/consensus.md.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from pipeline.coefficients import count_labels
from pipeline.dawid_skene import Floats, Integers, dawid_skene
from pipeline.errors import SettingsError, VoteError
from pipeline.records import OPINIONS, Choice, Method

NONE = "none"
"""The outcome of a pair on which the votes do not decide."""

COLUMNS = ("pair_id", "outcome", "n_votes", "support", "confidence", "method")
ENOUGH_VOTES = 100
"""From so many votes per annotator on, Dawid-Skene can tell careful from careless."""
MUCH_LEANING = 0.10
MIXED_CARE = 0.08
"""Differences between annotators from which Dawid-Skene pays, measured in simulation: docs/consensus.md."""

_OUTCOMES = np.array([*map(str, OPINIONS), NONE], dtype=object)
_LEVEL = 1e-9
_HELD_VOTES = 5.0
_MOST_CAREFUL = 0.99


class _Coded(NamedTuple):
    """Opinions as numbers: three arrays of the same length; `counts` is item x label; `pair_ids` names the items."""

    items: Integers
    annotators: Integers
    labels: Integers
    counts: Integers
    pair_ids: pd.Index
    n_annotators: int


def decide(
    votes: pd.DataFrame, *, method: str = Method.MAJORITY, min_votes: int = 1, verdicts: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return the consensus on each pair.

    Args:
        votes: Columns `pair_id, annotator, choice`; one row per annotator and pair.
        method: A Method. `majority`: the choice with most votes, if it stands alone. `weighted`: each vote weighs by
            how often its annotator agrees with the others. `dawid-skene`: each annotator errs in a way of their own.
            `judge-assisted`: the same, with each judge as one more annotator whose errors are learned from people.
        min_votes: A pair with fewer votes (skips and verdicts do not count) has no consensus.
        verdicts: Columns `pair_id, judge, choice`; used by `judge-assisted` alone, on pairs people have voted on.

    Returns:
        One row per pair in `votes`, in order of its first vote, with COLUMNS. `outcome`: first, second, tie, both_bad
        or none; `n_votes`; `support`: share of the votes for the outcome, in [0, 1], for `none` the share of the
        most frequent choice, NaN without votes; `confidence`, NaN without votes. A majority's confidence is the
        chance that more than half of all possible annotators would choose so, were each share equally likely
        before the votes; that of the others is the chance their model gives the outcome.

    Raises:
        SettingsError: There is no such method.
        VoteError: A vote says something that is no Choice.
    """
    if method not in list(Method):
        raise SettingsError(f"There is no method named {method}.", hint=f"Choose one of {', '.join(Method)}.")
    coded = _encode(votes)
    scores, confidence = _scores(coded, Method(method), verdicts)
    return _outcomes(coded, scores, confidence, min_votes).assign(method=str(method))


def _encode(votes: pd.DataFrame) -> _Coded:
    items, pair_ids = pd.factorize(votes["pair_id"])
    labels = _codes(votes["choice"])
    opinion = (votes["choice"] != Choice.SKIP).to_numpy(dtype=bool)
    if (labels[opinion] < 0).any():
        raise VoteError(
            f"A vote says {votes['choice'].to_numpy()[opinion & (labels < 0)][0]}, which is no choice.",
            hint=f"A vote says one of {', '.join(Choice)}; correct it and repeat the step.",
        )
    annotators, people = pd.factorize(votes["annotator"].to_numpy()[opinion])
    items, labels = items[opinion], labels[opinion]
    counts = count_labels(items, labels, n_items=len(pair_ids), n_labels=len(OPINIONS))
    return _Coded(items, annotators, labels, counts, pd.Index(pair_ids), len(people))


def _codes(choices: pd.Series) -> Integers:
    return pd.Index([str(choice) for choice in OPINIONS]).get_indexer(pd.Index(choices)).astype(np.int64)


def _scores(coded: _Coded, method: Method, verdicts: pd.DataFrame | None) -> tuple[Floats, Floats]:
    """How strongly each label (column) is supported on each pair (row), and how sure the strongest is."""
    if method is Method.MAJORITY:
        return coded.counts.astype(float), _majority_confidence(coded.counts)
    if method is Method.WEIGHTED:
        chances = _weighted(coded)
        return chances, chances.max(axis=1, initial=0)
    if method is Method.JUDGE_ASSISTED and verdicts is not None:
        coded = _with_judges(coded, verdicts)
    fitted = dawid_skene(
        coded.items,
        coded.annotators,
        coded.labels,
        n_items=len(coded.pair_ids),
        n_annotators=coded.n_annotators,
        n_labels=len(OPINIONS),
    )
    return fitted.posterior, fitted.posterior.max(axis=1, initial=0)


def _with_judges(coded: _Coded, verdicts: pd.DataFrame) -> _Coded:
    """Add each judge as one more annotator; only people's votes stay in `counts`."""
    items = coded.pair_ids.get_indexer(pd.Index(verdicts["pair_id"])).astype(np.int64)
    labels, (judges, names) = _codes(verdicts["choice"]), pd.factorize(verdicts["judge"])
    # A pair nobody voted on stays undecided here; filling it in is a rule of its own, in `judge_check`.
    known = (items >= 0) & (labels >= 0)
    known[known] = coded.counts[items[known]].sum(axis=1) > 0
    return coded._replace(
        items=np.concatenate([coded.items, items[known]]),
        annotators=np.concatenate([coded.annotators, coded.n_annotators + judges[known]]),
        labels=np.concatenate([coded.labels, labels[known]]),
        n_annotators=coded.n_annotators + len(names),
    )


def _weighted(coded: _Coded) -> Floats:
    """The chance of each label, were each annotator right with their own chance and wrong in every way alike.

    The best weights then are the log-odds of being right (Nitzan and Paroush 1982). Nobody's vote counts against
    its own choice: weights end at 0.
    """
    right = np.minimum(_agreement_with_others(coded), _MOST_CAREFUL)
    weights = np.maximum(np.log(right * (len(OPINIONS) - 1) / (1 - right)), 0.0)
    if not weights.any():
        weights = np.ones_like(weights)
    cells = coded.items * len(OPINIONS) + coded.labels
    size = len(coded.pair_ids) * len(OPINIONS)
    scores = np.bincount(cells, weights[coded.annotators], minlength=size).reshape(-1, len(OPINIONS))
    chances = np.exp(scores - scores.max(axis=1, keepdims=True, initial=0))
    return np.asarray(chances / chances.sum(axis=1, keepdims=True))


def _agreement_with_others(coded: _Coded) -> Floats:
    """How often each annotator says what most of the others on the pair say, held near the mean while votes are few."""
    agrees, compared = _compare_with_others(coded)
    mean = agrees.sum() / max(compared.sum(), 1.0) if compared.any() else 0.5
    return np.asarray((agrees + _HELD_VOTES * mean) / (compared + _HELD_VOTES))


def _compare_with_others(coded: _Coded) -> tuple[Floats, Floats]:
    """Of each annotator: votes that say what most others say (a shared lead counts in part), and votes compared."""
    others = coded.counts[coded.items].astype(np.int64)
    others[np.arange(len(coded.items)), coded.labels] -= 1
    leading = others == others.max(axis=1, keepdims=True, initial=0)
    agrees = leading[np.arange(len(coded.items)), coded.labels] / np.maximum(leading.sum(axis=1), 1)
    compared = others.sum(axis=1) > 0
    n = coded.n_annotators
    hits = np.bincount(coded.annotators, np.where(compared, agrees, 0.0), minlength=n)
    return hits.astype(np.float64), np.bincount(coded.annotators, compared.astype(float), minlength=n).astype(np.float64)


def _outcomes(coded: _Coded, scores: Floats, confidence: Floats, min_votes: int) -> pd.DataFrame:
    counts = coded.counts
    n = counts.sum(axis=1)
    best = scores.argmax(axis=1)
    ranked = np.sort(scores, axis=1)
    alone = ranked[:, -1] - ranked[:, -2] > _LEVEL
    decided = alone & (n >= max(min_votes, 1))
    votes_for = np.where(decided, counts[np.arange(len(n)), best], counts.max(axis=1, initial=0))
    support = np.divide(votes_for, n, out=np.full(len(n), np.nan), where=n > 0)
    return pd.DataFrame(
        {
            "pair_id": coded.pair_ids,
            "outcome": _OUTCOMES[np.where(decided, best, len(OPINIONS))],
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


def flips(votes: pd.DataFrame, *, min_votes: int = 1, verdicts: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return the pairs on which the methods do not all agree: `pair_id, n_votes`, then one column per method.

    `judge-assisted` is among them only where there are verdicts.
    """
    methods = [each for each in Method if each is not Method.JUDGE_ASSISTED or (verdicts is not None and len(verdicts))]
    decided = {str(each): decide(votes, method=each, min_votes=min_votes, verdicts=verdicts) for each in methods}
    by_majority = decided[Method.MAJORITY]
    side_by_side = pd.DataFrame({name: frame["outcome"] for name, frame in decided.items()})
    differs = side_by_side.ne(side_by_side[str(Method.MAJORITY)], axis=0).any(axis=1)
    return pd.concat([by_majority[["pair_id", "n_votes"]], side_by_side], axis=1)[differs].reset_index(drop=True)


class Advice(NamedTuple):
    """Which method fits these votes, in a sentence, and what was measured to say so.

    `typical_votes`: median over annotators. `care`: how much annotators differ in how often they say what most of the
    others say; `lean`: how much they differ in how often they make some one choice. Both are standard deviations
    less what chance alone would give, NaN where that cannot be told.
    """

    method: Method
    sentence: str
    typical_votes: int
    care: float
    lean: float


def advise(votes: pd.DataFrame) -> Advice:
    """Say which method fits these votes, by votes per annotator and how much annotators differ."""
    coded = _encode(votes)
    if not len(coded.items):
        sentence = "There are no votes yet; a majority is the plain choice."
        return Advice(Method.MAJORITY, sentence, 0, float("nan"), float("nan"))
    typical = int(np.median(np.bincount(coded.annotators, minlength=coded.n_annotators)))
    care, lean = _differences(coded)
    count = "1 vote" if typical == 1 else f"{typical:,} votes"
    measured, method = f"The typical annotator cast {count}", Method.MAJORITY
    if typical < ENOUGH_VOTES:
        sentence = (
            f"{measured}. Telling careful from careless takes about {ENOUGH_VOTES}; on fewer, Dawid-Skene decided worse than "
            "a majority. Stay with the majority."
        )
    elif lean >= MUCH_LEANING:
        method = Method.DAWID_SKENE
        sentence = (
            f"{measured}, enough to learn how each person votes, and some make one and the same choice much more often than "
            "others do. Dawid-Skene takes that into account and decides better here."
        )
    elif care >= MIXED_CARE:
        method = Method.DAWID_SKENE
        sentence = (
            f"{measured}, enough for Dawid-Skene to learn who is careful, and some agree with the others much less than most. "
            "Dawid-Skene decides at least as well here."
        )
    else:
        sentence = f"{measured}, and all vote in much the same way, so weighing them gains nothing. Stay with the majority."
    return Advice(method, sentence, typical, care, lean)


def _differences(coded: _Coded) -> tuple[float, float]:
    """How much annotators differ in care and in leaning."""
    agrees, compared = _compare_with_others(coded)
    n = np.bincount(coded.annotators, minlength=coded.n_annotators).astype(float)
    k = len(OPINIONS)
    made = np.bincount(coded.annotators * k + coded.labels, minlength=len(n) * k).reshape(-1, k)
    leaning = [_beyond_chance(made[:, label].astype(float), n) for label in range(k)]
    return _beyond_chance(agrees, compared), float(np.max(leaning))


def _beyond_chance(hits: Floats, n: Floats) -> float:
    """The standard deviation of shares over annotators, less what sampling alone gives; NaN with fewer than two."""
    known = n >= _HELD_VOTES
    if int(known.sum()) < 2:
        return float("nan")
    share = hits[known] / n[known]
    by_chance = float((share.mean() * (1 - share.mean()) / n[known]).mean())
    return float(np.sqrt(max(float(share.var(ddof=1)) - by_chance, 0.0)))
