"""Segments: agreement by kind of pair and by time."""

import pandas as pd
import pytest

from pipeline.records import Choice
from pipeline.segments import DIMENSIONS, by_language, by_segment, sentence
from tests.frames import ballots, pairs, plain_pairs


def segment(found: pd.DataFrame, dimension: str) -> pd.DataFrame:
    return found[found["dimension"] == dimension].set_index("segment")


def test_agreement_is_told_apart_by_prompt_length_shortest_first():
    made = plain_pairs(4)
    made["prompt"] = ["x" * 100, "x" * 101, "x" * 501, "x" * 20]
    found = segment(by_segment(ballots("ff", "fs", "ss", "fs"), made), "prompt_length")
    assert found.index.tolist() == ["up to 100 characters", "101 to 500 characters", "more than 500 characters"]
    assert found["percent"].tolist() == [0.5, 0.0, 1.0]
    assert found["pairs"].tolist() == [2, 1, 1]


def test_agreement_is_told_apart_by_model_type_and_difference_in_length():
    made = pairs(
        ("p1", "q", "a" * 10, "b" * 12, "human", "model-m"),
        ("p2", "q", "a" * 10, "b" * 20, "human", "model-n"),
        ("p3", "q", "a" * 10, "b" * 50, "model-m", "model-n"),
    )
    made["annotation_type"] = ["original-annotations", "re-annotations", ""]
    found = by_segment(ballots("ff", "fs", "ff"), made)
    assert segment(found, "model").index.tolist() == ["model-m", "model-m and model-n", "model-n"]
    assert segment(found, "annotation_type").index.tolist() == ["not known", "original-annotations", "re-annotations"]
    expected = ["about as long as each other", "one up to twice as long", "one more than twice as long"]
    assert segment(found, "length_difference").index.tolist() == expected


def test_votes_of_one_pair_in_two_weeks_or_under_two_guidelines_are_compared_within_each():
    frame = ballots("fff")
    # Monday 4 January 2027 begins week 1; the Sunday before is in week 53 of 2026.
    frame["at"] = pd.to_datetime(["2027-01-03", "2027-01-04", "2027-01-05"], utc=True)
    frame["guidelines_version"] = ["b9", "a1", "a1"]
    found = by_segment(frame, plain_pairs(1))
    weeks = segment(found, "week")
    assert weeks["votes"].to_dict() == {"2026 week 53": 1, "2027 week 01": 2}
    assert weeks["pairs"].to_dict() == {"2026 week 53": 0, "2027 week 01": 1}
    assert "No pair has two votes" in weeks.loc["2026 week 53", "note"]
    assert segment(found, "guidelines")["votes"].to_dict() == {"version 1": 1, "version 2": 2}


def test_a_small_segment_says_that_it_is_small():
    found = by_segment(ballots(*["ff", "ss"] * 15, "fs"), plain_pairs(31))
    whole = segment(found, "model").loc["model-m"]
    assert not whole["is_small"]
    assert whole["note"] == ""
    few = segment(by_segment(ballots("ff", "fs"), plain_pairs(2)), "model").loc["model-m"]
    assert few["is_small"]
    assert few["note"].startswith("Small: 2 pairs")


def test_all_the_same_votes_have_no_alpha_and_say_why():
    found = segment(by_segment(ballots(*["ff"] * 40), plain_pairs(40)), "model").loc["model-m"]
    assert pd.isna(found["alpha"])
    assert "cannot be told from chance" in found["note"]
    # 40 of 40 agree: at 97.5 % at least 0.025^(1/40) = 0.912 of all pairs do.
    assert found["low"] == pytest.approx(0.912, abs=1e-3)


def test_pairs_that_are_gone_are_a_segment_of_their_own():
    found = by_segment(ballots("ff", "fs"), plain_pairs(1))
    assert segment(found, "model").index.tolist() == ["model-m", "not known"]
    blank = by_segment(ballots("ff", "fs"), plain_pairs(1).assign(annotation_type=""))
    assert segment(blank, "annotation_type")["votes"].to_dict() == {"not known": 4}


def test_skips_count_nowhere_and_an_empty_project_has_no_segments():
    assert segment(by_segment(ballots("ffk"), plain_pairs(1)), "model")["votes"].tolist() == [2]
    empty = by_segment(ballots(), plain_pairs(1))
    assert empty.empty
    assert set(DIMENSIONS).isdisjoint(empty["dimension"])


def test_languages_are_compared_over_all_their_projects():
    found = by_language({"Dutch": [ballots("ff"), ballots("fs")], "Greek": [ballots("ff")]}, labels=tuple(Choice)[:4])
    assert found["segment"].tolist() == ["Dutch", "Greek"]
    assert found["votes"].tolist() == [4, 2]


def test_a_part_on_which_people_agree_less_is_named_and_overlapping_parts_are_not():
    # 40 pairs agree on short prompts, none on long ones: the ranges .91 to 1 and 0 to .09 (0.025^(1/40) = .91) lie apart.
    made = plain_pairs(80).assign(prompt=["x" * 10] * 40 + ["x" * 200] * 40)
    apart = by_segment(ballots(*["ff"] * 40, *["fs"] * 40), made)
    lengths = apart[apart["dimension"] == "prompt_length"]
    assert sentence(lengths).startswith("People agree least on “101 to 500 characters”: the same choice on 0% of 40 pairs")
    alike = by_segment(ballots(*["ff", "fs"] * 40), made)
    assert sentence(alike[alike["dimension"] == "prompt_length"]).startswith("No part stands out")
