import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.consensus import advise, decide, flips
from pipeline.dawid_skene import dawid_skene
from pipeline.errors import SettingsError, VoteError
from pipeline.records import Method
from tests.bench.consensus import study
from tests.frames import ballots, pandalm_votes, votes


def outcomes(frame: pd.DataFrame, **options: object) -> list[str]:
    return decide(frame, **options)["outcome"].tolist()


def test_the_choice_with_most_votes_wins_and_a_split_has_no_consensus():
    assert outcomes(ballots("ffs", "sst", "fst", "fs", "ttb", "bb", "ffst")) == [
        "first",
        "second",
        "none",
        "none",
        "tie",
        "both_bad",
        "first",
    ]


def test_skips_are_not_votes():
    found = decide(ballots("ffk", "fkk", "kkk")).set_index("pair_id")
    assert found["n_votes"].tolist() == [2, 1, 0]
    assert found["outcome"].tolist() == ["first", "first", "none"]
    assert np.isnan(found.loc["p3", "support"])
    assert np.isnan(found.loc["p3", "confidence"])


def test_fewer_votes_than_wanted_decide_nothing():
    assert outcomes(ballots("ff", "fff", "f"), min_votes=3) == ["none", "first", "none"]


def test_support_is_the_share_of_the_votes_for_the_outcome():
    found = decide(ballots("ffs", "fff", "fsss"))
    assert found["support"].tolist() == pytest.approx([2 / 3, 1, 3 / 4])


def test_the_confidence_of_a_majority_by_hand():
    # At most k heads in n + 1 throws. 2 of 3: (1 + 4 + 6) / 16. 3 of 3: 15 / 16. 1 of 1: 3 / 4. 1 of 2: (1 + 3) / 8.
    found = decide(ballots("ffs", "fff", "f", "fs"))
    assert found["confidence"].tolist() == pytest.approx([11 / 16, 15 / 16, 3 / 4, 1 / 2])


def test_confidence_stays_a_number_with_thousands_of_votes():
    many = votes(*(("p1", f"a{n}", "first" if n % 2 else "second") for n in range(4001)))
    assert decide(many)["confidence"][0] == pytest.approx(0.5, abs=0.02)


def test_no_votes_give_an_empty_frame_with_the_same_columns():
    columns = ["pair_id", "outcome", "n_votes", "support", "confidence", "method"]
    for method in Method:
        assert decide(ballots(), method=method).columns.tolist() == columns
        assert decide(ballots("k"), method=method)["outcome"].tolist() == ["none"]


def test_an_unknown_method_and_an_unknown_choice_are_refused():
    with pytest.raises(SettingsError, match="no method named loudest"):
        decide(ballots("f"), method="loudest")
    with pytest.raises(VoteError, match="maybe"):
        decide(votes(("p1", "a", "maybe")))


def test_pandalms_majority_comes_out_as_published(real_data):
    counted = decide(pandalm_votes(real_data))["outcome"].value_counts()
    assert (counted["tie"], counted["first"], counted["second"]) == (105, 422, 472)
    assert len(counted) == 3


def bluebirds(folder: Path) -> tuple[pd.DataFrame, dict[str, str]]:
    cell = re.compile(r"(\d+): (true|false)")
    gold = dict(cell.findall((folder / "bluebirds_gold.yaml").read_text()))
    people = re.findall(r"(\d+): \{([^}]*)\}", (folder / "bluebirds_labels.yaml").read_text())
    rows = [(item, who, label) for who, labels in people for item, label in cell.findall(labels)]
    return pd.DataFrame(rows, columns=["item", "annotator", "label"]), gold


def barzan(folder: Path) -> tuple[pd.DataFrame, dict[str, str]]:
    table = pd.read_csv(folder / "barzan_labels.csv", dtype=str, keep_default_na=False)
    gold = pd.read_csv(folder / "barzan_gold.csv", dtype=str).set_index("t")["l"].to_dict()
    return table.rename(columns={"task": "item", "worker": "annotator"}), gold


def accuracy(labels: pd.DataFrame, gold: dict[str, str]) -> float:
    items, item_names = pd.factorize(labels["item"])
    annotators, people = pd.factorize(labels["annotator"])
    given, names = pd.factorize(labels["label"], sort=True)
    fitted = dawid_skene(items, annotators, given, n_items=len(item_names), n_annotators=len(people), n_labels=len(names))
    decided = names[fitted.posterior.argmax(axis=1)]
    return float(np.mean([gold[item] == label for item, label in zip(item_names, decided, strict=True)]))


def test_dawid_skene_is_right_on_as_many_bluebirds_as_published(real_data):
    assert round(accuracy(*bluebirds(real_data)), 3) == 0.889


def test_dawid_skene_is_right_on_as_many_of_barzans_items_as_published(real_data):
    assert accuracy(*barzan(real_data)) >= 0.709


def test_dawid_skene_listens_to_the_careful_and_not_to_the_careless():
    # a and b always agree with the truth; c, d and e press anything. On the last pair the careless outvote the careful.
    draw = np.random.default_rng(7)
    words = []
    for _ in range(120):
        truth = str(draw.choice(list("fs")))
        words.append(truth * 2 + "".join(draw.choice(list("fs"), 3)))
    frame = ballots(*words, "ffsss")
    assert outcomes(frame)[-1] == "second"
    assert outcomes(frame, method=Method.DAWID_SKENE)[-1] == "first"
    listed = flips(frame).set_index("pair_id").loc["p121"]
    assert (listed["majority"], listed["dawid-skene"], listed["n_votes"]) == ("second", "first", 5)


