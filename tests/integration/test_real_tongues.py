"""The language check over real paragraphs in 65 languages."""

from pathlib import Path

from pipeline.adapters.language_detector import detect
from pipeline.tongues import dominant_script, find_wrong_language, written_in
from tests.bench.tongues import measure, paragraphs


def test_paragraphs_in_65_languages_are_placed_and_hardly_any_is_called_wrong(real_data: Path):
    rows = paragraphs(real_data)
    whole, short = measure(rows, None), measure(rows, 20)
    assert whole["recall"] > 0.98
    assert whole["called_wrong"] < 0.002
    assert short["called_wrong"] < 0.02, short["called_wrong_in"]


def test_kurdish_in_latin_letters_is_not_set_aside_in_a_kurdish_project(real_data: Path):
    kurdish = [(language, text) for _, language, text in paragraphs(real_data) if language.name == "Central Kurdish"]
    assert {dominant_script(text)[0] for _, text in kurdish} == {"Latin"}
    found = [find_wrong_language(text, written_in(text, detect), spoken, can_be_detected=False) for spoken, text in kurdish]
    assert (len(found), set(found)) == (116, {""})
