"""Progress: how far is a project, who moves it, and when will it be done?

Comes in: counts, the frame of pairs, the frame of votes that count, and the present moment. Goes out: the funnel,
votes per day and per annotator, and a forecast that says when it cannot tell. Days are days in UTC.
"""

import math
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

import numpy as np
import pandas as pd

from pipeline.records import Choice

WINDOW_DAYS = 7
MIN_ACTIVE_DAYS = 3
HORIZON_DAYS = 730
"""A forecast further away than this says no more than 'not at this pace'."""

# Student's t for 95 %, by degrees of freedom 1-6: the daily counts are few.
_T_95 = {1: 12.71, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447}


def funnel(
    *, prompts: int, responses: int, pairs: pd.DataFrame, votes_wanted: int, preferences: int, exported: int
) -> pd.DataFrame:
    """Return one row per stage from prompt to release.

    Args:
        prompts: Prompts selected. `responses` were written by models; `preferences` came out of curation;
            `exported` are the rows of the latest release.
        pairs: Column `n_votes`; one row per pair.
        votes_wanted: With this many votes a pair is complete.

    Returns:
        Columns `stage` (in words), `n`, `share` of the prompts in [0, 1] (NaN without prompts), in order.
    """
    stages = {
        "prompts": prompts,
        "responses by models": responses,
        "pairs": len(pairs),
        "pairs with a vote": int((pairs["n_votes"] > 0).sum()),
        "pairs with all votes": int((pairs["n_votes"] >= votes_wanted).sum()),
        "preferences": preferences,
        "exported": exported,
    }
    share = [n / prompts if prompts else float("nan") for n in stages.values()]
    return pd.DataFrame({"stage": list(stages), "n": list(stages.values()), "share": share})


def votes_wanted_still(pairs: pd.DataFrame, *, votes_wanted: int) -> int:
    """Return how many votes are missing until every pair has as many as wanted. `pairs`: column `n_votes`."""
    return int((votes_wanted - pairs["n_votes"]).clip(lower=0).sum())


def goal(daily: pd.DataFrame, *, votes_missing: int) -> int:
    """Return the number of votes at which every pair has as many as wanted. `daily`: as `votes_per_day`."""
    return int(daily["votes"].sum()) + votes_missing


def votes_per_day(votes: pd.DataFrame) -> pd.DataFrame:
    """Return columns `day` (date), `votes`, `total` so far; days without votes stand between, with 0.

    Skips are not votes. `votes`: columns `choice, at` (timestamps in UTC).
    """
    days = votes.loc[votes["choice"] != Choice.SKIP, "at"].dt.floor("D")
    if days.empty:
        return pd.DataFrame({"day": pd.Series(dtype=object), "votes": pd.Series(dtype=int), "total": pd.Series(dtype=int)})
    every = pd.date_range(days.min(), days.max())
    counts = days.value_counts().reindex(every, fill_value=0).to_numpy()
    return pd.DataFrame({"day": [moment.date() for moment in every], "votes": counts, "total": counts.cumsum()})


def by_annotator(votes: pd.DataFrame) -> pd.DataFrame:
    """Return one row per annotator, most votes first.

    Args:
        votes: Columns `annotator, choice, seconds, at`; one row per annotator and pair.

    Returns:
        Columns `annotator, votes, skips, share` of all votes, `days_active, median_seconds` (NaN where no vote was
        timed), `last_active` (timestamp).
    """
    is_vote = votes["choice"] != Choice.SKIP
    marked = votes.assign(is_vote=is_vote, day=votes["at"].dt.floor("D"), timed=votes["seconds"].where(is_vote).astype(float))
    grouped = marked.groupby("annotator", sort=True, observed=True)
    frame = pd.DataFrame(
        {
            "votes": grouped["is_vote"].sum().astype(int),
            "skips": grouped["is_vote"].count() - grouped["is_vote"].sum(),
            "days_active": grouped["day"].nunique(),
            "median_seconds": grouped["timed"].median(),
            "last_active": grouped["at"].max(),
        }
    ).reset_index()
    frame["skips"] = frame["skips"].astype(int)
    frame["share"] = frame["votes"] / max(int(is_vote.sum()), 1)
    frame = frame.sort_values(["votes", "annotator"], ascending=[False, True], ignore_index=True)
    return frame[["annotator", "votes", "skips", "share", "days_active", "median_seconds", "last_active"]]


class Pace(NamedTuple):
    """How the voting goes: the frames of `votes_per_day` and `by_annotator`, and how many votes are still wanted."""

    daily: pd.DataFrame
    people: pd.DataFrame
    votes_missing: int


