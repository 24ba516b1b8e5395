"""Annotators: who votes how, and what is worth a word with whom?

Comes in: the frames of votes that count, of pairs, and of all votes ever cast. Goes out: one row per annotator with
what can be told from their votes, and questions to talk about. A question is not a verdict: someone who differs from
the others may be the only one who reads carefully. A skip is not an opinion and enters nothing. No network.

Chances are corrected for asking the same of every annotator (Holm), so that a large crowd does not accuse people
by accident. Formulas and limits: docs/annotators.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.coding import encode
from pipeline.coefficients import Floats, Integers, count_labels
from pipeline.intervals import binomial_chance, corrected, difference_chance, wilson
from pipeline.records import OPINIONS, Choice

MIN_VOTES = 20
"""With fewer votes of a kind, nothing is asked about them."""
UNLIKELY = 0.05
WORTH_A_WORD = 0.1
"""A difference of fewer percent points than ten is not asked about, however many votes make it unlikely."""
ALWAYS_SHARE = 0.9
FAST_SHARE = 0.2
FASTEST_CHARS_PER_S = 100
"""Four times as fast as people read; nobody who votes faster can have read prompt and answers."""
FAST_LEAST_S, FAST_MOST_S = 1.0, 5.0
VOTES_BETWEEN = 10
"""A second vote on the same pair after so many others is a repeat; sooner, it is a change of mind."""
MIN_REPEATS, LOW_REPEAT_SHARE = 5, 0.6

_Flags = NDArray[np.bool_]


class Topic(StrEnum):
    """What a question is about."""

    OTHERS = "others"
    POSITION = "position"
    LENGTH = "length"
    ALWAYS = "always"
    FAST = "fast"
    REPEATS = "repeats"
    DRIFT = "drift"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Something worth a word with an annotator: what was seen in numbers, and what to ask."""

    annotator: str
    topic: Topic
    seen: str
    ask: str


def stand_ins(votes: pd.DataFrame) -> dict[str, str]:
    """Return `Person 1`, `Person 2`, ... for each annotator, in the order of their first votes.

    New votes never change a stand-in. `votes`: columns `annotator, seq`.
    """
    first = votes.groupby("annotator", sort=True)["seq"].min().sort_values(kind="stable")
    return {str(name): f"Person {place}" for place, name in enumerate(first.index, start=1)}


