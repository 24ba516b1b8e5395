"""The Argilla page: what is in the way, pairs sent, votes brought home, people invited, a dataset removed with care."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import transfers
from pipeline.errors import BackendError
from pipeline.records import JobState
from pipeline.studio import Studio
from tests.argilla.people import Site
from tests.argilla.project import by_record
from tests.argilla.stack import API_KEY
from tests.pages.judging import HOSTILE, NAME, add_project, open_page, shown, workspace_of


@contextmanager
def argilla_settings(**values: str) -> Iterator[None]:
    names = ("ARGILLA_API_URL", "ARGILLA_API_KEY", "ARGILLA_WORKSPACE")
    before = {name: os.environ.pop(name, None) for name in names}
    os.environ.update(values)
    try:
        yield
    finally:
        for name in names:
            os.environ.pop(name, None)
        os.environ.update({name: value for name, value in before.items() if value is not None})


@pytest.fixture
def connected(site: Site, tmp_path: Path) -> Iterator[Studio]:
    """A studio whose settings name a workspace of the test's own on the real server."""
    names = {"ARGILLA_API_URL": site.stack.url, "ARGILLA_API_KEY": API_KEY, "ARGILLA_WORKSPACE": site.workspace}
    with argilla_settings(**names), workspace_of(tmp_path / "workspace") as opened:
        yield opened


def press(app: AppTest, label: str) -> AppTest:
    button = next(button for button in app.button if button.label == label)
    button.click()
    app.run()
    assert not app.exception, app.exception[0].message
    return app


def wait_for_transfer(kind: str) -> str:
    """Wait until the newest transfer has ended, and return what it says."""
    for _ in range(600):
        job = next(job for job in transfers.latest(NAME) if job.kind == kind)
        if job.state is not JobState.RUNNING:
            assert job.state is JobState.DONE, job.message
            return job.message
        time.sleep(0.1)
    raise AssertionError("it takes more than a minute")


def test_without_a_server_the_page_says_how_to_name_one_and_where_people_vote_now(tmp_path: Path):
    with argilla_settings(), workspace_of(tmp_path / "workspace") as studio:
        add_project(studio, "hmh")
        app = open_page("argilla")
        assert "No Argilla server is set up" in shown(app)
        assert "ARGILLA_API_URL" in app.code[0].value
        assert [button.label for button in app.button] == ["Open the voting page"]


def test_a_server_that_is_down_is_told_and_the_page_lives(tmp_path: Path):
    dead = {"ARGILLA_API_URL": "http://127.0.0.1:9", "ARGILLA_API_KEY": "secret-key-123"}
    with argilla_settings(**dead), workspace_of(tmp_path / "workspace") as studio:
        add_project(studio, "hmh")
        app = press(open_page("argilla"), "Test the connection")
        assert "does not answer" in app.error[0].value
        assert "secret-key-123" not in shown(app)


def test_a_password_in_the_address_is_not_shown(tmp_path: Path):
    wrong = {"ARGILLA_API_URL": "ana:geheim@argilla.example.org", "ARGILLA_API_KEY": "k"}
    with argilla_settings(**wrong), workspace_of(tmp_path / "workspace") as studio:
        add_project(studio, "hmh")
        app = press(open_page("argilla"), "Test the connection")
        assert "argilla.example.org" in shown(app)
        assert "geheim" not in shown(app) + app.error[0].value


@pytest.mark.argilla
def test_pairs_are_sent_followed_and_their_votes_brought_home_from_the_page(connected: Studio, site: Site):
    add_project(connected, n_pairs=3)
    app = press(open_page("argilla"), "Test the connection")
    assert "The key is argilla's (owner)" in app.success[0].value.replace("\\", "")
    assert "holds no dataset yet" in app.success[0].value
    press(app, "Send the pairs")
    assert "3 pairs are open for voting in Argilla, 3 of them new" in wait_for_transfer("push")
    link = connected.tracking.link(NAME)
    assert link is not None
    ana = site.person("ana")
    records = ana.records(link.dataset_id)
    ana.answer(records[0], "first")
    ana.answer(records[1], "tie", status="draft")
    app = open_page("argilla")
    assert {metric.label: metric.value for metric in app.metric} == {
        "Pairs in Argilla": "3",
        "With all their answers": "0",
        "Answers submitted there": "1",
        "Votes here, skips apart": "0",
    }
    people = app.dataframe[0].value
    assert people.to_dict("records") == [{"annotator": ana.name, "submitted": 1, "drafts": 1, "discarded": 0, "waiting": 1}]
    press(app, "Bring the votes home")
    assert "1 new votes" in wait_for_transfer("pull")
    assert connected.store.votes(NAME)["annotator"].tolist() == [ana.name]
    app = open_page("argilla")
    assert "Bringing votes home is done" in app.success[0].value
    assert {metric.label: metric.value for metric in app.metric}["Votes here, skips apart"] == "1"


