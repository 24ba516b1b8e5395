"""Resampling: do the intervals hold what they promise? Short simulations; `python -m tests.bench coverage` is longer."""

import pytest

from tests.crowds import CROWDS, Crowd, coverage, true_alpha


@pytest.mark.parametrize("crowd", CROWDS)
def test_both_intervals_of_alpha_hold_what_they_promise_from_ten_annotators_on(crowd):
    measured = coverage(Crowd(crowd), 10, 200, 3, studies=300)
    # Goals .93 to .97 over pairs and .90 over people too; 300 studies measure within .025.
    assert 0.905 <= measured["pairs"] <= 0.995
    assert measured["people"] >= 0.875


def test_the_simulations_know_the_true_alpha():
    # Perfect people agree always; people who only follow habit agree no more than by chance.
    assert true_alpha(1.0, 1.0) == pytest.approx(1.0)
    assert true_alpha(0.0, 0.0) == pytest.approx(0.0)
