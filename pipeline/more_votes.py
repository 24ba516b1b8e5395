"""More votes: what would another vote on each pair, or more pairs, change?

Comes in: the frame of votes that count. Goes out: for each plan the votes it costs, the expected width of alpha's
interval, and how many pairs would have another majority. Each pair is taken to have its own shares of choices, drawn
from one Dirichlet distribution whose spread follows from the agreement seen so far (alpha = 1 / (1 + its sum); Minka
2000 gives the model). Checked by replay on real sets, see docs/agreement.md. A skip is not an opinion.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.coding import encode
from pipeline.coefficients import Floats, Integers, count_labels, distinct_patterns, value_of, values_of
from pipeline.records import OPINIONS, Choice

MIN_PAIRS = 20
MORE_EACH = (1, 2, 4)
MORE_PAIRS = (0.5, 1.0, 3.0)
"""More pairs, as multiples of those there are."""
DRAWS, RESAMPLES = 12, 200
MOST_PAIRS = 20_000
"""Of a larger project, the votes to come are drawn for so many of its pairs, and what they bring is scaled up."""

_MOST_SPREAD = 1e4
_NONE = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What more votes would bring.

    `plans`: columns `more_each` votes on each pair, `more_pairs` (int), `votes` to be cast, `width` of the 95 % interval
    of alpha that is expected (over pairs, the same people), `flips`: pairs expected to have another majority, or one
    where there was none, or none where there was one, of those there are now, with `flips_low, flips_high` (95 %),
    `decided_share` of the pairs expected to have a majority. The first row is the present. `pairs` and `votes` there are
    now. `why` is not empty where
    nothing can be told; then `plans` is empty.
    """

    plans: pd.DataFrame
    pairs: int = 0
    votes: int = 0
    why: str = ""


def expect(
    votes: pd.DataFrame,
    *,
    labels: Sequence[str] = OPINIONS,
    more_each: Sequence[int] = MORE_EACH,
    more_pairs: Sequence[float] = MORE_PAIRS,
    seed: int = 0,
) -> Outlook:
    """Return what more votes would bring.

    Args:
        votes: Columns `pair_id, annotator, choice`; one row per annotator and pair.
        labels: The choices annotators could make.
        more_each: How many more votes on each pair to look at.
        more_pairs: How many more pairs to look at, as multiples of those there are, with as many votes each.
        seed: Draws the votes to come.
    """
    coded = encode(votes[votes["choice"] != Choice.SKIP], labels)
    counts = count_labels(coded.items, coded.labels, n_items=coded.n_items, n_labels=len(labels))
    n = counts.sum(axis=1)
    if int((n >= 2).sum()) < MIN_PAIRS:
        return Outlook(plans=_frame([]), why=f"It takes {MIN_PAIRS} pairs with two votes or more to look ahead.")
    if np.isnan(value_of("krippendorff_nominal", counts)):
        return Outlook(plans=_frame([]), why="Every vote is the same so far, so nothing tells how later ones would differ.")
    prior, draw = _prior(counts), np.random.default_rng(seed)
    now = _width(counts, draw)
    rows = [_row(0, 0, 0, now, (0.0, 0.0, 0.0), _decided(counts))]
    rows += [_after_votes(counts, prior, more, draw) for more in more_each]
    for times in more_pairs:
        extra = round(times * len(counts))
        # Intervals over pairs shrink with the root of the number of pairs.
        width = now * float(np.sqrt(len(counts) / (len(counts) + extra)))
        rows.append(_row(0, extra, round(times * int(n.sum())), width, (0.0, 0.0, 0.0), _decided(counts)))
    return Outlook(plans=_frame(rows), pairs=len(counts), votes=int(n.sum()))


def name_plan(more_each: int, more_pairs: int) -> str:
    """Return a plan in words."""
    if more_pairs:
        return f"{more_pairs:,} more pairs, with as many votes each"
    if not more_each:
        return "as it is"
    return f"{more_each} more {'vote' if more_each == 1 else 'votes'} on each pair"


