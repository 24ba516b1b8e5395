"""Estimates: what will a run cost and how long will it take, before anything is spent?

Reads the real prompts and, where there are any, the answers a model gave before; returns lows and highs, never a single
number. No tokenizer is at hand, so the sizes of the texts speak first, and the model's own counts as soon as it has some.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.errors import GenerationError
from pipeline.records import Endpoint, Prompt
from pipeline.shares import Z
from pipeline.terms import dollars, price

BYTES_PER_TOKEN = (5.0, 2.0)
"""How many bytes of UTF-8 make one token: at best, and at worst, over tokenizers and scripts."""

TOKENS_AROUND = 12
"""Tokens that a chat template adds to a request."""

JUDGE_TOKENS_AROUND = (350, 700)
"""Tokens that the judge's instructions add to each request, by the same rule of thumb."""

SHORT_ANSWER_TOKENS = 60
VERDICT_TOKENS = (60, 400)
SECONDS_PER_ANSWER = (1.0, 20.0)
MEASURED_FROM = 10
"""From so many counted answers on, the model's own counts are believed."""

Range = tuple[float, float]
Size = TypeVar("Size", float, npt.NDArray[np.float64])


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What `requests` requests will take, from low to high; prices are None where they are not known."""

    requests: int
    tokens_in: tuple[int, int]
    tokens_out: tuple[int, int]
    seconds: Range
    cost_usd: Range | None


def rough_tokens(text: str) -> tuple[int, int]:
    """Return how many tokens a text may be, at least and at most; a rule of thumb, for no tokenizer is at hand."""
    size = float(len(text.encode("utf-8", "surrogatepass")))
    return round(size / BYTES_PER_TOKEN[0]), round(most_tokens(size))


def most_tokens(size_bytes: Size) -> Size:
    """Return how many tokens so many bytes of UTF-8 may be at most: what prices, limits and health reports reckon with."""
    return size_bytes / BYTES_PER_TOKEN[1]


def estimate_answers(
    prompts: Sequence[Prompt], system_prompt: str, endpoint: Endpoint, *, measured: pd.DataFrame | None = None
) -> Estimate:
    """Return what answering the prompts will take.

    Args:
        prompts: The prompts that have no answer yet.
        system_prompt: The text sent with each of them.
        endpoint: Its prices, the longest answer, and how many requests it takes at once.
        measured: Answers this model gave before (columns `tokens_out`, `seconds`), if any: then the answers'
            length and time are taken from them instead of from a rule of thumb.
    """
    sizes = [rough_tokens(system_prompt + prompt.text) for prompt in prompts]
    around = TOKENS_AROUND * len(prompts)
    tokens_in = (sum(low for low, _ in sizes) + around, sum(high for _, high in sizes) + around)
    written: Range = (min(SHORT_ANSWER_TOKENS, endpoint.max_tokens), endpoint.max_tokens)
    return _estimate(len(prompts), tokens_in, written, endpoint, measured)


def surely_too_long(prompts: Sequence[Prompt], system_prompt: str, *, context_tokens: int) -> list[Prompt]:
    """Return the prompts that even at the lowest estimate do not fit into a model's context."""
    return [one for one in prompts if rough_tokens(system_prompt + one.text)[0] + TOKENS_AROUND >= context_tokens]


def estimate_verdicts(pairs: pd.DataFrame, endpoint: Endpoint, *, measured: pd.DataFrame | None = None) -> Estimate:
    """Return what judging pairs will take. `pairs`: columns `prompt, first, second`, and `orders`: the verdicts it lacks."""
    texts, orders = (pairs["prompt"] + pairs["first"] + pairs["second"]).tolist(), pairs["orders"].tolist()
    sizes = [rough_tokens(text) for text in texts]
    low, high = (
        sum(count * (size[end] + JUDGE_TOKENS_AROUND[end]) for size, count in zip(sizes, orders, strict=True)) for end in (0, 1)
    )
    return _estimate(sum(orders), (low, high), VERDICT_TOKENS, endpoint, measured)


def _estimate(
    requests: int, tokens_in: tuple[int, int], written: Range, endpoint: Endpoint, measured: pd.DataFrame | None
) -> Estimate:
    """The estimate; a model's own counts replace the rule of thumb where there are enough of them."""
    seconds: Range = SECONDS_PER_ANSWER
    if measured is not None and (counted := measured[measured["tokens_out"] > 0]).shape[0] >= MEASURED_FROM:
        written = _of_next(counted["tokens_out"], requests)
        seconds = _of_next(counted["seconds"], requests)
    tokens_out = (round(written[0] * requests), round(written[1] * requests))
    rounds = max(1.0, requests / endpoint.concurrency) if requests else 0.0
    low, high = (price(endpoint, tokens_in[end], tokens_out[end]) for end in (0, 1))
    return Estimate(
        requests=requests,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        seconds=(seconds[0] * rounds, seconds[1] * rounds),
        cost_usd=None if low is None or high is None else (low, high),
    )


def _of_next(seen: pd.Series, count: int) -> Range:
    """The 95 % prediction interval of the mean of the next `count` values, from those seen; never below 0."""
    values = pd.to_numeric(seen).astype(float)
    half = Z * float(values.std(ddof=1)) * math.sqrt(1 / len(values) + 1 / max(count, 1))
    return max(0.0, float(values.mean()) - half), float(values.mean()) + half


def check_budget(told: Estimate, endpoint: Endpoint, *, spent_usd: float = 0.0) -> None:
    """Refuse a budget that is surely smaller than one answer.

    Raises:
        GenerationError: What is left of the budget does not carry a single request, at the lowest estimate.
    """
    if endpoint.budget_usd is None or told.cost_usd is None or not told.requests:
        return
    one, left = told.cost_usd[0] / told.requests, endpoint.budget_usd - spent_usd
    if left < one:
        raise GenerationError(
            f"The budget leaves {dollars(max(left, 0))} US dollars, and one answer costs at least about {dollars(one)}.",
            hint="Raise the budget: it is for the whole project, and what earlier runs spent counts.",
        )
