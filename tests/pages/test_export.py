"""The Export page: rows as they will be, a release written once, its files handed out, and each empty state with a way on."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pipeline.records import Choice, Project, Prompt, Response, Vote, make_pair, response_id
from pipeline.settings import Settings
from pipeline.studio import Studio
from pipeline.wiring import open_studio

HOME = Path(__file__).resolve().parents[2] / "dashboard" / "Home.py"
NASTY = "</script><b>vet</b> **dik** [klik](http://x.example) $a$ :rocket:"


@pytest.fixture
def studio(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Studio:
    monkeypatch.setenv("STUDIO_WORKSPACE", str(workspace))
    return open_studio(Settings(workspace=workspace))


def add_project(studio: Studio, *, votes: list[Choice], text: str = "Kaas is zuivel.") -> None:
    store = studio.store
    store.add_project(Project(name="kaas", language="Dutch", code="nld", source="hub", revision="r1", order_key="key"))
    store.add_prompts("kaas", [Prompt(id="p1", text=f"Wat is kaas? {text}")])
    texts = {"human": text, "model-x": "Een hond."}
    answers = [
        Response(id=response_id("p1", source, each), prompt_id="p1", source=source, text=each) for source, each in texts.items()
    ]
    store.add_responses("kaas", answers)
    pair = make_pair(*answers)
    store.add_pairs("kaas", [pair])
    cast = [Vote(pair_id=pair.id, annotator=f"a{number}", choice=choice) for number, choice in enumerate(votes)]
    store.add_votes("kaas", cast)


def open_page() -> AppTest:
    app = AppTest.from_file(str(HOME), default_timeout=60)
    app.query_params["project"] = "kaas"
    app.run()
    app.switch_page("../pages/export.py")
    app.run()
    assert not app.exception
    return app


def html(app: AppTest) -> str:
    return "\n".join(str(element.proto.body) for element in app.get("html"))


def press(app: AppTest, label: str) -> AppTest:
    next(button for button in app.button if button.label == label).click()
    app.run()
    assert not app.exception
    return app


def test_without_votes_the_next_step_is_to_annotate(studio):
    add_project(studio, votes=[])
    app = open_page()
    assert "nobody has voted" in html(app)
    assert [button.label for button in app.button] == ["Open the voting page"]


def test_votes_that_decide_nothing_lead_to_the_rules(studio):
    add_project(studio, votes=[Choice.TIE, Choice.TIE])
    app = open_page()
    assert "they decide no pair yet" in html(app)
    assert [button.label for button in app.button] == ["Look at the rules"]


def test_the_rows_are_shown_as_they_will_be(studio):
    add_project(studio, votes=[Choice.FIRST, Choice.FIRST])
    app = open_page()
    assert [metric.value for metric in app.metric] == ["1", "1", "1", "2", "2"]
    shown = json.loads(app.code[0].value)
    assert shown == studio.contents("kaas", ["dpo"]).preview("dpo")[0]
    assert shown["prompt"] == [{"role": "user", "content": "Wat is kaas? Kaas is zuivel."}]


def test_text_from_outside_is_never_markup(studio):
    add_project(studio, votes=[Choice.FIRST, Choice.FIRST], text=NASTY)
    app = open_page()
    assert "&lt;/script&gt;&lt;b&gt;vet&lt;/b&gt; **dik**" in html(app)
    assert "<b>vet" not in html(app)
    assert not any("vet" in each.value for each in app.markdown)


def test_a_release_is_written_once_and_can_be_taken_along(studio):
    add_project(studio, votes=[Choice.FIRST, Choice.FIRST])
    app = press(open_page(), "Write the release")
    assert app.success[0].value.startswith("Written: kaas")
    release = studio.store.releases("kaas")[0]
    assert (Path(release.directory) / "dpo" / "train.parquet").is_file()
    assert any(f"--dataset_name {release.directory}" in block.value for block in app.code)
    assert [button.proto.label for button in app.get("download_button")] == ["Download all files (zip)", "Download this file"]
    press(app, "Write the release")
    assert app.info[0].value.startswith("Nothing has changed")
    assert len(studio.store.releases("kaas")) == 1


def test_a_release_whose_folder_is_gone_says_so(studio):
    add_project(studio, votes=[Choice.FIRST, Choice.FIRST])
    written = Path(studio.export("kaas", ["dpo"]).directory)
    written.rename(written.with_name("moved"))
    app = open_page()
    assert "no longer where it was written" in app.warning[0].value
    assert not app.get("download_button")


def test_without_a_format_nothing_can_be_written(studio):
    add_project(studio, votes=[Choice.FIRST, Choice.FIRST])
    app = open_page()
    app.multiselect[0].set_value([])
    app.run()
    assert "Choose at least one format" in app.info[0].value
    assert next(button for button in app.button if button.label == "Write the release").disabled


def test_a_refusal_is_shown_with_what_to_do(studio):
    add_project(studio, votes=[Choice.FIRST, Choice.FIRST])
    (studio.settings.workspace / "releases").write_text("a file where the folder should be")
    app = press(open_page(), "Write the release")
    assert "cannot be written" in app.error[0].value
    assert "Choose a folder you may write to" in app.error[0].value