@pytest.mark.argilla
def test_a_link_opens_a_pair_in_the_queue_where_its_owner_finds_it_or_there_is_none(connected: Studio, site: Site):
    add_project(connected, n_pairs=3)
    connected.save_settings(NAME, votes_wanted=1, guidelines="Read both.")
    connected.push(NAME, "argilla")
    link = connected.tracking.link(NAME)
    assert link is not None
    owner, ana = site.as_owner(), site.person("ana")
    pairs = by_record(connected.store, NAME)
    by_id = {pairs[one["external_id"]]["pair_id"]: one for one in owner.records(link.dataset_id)}
    mine, hers, open_one = by_id
    owner.answer(by_id[mine], "first")
    ana.answer(by_id[hers], "tie")
    urls = connected.tracking.pair_urls(NAME, [mine, hers, open_one, "not-a-pair"])
    assert set(urls) == {mine, hers, open_one}
    # With one answer wanted, the pair Ana answered is complete: Argilla shows it to nobody but her.
    assert urls[hers] == ""
    assert "status=submitted&metadata=seal." in urls[mine]
    assert urls[open_one].startswith(
        f"{site.stack.url}/dataset/{link.dataset_id}/annotation-mode?page=1&status=pending&metadata=seal."
    )


@pytest.mark.argilla
def test_the_pairs_people_differ_on_stand_there_with_their_links(connected: Studio, site: Site):
    # Votes of two people on each of three pairs: they differ on the second alone.
    add_project(connected, "hh", "hm", "mm")
    connected.push(NAME, "argilla")
    app = open_page("argilla")
    toggle = next(toggle for toggle in app.toggle if "differ most" in toggle.label)
    assert toggle.label == "Show the pairs on which people differ most (1)"
    toggle.set_value(True).run()
    (row,) = app.dataframe[-1].value.to_dict("records")
    assert (row["prompt"], row["votes"]) == (f"{HOSTILE} 1", 2)
    pair = connected.store.pairs(NAME).set_index("position").loc[1, "pair_id"]
    assert row["in Argilla"] == connected.tracking.pair_urls(NAME, [str(pair)])[str(pair)]
    assert row["in Argilla"].startswith(site.stack.url)


@pytest.mark.argilla
def test_what_somebody_changed_in_argilla_or_removed_there_is_told_on_the_page(connected: Studio, site: Site):
    add_project(connected, n_pairs=1)
    connected.push(NAME, "argilla")
    link = connected.tracking.link(NAME)
    assert link is not None
    site.owner.send("PATCH", f"datasets/{link.dataset_id}", json={"guidelines": "Theirs."})
    press(open_page("argilla"), "Send new pairs")
    wait_for_transfer("push")
    assert "The guidelines in Argilla are not the project's." in shown(open_page("argilla"))
    site.owner.send("DELETE", f"datasets/{link.dataset_id}")
    time.sleep(4)  # for so long the page shows what it asked for last
    assert "is not on the server" in shown(open_page("argilla"))


@pytest.mark.argilla
def test_people_are_invited_with_passwords_that_are_shown_once_and_kept_nowhere(connected: Studio, site: Site):
    add_project(connected, n_pairs=1)
    app = open_page("argilla")
    name = f"new-{site.workspace}"
    app.text_area[0].set_value(f"{name}\n\n")
    app = press(app, "Make their accounts")
    (row,) = app.dataframe[-1].value.to_dict("records")
    assert row["annotator"] == name
    assert len(row["password"]) >= 8
    workspace = Path(os.environ["STUDIO_WORKSPACE"])
    kept = b"".join(path.read_bytes() for path in workspace.rglob("*") if path.is_file())
    assert row["password"].encode() not in kept
    app.run()
    assert row["password"] not in shown(app)
    assert not [frame for frame in app.dataframe if "password" in frame.value.columns]


@pytest.mark.argilla
def test_a_dataset_is_removed_only_when_named_with_a_snapshot_and_with_every_vote_at_home(connected: Studio, site: Site):
    add_project(connected, n_pairs=2)
    connected.push(NAME, "argilla")
    link = connected.tracking.link(NAME)
    assert link is not None
    ana = site.person("ana")
    records = ana.records(link.dataset_id)
    ana.answer(records[0], "first")
    ana.answer(records[1], "second", status="draft")
    with pytest.raises(BackendError, match="not the name of the dataset"):
        connected.remove_from_argilla(NAME, "Dutch")
    with pytest.raises(BackendError, match="1 votes had not come home"):
        connected.remove_from_argilla(NAME, NAME)
    assert site.owner.get(f"datasets/{link.dataset_id}")["name"] == NAME
    assert len(connected.store.votes(NAME)) == 1

    app = open_page("argilla")
    next(box for box in app.text_input if "confirm" in box.label).set_value(NAME).run()
    app = press(app, "Remove it for good")
    assert "Removed" in app.success[-1].value
    (snapshot,) = (Path(os.environ["STUDIO_WORKSPACE"]) / "argilla").glob("*.jsonl")
    settings, *held = [json.loads(line) for line in snapshot.read_text(encoding="utf-8").splitlines()]
    assert settings["dataset"]["id"] == link.dataset_id
    assert {one["status"] for record in held for one in record["responses"]} == {"submitted", "draft"}
    assert API_KEY not in snapshot.read_text(encoding="utf-8")
    assert len(connected.store.votes(NAME)) == 1
    # From now on it is as if it had never been sent: nothing asks the server for what is gone, and it can be sent again.
    assert connected.pull(NAME)["backend"] == "local"
    app = open_page("argilla")
    assert not app.error
    assert "Send the pairs" in [button.label for button in app.button]
    assert connected.push(NAME, "argilla")["new"] == 2
