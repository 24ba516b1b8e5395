import pandas as pd
import pytest

from pipeline.consensus import decide
from pipeline.curate import PREFERENCE_COLUMNS, Curation, Rules, curate
from pipeline.errors import SettingsError
from tests.frames import ballots, pairs, pandalm_votes, plain_pairs


def curated(rules: Rules, *words: str, on: pd.DataFrame | None = None) -> Curation:
    table = plain_pairs(len(words)) if on is None else on
    return curate(decide(ballots(*words), method=rules.method), table, rules)


def reasons(curation: Curation) -> dict[str, str]:
    return dict(zip(curation.excluded["pair_id"], curation.excluded["reason"], strict=True))


def test_every_pair_is_a_preference_or_stands_under_one_reason():
    found = curated(Rules(min_votes=2, min_support=0.6), "fff", "ss", "f", "fs", "tt", "bbs", "...", "ffst", "kkk")
    assert found.preferences["pair_id"].tolist() == ["p1", "p2"]
    assert reasons(found) == {
        "p3": "too_few_votes",
        "p4": "no_consensus",
        "p5": "tie",
        "p6": "both_bad",
        "p7": "no_votes",
        "p8": "low_support",
        "p9": "no_votes",
    }
    assert found.summary["pairs"] == 9 == len(found.preferences) + sum(found.summary["excluded"].values())


def test_the_summary_counts_outcomes_reasons_and_sources():
    found = curated(Rules(min_votes=2), "fff", "ss", "sss", "fs", "tt", "bb", "...").summary
    assert found["method"] == "majority"
    assert found["preferences"] == 3
    assert found["excluded"] == {"no_votes": 1, "no_consensus": 1, "both_bad": 1, "tie": 1}
    assert found["chosen_by_source"] == {"human": 1, "model-m": 2}
    assert found["consensus"] == {"decided": 3, "tie": 1, "both_bad": 1, "none": 2}


def test_a_preference_names_the_winner_as_chosen_with_its_provenance():
    row = curated(Rules(), "fss").preferences.iloc[0]
    assert row.index.tolist() == list(PREFERENCE_COLUMNS)
    assert (row["chosen"], row["rejected"]) == ("poor 1", "good 1")
    assert (row["chosen_id"], row["rejected_id"]) == ("p1-2", "p1-1")
    assert (row["chosen_source"], row["rejected_source"]) == ("model-m", "human")
    assert (row["prompt"], row["n_votes"], row["method"]) == ("prompt 1", 3, "majority")
    assert row["support"] == pytest.approx(2 / 3)


def test_a_tie_may_go_to_the_one_human_response():
    table = pairs(
        ("p1", "q", "by a model", "by a person", "m", "human"),
        ("p2", "q", "by a person", "by another", "human", "human"),
        ("p3", "q", "by a model", "by another", "m", "n"),
    )
    found = curated(Rules(ties="human"), "tt", "tt", "tt", on=table)
    assert found.preferences["chosen"].tolist() == ["by a person"]
    assert found.preferences["rejected"].tolist() == ["by a model"]
    assert reasons(found) == {"p2": "tie", "p3": "tie"}


def test_what_people_preferred_to_an_empty_answer_is_a_preference():
    found = curated(Rules(), "fff", on=pairs(("p1", "q", "an answer", "", "human", "m")))
    assert found.preferences["rejected"].tolist() == [""]


def test_the_details_hold_the_numbers_behind_a_reason():
    found = curated(Rules(min_votes=3, min_support=0.7), "ff", "ffs", "fst").excluded.set_index("pair_id")["detail"]
    assert found["p1"] == "2 of 3 votes"
    assert found["p2"] == "67% of 3 votes, the rules ask for 70%"
    assert found["p3"] == "3 votes, the most frequent choice has 33%"


def test_a_pair_that_reaches_the_share_exactly_is_kept():
    assert len(curated(Rules(min_support=0.6), "fffss").preferences) == 1
    assert len(curated(Rules(min_support=0.1 + 0.2 + 0.3), "fffss").preferences) == 1


def test_under_dawid_skene_confidence_counts_and_support_does_not():
    # One vote against one: no share above one half, yet the model may prefer the annotator who agrees with others.
    words = ["fff", "sss"] * 30 + ["fsf"]
    kept = curated(Rules(method="dawid-skene", min_support=1.0), *words)
    assert "low_support" not in set(kept.excluded["reason"])
    strict = curated(Rules(method="dawid-skene", min_confidence=1.0), *words)
    assert set(strict.excluded["reason"]) == {"low_confidence"}


def test_no_pairs_give_empty_frames_with_their_columns():
    found = curate(decide(ballots()), plain_pairs(0), Rules())
    assert found.preferences.columns.tolist() == list(PREFERENCE_COLUMNS)
    assert found.excluded.columns.tolist() == ["pair_id", "prompt_id", "prompt", "reason", "detail"]
    assert found.summary["pairs"] == 0


def test_rules_survive_saving_and_a_project_without_rules_has_the_defaults():
    rules = Rules(method="dawid-skene", min_votes=5, min_support=0.75, min_confidence=0.9, ties="human")
    assert Rules.from_dict(rules.as_dict()) == rules
    assert Rules.from_dict({}) == Rules()


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "loudest"},
        {"ties": "coin"},
        {"min_votes": 0},
        {"min_votes": 2.5},
        {"min_support": 1.2},
        {"min_confidence": "high"},
        {"colour": "red"},
    ],
)
def test_rules_that_make_no_sense_are_refused(wrong):
    with pytest.raises(SettingsError):
        Rules.from_dict(wrong)


def test_pandalms_majority_makes_422_and_472_preferences_and_105_ties(real_data):
    votes = pandalm_votes(real_data)
    names = sorted(votes["pair_id"].unique(), key=int)
    table = pairs(*((name, f"prompt {name}", f"one {name}", f"two {name}", "model-1", "model-2") for name in names))
    summary = curate(decide(votes), table, Rules()).summary
    assert summary["chosen_by_source"] == {"model-1": 422, "model-2": 472}
    assert summary["excluded"] == {"tie": 105}
    assert summary["preferences"] == 894


def test_a_pair_that_a_screen_set_aside_stands_under_its_reason_until_it_is_brought_back():
    table = plain_pairs(2)
    screened = pd.DataFrame({"response_id": [table["second_id"][1]], "reason": ["refusal"], "detail": ["it begins with: sorry"]})
    decided = decide(ballots("fff", "sss"), method="majority")
    found = curate(decided, table, Rules(min_votes=2), screened=screened)
    assert found.preferences["pair_id"].tolist() == ["p1"]
    assert found.excluded[["pair_id", "reason", "detail"]].to_numpy().tolist() == [
        ["p2", "screen_refusal", "it begins with: sorry"]
    ]
    assert found.summary["excluded"] == {"screen_refusal": 1}
    back = curate(decided, table, Rules(min_votes=2), screened=screened.iloc[:0])
    assert back.preferences["pair_id"].tolist() == ["p1", "p2"]


def test_a_pair_set_aside_that_a_reviewer_decided_is_in_again():
    table = plain_pairs(2)
    screened = pd.DataFrame({"response_id": table["second_id"], "reason": "refusal", "detail": "it begins with: sorry"})
    decided = decide(ballots("fff", "sss"), method="majority")
    decided.loc[decided["pair_id"] == "p2", "method"] = "adjudicator"
    found = curate(decided, table, Rules(min_votes=2), screened=screened)
    assert found.preferences["pair_id"].tolist() == ["p2"]
    assert found.summary["excluded"] == {"screen_refusal": 1}
