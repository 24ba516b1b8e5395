"""Frames as the store returns them, from few words; and real votes, read in place."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.coding import Coded, Grouped, by_item

DAY = datetime(2026, 3, 2, 12, tzinfo=UTC)


def votes(*rows: tuple[str, str, str], at: Iterable[datetime] | None = None, seconds: float | None = 4.0) -> pd.DataFrame:
    """Votes `(pair, annotator, choice)` with the columns of `Store.votes`."""
    frame = pd.DataFrame(rows, columns=["pair_id", "annotator", "choice"])
    moments = list(at) if at is not None else [DAY] * len(frame)
    return frame.assign(
        seq=range(1, len(frame) + 1),
        version=0,
        shown_first="",
        reason="",
        edited="",
        seconds=np.nan if seconds is None else seconds,
        guidelines_version="",
        at=pd.to_datetime(pd.Series(moments, dtype=object), utc=True),
    )


def grouped(items: Sequence[int], annotators: Sequence[int], labels: Sequence[int], *, n_labels: int) -> Grouped:
    """Votes given as codes, by item."""
    codes = [np.asarray(some, dtype=np.int64) for some in (items, annotators, labels)]
    n_items, n_people = (int(some.max(initial=-1)) + 1 for some in codes[:2])
    return by_item(Coded(*codes, n_items, n_people, n_labels, pd.RangeIndex(n_items), pd.RangeIndex(n_people)))


def ballots(*pairs: str) -> pd.DataFrame:
    """Votes from one word per pair: `"ffs"` is pair p1 with votes first, first, second of annotators a, b, c.

    f first, s second, t tie, b both bad, k skip; a dot is no vote.
    """
    words = {"f": "first", "s": "second", "t": "tie", "b": "both_bad", "k": "skip"}
    return votes(
        *(
            (f"p{number}", chr(ord("a") + seat), words[letter])
            for number, word in enumerate(pairs, start=1)
            for seat, letter in enumerate(word)
            if letter != "."
        )
    )


def pairs(*rows: tuple[str, str, str, str, str, str]) -> pd.DataFrame:
    """Pairs `(pair, prompt, first, second, first source, second source)` with the columns of `Store.pairs`."""
    frame = pd.DataFrame(rows, columns=["pair_id", "prompt", "first", "second", "first_source", "second_source"])
    return frame.assign(
        prompt_id="prompt of " + frame["pair_id"],
        annotation_type="original-annotations",
        first_id=frame["pair_id"] + "-1",
        second_id=frame["pair_id"] + "-2",
        position=range(len(frame)),
        n_votes=0,
    )


def plain_pairs(n: int) -> pd.DataFrame:
    """Pairs p1 to pn; the first response is human, the second a model's."""
    return pairs(*((f"p{i}", f"prompt {i}", f"good {i}", f"poor {i}", "human", "model-m") for i in range(1, n + 1)))


def pandalm_votes(real_data: Path) -> pd.DataFrame:
    """The 2,997 votes of PandaLM's test set."""
    table = pd.read_csv(real_data / "pandalm_votes_long.csv", dtype=str)
    names = {"response1": "first", "response2": "second", "tie": "tie"}
    rows = zip(table["item"], table["annotator"], table["vote"].map(names), strict=True)
    return votes(*rows, seconds=None)
