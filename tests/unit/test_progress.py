from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest

from pipeline import progress
from tests.frames import votes

NOW = datetime(2026, 3, 9, 15, tzinfo=UTC)


def study(*per_day: int, end: datetime = NOW) -> pd.DataFrame:
    """Votes on consecutive days; the last number is today's."""
    moments = [
        end - timedelta(days=len(per_day) - 1 - day, minutes=minute) for day, n in enumerate(per_day) for minute in range(n)
    ]
    return votes(*((f"p{place}", "ana", "first") for place in range(len(moments))), at=moments)


def test_the_funnel_counts_each_stage_from_prompt_to_release():
    pairs = pd.DataFrame({"n_votes": [3, 4, 1, 0]})
    found = progress.funnel(prompts=10, responses=5, pairs=pairs, votes_wanted=3, preferences=2, exported=1)
    assert found["n"].tolist() == [10, 5, 4, 3, 2, 2, 1]
    assert found["share"].tolist() == pytest.approx([1, 0.5, 0.4, 0.3, 0.2, 0.2, 0.1])
    assert found["stage"].iloc[0] == "prompts"


def test_a_project_without_prompts_has_no_shares():
    empty = pd.DataFrame({"n_votes": []})
    found = progress.funnel(prompts=0, responses=0, pairs=empty, votes_wanted=3, preferences=0, exported=0)
    assert found["share"].isna().all()


def test_votes_still_wanted_do_not_count_a_pair_with_too_many():
    assert progress.votes_wanted_still(pd.DataFrame({"n_votes": [0, 1, 3, 5]}), votes_wanted=3) == 5


def test_days_without_votes_stand_between_with_zero():
    daily = progress.votes_per_day(study(2, 0, 3))
    assert daily["day"].tolist() == [date(2026, 3, 7), date(2026, 3, 8), date(2026, 3, 9)]
    assert daily["votes"].tolist() == [2, 0, 3]
    assert daily["total"].tolist() == [2, 2, 5]


def test_a_day_is_a_day_in_utc_and_a_skip_is_no_vote():
    late = datetime(2026, 3, 8, 23, 59, tzinfo=UTC)
    rows = [("p1", "ana", "first"), ("p2", "ana", "skip"), ("p3", "ana", "tie")]
    daily = progress.votes_per_day(votes(*rows, at=[late, late, late + timedelta(minutes=2)]))
    assert daily["votes"].tolist() == [1, 1]
    assert progress.votes_per_day(votes()).empty


def test_each_annotator_has_votes_days_speed_and_last_day():
    moments = [NOW - timedelta(days=3), NOW - timedelta(days=3, minutes=5), NOW - timedelta(days=1), NOW]
    rows = [("p1", "ana", "first"), ("p2", "ana", "skip"), ("p3", "ana", "tie"), ("p1", "ben", "second")]
    frame = votes(*rows, at=moments).assign(seconds=[4.0, 60.0, 10.0, None])
    found = progress.by_annotator(frame).set_index("annotator")
    assert found.index.tolist() == ["ana", "ben"]
    assert found.loc["ana", ["votes", "skips", "days_active"]].tolist() == [2, 1, 2]
    assert found.loc["ana", "median_seconds"] == 7.0  # the skip's 60 seconds are not a vote's
    assert found["share"].tolist() == pytest.approx([2 / 3, 1 / 3])
    assert pd.isna(found.loc["ben", "median_seconds"])
    assert found.loc["ben", "last_active"] == pd.Timestamp(NOW)


def test_nobody_voted_gives_an_empty_table():
    assert progress.by_annotator(votes()).empty


def test_a_steady_pace_is_forecast_with_a_range():
    # 10 votes on each of 7 whole days: mean 10, no spread, but counts vary by the root of 70 / 7 = 1.195 * 1.96 = 2.34.
    # 100 missing: 100 / 12.34 = 8.1 days, so 9 at the earliest; 100 / 7.66 = 13.1 days, so 14 at the latest.
    found = progress.forecast(progress.votes_per_day(study(*[10] * 7, 2)), votes_missing=100, now=NOW)
    assert (found.votes_per_day, found.days) == (10.0, 7)
    assert (found.earliest, found.latest) == (date(2026, 3, 18), date(2026, 3, 23))
    assert found.sentence == (
        "At the pace of the last 7 days (10 votes a day) the 100 missing votes will be in about 18 Mar to 23 Mar 2026."
    )


def test_an_uneven_pace_has_no_latest_day():
    found = progress.forecast(progress.votes_per_day(study(60, 0, 0, 1, 0, 2, 0, 0)), votes_missing=100, now=NOW)
    assert found.earliest is not None
    assert found.latest is None
    assert "varies too much" in found.sentence


def test_todays_unfinished_day_does_not_count_and_a_young_project_uses_the_days_it_has():
    found = progress.forecast(progress.votes_per_day(study(12, 8, 10, 500)), votes_missing=100, now=NOW)
    assert (found.votes_per_day, found.days) == (10.0, 3)


@pytest.mark.parametrize(
    ("frame", "missing", "said"),
    [
        (study(5), 0, "Every pair has the votes it needs"),
        (votes(), 9, "cannot be told yet"),
        (study(30), 9, "cannot be told yet"),
        (study(5, 5, 0, 0), 9, "only 2 of the last 3 whole days"),
        (study(5, *[0] * 9), 1, "Nobody voted on the last 7 whole days"),
    ],
)
def test_the_forecast_says_when_it_cannot_tell(frame, missing, said):
    found = progress.forecast(progress.votes_per_day(frame), votes_missing=missing, now=NOW)
    assert said in found.sentence
    assert (found.earliest, found.latest) == (None, None)


def test_a_pace_that_would_take_years_gives_no_day():
    found = progress.forecast(progress.votes_per_day(study(1, 1, 1, 1, 1, 1, 1, 0)), votes_missing=100_000, now=NOW)
    assert "more than two years" in found.sentence
    assert found.earliest is None
