"""The Annotate page: a name, one card after another, undo, two windows, and nothing that gives a source away."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.state import invitation
from pipeline.records import DocumentKind
from pipeline.studio import Studio
from tests.pages.judging import HOSTILE, NAME, add_project, open_page, shown, workspace_of

CHOICES = ["Answer A is better", "Answer B is better", "Equally good", "Both bad", "Skip"]


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    with workspace_of(tmp_path / "workspace") as opened:
        yield opened


def open_as(annotator: str) -> AppTest:
    app = open_page("annotate")
    app.text_input[0].input(annotator)
    press(app, "Start")
    return app


def press(app: AppTest, label: str, *, read_s: float = 10.0) -> None:
    """Press a button as one who has had the pair before them for that long."""
    if "desk" in app.session_state:
        app.session_state["desk"].shown_at = time.monotonic() - read_s
    next(button for button in app.button if button.label == label).click()
    app.run()
    assert not app.exception, app.exception[0].message


def test_the_page_asks_for_a_name_and_shows_how_to_judge(studio: Studio):
    add_project(studio, n_pairs=2)
    app = open_page("annotate")
    assert app.title[0].value == "Which answer is better?"
    assert "Which one helps the person who asked more?" in shown(app)
    press(app, "Start")
    assert "A name has 1 to 60 letters" in shown(app)
    press(app, "Give me a random name")
    assert app.query_params["annotator"]
    assert [button.label for button in app.button][:5] == CHOICES


def test_the_link_to_share_opens_the_same_page_without_the_name(studio: Studio):
    add_project(studio, n_pairs=2)
    app = open_as("*ana*")
    assert "You vote as *ana*" in shown(app)
    assert invitation("http://host:8501/base/annotate", "Ta'izzi 1") == "http://host:8501/base/annotate?project=Ta%27izzi%201"
    assert "ana" not in app.code[0].value
    assert app.code[0].value.endswith("?project=Dutch%20trial")


def test_a_press_stores_the_vote_and_shows_the_next_pair(studio: Studio):
    add_project(studio, n_pairs=3)
    app = open_as("  Ana  Maria ")
    assert app.query_params["annotator"] == "Ana Maria"
    assert "Pair 1 of 3" in shown(app)
    first = shown(app)
    press(app, "Equally good")
    assert "Pair 2 of 3" in shown(app)
    assert shown(app) != first
    (vote,) = studio.store.votes(NAME).to_dict(orient="records")
    assert (vote["annotator"], vote["choice"], vote["version"]) == ("Ana Maria", "tie", 0)
    assert vote["seconds"] > 0


def test_the_side_pressed_is_the_response_stored(studio: Studio):
    add_project(studio, n_pairs=8)
    app = open_as("ana")
    for _ in range(8):
        pressed = "Answer A is better" if shown(app).find(">h ") < shown(app).find(">m ") else "Answer B is better"
        press(app, pressed)
    pairs = studio.store.pairs(NAME).set_index("pair_id")
    votes = studio.store.votes(NAME)
    assert len(votes) == 8
    chosen = [pairs.loc[row.pair_id, row.choice] for row in votes.itertuples()]
    # Whichever side it was on, the answer beginning with h was chosen each time.
    assert all(text.startswith("h ") for text in chosen)
    assert len(set(votes["shown_first"].isin(pairs["first_id"]))) == 2


def test_a_reason_and_a_better_answer_are_stored_with_the_vote(studio: Studio):
    add_project(studio, n_pairs=2)
    app = open_as("ana")
    app.toggle[0].set_value(True).run()
    app.text_area[0].input("<b>clearer</b>")
    app.text_area[1].input("  a better one\n")
    press(app, "Both bad")
    (vote,) = studio.store.votes(NAME).to_dict(orient="records")
    assert (vote["reason"], vote["edited"]) == ("<b>clearer</b>", "  a better one\n")
    assert [area.value for area in app.text_area] == ["", ""]


def test_a_press_before_the_pair_can_have_been_read_is_not_counted(studio: Studio):
    add_project(studio, n_pairs=3)
    app = open_as("ana")
    press(app, "Equally good")
    press(app, "Equally good", read_s=0.4)
    assert "Pair 2 of 3" in shown(app)
    assert len(studio.store.votes(NAME)) == 1


def test_a_vote_counts_under_the_guidelines_that_were_shown(studio: Studio):
    add_project(studio, n_pairs=4)
    old = studio.store.save_document(NAME, DocumentKind.GUIDELINES, "The old way.")
    app = open_as("ana")
    new = studio.store.save_document(NAME, DocumentKind.GUIDELINES, "The *new* way.")
    assert "The old way." in shown(app)
    press(app, "Equally good")
    assert "The guidelines have changed." in shown(app)
    assert "The *new* way." in shown(app)
    assert "The old way." not in shown(app)
    assert [expander.proto.expanded for expander in app.expander if expander.label == "How to judge"] == [True]
    press(app, "Equally good")
    assert "The guidelines have changed." not in shown(app)
    assert [expander.proto.expanded for expander in app.expander if expander.label == "How to judge"] == [False]
    assert studio.store.votes(NAME)["guidelines_version"].tolist() == [old, new]


def test_who_comes_back_is_told_that_the_guidelines_have_changed_since(studio: Studio):
    add_project(studio, n_pairs=3)
    studio.store.save_document(NAME, DocumentKind.GUIDELINES, "The old way.")
    press(open_as("ana"), "Equally good")
    assert "The guidelines have changed." not in shown(open_as("ana"))
    studio.store.save_document(NAME, DocumentKind.GUIDELINES, "The new way.")
    assert "The guidelines have changed." in shown(open_as("ana"))
    assert "The guidelines have changed." not in shown(open_as("ben"))


def test_a_last_answer_is_marked_and_can_be_kept(studio: Studio):
    add_project(studio, n_pairs=3)
    app = open_as("ana")
    press(app, "Both bad")
    press(app, "Change my last answer")
    assert [button.label for button in app.button][:5] == [*CHOICES[:3], "✓ Both bad", "Skip"]
    press(app, "Keep it")
    assert "Pair 2 of 3" in shown(app)
    assert [button.label for button in app.button][:5] == CHOICES
    assert len(studio.store.votes(NAME, history=True)) == 1


def test_a_change_brings_the_last_pair_back_and_both_answers_are_kept(studio: Studio):
    add_project(studio, n_pairs=3)
    app = open_as("ana")
    press(app, "Answer A is better")
    press(app, "Change my last answer")
    assert "Again: you said “Answer A is better”" in shown(app)
    press(app, "Skip")
    assert "Pair 2 of 3" in shown(app)
    assert studio.store.votes(NAME)["choice"].tolist() == ["skip"]
    assert len(studio.store.votes(NAME, history=True)) == 2


def test_a_second_window_is_told_that_the_pair_was_answered(studio: Studio):
    add_project(studio, n_pairs=3)
    one, other = open_as("ana"), open_as("ana")
    press(one, "Answer A is better")
    press(other, "Answer B is better")
    assert "You already answered this pair in another window" in shown(other)
    assert "Pair 2 of 3" in shown(other)
    assert len(studio.store.votes(NAME, history=True)) == 1


def test_a_refresh_shows_the_same_pair(studio: Studio):
    add_project(studio, n_pairs=30)
    card = shown(open_as("ana")).split("voting-card")[1]
    assert shown(open_as("ana")).split("voting-card")[1] == card


def test_nothing_on_the_page_names_a_source(studio: Studio):
    add_project(studio, n_pairs=1)
    app = open_as("ana")
    everything = shown(app) + "".join(str(element.proto) for element in [*app.button, *app.toggle])
    assert "model-m" not in everything
    assert "human" not in everything


def test_texts_are_shown_and_never_run(studio: Studio):
    add_project(studio, n_pairs=1)
    said = shown(open_as("ana"))
    assert HOSTILE not in said
    assert "&lt;script&gt;alert(1)&lt;/script&gt; **not bold**" in said


def test_when_nothing_is_left_the_page_thanks_and_says_what_is_next(studio: Studio):
    add_project(studio, n_pairs=1)
    app = open_as("ana")
    press(app, "Answer A is better")
    assert "You answered 1 pair. No pair is waiting for you now." in shown(app)
    assert "See how far we are" in [button.label for button in app.button]
    press(app, "Change my last answer")
    press(app, "Keep it")
    assert "You answered 1 pair." in shown(app)
    press(app, "Change my last answer")
    press(app, "Answer B is better")
    assert len(studio.store.votes(NAME, history=True)) == 2


def test_a_project_without_pairs_offers_to_generate(studio: Studio):
    add_project(studio)
    assert "Generate answers" in [button.label for button in open_as("ana").button]


def test_another_person_can_take_over(studio: Studio):
    add_project(studio, n_pairs=1)
    app = open_as("*ana*")
    app.button[-1].click().run()
    assert app.text_input[0].label == "Your name or a nickname"


def test_naughty_names_and_reasons_are_stored_unchanged(studio: Studio, real_data: Path):
    naughty = json.loads((real_data / "blns.json").read_text(encoding="utf-8"))[:40]
    add_project(studio, n_pairs=len(naughty))
    app = open_as("ana")
    app.toggle[0].set_value(True).run()
    for text in naughty:
        app.text_area[0].input(text)
        press(app, "Skip")
    assert studio.store.votes(NAME)["reason"].tolist() == naughty
