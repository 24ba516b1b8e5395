"""Health: would a model that trains on these preferences learn what people prefer, or something else?

The preferences of a release come in, one row each; numbers go out, each with its 95 % interval and the number of rows behind it,
and what it means where it is a concern. Of more than MOST_ROWS rows the first are looked at: they are sorted by a hash, so this
is a fair draw. Reads no files, changes nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd

from pipeline.estimates import BYTES_PER_TOKEN, rough_tokens
from pipeline.intervals import Floats, student_t
from pipeline.near_duplicates import find_repeats, plain
from pipeline.records import HUMAN
from pipeline.shares import share_interval
from pipeline.tongues import LETTERS_NEEDED, dominant_script

MOST_ROWS = 5_000
FEW_ROWS = 100
"""Below so many rows a share moves by more than ten points by chance alone."""
MAX_LENGTH = 1024
"""Tokens of prompt and answer together that TRL's trainers keep unless told otherwise; the recipes tell them."""
ESTIMATED = (
    f"An estimate of what it is at most: one token for {BYTES_PER_TOKEN[1]:g} bytes. A model's own tokenizer decides, and takes"
    " fewer in most languages."
)
MANY_TOO_LONG = 0.05
QUANTILES = (0.5, 0.9, 0.99, 1.0)
MARKUP = re.compile(
    r"^\s{0,3}(?:#{1,6}\s|[-*+]\s|\d+[.)]\s|>|```|\|.*\|)|\*\*[^*\n]+\*\*|`[^`\n]+`|\[[^\]\n]+\]\([^)\n]+\)", re.MULTILINE
)
"""Headings, lists, quotes, code, tables, bold and links of Markdown."""

Count = Callable[[str], int]
Speaks = Callable[[str], str]
"""Text to why it is not in the language of the project; empty where it is, or where that cannot be told."""


COLUMNS = ("prompt", "chosen", "rejected", "chosen_source", "rejected_source", "agreement")
"""What is looked at of a preference."""


class Unit(StrEnum):
    """What a number counts."""

    SHARE = "share"
    TIMES = "times"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One number of the report: a share from 0 to 1 or a ratio, None where it is not defined. `note` says what to do."""

    name: str
    label: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    unit: Unit = Unit.SHARE
    note: str = ""
    is_concern: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """How long one part of the rows is, in tokens, at each of QUANTILES."""

    part: str
    n: int
    at: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The report. `chosen_by_source` has a finding for each source: how often its answer was chosen where it was shown."""

    rows: int
    looked_at: int
    findings: tuple[Finding, ...]
    chosen_by_source: tuple[Finding, ...]
    tokens: tuple[Tokens, ...]
    max_length: int
    token_note: str

    @property
    def is_small(self) -> bool:
        """Whether there are so few rows that a missing concern says little."""
        return self.looked_at < FEW_ROWS

    @property
    def concerns(self) -> list[Finding]:
        """The findings somebody should read before training."""
        return [finding for finding in (*self.findings, *self.chosen_by_source) if finding.is_concern]


def estimate_tokens(text: str) -> int:
    """Return how many tokens a text is at most, by the rule of thumb of `estimates`."""
    return rough_tokens(text)[1]


def examine(
    preferences: pd.DataFrame,
    *,
    rows: int | None = None,
    speaks: Speaks = lambda _: "",
    count: Count = estimate_tokens,
    counted_by: str = "",
    max_length: int = MAX_LENGTH,
) -> Health:
    """Return the health report of a release.

    Args:
        preferences: Columns COLUMNS; one row per preference.
        rows: How many preferences there are, where these are only the first of them.
        speaks: Says why a text is not in the project's language.
        count: Tokens of a text.
        counted_by: The tokenizer behind `count`; empty for the estimate.
        max_length: Tokens that the trainer keeps of prompt and answer together; the recipes say how many.
    """
    seen = preferences.head(MOST_ROWS)
    texts = seen[["prompt", "chosen", "rejected"]].astype(str)
    tokens = texts.map(count).astype(int)
    return Health(
        rows=len(preferences) if rows is None else rows,
        looked_at=len(seen),
        findings=(
            *_sides(texts),
            *_lengths(texts),
            _markup(texts),
            *_truncation(texts, tokens, count, max_length),
            _language(texts, speaks),
            *_duplicates(texts),
            _agreement(seen),
        ),
        chosen_by_source=tuple(_by_source(seen)),
        tokens=tuple(_quantiles(tokens)),
        max_length=max_length,
        token_note=f"Counted with {counted_by}." if counted_by else ESTIMATED,
    )


