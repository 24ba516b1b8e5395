"""How fast are all agreement coefficients with 1,000 resamples, against the krippendorff library called per resample?"""

import json
import os
import platform
import time

import krippendorff
import numpy as np
import pandas as pd

from pipeline import agreement
from pipeline.coefficients import count_labels, value_of

N_VOTES, N_PAIRS, N_ANNOTATORS, RESAMPLES, TIMED_CALLS = 1_000_000, 333_334, 500, 1000, 5
GOAL_SECONDS = 3.0
NAMES = np.array(["first", "tie", "second", "both_bad"])


def make_votes(seed: int = 0) -> pd.DataFrame:
    """Three votes a pair from 500 annotators of mixed quality."""
    draw = np.random.default_rng(seed)
    pairs = np.repeat(np.arange(N_PAIRS), 3)[:N_VOTES]
    annotators = (draw.integers(0, N_ANNOTATORS, N_PAIRS)[pairs] + np.tile([0, 7, 19], N_PAIRS)[:N_VOTES]) % N_ANNOTATORS
    truth = draw.choice(4, N_PAIRS, p=[0.42, 0.1, 0.42, 0.06])[pairs]
    right = draw.random(N_VOTES) < draw.uniform(0.4, 0.95, N_ANNOTATORS)[annotators]
    labels = np.where(right, truth, draw.integers(0, 4, N_VOTES))
    columns = {"pair_id": pairs.astype(str), "annotator": annotators.astype(str), "choice": NAMES[labels]}
    return pd.DataFrame(columns).assign(seconds=5.0)


def main() -> int:
    """Print conditions and one line of JSON; 1 where a goal is missed."""
    print(f"{N_VOTES:,} votes, {N_PAIRS:,} pairs, {N_ANNOTATORS} annotators, {RESAMPLES} resamples of the pairs, 4 choices")
    print(f"python {platform.python_version()}, numpy {np.__version__}, {os.cpu_count()} processors")
    print(f"the library (nominal alpha only, from counts) is timed on {TIMED_CALLS} resamples and extrapolated to {RESAMPLES}")
    votes = make_votes()
    start = time.perf_counter()
    report = agreement.measure(votes, resamples=RESAMPLES)
    ours = time.perf_counter() - start
    labels = pd.Index(NAMES).get_indexer(votes["choice"])
    counts = count_labels(pd.factorize(votes["pair_id"])[0], labels, n_items=N_PAIRS, n_labels=4)
    draw = np.random.default_rng(0)
    start = time.perf_counter()
    for _ in range(TIMED_CALLS):
        krippendorff.alpha(value_counts=counts[draw.integers(0, N_PAIRS, N_PAIRS)], level_of_measurement="nominal")
    theirs = (time.perf_counter() - start) / TIMED_CALLS * RESAMPLES
    apart = abs(
        krippendorff.alpha(value_counts=counts, level_of_measurement="nominal") - value_of("krippendorff_nominal", counts)
    )
    figures = {
        "all_coefficients_s": round(ours, 3),
        "coefficients": len(report.coefficients),
        "library_one_coefficient_s_extrapolated": round(theirs, 1),
        "times_faster": round(theirs / ours, 1),
        "alpha_apart": float(apart),
        "goal_s": GOAL_SECONDS,
    }
    print(json.dumps(figures))
    return int(ours > GOAL_SECONDS or apart > 1e-9)
