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

from pipeline.coding import encode, encode_by_item
from pipeline.coefficients import COEFFICIENTS, count_labels
from pipeline.cohen import MIN_SHARED_ITEMS, Comparison, compare_annotators
from pipeline.intervals import Z_95
from pipeline.records import OPINIONS, SCALE, Choice
from pipeline.resampling import Coefficient, Resampled, estimate, sure, undefined

MIN_PAIRS_FOR_VERDICT = 20
RELIABLE_ALPHA = 0.667
"""Krippendorff (2004): below this, draw no conclusions from the data alone."""

_ORDINAL = ("krippendorff_ordinal", "gwet_ac2")
RATINGS = (1, 2, 3, 4, 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementReport:
    """What the votes of a project say about agreement.

    `votes` are opinions, `skipped` the skips beside them; `pairs` have a vote, `pairs_compared` two or more.
    `annotator_pairs` has columns `a, b, n, percent, cohen, scott`, most shared pairs first; the kappas are NaN if undefined.
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


def offered_choices(votes: pd.DataFrame) -> tuple[Choice, ...]:
    """Return the choices the annotators could make.

    Votes cast in the studio carry the seconds they took, and were offered all four choices. An imported study
    does not say what it offered, so there it is the choices that occur.
    """
    if votes.empty or bool(votes["seconds"].notna().any()):
        return OPINIONS
    present = set(votes["choice"].unique())
    found = tuple(choice for choice in OPINIONS if choice in present)
    return found if len(found) > 1 else OPINIONS


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
    opinions = _opinions(votes)
    grouped, people = encode_by_item(opinions, allowed)
    # The largest step first, and the rest only then: on ten million votes this saves half a gigabyte.
    together = compare_annotators(grouped)
    table, scale = Resampled(grouped, seed, resamples), _scale(allowed)
    found = {name: estimate(name, table, labels=scale if name in _ORDINAL else None) for name in COEFFICIENTS}
    shares = table.times @ table.rows / max(len(opinions), 1)
    return AgreementReport(
        votes=len(opinions),
        skipped=len(votes) - len(opinions),
        pairs=int(table.times.sum()),
        pairs_compared=found["percent"].n,
        annotators=len(people),
        labels=tuple(str(choice) for choice in allowed),
        label_shares={str(choice): float(share) for choice, share in zip(allowed, shares, strict=True)},
        coefficients={"percent": found.pop("percent"), "cohen_mean": _mean_cohen(together), **found},
        annotator_pairs=_frame(together, people),
    )


def _opinions(votes: pd.DataFrame) -> pd.DataFrame:
    """The votes that are not skips, with the columns that coefficients read."""
    needed, skips = votes[["pair_id", "annotator", "choice"]], (votes["choice"] == Choice.SKIP).to_numpy(dtype=bool)
    return needed[~skips] if skips.any() else needed


def _scale(allowed: Sequence[Choice]) -> list[int]:
    """The codes of the choices that lie on the scale first - tie - second, in that order."""
    return [allowed.index(choice) for choice in SCALE if choice in allowed]


def measure_ratings(
    ratings: pd.DataFrame, *, scale: Sequence[int] = RATINGS, seed: int = 0, resamples: int = 1000
) -> dict[str, Coefficient]:
    """Measure agreement of ratings on an ordered scale, such as 1 to 5.

    Args:
        ratings: Columns `item_id, annotator, rating`; one row per annotator and item; rows without a rating do not count.
        scale: Every rating that could be given, lowest first.
        seed: Draws the resamples.
        resamples: How many bootstrap resamples of the items the intervals rest on.

    Returns:
        Name -> Coefficient; `krippendorff_ordinal` and `gwet_ac2` know that 4 is nearer to 5 than 1 is.

    Raises:
        VoteError: An annotator rated an item twice, or a rating is not on the scale.
    """
    given = ratings.dropna(subset=["rating"])
    # 4 and 4.0 are one rating; 4.5 is none, and is refused by name.
    words = given["rating"].map(lambda rating: str(int(rating)) if float(rating).is_integer() else str(rating))
    grouped, _ = encode_by_item(given.assign(rating=words), [str(rating) for rating in scale], item="item_id", label="rating")
    table, together = Resampled(grouped, seed, resamples), compare_annotators(grouped)
    found = {name: estimate(name, table) for name in COEFFICIENTS}
    return {"percent": found.pop("percent"), "cohen_mean": _mean_cohen(together), **found}


def compare(votes: pd.DataFrame, *, labels: Sequence[Choice] | None = None) -> pd.DataFrame:
    """Return every two annotators with pairs in common, as `AgreementReport.annotator_pairs`.

    `votes` and `labels` as in `measure`.
    """
    allowed = tuple(labels or offered_choices(votes))
    grouped, people = encode_by_item(_opinions(votes), allowed)
    return _frame(compare_annotators(grouped), people)


def _mean_cohen(together: Comparison) -> Coefficient:
    """The mean of Cohen's kappa; its narrow interval is value +- 1.96 standard deviations over the pairs."""
    mean = together.mean
    if np.isnan(mean.value):
        return undefined(
            mean.n, f"No two annotators have {MIN_SHARED_ITEMS} pairs in common on which they used more than one choice."
        )
    reach = Z_95 * mean.sampling
    narrow = (max(-1.0, mean.value - reach), min(1.0, mean.value + reach))
    return sure(mean.value, narrow, mean.sampling, mean.without_each, mean.expected, mean.n, -1.0)


def _frame(together: Comparison, people: pd.Index) -> pd.DataFrame:
    # Most pairs first, then in the order of the codes, which is that of the names: one number holds both, as in `encode`.
    place_bits, names = len(together.n).bit_length(), people.astype(str)
    order = np.sort(together.n.max(initial=0) - together.n << place_bits | np.arange(len(together.n))) & ((1 << place_bits) - 1)
    columns = {name: pd.Categorical.from_codes(codes[order], names) for name, codes in (("a", together.a), ("b", together.b))}
    numbers = {name: getattr(together, name)[order] for name in ("n", "percent", "cohen", "scott")}
    return pd.DataFrame(columns | numbers)


def contested(votes: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs on which votes differ, most divided first.

    Returns:
        Columns `pair_id, n_votes, agreement_share` (share of two votes on the pair that are the same, in [0, 1)),
        then `first, second, tie, both_bad`: how many votes say so.
    """
    coded = encode(votes[votes["choice"] != Choice.SKIP], OPINIONS)
    counts = count_labels(coded.items, coded.labels, n_items=coded.n_items, n_labels=coded.n_labels)
    n = counts.sum(axis=1)
    same = (counts * (counts - 1)).sum(axis=1) / np.maximum(n * (n - 1), 1)
    divided = (n > 1) & (same < 1)
    frame = pd.DataFrame(counts[divided], columns=[str(choice) for choice in OPINIONS])
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
    certain = f"between {percent.low:.0%} and {percent.high:.0%} on others like them"
    same = f"two people make the same choice on {percent.value:.0%} of {percent.n:,} pairs ({certain})"
    if alpha.value is None or alpha.low is None:
        return Verdict("unknown", f"It cannot be told: {same}. {alpha.why}", "Check that people really looked at both responses.")
    if alpha.low >= RELIABLE_ALPHA:
        return Verdict("yes", f"Yes: {same}, far more often than by chance.", "Go on to Curate and decide which pairs go in.")
    if alpha.low > 0:
        # A pair here and there that lacks a vote, by a skip for example, is no reason to ask all for more.
        read = "Read" if report.votes >= 2.5 * report.pairs else "Ask for at least three votes a pair, and read"
        return Verdict(
            "care",
            f"With care: {same}, more often than by chance, but many pairs are a matter of taste.",
            f"{read} the contested pairs: do the guidelines settle them?",
        )
    return Verdict(
        "no",
        f"Not yet: {same}, which chance alone could explain.",
        "Read the contested pairs with your annotators and make the guidelines clearer before you collect more votes.",
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
