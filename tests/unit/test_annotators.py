"""Annotators: what is told of each, and what is asked, on hand-worked and on simulated crowds."""

import numpy as np
import pandas as pd
import pytest

from pipeline.annotators import Topic, examine, questions, stand_ins
from tests.frames import ballots, pandalm_votes, plain_pairs, votes


def examined(frame: pd.DataFrame, pairs: pd.DataFrame | None = None, **more) -> pd.DataFrame:
    return examine(frame, plain_pairs(10) if pairs is None else pairs, **more).set_index("annotator")


def crowd(n_people: int = 8, n_pairs: int = 300, each: int = 4, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Careful people: .85 of them say what is true. Orders are drawn, texts differ in length, votes take ten seconds."""
    draw = np.random.default_rng(seed)
    pairs = plain_pairs(n_pairs)
    pairs["first"] = ["x" * int(n) for n in draw.integers(20, 200, n_pairs)]
    pairs["second"] = ["y" * int(n) for n in draw.integers(20, 200, n_pairs)]
    truth, rows = draw.choice(["first", "second"], n_pairs), []
    for place in range(n_pairs):
        for who in draw.choice(n_people, each, replace=False):
            other = "second" if truth[place] == "first" else "first"
            rows.append((f"p{place + 1}", f"person-{who}", truth[place] if draw.random() < 0.85 else other))
    frame = votes(*rows, seconds=10.0)
    frame["shown_first"] = frame["pair_id"] + np.where(draw.random(len(frame)) < 0.5, "-1", "-2")
    return frame, pairs


def topics(frame: pd.DataFrame, pairs: pd.DataFrame, **more) -> dict[str, set[Topic]]:
    found: dict[str, set[Topic]] = {}
    for question in questions(examine(frame, pairs, **more)):
        found.setdefault(question.annotator, set()).add(question.topic)
    return found


def test_nothing_is_asked_of_a_careful_crowd():
    asked = [topics(*crowd(seed=seed)) for seed in range(10)]
    # Each of four corrected tests may err in 5 % of the crowds.
    assert sum(bool(found) for found in asked) <= 3


def test_agreement_with_most_of_the_others_by_hand():
    # ffs: a and b see the others split; c sees ff and differs. fff: all three agree with the others. sf.: one other each.
    found = examined(ballots("ffs", "fff", "sf."))
    assert found["compared"].to_dict() == {"a": 2, "b": 2, "c": 2}
    assert found["same_share"].to_dict() == {"a": 0.5, "b": 0.5, "c": 0.5}
    # Wilson's 95 % bounds of 1 in 2: (1/2 +- 1.96 sqrt(1/8 + 3.8415/16) / ...) = 0.0945 and 0.9055.
    assert (found.loc["a", "same_low"], found.loc["a", "same_high"]) == pytest.approx((0.0945, 0.9055), abs=1e-4)


def test_skips_are_not_votes_and_an_empty_project_has_no_annotators():
    assert examined(ballots("fk", "fs"))["votes"].to_dict() == {"a": 2, "b": 1}
    assert examine(ballots(), plain_pairs(2)).empty
    assert questions(examine(ballots("k"), plain_pairs(1))) == []


def test_someone_who_always_clicks_the_left_is_asked_about_that_and_nobody_else():
    frame, pairs = crowd()
    mine = frame["annotator"] == "person-3"
    frame.loc[mine, "choice"] = np.where(frame.loc[mine, "shown_first"].str.endswith("-1"), "first", "second")
    found = topics(frame, pairs)
    assert {Topic.ALWAYS, Topic.POSITION, Topic.OTHERS} <= found["person-3"]
    assert set(found) == {"person-3"}
    row = examine(frame, pairs).set_index("annotator").loc["person-3"]
    assert row["same_answer_share"] == 1.0
    assert row["longest_run"] == row["votes"]


def test_people_who_answer_at_random_are_asked_about_differing_and_nobody_else():
    found = []
    for seed in range(5):
        frame, pairs = crowd(n_people=12, n_pairs=600, seed=seed)
        spam = frame["annotator"].isin(["person-4", "person-9"])
        frame.loc[spam, "choice"] = np.random.default_rng(seed).choice(["first", "second", "tie"], int(spam.sum()))
        found.append({name for name, asked in topics(frame, pairs).items() if Topic.OTHERS in asked})
    assert found == [{"person-4", "person-9"}] * 5


def test_a_lean_to_the_side_shown_first_is_found_among_many_people():
    frame, pairs = crowd(n_people=30, n_pairs=2000, each=3)
    draw = np.random.default_rng(1)
    leaning = (frame["annotator"] == "person-7") & (draw.random(len(frame)) < 0.35)
    frame.loc[leaning, "choice"] = np.where(frame.loc[leaning, "shown_first"].str.endswith("-1"), "first", "second")
    found = {name: asked for name, asked in topics(frame, pairs).items() if Topic.POSITION in asked}
    assert set(found) == {"person-7"}


def test_someone_who_chooses_the_longer_answer_is_compared_with_others_on_the_same_pairs():
    frame, pairs = crowd()
    lengths = pairs.set_index("pair_id")
    longer = (lengths["first"].str.len() > lengths["second"].str.len()).map({True: "first", False: "second"})
    mine = frame["annotator"] == "person-5"
    frame.loc[mine, "choice"] = frame.loc[mine, "pair_id"].map(longer)
    assert Topic.LENGTH in topics(frame, pairs)["person-5"]
    # Were everyone to choose the longer answer, nobody would stand out.
    everyone = frame.assign(choice=frame["pair_id"].map(longer))
    assert not [found for found in topics(everyone, pairs).values() if Topic.LENGTH in found]


def test_a_vote_faster_than_the_texts_can_be_read_is_too_fast():
    # prompt 1, good 1, poor 1 are 20 characters: one second is the least. 900 characters take five at the most.
    frame = votes(("p1", "a", "first"), ("p2", "a", "first"), ("p1", "b", "first"), ("p2", "b", "first"))
    frame["seconds"] = [0.9, 4.9, 1.1, np.nan]
    pairs = plain_pairs(2)
    pairs.loc[1, "first"] = "x" * 900
    found = examined(frame, pairs)
    assert found["fast_share"].to_dict() == {"a": 1.0, "b": 0.0}
    assert found["timed"].to_dict() == {"a": 2, "b": 1}


def test_a_second_vote_long_after_is_a_repeat_and_one_soon_after_a_change_of_mind():
    rows = [("p1", "a", "first"), ("p2", "a", "first"), ("p2", "a", "second")]
    rows += [(f"p{place}", "a", "tie") for place in range(3, 15)]
    rows += [("p1", "a", "first"), ("p3", "a", "tie"), ("p4", "a", "second")]
    history = votes(*rows)
    latest = history.drop_duplicates(["annotator", "pair_id"], keep="last")
    found = examined(latest, plain_pairs(20), history=history).loc["a"]
    # p1 and p3 got the same answer again after more than ten votes, p4 another; p2 was changed at once.
    assert found["repeats"] == 3
    assert found["repeat_share"] == pytest.approx(2 / 3)


def test_someone_whose_votes_become_random_is_asked_what_changed():
    frame, pairs = crowd(n_pairs=600)
    mine = frame.index[frame["annotator"] == "person-2"]
    late = mine[len(mine) // 2 :]
    frame.loc[late, "choice"] = np.random.default_rng(5).choice(["first", "second", "tie"], len(late))
    assert Topic.DRIFT in topics(frame, pairs)["person-2"]


def test_votes_on_unknown_pairs_count_but_their_sides_and_lengths_are_not_known():
    found = examined(votes(("gone", "a", "first"), ("gone", "b", "first")))
    assert found["compared"].to_dict() == {"a": 1, "b": 1}
    assert found["sided"].sum() == found["sized"].sum() == 0


def test_clocks_that_run_backwards_change_nothing():
    frame, pairs = crowd()
    backwards = frame.assign(at=frame["at"].iloc[::-1].to_numpy())
    pd.testing.assert_frame_equal(examine(frame, pairs), examine(backwards, pairs))


def test_stand_ins_follow_the_first_votes_and_never_change():
    first = votes(("p1", "zoe", "first"), ("p1", "ana", "first"))
    assert stand_ins(first) == {"zoe": "Person 1", "ana": "Person 2"}
    later = votes(("p1", "zoe", "first"), ("p1", "ana", "first"), ("p2", "ana", "tie"), ("p2", "bo", "tie"))
    assert stand_ins(later) == {"zoe": "Person 1", "ana": "Person 2", "bo": "Person 3"}


def test_questions_hold_numbers_and_no_verdict():
    frame, pairs = crowd()
    frame.loc[frame["annotator"] == "person-3", "choice"] = "tie"
    asked = questions(examine(frame, pairs))
    assert all(question.ask.endswith("?") for question in asked)
    assert any("100% of" in question.seen and "in a row" in question.seen for question in asked)


def test_nothing_is_asked_about_a_small_difference_however_many_votes_there_are(real_data):
    # One of PandaLM's three goes from 94 % to 98 % with the others over 999 votes: unlikely by chance, and no matter.
    examined = examine(pandalm_votes(real_data), plain_pairs(1))
    assert (examined["drift_chance"] < 0.05).any()
    assert questions(examined) == []