def test_the_order_of_the_votes_changes_no_outcome():
    frame = ballots("ffs", "sst", "fst", "fsb", "ttb", "bbf", "ffst", "sfs")
    for method in Method:
        again = decide(frame.sample(frac=1, random_state=3), method=method).sort_values("pair_id", ignore_index=True)
        pd.testing.assert_frame_equal(decide(frame, method=method), again, rtol=1e-9)


def test_the_advice_stays_with_the_majority_while_annotators_have_few_votes():
    advice = advise(ballots("ff", "fs", "ss"))
    assert advice.typical_votes == 3
    assert advice.method is Method.MAJORITY
    assert "3 votes" in advice.sentence
    assert "no votes" in advise(ballots()).sentence
    assert "no votes" in advise(ballots("kk")).sentence
    assert "cast 1 vote." in advise(ballots("ff")).sentence


def test_people_who_vote_alike_are_not_worth_weighing():
    advice = advise(ballots(*["ff", "ss"] * 60))
    # Both agree always and press first in half of their 120 votes: no difference at all.
    assert (advice.care, advice.lean) == (0, 0)
    assert advice.method is Method.MAJORITY


def test_someone_who_always_presses_the_same_choice_speaks_for_dawid_skene():
    # a and b split evenly, c says first always: shares of first .5, .5 and 1, a standard deviation of .289; chance alone
    # would give sqrt(.667 * .333 / 120) = .043, so sqrt(.289^2 - .043^2) = .285 is left.
    advice = advise(ballots(*["fff", "ssf"] * 60))
    assert advice.lean == pytest.approx(0.285, abs=0.001)
    assert advice.method is Method.DAWID_SKENE


def test_a_weighted_majority_by_hand():
    # On 40 pairs a and b agree and c differs; on the last c stands against a alone. With others who split, a agrees with half
    # of a shared lead: 20 of 41; b: 20 of 40; c never: 0 of 41; on average 40 of 122. Held by 5 votes of that average, a is
    # right with (20 + 5 * .328) / 46 = .470, and c's vote weighs nothing, so that is the confidence where a speaks alone.
    found = decide(ballots(*["ffs", "ssf"] * 20, "f.s"), method=Method.WEIGHTED).set_index("pair_id")
    assert found.loc["p41", "outcome"] == "first"
    assert found.loc["p41", "support"] == 0.5
    assert found.loc["p41", "confidence"] == pytest.approx(0.470, abs=0.0005)


def test_judges_count_as_noisy_raters_and_never_as_votes():
    # People split on p41; the judge said what they said on the 40 pairs before, so its verdict tips the balance.
    frame = ballots(*["ffs", "ssf"] * 10, *["ff.", "ss."] * 10, "fs")
    verdicts = pd.DataFrame(
        {
            "pair_id": [f"p{n}" for n in range(1, 42)] + ["p99"],
            "judge": "m",
            "choice": ["first", "second"] * 20 + ["second", "first"],
        }
    )
    alone = decide(frame, method=Method.DAWID_SKENE).set_index("pair_id").loc["p41"]
    helped = decide(frame, method=Method.JUDGE_ASSISTED, verdicts=verdicts).set_index("pair_id")
    assert helped.loc["p41", "outcome"] == "second"
    assert alone["outcome"] == "none"
    assert helped.loc["p41", "n_votes"] == 2
    assert "p99" not in helped.index
    assert "judge-assisted" in flips(frame, verdicts=verdicts).columns


def test_a_judge_that_guesses_changes_little():
    draw = np.random.default_rng(3)
    frame = ballots(*(letter * 3 for letter in draw.choice(list("fs"), 200)), "ffs")
    verdicts = pd.DataFrame(
        {"pair_id": [f"p{n}" for n in range(1, 202)], "judge": "m", "choice": draw.choice(["first", "second"], 201)}
    )
    found = decide(frame, method=Method.JUDGE_ASSISTED, verdicts=verdicts)
    assert found["outcome"].tolist() == decide(frame)["outcome"].tolist()


def as_choices(labels: pd.DataFrame) -> pd.DataFrame:
    """A set of two or more labels as votes, so that the methods for votes can be tried on it."""
    codes, _ = pd.factorize(labels["label"], sort=True)
    names = np.array(["first", "second", "tie", "both_bad"], dtype=object)
    return votes(*zip(labels["item"], labels["annotator"], names[codes], strict=True))


def test_the_advice_on_bluebirds_is_the_method_that_is_right_more_often(real_data):
    labels, gold = bluebirds(real_data)
    assert advise(as_choices(labels)).method is Method.DAWID_SKENE
    truth = {item: {"false": "first", "true": "second"}[label] for item, label in gold.items()}
    right = {}
    for method in (Method.MAJORITY, Method.WEIGHTED, Method.DAWID_SKENE):
        found = decide(as_choices(labels), method=method)
        right[method] = (found["outcome"] == found["pair_id"].map(truth)).mean()
    assert round(right[Method.MAJORITY], 3) == 0.759
    assert right[Method.MAJORITY] <= right[Method.WEIGHTED] < right[Method.DAWID_SKENE]


def right_share(found: pd.DataFrame, truth: np.ndarray) -> float:
    return float((found["outcome"].to_numpy() == truth[found["pair_id"]]).mean())


def test_among_people_who_press_first_dawid_skene_is_advised_and_right_more_often():
    cast, truth = study(1, 300, always_first=3)
    assert advise(cast).method is Method.DAWID_SKENE
    assert right_share(decide(cast, method=Method.DAWID_SKENE), truth) > right_share(decide(cast), truth) + 0.03


def test_with_few_votes_each_the_majority_is_advised_and_right_more_often():
    for people in ({}, {"careless": 3}, {"always_first": 3}):
        cast, truth = study(1, 30, **people)
        assert advise(cast).method is Method.MAJORITY
        assert right_share(decide(cast), truth) > right_share(decide(cast, method=Method.DAWID_SKENE), truth)
