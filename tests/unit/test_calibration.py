from pathlib import Path

import numpy as np
import pytest

from pipeline.calibration import MIN_PAIRS, Correction, calibration_error, learn_correction, reliability
from pipeline.consensus import decide
from pipeline.records import Method
from tests.unit.test_consensus import as_choices, barzan, bluebirds


def test_reliability_by_hand():
    # Two outcomes at .95, one of them right; four at .65, three right.
    table = reliability(np.array([0.95, 0.95, 0.65, 0.65, 0.65, 0.65]), np.array([True, False, True, True, True, False]))
    assert table["n"].tolist() == [4, 2]
    assert table["right"].tolist() == [0.75, 0.5]
    assert table["confidence"].tolist() == pytest.approx([0.65, 0.95])
    # Wilson (1927) for 1 of 2: .0945 to .9055.
    assert (table["low"][1], table["high"][1]) == pytest.approx((0.0945, 0.9055), abs=0.0001)
    # (4 * .10 + 2 * .45) / 6
    assert calibration_error(
        np.array([0.95, 0.95, 0.65, 0.65, 0.65, 0.65]), np.array([1, 0, 1, 1, 1, 0], dtype=bool)
    ) == pytest.approx(0.2167, abs=0.0001)


def test_a_confidence_of_one_is_in_the_last_bin_and_no_pairs_have_no_error():
    assert reliability(np.array([1.0]), np.array([True]))["to_share"].tolist() == [1.0]
    assert np.isnan(calibration_error(np.array([]), np.array([], dtype=bool)))


def test_a_few_known_pairs_teach_no_correction():
    n = MIN_PAIRS - 1
    assert learn_correction(np.full(n, 0.9), np.full(n, True)) is None


def test_a_correction_that_changes_nothing_is_learned_from_a_calibrated_method():
    # At each confidence exactly that share is right, so the best correction is none: the held values themselves.
    confidence = np.repeat([0.6, 0.7, 0.8, 0.9], 100)
    right = np.concatenate([np.arange(100) < 100 * share for share in (0.6, 0.7, 0.8, 0.9)])
    correction = learn_correction(confidence, right)
    assert correction is not None
    assert (correction.shift, correction.slope) == pytest.approx((0, 1), abs=1e-6)
    assert correction.n == 400


def test_too_sure_a_method_is_taken_down():
    confidence, right = np.full(200, 0.99), np.arange(200) < 140
    correction = learn_correction(confidence, right)
    assert correction is not None
    assert correction.apply(np.array([0.99]))[0] == pytest.approx(0.7, abs=0.005)
    assert np.isnan(correction.apply(np.array([np.nan]))[0])


def corrected_across(confidence: np.ndarray, right: np.ndarray, *, folds: int = 5) -> np.ndarray:
    """Each fifth corrected by what the other four teach, so that no pair teaches its own correction."""
    fold = np.random.default_rng(0).permutation(len(right)) % folds
    out = np.empty(len(right))
    for each in range(folds):
        correction = learn_correction(confidence[fold != each], right[fold != each]) or Correction(0, 1, 0)
        out[fold == each] = correction.apply(confidence[fold == each])
    return out


@pytest.mark.parametrize("name", ["bluebirds", "barzan"])
@pytest.mark.parametrize("method", ["majority", "weighted", "dawid-skene"])
def test_confidence_on_real_sets_is_nearer_the_truth_after_correction(real_data: Path, name: str, method: str):
    labels, gold = {"bluebirds": bluebirds, "barzan": barzan}[name](real_data)
    found = decide(as_choices(labels), method=Method(method))
    names = dict(zip(sorted(labels["label"].unique()), ["first", "second", "tie", "both_bad"], strict=False))
    decided = found["outcome"] != "none"
    confidence = found["confidence"][decided].to_numpy()
    right = (found["outcome"] == found["pair_id"].map(gold).map(names))[decided].to_numpy(dtype=bool)
    before, after = calibration_error(confidence, right), calibration_error(corrected_across(confidence, right), right)
    print(f"{name} {method}: calibration error {before:.3f} before, {after:.3f} after, on {len(right)} items")
    assert after < before
    assert after < {"bluebirds": 0.12, "barzan": 0.05}[name]
