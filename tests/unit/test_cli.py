"""What the terminal shows of an answer when nobody asked for JSON."""

from pipeline.cli import _readable


def test_rows_that_tell_different_things_stand_in_one_table():
    shown = _readable({"excluded_by_format": {"kto": {"empty": 2, "won_and_lost": 3}, "sft": {"same_answer": 4}}})
    assert shown.splitlines() == [
        "excluded_by_format:",
        "  name  empty  won_and_lost  same_answer",
        "  kto   2      3             -",
        "  sft   -      -             4",
    ]
