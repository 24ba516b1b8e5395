"""Which language does a person mean, how is it written, and what is published about it?"""

import csv
import json
from pathlib import Path

import pandas as pd
import pytest

from pipeline import languages
from pipeline.errors import SourceError
from pipeline.languages import find_language

ARABIC_SCRIPT = {"Iranian Persian", "Urdu", "Sindhi", "Southern Pashto", "Central Kurdish"}


def test_there_are_71_languages_with_different_names():
    assert len({language.name for language in languages.LANGUAGES}) == 71


def test_counts_are_the_published_ones(real_data: Path):
    with (real_data / "aya_train_counts_71.csv").open(encoding="utf-8") as file:
        published = {row["language"]: (row["language_code"], int(row["train_rows"])) for row in csv.DictReader(file)}
    assert {one.name: (one.code, one.published_rows) for one in languages.LANGUAGES} == published


def test_totals_are_the_published_ones(real_data: Path):
    published = json.loads((real_data / "aya_published_stats.json").read_text(encoding="utf-8"))
    totals = languages.totals()
    assert totals.rows == published["train_rows"] == totals.original + totals.re_annotated
    assert totals.original == published["train_original_annotations"]
    assert (totals.revision, totals.file_bytes) == (published["revision"], published["train_parquet_bytes"])
    assert totals.file_sha256 == published["train_parquet_sha256"]


def test_a_language_in_arabic_script_runs_right_to_left_and_no_other_does():
    rtl = {language.name for language in languages.LANGUAGES if language.direction == "rtl"}
    assert rtl == {one.name for one in languages.LANGUAGES if "Arabic" in one.name} | ARABIC_SCRIPT
    assert rtl == {language.name for language in languages.LANGUAGES if language.script == "Arabic"}


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Dutch", "Dutch"),
        ("  dutch ", "Dutch"),
        ("nld", "Dutch"),
        ("nl", "Dutch"),
        ("Nederlands", "Dutch"),
        ("Farsi", "Iranian Persian"),
        ("fa", "Iranian Persian"),
        ("Punjabi", "Panjabi"),
        ("Chichewa", "Nyanja"),
        ("Ta’izzi-Adeni Arabic", "Ta'izzi-Adeni Arabic"),
        ("日本語", "Japanese"),
        ("Kreyòl", "Haitian"),
        ("繁體中文", "Traditional Chinese"),
        ("ar", "Standard Arabic"),
    ],
)
def test_a_language_is_found_by_its_name_a_code_or_another_name(said: str, meant: str):
    assert find_language(said).name == meant


@pytest.mark.parametrize("said", ["zho", "zh", "Chinese", "Mandarin"])
def test_a_name_of_two_languages_is_refused_and_both_are_offered(said: str):
    with pytest.raises(SourceError, match="Simplified Chinese, Traditional Chinese"):
        find_language(said)


@pytest.mark.parametrize(("said", "offered"), [("Duthc", "Dutch"), ("Portugese", "Portuguese"), ("Kurdisch", "Central Kurdish")])
def test_an_unknown_language_is_refused_with_the_nearest_names(said: str, offered: str):
    with pytest.raises(SourceError) as refused:
        find_language(said)
    assert offered in refused.value.hint


def test_a_language_like_no_other_is_refused_with_a_way_to_the_list():
    with pytest.raises(SourceError) as refused:
        find_language("qqqqqq")
    assert "Languages page" in refused.value.hint


def test_a_language_outside_aya_is_found_among_those_of_a_source():
    frame = pd.DataFrame({"language": ["Hebrew", "Dutch"], "code": ["heb", "nld"]})
    assert find_language("heb", languages.languages_of(frame)).name == "Hebrew"


def test_every_name_and_code_leads_to_its_own_language_unless_it_is_shared():
    for language in languages.LANGUAGES:
        assert find_language(language.name) is language


def test_every_language_has_a_system_prompt_and_most_in_their_own_words():
    english = find_language("English")
    own = 0
    for language in languages.LANGUAGES:
        prompt = languages.system_prompt(language)
        assert len(prompt) > 20
        if language is english or not prompt.startswith("You are"):
            own += 1
        else:
            assert f"Answer in {language.name}, unless the prompt asks for another language" in prompt
    assert own >= 40


def test_the_published_frame_says_how_exact_it_is_and_leaves_unknown_figures_missing():
    frame = languages.published().set_index("language")
    assert list(frame.columns) == languages.COLUMNS[1:]
    assert frame.loc["Dutch", "rows"] == 1733
    assert frame.loc["Dutch", "prompt_chars_mean"] == pytest.approx(223.671, abs=1e-3)
    assert frame.loc["Dutch", "how"] == "exact"
    assert frame.loc["Najdi Arabic", "how"] == "about"
    assert frame["contributors"].isna().all()
    assert frame["rows"].sum() == 202_379  # 63 exact counts and 8 read off a plot; the exact total is 202,362


def test_every_aya_language_has_its_own_system_prompt():
    english = languages.system_prompt(find_language("English")).replace("English", "{}")
    for language in languages.LANGUAGES:
        assert language.name == "English" or languages.system_prompt(language) != english.format(language.name), language.name
