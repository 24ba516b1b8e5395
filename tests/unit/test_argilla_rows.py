"""A pair as an Argilla record: nothing gives a source away, and an answer names a response, not a side."""

import html

import pytest

from pipeline.adapters.argilla_rows import OpenPair, Reason, seal, shown_first, to_record, to_slot, to_vote, written
from pipeline.records import Choice, Pair, Vote

PAIR = Pair(id="p1", prompt_id="q1", first_id="r1", second_id="r2")
ONE = OpenPair(pair=PAIR, prompt="Vraag <b>1</b>", first="mens & <i>meer</i>", second="machine")


def keys() -> tuple[str, str]:
    """A project's key that leaves the pair's order as it is, and one that turns it round."""
    found: dict[bool, str] = {}
    for n in range(50):
        found.setdefault(to_record(str(n), ONE)["fields"]["first"] == "machine", str(n))
    return found[False], found[True]


@pytest.mark.parametrize("key", keys())
@pytest.mark.parametrize("choice", list(Choice))
def test_a_choice_of_a_slot_names_the_response_in_it(key: str, choice: Choice):
    record = to_record(key, ONE)
    shown = shown_first(record, key, ONE)
    assert shown == ("r2" if record["fields"]["first"] == "machine" else "r1")
    response = {
        "user_id": "u1",
        "status": "submitted",
        "updated_at": "2025-03-01T12:00:00",
        "values": {"choice": {"value": to_slot(choice, key, PAIR)}, "reason": {"value": "daarom"}, "edited": {"value": 7}},
    }
    vote = to_vote(response, PAIR, shown, questions=("choice",), guidelines_version="v1")
    assert vote == Vote(
        pair_id="p1",
        annotator="u1",
        choice=choice,
        shown_first=shown,
        reason="daarom",
        guidelines_version="v1",
        at="2025-03-01T12:00:00.000000+00:00",
    )


@pytest.mark.parametrize(
    "values", [None, {}, [], {"choice": None}, {"choice": {}}, {"choice": {"value": 3}}, {"other": {"value": "first"}}]
)
def test_an_answer_that_says_nothing_is_no_vote(values: object):
    response = {"user_id": "u1", "status": "submitted", "updated_at": "2025-03-01T12:00:00", "values": values}
    assert to_vote(response, PAIR, "r1", questions=("choice",), guidelines_version="") is Reason.NO_ANSWER


def test_a_map_that_was_wiped_is_read_off_the_texts_and_a_wrong_one_is_not_believed():
    key, _ = keys()
    record = to_record(key, ONE)
    for metadata in (None, {}, {"seal": "forged"}):
        assert shown_first(record | {"metadata": metadata}, key, ONE) == "r1"
    assert shown_first(record | {"metadata": {"seal": seal(key, PAIR, "r2")}}, key, ONE) is None
    for field in ("prompt", "first", "second"):
        assert shown_first(record | {"fields": record["fields"] | {field: "changed"}}, key, ONE) is None


@pytest.mark.parametrize(
    ("text", "is_changed"),
    [
        ("gewoon", False),
        ("R & D, 3 > 2, \"a\" 'b'\r\n\tمرحبا", False),
        ("<script>alert(1)</script>", True),
        ("a < b", True),
        ("&lt;b&gt; and &#39; and &nbsp", True),
        ("AT&T", True),
    ],
)
def test_what_a_browser_reads_is_the_text_itself(text: str, is_changed: bool):
    assert html.unescape(written(text)) == text
    assert (written(text) != text) is is_changed
