"""The board shows every project, alive from the first start, and names the next step."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.overview import next_step
from pipeline import wiring
from pipeline.settings import Settings
from pipeline.studio import ProjectStatus
from tests.visitor import visitor


@pytest.fixture
def board(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("STUDIO_WORKSPACE", str(workspace))
    return visitor()


def status(**counts: int) -> ProjectStatus:
    zero = dict.fromkeys(
        ("prompts", "responses", "pairs", "votes", "skipped", "annotators", "completed_pairs", "preferences", "releases"), 0
    )
    return ProjectStatus(name="p", language="Dutch", spent_usd=0.0, **(zero | counts))


def test_the_first_start_shows_a_demonstration_that_is_alive(board: AppTest):
    board.run()
    assert not board.exception
    assert [title.value for title in board.title] == ["Where do our projects stand?"]
    assert "Demonstration English" in [header.value for header in board.subheader]
    assert any("not Aya" in note.value for note in board.info)
    assert "Open the voting page" in [button.label for button in board.button]


def test_the_next_step_leads_to_its_page(board: AppTest):
    board.run()
    next(button for button in board.button if button.label == "Open the voting page").click().run()
    assert [title.value for title in board.title] == ["Which answer is better?"]


def test_saved_settings_hold_for_the_project(board: AppTest, workspace: Path):
    board.run()
    board.number_input[0].set_value(5)
    board.text_area[0].set_value("Be kind.")
    next(button for button in board.button if button.label == "Save").click().run()
    assert not board.exception
    opened = wiring.open_studio(Settings.from_env({}, workspace=workspace))
    assert opened.store.project("Demonstration English").votes_wanted == 5
    opened.store.close()
    assert any("have all 5 votes" in bar.proto.text for bar in board.get("progress"))


def test_more_votes_than_the_page_offers_are_shown_as_saved(board: AppTest, workspace: Path):
    opened = wiring.open_studio(Settings.from_env({}, workspace=workspace))
    opened.demo()
    opened.store.update_project("Demonstration English", votes_wanted=40)
    opened.store.close()
    board.run()
    assert not board.exception
    assert board.number_input[0].value == 40


def test_a_demonstration_in_another_language_can_be_added(board: AppTest):
    board.run()
    board.selectbox[0].select("Standard Arabic").run()
    next(button for button in board.button if button.label == "Make this demonstration").click().run()
    assert "Demonstration Standard Arabic" in [header.value for header in board.subheader]


def test_a_workspace_that_cannot_be_opened_is_explained(board: AppTest, workspace: Path):
    workspace.parent.mkdir(parents=True, exist_ok=True)
    workspace.write_text("a file where a folder should be")
    board.run()
    assert not board.exception
    assert any("cannot be made" in error.value for error in board.error)


@pytest.mark.parametrize(
    ("counts", "page"),
    [
        ({}, "languages"),
        ({"prompts": 4}, "generate"),
        ({"prompts": 4, "responses": 4, "pairs": 4, "votes": 3, "completed_pairs": 1}, "annotate"),
        ({"prompts": 4, "responses": 4, "pairs": 4, "votes": 12, "completed_pairs": 4}, "curate"),
        ({"prompts": 4, "responses": 4, "pairs": 4, "votes": 12, "completed_pairs": 4, "preferences": 3}, "export"),
    ],
)
def test_the_next_step_follows_from_what_is_missing(counts: dict[str, int], page: str):
    assert next_step(status(**counts))[0] == page
