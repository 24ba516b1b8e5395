"""The Argilla client says in plain words what is wrong, outlasts a restart, and gives its key to nobody else."""

import threading
import time
from pathlib import Path

import httpx
import pytest

from pipeline.adapters.argilla_client import Address, ArgillaClient, RefusedError
from pipeline.errors import ArgillaError
from tests.argilla.stack import API_KEY, Stack
from tests.fakes.web import Reply, certificate_of_its_own, silent, web

KEY = "secret-key-123"


def client(url: str, *, key: str = KEY, **changed: object) -> ArgillaClient:
    return ArgillaClient(Address(url=url, api_key=key), **({"patience_s": 0.0} | changed))  # type: ignore[arg-type]


@pytest.mark.argilla
def test_a_server_tells_its_version_and_whose_key_it_is(argilla: Stack):
    with client(f"{argilla.url}/", key=API_KEY) as asked:
        assert asked.version() == "2.8.0"
        assert (asked.me()["username"], asked.me()["role"]) == ("argilla", "owner")


@pytest.mark.argilla
def test_a_wrong_key_and_a_missing_workspace_are_said_in_plain_words(argilla: Stack):
    with client(argilla.url) as asked, pytest.raises(RefusedError, match="refuses the key") as caught:
        asked.me()
    assert KEY not in caught.value.message + caught.value.hint
    with client(argilla.url, key=API_KEY) as asked:
        with pytest.raises(ArgillaError, match="no workspace named nowhere"):
            asked.workspace("nowhere")
        with pytest.raises(RefusedError, match="status 404"):
            asked.get("datasets/00000000-0000-0000-0000-000000000000")


@pytest.mark.argilla
def test_an_annotators_key_is_told_that_its_role_is_too_small(argilla: Stack):
    with client(argilla.url, key=API_KEY) as owner:
        person = {"first_name": "Ana", "username": "too-small", "password": "long enough", "role": "annotator"}
        made = owner.send("POST", "users", json=person, repeatable=False)
        with client(argilla.url, key=made["api_key"]) as asked, pytest.raises(RefusedError, match="too small a role"):
            asked.get("users")
        with pytest.raises(RefusedError, match="not unique"):
            owner.send("POST", "users", json=person, repeatable=False)


@pytest.mark.argilla
def test_a_request_outlasts_a_restart_of_the_server(argilla: Stack):
    with client(argilla.url, key=API_KEY, patience_s=60.0) as asked:
        asked.me()
        argilla.kill_server()
        back = threading.Timer(1.0, argilla.start_server)
        back.start()
        try:
            assert asked.me()["role"] == "owner"
        finally:
            back.join()


def test_a_server_that_is_down_is_named_within_three_seconds():
    begun = time.monotonic()
    with client("http://127.0.0.1:9", patience_s=1.5) as asked, pytest.raises(ArgillaError, match="does not answer"):
        asked.version()
    assert time.monotonic() - begun < 3


def test_a_server_that_accepts_and_says_nothing_is_given_up():
    with (
        silent() as url,
        client(url, timeout_s=0.3) as asked,
        pytest.raises(ArgillaError, match="does not answer"),
    ):
        asked.version()


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b"<html>Welcome</html>", "not an Argilla server"),
        (404, b"Not here", "not an Argilla server"),
        (200, b"[1, 2]", "not an Argilla server"),
        (200, b'{"status": "ok"}', "not an Argilla server"),
        (200, b'{"version": "1.29.0"}', "is Argilla 1.29.0"),
        (500, b"oops", "fault of its own"),
        (307, b"", "sends requests elsewhere"),
    ],
)
def test_what_is_no_argilla_server_is_told_apart(status: int, body: bytes, said: str):
    reply = Reply(body, status, {"Location": "http://127.0.0.1:9/elsewhere"})
    with web(lambda _: reply) as (url, asked), client(url) as asking:
        with pytest.raises(ArgillaError, match=said):
            asking.version()
        assert asked == ["/api/v1/version"]


