"""Splits: which prompts are held out for testing, so that nothing of a test is in the training?

Prompts come in; for each its split goes out, with a report as plain numbers. Near duplicates stay together, each kind of
prompt is held out in its share, and the same seed draws the same prompts, whatever their order. Prompts of an evaluation
set can be found, so that they are left out of everything. Reads no files, writes none.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field

import pandas as pd

from pipeline.near_duplicates import find_groups
from pipeline.shapes import Split

HELD_OUT = 100
"""As many prompts as the Data Is Better Together cookbook keeps for testing."""
LARGEST_SHARE = 0.1
"""A small project holds out no more than this share of its prompts."""
MIN_PROMPTS = 20
"""With fewer prompts nothing is held out: two test prompts measure nothing, and would be missed in training."""
NO_PREFERENCE = "no preference"


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitReport:
    """What the split is made of.

    `repeated` prompts are near duplicates of another one and share its split; `by_kind` counts `train` and `test` prompts
    of each kind. `evaluation` names the file compared against, with its number of prompts, and `in_evaluation` those of
    ours that were found in it and left out.
    """

    prompts: int
    repeated: int
    wanted: int
    held_out: int
    by_kind: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    evaluation: str = ""
    evaluation_prompts: int = 0
    in_evaluation: int = 0

    def as_dict(self) -> dict[str, object]:
        """Return the report as plain values."""
        return asdict(self)


def draw(prompts: pd.DataFrame, *, seed: int, held_out: int = HELD_OUT) -> tuple[dict[str, Split], SplitReport]:
    """Draw the split of each prompt.

    Args:
        prompts: Columns `prompt_id, prompt, kind`; one row per prompt. `kind` is what the split is even in; it is empty
            for prompts without a preference, which are held out in the same share and not counted in `held_out`.
        seed: Draws which prompts are held out.
        held_out: How many prompts to hold out; fewer where that is more than a tenth, none below MIN_PROMPTS.
    """
    rows = prompts.sort_values("prompt_id", ignore_index=True)
    ids, kinds = rows["prompt_id"].tolist(), rows["kind"].tolist()
    heads = find_groups(rows["prompt"].tolist())
    counting = len(kinds) - kinds.count("")
    wanted = min(held_out, int(counting * LARGEST_SHARE)) if counting >= MIN_PROMPTS else 0
    drawn = _draw_groups(rows.assign(head=heads), seed=seed, wanted=wanted)
    places = [Split.TEST if head in drawn else Split.TRAIN for head in heads]
    counts = Counter(zip(kinds, places, strict=True))
    report = SplitReport(
        prompts=len(rows),
        repeated=len(rows) - len(set(heads)),
        wanted=wanted,
        held_out=sum(n for (kind, place), n in counts.items() if place is Split.TEST and kind != ""),
        by_kind={kind or NO_PREFERENCE: {str(split): counts[kind, split] for split in Split} for kind in sorted(set(kinds))},
    )
    return dict(zip(ids, places, strict=True)), report


def _draw_groups(rows: pd.DataFrame, *, seed: int, wanted: int) -> set[int]:
    """Return the heads of the groups to hold out: `wanted` prompts with a preference, each kind in its share.

    `rows`: also `head`, the row of the first prompt of its group.
    """
    if not wanted:
        return set()
    groups = (
        rows.assign(counts=rows["kind"] != "")
        .groupby("head", sort=True)
        .agg(kind=("kind", "max"), n=("counts", "sum"), all=("kind", "size"))
    )
    groups["size"] = groups["n"].where(groups["kind"] != "", groups["all"])
    of_kind = groups.groupby("kind")["size"].sum()
    counting = of_kind.drop("", errors="ignore")
    quotas = _shares(counting, wanted)
    quotas[""] = int(of_kind.get("", 0) * wanted / max(counting.sum(), 1))
    drawn: set[int] = set()
    ids = rows["prompt_id"].tolist()
    for kind, left in quotas.items():
        of_this = groups.loc[groups["kind"] == kind, "size"]
        sizes = dict(zip(of_this.index.tolist(), of_this.tolist(), strict=True))
        for head in sorted(sizes, key=lambda one: _lot(ids[one], seed)):
            if not left:
                break
            # A group larger than what is left stays in training: a test must not grow beyond what was asked for.
            if sizes[head] <= left:
                drawn.add(head)
                left -= sizes[head]
    return drawn


def _shares(of_kind: pd.Series[int], wanted: int) -> dict[str, int]:
    """Divide what is wanted in proportion, what is left over to the largest remainders."""
    exact = of_kind * wanted / max(of_kind.sum(), 1)
    whole = exact.astype(int)
    order = sorted(exact.index, key=lambda kind: (whole[kind] - exact[kind], str(kind)))
    more = set(order[: wanted - int(whole.sum())])
    return {str(kind): int(whole[kind]) + (kind in more) for kind in exact.index}


def _lot(prompt_id: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{prompt_id}".encode()).digest()


def find_in_evaluation(prompts: pd.DataFrame, evaluation: Iterable[str]) -> set[str]:
    """Return the ids of the prompts that stand in an evaluation set, or are near duplicates of a prompt in it.

    `prompts`: columns `prompt_id, prompt`.
    """
    known = sorted(set(evaluation))
    groups = find_groups([*known, *prompts["prompt"]])
    asked = {groups[place] for place in range(len(known))}
    return {prompt for prompt, group in zip(prompts["prompt_id"], groups[len(known) :], strict=True) if group in asked}
