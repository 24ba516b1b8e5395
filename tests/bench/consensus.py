"""How fast is our Dawid-Skene, against the same algorithm written plainly with pandas, as crowd-kit writes it?"""

import json
import os
import platform
import time

import numpy as np
import pandas as pd

from pipeline.consensus import dawid_skene

N_ITEMS, VOTES_EACH, N_ANNOTATORS, N_LABELS, ROUNDS = 20_000, 5, 200, 4, 20
GOAL_RATIO = 3.0


def make_labels(seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Five votes an item by annotators of mixed quality, and the truth."""
    draw = np.random.default_rng(seed)
    truth = draw.integers(0, N_LABELS, N_ITEMS)
    items = np.repeat(np.arange(N_ITEMS), VOTES_EACH)
    steps = np.tile(np.arange(VOTES_EACH) * 37, N_ITEMS)
    annotators = (draw.integers(0, N_ANNOTATORS, N_ITEMS)[items] + steps) % N_ANNOTATORS
    right = draw.random(len(items)) < draw.uniform(0.35, 0.95, N_ANNOTATORS)[annotators]
    labels = np.where(right, truth[items], draw.integers(0, N_LABELS, len(items)))
    return pd.DataFrame({"task": items, "worker": annotators, "label": labels}), truth


def plain_dawid_skene(votes: pd.DataFrame, rounds: int) -> pd.DataFrame:
    """Dawid and Skene (1979) with joins and group-bys; one vote added to each cell, as ours."""
    posterior = pd.crosstab(votes["task"], votes["label"], normalize="index")
    for _ in range(rounds):
        prior = (posterior.sum() + 1) / (posterior.sum() + 1).sum()
        joined = votes.join(posterior, on="task")
        errors = joined.drop(columns="task").groupby(["worker", "label"]).sum()
        every = pd.MultiIndex.from_product([range(N_ANNOTATORS), range(N_LABELS)], names=["worker", "label"])
        errors = errors.reindex(every, fill_value=0) + 1
        errors = errors / errors.groupby("worker").transform("sum")
        logs = votes.join(np.log(errors), on=["worker", "label"]).drop(columns=["worker", "label"])
        scores = logs.groupby("task").sum() + np.log(prior)
        scores = np.exp(scores.sub(scores.max(axis=1), axis=0))
        posterior = scores.div(scores.sum(axis=1), axis=0)
    return posterior


def main() -> int:
    """Print conditions and one line of JSON; 1 where a goal is missed."""
    votes, truth = make_labels()
    print(f"{len(votes):,} votes, {N_ITEMS:,} items, {N_ANNOTATORS} annotators, {N_LABELS} labels, {ROUNDS} rounds each")
    print(f"python {platform.python_version()}, numpy {np.__version__}, pandas {pd.__version__}, {os.cpu_count()} processors")
    print("compared with the same algorithm in plain pandas, written here; crowd-kit itself would bring transformers along")
    columns = (votes["task"].to_numpy(), votes["worker"].to_numpy(), votes["label"].to_numpy())
    start = time.perf_counter()
    fitted = dawid_skene(*columns, n_items=N_ITEMS, n_annotators=N_ANNOTATORS, n_labels=N_LABELS, max_rounds=ROUNDS, tolerance=0)
    ours = time.perf_counter() - start
    start = time.perf_counter()
    plain = plain_dawid_skene(votes, ROUNDS)
    theirs = time.perf_counter() - start
    apart = float(np.abs(fitted.posterior - plain.to_numpy()).max())
    counts = np.bincount(columns[0] * N_LABELS + columns[2], minlength=N_ITEMS * N_LABELS).reshape(-1, N_LABELS)
    figures = {
        "ours_s": round(ours, 3),
        "plain_pandas_s": round(theirs, 3),
        "times_faster": round(theirs / ours, 1),
        "posterior_apart": apart,
        "accuracy": round(float((fitted.posterior.argmax(axis=1) == truth).mean()), 4),
        "accuracy_majority": round(float((counts.argmax(axis=1) == truth).mean()), 4),
        "goal_times_faster": GOAL_RATIO,
    }
    print(json.dumps(figures))
    return int(theirs / ours < GOAL_RATIO or apart > 1e-6)
