"""Agreement: how often do annotators choose the same response, and how sure is that number?

Comes in: the frame of votes that count, one per annotator and pair. Goes out: a report of coefficients, each with
an interval and its n, and frames of annotator pairs and contested pairs. A skip is not an opinion: it is counted
beside the votes and enters nothing. No network, no Streamlit. Formulas and sources: docs/agreement.md.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.coefficients import COEFFICIENTS, Floats, Integers, count_labels, distinct_patterns, values_of
from pipeline.cohen import MIN_SHARED_ITEMS, Comparison, compare_annotators
from pipeline.errors import VoteError
from pipeline.records import Choice

ALL_CHOICES = (Choice.FIRST, Choice.TIE, Choice.SECOND, Choice.BOTH_BAD)
ORDINAL_CHOICES = (Choice.FIRST, Choice.TIE, Choice.SECOND)
"""The choices that lie on one scale; `both_bad` lies beside it and is left out of ordinal coefficients."""

MIN_PAIRS_FOR_VERDICT = 20
RELIABLE_ALPHA = 0.667
"""Krippendorff (2004): below this, draw no conclusions from the data alone."""

_ORDINAL = ("krippendorff_ordinal", "gwet_ac2")
_AS_LISTED = (Choice.FIRST, Choice.SECOND, Choice.TIE, Choice.BOTH_BAD)
_SHARES = ("percent", "with_others")
_WHY_UNDEFINED = {"with_others": "No vote can be compared with others that agree among themselves."}
_95_PERCENT = 1.96
_CELLS_AT_ONCE = 4_000_000


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


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementReport:
    """What the votes of a project say about agreement.

    `votes` are opinions, `skipped` the skips beside them; `pairs` have a vote, `pairs_compared` two or more.
    `annotator_pairs` has columns `a, b, n, percent, cohen`, most shared pairs first; `cohen` is NaN if undefined.
    """

    votes: int
    skipped: int
    pairs: int
    pairs_compared: int
    annotators: int
    labels: tuple[str, ...]
    label_shares: dict[str, float]
    coefficients: dict[str, Coefficient]
    annotator_pairs: pd.DataFrame

    def as_json(self) -> dict[str, object]:
        """Return the report as plain values; what is undefined is None."""
        plain = {name: getattr(self, name) for name in ("votes", "skipped", "pairs", "pairs_compared", "annotators")}
        together = self.annotator_pairs.astype(object).where(self.annotator_pairs.notna(), None)
        return plain | {
            "labels": list(self.labels),
            "label_shares": self.label_shares,
            "coefficients": {name: asdict(coefficient) for name, coefficient in self.coefficients.items()},
            "annotator_pairs": together.to_dict("records"),
        }


class _Coded(NamedTuple):
    """Votes as numbers: three arrays of the same length, and how many of each there are."""

    items: Integers
    annotators: Integers
    labels: Integers
    n_items: int
    n_annotators: int
    n_labels: int
    item_ids: pd.Index


def offered_choices(votes: pd.DataFrame) -> tuple[Choice, ...]:
    """Return the choices the annotators could make.

    Votes cast in the studio carry the seconds they took, and were offered all four choices. An imported study
    does not say what it offered, so there it is the choices that occur.
    """
    if votes.empty or bool(votes["seconds"].notna().any()):
        return ALL_CHOICES
    present = set(votes["choice"])
    found = tuple(choice for choice in ALL_CHOICES if choice in present)
    return found if len(found) > 1 else ALL_CHOICES


def measure(
    votes: pd.DataFrame, *, labels: Sequence[Choice] | None = None, seed: int = 0, resamples: int = 1000
) -> AgreementReport:
    """Measure agreement with every coefficient.

    Args:
        votes: Columns `pair_id, annotator, choice, seconds`; one row per annotator and pair.
        labels: The choices annotators could make, used or not; `offered_choices(votes)` when not given.
        seed: Draws the resamples; the same seed gives the same intervals.
        resamples: How many bootstrap resamples of the pairs the intervals rest on.

    Raises:
        VoteError: An annotator voted twice on the same pair, or chose what was not offered.
    """
    allowed = tuple(labels or offered_choices(votes))
    opinions = votes[votes["choice"] != Choice.SKIP]
    coded = _encode(opinions, allowed)
    nominal, ordinal = _Resampled(coded, seed, resamples), _Resampled(_on_scale(coded, allowed), seed, resamples)
    found = {name: _coefficient(name, ordinal if name in _ORDINAL else nominal) for name in COEFFICIENTS}
    together = compare_annotators(coded.items, coded.annotators, coded.labels, n_labels=len(allowed))
    shares = np.bincount(coded.labels, minlength=len(allowed)) / max(len(opinions), 1)
    return AgreementReport(
        votes=len(opinions),
        skipped=len(votes) - len(opinions),
        pairs=coded.n_items,
        pairs_compared=nominal.n,
        annotators=coded.n_annotators,
        labels=tuple(str(choice) for choice in allowed),
        label_shares={str(choice): float(share) for choice, share in zip(allowed, shares, strict=True)},
        coefficients={"percent": found.pop("percent"), "cohen_mean": _mean_cohen(together), **found},
        annotator_pairs=_frame(together, np.sort(opinions["annotator"].unique())),
    )


def _encode(opinions: pd.DataFrame, allowed: Sequence[Choice]) -> _Coded:
    items, item_ids = pd.factorize(opinions["pair_id"])
    annotators, people = pd.factorize(opinions["annotator"], sort=True)
    labels = pd.Index([str(choice) for choice in allowed]).get_indexer(pd.Index(opinions["choice"])).astype(np.int64)
    if (labels < 0).any():
        unknown = sorted(set(opinions["choice"][labels < 0]))
        raise VoteError(
            f"Some votes say {', '.join(unknown)}, which was not offered.",
            hint=f"The choices are {', '.join(allowed)}; correct the votes or name every choice that was offered.",
        )
    repeated = pd.Series(items * max(len(people), 1) + annotators).duplicated().to_numpy()
    if repeated.any():
        raise VoteError(
            f"{int(repeated.sum())} repeated votes, first on pair {item_ids[items[repeated][0]]}.",
            hint="Keep the latest vote of each annotator on a pair before you measure agreement.",
        )
    return _Coded(items, annotators, labels, len(item_ids), len(people), len(allowed), pd.Index(item_ids))


def _on_scale(coded: _Coded, allowed: Sequence[Choice]) -> _Coded:
    """The votes that lie on the scale first - tie - second, with labels coded in that order."""
    scale = [choice for choice in ORDINAL_CHOICES if choice in allowed]
    place = np.array([scale.index(choice) if choice in scale else -1 for choice in allowed])
    kept = place[coded.labels] >= 0
    items, used = pd.factorize(coded.items[kept])
    labels = place[coded.labels[kept]]
    ids = coded.item_ids[used]
    return _Coded(items, coded.annotators[kept], labels, len(used), coded.n_annotators, max(len(scale), 2), ids)


class _Resampled:
    """Distinct count rows of the votes; how often each occurs, as it is, resampled, and without each annotator."""

    def __init__(self, coded: _Coded, seed: int, resamples: int) -> None:
        self.coded, self.resamples = coded, resamples
        counts = count_labels(coded.items, coded.labels, n_items=coded.n_items, n_labels=coded.n_labels)
        self.rows, self.row_of, self.times = distinct_patterns(counts)
        self.seed = seed
        self.n = int((counts.sum(axis=1) >= 2).sum())

    def value(self, name: str) -> tuple[float, float]:
        """The coefficient, and the disagreement expected by chance."""
        values, expected = values_of(name, self.rows, self.times)
        return float(values[0]), float(expected[0])

    def resampled(self, name: str) -> Floats:
        """The coefficient on each resample of the pairs."""
        shares, total = self.times / self.times.sum(), int(self.times.sum())
        draw = np.random.default_rng(self.seed)
        size = max(1, _CELLS_AT_ONCE // len(self.rows))
        blocks = (min(size, self.resamples - start) for start in range(0, self.resamples, size))
        return np.concatenate([values_of(name, self.rows, draw.multinomial(total, shares, block))[0] for block in blocks])

    def without_each(self, name: str) -> Floats:
        """The coefficient with each annotator left out in turn."""
        n_rows, k = self.rows.shape
        # A vote that is left out turns its pair's row into one with that label counted once less.
        lowered = np.maximum(self.rows[:, None, :] - np.eye(k, dtype=np.int64), 0).reshape(-1, k)
        rows = np.concatenate([self.rows, lowered])
        row_of, size = self.row_of[self.coded.items], max(1, _CELLS_AT_ONCE // len(rows))
        found = []
        for start in range(0, self.coded.n_annotators, size):
            n = min(size, self.coded.n_annotators - start)
            mine = (self.coded.annotators >= start) & (self.coded.annotators < start + n)
            who, row, label = self.coded.annotators[mine] - start, row_of[mine], self.coded.labels[mine]
            lost = np.bincount(who * n_rows + row, minlength=n * n_rows).reshape(n, -1)
            gained = np.bincount((who * n_rows + row) * k + label, minlength=n * n_rows * k).reshape(n, -1)
            found.append(values_of(name, rows, np.hstack([self.times - lost, gained]))[0])
        return np.concatenate(found)


def _coefficient(name: str, table: _Resampled) -> Coefficient:
    """One coefficient of a table of counts, with both intervals."""
    if table.n == 0:
        return _undefined(0, "No pair has two votes that can be compared yet.")
    value, expected = table.value(name)
    if np.isnan(value):
        return _undefined(table.n, _WHY_UNDEFINED.get(name, "Every vote is the same, so agreement cannot be told from chance."))
    drawn = table.resampled(name)
    drawn = drawn[~np.isnan(drawn)]
    low, high = np.percentile(drawn, [2.5, 97.5]) if len(drawn) else (value, value)
    lowest = 0.0 if name in _SHARES else -1.0
    return _sure(value, (low, high), float(drawn.std()), table.without_each(name), expected, table.n, lowest)


def _mean_cohen(together: Comparison) -> Coefficient:
    """The mean of Cohen's kappa; its narrow interval is value +- 1.96 standard deviations over the pairs."""
    mean = together.mean
    if np.isnan(mean.value):
        return _undefined(
            mean.n, f"No two annotators have {MIN_SHARED_ITEMS} pairs in common on which they used more than one choice."
        )
    reach = _95_PERCENT * mean.sampling
    narrow = (max(-1.0, mean.value - reach), min(1.0, mean.value + reach))
    return _sure(mean.value, narrow, mean.sampling, mean.without_each, mean.expected, mean.n, -1.0)


