"""Judge check: how far does a judge decide as people do, and where may it stand in for them?

Comes in: a judge's judgements and verdicts, the people's consensus, and the pairs with their texts. Goes out: a report
per judge, every share with its interval and n, and the consensus with verdicts filled in where the coordinator allows it.
A filled-in outcome says so in its `method`, and never counts as a vote.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.intervals import wilson
from pipeline.records import OPINIONS, Choice

JUDGE = "judge"
"""The `method` of an outcome that a judge filled in."""

_SIDES = [str(Choice.FIRST), str(Choice.SECOND)]
_SAYS = [*_SIDES, str(Choice.TIE)]
_PEOPLE = [str(choice) for choice in OPINIONS]
_GAPS = ((0.0, 1.0), (1.0, 2.0), (2.0, 4.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A share in [0, 1] with its 95 % interval (Wilson); NaN, 0 and 1 where n is 0."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeCheck:
    """How one judge compares with the people, on pairs that both have decided.

    `agreement`: it says what people say (better, or equally good). `right_when_sure`: people prefer the response
    that it prefers; a tie or both bad among people counts against it. `order_flips`: pairs on which it prefers
    another response when the seats are swapped. `first_seat`: verdicts for the response it saw first. `longer` and
    `people_longer`: how often it, and people, prefer the longer response, on the same pairs. `confusion`: columns
    `people, first, second, tie` (what the judge said), pairs counted. `by_gap`: columns `from_gap, to_gap` (of the two
    ratings), `n, right, low, high`: is it more often right where it sees a larger difference?
    """

    judge: str
    agreement: Share
    right_when_sure: Share
    order_flips: Share
    first_seat: Share
    longer: Share
    people_longer: Share
    confusion: pd.DataFrame
    by_gap: pd.DataFrame


def check(judgements: pd.DataFrame, verdicts: pd.DataFrame, consensus: pd.DataFrame, pairs: pd.DataFrame) -> list[JudgeCheck]:
    """Compare each judge with the people.

    Args:
        judgements: Columns `pair_id, judge, shown_first, choice, rating_first, rating_second`; one row per order.
        verdicts: Columns `pair_id, judge, choice, is_flip`; one row per pair.
        consensus: Columns `pair_id, outcome`, of people's votes alone.
        pairs: Columns `pair_id, first_id, second_id, first, second`.

    Returns:
        One report per judge with a verdict, by name.
    """
    people = consensus.loc[consensus["outcome"] != "none", ["pair_id", "outcome"]]
    longer = _longer_side(pairs)
    gaps = _rating_gaps(judgements)
    found = []
    for name, mine in verdicts.groupby("judge", sort=True):
        both = mine.merge(people, on="pair_id").merge(gaps[gaps["judge"] == name][["pair_id", "gap"]], on="pair_id", how="left")
        both["longer"] = both["pair_id"].map(longer).fillna("")
        own = judgements[judgements["judge"] == name]
        found.append(_check_one(str(name), own, mine, both, pairs))
    return found


def _check_one(name: str, own: pd.DataFrame, mine: pd.DataFrame, both: pd.DataFrame, pairs: pd.DataFrame) -> JudgeCheck:
    sure = both[both["choice"].isin(_SIDES)]
    differing = sure[sure["outcome"].isin(_SIDES) & (sure["longer"] != "")]
    comparable = both[both["outcome"].isin(_SAYS)]
    return JudgeCheck(
        judge=name,
        agreement=_share(comparable["choice"] == comparable["outcome"]),
        right_when_sure=_share(sure["choice"] == sure["outcome"]),
        order_flips=_share(mine["is_flip"]),
        first_seat=_share(_for_first_seat(own, pairs)),
        longer=_share(differing["choice"] == differing["longer"]),
        people_longer=_share(differing["outcome"] == differing["longer"]),
        confusion=_confusion(both),
        by_gap=_by_gap(sure),
    )


def _share(holds: pd.Series) -> Share:
    n, hits = len(holds), int(holds.sum())
    low, high = wilson(np.array([hits]), np.array([n]))
    return Share(value=hits / n if n else float("nan"), low=float(low[0]), high=float(high[0]), n=n)


def _for_first_seat(own: pd.DataFrame, pairs: pd.DataFrame) -> pd.Series:
    """Of the judgements that prefer a response: whether it is the one shown first."""
    seated = own[own["choice"].isin(_SIDES)].merge(pairs[["pair_id", "first_id"]], on="pair_id")
    return (seated["choice"] == str(Choice.FIRST)) == (seated["shown_first"] == seated["first_id"])


def _longer_side(pairs: pd.DataFrame) -> pd.Series:
    """`first` or `second` by pair, whichever text has more characters; empty where both have as many."""
    lead = pairs["first"].str.len().to_numpy() - pairs["second"].str.len().to_numpy()
    return pd.Series(np.select([lead > 0, lead < 0], _SIDES, default=""), index=pairs["pair_id"].to_numpy())


def _rating_gaps(judgements: pd.DataFrame) -> pd.DataFrame:
    """Columns `pair_id, judge, gap`: how far apart the two mean ratings are, over both orders."""
    means = judgements.groupby(["pair_id", "judge"], as_index=False)[["rating_first", "rating_second"]].mean()
    return means.assign(gap=(means["rating_first"] - means["rating_second"]).abs())


def _confusion(both: pd.DataFrame) -> pd.DataFrame:
    counted = pd.crosstab(both["outcome"], both["choice"]).reindex(index=_PEOPLE, columns=_SAYS, fill_value=0)
    return counted.rename_axis(None, axis=1).rename_axis("people").reset_index()


def _by_gap(sure: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for low, high in _GAPS:
        here = sure[(sure["gap"] > low) & (sure["gap"] <= high)]
        share = _share(here["choice"] == here["outcome"])
        rows.append({"from_gap": low, "to_gap": high, "n": share.n, "right": share.value, "low": share.low, "high": share.high})
    return pd.DataFrame(rows)


def fill_in(
    consensus: pd.DataFrame,
    leaning: pd.DataFrame,
    verdicts: pd.DataFrame,
    checks: list[JudgeCheck],
    pair_ids: pd.Series,
    *,
    least: float,
    min_votes: int,
) -> pd.DataFrame:
    """Let the most reliable judge decide pairs that lack votes, if it has proved reliable enough.

    Args:
        consensus: As `consensus.decide` returns it, made with `min_votes`.
        leaning: The same made with one vote as enough: what the few votes on a pair say so far.
        verdicts: Columns `pair_id, judge, choice`.
        checks: What `check` returned.
        pair_ids: Every pair of the project.
        least: What the lower end of the interval of `right_when_sure` must reach, in [0, 1].
        min_votes: A pair with as many votes is the people's alone.

    Returns:
        The consensus; filled-in rows have `method` JUDGE, the judge's lower bound as `confidence`, and no support. A
        verdict that any vote on its pair contradicts is not used.
    """
    able = [one for one in checks if one.right_when_sure.n and one.right_when_sure.low >= least]
    if not able:
        return consensus
    best = max(able, key=lambda one: (one.right_when_sure.low, one.judge))
    said = verdicts[(verdicts["judge"] == best.judge) & verdicts["choice"].isin(_SIDES)].set_index("pair_id")["choice"]
    known = set(consensus["pair_id"])
    fresh = [pair_id for pair_id in pair_ids if pair_id not in known and pair_id in said.index]
    unvoted = pd.DataFrame({"pair_id": fresh, "outcome": "none", "n_votes": 0, "support": np.nan, "confidence": np.nan})
    whole = pd.concat([consensus, unvoted.assign(method=JUDGE)], ignore_index=True) if fresh else consensus.copy()
    verdict = whole["pair_id"].map(said)
    united = leaning[leaning["support"] == 1].set_index("pair_id")["outcome"]
    uncontradicted = (whole["n_votes"] == 0) | (whole["pair_id"].map(united) == verdict)
    filled = verdict.notna() & (whole["n_votes"] < min_votes) & uncontradicted
    whole["outcome"] = verdict.where(filled, whole["outcome"]).astype(object)
    whole["method"] = whole["method"].mask(filled, JUDGE)
    whole["support"] = whole["support"].mask(filled)
    whole["confidence"] = whole["confidence"].mask(filled, best.right_when_sure.low)
    return whole
