"""Intervals: how far may a share or a mean be from what was seen, by chance alone?

Comes in: counts or numbers. Goes out: bounds and chances. Sources: Wilson (1927) for shares; Student (1908), in
the expansion of Fisher and Cornish (1960); Satterthwaite (1946) for mixed degrees of freedom; Holm (1979) for
many questions at once. Never reads votes, files or the network.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

Z_95 = 1.959963984540054
"""Of a normal distribution, 95 % lies within so many standard deviations."""


def student_t(freedom: float) -> float:
    """Return the two-sided 95 % point of Student's t; within 0.1 % from 5 degrees of freedom, 3 % at 2."""
    z, v = Z_95, max(freedom, 1.0)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92_160,
    )
    return z + sum(term / v**power for power, term in enumerate(terms, start=1))


def wilson(successes: Floats | Integers, n: Floats | Integers) -> tuple[Floats, Floats]:
    """Return Wilson's 95 % bounds of a share; 0 to 1 where n is 0."""
    k, total = np.asarray(successes, dtype=np.float64), np.asarray(n, dtype=np.float64)
    some = np.maximum(total, 1)
    share, z2 = k / some, Z_95**2
    middle = (share + z2 / (2 * some)) / (1 + z2 / some)
    reach = Z_95 * np.sqrt(share * (1 - share) / some + z2 / (4 * some**2)) / (1 + z2 / some)
    seen = total > 0
    return np.where(seen, np.clip(middle - reach, 0, 1), 0.0), np.where(seen, np.clip(middle + reach, 0, 1), 1.0)


def binomial_chance(successes: int, n: int, expected: float = 0.5) -> float:
    """Return the chance of a count at least as unlikely as this one, were `expected` the true share; 1 where n is 0.

    The exact two-sided test: all counts that are no more likely than the one seen are added up.
    """
    if n == 0 or not 0 < expected < 1:
        return 1.0
    counts = np.arange(n + 1)
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    likely = logs[n] - logs - logs[::-1] + counts * np.log(expected) + (n - counts) * np.log1p(-expected)
    # Counts that are equally likely by symmetry may differ in the last digit.
    return float(min(1.0, np.exp(likely[likely <= likely[successes] + 1e-9]).sum()))


def difference_chance(one: int, n_one: int, other: int, n_other: int) -> float:
    """Return the chance of two shares so far apart were they equal: Fisher's exact test, two-sided."""
    total, yes = n_one + n_other, one + other
    if not n_one or not n_other or yes in (0, total):
        return 1.0
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, total + 1)))])

    def ways(n: int | Integers, k: int | Integers) -> Floats:
        return np.asarray(logs[n] - logs[k] - logs[np.asarray(n) - np.asarray(k)])

    drawn = np.arange(max(0, yes - n_other), min(yes, n_one) + 1)
    likely = ways(n_one, drawn) + ways(n_other, yes - drawn) - ways(total, yes)
    return float(min(1.0, np.exp(likely[likely <= likely[one - drawn[0]] + 1e-9]).sum()))


def corrected(chances: Floats) -> Floats:
    """Return the chances corrected for asking so many questions at once, by Holm's step-down; NaN stays NaN."""
    found = np.asarray(chances, dtype=np.float64)
    asked = np.flatnonzero(~np.isnan(found))
    order = asked[np.argsort(found[asked], kind="stable")]
    steps = np.minimum(1.0, np.maximum.accumulate(found[order] * np.arange(len(order), 0, -1)))
    out = np.full(len(found), np.nan)
    out[order] = steps
    return out


def jackknife_deviation(without_each: Floats) -> float | None:
    """Return how far a number moves with the people behind it; None with fewer than three, or where it is undefined."""
    a = len(without_each)
    if a < 3 or np.isnan(without_each).any():
        return None
    return float(np.sqrt((a - 1) / a * ((without_each - without_each.mean()) ** 2).sum()))


def reach_over_people(sampling: float, people: float, n_people: int) -> float:
    """Return half the width of a 95 % interval for other pairs and other people.

    The deviation over people rests on few people, that over pairs on many pairs: Student's t, with degrees of
    freedom between n_people - 1 and many, as the people's part of the variance is large or small.
    """
    total = sampling**2 + people**2
    if total == 0:
        return 0.0
    freedom = (n_people - 1) / max((people**2 / total) ** 2, 1e-9)
    return student_t(freedom) * float(np.sqrt(total))