def _frame(together: Comparison, names: NDArray[np.object_]) -> pd.DataFrame:
    columns = {"a": names[together.a], "b": names[together.b], "n": together.n}
    frame = pd.DataFrame(columns | {"percent": together.percent, "cohen": together.cohen})
    return frame.sort_values(["n", "a", "b"], ascending=[False, True, True], ignore_index=True)


def _undefined(n: int, why: str) -> Coefficient:
    return Coefficient(value=None, low=None, high=None, n=n, why=why)


def _sure(
    value: float,
    narrow: tuple[float, float],
    sampling: float,
    without_each: Floats,
    expected: float,
    n: int,
    lowest: float,
) -> Coefficient:
    """A defined coefficient with its intervals; the wide one holds the narrow one."""
    low, high = (float(bound) for bound in narrow)
    if sampling < 1e-12 or n < 2:
        low, high = _bounds_without_spread(value, expected, n, lowest)
    few = "Only one pair has two votes, so the true figure could be anything." if n < 2 else ""
    people = _jackknife_deviation(without_each)
    if people is None:
        return Coefficient(value=value, low=low, high=high, n=n, why=few)
    reach = _95_PERCENT * float(np.hypot(sampling, people))
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


def _jackknife_deviation(without_each: Floats) -> float | None:
    """How far the coefficient moves with the people; None when that cannot be told."""
    a = len(without_each)
    if a < 3 or np.isnan(without_each).any():
        return None
    return float(np.sqrt((a - 1) / a * ((without_each - without_each.mean()) ** 2).sum()))