def pace(votes: pd.DataFrame, open_pairs: pd.DataFrame, *, votes_wanted: int) -> Pace:
    """Return how the voting goes. `votes`: as in `by_annotator`; `open_pairs`: column `n_votes`, pairs open for voting."""
    missing = votes_wanted_still(open_pairs, votes_wanted=votes_wanted)
    return Pace(votes_per_day(votes), by_annotator(votes), missing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """When the votes still wanted will be in, if people go on as they did.

    `earliest` and `latest` bound a 95 % range of days; `latest` is None where it cannot be told, both are None where
    nothing can. `sentence` says all of it. `votes_per_day` is the mean over the `days` days looked at.
    """

    votes_missing: int
    votes_per_day: float
    days: int
    earliest: date | None
    latest: date | None
    sentence: str


def forecast(daily: pd.DataFrame, *, votes_missing: int, now: datetime, window_days: int = WINDOW_DAYS) -> Forecast:
    """Forecast the day the last missing vote is cast, from the whole days before today.

    Args:
        daily: As `votes_per_day`.
        votes_missing: How many votes are still wanted.
        now: The present moment, in UTC.
        window_days: How many days before today to look at, fewer for a younger project.
    """
    today = now.date()
    counts = _counts_before(daily, today, window_days)
    mean = float(np.mean(counts)) if len(counts) else 0.0
    why = _why_unknown(votes_missing, counts)
    if why:
        return Forecast(
            votes_missing=votes_missing, votes_per_day=mean, days=len(counts), earliest=None, latest=None, sentence=why
        )
    reach = _T_95[min(len(counts) - 1, 6)] * float(np.std(counts, ddof=1)) / math.sqrt(len(counts))
    # Votes come in counts: even a steady pace is uncertain by the root of the number of votes.
    reach = max(reach, 1.96 * math.sqrt(mean / len(counts)))
    earliest = _day_reached(today, votes_missing, mean + reach)
    latest = _day_reached(today, votes_missing, mean - reach)
    return Forecast(
        votes_missing=votes_missing,
        votes_per_day=mean,
        days=len(counts),
        earliest=earliest,
        latest=latest,
        sentence=_sentence(votes_missing, mean, len(counts), earliest, latest),
    )


def _counts_before(daily: pd.DataFrame, today: date, window_days: int) -> list[int]:
    """Votes of each whole day before today, from the first vote on, at most `window_days` of them."""
    if daily.empty:
        return []
    begin = max(daily["day"].iloc[0], today - timedelta(days=window_days))
    by_day = dict(zip(daily["day"], daily["votes"], strict=True))
    return [int(by_day.get(begin + timedelta(days=n), 0)) for n in range((today - begin).days)]


def _why_unknown(votes_missing: int, counts: list[int]) -> str:
    if votes_missing == 0:
        return "Every pair has the votes it needs."
    missing = f"{votes_missing:,} {'vote is' if votes_missing == 1 else 'votes are'} still wanted."
    if not counts:
        return f"{missing} When they will be in cannot be told yet: that takes votes on {MIN_ACTIVE_DAYS} days before today."
    if not sum(counts):
        return f"{missing} Nobody voted on the last {len(counts)} whole days, so it cannot be told when they will be in."
    active = sum(n > 0 for n in counts)
    if active < MIN_ACTIVE_DAYS:
        return (
            f"{missing} There were votes on only {active} of the last {len(counts)} whole days; "
            f"a forecast needs {MIN_ACTIVE_DAYS}."
        )
    return ""


def _day_reached(today: date, votes_missing: int, per_day: float) -> date | None:
    if per_day <= 0 or votes_missing / per_day > HORIZON_DAYS:
        return None
    return today + timedelta(days=math.ceil(votes_missing / per_day))


def _sentence(votes_missing: int, mean: float, days: int, earliest: date | None, latest: date | None) -> str:
    pace = (
        f"At the pace of the last {days} days ({mean:.0f} votes a day)"
        if mean >= 1
        else (f"At the pace of the last {days} days (fewer than one vote a day)")
    )
    missing = f"the {votes_missing:,} missing {'vote' if votes_missing == 1 else 'votes'}"
    if earliest is None:
        return f"{pace} {missing} would take more than two years: invite more annotators or ask for fewer votes."
    if latest is None:
        return f"{pace} {missing} will be in no earlier than {_day(earliest)}; the pace varies too much to say by when."
    if earliest == latest:
        return f"{pace} {missing} will be in about {_day(earliest)}."
    return f"{pace} {missing} will be in about {_day(earliest, year=earliest.year != latest.year)} to {_day(latest)}."


def _day(day: date, *, year: bool = True) -> str:
    return f"{day.day} {day:%b}{f' {day.year}' if year else ''}"