def _share(name: str, label: str, count: int, of: int, *, note: str = "", concern: bool | None = None) -> Finding:
    """A share with Wilson's interval; a concern where it is above 0, unless that is said otherwise."""
    low, high = share_interval(count, of)
    worry = bool(count) if concern is None else concern
    return Finding(
        name=name,
        label=label,
        value=count / of if of else None,
        low=low if of else None,
        high=high if of else None,
        n=of,
        note=note if worry else "",
        is_concern=worry and bool(of),
    )


def _sides(texts: pd.DataFrame) -> Iterable[Finding]:
    pairs = list(zip(texts["chosen"], texts["rejected"], strict=True))
    same = sum(chosen == rejected for chosen, rejected in pairs)
    near = sum(chosen != rejected and _is_near(chosen, rejected) for chosen, rejected in pairs)
    yield _share("identical", "Chosen and rejected are the same text", same, len(pairs), note="Such a row teaches nothing.")
    note = "Such rows teach a comma, not a preference. Look at them on the Curate page."
    yield _share("near_identical", "Chosen and rejected are nearly the same text", near, len(pairs), note=note)


def _is_near(one: str, other: str) -> bool:
    short, long = sorted((len(one), len(other)))
    # Texts of very different length cannot share nearly all their pieces, but for one that repeats itself.
    return plain(one) == plain(other) or (short >= 0.8 * long and find_repeats([one, other])[1] is not None)


def _lengths(texts: pd.DataFrame) -> Iterable[Finding]:
    chosen, rejected = (texts[side].str.len().to_numpy(dtype=float) for side in ("chosen", "rejected"))
    differ = chosen != rejected
    longer, n = int((chosen > rejected).sum()), int(differ.sum())
    low, high = share_interval(longer, n)
    note = "A model may learn to write long. Use a length-normalised or length-desensitised loss, or collect more votes."
    short = "A model may learn to write short. Read some rows and see whether that is what people meant."
    yield _share(
        "longer_chosen",
        "The longer answer was chosen (rows whose answers differ in length)",
        longer,
        n,
        note=note if low > 0.5 else short,
        concern=bool(n) and (low > 0.5 or high < 0.5),
    )
    ratio = np.log((chosen + 1) / (rejected + 1)) if len(chosen) else np.array([])
    yield _times("length_ratio", "Chosen against rejected in characters (geometric mean)", ratio)


def _times(name: str, label: str, logs: Floats) -> Finding:
    """The geometric mean of ratios whose logarithms are given, with Student's interval."""
    n = len(logs)
    if n == 0:
        return Finding(name=name, label=label, value=None, low=None, high=None, n=0, unit=Unit.TIMES)
    mean = float(logs.mean())
    reach = student_t(n - 1) * float(logs.std(ddof=1)) / math.sqrt(n) if n > 1 else None
    return Finding(
        name=name,
        label=label,
        value=math.exp(mean),
        low=None if reach is None else math.exp(mean - reach),
        high=None if reach is None else math.exp(mean + reach),
        n=n,
        unit=Unit.TIMES,
    )


def _markup(texts: pd.DataFrame) -> Finding:
    chosen, rejected = (texts[side].map(lambda text: len(MARKUP.findall(text))) for side in ("chosen", "rejected"))
    more, n = int((chosen > rejected).sum()), int((chosen != rejected).sum())
    low, high = share_interval(more, n)
    return _share(
        "more_markup_chosen",
        "The answer with more mark-up was chosen (rows that differ in it)",
        more,
        n,
        note="A model may learn lists and bold text, or to avoid them, instead of content.",
        concern=bool(n) and (low > 0.5 or high < 0.5),
    )


def _truncation(texts: pd.DataFrame, tokens: pd.DataFrame, count: Count, max_length: int) -> Iterable[Finding]:
    longest = tokens["prompt"] + tokens[["chosen", "rejected"]].max(axis=1)
    too_long = int((longest > max_length).sum())
    yield _share(
        "too_long",
        f"Longer than {max_length:,} tokens with the prompt, so cut in training",
        too_long,
        len(tokens),
        note="Train with a larger max_length, or leave these rows out.",
        concern=bool(len(tokens)) and too_long / max(len(tokens), 1) > MANY_TOO_LONG,
    )
    cut = texts[longest > max_length]
    starts = [_shared_start(*sides) for sides in zip(cut["chosen"].tolist(), cut["rejected"].tolist(), strict=True)]
    before = tokens.loc[cut.index, "prompt"].tolist()
    same = sum(prompt + count(start) >= max_length for prompt, start in zip(before, starts, strict=True))
    note = f"After the cut both sides are the same text, and the row teaches nothing. Raise max_length above {max_length:,}."
    yield _share("identical_when_cut", f"The same on both sides once cut at {max_length:,} tokens", same, len(tokens), note=note)


