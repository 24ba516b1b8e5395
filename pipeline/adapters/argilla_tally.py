"""Argilla tally: what do the answers on the server add up to, and why is one no vote?

Pure: pages of records with their responses come in, votes and counted reasons go out. Never in doubt about a side: a vote
names the response whose text stood in the slot that was chosen.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.adapters.argilla_rows import OpenPair, Reason, moment, shown_first, to_vote
from pipeline.records import Choice, Pair, Vote

Body = dict[str, Any]

DRAFT = "draft"
# Argilla's ids of people; names typed on the studio's own pages do not look like this.
_USER_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(kw_only=True)
class Tally:
    """What the answers on the server say, added up page by page; `pairs` by the id of their record there."""

    order_key: str
    pairs: Mapping[str, OpenPair]
    questions: tuple[str, ...]
    guidelines_version: str
    said: Mapping[tuple[str, str], tuple[str, str, str]]
    votes: list[Vote] = field(default_factory=list)
    excluded: Counter[str] = field(default_factory=Counter)
    annotators: set[str] = field(default_factory=set)
    taken: int = 0
    answered: set[tuple[str, str]] = field(default_factory=set)

    def take(self, pages: Iterable[list[Body]]) -> None:
        """Take in pages of records, each with its responses; a record that comes twice counts once."""
        seen: set[str] = set()
        for page in pages:
            for record in page:
                if record["id"] not in seen:
                    seen.add(record["id"])
                    self._take(record)

    def count_gone(self) -> None:
        """Count the votes that were brought home before and whose answer is not on the server any more."""
        gone = sum(_USER_ID.fullmatch(annotator) is not None for _, annotator in self.said.keys() - self.answered)
        if gone:
            self.excluded[Reason.GONE] = gone

    def _take(self, record: Body) -> None:
        responses = [one for one in record.get("responses") or [] if one.get("status") != DRAFT]
        self.taken += len(responses)
        if not responses:
            return
        one = self.pairs.get(str(record.get("external_id")))
        if one is None:
            self.excluded[Reason.FOREIGN] += len(responses)
            return
        shown = shown_first(record, self.order_key, one)
        if shown is None:
            self.excluded[Reason.CHANGED] += len(responses)
            return
        for response in responses:
            self._take_response(response, one.pair, shown)

    def _take_response(self, response: Body, pair: Pair, shown: str) -> None:
        by = pair.id, str(response.get("user_id"))
        self.answered.add(by)
        told = to_vote(response, pair, shown, questions=self.questions, guidelines_version=self.guidelines_version)
        if not isinstance(told, Vote):
            self.excluded[told] += 1
            if told is not Reason.DISCARDED or by not in self.said:
                return
            # Whoever discards a pair after voting on it takes the vote back; both are kept, and the last one counts.
            told = self._withdrawn(response, pair, shown)
        self.annotators.add(told.annotator)
        # Sent again with nothing changed, as after an error on the screen, it is the same vote.
        if self.said.get(by) != (str(told.choice), told.reason, told.edited):
            self.votes.append(told)

    def _withdrawn(self, response: Body, pair: Pair, shown: str) -> Vote:
        return Vote(
            pair_id=pair.id,
            annotator=str(response["user_id"]),
            choice=Choice.SKIP,
            shown_first=shown,
            guidelines_version=self.guidelines_version,
            at=moment(response["updated_at"]),
        )


def by_status(users: Iterable[Body]) -> Counter[str]:
    """Return how many responses there are of each status, of all annotators, as the server's database counts them."""
    counts: Counter[str] = Counter()
    for user in users:
        for side in ("completed", "pending"):
            counts.update({status: n for status, n in user[side].items() if n})
    return counts
