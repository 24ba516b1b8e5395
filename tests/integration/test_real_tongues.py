"""The language check over real paragraphs in 65 languages."""

from pathlib import Path

from tests.bench.tongues import measure, paragraphs


def test_paragraphs_in_65_languages_are_placed_and_hardly_any_is_called_wrong(real_data: Path):
    rows = paragraphs(real_data)
    whole, short = measure(rows, None), measure(rows, 20)
    assert whole["recall"] > 0.98
    assert whole["called_wrong"] < 0.002
    assert short["called_wrong"] < 0.02, short["called_wrong_in"]
