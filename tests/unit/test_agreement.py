import json

import numpy as np
import pandas as pd
import pytest

from pipeline import agreement
from pipeline.cohen import compare_annotators
from pipeline.errors import VoteError
from pipeline.intervals import student_t
from pipeline.records import OPINIONS, Choice
from tests.frames import ballots, grouped, pandalm_votes, votes


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


def test_the_offered_labels_matter_and_are_not_read_off_the_votes():
    # ff, fs, ff, ss: percent 3/4; shares 5/8 and 3/8, sum of p(1-p) is 15/32.
    # Four labels: chance 15/96, AC1 = (72 - 15) / (96 - 15) = 57/81. Two labels: chance 15/32, AC1 = 9/17.
    frame = ballots("ff", "fs", "ff", "ss")
    assert agreement.measure(frame).coefficients["gwet_ac1"].value == pytest.approx(57 / 81)
    two = agreement.measure(frame, labels=[Choice.FIRST, Choice.SECOND])
    assert two.coefficients["gwet_ac1"].value == pytest.approx(9 / 17)


def test_an_imported_study_offered_what_occurs_in_it():
    assert agreement.offered_choices(ballots("ff", "fs")) == OPINIONS
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
        # Six people: between 5 degrees of freedom (people alone) and many (pairs alone).
        freedom = 5 * ((people + sampling) / people) ** 2
        expected = 2 * student_t(freedom) * np.sqrt(people + sampling)
        assert found.wide_high - found.wide_low == pytest.approx(expected, rel=0.05)
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
    mean = compare_annotators(grouped([0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 1, 1], n_labels=2)).mean
    assert np.isnan(mean.value)


def test_votes_kept_as_codes_give_the_same_numbers_also_where_a_code_is_not_used():
    frame = random_study(5, n_pairs=60)
    codes = frame.astype({"pair_id": "category", "annotator": "category", "choice": "category"})
    for some in (slice(None), frame["pair_id"] != "p1", frame["annotator"] != "a"):
        of_codes, of_text = (agreement.measure(each.loc[some]) for each in (codes, frame))
        assert (of_codes.pairs, of_codes.annotators) == (of_text.pairs, of_text.annotators)
        for name, expected in of_text.coefficients.items():
            found = of_codes.coefficients[name]
            assert (found.value, found.low, found.wide_low) == pytest.approx((expected.value, expected.low, expected.wide_low))


def test_thousands_of_people_are_compared_as_a_few_are():
    # Codes spread over 3,000 people take the way for many; the numbers are those of the way for few.
    draw = np.random.default_rng(0)
    items, people = np.nonzero(draw.random((60, 4)) < 0.8)
    labels = draw.integers(0, 3, len(items))
    few = compare_annotators(grouped(items, people, labels, n_labels=3))
    many = compare_annotators(grouped(items, people * 1000, labels, n_labels=3))
    assert (many.a // 1000).tolist() == few.a.tolist()
    assert many.cohen == pytest.approx(few.cohen)
    assert (many.mean.value, many.mean.sampling) == pytest.approx((few.mean.value, few.mean.sampling))
    alone = compare_annotators(grouped([0, 1], [0, 2999], [0, 1], n_labels=3))
    assert len(alone.a) == 0


def test_contested_pairs_come_most_divided_first():
    # ffss: of 12 ordered pairs of votes 4 agree. ffs: 2 of 6 agree. Equal shares: more votes first. fffs: 6 of 12.
    found = agreement.contested(ballots("ffff", "fffs", "ffs.", "ffss", "f...", "kkkk"))
    assert found["pair_id"].tolist() == ["p4", "p3", "p2"]
    assert found["agreement_share"].tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 2])
    assert found.loc[0, ["first", "second", "tie", "both_bad"]].tolist() == [2, 2, 0, 0]


def test_a_third_vote_is_asked_for_only_where_pairs_lack_it():
    three, two = (
        agreement.verdict(agreement.measure(ballots(*study * 20))) for study in (["fff", "sss", "ffs"], ["ff", "ss", "fs"])
    )
    assert (three.level, two.level) == ("care", "care")
    assert three.advice == "Read the contested pairs: do the guidelines settle them?"
    assert two.advice.startswith("Ask for at least three votes a pair, and read the contested pairs")


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


def test_ratings_from_1_to_5_are_measured_on_their_scale():
    # Two raters, three answers: (5, 4), (1, 1), (3, 3). Nominal agreement is 2 of 3.
    # AC2: ordinal weights of five labels are 1 - d(d+1)/20, so neighbours agree 0.9: observed (0.9 + 1 + 1) / 3 = 29/30.
    ratings = pd.DataFrame(
        [("x", "a", 5), ("x", "b", 4.0), ("y", "a", 1), ("y", "b", 1), ("z", "a", 3), ("z", "b", 3), ("z", "c", None)],
        columns=["item_id", "annotator", "rating"],
    )
    found = agreement.measure_ratings(ratings)
    assert found["percent"].value == pytest.approx(2 / 3)
    # Shares of 1..5: 1/3, 0, 1/3, 1/6, 1/6; sum of p(1-p) = 4/9 + 10/36 = 26/36. Weights sum to 5 + 8(.9) + 6(.7) + 4(.4) = 18.
    chance = 18 / 20 * 26 / 36
    assert found["gwet_ac2"].value == pytest.approx((29 / 30 - chance) / (1 - chance))
    with pytest.raises(VoteError, match=r"Some votes say 4\.5"):
        agreement.measure_ratings(ratings.assign(rating=4.5))