def examine(votes: pd.DataFrame, pairs: pd.DataFrame, *, history: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return one row per annotator with what their votes show.

    Args:
        votes: Columns `seq, pair_id, annotator, choice, shown_first, seconds, at`; one row per annotator and pair.
        pairs: Columns `pair_id, prompt, first_id, first, second`. A vote on a pair that is not there counts all the
            same, but its sides, lengths and reading time are not known.
        history: As `votes`, with superseded votes too; without it there are no repeats.

    Returns:
        Most votes first. `annotator, votes`, on how many `days` (UTC), `median_seconds` of those that were timed;
        `compared` votes can be held against most of the others (who are not split), `same_share` say the same, in
        [0, 1], with 95 % bounds `same_low, same_high`; `others_chance` of that, were they like everyone;
        `sided` votes chose a side whose place is known, `shown_first_share` of them the one shown first, `position_chance`;
        `sized` votes chose between unequal lengths, `longer_share` of them the longer, `longer_expected` what others
        do on these pairs, `length_chance`;
        `same_answer_share` of the most frequent answer on the screen, `longest_run` of one answer;
        `timed` votes, `fast_share` of them faster than anyone reads;
        `repeats`, `repeat_share` answered as before, `repeat_low, repeat_high`;
        `early_share, late_share`: same as most of the others in the first and second half of the votes, `drift_chance`.
        Shares are NaN where there is nothing to count; chances are corrected for the number of annotators.
    """
    opinions = votes[votes["choice"] != Choice.SKIP].sort_values("seq", kind="stable", ignore_index=True)
    coded = encode(opinions, OPINIONS)
    names = np.sort(np.asarray(opinions["annotator"].unique(), dtype=object))
    facts = _facts(opinions["pair_id"], pairs)
    frame = pd.DataFrame({"annotator": names, "votes": np.bincount(coded.annotators, minlength=len(names))})
    counts = count_labels(coded.items, coded.labels, n_items=coded.n_items, n_labels=len(OPINIONS))
    parts = (
        _days(coded.annotators, opinions, len(names)),
        _with_others(coded.annotators, coded.labels, counts[coded.items], len(names)),
        _position(coded.annotators, opinions, facts, len(names)),
        _length(coded.annotators, coded.labels, counts[coded.items], facts, len(names)),
        _answers(coded.annotators, coded.labels, opinions, facts, len(names)),
        _pace(coded.annotators, opinions["seconds"].to_numpy(dtype=np.float64), facts, len(names)),
        _repeats(history, names),
    )
    return pd.concat([frame, *parts], axis=1).sort_values(["votes", "annotator"], ascending=[False, True], ignore_index=True)


def _facts(pair_ids: pd.Series, pairs: pd.DataFrame) -> pd.DataFrame:
    """Of each vote's pair: `first_id`, how many characters its texts have, and -1, 0, 1 as the first is longer or not."""
    prompt, first, second = (pairs[name].str.len().to_numpy(dtype=np.float64) for name in ("prompt", "first", "second"))
    known = pd.DataFrame(
        {
            "first_id": pairs["first_id"].to_numpy(),
            "chars": prompt + first + second,
            "longer": np.sign(first - second),
        },
        index=pairs["pair_id"].to_numpy(),
    )
    return known.reindex(pair_ids.to_numpy()).reset_index(drop=True)


def _share(who: Integers, flags: _Flags, among: _Flags, n: int) -> tuple[Integers, Integers, Floats]:
    """How many of each annotator's votes `among` these carry the flag; the count, the total, the share."""
    total = np.bincount(who[among], minlength=n)
    count = np.bincount(who[among & flags], minlength=n)
    return count, total, np.divide(count, total, out=np.full(n, np.nan), where=total > 0)


def _chances(counts: Integers, totals: Integers, expected: Floats | Sequence[float]) -> Floats:
    """The corrected chance of each count; NaN with too few votes to ask about."""
    found = [
        binomial_chance(int(k), int(n), float(p)) if n >= MIN_VOTES and not np.isnan(p) else np.nan
        for k, n, p in zip(counts, totals, expected, strict=True)
    ]
    return corrected(np.array(found, dtype=np.float64))


def _with_others(who: Integers, labels: Integers, counts: Integers, n: int) -> pd.DataFrame:
    """Whether people say what most of the others on the pair say, all in all and over time."""
    others = counts - np.eye(len(OPINIONS), dtype=np.int64)[labels]
    top = others.max(axis=1, initial=0)
    clear = ((others == top[:, None]).sum(axis=1) == 1) & (top > 0)
    same = others[np.arange(len(labels)), labels] == top
    count, total, share = _share(who, same, clear, n)
    low, high = wilson(count, total)
    rest = np.maximum(total.sum() - total, 1)
    usual = np.where(total.sum() > total, (count.sum() - count) / rest, np.nan)
    # Votes come in order of arrival, so the running number of a vote within its annotator tells early from late.
    early = pd.Series(who[clear]).groupby(who[clear]).cumcount().to_numpy() * 2 < total[who[clear]]
    halves = [_share(who[clear], same[clear], half, n) for half in (early, ~early)]
    drift = [
        difference_chance(int(a), int(m), int(b), int(k)) if m + k >= 2 * MIN_VOTES else np.nan
        for a, m, b, k in zip(halves[0][0], halves[0][1], halves[1][0], halves[1][1], strict=True)
    ]
    return pd.DataFrame(
        {
            "compared": total,
            "same_share": share,
            "same_low": np.where(total > 0, low, np.nan),
            "same_high": np.where(total > 0, high, np.nan),
            "others_expected": usual,
            "others_chance": _chances(count, total, usual),
            "early_share": halves[0][2],
            "late_share": halves[1][2],
            "drift_chance": corrected(np.array(drift, dtype=np.float64)),
        }
    )


def _position(who: Integers, opinions: pd.DataFrame, facts: pd.DataFrame, n: int) -> pd.DataFrame:
    """Whether people choose the response that was shown first more often than half the time."""
    chose_first = (opinions["choice"] == Choice.FIRST).to_numpy(dtype=bool)
    known = opinions["shown_first"].ne("").to_numpy(dtype=bool) & facts["first_id"].notna().to_numpy(dtype=bool)
    sided = opinions["choice"].isin([Choice.FIRST, Choice.SECOND]).to_numpy(dtype=bool) & known
    was_first = (opinions["shown_first"].to_numpy() == facts["first_id"].to_numpy()) == chose_first
    count, total, share = _share(who, was_first, sided, n)
    return pd.DataFrame({"sided": total, "shown_first_share": share, "position_chance": _chances(count, total, np.full(n, 0.5))})


def _length(who: Integers, labels: Integers, counts: Integers, facts: pd.DataFrame, n: int) -> pd.DataFrame:
    """Whether people choose the longer response more often than the others do on the same pairs."""
    longer = facts["longer"].fillna(0.0).to_numpy(dtype=np.float64)
    sized = (labels < 2) & (longer != 0)
    # Label 0 is the first response, 1 the second.
    place = np.where(longer > 0, 0, 1)
    chose_longer = labels == place
    by_others = counts[np.arange(len(labels)), place] - chose_longer
    sides = counts[:, :2].sum(axis=1) - 1
    count, total, share = _share(who, chose_longer, sized, n)
    longer_votes = np.bincount(who[sized], by_others[sized], minlength=n)
    all_votes = np.bincount(who[sized], sides[sized], minlength=n)
    expected = np.divide(longer_votes, all_votes, out=np.full(n, np.nan), where=all_votes >= MIN_VOTES)
    return pd.DataFrame(
        {
            "sized": total,
            "longer_share": share,
            "longer_expected": expected,
            "length_chance": _chances(count, total, expected),
        }
    )


def _answers(who: Integers, labels: Integers, opinions: pd.DataFrame, facts: pd.DataFrame, n: int) -> pd.DataFrame:
    """How monotonous the answers on the screen are: their most frequent one, and the longest run of one."""
    swapped = opinions["shown_first"].ne("").to_numpy(dtype=bool) & (
        opinions["shown_first"].to_numpy() != facts["first_id"].to_numpy()
    )
    # Labels 0 and 1 are the two responses; on the screen they may have changed places.
    pressed = np.where(swapped & (labels < 2), 1 - labels, labels)
    table = np.bincount(who * 4 + pressed, minlength=4 * n).reshape(n, 4)
    order = np.argsort(who, kind="stable")
    mine, said = who[order], pressed[order]
    starts = np.flatnonzero(np.r_[True, (mine[1:] != mine[:-1]) | (said[1:] != said[:-1])]) if len(mine) else np.array([], int)
    runs = np.diff(np.r_[starts, len(mine)])
    longest = np.zeros(n, dtype=np.int64)
    np.maximum.at(longest, mine[starts], runs)
    share = table.max(axis=1, initial=0) / np.maximum(table.sum(axis=1), 1)
    return pd.DataFrame({"same_answer_share": share, "longest_run": longest})


def _days(who: Integers, opinions: pd.DataFrame, n: int) -> pd.DataFrame:
    """On how many days people voted, and their median seconds."""
    days = opinions["at"].dt.floor("D").groupby(who).nunique().reindex(range(n), fill_value=0)
    seconds = opinions["seconds"].astype(float).groupby(who).median().reindex(range(n))
    return pd.DataFrame({"days": days, "median_seconds": seconds})


def _pace(who: Integers, seconds: Floats, facts: pd.DataFrame, n: int) -> pd.DataFrame:
    """How many votes came faster than anyone can read the texts."""
    needed = np.clip(facts["chars"].fillna(0.0).to_numpy(dtype=np.float64) / FASTEST_CHARS_PER_S, FAST_LEAST_S, FAST_MOST_S)
    timed = ~np.isnan(seconds)
    _, total, share = _share(who, seconds < needed, timed, n)
    return pd.DataFrame({"timed": total, "fast_share": share})


def _repeats(history: pd.DataFrame | None, names: NDArray[np.object_]) -> pd.DataFrame:
    """How often people answer a pair they see again as they did before."""
    n = len(names)
    same, total = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    if history is not None and len(history):
        cast = history.sort_values("seq", kind="stable")
        cast = cast.assign(place=cast.groupby("annotator").cumcount())
        cast = cast[cast["choice"] != Choice.SKIP]
        before = cast.groupby(["annotator", "pair_id"])[["place", "choice"]].shift()
        again = (cast["place"] - before["place"] > VOTES_BETWEEN).to_numpy(dtype=bool)
        who = pd.Index(names).get_indexer(pd.Index(cast["annotator"]))
        again = again & (who >= 0)
        kept = (cast["choice"] == before["choice"]).to_numpy(dtype=bool)
        same, total, _ = _share(who, kept, again, n)
    low, high = wilson(same, total)
    share = np.divide(same, total, out=np.full(n, np.nan), where=total > 0)
    bounds = {"repeat_low": np.where(total > 0, low, np.nan), "repeat_high": np.where(total > 0, high, np.nan)}
    return pd.DataFrame({"repeats": total, "repeat_share": share} | bounds)


def questions(examined: pd.DataFrame) -> list[Question]:
    """Return what is worth a word, for the frame of `examine`: annotator by annotator, as they come in it."""
    found = []
    for row in examined.to_dict("records"):
        facts = {str(name): value for name, value in row.items()}
        found += [
            Question(annotator=str(facts["annotator"]), topic=topic, seen=seen, ask=ask)
            for topic, applies, seen, ask in (*_habits(facts), *_differences(facts))
            if applies
        ]
    return found


def _habits(row: Mapping[str, Any]) -> list[tuple[Topic, bool, str, str]]:
    """Whether each topic of how someone votes applies, what was seen, and what to ask."""
    return [
        (
            Topic.ALWAYS,
            row["votes"] >= MIN_VOTES and row["same_answer_share"] >= ALWAYS_SHARE,
            f"{row['same_answer_share']:.0%} of {row['votes']:,} votes are the same answer on the screen, "
            f"up to {row['longest_run']:,} in a row.",
            "Was it clear that the answers are to be compared, and did the buttons work on their device?",
        ),
        (
            Topic.FAST,
            row["timed"] >= MIN_VOTES and row["fast_share"] >= FAST_SHARE,
            f"{row['fast_share']:.0%} of {row['timed']:,} timed votes came faster than the texts can be read.",
            "Did they know the texts already, or is there pressure to finish?",
        ),
        (
            Topic.POSITION,
            row["position_chance"] < UNLIKELY and abs(row["shown_first_share"] - 0.5) >= WORTH_A_WORD,
            f"{row['shown_first_share']:.0%} of {row['sided']:,} choices went to the answer shown first; half is expected.",
            "Do they read both answers to the end, and does the layout work on their screen?",
        ),
        (
            Topic.REPEATS,
            row["repeats"] >= MIN_REPEATS and row["repeat_share"] < LOW_REPEAT_SHARE,
            f"{row['repeat_share']:.0%} of {row['repeats']:,} pairs seen again got the same answer as before "
            f"(95 %: {row['repeat_low']:.0%} to {row['repeat_high']:.0%}).",
            "Were these pairs close calls, or have the guidelines become clearer since?",
        ),
    ]


def _differences(row: Mapping[str, Any]) -> list[tuple[Topic, bool, str, str]]:
    """Whether each topic of how someone differs from the others applies, what was seen, and what to ask."""
    return [
        (
            Topic.OTHERS,
            row["others_chance"] < UNLIKELY and row["others_expected"] - row["same_share"] >= WORTH_A_WORD,
            f"{row['same_share']:.0%} of {row['compared']:,} votes say what most of the others say; "
            f"among the others it is {row['others_expected']:.0%}.",
            "Look at a few of these pairs together: do they read the guidelines differently, or see what others miss?",
        ),
        (
            Topic.LENGTH,
            row["length_chance"] < UNLIKELY and abs(row["longer_share"] - row["longer_expected"]) >= WORTH_A_WORD,
            f"{row['longer_share']:.0%} of {row['sized']:,} choices went to the longer answer; "
            f"others chose it in {row['longer_expected']:.0%} on the same pairs.",
            "What do they look for in an answer: is a long one better, or a short one?",
        ),
        (
            Topic.DRIFT,
            row["drift_chance"] < UNLIKELY and abs(row["early_share"] - row["late_share"]) >= WORTH_A_WORD,
            f"In the first half {row['early_share']:.0%} of the votes say what most of the others say, "
            f"in the second {row['late_share']:.0%}.",
            "What changed: the guidelines, the kind of prompts, or how tired they are?",
        ),
    ]