def sentence(outlook: Outlook) -> str:
    """Say what one more vote on each pair would change, and whether as much work on new pairs narrows alpha more."""
    now, *plans = outlook.plans.to_dict("records")
    begin = f"Alpha is known to within ±{now['width'] / 2:.3f} now (95 %, over pairs)."
    deeper = next((plan for plan in plans if plan["more_each"]), None)
    if deeper is None:
        return begin
    begin += (
        f" {name_plan(deeper['more_each'], 0).capitalize()} ({deeper['votes']:,} votes) would bring it to "
        f"±{deeper['width'] / 2:.3f} and change the outcome of about {deeper['flips']:,.0f} pairs "
        f"({deeper['flips_low']:,.0f} to {deeper['flips_high']:,.0f})."
    )
    # As many votes on new pairs, at as many votes a pair as now.
    wider = now["width"] * float(np.sqrt(outlook.votes / (outlook.votes + deeper["votes"])))
    if wider < deeper["width"]:
        return f"{begin} As many votes on new pairs would bring it to ±{wider / 2:.3f}, and leave these outcomes as they are."
    return f"{begin} As many votes on new pairs would bring it to ±{wider / 2:.3f} only."


def _row(
    more_each: int, more_pairs: int, votes: int, width: float, flips: tuple[float, float, float], decided: float
) -> tuple[float, ...]:
    return (more_each, more_pairs, votes, width, *flips, decided)


def _frame(rows: list[tuple[float, ...]]) -> pd.DataFrame:
    columns = ["more_each", "more_pairs", "votes", "width", "flips", "flips_low", "flips_high", "decided_share"]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[:3], int))


def _prior(counts: Integers) -> Floats:
    """The Dirichlet weights of the choices on a pair of which nothing is known yet."""
    n = counts.sum(axis=1)
    shares = (counts.sum(axis=0) + 0.5) / (counts.sum() + 0.5 * counts.shape[1])
    agreed = (counts * (counts - 1)).sum() / max(int((n * (n - 1)).sum()), 1)
    by_chance = float((shares**2).sum())
    # Two votes on one pair agree with chance (s by_chance + 1) / (s + 1), where s is the sum of the weights.
    spread = (1 - agreed) / (agreed - by_chance) if agreed > by_chance else _MOST_SPREAD
    return np.asarray(shares * np.clip(spread, 1e-3, _MOST_SPREAD))


def _after_votes(counts: Integers, prior: Floats, more: int, draw: np.random.Generator) -> tuple[float, ...]:
    """What `more` votes on each pair are expected to bring: the mean over some draws of them."""
    sample = counts if len(counts) <= MOST_PAIRS else counts[draw.choice(len(counts), MOST_PAIRS, replace=False)]
    scale = len(counts) / len(sample)
    before, flips, widths, decided = _majority(sample), [], [], []
    for _ in range(DRAWS):
        chances = draw.standard_gamma(sample + prior)
        later = sample + draw.multinomial(more, chances / chances.sum(axis=1, keepdims=True))
        flips.append(int((_majority(later) != before).sum()))
        widths.append(_width(later, draw))
        decided.append(_decided(later))
    expected = float(np.mean(flips))
    # Flips are many small chances: their number spreads like a count, plus what the draws themselves spread.
    reach = 1.96 * float(np.sqrt(expected * (1 + 1 / DRAWS)))
    if scale > 1:
        # What was not drawn is not known either: a count of the sample, scaled.
        reach *= float(np.sqrt(1 + 1 / scale))
    low, high = max(0.0, expected - reach), min(float(len(sample)), expected + reach)
    width = float(np.mean(widths)) / float(np.sqrt(scale))
    return _row(more, 0, more * len(counts), width, (expected * scale, low * scale, high * scale), float(np.mean(decided)))


def _majority(counts: Integers) -> Integers:
    """The choice with most votes on each pair, -1 where none stands alone."""
    ranked = np.sort(counts, axis=1)
    return np.where(ranked[:, -1] > ranked[:, -2], counts.argmax(axis=1), _NONE)


def _decided(counts: Integers) -> float:
    return float((_majority(counts) != _NONE).mean())


def _width(counts: Integers, draw: np.random.Generator) -> float:
    """The width of the bootstrap interval of alpha over the pairs."""
    rows, _, times = distinct_patterns(counts)
    total = int(times.sum())
    drawn = values_of("krippendorff_nominal", rows, draw.multinomial(total, times / total, RESAMPLES))[0]
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return float(high - low)
