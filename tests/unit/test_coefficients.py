"""Coefficients against published values and against the libraries that others use."""

from itertools import combinations

import krippendorff
import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa, fleiss_kappa

from pipeline.coefficients import count_labels, ordinal_weights, value_of
from pipeline.cohen import Margins, compare_annotators, kappas, scotts
from tests.frames import grouped

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


def counts_of(observers: list[list[int]], n_labels: int) -> np.ndarray:
    rows = np.array(observers)
    items = np.broadcast_to(np.arange(rows.shape[1]), rows.shape)[rows > 0]
    return count_labels(items, rows[rows > 0] - 1, n_items=rows.shape[1], n_labels=n_labels)


def margins(table: list[list[int]]) -> Margins:
    """Two annotators' contingency table as its sum, diagonal and margins."""
    cells = np.array(table, dtype=float)[:, :, None]
    return Margins(cells.sum(axis=(0, 1)), np.trace(cells), cells.sum(axis=1), cells.sum(axis=0))


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
    cohen, _ = kappas(margins(published[name]["table"]))
    assert cohen[0] == pytest.approx(published[name]["recomputed"]["cohen"], abs=1e-9)


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


# Fleiss (1971), table 1, first fifteen patients, as the R package irrCAC ships them (`distrib.6raters`).
FLEISS_15 = [
    [0, 0, 0, 6, 0], [0, 3, 0, 0, 3], [0, 1, 4, 0, 1], [0, 0, 0, 0, 6], [0, 3, 0, 3, 0],
    [2, 0, 4, 0, 0], [0, 0, 4, 0, 2], [2, 0, 3, 1, 0], [2, 0, 0, 4, 0], [0, 0, 0, 0, 6],
    [1, 0, 0, 5, 0], [1, 1, 0, 4, 0], [0, 3, 3, 0, 0], [1, 0, 0, 5, 0], [0, 2, 0, 3, 1],
]  # fmt: skip
# Fleiss (1971), table 1: the diagnoses of six psychiatrists for each of thirty patients, in no order.
FLEISS_30 = (
    "444444 222555 233335 555555 222444 113333 333355 113334 114444 555555 144444 124444 222333 144444 224445 "
    "333335 111455 111112 224444 133555 555555 244444 224555 114444 144445 222224 111155 224444 133333 555555"
)
# Gwet (2014): five observers, fifteen units, scores 0-3; a dot is a missing one (irrCAC `cac.raw5obser`).
GWET_5_OBSERVERS = ["112.001122.0131", "1130000.2110231", "203000222100221", ".13....0.10022.", "2..0001.2....31"]
# Gwet (2014): four raters, fifteen people, three labels (irrCAC `cac.raw.gender`).
GWET_GENDER = ["aaaaabbbcaaaaab", "aaaababccaaaaba", "abbcaabbcabbcaa", "ccccaabbcccccaa"]
# Gwet (2014): two diagnoses of 223 patients (irrCAC `cont4x4diagnosis`).
GWET_4X4 = [[40, 4, 4, 17], [6, 25, 2, 13], [4, 1, 21, 12], [15, 5, 9, 45]]


def counts_of_words(observers: list[str], labels: str) -> np.ndarray:
    return counts_of([[labels.find(letter) + 1 for letter in word] for word in observers], len(labels))


def test_fleiss_1971_comes_out_as_published(published):
    example = published["fleiss1971_psychiatric_30x6"]
    counts = np.array([np.bincount([int(digit) - 1 for digit in word], minlength=5) for word in FLEISS_30.split()])
    assert counts.sum(axis=0).tolist() == example["category_totals"]
    assert round(value_of("fleiss", counts), 2) == example["published"]["fleiss"]
    assert value_of("fleiss", counts) == pytest.approx(example["published"]["fleiss_R_irr"], abs=5e-8)
    assert value_of("krippendorff_nominal", counts) == pytest.approx(example["recomputed"]["alpha_nominal"], abs=5e-6)
    assert value_of("gwet_ac1", counts) == pytest.approx(example["recomputed"]["AC1"], abs=5e-6)


def test_gwets_software_gives_the_same_on_fifteen_of_fleiss_patients(published):
    said, counts = published["irrCAC_distrib.6raters_15x6"]["published"], np.array(FLEISS_15)
    names = {
        "AC1": "gwet_ac1",
        "fleiss": "fleiss",
        "krippendorff": "krippendorff_nominal",
        "brennan_prediger": "brennan_prediger",
    }
    for theirs, ours in names.items():
        assert value_of(ours, counts) == pytest.approx(said[theirs], abs=5e-8), theirs


def test_brennan_and_predigers_kappa_comes_out_as_published(published):
    in_r = published["krippendorff2011_4obs_12units"]["R_irrCAC_README"]
    assert value_of("brennan_prediger", counts_of(KRIPPENDORFF_2011, 5)) == pytest.approx(in_r["brennan_prediger"], abs=5e-6)
    table = published["irrCAC_cont3x3abstractors"]
    counts = counts_of_table(table["table"])
    assert value_of("brennan_prediger", counts) == pytest.approx(table["published"]["brennan_prediger"], abs=1e-12)
    wikipedia = published["wikipedia_fleiss_10subjects_14raters"]
    expected = wikipedia["recomputed"]["randolph"]
    assert value_of("brennan_prediger", np.array(wikipedia["table"])) == pytest.approx(expected, abs=1e-12)


