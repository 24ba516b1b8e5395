import json
from pathlib import Path

import krippendorff
import numpy as np
import pandas as pd
import pytest

from pipeline import agreement
from pipeline.coefficients import count_labels, ordinal_weights, value_of
from pipeline.cohen import compare_annotators, kappas
from pipeline.errors import VoteError
from pipeline.records import Choice
from tests.frames import ballots, pandalm_votes, votes

# Krippendorff (2011), section C: four observers, twelve units, five values; 0 is a missing value.
KRIPPENDORFF_2011 = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
    [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
]
# Wikipedia, "Krippendorff's alpha": three coders, fifteen units, four values.
WIKIPEDIA_ALPHA = [
    [0, 0, 0, 0, 0, 3, 4, 1, 2, 1, 1, 3, 3, 0, 3],
    [1, 0, 2, 1, 3, 3, 4, 3, 0, 0, 0, 0, 0, 0, 0],
    [0, 0, 2, 1, 3, 4, 4, 0, 2, 1, 1, 3, 3, 0, 4],
]


@pytest.fixture(scope="module")
def published(real_data: Path) -> dict[str, dict]:
    return json.loads((real_data / "reference_values.json").read_text(encoding="utf-8"))


def counts_of(observers: list[list[int]], n_labels: int) -> np.ndarray:
    rows = np.array(observers)
    items = np.broadcast_to(np.arange(rows.shape[1]), rows.shape)[rows > 0]
    return count_labels(items, rows[rows > 0] - 1, n_items=rows.shape[1], n_labels=n_labels)


def counts_of_table(table: list[list[int]]) -> np.ndarray:
    """Two raters' contingency table as a count matrix."""
    k = len(table)
    rows = [np.eye(k, dtype=int)[i] + np.eye(k, dtype=int)[j] for i in range(k) for j in range(k) for _ in range(table[i][j])]
    return np.array(rows)


def test_krippendorff_2011_comes_out_as_published(published):
    example = published["krippendorff2011_4obs_12units"]
    counts = counts_of(KRIPPENDORFF_2011, 5)
    assert value_of("krippendorff_nominal", counts) == pytest.approx(example["recomputed"]["alpha_nominal"], abs=5e-7)
    assert value_of("krippendorff_ordinal", counts) == pytest.approx(example["recomputed"]["alpha_ordinal"], abs=5e-7)
    assert round(value_of("krippendorff_nominal", counts), 3) == example["published"]["alpha_nominal"]
    assert round(value_of("krippendorff_ordinal", counts), 3) == example["published"]["alpha_ordinal"]


def test_gwets_software_gives_the_same_on_krippendorffs_table_with_missing_votes(published):
    in_r = published["krippendorff2011_4obs_12units"]["R_irrCAC_README"]
    counts = counts_of(KRIPPENDORFF_2011, 5)
    assert value_of("percent", counts) == pytest.approx(in_r["pa"], abs=5e-8)
    assert value_of("gwet_ac1", counts) == pytest.approx(in_r["AC1"], abs=5e-6)
    assert value_of("fleiss", counts) == pytest.approx(in_r["fleiss"], abs=5e-6)


def test_wikipedias_alpha_comes_out_as_published(published):
    example = published["wikipedia_alpha_3coders_15units"]
    counts = counts_of(WIKIPEDIA_ALPHA, 4)
    assert round(value_of("krippendorff_nominal", counts), 3) == example["published"]["alpha_nominal"]
    assert value_of("krippendorff_ordinal", counts) == pytest.approx(example["recomputed"]["alpha_ordinal"], abs=5e-7)


def test_wikipedias_fleiss_kappa_comes_out_as_published(published):
    example = published["wikipedia_fleiss_10subjects_14raters"]
    counts = np.array(example["table"])
    assert value_of("fleiss", counts) == pytest.approx(example["recomputed"]["fleiss"], abs=1e-12)
    assert round(value_of("fleiss", counts), 2) == example["published"]["fleiss"]
    assert value_of("krippendorff_nominal", counts) == pytest.approx(example["recomputed"]["alpha_nominal"], abs=5e-7)


