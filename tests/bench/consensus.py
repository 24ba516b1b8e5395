"""How fast is our Dawid-Skene, against crowd-kit's, and which method decides better under which conditions?

crowd-kit would bring transformers along, so it is no dependency. Unpack it without its dependencies
(`pip install --no-deps --target FOLDER crowd-kit scikit-learn joblib threadpoolctl attrs tqdm`) and name the folder in
STUDIO_CROWD_KIT to be compared with it; otherwise with the same algorithm in plain pandas, written here.
"""

import importlib
import json
import os
import platform
import sys
import time
import types
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import pandas as pd

from pipeline.consensus import advise, decide
from pipeline.dawid_skene import dawid_skene
from pipeline.records import OPINIONS

N_ITEMS, VOTES_EACH, N_ANNOTATORS, N_OPINIONS, ROUNDS = 20_000, 5, 200, 4, 20
GOAL_RATIO = 4.0
Result = TypeVar("Result")


def make_labels(seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Five votes an item by annotators of mixed quality, and the truth."""
    draw = np.random.default_rng(seed)
    truth = draw.integers(0, N_OPINIONS, N_ITEMS)
    items = np.repeat(np.arange(N_ITEMS), VOTES_EACH)
    steps = np.tile(np.arange(VOTES_EACH) * 37, N_ITEMS)
    annotators = (draw.integers(0, N_ANNOTATORS, N_ITEMS)[items] + steps) % N_ANNOTATORS
    right = draw.random(len(items)) < draw.uniform(0.35, 0.95, N_ANNOTATORS)[annotators]
    labels = np.where(right, truth[items], draw.integers(0, N_OPINIONS, len(items)))
    return pd.DataFrame({"task": items, "worker": annotators, "label": labels}), truth


def plain_dawid_skene(votes: pd.DataFrame, rounds: int) -> pd.DataFrame:
    """Dawid and Skene (1979) with joins and group-bys; one vote added to each cell, as ours."""
    posterior = pd.crosstab(votes["task"], votes["label"], normalize="index")
    for _ in range(rounds):
        prior = (posterior.sum() + 1) / (posterior.sum() + 1).sum()
        joined = votes.join(posterior, on="task")
        errors = joined.drop(columns="task").groupby(["worker", "label"]).sum()
        every = pd.MultiIndex.from_product([range(N_ANNOTATORS), range(N_OPINIONS)], names=["worker", "label"])
        errors = errors.reindex(every, fill_value=0) + 1
        errors = errors / errors.groupby("worker").transform("sum")
        logs = votes.join(np.log(errors), on=["worker", "label"]).drop(columns=["worker", "label"])
        scores = logs.groupby("task").sum() + np.log(prior)
        scores = np.exp(scores.sub(scores.max(axis=1), axis=0))
        posterior = scores.div(scores.sum(axis=1), axis=0)
    return posterior


def crowd_kit(votes: pd.DataFrame, rounds: int) -> pd.DataFrame | None:
    """The posterior of crowd-kit's own Dawid-Skene, None where STUDIO_CROWD_KIT names no folder."""
    folder = os.environ.get("STUDIO_CROWD_KIT")
    if not folder:
        return None
    sys.path.append(folder)
    # The packages' own first files import every method, transformers included; these stand in for them.
    for name in ("crowdkit", "crowdkit.aggregation", "crowdkit.aggregation.classification"):
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = [f"{folder}/{name.replace('.', '/')}"]
    theirs = importlib.import_module("crowdkit.aggregation.classification.dawid_skene").DawidSkene
    return theirs(n_iter=rounds, tol=0).fit_predict_proba(votes)


def study(seed: int, votes_each: int, *, careless: int = 0, always_first: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Votes of 12 annotators, three a pair, right 70 % of the time (standard deviation 15), and the truth.

    `careless` of them guess, `always_first` of them press first nine times in ten.
    """
    draw = np.random.default_rng(seed)
    n_items, shares = 12 * votes_each // 3, [0.45, 0.35, 0.15, 0.05]
    truth, items = draw.choice(4, n_items, p=shares), np.repeat(np.arange(n_items), 3)
    annotators = np.concatenate([draw.choice(12, 3, replace=False) for _ in range(n_items)])
    care = np.clip(0.7 + 0.15 * draw.standard_normal(12), 0.25, 0.98)
    care[:careless] = 0.25
    labels = np.where(draw.random(len(items)) < care[annotators], truth[items], draw.choice(4, len(items), p=shares))
    labels = np.where((annotators < always_first) & (draw.random(len(items)) < 0.9), 0, labels)
    names = np.array([str(label) for label in OPINIONS], dtype=object)
    return pd.DataFrame({"pair_id": items, "annotator": annotators, "choice": names[labels]}), names[truth]


def accuracies(studies: int = 10) -> pd.DataFrame:
    """Share right on the pairs a majority decides, by condition and method, and how often Dawid-Skene is advised."""
    rows = []
    for people in ({}, {"careless": 3}, {"always_first": 3}):
        for votes_each in (10, 30, 100, 300):
            found: list[list[float]] = []
            for seed in range(studies):
                votes, truth = study(seed, votes_each, **people)
                decided = {method: decide(votes, method=method) for method in ("majority", "weighted", "dawid-skene")}
                sure = (decided["majority"]["outcome"] != "none").to_numpy()
                right = [(frame["outcome"].to_numpy() == truth[frame["pair_id"]])[sure].mean() for frame in decided.values()]
                found.append([*right, advise(votes).method == "dawid-skene"])
            means = [round(float(mean), 3) for mean in np.mean(found, axis=0)]
            rows.append([str(people or "nobody"), votes_each, *means])
    return pd.DataFrame(rows, columns=["careless or lazy", "votes each", "majority", "weighted", "dawid-skene", "advised"])


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """What the work returns, and the seconds of the fastest of three tries."""
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return result, min(seconds)


def main() -> int:
    """Print conditions and one line of JSON; 1 where a goal is missed."""
    votes, truth = make_labels()
    print(f"{len(votes):,} votes, {N_ITEMS:,} items, {N_ANNOTATORS} annotators, {N_OPINIONS} labels, {ROUNDS} rounds each")
    print(f"python {platform.python_version()}, numpy {np.__version__}, pandas {pd.__version__}, {os.cpu_count()} processors")
    kit = "crowd-kit's own" if os.environ.get("STUDIO_CROWD_KIT") else "the same algorithm in plain pandas, written here"
    print(f"compared with {kit}")
    columns = (votes["task"].to_numpy(), votes["worker"].to_numpy(), votes["label"].to_numpy())
    fitted, ours = timed(
        lambda: dawid_skene(
            *columns, n_items=N_ITEMS, n_annotators=N_ANNOTATORS, n_labels=N_OPINIONS, max_rounds=ROUNDS, tolerance=0
        )
    )
    plain, theirs = timed(lambda: plain_dawid_skene(votes, ROUNDS))
    found, kit_s = timed(lambda: crowd_kit(votes, ROUNDS))
    apart = float(np.abs(fitted.posterior - plain.to_numpy()).max())
    print(accuracies().to_string(index=False))
    counts = np.bincount(columns[0] * N_OPINIONS + columns[2], minlength=N_ITEMS * N_OPINIONS).reshape(-1, N_OPINIONS)
    figures = {
        "ours_s": round(ours, 3),
        "plain_pandas_s": round(theirs, 3),
        "times_faster": round(theirs / ours, 1),
        "crowd_kit_s": None if found is None else round(kit_s, 3),
        "times_faster_than_crowd_kit": None if found is None else round(kit_s / ours, 1),
        "posterior_apart": apart,
        "accuracy": round(float((fitted.posterior.argmax(axis=1) == truth).mean()), 4),
        "accuracy_majority": round(float((counts.argmax(axis=1) == truth).mean()), 4),
        "goal_times_faster": GOAL_RATIO,
    }
    print(json.dumps(figures))
    return int(theirs / ours < GOAL_RATIO or apart > 1e-6)
