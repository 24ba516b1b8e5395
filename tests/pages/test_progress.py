import pytest

from pipeline.records import Exclusion
from tests.pages.judging import NAME, add_project, open_page, shown, workspace_of


@pytest.fixture
def studio(tmp_path):
    with workspace_of(tmp_path / "workspace") as opened:
        yield opened


def test_progress_answers_when_how_much_and_who(studio):
    add_project(studio, *["hmh", "mm.", "h..", "hhk"] * 5)
    app = open_page("progress")
    assert app.title[0].value == "How far are we?"
    said = shown(app)
    # Of 20 pairs with 3 votes wanted: 0 + 1 + 2 + 1 votes are missing on each four, 20 in all.
    assert "20 missing votes" in said
    stages, people = app.dataframe[0].value, app.dataframe[-1].value
    assert stages["rows"].tolist()[:5] == [20, 20, 20, 20, 5]
    assert people["annotator"].tolist() == ["a", "b", "c"]
    assert people["votes"].tolist() == [20, 15, 5]
    assert people["skips"].tolist() == [0, 0, 5]
    assert app.button[0].label == "Open the voting page"


def test_progress_of_a_finished_project_points_to_agreement(studio):
    add_project(studio, *["hhh"] * 6)
    app = open_page("progress")
    assert "Every pair has the votes it needs" in shown(app)
    assert app.button[0].label == "See whether the votes agree"


def test_progress_without_pairs_offers_to_generate(studio):
    add_project(studio)
    app = open_page("progress")
    assert [button.label for button in app.button] == ["Generate answers"]


def test_progress_before_the_first_vote_shows_the_stages_and_no_forecast(studio):
    add_project(studio, n_pairs=4)
    app = open_page("progress")
    assert "cannot be told yet" in shown(app)
    assert len(app.dataframe) == 1


def test_progress_shows_every_row_that_was_left_out(studio):
    add_project(studio, "hhh")
    left_out = [Exclusion(row_id=f"r{n}", stage="select", reason="too_short", text=f"tekst {n}") for n in range(600)]
    studio.store.add_exclusions(NAME, left_out)
    app = open_page("progress")
    listed = next(table.value for table in app.dataframe if "detail" in table.value.columns)
    assert len(listed) == 600
