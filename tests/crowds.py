"""Crowds: simulated annotators whose true agreement is known, to see whether an interval holds what it promises.

A person of quality q says what is true with chance q and else draws a choice from the same habits as everyone.
Two people then agree as often as their qualities say, so the true alpha follows from the qualities alone.
"""

import numpy as np
import pandas as pd

from pipeline.coding import Coded, by_item
from pipeline.resampling import Resampled, estimate

CROWDS = ("even", "spammed", "uneven")
TRUTH, HABIT = np.array([0.45, 0.15, 0.40]), np.array([0.4, 0.3, 0.3])


class Crowd:
    """A population: `even` qualities; `spammed`, a fifth of whom answer at random; `uneven`, a few do most of the work."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.mean_quality = float(self.qualities(np.random.default_rng(99), 1_000_000).mean())

    def qualities(self, draw: np.random.Generator, n: int) -> np.ndarray:
        quality = draw.beta(3, 1.5, n)
        return np.where(draw.random(n) < 0.2, 0.0, quality) if self.name == "spammed" else quality

    def study(self, draw: np.random.Generator, people: int, pairs: int, each: int) -> tuple[Coded, np.ndarray, np.ndarray]:
        """Votes, the qualities behind them, and how often each two people meet."""
        quality = self.qualities(draw, people)
        load = np.log(draw.pareto(2, people) + 0.3) if self.name == "uneven" else np.zeros(people)
        who = np.argsort(draw.gumbel(size=(pairs, people)) + load, axis=1)[:, -each:]
        items, who_flat = np.repeat(np.arange(pairs), each), who.ravel()
        truth = draw.choice(3, pairs, p=TRUTH)[items]
        labels = np.where(draw.random(len(items)) < quality[who_flat], truth, draw.choice(3, len(items), p=HABIT))
        met = np.zeros((people, people))
        for one in range(each):
            for other in range(each):
                if one != other:
                    np.add.at(met, (who[:, one], who[:, other]), 1)
        present, annotators = np.unique(who_flat, return_inverse=True)
        coded = Coded(items, annotators, labels, pairs, len(present), 3, pd.RangeIndex(pairs), pd.Index(present))
        return coded, quality, met


def true_alpha(mean: float, product: float) -> float:
    """Alpha of two people whose qualities have this mean, and this mean product."""
    same = np.eye(3)
    agree = sum(
        share * (product * same[t] + 2 * (mean - product) * same[t] * HABIT + (1 - 2 * mean + product) * HABIT**2).sum()
        for t, share in enumerate(TRUTH)
    )
    shares = mean * TRUTH + (1 - mean) * HABIT
    return float(1 - (1 - agree) / (1 - (shares**2).sum()))


def coverage(crowd: Crowd, people: int, pairs: int, each: int, *, studies: int, seed: int = 1) -> dict[str, float]:
    """How often the interval over pairs holds the alpha of these very people, and the wide one that of all people.

    No wide interval is given where one person has a part in every comparison; such studies count for the first only.
    """
    draw, narrow, wide, given = np.random.default_rng(seed), 0, 0, 0
    of_all = true_alpha(crowd.mean_quality, crowd.mean_quality**2)
    for study in range(studies):
        votes, quality, met = crowd.study(draw, people, pairs, each)
        found = estimate("krippendorff_nominal", Resampled(by_item(votes), study, 300))
        mean = float((met.sum(axis=1) * quality).sum() / met.sum())
        of_these = true_alpha(mean, float(quality @ met @ quality / met.sum()))
        narrow += found.low <= of_these <= found.high
        if found.wide_low is not None:
            given += 1
            wide += found.wide_low <= of_all <= found.wide_high
    return {"pairs": round(narrow / studies, 3), "people": round(wide / given, 3)}
