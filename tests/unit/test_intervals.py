"""Intervals and chances, against scipy and statsmodels."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from pipeline.intervals import (
    binomial_chance,
    corrected,
    difference_chance,
    jackknife_deviation,
    reach_over_people,
    student_t,
    wilson,
)


@pytest.mark.parametrize(("freedom", "within"), [(2, 0.03), (3, 0.008), (5, 0.001), (9, 1e-4), (30, 1e-6), (10_000, 1e-9)])
def test_students_t_is_close_to_the_tables(freedom, within):
    assert student_t(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=within)


def test_wilsons_bounds_equal_statsmodels_and_stay_open_without_votes():
    successes, n = np.array([0, 3, 10, 0]), np.array([5, 10, 10, 0])
    low, high = wilson(successes, n)
    for place in range(3):
        expected = proportion_confint(successes[place], n[place], method="wilson")
        assert (low[place], high[place]) == pytest.approx(expected, abs=1e-9)
    assert (low[3], high[3]) == (0.0, 1.0)


@pytest.mark.parametrize(("k", "n", "p"), [(8, 10, 0.5), (5, 10, 0.5), (0, 20, 0.5), (31, 40, 0.62), (700, 1000, 0.68)])
def test_the_binomial_chance_equals_scipy(k, n, p):
    assert binomial_chance(k, n, p) == pytest.approx(stats.binomtest(k, n, p).pvalue, rel=1e-6)


@pytest.mark.parametrize(("k1", "n1", "k2", "n2"), [(8, 10, 3, 10), (5, 5, 0, 5), (50, 80, 41, 90), (0, 4, 0, 6)])
def test_the_chance_of_a_difference_equals_fishers_test(k1, n1, k2, n2):
    expected = stats.fisher_exact([[k1, n1 - k1], [k2, n2 - k2]]).pvalue
    assert difference_chance(k1, n1, k2, n2) == pytest.approx(expected, rel=1e-6)


def test_asking_many_questions_is_corrected_as_holm_says():
    chances = np.array([0.01, np.nan, 0.04, 0.03, 0.005])
    asked = ~np.isnan(chances)
    assert corrected(chances)[asked] == pytest.approx(multipletests(chances[asked], method="holm")[1])
    assert np.isnan(corrected(chances)[1])


def test_the_spread_over_people_of_a_mean_is_its_standard_error():
    # Leaving one of n numbers out of their mean: the jackknife gives the standard error s / sqrt(n).
    numbers = np.array([1.0, 4.0, 2.0, 8.0])
    without_each = np.array([np.delete(numbers, place).mean() for place in range(4)])
    assert jackknife_deviation(without_each) == pytest.approx(numbers.std(ddof=1) / 2)
    assert jackknife_deviation(np.array([0.1, 0.2])) is None


def test_few_people_make_a_wider_interval_than_many():
    assert reach_over_people(0.0, 0.1, 10) == pytest.approx(0.1 * stats.t.ppf(0.975, 9), rel=1e-3)
    assert reach_over_people(0.1, 0.0, 10) == pytest.approx(0.1 * 1.96, rel=1e-3)
    assert reach_over_people(0.0, 0.0, 10) == 0.0
