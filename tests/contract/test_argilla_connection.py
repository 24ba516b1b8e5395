"""The check of an Argilla server gives one plain answer, with a way out, for each thing that can be in the way."""

import time
from pathlib import Path

import pytest

from pipeline.adapters.argilla_client import Address, ArgillaClient
from pipeline.adapters.store import Store
from pipeline.errors import ArgillaError
from pipeline.settings import Settings
from pipeline.tracking import Tracking
from tests.argilla.stack import API_KEY, Stack
from tests.fakes.web import Reply, certificate_of_its_own, silent, web
from tests.terminal import studio

KEY = "secret-key-123"
VERSION = "/api/v1/version"


def tracking(store: Store, url: str, *, key: str = KEY, workspace: str = "") -> Tracking:
    settings = Settings(workspace=Path(), argilla_url=url, argilla_key=key, argilla_workspace=workspace)
    return Tracking(settings, store)


def refused(store: Store, url: str, **changed: str) -> ArgillaError:
    """What the check says of a server, after it was seen to hold no key and to come within three seconds."""
    begun = time.monotonic()
    with pytest.raises(ArgillaError) as caught:
        tracking(store, url, **changed).connection()
    assert time.monotonic() - begun < 3
    assert changed.get("key", KEY) not in caught.value.message + caught.value.hint
    assert caught.value.hint.endswith(".")
    return caught.value


@pytest.fixture(scope="module")
def workspace_of_their_own(argilla: Stack) -> str:
    """A workspace on the real server that no other test looks at."""
    with ArgillaClient(Address(url=argilla.url, api_key=API_KEY)) as owner:
        owner.send("POST", "workspaces", json={"name": "checked"}, repeatable=False)
    return "checked"


@pytest.mark.argilla
def test_a_server_that_can_be_used_is_described(argilla: Stack, store: Store, workspace_of_their_own: str):
    found = tracking(store, argilla.url, key=API_KEY, workspace=workspace_of_their_own).connection()
    assert (found.version, found.user, found.role) == ("2.8.0", "argilla", "owner")
    assert (found.workspace, found.datasets, found.note) == ("checked", (), "")


@pytest.mark.argilla
def test_the_terminal_tells_the_same_and_never_the_key(argilla: Stack, workspace: Path, workspace_of_their_own: str):
    env = {"ARGILLA_API_URL": argilla.url, "ARGILLA_API_KEY": API_KEY, "ARGILLA_WORKSPACE": workspace_of_their_own}
    done = studio(workspace, "argilla", **env)
    assert done.code == 0
    assert done.answer == {
        "url": argilla.url,
        "version": "2.8.0",
        "user": "argilla",
        "role": "owner",
        "workspace": "checked",
        "datasets": [],
        "note": "",
    }
    told = studio(workspace, "argilla", **(env | {"ARGILLA_WORKSPACE": "nowhere"}))
    assert told.code == 1
    assert "no workspace named nowhere" in told.messages
    assert API_KEY not in f"{done} {told}"


@pytest.mark.argilla
def test_a_wrong_key_is_named(argilla: Stack, store: Store):
    said = refused(store, argilla.url)
    assert "refuses the key" in said.message
    assert "ARGILLA_API_KEY" in said.hint


@pytest.mark.argilla
def test_a_missing_workspace_is_named_with_those_there_are(argilla: Stack, store: Store, workspace_of_their_own: str):
    said = refused(store, argilla.url, key=API_KEY, workspace="nowhere")
    assert "no workspace named nowhere" in said.message
    assert workspace_of_their_own in said.hint


@pytest.mark.argilla
def test_the_key_of_an_annotator_has_too_small_a_role(argilla: Stack, store: Store):
    with ArgillaClient(Address(url=argilla.url, api_key=API_KEY)) as owner:
        person = {"first_name": "Bo", "username": "bo-looks", "password": "long enough", "role": "annotator"}
        key = owner.send("POST", "users", json=person, repeatable=False)["api_key"]
    said = refused(store, argilla.url, key=key)
    assert "bo-looks, who is an annotator" in said.message
    assert "owner" in said.hint


def test_a_server_that_is_down_is_named_within_three_seconds(store: Store):
    assert "does not answer" in refused(store, "http://127.0.0.1:9").message


def test_a_server_that_takes_calls_and_says_nothing_is_named_within_three_seconds(store: Store):
    with silent() as url:
        assert "does not answer" in refused(store, url).message


@pytest.mark.parametrize("page", [b"<html>Welcome</html>", {"status": "ok"}])
def test_what_is_not_argilla_is_named(store: Store, page: object):
    with web({VERSION: Reply(page)}.get) as (url, _):
        said = refused(store, url)
    assert "not an Argilla server" in said.message
    assert "ARGILLA_API_URL" in said.hint


def test_another_major_version_is_refused_and_another_minor_one_is_mentioned(store: Store):
    with web({VERSION: Reply({"version": "1.29.0"})}.get) as (url, _):
        assert "is Argilla 1.29.0" in refused(store, url).message
    answers = {
        VERSION: {"version": "2.4.1"},
        "/api/v1/me": {"username": "ana", "role": "admin"},
        "/api/v1/me/workspaces": {"items": [{"id": "w", "name": "home"}]},
        "/api/v1/me/datasets": {"items": [{"name": "b"}, {"name": "a"}]},
    }
    with web({path: Reply(body) for path, body in answers.items()}.get) as (url, _):
        found = tracking(store, url).connection()
    assert (found.role, found.workspace, found.datasets) == ("admin", "home", ("a", "b"))
    assert "the server is 2.4.1" in found.note


def test_a_certificate_nobody_knows_is_named(store: Store, tmp_path: Path):
    with web({VERSION: Reply({"version": "2.8.0"})}.get, certificate=certificate_of_its_own(tmp_path)) as (url, _):
        said = refused(store, url)
    assert "not safe" in said.message
    assert "certificate" in said.hint


@pytest.mark.parametrize("silent_s", [0, 2.8], ids=["hangs up", "says nothing more"])
def test_a_server_that_goes_away_in_the_middle_is_named(store: Store, silent_s: float):
    with web(lambda path: Reply({"version": "2.8.0"}) if path == VERSION else time.sleep(silent_s)) as (url, _):
        said = refused(store, url)
    assert "answered, and then went away" in said.message
    assert "What was saved before is kept" in said.hint


def test_without_settings_the_way_to_them_is_told(store: Store):
    assert not tracking(store, "").is_set_up
    assert "ARGILLA_API_URL" in refused(store, "").hint
    with pytest.raises(ArgillaError, match="no usable key") as caught:
        tracking(store, "http://127.0.0.1:9", key="").connection()
    assert "ARGILLA_API_KEY" in caught.value.hint