def test_gwets_two_raters_come_out_as_published(published):
    example = published["irrCAC_cont3x3abstractors"]
    counts, said = counts_of_table(example["table"]), example["published"]
    assert value_of("percent", counts) == pytest.approx(said["percent"], abs=1e-12)
    assert value_of("gwet_ac1", counts) == pytest.approx(said["AC1"], abs=5e-8)
    assert value_of("krippendorff_nominal", counts) == pytest.approx(said["krippendorff"], abs=5e-8)
    assert value_of("fleiss", counts) == pytest.approx(said["scott"], abs=5e-8)  # for two raters Fleiss' is Scott's pi


@pytest.mark.parametrize("name", ["irrCAC_cont3x3abstractors", "statsmodels_table10_SAS"])
def test_cohens_kappa_comes_out_as_published(published, name):
    _, cohen, _ = kappas(np.array([published[name]["table"]], dtype=float))
    assert cohen[0] == pytest.approx(published[name]["recomputed"]["cohen"], abs=1e-9)


def test_pandalm_comes_out_as_published(real_data, published):
    said = published["pandalm_testset_v1"]["recomputed"]
    report = agreement.measure(pandalm_votes(real_data))
    found = {name: coefficient.value for name, coefficient in report.coefficients.items()}
    assert (report.votes, report.pairs, report.annotators) == (2997, 999, 3)
    assert found["percent"] == pytest.approx(said["pairwise_percent"], abs=5e-6)
    assert found["krippendorff_nominal"] == pytest.approx(said["alpha_nominal"], abs=5e-7)
    assert found["fleiss"] == pytest.approx(said["fleiss"], abs=5e-7)
    assert found["gwet_ac1"] == pytest.approx(said["AC1"], abs=5e-6)
    assert found["cohen_mean"] == pytest.approx((0.852 + 0.8789 + 0.8617) / 3, abs=1e-4)
    assert [round(kappa, 2) for kappa in report.annotator_pairs["cohen"]] == [0.85, 0.88, 0.86]


@pytest.mark.parametrize("seed", range(5))
def test_alpha_equals_the_krippendorff_library_on_ragged_votes(seed):
    draw = np.random.default_rng(seed)
    counts = draw.multinomial(1, [0.5, 0.2, 0.2, 0.1], size=(80, 6)).cumsum(axis=1)[np.arange(80), draw.integers(0, 6, 80)]
    for level in ("nominal", "ordinal"):
        expected = krippendorff.alpha(value_counts=counts, level_of_measurement=level)
        assert value_of(f"krippendorff_{level}", counts) == pytest.approx(expected, abs=1e-9)


def test_a_pair_with_one_vote_counts_in_the_label_shares_only():
    # p1 agrees, p2 does not: observed 1/2. Shares over p1, p2, p3: first (1 + 1/2 + 0)/3 = 1/2, second 1/2.
    # AC1 with two labels: chance = 1/2 * 1/2 + 1/2 * 1/2 = 1/2, so (1/2 - 1/2) / (1/2) = 0.
    # Without p3 the shares would be 3/4 and 1/4, chance 3/8, AC1 = (1/8) / (5/8) = 1/5.
    counts = np.array([[2, 0], [1, 1], [0, 1]])
    assert value_of("percent", counts) == pytest.approx(0.5)
    assert value_of("gwet_ac1", counts) == pytest.approx(0.0)
    assert value_of("gwet_ac1", counts[:2]) == pytest.approx(0.2)


def test_gwets_ac2_by_hand():
    # Ordinal weights of three labels: 1 - 1/3 for neighbours, 0 for the ends; their sum is 3 + 4 * 2/3 = 17/3.
    # Observed: p1 (first, tie) 2/3, p2 (first, first) 1, mean 5/6. Shares 3/4, 1/4, 0: sum of p(1-p) is 3/8.
    # Chance: 17/3 / 6 * 3/8 = 17/48. AC2 = (40/48 - 17/48) / (31/48) = 23/31.
    assert ordinal_weights(3).tolist() == pytest.approx(np.array([[1, 2 / 3, 0], [2 / 3, 1, 2 / 3], [0, 2 / 3, 1]]))
    assert value_of("gwet_ac2", np.array([[1, 1, 0], [2, 0, 0]])) == pytest.approx(23 / 31)


def test_agreement_with_most_of_the_others_by_hand():
    # ffs: a and b each see the others split (not compared), c sees two firsts and differs. fff: three agree. 3 of 4.
    assert value_of("with_others", np.array([[2, 1, 0], [3, 0, 0]])) == pytest.approx(0.75)


