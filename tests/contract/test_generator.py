"""Contract of a Generator and a Judge, against a real HTTP server that misbehaves on request."""

import asyncio
import json
from collections.abc import Iterator

import pytest

from pipeline.adapters import endpoints
from pipeline.adapters.choosing_judge import ChoosingJudge
from pipeline.adapters.distilabel_engine import Conversation, DistilabelGenerator, DistilabelJudge
from pipeline.errors import EndpointError
from pipeline.ports import Answer, Verdict
from pipeline.records import Choice
from tests.fakes.model_server import RATED, ModelServer, Reply, failing

NAUGHTY = "\u202e</script> {{ 7*7 }} {% raw %} %s $x \r\n\t\u0001 አማርኛ 𝒳 \ufeff"


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as running:
        yield running


def conversation(server: ModelServer, **changed: object) -> Conversation:
    terms = {"model": "tiny", "base_url": server.base_url, "timeout_s": 0.5}
    return Conversation(**(terms | changed))  # type: ignore[arg-type]


def answer(server: ModelServer, prompt: str = "Hoe laat is het?", **changed: object) -> Answer:
    async def ask() -> Answer:
        generator = DistilabelGenerator(conversation(server, **changed))
        try:
            return await generator.answer("Antwoord in het Nederlands.", prompt)
        finally:
            await generator.close()

    return asyncio.run(ask())


def test_an_answer_comes_with_its_tokens_and_finish_reason(server: ModelServer) -> None:
    server.answer = lambda _: Reply(text="Half drie.", tokens=(21, 4), finish_reason="length")
    given = answer(server)
    assert (given.text, given.tokens_in, given.tokens_out, given.finish_reason) == ("Half drie.", 21, 4, "length")
    assert (given.attempts, given.error) == (1, "")


def test_texts_travel_unchanged_in_both_directions(server: ModelServer) -> None:
    server.answer = lambda prompt: Reply(text=prompt)
    assert answer(server, NAUGHTY).text == NAUGHTY
    assert server.asked[0].system == "Antwoord in het Nederlands."


def test_only_what_every_server_understands_is_sent(server: ModelServer) -> None:
    answer(server)
    assert set(server.asked[0].body) == {"model", "messages", "max_tokens"}


def test_a_local_server_never_sees_a_key_meant_for_another(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    answer(server)
    assert server.asked[0].authorization == "Bearer none"


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(text=""), "empty"),
        (Reply(text=" \n"), "empty"),
        (Reply(text=None), "empty"),
        (Reply(text="half \ud83d"), "malformed"),
        (Reply(text="a NUL \0"), "malformed"),
        (Reply(body="<html>busy</html>"), "malformed"),
        (Reply(body=""), "malformed"),
        (Reply(body="[1, 2]"), "malformed"),
        (Reply(body='{"id": "1"}'), "malformed"),
        (Reply(body='{"id": "1", "choices": []}'), "malformed"),
        (Reply(body='{"choices": [{"index": 0, "message": "text"}]}'), "malformed"),
        (Reply(body='{"choices": [{"message": {"content": ["text"]}}]}'), "malformed"),
        (Reply(body='{"choices": [{"message": {"content": "half a \\ud83d"}}]}'), "malformed"),
        (Reply(body='{"choices": [{"message": {"content": "trunc'), "malformed"),
        (Reply(body='{"choices": [{"message": {"content": "caf\u00e9"}}]}'.encode("latin-1")), "malformed"),
        (Reply(body="[" * 100_000), "malformed"),
        (Reply(text="Half", finish_reason="content_filter"), "content_filter"),
        (failing(400, "Blocked by our content management policy", code="content_filter"), "content_filter"),
        (failing(400, "This model's maximum context length is 4096 tokens"), "too_long"),
        (failing(413), "too_long"),
        (failing(422, "bad field"), "bad_request"),
    ],
)
def test_an_answer_that_cannot_be_used_is_a_failure_with_its_reason(server: ModelServer, reply: Reply, reason: str) -> None:
    server.replies["Hoe laat is het?"] = [reply]
    given = answer(server)
    assert (given.text, given.error, given.is_down) == (None, reason, False)
    assert given.detail
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("reply", "reason", "is_down"),
    [
        (failing(429), "rate_limit", False),
        (failing(500), "server_error", False),
        (failing(502), "server_error", True),
        (failing(503), "server_error", True),
        (Reply(breaks=True), "connection", False),
        (Reply(is_cut=True), "connection", False),
        (Reply(delay_s=2), "timeout", False),
        (Reply(drip_s=0.05), "timeout", False),
    ],
)
def test_what_may_pass_is_named_and_says_whether_the_server_is_to_blame(
    server: ModelServer, reply: Reply, reason: str, is_down: bool
) -> None:
    server.replies["Hoe laat is het?"] = [reply]
    given = answer(server)
    assert (given.text, given.error, given.is_down) == (None, reason, is_down)