def _shared_start(one: str, other: str) -> str:
    end = next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return one[:end]


def _language(texts: pd.DataFrame, speaks: Speaks) -> Finding:
    told = [text for text in texts["chosen"] if dominant_script(text)[1] >= LETTERS_NEEDED]
    wrong = sum(bool(speaks(text)) for text in told)
    note = "Look at these answers among the screens of the Generate page; people may have meant to choose them all the same."
    label = f"Chosen answers in another language (of those with {LETTERS_NEEDED} letters or more)"
    return _share("wrong_language", label, wrong, len(told), note=note)


def _duplicates(texts: pd.DataFrame) -> Iterable[Finding]:
    prompts = sorted(set(texts["prompt"]))
    again = sum(kept is not None for kept in find_repeats(prompts))
    note = "The same question counts more than once in training."
    yield _share("repeated_prompts", "Prompts that nearly repeat another prompt", again, len(prompts), note=note)
    rows = int(texts.duplicated().sum())
    yield _share("repeated_rows", "Rows that repeat another row", rows, len(texts), note=note)


def _agreement(seen: pd.DataFrame) -> Finding:
    """How many of the votes stand behind what was chosen, on average over the rows."""
    support = seen["agreement"].astype(float).dropna().to_numpy()
    n = len(support)
    mean = float(support.mean()) if n else None
    reach = student_t(n - 1) * float(support.std(ddof=1)) / math.sqrt(n) if n > 1 else None
    return Finding(
        name="support",
        label="Votes on a row that stand behind its choice (mean over rows)",
        value=mean,
        low=None if mean is None or reach is None else max(0.0, mean - reach),
        high=None if mean is None or reach is None else min(1.0, mean + reach),
        n=n,
    )


def _by_source(seen: pd.DataFrame) -> Iterable[Finding]:
    shown = pd.concat([seen["chosen_source"], seen["rejected_source"]]).value_counts()
    chosen = seen["chosen_source"].value_counts()
    # People's answers first, then the models in the order of their names.
    for source in sorted(shown.index, key=lambda name: (name != HUMAN, name)):
        yield _share(
            str(source),
            "written by a person" if source == HUMAN else str(source),
            int(chosen.get(source, 0)),
            int(shown[source]),
            concern=False,
        )


def _quantiles(tokens: pd.DataFrame) -> Iterable[Tokens]:
    parts: Mapping[str, pd.Series[int]] = {
        "prompt": tokens["prompt"],
        "chosen": tokens["chosen"],
        "rejected": tokens["rejected"],
        "prompt and longer answer": tokens["prompt"] + tokens[["chosen", "rejected"]].max(axis=1),
    }
    for part, counts in parts.items():
        at = tuple(int(counts.quantile(q, interpolation="higher")) for q in QUANTILES) if len(counts) else ()
        yield Tokens(part=part, n=len(counts), at=at)


def in_words(finding: Finding) -> tuple[str, str, str, str]:
    """Return label, figure, 95 % interval and n of a finding as a reader sees them."""
    return finding.label, _figure(finding.value, finding.unit), _interval(finding), f"{finding.n:,}"


def _figure(value: float | None, unit: Unit) -> str:
    if value is None:
        return "not defined"
    return f"{value:.2f} times" if unit is Unit.TIMES else f"{100 * value:.1f} %"


def _interval(finding: Finding) -> str:
    if finding.low is None or finding.high is None:
        return "none"
    return f"{_figure(finding.low, finding.unit)} to {_figure(finding.high, finding.unit)}"


def token_rows(tokens: Sequence[Tokens]) -> list[tuple[str, ...]]:
    """Return the quantiles as a table: part, then half of the rows, nine in ten, 99 in 100, the longest, and n."""
    return [(each.part, *(f"{value:,}" for value in each.at), f"{each.n:,}") for each in tokens if each.at]
