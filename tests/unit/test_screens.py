import pandas as pd
import pytest

from pipeline.adapters.language_detector import detect
from pipeline.languages import find_language
from pipeline.records import HUMAN, Response
from pipeline.screens import Reason, Tongue, by_model, counts, screen, screen_all
from pipeline.shares import share_interval

TONGUE = Tongue(language=find_language("Dutch"), detect=detect)
PERSON = "De hoofdstad van Nederland is Amsterdam, maar de regering zetelt in Den Haag."


def noticed(text: str, person: str = PERSON, *, finish_reason: str = "stop"):  # type: ignore[no-untyped-def]
    response = Response(id="r", prompt_id="p", source="tiny", text=text)
    return screen(response, [person], TONGUE, finish_reason=finish_reason)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (" \n", Reason.EMPTY),
        ("Het spijt me, maar ik kan deze vraag niet beantwoorden.", Reason.REFUSAL),
        ("I’m sorry, but I can’t help with that.", Reason.REFUSAL),
        ("The capital is Amsterdam, but the government of the country sits in The Hague.", Reason.WRONG_LANGUAGE),
        (PERSON.upper() + "!!", Reason.IDENTICAL),
        (PERSON + " Daar woont ook de koning, en daar staat het parlement.", Reason.PREFIX),
        ("Amsterdam is een mooie stad met veel grachten en musea. " * 20, Reason.LENGTH_RATIO),
        ("Kijk eens naar deze lijst:\n- Amsterdam is de hoofdstad\n- Den Haag is de zetel", Reason.MARKUP),
        ("Amsterdam is de hoofdstad, en het parlement vergadert in een andere stad.", ""),
    ],
)
def test_each_screen_notices_what_it_is_for(text: str, reason: str):
    assert noticed(text).reason == reason


def test_a_long_text_that_differs_by_a_letter_is_nearly_identical():
    person = (
        "Amsterdam is de hoofdstad van Nederland en heeft veel grachten, musea, bruggen en fietsen. De regering vergadert in "
        "Den Haag, waar ook het hof van de koning te vinden is, terwijl Rotterdam vooral bekend staat om zijn grote haven."
    )
    assert noticed(person.replace("grote", "groote"), person).reason == Reason.NEAR_IDENTICAL


def test_a_short_beginning_such_as_a_yes_is_no_repetition():
    assert noticed("Ja, want Amsterdam is de hoofdstad van dit land.", "Ja").reason == ""


def test_an_answer_that_was_cut_is_said_to_be():
    assert noticed("Amsterdam is de hoofdstad en", finish_reason="length").reason == Reason.TRUNCATED


def test_length_and_markup_are_noted_and_the_rest_is_set_aside():
    assert not noticed("- Amsterdam is de hoofdstad\n- Den Haag is de zetel van de regering").is_out
    assert noticed("").is_out


def test_only_new_answers_of_models_are_screened():
    responses = pd.DataFrame(
        {
            "id": ["h", "m", "n"],
            "prompt_id": ["p"] * 3,
            "source": [HUMAN, "tiny", "tiny"],
            "text": [PERSON, "", PERSON],
            "finish_reason": [None, "stop", "stop"],
        }
    )
    assert [(one.response_id, one.reason) for one in screen_all(responses, [], TONGUE)] == [("m", "empty"), ("n", "identical")]
    assert [one.response_id for one in screen_all(responses, ["m"], TONGUE)] == ["n"]


def test_the_wrong_language_rate_of_a_model_has_its_interval():
    frame = pd.DataFrame({"source": ["a"] * 10, "reason": ["wrong_language"] + [""] * 9, "is_out": [True] + [False] * 9})
    told = by_model(frame).iloc[0]
    assert (told["answers"], told["noticed"], told["set_aside"], told["wrong_language"]) == (10, 1, 1, 1)
    # Wilson for 1 of 10: (.1 + .19207 -+ 1.96 sqrt(.009 + .0096)) / 1.38414 (Wilson 1927, with z = 1.96).
    assert (round(told["wrong_low"], 4), round(told["wrong_high"], 4)) == (0.0179, 0.4042)
    assert counts(frame)[["reason", "responses", "set_aside"]].to_numpy().tolist() == [["wrong_language", 1, 1]]


def test_the_interval_of_nothing_is_everything():
    assert share_interval(0, 0) == (0.0, 1.0)
    # Wilson for 0 of 10: upper end z^2 / (n + z^2) = 3.8415 / 13.8415.
    assert share_interval(0, 10) == pytest.approx((0.0, 0.27753), abs=1e-5)
