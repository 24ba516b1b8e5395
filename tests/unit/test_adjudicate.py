import numpy as np
import pandas as pd
import pytest

from pipeline.adjudicate import apply, check_reason, history, queue
from pipeline.consensus import decide
from pipeline.curate import Rules, curate
from pipeline.errors import VoteError
from tests.frames import ballots, plain_pairs, votes


def verdicts(**choices: str) -> pd.DataFrame:
    return pd.DataFrame({"pair_id": list(choices), "judge": "m", "choice": list(choices.values())})


def decisions(**choices: str) -> pd.DataFrame:
    return pd.DataFrame({"pair_id": list(choices), "choice": list(choices.values())})


def test_the_most_divided_pair_comes_first_and_a_pair_all_agree_on_is_not_there():
    found = queue(ballots("fff", "ffs", "fst", "fs", "f"))
    assert found["pair_id"].tolist() == ["p3", "p4", "p2"]
    # Three ways: log2 3 = 1.585 bits. Half and half: 1. Two to one: log2 3 - 2/3 = .918.
    assert found["entropy"].tolist() == pytest.approx([1.585, 1, 0.918], abs=0.001)
    # No lead; no lead; (2 - 1) / 3.
    assert found["margin"].tolist() == pytest.approx([0, 0, 1 / 3])


def test_by_margin_the_narrowest_lead_comes_first():
    # 3:2 leads by .2 at .971 bits; 3:1:1 by .4 at 1.371 bits: the two orders differ.
    frame = ballots("fffss", "fffst")
    assert queue(frame, order="entropy")["pair_id"].tolist() == ["p2", "p1"]
    assert queue(frame, order="margin")["pair_id"].tolist() == ["p1", "p2"]


def test_a_judge_that_contradicts_the_people_puts_a_pair_into_the_queue():
    frame = ballots("fff", "sss", "fff", "ffs")
    found = queue(frame, order="judge", verdicts=verdicts(p1="second", p2="second", p3="tie", p4="first"))
    assert found["pair_id"].tolist() == ["p1", "p4"]
    assert found["judge_conflict"].tolist() == [True, False]


def test_pairs_decided_already_stand_at_the_end():
    found = queue(ballots("fst", "ffs"), decisions=decisions(p1="first"))
    assert found[["pair_id", "is_decided"]].values.tolist() == [["p2", False], ["p1", True]]


def test_an_audit_holds_every_voted_pair_in_an_order_that_stays():
    frame = ballots(*["fff"] * 20, "kkk")
    order = queue(frame, order="audit")["pair_id"].tolist()
    assert sorted(order) == sorted(f"p{n}" for n in range(1, 21))
    assert order != [f"p{n}" for n in range(1, 21)]
    assert queue(frame.sample(frac=1, random_state=1), order="audit")["pair_id"].tolist() == order


def test_no_votes_give_an_empty_queue_and_an_unknown_choice_is_refused():
    assert queue(ballots()).empty
    assert queue(ballots("k")).empty
    with pytest.raises(VoteError, match="maybe"):
        queue(votes(("p1", "a", "maybe")))


def test_the_history_names_nobody_and_says_what_counts():
    cast = votes(
        ("p1", "Ana", "first"), ("p2", "Ben", "tie"), ("p1", "Ben", "second"), ("p1", "Ana", "tie"), ("p1", "Ana", "first")
    )
    cast["role"] = ["annotator", "annotator", "annotator", "annotator", "adjudicator"]
    shown = history(cast, "p1")
    assert shown["who"].tolist() == ["Annotator 1", "Annotator 2", "Annotator 1", "Reviewer 1"]
    assert shown["choice"].tolist() == ["first", "second", "tie", "first"]
    assert shown["counts"].tolist() == [False, True, True, True]
    assert not shown.astype(str).stack().str.contains("Ana|Ben").any()


def test_a_repeat_is_no_part_of_the_history():
    cast = votes(("p1", "Ana", "first"), ("p1", "Ana", "second")).assign(role=["annotator", "repeat"])
    assert history(cast, "p1")["choice"].tolist() == ["first"]


def test_of_two_reviewers_the_last_counts():
    cast = votes(("p1", "Ana", "first"), ("p1", "Ben", "second")).assign(role="adjudicator")
    assert history(cast, "p1")["counts"].tolist() == [False, True]


def test_a_decision_becomes_the_outcome_and_the_rest_stays():
    before = decide(ballots("fs", "fff"), min_votes=2)
    after = apply(before, decisions(p1="second", p9="tie")).set_index("pair_id")
    assert after["outcome"].to_dict() == {"p1": "second", "p2": "first", "p9": "tie"}
    assert after["method"].to_dict() == {"p1": "adjudicator", "p2": "majority", "p9": "adjudicator"}
    assert after["n_votes"].to_dict() == {"p1": 2, "p2": 3, "p9": 0}
    assert np.isnan(after.loc["p1", "confidence"])
    assert before.set_index("pair_id").loc["p1", "outcome"] == "none"


def test_no_decisions_change_nothing():
    before = decide(ballots("fs"))
    assert apply(before, decisions()) is before


def test_a_decided_pair_needs_no_votes_to_become_a_preference():
    decided = apply(decide(ballots("f", "ff"), min_votes=3), decisions(p1="second", p3="both_bad"))
    made = curate(decided, plain_pairs(3), Rules(min_votes=3, min_support=0.9, min_confidence=0.9))
    assert made.preferences[["pair_id", "chosen_source", "method"]].values.tolist() == [["p1", "model-m", "adjudicator"]]
    assert made.excluded.set_index("pair_id")["reason"].to_dict() == {"p2": "too_few_votes", "p3": "both_bad"}
    assert made.excluded.set_index("pair_id")["detail"]["p3"] == "decided by a reviewer"
    assert made.summary["decided_by"] == {"adjudicator": 1}


def test_a_decision_needs_a_reason():
    assert check_reason("  wrong language ") == "wrong language"
    with pytest.raises(VoteError, match="needs a reason"):
        check_reason("  \n")
    with pytest.raises(VoteError, match="2,000"):
        check_reason("x" * 2_001)
