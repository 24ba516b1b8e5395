"""Calibration: of the outcomes we call 80 % sure, are 80 % right?

Comes in: confidences, and whether each outcome was right, on pairs whose truth is known (a reviewer decided them, or a
published set tells). Goes out: a reliability table, its error in one number, and a correction learned from such pairs
(Platt 1999, two numbers, held near "no correction" while there are few pairs). Knows no votes.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.intervals import Floats, wilson

Booleans = NDArray[np.bool_]

MIN_PAIRS = 30
"""With fewer known pairs than this a correction would be noise."""
_FURTHEST = 1e-3
_HELD = np.array([0.1, 1.0])
_NO_CORRECTION = np.array([0.0, 1.0])


def reliability(confidence: Floats, right: Booleans, *, bins: int = 10) -> pd.DataFrame:
    """Return how often outcomes of about the same confidence were right.

    Returns:
        One row per bin that holds any: `from_share, to_share` (its bounds in [0, 1]), `n`, `confidence` (mean),
        `right` (share), `low, high` (95 %, Wilson). A calibrated method has `right` near `confidence` in each.
    """
    bin_of = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    n = np.bincount(bin_of, minlength=bins).astype(float)
    hits = np.bincount(bin_of, right.astype(float), minlength=bins)
    low, high = wilson(hits, n)
    safe = np.maximum(n, 1)
    frame = pd.DataFrame(
        {
            "from_share": np.arange(bins) / bins,
            "to_share": np.arange(1, bins + 1) / bins,
            "n": n.astype(int),
            "confidence": np.bincount(bin_of, confidence, minlength=bins) / safe,
            "right": hits / safe,
            "low": low,
            "high": high,
        }
    )
    return frame[frame["n"] > 0].reset_index(drop=True)


def calibration_error(confidence: Floats, right: Booleans, *, bins: int = 10) -> float:
    """Return the mean distance of confidence and share right over the bins, weighted by n; NaN without pairs."""
    table = reliability(confidence, right, bins=bins)
    if table.empty:
        return float("nan")
    return float(np.average((table["confidence"] - table["right"]).abs(), weights=table["n"]))


class Correction(NamedTuple):
    """Confidence c becomes the chance whose log-odds are `shift + slope` x the log-odds of c; `n` pairs taught it."""

    shift: float
    slope: float
    n: int

    def apply(self, confidence: Floats) -> Floats:
        """Return corrected confidences; what is missing stays missing."""
        return np.asarray(1 / (1 + np.exp(-(self.shift + self.slope * _log_odds(confidence)))))


def learn_correction(confidence: Floats, right: Booleans) -> Correction | None:
    """Return the correction that fits pairs whose truth is known, None with fewer than MIN_PAIRS of them."""
    known = ~np.isnan(confidence)
    if int(known.sum()) < MIN_PAIRS:
        return None
    columns = np.column_stack([np.ones(int(known.sum())), _log_odds(confidence[known])])
    found = _NO_CORRECTION.copy()
    for _ in range(50):
        found, moved = _newton_step(found, columns, right[known].astype(float))
        if moved < 1e-9:
            break
    return Correction(float(found[0]), float(found[1]), int(known.sum()))


def _log_odds(confidence: Floats) -> Floats:
    # Cut short of 0 and 1: a posterior of 1 - 1e-12 claims no more that can be believed than .999.
    kept = np.clip(confidence, _FURTHEST, 1 - _FURTHEST)
    return np.asarray(np.log(kept / (1 - kept)))


def _loss(found: Floats, columns: Floats, right: Floats) -> float:
    z = columns @ found
    return float((np.logaddexp(0, z) - right * z).sum() + 0.5 * (_HELD * (found - _NO_CORRECTION) ** 2).sum())


def _newton_step(found: Floats, columns: Floats, right: Floats) -> tuple[Floats, float]:
    """One step of Newton's method, halved until the loss falls; and how far it went."""
    chance = 1 / (1 + np.exp(-(columns @ found)))
    gradient = columns.T @ (right - chance) - _HELD * (found - _NO_CORRECTION)
    curvature = (columns * (chance * (1 - chance))[:, None]).T @ columns + np.diag(_HELD)
    step = np.linalg.solve(curvature, gradient)
    before = _loss(found, columns, right)
    while _loss(found + step, columns, right) > before + 1e-12 and np.abs(step).max() > 1e-12:
        step = step / 2
    return found + step, float(np.abs(step).max())


def correct(consensus: pd.DataFrame, decisions: pd.DataFrame) -> pd.DataFrame:
    """Correct the confidence of outcomes by what reviewers decided; unchanged where too few pairs were reviewed.

    Args:
        consensus: Columns `pair_id, outcome, confidence`, of votes alone.
        decisions: Columns `pair_id, choice`. Drawn at random they teach most: only contested pairs teach too much doubt.
    """
    confidence, right = known_outcomes(consensus, decisions)
    correction = learn_correction(confidence, right)
    if correction is None:
        return consensus
    return consensus.assign(confidence=correction.apply(consensus["confidence"].to_numpy(dtype=float)))


def known_outcomes(consensus: pd.DataFrame, decisions: pd.DataFrame) -> tuple[Floats, Booleans]:
    """Return the confidence of the outcomes that reviewers looked at too, and whether they came to the same."""
    both = consensus[consensus["outcome"] != "none"].merge(decisions[["pair_id", "choice"]], on="pair_id")
    both = both[both["confidence"].notna()]
    return both["confidence"].to_numpy(dtype=float), (both["outcome"] == both["choice"]).to_numpy(dtype=bool)
