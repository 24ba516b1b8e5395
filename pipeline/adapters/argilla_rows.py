"""Argilla rows: a Pair as an Argilla record, and what an annotator's Argilla response says of the Pair.

Pure: no network, no store. In Argilla `first` and `second` are slots on the screen, shuffled for each pair by the
project's key; here alone they are turned into the pair's own first and second, and back.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pipeline.annotate import order
from pipeline.records import Choice, Pair, Vote, is_text, storable

Body = dict[str, Any]

PROMPT, FIRST, SECOND = "prompt", "first", "second"
CHOICE, REASON, EDITED = "choice", "reason", "edited"
SEAL = "seal"
_SLOTS_OF = "argilla slots"
# What a browser could read as a tag or as a character reference.
_MARKUP = re.compile(r"<|&[A-Za-z#]")


class Reason(StrEnum):
    """Why an answer given in Argilla is no vote here, or a pair did not go there."""

    SET_ASIDE = "set_aside"
    UNSTORABLE = "unstorable"
    REFUSED = "refused"
    CHANGED = "changed_in_argilla"
    FOREIGN = "foreign_record"
    DRAFT = "draft"
    DISCARDED = "discarded"
    NO_ANSWER = "no_answer"
    UNKNOWN_CHOICE = "unknown_choice"
    GONE = "gone_from_argilla"


REASONS = {
    Reason.SET_ASIDE: "One of its responses is set aside by a screen.",
    Reason.UNSTORABLE: "Its text holds what Argilla cannot keep: a NUL, or half a character.",
    Reason.REFUSED: "The Argilla server refused the record.",
    Reason.CHANGED: "Somebody changed the text in Argilla, so the answers are about another text.",
    Reason.FOREIGN: "The record was not sent from this project.",
    Reason.DRAFT: "The annotator has not submitted it yet.",
    Reason.DISCARDED: "The annotator discarded the record.",
    Reason.NO_ANSWER: "It was stored without an answer to the question.",
    Reason.UNKNOWN_CHOICE: "It says something that is no choice here.",
    Reason.GONE: "It was brought home before and is no longer in Argilla; it is kept here.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPair:
    """A pair with the texts people see; `first` and `second` in canonical order."""

    pair: Pair
    prompt: str
    first: str
    second: str

    def is_storable(self) -> bool:
        """Say whether Argilla can keep its texts exactly as they are."""
        return all(is_text(text) for text in (self.prompt, self.first, self.second))


def written(text: str) -> str:
    """Return a text as it must be written so that Argilla's page shows exactly that text.

    Argilla 2.8 puts a text field into its page as HTML, marked as such or not: a tag in an answer would vanish from sight
    and a script would run. Texts without markup, nearly all, are written as they are.
    """
    if not _MARKUP.search(text):
        return text
    return text.replace("&", "&amp;").replace("<", "&lt;")


def fields(order_key: str, one: OpenPair) -> Body:
    """Return the texts an annotator is shown, the two responses in this pair's own order."""
    is_swapped = order(order_key, one.pair, _SLOTS_OF)[0] == one.pair.second_id
    first, second = (one.second, one.first) if is_swapped else (one.first, one.second)
    return {PROMPT: written(one.prompt), FIRST: written(first), SECOND: written(second)}


def seal(order_key: str, pair: Pair, shown_first: str) -> str:
    """Return what says, to who holds the project's key and nobody else, which response stands in the first slot.

    Argilla hides metadata from annotators in lists and pages, yet shows it to who asks for one record by its id. So the
    map of slots is written in a way that an annotator cannot read there either.
    """
    told = f"slots\n{pair.id}\n{shown_first}".encode()
    return hmac.new(order_key.encode(), told, hashlib.sha256).hexdigest()[:32]


def external_id(order_key: str, pair_id: str) -> str:
    """Return the id a pair's record goes by on the server, which nobody without the project's key can work out.

    The pair's own id follows from texts and sources: who has the texts could try likely names of models until it fits.
    """
    return hmac.new(order_key.encode(), f"record\n{pair_id}".encode(), hashlib.sha256).hexdigest()[:32]


def to_record(order_key: str, one: OpenPair) -> Body:
    """Return a pair as the server takes it; it names neither a source nor a model."""
    return {
        "external_id": external_id(order_key, one.pair.id),
        "fields": fields(order_key, one),
        "metadata": metadata(order_key, one.pair),
    }


def metadata(order_key: str, pair: Pair) -> Body:
    """Return all metadata of a record: logging a record again wipes what is left out."""
    return {SEAL: seal(order_key, pair, order(order_key, pair, _SLOTS_OF)[0])}


def to_slot(choice: str, order_key: str, pair: Pair) -> str:
    """Return what a choice about the pair is called in its slots."""
    is_swapped = order(order_key, pair, _SLOTS_OF)[0] == pair.second_id
    return {FIRST: SECOND, SECOND: FIRST}.get(choice, choice) if is_swapped else choice


def shown_first(record: Body, order_key: str, one: OpenPair) -> str | None:
    """Return the id of the response whose text stands in the first slot, by the map that was pushed with it.

    A map that somebody wiped is read off the texts. None when the texts are not those of the pair any more.
    """
    shown = record.get("fields") or {}
    told = (record.get("metadata") or {}).get(SEAL)
    ids = (one.pair.first_id, one.pair.second_id)
    texts = (shown.get(FIRST), shown.get(SECOND))
    first, second = written(one.first), written(one.second)
    by_text = ids[0] if texts == (first, second) else ids[1] if texts == (second, first) else None
    if by_text is None or shown.get(PROMPT) != written(one.prompt):
        return None
    by_seal = next((each for each in ids if told == seal(order_key, one.pair, each)), None)
    return by_text if by_seal in (None, by_text) else None


def to_vote(
    response: Body,
    pair: Pair,
    shown: str,
    *,
    questions: Collection[str],
    guidelines_version: str,
) -> Vote | Reason:
    """Return what an annotator's response says of the pair, or why it is no vote.

    Args:
        response: As the server sends it; no draft.
        pair: The pair of the response's record.
        shown: The id of the response that stood in the first slot.
        questions: The names the question goes by, the current one among them.
        guidelines_version: The guidelines the annotator was shown.
    """
    if response.get("status") == "discarded":
        return Reason.DISCARDED
    values = response.get("values")
    values = values if isinstance(values, dict) else {}
    said = next((told for told in (_value(values, name) for name in questions) if told), "")
    if not said:
        return Reason.NO_ANSWER
    if said not in set(Choice):
        return Reason.UNKNOWN_CHOICE
    return Vote(
        pair_id=pair.id,
        annotator=str(response["user_id"]),
        choice=_to_choice(said, pair, shown),
        shown_first=shown,
        reason=storable(_value(values, REASON)),
        edited=storable(_value(values, EDITED)),
        guidelines_version=guidelines_version,
        at=moment(response["updated_at"]),
    )


def _to_choice(said: str, pair: Pair, shown: str) -> Choice:
    """A vote names a response: the one in the slot it says."""
    if said in (FIRST, SECOND):
        return Choice.FIRST if (said == FIRST) == (shown == pair.first_id) else Choice.SECOND
    return Choice(said)


def _value(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    told = value.get("value") if isinstance(value, dict) else None
    return told if isinstance(told, str) else ""


def moment(text: str) -> str:
    """Return a moment of the server, which is in UTC without saying so, as this project writes it."""
    read = datetime.fromisoformat(text)
    read = read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    return read.isoformat(timespec="microseconds")