def contested(votes: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs on which votes differ, most divided first.

    Returns:
        Columns `pair_id, n_votes, agreement_share` (share of two votes on the pair that are the same, in [0, 1)),
        then `first, second, tie, both_bad`: how many votes say so.
    """
    coded = _encode(votes[votes["choice"] != Choice.SKIP], _AS_LISTED)
    counts = count_labels(coded.items, coded.labels, n_items=coded.n_items, n_labels=coded.n_labels)
    n = counts.sum(axis=1)
    same = (counts * (counts - 1)).sum(axis=1) / np.maximum(n * (n - 1), 1)
    divided = (n > 1) & (same < 1)
    frame = pd.DataFrame(counts[divided], columns=[str(choice) for choice in _AS_LISTED])
    frame.insert(0, "pair_id", coded.item_ids[divided])
    frame.insert(1, "n_votes", n[divided])
    frame.insert(2, "agreement_share", same[divided])
    return frame.sort_values(["agreement_share", "n_votes", "pair_id"], ascending=[True, False, True], ignore_index=True)


class Verdict(NamedTuple):
    """Can the votes be trusted? `level` is yes, care, no or unknown; `sentence` answers, `advice` is the next step."""

    level: str
    sentence: str
    advice: str


def verdict(report: AgreementReport) -> Verdict:
    """Answer by the lower end of the interval of Krippendorff's alpha, with his thresholds of .667 and 0 (chance)."""
    alpha, percent = report.coefficients["krippendorff_nominal"], report.coefficients["percent"]
    if percent.value is None or percent.n < MIN_PAIRS_FOR_VERDICT:
        have = f"{percent.n} {'pair has' if percent.n == 1 else 'pairs have'} two votes or more"
        return Verdict(
            "unknown", f"Too early to say: {have}.", f"Collect a second vote on at least {MIN_PAIRS_FOR_VERDICT} pairs."
        )
    same = f"two people make the same choice on {percent.value:.0%} of {percent.n:,} pairs"
    if alpha.value is None or alpha.low is None:
        return Verdict("unknown", f"It cannot be told: {same}. {alpha.why}", "Check that people really looked at both responses.")
    if alpha.low >= RELIABLE_ALPHA:
        return Verdict("yes", f"Yes: {same}, far more often than by chance.", "Go on to Curate and decide which pairs go in.")
    if alpha.low > 0:
        return Verdict(
            "care",
            f"With care: {same}, more often than by chance, but many pairs are a matter of taste.",
            "Ask for at least three votes a pair, and read the contested pairs below: do the guidelines settle them?",
        )
    return Verdict(
        "no",
        f"Not yet: {same}, which chance alone could explain.",
        "Read the contested pairs below with your annotators and make the guidelines clearer before you collect more votes.",
    )


def prevalence_note(report: AgreementReport) -> str:
    """Explain why alpha is low where raw agreement is high, or return the empty string where that is not so."""
    percent, alpha, ac1 = (report.coefficients[name].value for name in ("percent", "krippendorff_nominal", "gwet_ac1"))
    if percent is None or alpha is None or ac1 is None or percent < 0.6 or ac1 - alpha < 0.2:
        return ""
    label, share = max(report.label_shares.items(), key=lambda item: item[1])
    return (
        f"{share:.0%} of all votes say {label.replace('_', ' ')}. Where one choice is this frequent, people agree often by "
        f"chance: alpha ({alpha:.2f}) counts all of that against the votes, AC1 ({ac1:.2f}) little of it. Quote both."
    )
