"""Segments: is there a kind of pair, or a time, on which people agree less?

Comes in: the frames of votes that count and of pairs. Goes out: one row per segment with raw agreement, alpha and
their intervals. A small segment says that it is small: its numbers move by chance. A skip is not an opinion.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from pipeline.coding import Coded, by_item, encode, part_of
from pipeline.coefficients import Integers
from pipeline.records import HUMAN, OPINIONS, Choice
from pipeline.resampling import Coefficient, Resampled, estimate

MIN_PAIRS = 30
"""A segment with fewer pairs that can be compared is small."""
RESAMPLES = 400
UNKNOWN = "not known"

_LENGTHS = ((100, "up to 100 characters"), (500, "101 to 500 characters"), (np.inf, "more than 500 characters"))
_RATIOS = ((1.25, "about as long as each other"), (2, "one up to twice as long"), (np.inf, "one more than twice as long"))

_ORDER = {words: place for steps in (_LENGTHS, _RATIOS) for place, (_, words) in enumerate(steps)}


def by_segment(votes: pd.DataFrame, pairs: pd.DataFrame, *, labels: Sequence[Choice] = OPINIONS, seed: int = 0) -> pd.DataFrame:
    """Return agreement by each way to divide the votes.

    Args:
        votes: Columns `pair_id, annotator, choice, guidelines_version, at`; one row per annotator and pair.
        pairs: Columns `pair_id, prompt, first, second, first_source, second_source, annotation_type`.
        labels: The choices annotators could make.
        seed: Draws the resamples behind the intervals.

    Returns:
        Columns `dimension` (one of DIMENSIONS), `segment` (in words), `votes, pairs` compared, `percent, low, high`
        (share of two votes that are the same, 95 % interval over pairs), `alpha, alpha_low, alpha_high` (NaN where
        undefined), `is_small`, `note` (why a number is missing or to be read with care). Votes of one pair that fall
        into different weeks or guideline versions are compared within each.
    """
    opinions = votes[votes["choice"] != Choice.SKIP].reset_index(drop=True)
    coded = encode(opinions, labels)
    pair_of = pd.Index(pairs["pair_id"]).get_indexer(coded.item_ids)[coded.items]
    found: list[dict[str, object]] = []
    for dimension in DIMENSIONS:
        place, names = _divide(dimension, opinions, pairs, pair_of)
        codes = sorted(np.unique(place), key=lambda code: (_ORDER.get(names[code], 0), names[code]))
        found += [
            {"dimension": dimension, "segment": names[code]} | _measured(part_of(coded, place == code), seed) for code in codes
        ]
    return _frame(found)


def _divide(dimension: str, opinions: pd.DataFrame, pairs: pd.DataFrame, pair_of: Integers) -> tuple[Integers, list[str]]:
    """The segment of each vote as a code, and the names of the segments; a pair that is gone is not known."""
    if dimension in _OF_VOTES:
        place, names = pd.factorize(_OF_VOTES[dimension](opinions))
        return place, list(names)
    # Texts are measured once for each pair, not for each of its votes.
    place, names = pd.factorize(_OF_PAIRS[dimension](pairs))
    every = list(dict.fromkeys([*names, UNKNOWN]))
    return np.append(place, every.index(UNKNOWN))[pair_of], every


def by_language(votes_of: Mapping[str, Sequence[pd.DataFrame]], *, labels: Sequence[Choice] = OPINIONS) -> pd.DataFrame:
    """Return agreement by language, as `by_segment`; `votes_of`: language -> the votes of each of its projects."""
    found = []
    for language, frames in sorted(votes_of.items()):
        # Two projects may hold the same pair; votes are compared within a project.
        apart = [frame.assign(pair_id=f"{place} " + frame["pair_id"].astype(str)) for place, frame in enumerate(frames)]
        together = pd.concat(apart, ignore_index=True)
        opinions = together[together["choice"] != Choice.SKIP]
        found.append({"dimension": "language", "segment": language} | _measured(encode(opinions, labels), 0))
    return _frame(found)


def sentence(part: pd.DataFrame) -> str:
    """Say whether people agree less on some segment of a dimension. `part`: rows of one dimension, as `by_segment`."""
    known = part[~part["is_small"].astype(bool) & part["percent"].notna()].sort_values("percent").to_dict("records")
    if len(known) < 2:
        return f"There are not two parts with {MIN_PAIRS} comparable pairs or more, so nothing can be compared."
    least, most = known[0], known[-1]
    if least["high"] >= most["low"]:
        return "No part stands out: the ranges of the parts overlap, so their differences may be chance."
    low, high = (
        f"{row['percent']:.0%} of {row['pairs']:,} pairs ({row['low']:.0%} to {row['high']:.0%})" for row in (least, most)
    )
    return f"People agree least on “{least['segment']}”: the same choice on {low}, against {high} on “{most['segment']}”."


def _frame(found: list[dict[str, object]]) -> pd.DataFrame:
    numbers = ["percent", "low", "high", "alpha", "alpha_low", "alpha_high"]
    frame = pd.DataFrame(found, columns=["dimension", "segment", "votes", "pairs", *numbers, "is_small", "note"])
    return frame.astype(dict.fromkeys(numbers, float))


def _measured(coded: Coded, seed: int) -> dict[str, object]:
    """The numbers of one segment."""
    table = Resampled(by_item(coded), seed, RESAMPLES)
    # Over people, too, would cost much more, and a segment is compared with others of the same people.
    percent, alpha = (estimate(name, table, over_people=False) for name in ("percent", "krippendorff_nominal"))
    return {
        "votes": len(coded.items),
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
    place = np.searchsorted([most for most, _ in steps], values.to_numpy(dtype=float))
    return pd.Series(np.array([words for _, words in steps])[place], index=values.index)


def _annotation_type(pairs: pd.DataFrame) -> pd.Series:
    return pairs["annotation_type"].replace("", UNKNOWN)


def _prompt_length(pairs: pd.DataFrame) -> pd.Series:
    return _cut(pairs["prompt"].str.len(), _LENGTHS)


def _length_difference(pairs: pd.DataFrame) -> pd.Series:
    first, second = (pairs[name].str.len().clip(lower=1) for name in ("first", "second"))
    return _cut((first / second).where(first > second, second / first), _RATIOS)


def _model(pairs: pd.DataFrame) -> pd.Series:
    """The model behind a pair; two models are named both."""
    first, second = pairs["first_source"], pairs["second_source"]
    named: pd.Series = second.where(first == HUMAN, first + " and " + second).where(first != second, first)
    return named


def _week(opinions: pd.DataFrame) -> pd.Series:
    """ISO weeks: formatting a million moments takes seconds, formatting their weeks does not."""
    parts = opinions["at"].dt.isocalendar()
    weeks = parts["year"].fillna(0).astype(int) * 100 + parts["week"].fillna(0).astype(int)
    named: pd.Series = weeks.map({week: f"{week // 100} week {week % 100:02d}" if week else UNKNOWN for week in weeks.unique()})
    return named


def _guidelines(opinions: pd.DataFrame) -> pd.Series:
    """Guideline versions are content hashes: they are numbered by first use."""
    versions = opinions["guidelines_version"]
    order = {version: f"version {place}" for place, version in enumerate((v for v in versions.unique() if v), start=1)}
    return versions.map(order | {"": UNKNOWN})


_OF_PAIRS: Mapping[str, Callable[[pd.DataFrame], pd.Series]] = {
    "annotation_type": _annotation_type,
    "prompt_length": _prompt_length,
    "length_difference": _length_difference,
    "model": _model,
}
_OF_VOTES: Mapping[str, Callable[[pd.DataFrame], pd.Series]] = {"week": _week, "guidelines": _guidelines}
DIMENSIONS = (*_OF_PAIRS, *_OF_VOTES)
"""The ways to divide the votes."""
