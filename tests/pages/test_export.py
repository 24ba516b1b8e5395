"""The Export page: rows as they will be, a release written once, its files handed out, and each empty state with a way on."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from pipeline import jobs
from pipeline.records import Choice, JobState, Project, Prompt, Response, Vote, make_pair, response_id
from pipeline.settings import Settings
from pipeline.shapes import Format, Layout
from pipeline.studio import Studio
from pipeline.wiring import open_studio
from tests.fakes.writable_hub import WRITE, WritableHub
from tests.terminal import environment
from tests.visitor import visitor

NASTY = "</script><b>vet</b> **dik** [klik](http://x.example) $a$ :rocket:"


@pytest.fixture
def studio(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Studio:
    monkeypatch.setenv("STUDIO_WORKSPACE", str(workspace))
    return open_studio(Settings(workspace=workspace))


def wait_for(happened: Callable[[], bool], *, within_s: float = 60) -> None:
    ends_at = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < ends_at
        time.sleep(0.2)


def add_project(studio: Studio, *, votes: list[Choice], text: str = "Kaas is zuivel.", reason: str = "") -> None:
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
    cast = [Vote(pair_id=pair.id, annotator=f"a{number}", choice=choice, reason=reason) for number, choice in enumerate(votes)]
    store.add_votes("kaas", cast)


def open_page() -> AppTest:
    app = visitor()
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
    assert [metric.value for metric in app.metric] == ["1", "1", "1", "2", "2"]  # before a release there is no change to show
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
    assert any(each.value.startswith("Written\\: v1, kaas") for each in app.success)
    release = studio.store.releases("kaas")[0]
    assert (Path(release.directory) / "dpo" / "train.parquet").is_file()
    told = next(block.value for block in app.code if block.value.startswith("cd "))
    assert told == f'cd {release.directory}\ntrl dpo --config recipes/dpo.yaml --dataset_name "$PWD"'
    assert [button.proto.label for button in app.get("download_button")] == ["Download all files (zip)", "Download this file"]
    press(app, "Write the release")
    assert any(each.value.startswith("Nothing has changed since v1") for each in app.info)
    assert len(studio.store.releases("kaas")) == 1


def test_a_release_whose_folder_is_gone_says_so(studio):
    add_project(studio, votes=[Choice.FIRST, Choice.FIRST])
    written = Path(studio.export("kaas", ["dpo"]).directory)
    written.rename(written.with_name("moved"))
    app = open_page()
    assert any("no longer where it was written" in each.value for each in app.warning)
    assert not app.get("download_button")


def test_the_options_of_the_terminal_change_rows_and_release(studio, monkeypatch):
    monkeypatch.delenv("STUDIO_TRL_PYTHON", raising=False)
    add_project(studio, votes=[Choice.FIRST, Choice.FIRST])
    app = open_page()
    assert any("`make trl`" in each.value for each in app.caption)
    next(each for each in app.selectbox if each.label.startswith("How the rows are laid out")).set_value(Layout.IMPLICIT)
    app.multiselect[0].set_value([Format.DPO, Format.JUDGEMENTS])
    app.run()
    row = json.loads(app.code[0].value)
    assert [turn["role"] for turn in row["chosen"]] == ["user", "assistant"]
    assert "<h3>Prompt</h3>" in html(app)
    next(each for each in app.checkbox if each.label.startswith("Each file as JSONL")).check()
    app = press(app, "Write the release")
    written = Path(studio.store.releases("kaas")[0].directory)
    assert json.loads((written / "manifest.json").read_text())["layout"] == "implicit"
    assert (written / "dpo" / "train.jsonl").is_file()
    app.get("file_uploader")[0].set_value(("aya.csv", b"inputs\nWat is kaas? Kaas is zuivel.\n", "text/csv")).run()
    assert not app.exception
    assert any(each.value.endswith("and are left out\\: 1\\.") for each in app.markdown)
    assert app.metric[0].value == "0"
    app.get("file_uploader")[0].set_value(("aya.csv", b"vraag\nWat?\n", "text/csv")).run()
    assert "has no column of prompts" in app.error[0].value


STAND_IN = """#!{python}
import json, sys, time
task, kinds = sys.argv[2], sys.argv[4:]
if {fault!r} == "refuses":
    sys.exit("dpo: the losses were nothing")
