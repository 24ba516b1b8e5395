import pytest

from pipeline.adapters.language_detector import detect, detectable
from pipeline.languages import LANGUAGES, find_language
from pipeline.tongues import code_of, dominant_script, find_wrong_language, is_alike, written_in

DUTCH = "De hoofdstad van Nederland is Amsterdam, maar de regering zetelt in Den Haag."
ENGLISH = "The capital of the Netherlands is Amsterdam, but the government sits in The Hague."
KURDISH = "هەموو مرۆڤەکان بە ئازادی و یەکسان لە ڕووی کەرامەت و مافەوە لەدایک دەبن."


def wrong(text: str, language: str, *, also: str = "") -> str:
    spoken = find_language(language)
    found = written_in(text, detect)
    return find_wrong_language(text, found, spoken, can_be_detected=code_of(spoken) in detectable(), also=also)


def test_an_answer_in_the_language_asked_for_is_right():
    assert wrong(DUTCH, "Dutch") == ""


def test_an_english_answer_to_a_dutch_prompt_is_wrong():
    assert wrong(ENGLISH, "Dutch") == "written in English, not in Dutch"


def test_where_the_person_answered_in_english_too_the_model_may():
    assert wrong(ENGLISH, "Dutch", also="en") == ""


def test_sums_names_and_code_are_in_no_wrong_language():
    assert wrong("12 + 5 = 17", "Thai") == ""
    assert wrong("Amsterdam", "Thai") == ""


def test_what_the_detector_cannot_tell_is_told_by_its_script():
    assert written_in(KURDISH, detect) == "unknown (Arabic)"
    assert wrong(KURDISH, "Central Kurdish") == ""
    assert wrong("Абвгд ежзий клмно прсту фхцчш " * 4, "Central Kurdish") == "written in Cyrillic letters, not in Arabic"


def test_a_language_at_home_in_two_scripts_is_right_in_both():
    # Article 1 of the Declaration in Kurdish, in Latin letters.
    latin = "Hemû mirov azad û di weqar û mafan de wekhev tên dinyayê. Ew xwedî hiş û şuûr in û divê li hember hev bi zihniyeteke"
    assert written_in(latin, detect) == "unknown (Latin)"
    assert wrong(latin, "Central Kurdish") == ""
    # What is surely another language in these letters is still noticed.
    assert wrong(f"{ENGLISH} {DUTCH} {ENGLISH}", "Central Kurdish") == "written in English, not in Central Kurdish"


def test_a_text_without_letters_is_unknown():
    assert dominant_script("1 + 1 = 2 …") == ("", 0)
    assert written_in("1 + 1 = 2 …", detect) == "unknown"


@pytest.mark.parametrize("text", ["\x00\x01 \ud800", "", "\u202e</script>", "😀" * 50])
def test_no_text_makes_the_detector_fail(text: str):
    assert detect(text) == ""


def test_confusable_languages_are_treated_as_one():
    assert is_alike("id", "ms")
    assert is_alike("bs", "sr")
    assert not is_alike("da", "de")


def test_every_aya_language_but_kurdish_can_be_detected():
    assert [language.name for language in LANGUAGES if code_of(language) not in detectable()] == ["Central Kurdish"]
