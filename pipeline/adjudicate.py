"""Adjudicate: which pairs should a reviewer decide, what was said on them, and what does a decision change?

Comes in: votes, verdicts and reviewers' decisions. Goes out: a queue of pairs, the blind history of one, and the
consensus with decisions laid over it. A decision is a vote of its own; it changes no other, and can be taken back.
"""

from collections.abc import Mapping
from enum import StrEnum

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.coefficients import Floats, Integers, count_labels
from pipeline.errors import VoteError
from pipeline.records import OPINIONS, Choice, Role, content_id

ADJUDICATOR = str(Role.ADJUDICATOR)
"""The `method` of an outcome that a reviewer decided."""
REPEAT = str(Role.REPEAT)

MAX_REASON_CHARS = 2_000
_COUNTS = [str(label) for label in OPINIONS]
_OTHER: Mapping[str, str] = {str(Choice.FIRST): str(Choice.SECOND), str(Choice.SECOND): str(Choice.FIRST)}


class Order(StrEnum):
    """In which order a reviewer goes through the pairs."""

    ENTROPY = "entropy"
    MARGIN = "margin"
    JUDGE = "judge"
    AUDIT = "audit"


def queue(
    votes: pd.DataFrame,
    *,
    order: str = Order.ENTROPY,
    verdicts: pd.DataFrame | None = None,
    decisions: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return the pairs that a reviewer should look at, most pressing first; pairs decided already stand at the end.

    Args:
        votes: Columns `pair_id, annotator, choice`; one row per annotator and pair.
        order: `entropy`: most divided first. `margin`: smallest lead first. `judge`: pairs on which a judge
            contradicts the people first. `audit`: every pair with a vote, as if drawn at random, always the same.
        verdicts: Columns `pair_id, judge, choice`.
        decisions: Column `pair_id`: pairs a reviewer has decided.

    Returns:
        Columns `pair_id, n_votes, entropy` (bits, 0 to 2), `margin` (the lead over the runner-up, as a share of the
        votes), `judge_conflict, is_decided`, then `first, second, tie, both_bad`: how many votes say so. Except in
        an audit a pair is there if its votes differ, or a judge contradicts them.
    """
    opinions = votes[votes["choice"] != Choice.SKIP]
    items, pair_ids = pd.factorize(opinions["pair_id"])
    labels = pd.Index(_COUNTS).get_indexer(pd.Index(opinions["choice"])).astype(np.int64)
    if (labels < 0).any():
        raise VoteError(
            f"A vote says {opinions['choice'].to_numpy()[labels < 0][0]}, which is no choice.",
            hint=f"A vote says one of {', '.join(Choice)}; correct it and repeat the step.",
        )
    counts = count_labels(items, labels, n_items=len(pair_ids), n_labels=len(OPINIONS))
    frame = pd.DataFrame({"pair_id": pd.Index(pair_ids), "n_votes": counts.sum(axis=1)})
    frame["entropy"], frame["margin"] = _entropy(counts), _margin(counts)
    frame["judge_conflict"] = _contradicted(frame["pair_id"], counts, verdicts)
    frame["is_decided"] = frame["pair_id"].isin(() if decisions is None else decisions["pair_id"]).to_numpy()
    frame = pd.concat([frame, pd.DataFrame(counts, columns=_COUNTS)], axis=1)
    if order != Order.AUDIT:
        frame = frame[(frame["entropy"] > 0) | frame["judge_conflict"]]
    return _sorted(frame, Order(order))


def _entropy(counts: Integers) -> Floats:
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    # Adding 0 turns -0 into 0.
    return np.asarray(-(share * np.log2(np.where(share > 0, share, 1.0))).sum(axis=1) + 0.0)


def _margin(counts: Integers) -> Floats:
    ranked = np.sort(counts, axis=1)
    return np.asarray((ranked[:, -1] - ranked[:, -2]) / np.maximum(counts.sum(axis=1), 1))


def _contradicted(pair_ids: pd.Series, counts: Integers, verdicts: pd.DataFrame | None) -> NDArray[np.bool_]:
    """Whether some judge prefers the response that people like less; a tie contradicts nobody."""
    if verdicts is None or verdicts.empty:
        return np.zeros(len(pair_ids), dtype=bool)
    leads = counts[:, 0] - counts[:, 1]
    preferred = pd.Series(np.select([leads > 0, leads < 0], _COUNTS[:2], default=""), index=pair_ids.to_numpy())
    against = verdicts["choice"].map(_OTHER)
    mine = verdicts["pair_id"].map(preferred)
    conflicting = verdicts.loc[(against == mine) & against.notna(), "pair_id"]
    return pair_ids.isin(conflicting).to_numpy()


def _sorted(frame: pd.DataFrame, order: Order) -> pd.DataFrame:
    by = {
        Order.ENTROPY: (["is_decided", "entropy", "margin", "pair_id"], [True, False, True, True]),
        Order.MARGIN: (["is_decided", "margin", "entropy", "pair_id"], [True, True, False, True]),
        Order.JUDGE: (["is_decided", "judge_conflict", "entropy", "pair_id"], [True, False, False, True]),
        Order.AUDIT: (["is_decided", "draw"], [True, True]),
    }
    columns, ascending = by[order]
    if order is Order.AUDIT:
        frame = frame.assign(draw=[content_id("audit", pair_id) for pair_id in frame["pair_id"]])
    return frame.sort_values(columns, ascending=ascending, ignore_index=True).drop(columns="draw", errors="ignore")


def history(cast: pd.DataFrame, pair_id: str) -> pd.DataFrame:
    """Return everything ever said on one pair, in order of arrival, blind to names.

    Args:
        cast: Every vote ever cast, as `Store.votes(history=True)`.
        pair_id: The pair.

    Returns:
        Columns `who` (`Annotator 1`, `Reviewer 1`, ... in order of arrival on this pair), `choice, reason, edited,
        at`, and `counts`: whether this is what its author says now. A skip in the role of a reviewer takes a
        decision back; of several reviewers the last counts.
    """
    # A repeat asks whether an answer lasts; it is no opinion of its own.
    rows = cast[(cast["pair_id"] == pair_id) & (cast["role"] != REPEAT)].sort_values("seq")
    is_reviewer = (rows["role"] == ADJUDICATOR).to_numpy(dtype=bool)
    numbers = np.zeros(len(rows), dtype=np.int64)
    for those in (is_reviewer, ~is_reviewer):
        numbers[those] = pd.factorize(rows.loc[those, "annotator"])[0] + 1
    who = [f"{'Reviewer' if role else 'Annotator'} {number}" for role, number in zip(is_reviewer, numbers, strict=True)]
    author = rows["annotator"].where(~is_reviewer, "")
    latest = ~pd.DataFrame({"author": author, "is_reviewer": is_reviewer}).duplicated(keep="last")
    shown = rows[["choice", "reason", "edited", "at"]].assign(counts=latest.to_numpy())
    shown.insert(0, "who", who)
    return shown.reset_index(drop=True)


def check_reason(text: str) -> str:
    """Return a reviewer's reason, spaces tidied.

    Raises:
        VoteError: It is empty or too long.
    """
    reason = text.strip()
    if not reason or len(reason) > MAX_REASON_CHARS:
        raise VoteError(
            "A decision needs a reason." if not reason else f"A reason has at most {MAX_REASON_CHARS:,} letters.",
            hint="Say in a sentence why, so that others can follow: they see it in the history of the pair.",
        )
    return reason


def apply(consensus: pd.DataFrame, decisions: pd.DataFrame) -> pd.DataFrame:
    """Lay reviewers' decisions over the consensus: the decision is the outcome, and `method` says so.

    Args:
        consensus: As `consensus.decide` returns it.
        decisions: Columns `pair_id, choice`; one row per pair. A pair nobody voted on is added.

    Returns:
        The consensus with the same columns. A decided pair keeps `n_votes` and has neither support nor confidence:
        those belong to the votes.
    """
    if decisions.empty:
        return consensus
    known = set(consensus["pair_id"])
    fresh = [pair_id for pair_id in decisions["pair_id"] if pair_id not in known]
    added = pd.DataFrame({"pair_id": fresh, "outcome": "none", "n_votes": 0, "support": np.nan, "confidence": np.nan})
    whole = pd.concat([consensus, added.assign(method=ADJUDICATOR)], ignore_index=True) if fresh else consensus.copy()
    said = whole["pair_id"].map(decisions.set_index("pair_id")["choice"])
    decided = said.notna()
    whole["outcome"] = said.where(decided, whole["outcome"]).astype(object)
    whole["method"] = whole["method"].mask(decided, ADJUDICATOR)
    whole[["support", "confidence"]] = whole[["support", "confidence"]].mask(decided)
    return whole