if {fault!r} == "hangs":
    time.sleep(120)
if {fault!r} == "reads slowly" and task == "functions":
    time.sleep(6)
trainers = {{kind: {{"steps": 5, "rows": 1, "losses": [0.693] * 5}} for kind in kinds}}
print(json.dumps({{"trainers": trainers, "versions": {{"trl": "1.16.0"}}}} if task == "train" else {{"rows": {{}}}}))
"""


def try_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str = "") -> AppTest:
    """Ask for the training to be tried, by a program that stands in for the Python with TRL, which is over 5 GB."""
    program = tmp_path / "python-with-trl"
    program.write_text(STAND_IN.format(python=sys.executable, fault=fault))
    program.chmod(0o755)
    monkeypatch.setenv("STUDIO_TRL_PYTHON", str(program))
    app = open_page()
    next(each for each in app.checkbox if each.label.startswith("Try the training")).check()
    app.get("file_uploader")[0].set_value(("suite.csv", b"prompt\nWat is brood?\n", "text/csv")).run()
    return press(app, "Try the training and write the release")


def end_of_job(studio: Studio) -> str:
    (job,) = studio.store.jobs("kaas")
    wait_for(lambda: jobs.refresh(studio.store, job).state is not JobState.RUNNING)
    return str(jobs.find(studio.store, job.id).state)


def test_a_training_is_tried_in_a_process_of_its_own_and_its_end_is_there_after_a_reload(studio, tmp_path, monkeypatch):
    add_project(studio, votes=[Choice.FIRST, Choice.FIRST])
    app = try_training(tmp_path, monkeypatch)
    assert "Write the release" not in [button.label for button in app.button]
    assert end_of_job(studio) == JobState.DONE, jobs.log_tail(studio.settings.workspace, studio.store.jobs("kaas")[0].id)
    app = open_page()
    assert any(each.value.startswith("Written\\: v1, kaas") for each in app.success)
    folder = Path(studio.store.releases("kaas")[0].directory)
    assert json.loads((folder / "training_check.json").read_text())["trainers"].keys() == {"dpo", "orpo"}
    assert json.loads((folder / "manifest.json").read_text())["split"]["evaluation"] == "suite.csv"
    studio.export("kaas", ["kto"])
    assert not any("v1" in each.value for each in open_page().success)


def test_a_training_that_is_tried_can_be_stopped_and_writes_nothing(studio, tmp_path, monkeypatch):
    add_project(studio, votes=[Choice.FIRST, Choice.FIRST])
    app = try_training(tmp_path, monkeypatch, "hangs")
    (job,) = studio.store.jobs("kaas")
    wait_for(lambda: jobs.find(studio.store, job.id).total == 3)
    app = press(open_page(), "Stop")
    assert end_of_job(studio) == JobState.STOPPED
    app = open_page()
    assert any("nothing was written" in each.value for each in app.warning)
    assert studio.store.releases("kaas") == []
    assert "Write the release" in [button.label for button in app.button]


def test_stop_while_the_files_are_written_comes_too_late_and_the_page_says_what_was_written(studio, tmp_path, monkeypatch):
    add_project(studio, votes=[Choice.FIRST, Choice.FIRST])
    try_training(tmp_path, monkeypatch, "reads slowly")
    (job,) = studio.store.jobs("kaas")
    wait_for(lambda: jobs.find(studio.store, job.id).done == 2)
    press(open_page(), "Stop")
    assert end_of_job(studio) == JobState.STOPPED
    app = open_page()
    assert any(each.value.startswith("Written\\: v1, kaas") for each in app.success)
    assert len(studio.store.releases("kaas")) == 1
    assert "Write the release" in [button.label for button in app.button]


def test_a_training_that_is_refused_says_why_and_writes_nothing(studio, tmp_path, monkeypatch):
    add_project(studio, votes=[Choice.FIRST, Choice.FIRST])
    try_training(tmp_path, monkeypatch, "refuses")
    assert end_of_job(studio) == JobState.FAILED
    assert "the losses were nothing" in open_page().error[0].value
    assert studio.store.releases("kaas") == []


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


def test_health_is_shown_with_what_to_read_first(studio):
    add_project(studio, votes=[Choice.FIRST, Choice.FIRST])
    app = open_page()
    assert "Is it fit to train on?" in [each.value for each in app.subheader]
    shown = pd.concat([each.value for each in app.dataframe if "of the rows" in each.value.columns])
    assert {"Chosen and rejected are the same text", "Rows that repeat another row"} <= set(shown["of the rows"])
    assert set(shown["n"]) == {"1", "0"}


def test_a_licence_question_is_shown_answered_and_kept(studio):
    add_project(studio, votes=[Choice.FIRST, Choice.FIRST])
    app = open_page()
    # "model-x" is in no list of known models.
    assert any("2 questions are open" in each.value for each in app.warning)
    app.text_input[0].set_value("Our own model; we may publish its answers.")
    next(button for button in app.button if button.label == "Keep this answer").click()
    app.run()
    assert studio.facts.terms("kaas").parts[1].answer == "Our own model; we may publish its answers."
    assert any("1 question is open" in each.value for each in app.warning)


def test_what_changed_since_the_last_release_is_shown(studio):
    add_project(studio, votes=[Choice.FIRST, Choice.FIRST])
    studio.export("kaas", ["dpo"])
    assert "Nothing: the 1 preferences are those of v1." in [each.value for each in open_page().markdown]
    pair = studio.store.pairs("kaas")["pair_id"][0]
    votes = [Vote(pair_id=pair, annotator=f"a{n}", choice=Choice.SECOND, version=1) for n in range(2)]
    studio.store.add_votes("kaas", votes)
    app = open_page()
    assert [(each.label, each.value) for each in app.metric][5:8] == [("Added", "0"), ("Removed", "0"), ("Turned round", "1")]


def test_without_a_token_the_way_to_one_is_shown_and_nothing_to_press(studio, monkeypatch):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    add_project(studio, votes=[Choice.FIRST, Choice.FIRST])
    studio.export("kaas", ["dpo"])
    app = open_page()
    assert any("huggingface.co/settings/tokens" in each.value for each in app.info)
    assert "Publish v1" not in [button.label for button in app.button]


@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
def test_a_release_is_listed_published_in_a_process_of_its_own_and_remembered(studio, monkeypatch):
    add_project(studio, votes=[Choice.FIRST, Choice.FIRST], reason="mail a0@kaas.nl")
    for question, answer in (("model:model-x", "Our own model."), ("release", "cc-by-4.0")):
        studio.facts.answer("kaas", question, answer)
    studio.export("kaas", ["dpo", "votes"])
    with WritableHub() as hub:
        for name, value in {"HF_ENDPOINT": hub.endpoint, "HF_TOKEN": WRITE, "HF_HUB_DISABLE_XET": "1"}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        app = open_page()
        publish = next(button for button in app.button if button.label == "Publish v1")
        assert publish.disabled
        assert any("give the dataset a name, say that you have read the texts" in each.value for each in app.caption)
        next(each for each in app.text_input if each.label == "Dataset on the Hub").set_value("ana/kaas")
        next(each for each in app.checkbox if each.label.startswith("I have read them")).check()
        app.run()
        app = press(app, "See what would be uploaded")
        assert any("would be sent as ana" in each.value for each in app.info)
        assert hub.repos == {}
        press(app, "Publish v1")
        (job,) = studio.store.jobs("kaas")
        wait_for(lambda: jobs.refresh(studio.store, job).state is not JobState.RUNNING)
        assert jobs.find(studio.store, job.id).state is JobState.DONE, jobs.log_tail(studio.settings.workspace, job.id)
        assert hub.repos["ana/kaas"].tags.keys() == {"v1"}
        app = open_page()
        assert any("Published at" in each.value for each in app.success)
        assert any("tag v1, private" in each.value for each in app.markdown)
    assert WRITE not in " ".join(job.command)


@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
def test_stop_after_all_was_sent_comes_too_late_and_the_page_says_where_it_is_published(studio, monkeypatch):
    add_project(studio, votes=[Choice.FIRST, Choice.FIRST])
    for question, answer in (("model:model-x", "Our own model."), ("release", "cc-by-4.0")):
        studio.facts.answer("kaas", question, answer)
    studio.export("kaas", ["dpo"])
    monkeypatch.setenv("HF_TOKEN", WRITE)
    with WritableHub() as hub:

        def stop(_repo: object) -> None:
            jobs.stop(studio.store, studio.store.jobs("kaas")[0])
            time.sleep(3 * jobs.HEARTBEAT_S)

        hub.before_commit = stop
        opened = open_studio(Settings(workspace=studio.settings.workspace, hub_endpoint=hub.endpoint, hub_token=WRITE))
        opened.publishing.publish("kaas", opened.store.releases("kaas")[0].name, "ana/kaas", texts_reviewed=True)
        assert hub.repos["ana/kaas"].tags.keys() == {"v1"}
    assert studio.store.jobs("kaas")[0].state is JobState.STOPPED
    app = open_page()
    assert any("Published at" in each.value for each in app.success)
    assert not any("was stopped" in each.value for each in app.warning)


def test_what_stands_in_the_way_of_publishing_is_shown_with_the_way_out(studio, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", WRITE)
    add_project(studio, votes=[Choice.FIRST, Choice.FIRST])
    studio.export("kaas", ["dpo"])
    assert any("Answer" in each.value for each in open_page().warning)
    for question, answer in (("model:model-x", "Our own model."), ("release", "cc-by-4.0")):
        studio.facts.answer("kaas", question, answer)
    assert any("by your answers it is cc" in each.value and "Export again" in each.value for each in open_page().warning)


STARTED = """
import streamlit as st
assert st.secrets.load_if_toml_exists()  # what the dashboard does when it starts
from dashboard import services
from pipeline import jobs
from pipeline.publishing import KIND, command_of
opened = services.studio()
said = command_of("kaas", "latest", "ana/kaas", is_private=True, texts_reviewed=True)
print(jobs.start(opened.store, workspace=opened.settings.workspace, project="kaas", kind=KIND, arguments=said).command)
"""


def test_a_token_among_streamlits_secrets_publishes_and_is_nowhere_to_be_read(studio, tmp_path):
    add_project(studio, votes=[Choice.FIRST, Choice.FIRST])
    for question, answer in (("model:model-x", "Our own model."), ("release", "cc-by-4.0")):
        studio.facts.answer("kaas", question, answer)
    studio.export("kaas", ["dpo"])
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "secrets.toml").write_text(f'HF_TOKEN = "{WRITE}"\n')
    with WritableHub() as hub:
        env = environment(studio.settings.workspace, HF_ENDPOINT=hub.endpoint, HF_HUB_OFFLINE="0", HF_HUB_DISABLE_XET="1")
        command = [sys.executable, "-c", STARTED]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        (job,) = studio.store.jobs("kaas")
        wait_for(lambda: jobs.refresh(studio.store, job).state is not JobState.RUNNING)
        printed = jobs.log_tail(studio.settings.workspace, job.id)
        assert jobs.find(studio.store, job.id).state is JobState.DONE, printed
        assert hub.repos["ana/kaas"].tags.keys() == {"v1"}
    assert WRITE not in done.stdout + done.stderr + printed + str(job.command)
