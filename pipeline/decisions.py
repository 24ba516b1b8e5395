"""Decisions: votes, verdicts and reviews of a project become the outcome of each pair, and people's part in it.

Here the store meets the stages that decide. Votes are only ever added: a review is a vote of its own, and a name joined to
another leaves the votes as they were cast.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from pipeline import adjudicate, annotate, calibration, consensus, judge, judge_check
from pipeline.adapters.store import Store
from pipeline.curate import Rules
from pipeline.errors import VoteError
from pipeline.records import Choice, DocumentKind, Pair, Vote


class Reviewed(NamedTuple):
    """How sure the votes were on `n` reviewed pairs: the table of `calibration.reliability`, and its mean error."""

    n: int
    table: pd.DataFrame
    error: float


class ReadPair(NamedTuple):
    """A pair as a reviewer reads it: blind. `sides` says which response stands as `a` and which as `b`: their order is drawn.

    `history`: as `adjudicate.history`, with `a` and `b` for the two responses.
    """

    prompt: str
    a: str
    b: str
    sides: Mapping[str, Choice]
    history: pd.DataFrame

    def choice(self, said: str) -> Choice:
        """Return the choice that a reviewer means who says a, b, or the name of another choice."""
        return self.sides.get(said) or Choice(said)


class Decisions:
    """What decides the pairs of a project. Safe to share between visitors: it holds no state of theirs."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def decide(self, name: str, rules: Rules, pairs: pd.DataFrame) -> pd.DataFrame:
        """Return the outcome of each pair: what the votes say, what a judge may fill in, and above both a reviewer's decision.

        `pairs`: as `Store.pairs`. Columns come back as `consensus.decide` has them.
        """
        votes, decisions = self.store.votes(name), self.store.decisions(name)
        verdicts = judge.verdicts(self.store.judgements(name))
        decided = consensus.decide(votes, method=rules.method, min_votes=rules.min_votes, verdicts=verdicts)
        if rules.calibrate:
            decided = calibration.correct(decided, decisions)
        if rules.judge_from is not None:
            decided = judge_check.fill_in(
                decided,
                consensus.decide(votes),
                verdicts,
                self.check_judges(name, min_votes=rules.min_votes),
                pairs["pair_id"],
                least=rules.judge_from,
                min_votes=rules.min_votes,
            )
        return adjudicate.apply(decided, decisions)

    def check_judges(self, name: str, *, min_votes: int = 2) -> list[judge_check.JudgeCheck]:
        """Return how each judge of a project compares with the majority of its people, on pairs with enough votes."""
        judgements = self.store.judgements(name)
        if judgements.empty:
            return []
        people = consensus.decide(self.store.votes(name), min_votes=min_votes)
        return judge_check.check(judgements, judge.verdicts(judgements), people, self.store.pairs(name))

    def flips(self, name: str, *, min_votes: int) -> pd.DataFrame:
        """Return the pairs on which the methods of adding up differ, as `consensus.flips`."""
        verdicts = judge.verdicts(self.store.judgements(name))
        return consensus.flips(self.store.votes(name), min_votes=min_votes, verdicts=verdicts)

    def reviewed(self, name: str, method: str, *, min_votes: int) -> Reviewed:
        """Return how sure a method was of pairs that a reviewer decided too, and whether it was right."""
        decisions = self.store.decisions(name)
        if decisions.empty:
            # What every vote adds up to takes seconds on a large project, and there is nothing to hold it against.
            return Reviewed(0, calibration.reliability(np.array([]), np.array([], dtype=bool)), float("nan"))
        verdicts = judge.verdicts(self.store.judgements(name))
        decided = consensus.decide(self.store.votes(name), method=method, min_votes=min_votes, verdicts=verdicts)
        confidence, right = calibration.known_outcomes(decided, decisions)
        return Reviewed(len(right), calibration.reliability(confidence, right), calibration.calibration_error(confidence, right))

    def queue(self, name: str, order: str = adjudicate.Order.ENTROPY) -> pd.DataFrame:
        """Return the pairs a reviewer should look at, as `adjudicate.queue`."""
        verdicts = judge.verdicts(self.store.judgements(name))
        return adjudicate.queue(self.store.votes(name), order=order, verdicts=verdicts, decisions=self.store.decisions(name))

    def history(self, name: str, pair_id: str) -> pd.DataFrame:
        """Return everything ever said on a pair, blind to names, as `adjudicate.history`."""
        return adjudicate.history(self.store.votes_on(name, pair_id), pair_id)

    def read(self, name: str, pair_id: str) -> ReadPair:
        """Return one pair as a reviewer reads it.

        Raises:
            VoteError: There is no such pair.
        """
        project = self.store.project(name)
        rows = self.store.pairs(name, [pair_id]).to_dict("records")
        if not rows:
            raise VoteError(f"There is no pair {pair_id} in this project.", hint="The commands contested and left-out list them.")
        (row,) = rows
        pair = Pair(id=pair_id, prompt_id=row["prompt_id"], first_id=row["first_id"], second_id=row["second_id"])
        shown_first, _ = annotate.order(project.order_key, pair, "reviewer")
        order = (Choice.FIRST, Choice.SECOND) if shown_first == pair.first_id else (Choice.SECOND, Choice.FIRST)
        sides = dict(zip("ab", order, strict=True))
        said = self.history(name, pair_id)
        letters = {str(choice): letter for letter, choice in sides.items()}
        said = said.assign(choice=[letters.get(choice, choice) for choice in said["choice"]])
        return ReadPair(row["prompt"], row[sides["a"]], row[sides["b"]], sides, said)

    def review(self, name: str, pair_id: str, choice: Choice, *, reviewer: str, reason: str) -> None:
        """Add a reviewer's decision on a pair; to skip takes an earlier one back. No vote is changed.

        Raises:
            VoteError: There is no such pair, or no usable name or reason.
        """
        decision = Vote(
            pair_id=pair_id,
            annotator=annotate.annotator_name(reviewer),
            choice=choice,
            reason=adjudicate.check_reason(reason),
            guidelines_version=self.store.document(name, DocumentKind.GUIDELINES)[0],
        )
        self.store.add_decision(self.store.project(name).name, decision)
        self.store.note(name, "adjudicate", pair=pair_id, choice=str(choice))

    def rename_annotator(self, name: str, old: str, new: str) -> dict[str, Any]:
        """Show the votes of one name under another from now on; the votes stay as they were cast.

        Raises:
            VoteError: Nobody voted under the old name, or the new one cannot be used.
        """
        before = self.store.vote_counts(self.store.project(name).name)
        self.store.rename_annotator(name, old, annotate.annotator_name(new))
        self.store.note(name, "rename-annotator")
        after = self.store.vote_counts(name)
        return {
            "project": name,
            "annotators": after["annotators"],
            "votes": after["votes"],
            "superseded": before["votes"] - after["votes"],
        }
