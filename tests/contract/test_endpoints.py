"""What model servers tell of their models, from a real HTTP server that answers as each of them does."""

from contextlib import AbstractContextManager

import pytest

from pipeline.adapters.endpoints import context_tokens
from tests.fakes.web import Reply, web


def listing(*rows: object) -> AbstractContextManager[tuple[str, list[str]]]:
    """A server whose list of models holds these rows."""
    return web(lambda _: Reply({"data": rows}))


@pytest.mark.parametrize(
    "told",
    [{"max_model_len": 4096}, {"context_length": 4096}, {"meta": {"n_ctx_train": 4096}}],
    ids=["vllm", "openrouter", "llama"],
)
def test_the_context_of_a_model_is_read_where_its_server_tells(told: dict[str, object]):
    with listing({"id": "other", "max_model_len": 1}, {"id": "tiny", **told}) as (url, _):
        assert context_tokens(f"{url}/v1", "tiny") == 4096


@pytest.mark.parametrize("told", [{}, {"max_model_len": "long"}, {"context_length": 0}, {"meta": []}])
def test_a_context_that_is_not_told_is_not_guessed(told: dict[str, object]):
    with listing({"id": "tiny", **told}, "no row") as (url, _):
        assert context_tokens(f"{url}/v1", "tiny") is None
        assert context_tokens(f"{url}/v1", "unknown") is None


def test_a_server_that_is_not_there_tells_nothing():
    assert context_tokens("http://127.0.0.1:9/v1", "tiny") is None