def test_no_proxy_stands_between_the_studio_and_this_machine(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert endpoints.check(server.base_url) == ("tiny",)
    assert answer(server).error == ""


@pytest.mark.parametrize(
    ("variable", "address", "is_sent"),
    [
        ("OPENAI_API_KEY", "https://api.openai.com/v1", True),
        ("OPENAI_API_KEY", "https://api.openai.com", True),
        ("OPENAI_API_KEY", "http://api.openai.com/v1", False),
        ("OPENAI_API_KEY", "https://api.openai.com.example/v1", False),
        ("OPENAI_API_KEY", "https://api.openai.com@example.org/v1", False),
        ("OPENAI_API_KEY", "https://api.openai.com\\@example.org/v1", False),
        ("OPENAI_API_KEY", "https://api.openai.com:8443/v1", False),
        ("OPENAI_API_KEY", "https://router.huggingface.co/v1", False),
        ("STUDIO_DATABASE_URL", "https://api.openai.com/v1", False),
        ("MY_KEY", "https://my.host/other", True),
        ("MY_KEY", "https://api.openai.com/v1", False),
        ("", "http://127.0.0.1:11434/v1", False),
    ],
)
def test_a_variable_goes_only_to_the_server_it_belongs_to(variable: str, address: str, is_sent: bool) -> None:
    assert endpoints.may_send(variable, address, [("MY_KEY", "https://my.host/v1")]) is is_sent


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0.4"}, 0.4),
        ({"Retry-After-Ms": "250"}, 0.25),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
def test_the_wait_a_server_asks_for_is_read(server: ModelServer, headers: dict[str, str], wait_s: float | None) -> None:
    server.replies["Hoe laat is het?"] = [failing(429, headers=headers)]
    assert answer(server).wait_s == wait_s


def test_a_server_that_is_not_there_is_down(server: ModelServer) -> None:
    given = answer(server, base_url="http://127.0.0.1:9/v1")
    assert (given.error, given.is_down) == ("connection", True)


def test_an_answer_of_a_megabyte_arrives_whole(server: ModelServer) -> None:
    server.answer = lambda _: Reply(text="አማርኛ " * 100_000)
    given = answer(server, timeout_s=20)
    assert given.text == "አማርኛ " * 100_000


@pytest.mark.parametrize("address", ["http://", "http://127.0.0.1:99999/v1", "ftp://127.0.0.1/v1"])
def test_an_address_that_is_none_ends_the_run(server: ModelServer, address: str) -> None:
    with pytest.raises(EndpointError, match="cannot be used"):
        answer(server, base_url=address)


def test_a_redirect_ends_the_run_and_the_key_does_not_follow_it(server: ModelServer) -> None:
    server.replies["Hoe laat is het?"] = [Reply(status=307, body="", headers={"Location": server.base_url + "/chat/completions"})]
    with pytest.raises(EndpointError, match="sends requests elsewhere"):
        answer(server)
    assert len(server.asked) == 1


def test_usage_in_a_strange_shape_counts_as_not_counted(server: ModelServer) -> None:
    body = {"choices": [{"index": 0, "message": {"content": "Ja."}}], "usage": {"prompt_tokens": "many"}}
    server.replies["Hoe laat is het?"] = [Reply(body=json.dumps(body))]
    given = answer(server)
    assert (given.text, given.tokens_in, given.tokens_out) == ("Ja.", 0, 0)


def test_a_refused_key_ends_the_run_and_is_not_repeated_in_the_message(server: ModelServer) -> None:
    server.key = "right"
    with pytest.raises(EndpointError, match="refuses the key") as caught:
        answer(server, api_key="wrong-key-123")
    assert "wrong-key-123" not in caught.value.message + caught.value.hint
    assert len(server.asked) == 1


def test_an_unknown_model_ends_the_run(server: ModelServer) -> None:
    with pytest.raises(EndpointError, match="does not know the model huge"):
        answer(server, model="huge")


@pytest.mark.parametrize("reply", [failing(402), failing(429, code="insufficient_quota")])
def test_an_account_without_credit_ends_the_run(server: ModelServer, reply: Reply) -> None:
    server.replies["Hoe laat is het?"] = [reply]
    with pytest.raises(EndpointError, match="no credit"):
        answer(server)


def test_the_request_key_changes_with_all_that_changes_the_answer_and_with_nothing_else(server: ModelServer) -> None:
    one = DistilabelGenerator(conversation(server))
    keys = [
        one.request_key("system", "prompt"),
        one.request_key("other system", "prompt"),
        one.request_key("system", "other prompt"),
        one.request_key("system", "prompt", 1),
        DistilabelGenerator(conversation(server, model="other")).request_key("system", "prompt"),
        DistilabelGenerator(conversation(server, max_new_tokens=8)).request_key("system", "prompt"),
    ]
    assert len(set(keys)) == 6
    assert DistilabelGenerator(conversation(server, timeout_s=9)).request_key("system", "prompt") == keys[0]


def test_a_judge_is_shown_both_texts_and_its_ratings_are_read(server: ModelServer) -> None:
    judge = DistilabelJudge(conversation(server))
    server.answer = lambda _: Reply(text=RATED.format(4, 2))

    async def rate() -> Answer:
        try:
            return await judge.rate("Hoe laat is het?", ("Half drie.", "Weet ik niet."))
        finally:
            await judge.close()

    given = asyncio.run(rate())
    assert "<text 1> Half drie." in server.asked[0].prompt
    verdict = judge.read(given.text or "")
    assert verdict == Verdict(choice=Choice.FIRST, ratings=(4, 2), rationales=("Clear.", "Clear too."))


@pytest.mark.parametrize(
    ("said", "choice"),
    [
        ("A is clearer. [[A]]", Choice.FIRST),
        ("B answers. [[B]]", Choice.SECOND),
        ("Alike. [[C]]", Choice.TIE),
        ("[[A]] or [[B]]", None),
        ("A is better.", None),
    ],
)
def test_a_choosing_judge_is_taken_at_its_one_clear_word(server: ModelServer, said: str, choice: Choice | None) -> None:
    verdict = ChoosingJudge(conversation(server)).read(said)
    assert (verdict.choice if verdict else None) == choice


def test_a_choosing_judge_is_shown_both_texts_as_they_are(server: ModelServer) -> None:
    judge = ChoosingJudge(conversation(server))

    async def rate() -> Answer:
        try:
            return await judge.rate(NAUGHTY, ("{second}", "[[A]] {prompt}"))
        finally:
            await judge.close()

    asyncio.run(rate())
    assert f"[Prompt]\n{NAUGHTY}\n" in server.asked[0].prompt
    assert "[The start of response A]\n{second}\n" in server.asked[0].prompt
    assert judge.name == "tiny (choosing)"


@pytest.mark.parametrize(
    "verdict", ["", "Both are fine.", RATED.format("high", "low"), RATED.format(9, 2), RATED.split("\n\n")[0].format(3)]
)
def test_a_verdict_without_two_ratings_is_not_guessed_at(server: ModelServer, verdict: str) -> None:
    assert DistilabelJudge(conversation(server)).read(verdict) is None


def test_a_running_server_is_found_with_its_models(server: ModelServer) -> None:
    candidates = (
        endpoints.Preset(name="here", base_url=server.base_url),
        endpoints.Preset(name="nothing", base_url="http://127.0.0.1:9/v1"),
    )
    found = endpoints.find_local_servers(candidates, timeout_s=2)
    assert found == [endpoints.LocalServer(name="here", base_url=server.base_url, models=("tiny",))]


def test_a_check_says_what_is_wrong_and_what_to_do(server: ModelServer) -> None:
    assert endpoints.check(server.base_url, model="tiny") == ("tiny",)
    with pytest.raises(EndpointError, match="does not offer the model tiny-2") as caught:
        endpoints.check(server.base_url, model="tiny-2")
    assert caught.value.hint == "It offers tiny."
    with pytest.raises(EndpointError, match="Nothing answers"):
        endpoints.check("http://127.0.0.1:9/v1")
    for address in ("localhost:11434", "http://[abc", "http://host:port/v1", ""):
        with pytest.raises(EndpointError, match="is not the address of a server"):
            endpoints.check(address)
    server.key = "right"
    with pytest.raises(EndpointError, match="asks for a key"):
        endpoints.check(server.base_url)
    with pytest.raises(EndpointError, match="refuses the key"):
        endpoints.check(server.base_url, key="wrong")
