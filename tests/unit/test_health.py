"""The health report: each number worked out by hand, none without its n, nothing said of what is not there."""

import pandas as pd
import pytest

from pipeline.health import Finding, Health, Unit, estimate_tokens, examine, in_words, token_rows

COLUMNS = ["prompt", "chosen", "rejected", "chosen_source", "rejected_source", "agreement"]


def rows(*texts: tuple[str, str, str], sources: tuple[str, str] = ("human", "model-x"), agreement: float = 1.0) -> pd.DataFrame:
    return pd.DataFrame([(*each, *sources, agreement) for each in texts], columns=COLUMNS)


def found(health: Health, name: str) -> Finding:
    return next(each for each in (*health.findings, *health.chosen_by_source) if each.name == name)


def test_identical_and_nearly_identical_sides_are_counted_apart():
    sentence = "Kaas wordt gemaakt van melk, en het duurt weken tot hij rijp is."
    health = examine(
        rows(
            ("Wat is kaas?", "Zuivel.", "Zuivel."),
            ("Hoe?", sentence, sentence.replace(",", "").upper()),
            ("Waarom?", "Omdat.", "Geen idee, vraag het een boer."),
            ("Hoeveel?", "Samen is het 12 euro.", "Samen is het 13 euro."),
        )
    )
    assert (found(health, "identical").value, found(health, "identical").n) == (0.25, 4)
    # The second row differs in a comma and in capitals; two sums are two answers.
    assert found(health, "near_identical").value == 0.25
    assert {each.name for each in health.concerns} >= {"identical", "near_identical"}


def test_length_bias_is_a_concern_only_when_its_interval_leaves_the_middle():
    long = [("v", "langer dan", "kort")] * 9 + [("v", "kort", "langer dan")]
    finding = found(examine(rows(*long)), "longer_chosen")
    # 9 of 10; Wilson: (0.9 + 0.192 +- 1.96 sqrt(0.009 + 0.0096)) / 1.384 = 0.596 to 0.982.
    assert (finding.value, finding.n) == (0.9, 10)
    assert (finding.low, finding.high) == (pytest.approx(0.596, abs=0.001), pytest.approx(0.982, abs=0.001))
    assert finding.is_concern
    assert "write long" in finding.note
    even = found(examine(rows(*long[:2], *[("v", "kort", "langer dan")] * 2)), "longer_chosen")
    assert (even.value, even.is_concern, even.note) == (0.5, False, "")
    short = found(examine(rows(*[("v", "kort", "langer dan")] * 9)), "longer_chosen")
    assert "write short" in short.note


def test_the_length_ratio_is_a_geometric_mean():
    finding = found(examine(rows(("v", "x" * 7, "x"), ("v", "x", "x" * 7))), "length_ratio")
    # 8 / 2 and 2 / 8, one character added to each: their geometric mean is 1.
    assert finding.value == pytest.approx(1.0)
    assert finding.unit is Unit.TIMES
    assert found(examine(rows(("v", "xxx", "x"))), "length_ratio").low is None  # one row has no interval


def test_markup_is_counted_in_both_answers():
    plain, marked = "Kaas, melk en boter.", "# Lijst\n\n- kaas\n- **melk**\n1. boter\n`x`"
    finding = found(examine(rows(*[("v", marked, plain)] * 9, ("v", plain, plain))), "more_markup_chosen")
    assert (finding.value, finding.n, finding.is_concern) == (1.0, 9, True)
    assert found(examine(rows(("v", "2 * 3 * 4 = 24 [sic]", plain))), "more_markup_chosen").n == 0


def test_tokens_are_estimated_from_bytes_and_told_as_an_estimate():
    # One for two bytes: "kaas" has 4 bytes, "ჭჭ" has 6, and nothing has none.
    assert [estimate_tokens(text) for text in ("kaas", "ჭჭ", "")] == [2, 3, 0]
    health = examine(rows(("v" * 4, "x" * 30, "x" * 60)))
    assert token_rows(health.tokens)[-1] == ("prompt and longer answer", "32", "32", "32", "32", "1")
    assert "estimate" in health.token_note
    counted = examine(rows(("een twee", "drie", "vier vijf zes")), count=lambda text: len(text.split()), counted_by="words")
    assert token_rows(counted.tokens)[-1][1] == "5"
    assert counted.token_note == "Counted with words."


def test_a_pair_that_becomes_identical_when_cut_is_found():
    # 3 tokens of prompt, then the same 20 bytes (10 tokens) on both sides: from max_length 13 down both sides are equal.
    table = rows(("v" * 6, "x" * 20 + "goed", "x" * 20 + "fout"), ("v", "a" * 90, "b" * 90))
    assert found(examine(table, max_length=13), "identical_when_cut").value == 0.5
    assert found(examine(table, max_length=14), "identical_when_cut").value == 0.0
    assert found(examine(table, max_length=13), "too_long").value == 1.0
    assert found(examine(table), "too_long").is_concern is False


def test_language_is_told_of_the_texts_long_enough_to_tell():
    english = "This is an English answer, whatever the question was."
    health = examine(
        rows(("v", english, "nee"), ("v", "Dit is een Nederlands antwoord op een vraag.", "nee"), ("v", "Ja.", "nee")),
        speaks=lambda text: "written in en" if text == english else "",
    )
    assert (found(health, "wrong_language").value, found(health, "wrong_language").n) == (0.5, 2)


def test_repeated_prompts_and_rows_are_counted():
    health = examine(rows(("Wat is kaas?", "a", "b"), ("wat is kaas", "c", "d"), ("Wat is kaas?", "a", "b")))
    assert (found(health, "repeated_prompts").value, found(health, "repeated_prompts").n) == (0.5, 2)
    assert found(health, "repeated_rows").value == pytest.approx(1 / 3)


def test_each_source_is_counted_where_it_was_shown():
    table = pd.concat([rows(("v", "a", "b"), ("w", "a", "b")), rows(("x", "a", "b"), sources=("model-x", "model-y"))])
    health = examine(table.reset_index(drop=True))
    assert [(each.label, each.value, each.n) for each in health.chosen_by_source] == [
        ("written by a person", 1.0, 2),
        ("model-x", pytest.approx(1 / 3), 3),
        ("model-y", 0.0, 1),
    ]


def test_support_is_a_mean_with_its_interval():
    table = pd.concat([rows(("v", "a", "b"), agreement=1.0), rows(("w", "a", "b"), agreement=0.5)]).reset_index(drop=True)
    finding = found(examine(table), "support")
    assert (finding.value, finding.n) == (0.75, 2)
    assert (finding.low, finding.high) == (0.0, 1.0)  # two rows say next to nothing


def test_an_empty_release_has_no_numbers_and_no_concerns():
    health = examine(rows())
    assert health.concerns == []
    assert health.is_small
    assert {in_words(each)[1] for each in health.findings} == {"not defined"}
    assert token_rows(health.tokens) == []


def test_numbers_are_said_in_words():
    assert in_words(found(examine(rows(("v", "xxx", "x"))), "longer_chosen")) == (
        "The longer answer was chosen (rows whose answers differ in length)",
        "100.0 %",
        "20.7 % to 100.0 %",
        "1",
    )
