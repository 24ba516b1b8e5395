"""Do the two intervals of alpha hold what they promise? Simulated studies whose true alpha is known."""

import json

import numpy as np

from tests.crowds import CROWDS, Crowd, coverage

STUDIES = 400
SIZES = ((10, 100, 2), (10, 300, 3), (10, 1000, 3), (20, 300, 3), (20, 500, 5), (40, 500, 3))
GOALS = {"pairs": (0.93, 0.97), "people": (0.90, 1.0)}


def main() -> int:
    """Print conditions and one line of JSON; 1 where a goal is missed by more than chance explains."""
    print(f"{STUDIES} simulated studies each; annotators x pairs x votes a pair; 95 % intervals of Krippendorff's alpha")
    print("pairs: the same people, other pairs; people: other pairs and other people of the same population")
    figures = {}
    for crowd in CROWDS:
        for people, pairs, each in SIZES:
            figures[f"{crowd} {people}x{pairs}x{each}"] = coverage(Crowd(crowd), people, pairs, each, studies=STUDIES)
    # Two standard errors of a share near .95 in so many studies.
    slack = 2 * float(np.sqrt(0.05 * 0.95 / STUDIES))
    print(json.dumps(figures | {"goals": GOALS, "slack": round(slack, 3)}))
    return int(
        any(
            not low - slack <= measured[name] <= high + slack
            for measured in figures.values()
            for name, (low, high) in GOALS.items()
        )
    )