def test_the_offered_labels_matter_and_are_not_read_off_the_votes():
    # ff, fs, ff, ss: percent 3/4; shares 5/8 and 3/8, sum of p(1-p) is 15/32.
    # Four labels: chance 15/96, AC1 = (72 - 15) / (96 - 15) = 57/81. Two labels: chance 15/32, AC1 = 9/17.
    frame = ballots("ff", "fs", "ff", "ss")
    assert agreement.measure(frame).coefficients["gwet_ac1"].value == pytest.approx(57 / 81)
    two = agreement.measure(frame, labels=[Choice.FIRST, Choice.SECOND])
    assert two.coefficients["gwet_ac1"].value == pytest.approx(9 / 17)


def test_an_imported_study_offered_what_occurs_in_it():
    assert agreement.offered_choices(ballots("ff", "fs")) == agreement.ALL_CHOICES
    untimed = votes(("p1", "a", "first"), ("p1", "b", "tie"), seconds=None)
    assert agreement.offered_choices(untimed) == (Choice.FIRST, Choice.TIE)


def test_skips_are_counted_and_enter_nothing():
    with_skips, without = agreement.measure(ballots("ffk", "fsk", "kss")), agreement.measure(ballots("ff.", "fs.", ".ss"))
    assert (with_skips.votes, with_skips.skipped) == (6, 3)
    assert {name: c.value for name, c in with_skips.coefficients.items()} == {
        name: c.value for name, c in without.coefficients.items()
    }


def test_both_bad_is_left_out_of_the_ordinal_coefficients():
    report = agreement.measure(ballots("ffb", "fsb", "ttb", "bbb"))
    assert report.coefficients["krippendorff_nominal"].n == 4
    assert report.coefficients["krippendorff_ordinal"].n == 3
    without = agreement.measure(ballots("ff", "fs", "tt")).coefficients["krippendorff_ordinal"]
    assert report.coefficients["krippendorff_ordinal"].value == pytest.approx(without.value)


def test_a_second_vote_of_one_annotator_on_a_pair_is_refused():
    with pytest.raises(VoteError, match="1 repeated votes, first on pair p1"):
        agreement.measure(votes(("p1", "ana", "first"), ("p1", "ana", "tie")))


def test_a_choice_that_was_not_offered_is_refused():
    with pytest.raises(VoteError, match="Some votes say tie"):
        agreement.measure(ballots("ft"), labels=[Choice.FIRST, Choice.SECOND])


def test_without_two_votes_on_a_pair_every_coefficient_is_undefined_and_says_why():
    for frame in (ballots(), ballots("f..", ".s.", "k.k")):
        report = agreement.measure(frame)
        for coefficient in report.coefficients.values():
            assert coefficient.value is None
            assert coefficient.low is None
            assert coefficient.why
        json.dumps(report.as_json(), allow_nan=False)


def test_when_every_vote_is_the_same_alpha_is_undefined_and_ac1_is_1():
    found = agreement.measure(ballots(*["ff"] * 10)).coefficients
    assert found["krippendorff_nominal"].value is None
    assert "same" in found["krippendorff_nominal"].why
    assert found["gwet_ac1"].value == 1.0
    # All 10 pairs agree: at 97.5 % the share of all pairs that do is at least 0.025^(1/10) = 0.6915.
    assert found["percent"].low == pytest.approx(0.6915, abs=1e-4)


def test_one_pair_says_nothing_about_others():
    percent = agreement.measure(ballots("ff")).coefficients["percent"]
    assert (percent.value, percent.low, percent.high, percent.n) == (1.0, 0.0, 1.0, 1)
    assert percent.why


def random_study(seed: int, n_pairs: int = 300, n_annotators: int = 6) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    words = []
    for _ in range(n_pairs):
        truth = draw.choice(list("fst"), p=[0.5, 0.3, 0.2])
        said = [truth if draw.random() < 0.4 + 0.08 * seat else draw.choice(list("fst")) for seat in range(n_annotators)]
        words.append("".join(letter if draw.random() < 0.6 else "." for letter in said))
    return ballots(*words)


