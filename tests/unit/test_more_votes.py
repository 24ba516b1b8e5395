"""More votes: hand-worked cases, and replay on real sets: what was expected of early votes against what came."""

import numpy as np
import pandas as pd
import pytest

from pipeline.coding import encode
from pipeline.coefficients import count_labels, value_of
from pipeline.more_votes import expect, sentence
from tests.frames import ballots, pandalm_votes
from tests.unit.test_consensus import barzan, bluebirds


def in_columns(study: tuple[pd.DataFrame, dict[str, str]]) -> pd.DataFrame:
    return study[0].rename(columns={"item": "pair_id", "label": "choice"})


SETS = {
    "pandalm": pandalm_votes,
    "bluebirds": lambda folder: in_columns(bluebirds(folder)),
    "barzan": lambda folder: in_columns(barzan(folder)),
}


def counts_of(frame: pd.DataFrame, labels: list[str]) -> pd.DataFrame:
    coded = encode(frame, labels)
    counts = count_labels(coded.items, coded.labels, n_items=coded.n_items, n_labels=len(labels))
    return pd.DataFrame(counts, index=coded.item_ids).sort_index()


def majority(counts: pd.DataFrame) -> pd.Series:
    alone = counts.eq(counts.max(axis=1), axis=0).sum(axis=1) == 1
    return counts.idxmax(axis=1).where(alone, -1)


def interval_width(counts: pd.DataFrame) -> float:
    draw, table = np.random.default_rng(0), counts.to_numpy()
    alphas = [value_of("krippendorff_nominal", table[draw.integers(0, len(table), len(table))]) for _ in range(200)]
    return float(np.subtract(*np.percentile(alphas, [97.5, 2.5])))


@pytest.mark.parametrize(
    ("name", "begin", "more"),
    [("pandalm", 2, 1), ("bluebirds", 2, 1), ("bluebirds", 3, 2), ("bluebirds", 5, 4), ("barzan", 2, 1), ("barzan", 3, 2)],
)
def test_what_is_expected_of_the_first_votes_comes_true(real_data, name, begin, more):
    whole = SETS[name](real_data)
    labels, seen = sorted(whole["choice"].unique()), []
    for seed in range(4):
        drawn = whole.sample(frac=1, random_state=seed)
        place = drawn.groupby("pair_id").cumcount()
        early = drawn[place < begin]
        plan = expect(early, labels=labels, more_each=(more,), more_pairs=(), seed=seed).plans.iloc[1]
        before, after = counts_of(early, labels), counts_of(drawn[place < begin + more], labels)
        came = int((majority(before) != majority(after)).sum())
        seen.append((plan["flips"], came, plan["width"], interval_width(after)))
    expected, came, width, true_width = np.mean(seen, axis=0)
    assert expected == pytest.approx(came, rel=0.3)
    assert width == pytest.approx(true_width, rel=0.25)


def test_more_pairs_narrow_the_interval_as_the_root_of_their_number(real_data):
    whole = pandalm_votes(real_data)
    ids = whole["pair_id"].unique()
    few = whole[whole["pair_id"].isin(np.random.default_rng(0).choice(ids, 333, replace=False))]
    plan = expect(few, labels=["first", "tie", "second"], more_each=(), more_pairs=(2.0,)).plans.iloc[1]
    assert plan["more_pairs"] == 666
    assert plan["votes"] == 3 * 666
    assert plan["width"] == pytest.approx(interval_width(counts_of(whole, ["first", "tie", "second"])), rel=0.25)


def test_a_third_vote_decides_the_pairs_that_two_votes_split():
    # With two choices, each of the 20 split pairs is decided by any third vote; an agreed pair cannot flip.
    frame = ballots(*["ff", "ss"] * 20, *["fs"] * 20)
    outlook = expect(frame, labels=["first", "second"], more_each=(1,), more_pairs=())
    now, later = outlook.plans.iloc[0], outlook.plans.iloc[1]
    assert (now["votes"], now["flips"]) == (0, 0)
    assert now["decided_share"] == pytest.approx(2 / 3)
    assert (later["votes"], later["flips"], later["decided_share"]) == (60, 20, 1.0)
    assert later["width"] < now["width"]


def test_too_few_pairs_and_one_label_say_why_nothing_can_be_told():
    assert "20 pairs" in expect(ballots("ff", "fs")).why
    assert expect(ballots()).plans.empty
    assert "Every vote is the same" in expect(ballots(*["ff"] * 30)).why


def test_votes_like_coin_throws_can_be_looked_ahead_too():
    outlook = expect(ballots(*["ff", "fs", "sf", "ss", "st"] * 8))
    assert outlook.why == ""
    assert (outlook.plans["width"] > 0).all()


def test_the_same_votes_and_seed_give_the_same_outlook():
    frame = ballots(*["ffs", "fss", "fff"] * 10)
    pd.testing.assert_frame_equal(expect(frame, seed=3).plans, expect(frame, seed=3).plans)


def test_the_outlook_is_said_in_a_sentence_with_its_price_and_its_rival():
    outlook = expect(ballots(*["ff", "ss"] * 20, *["fs"] * 20), labels=["first", "second"])
    said = sentence(outlook)
    assert "1 more vote on each pair (60 votes) would bring it to" in said
    # 120 votes now: 60 more on 30 new pairs narrow the interval by the root of 120/180.
    wider = outlook.plans["width"].iloc[0] * (2 / 3) ** 0.5 / 2
    assert f"As many votes on new pairs would bring it to ±{wider:.3f}" in said
