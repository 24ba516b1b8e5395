"""Personal data in a release: found where people write, with where it stands, and nothing made of what only looks like it."""

import pyarrow as pa
import pytest

from pipeline.privacy import Found, search


def votes(**columns: list) -> list[tuple[str, pa.Table]]:
    size = len(next(iter(columns.values())))
    return [("votes", pa.table({"pair_id": [f"p{n}" for n in range(size)]} | columns))]


def matches(text: str, *names: str) -> list[tuple[str, str]]:
    return [(each.what, each.match) for each in search(votes(reason=[text]), names=names)]


def test_addresses_numbers_and_names_are_found_with_their_place():
    tables = votes(reason=["niets", "mail ana.de.wit@voorbeeld.nl of bel +31 6 1234 5678", "vraag het Fatima maar"])
    found = search(tables, names=["fatima", "bo"])
    assert found == [
        Found(
            what="e-mail",
            match="ana.de.wit@voorbeeld.nl",
            column="reason",
            pair_id="p1",
            excerpt="mail ana.de.wit@voorbeeld.nl of bel +31 6 1234 5678",
        ),
        Found(what="name", match="Fatima", column="reason", pair_id="p2", excerpt="vraag het Fatima maar"),
        Found(
            what="phone",
            match="+31 6 1234 5678",
            column="reason",
            pair_id="p1",
            excerpt="mail ana.de.wit@voorbeeld.nl of bel +31 6 1234 5678",
        ),
    ]


def test_messages_are_searched_and_columns_that_nobody_wrote_are_not():
    message = [[{"role": "user", "content": "bel 020-1234567"}]]
    table = pa.table({"pair_id": ["0612345678"], "prompt": message, "at": ["+31612345678"], "annotator": ["fatima"]})
    assert [(each.column, each.match) for each in search([("votes", table)], names=["fatima"])] == [("prompt", "020-1234567")]


@pytest.mark.parametrize("number", ["0612345678", "020 123 45 67", "+1 (555) 123-4567", "٠٥٠١٢٣٤٥٦٧"])
def test_telephone_numbers_of_many_shapes_are_found(number):
    assert matches(f"bel {number} nu") == [("phone", number)]


@pytest.mark.parametrize(
    "text",
    ["01-02-2026", "2026-01-02", "0.00000012345", "12345678", "1 000 000 000", "a@b", "@ana", "v0.12345678", "10/0612345678"],
)
def test_dates_sums_and_handles_are_left_alone(text):
    assert matches(text) == []


def test_a_name_is_a_word_of_its_own_where_the_script_has_words():
    assert matches("Banaan", "ana") == []
    assert matches("Ana, kom!", "ana") == [("name", "Ana")]
    assert matches("昨天小明来了", "小明") == [("name", "小明")]
    assert matches("bo", "bo") == []  # two letters are too few to tell
    assert matches("a.b (c)", "a.b (c)") == [("name", "a.b (c)")]


def test_a_million_letters_in_one_word_are_searched_in_no_time():
    # Tried from every letter on to the end, this takes hours; the timeout of a test is minutes.
    assert matches("a" * 1_000_000 + " @") == []


def test_the_same_text_in_several_formats_is_told_once():
    tables = votes(prompt=["mail a@b.nl", "mail a@b.nl"])
    assert len(search([*tables, ("dpo", tables[0][1])], names=[])) == 1


def test_an_empty_release_holds_nothing():
    assert search([], names=["ana"]) == []
    assert search(votes(reason=["", None]), names=[]) == []