def test_the_narrow_interval_equals_resampling_the_pairs_one_by_one():
    frame, draw = random_study(3), np.random.default_rng(0)
    by_pair = frame.set_index("pair_id", drop=False).sort_index()
    names, values = by_pair.index.unique().to_numpy(), []
    for _ in range(200):
        drawn = pd.DataFrame({"place": np.arange(len(names)).astype(str)}, index=draw.choice(names, len(names)))
        again = drawn.join(by_pair).drop(columns="pair_id").rename(columns={"place": "pair_id"})
        values.append({name: c.value for name, c in agreement.measure(again, resamples=2).coefficients.items()})
    found = agreement.measure(frame).coefficients
    for name in ("percent", "krippendorff_nominal", "gwet_ac1", "cohen_mean"):
        expected = np.std([value[name] for value in values])
        assert (found[name].high - found[name].low) / 3.92 == pytest.approx(expected, rel=0.2)


def test_the_wide_interval_adds_the_jackknife_over_annotators():
    frame = random_study(4)
    for name in ("krippendorff_nominal", "gwet_ac1", "cohen_mean"):
        found = agreement.measure(frame).coefficients[name]
        left = [
            agreement.measure(frame[frame["annotator"] != who], resamples=2).coefficients[name].value
            for who in sorted(frame["annotator"].unique())
        ]
        people = 5 / 6 * np.sum((np.array(left) - np.mean(left)) ** 2)
        sampling = ((found.high - found.low) / 3.92) ** 2
        assert (found.wide_high - found.wide_low) / 3.92 == pytest.approx(np.sqrt(people + sampling), rel=0.05)
        assert found.wide_low <= found.low <= found.value <= found.high <= found.wide_high


def test_the_order_of_the_votes_changes_no_number_and_the_seed_fixes_the_intervals():
    frame = random_study(5)
    shuffled = frame.sample(frac=1, random_state=1)
    assert agreement.measure(frame).as_json() == agreement.measure(shuffled).as_json()
    assert agreement.measure(frame, seed=1).as_json() != agreement.measure(frame, seed=2).as_json()


def test_annotator_pairs_hold_each_two_people_once_with_their_shared_pairs():
    table = agreement.measure(ballots("ffs", "ff.", "sf.", ".st")).annotator_pairs
    rows = {(row.a, row.b): (row.n, row.percent) for row in table.itertuples()}
    assert rows == {("a", "b"): (3, pytest.approx(2 / 3)), ("a", "c"): (1, 0.0), ("b", "c"): (2, 0.0)}


def test_people_who_share_few_pairs_do_not_enter_the_mean_of_cohens_kappa():
    mean = compare_annotators(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), np.array([0, 1, 1, 1]), n_labels=2).mean
    assert np.isnan(mean.value)


def test_contested_pairs_come_most_divided_first():
    # ffss: of 12 ordered pairs of votes 4 agree. ffs: 2 of 6 agree. Equal shares: more votes first. fffs: 6 of 12.
    found = agreement.contested(ballots("ffff", "fffs", "ffs.", "ffss", "f...", "kkkk"))
    assert found["pair_id"].tolist() == ["p4", "p3", "p2"]
    assert found["agreement_share"].tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 2])
    assert found.loc[0, ["first", "second", "tie", "both_bad"]].tolist() == [2, 2, 0, 0]


def test_the_verdict_follows_the_lower_end_of_the_interval():
    assert agreement.verdict(agreement.measure(ballots("ff", "ss"))).level == "unknown"
    assert agreement.verdict(agreement.measure(ballots(*["fff", "sss"] * 40))).level == "yes"
    assert agreement.verdict(agreement.measure(ballots(*["fff", "sss", "ffs", "ssf"] * 20))).level == "care"
    assert agreement.verdict(agreement.measure(ballots(*["ff", "fs", "sf", "ss"] * 20))).level == "no"
    assert agreement.verdict(agreement.measure(ballots(*["ff"] * 40))).level == "unknown"


def test_one_dominating_choice_is_pointed_out():
    # 45 pairs ff, 5 pairs fs: 90 % agreement, but alpha is near 0.
    assert "95% of all votes say first" in agreement.prevalence_note(agreement.measure(ballots(*["ff"] * 45, *["fs"] * 5)))
    assert agreement.prevalence_note(agreement.measure(ballots(*["ff", "ss"] * 20, "fs"))) == ""
