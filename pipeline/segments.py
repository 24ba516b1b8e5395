"""Segments: is there a kind of pair, or a time, on which people agree less?

Comes in: the frames of votes that count and of pairs. Goes out: one row per segment with raw agreement, alpha and
their intervals. A small segment says that it is small: its numbers move by chance. A skip is not an opinion.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from pipeline.estimates import Coefficient, Resampled, encode, estimate
from pipeline.records import HUMAN, Choice

MIN_PAIRS = 30
"""A segment with fewer pairs that can be compared is small."""
RESAMPLES = 400
UNKNOWN = "not known"

_CHOICES = (Choice.FIRST, Choice.TIE, Choice.SECOND, Choice.BOTH_BAD)
_LENGTHS = ((100, "up to 100 characters"), (500, "101 to 500 characters"), (np.inf, "more than 500 characters"))
_RATIOS = ((1.25, "about as long as each other"), (2, "one up to twice as long"), (np.inf, "one more than twice as long"))

_ORDER = {words: place for steps in (_LENGTHS, _RATIOS) for place, (_, words) in enumerate(steps)}


def by_segment(votes: pd.DataFrame, pairs: pd.DataFrame, *, labels: Sequence[Choice] = _CHOICES, seed: int = 0) -> pd.DataFrame:
    """Return agreement by each way to divide the votes.

    Args:
        votes: Columns `pair_id, annotator, choice, guidelines_version, at`; one row per annotator and pair.
        pairs: Columns `pair_id, prompt, first, second, first_source, second_source, annotation_type`.
        labels: The choices annotators could make.
        seed: Draws the resamples behind the intervals.

    Returns:
        Columns `dimension` (a key of DIMENSIONS), `segment` (in words), `votes, pairs` compared, `percent, low, high`
        (share of two votes that are the same, 95 % interval over pairs), `alpha, alpha_low, alpha_high` (NaN where
        undefined), `is_small`, `note` (why a number is missing or to be read with care). Votes of one pair that fall
        into different weeks or guideline versions are compared within each.
    """
    opinions = votes[votes["choice"] != Choice.SKIP].reset_index(drop=True)
    facts = pairs.set_index("pair_id").reindex(opinions["pair_id"]).reset_index(drop=True)
    found = []
    for dimension, divide in DIMENSIONS.items():
        segments = divide(opinions, facts)
        for name in sorted(segments.unique(), key=lambda name: (_ORDER.get(name, 0), name)):
            inside = opinions[(segments == name).to_numpy(dtype=bool)]
            found.append({"dimension": dimension, "segment": name} | _measured(inside, labels, seed))
    return _frame(found)


def by_language(votes_of: Mapping[str, Sequence[pd.DataFrame]], *, labels: Sequence[Choice] = _CHOICES) -> pd.DataFrame:
    """Return agreement by language, as `by_segment`; `votes_of`: language -> the votes of each of its projects."""
    found = []
    for language, frames in sorted(votes_of.items()):
        # Two projects may hold the same pair; votes are compared within a project.
        apart = [frame.assign(pair_id=f"{place} " + frame["pair_id"]) for place, frame in enumerate(frames)]
        together = pd.concat(apart, ignore_index=True)
        opinions = together[together["choice"] != Choice.SKIP]
        found.append({"dimension": "language", "segment": language} | _measured(opinions, labels, 0))
    return _frame(found)


def _frame(found: list[dict[str, object]]) -> pd.DataFrame:
    numbers = ["percent", "low", "high", "alpha", "alpha_low", "alpha_high"]
    frame = pd.DataFrame(found, columns=["dimension", "segment", "votes", "pairs", *numbers, "is_small", "note"])
    return frame.astype(dict.fromkeys(numbers, float))


def _measured(opinions: pd.DataFrame, labels: Sequence[Choice], seed: int) -> dict[str, object]:
    """The numbers of one segment."""
    table = Resampled(encode(opinions, labels), seed, RESAMPLES)
    # Over people, too, would cost much more, and a segment is compared with others of the same people.
    percent, alpha = (estimate(name, table, over_people=False) for name in ("percent", "krippendorff_nominal"))
    return {
        "votes": len(opinions),
        "pairs": percent.n,
        **_numbers(percent, "percent", "low", "high"),
        **_numbers(alpha, "alpha", "alpha_low", "alpha_high"),
        "is_small": percent.n < MIN_PAIRS,
        "note": _note(percent, alpha),
    }


def _numbers(one: Coefficient, *names: str) -> dict[str, float | None]:
    return dict(zip(names, (one.value, one.low, one.high), strict=True))


def _note(percent: Coefficient, alpha: Coefficient) -> str:
    if percent.value is None:
        return percent.why
    small = f"Small: {percent.n} {'pair' if percent.n == 1 else 'pairs'}, so these numbers move by chance."
    return " ".join([small] * (percent.n < MIN_PAIRS) + [alpha.why] * (alpha.value is None))


def _cut(values: pd.Series, steps: Sequence[tuple[float, str]]) -> pd.Series:
    """The first step each value does not exceed, in words."""
    words = [words for _, words in steps]
    place = np.searchsorted([most for most, _ in steps], values.fillna(0).to_numpy(dtype=float))
    return pd.Series(np.where(values.isna(), UNKNOWN, np.array(words)[np.minimum(place, len(words) - 1)]), index=values.index)


def _annotation_type(_: pd.DataFrame, facts: pd.DataFrame) -> pd.Series:
    return facts["annotation_type"].fillna(UNKNOWN).replace("", UNKNOWN)


def _prompt_length(_: pd.DataFrame, facts: pd.DataFrame) -> pd.Series:
    return _cut(facts["prompt"].str.len(), _LENGTHS)


def _length_difference(_: pd.DataFrame, facts: pd.DataFrame) -> pd.Series:
    first, second = (facts[name].str.len().clip(lower=1) for name in ("first", "second"))
    return _cut((first / second).where(first > second, second / first), _RATIOS)


def _model(_: pd.DataFrame, facts: pd.DataFrame) -> pd.Series:
    """The model behind a pair; two models are named both."""
    first, second = facts["first_source"].fillna(UNKNOWN), facts["second_source"].fillna(UNKNOWN)
    one_model = second.where(first == HUMAN, first + " and " + second)
    return one_model.where(first != second, first)


def _week(opinions: pd.DataFrame, _: pd.DataFrame) -> pd.Series:
    weeks: pd.Series = opinions["at"].dt.strftime("%G week %V").fillna(UNKNOWN)
    return weeks


def _guidelines(opinions: pd.DataFrame, _: pd.DataFrame) -> pd.Series:
    """Guideline versions are content hashes: they are numbered by first use."""
    versions = opinions["guidelines_version"]
    order = {version: f"version {place}" for place, version in enumerate((v for v in versions.unique() if v), start=1)}
    return versions.map(order | {"": UNKNOWN})


DIMENSIONS: Mapping[str, Callable[[pd.DataFrame, pd.DataFrame], pd.Series]] = {
    "annotation_type": _annotation_type,
    "prompt_length": _prompt_length,
    "length_difference": _length_difference,
    "model": _model,
    "week": _week,
    "guidelines": _guidelines,
}
"""Ways to divide the votes: votes and the facts of their pairs in, the segment of each vote out."""
