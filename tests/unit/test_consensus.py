import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.consensus import DAWID_SKENE, advise, dawid_skene, decide, flips
from pipeline.errors import SettingsError, VoteError
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
    columns = ["pair_id", "outcome", "n_votes", "support", "confidence"]
    for method in ("majority", DAWID_SKENE):
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
    assert outcomes(frame, method=DAWID_SKENE)[-1] == "first"
    listed = flips(frame).set_index("pair_id").loc["p121"]
    assert (listed["majority"], listed["dawid_skene"], listed["n_votes"]) == ("second", "first", 5)


def test_the_order_of_the_votes_changes_no_outcome():
    frame = ballots("ffs", "sst", "fst", "fsb", "ttb", "bbf", "ffst", "sfs")
    for method in ("majority", DAWID_SKENE):
        again = decide(frame.sample(frac=1, random_state=3), method=method).sort_values("pair_id", ignore_index=True)
        pd.testing.assert_frame_equal(decide(frame, method=method), again, rtol=1e-9)


def test_the_advice_names_the_votes_per_annotator():
    assert "3 votes" in advise(ballots("ff", "fs", "ss"))
    assert "Stay with the majority" in advise(ballots("ff", "fs", "ss"))
    assert "enough for Dawid-Skene" in advise(ballots(*["ff"] * 100))
    assert "no votes" in advise(ballots())