def test_scotts_pi_comes_out_as_published(published):
    table = published["irrCAC_cont3x3abstractors"]
    assert scotts(margins(table["table"]))[0] == pytest.approx(table["published"]["scott"], abs=5e-8)


@pytest.mark.parametrize(
    ("counts", "name", "expected"),
    [
        # Values printed in the tests of irrCAC for Python, which repeat those of Gwet's R package.
        (counts_of(KRIPPENDORFF_2011, 5), "gwet_ac2", 0.899),
        (counts_of_table([[13, 0, 0], [0, 20, 7], [0, 4, 56]]), "gwet_ac2", 0.925),
        (counts_of_table(GWET_4X4), "gwet_ac2", 0.324),
        (counts_of_table(GWET_4X4), "gwet_ac1", 0.456),
        (counts_of_words(GWET_5_OBSERVERS, "0123"), "gwet_ac1", 0.497),
        (counts_of_words(GWET_5_OBSERVERS, "0123"), "krippendorff_nominal", 0.481),
        (counts_of_words(GWET_GENDER, "abc"), "gwet_ac1", 0.208),
        (counts_of_words(GWET_GENDER, "abc"), "krippendorff_nominal", 0.143),
    ],
)
def test_gwets_examples_come_out_as_published(counts, name, expected):
    assert round(value_of(name, counts), 3) == expected


@pytest.mark.parametrize("seed", range(5))
def test_alpha_equals_the_krippendorff_library_on_ragged_votes(seed):
    counts = ragged_counts(seed)
    for level in ("nominal", "ordinal"):
        expected = krippendorff.alpha(value_counts=counts, level_of_measurement=level)
        assert value_of(f"krippendorff_{level}", counts) == pytest.approx(expected, abs=1e-9)


def ragged_counts(seed: int, n_items: int = 80, most: int = 6) -> np.ndarray:
    """Zero to five labels for each item."""
    draw = np.random.default_rng(seed)
    one_by_one = draw.multinomial(1, [0.5, 0.2, 0.2, 0.1], size=(n_items, most)).cumsum(axis=1)
    counts = one_by_one[np.arange(n_items), draw.integers(0, most, n_items)]
    return counts * (np.arange(n_items) % 9 > 0)[:, None]


@pytest.mark.parametrize("seed", range(5))
def test_fleiss_and_brennan_prediger_equal_statsmodels_where_every_item_has_as_many_labels(seed):
    counts = np.random.default_rng(seed).multinomial(5, [0.5, 0.2, 0.2, 0.1], size=60)
    assert value_of("fleiss", counts) == pytest.approx(fleiss_kappa(counts, method="fleiss"), abs=1e-9)
    assert value_of("brennan_prediger", counts) == pytest.approx(fleiss_kappa(counts, method="randolph"), abs=1e-9)


def plain_gwet(counts: np.ndarray, weights: np.ndarray) -> float:
    """Gwet (2014), formulas 4.16 to 4.19, item by item and label by label."""
    seen = [row for row in counts.tolist() if sum(row) >= 1]
    k, agreements = counts.shape[1], []
    for row in seen:
        if sum(row) < 2:
            continue
        weighed = [sum(weights[a][b] * row[b] for b in range(k)) for a in range(k)]
        agreements.append(sum(row[a] * (weighed[a] - 1) for a in range(k)) / (sum(row) * (sum(row) - 1)))
    shares = [sum(row[a] / sum(row) for row in seen) / len(seen) for a in range(k)]
    by_chance = weights.sum() / (k * (k - 1)) * sum(share * (1 - share) for share in shares)
    return (sum(agreements) / len(agreements) - by_chance) / (1 - by_chance)


@pytest.mark.parametrize("seed", range(5))
def test_gwets_coefficients_equal_his_formulas_written_out_on_ragged_votes(seed):
    counts = ragged_counts(seed)
    assert value_of("gwet_ac1", counts) == pytest.approx(plain_gwet(counts, np.eye(4)), abs=1e-9)
    assert value_of("gwet_ac2", counts) == pytest.approx(plain_gwet(counts, ordinal_weights(4)), abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_every_two_annotators_get_the_kappa_of_scikit_learn_and_statsmodels(seed):
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 3, (40, 5))
    labels[draw.random((40, 5)) < 0.3] = -1
    items, people = np.nonzero(labels >= 0)
    found = compare_annotators(grouped(items, people, labels[items, people], n_labels=3))
    assert list(zip(found.a.tolist(), found.b.tolist(), strict=True)) == list(combinations(range(5), 2))
    for a, b, n, cohen in zip(found.a, found.b, found.n, found.cohen, strict=True):
        both = (labels[:, a] >= 0) & (labels[:, b] >= 0)
        one, other = labels[both, a], labels[both, b]
        table = np.bincount(one * 3 + other, minlength=9).reshape(3, 3)
        assert n == both.sum()
        assert cohen == pytest.approx(cohen_kappa_score(one, other), abs=1e-9)
        assert cohen == pytest.approx(cohens_kappa(table, return_results=False), abs=1e-9)


def test_scotts_pi_of_two_people_is_fleiss_kappa_of_the_two():
    table = np.random.default_rng(0).integers(1, 9, (4, 4))
    assert scotts(margins(table.tolist()))[0] == pytest.approx(value_of("fleiss", counts_of_table(table.tolist())), abs=1e-12)