def test_a_certificate_nobody_knows_is_not_trusted(tmp_path: Path):
    served = web(lambda _: Reply({}), certificate=certificate_of_its_own(tmp_path))
    with served as (url, asked), client(url, patience_s=30.0) as asking:
        with pytest.raises(ArgillaError, match="not safe"):
            asking.version()
        assert asked == []


@pytest.mark.parametrize("url", ["", "localhost:6900", "ftp://host", "http://", "http://host:port", "http://[abc"])
def test_an_address_that_is_none_is_refused_before_anything_is_sent(url: str):
    with pytest.raises(ArgillaError, match=r"is not the address|No Argilla server is named"):
        client(url)


@pytest.mark.parametrize(
    "url", ["http://ana:geheim@127.0.0.1:9", "ana:geheim@host", "http://ana:ge/geheim@host", "ana:g://geheim@h"]
)
def test_an_address_with_a_password_in_it_is_refused_and_not_repeated(url: str):
    with pytest.raises(ArgillaError, match=r"holds a name or a password|is not the address") as caught:
        client(url)
    assert "geheim" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("key", ["", "schlüssel", "two\nlines"])
def test_a_key_that_is_none_is_refused_and_not_repeated(key: str):
    with pytest.raises(ArgillaError, match="no usable key") as caught:
        client("http://127.0.0.1:9", key=key)
    assert not key or key not in caught.value.message + caught.value.hint


def test_a_hub_token_goes_to_a_private_space_alone():
    token = "hf_secret"
    for url, is_sent in (
        ("https://me-argilla.hf.space", True),
        ("http://me-argilla.hf.space", False),
        ("https://me-argilla.hf.space.example.org", False),
        ("https://argilla.example.org", False),
    ):
        address = Address(url=url, api_key=KEY, hub_token=token)
        assert ("Authorization" in address.headers()) is is_sent
        assert token not in repr(address)
        assert KEY not in repr(address)


# What follows no server here can be made to do at will: it is played back from a record.


def replayed(*answers: httpx.Response | httpx.TransportError) -> tuple[httpx.MockTransport, list[httpx.Request]]:
    left, asked = list(answers), []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        given = left.pop(0)
        if isinstance(given, httpx.TransportError):
            raise given
        return given

    return httpx.MockTransport(answer), asked


def test_what_passes_is_repeated_with_growing_pauses_and_as_long_as_the_server_asks():
    transport, asked = replayed(
        httpx.Response(503),
        httpx.ReadError("reset"),
        httpx.Response(429, headers={"retry-after": "4"}),
        httpx.Response(200, json={"version": "2.8.0"}),
    )
    pauses: list[float] = []
    with client("http://argilla.test", patience_s=60.0, transport=transport, wait=pauses.append) as asking:
        assert asking.version() == "2.8.0"
    # Pauses of 0.25, 0.5 and 1 second, each drawn between a half and the whole; the last is what the server asks for.
    assert 0.125 <= pauses[0] <= 0.25 <= pauses[1] <= 0.5
    assert pauses[2] == 4
    assert {request.headers["X-Argilla-Api-Key"] for request in asked} == {KEY}


def test_what_would_be_done_twice_is_sent_once():
    transport, asked = replayed(httpx.ReadTimeout("lost"))
    with (
        client("http://argilla.test", patience_s=60.0, transport=transport) as asking,
        pytest.raises(ArgillaError, match="does not answer"),
    ):
        asking.send("POST", "users", json={}, repeatable=False)
    assert len(asked) == 1


def test_pages_are_read_until_one_is_not_full():
    lists = [[{"id": n} for n in range(start, stop)] for start, stop in ((0, 2), (2, 4), (4, 5))]
    transport, asked = replayed(*(httpx.Response(200, json={"items": items}) for items in lists))
    with client("http://argilla.test", transport=transport) as asking:
        assert [len(page) for page in asking.pages("things", limit=2, kind="big")] == [2, 2, 1]
    assert [request.url.params["offset"] for request in asked] == ["0", "2", "4"]
    assert asked[0].url.params["kind"] == "big"
