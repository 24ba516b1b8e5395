"""What model servers tell of their models, from a real HTTP server that answers as each of them does."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from pipeline.adapters.endpoints import context_tokens


@contextmanager
def listing(*rows: object) -> Iterator[str]:
    """A server whose list of models holds these rows."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"data": rows}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    "told",
    [{"max_model_len": 4096}, {"context_length": 4096}, {"meta": {"n_ctx_train": 4096}}],
    ids=["vllm", "openrouter", "llama"],
)
def test_the_context_of_a_model_is_read_where_its_server_tells(told: dict[str, object]):
    with listing({"id": "other", "max_model_len": 1}, {"id": "tiny", **told}) as address:
        assert context_tokens(address, "tiny") == 4096


@pytest.mark.parametrize("told", [{}, {"max_model_len": "long"}, {"context_length": 0}, {"meta": []}])
def test_a_context_that_is_not_told_is_not_guessed(told: dict[str, object]):
    with listing({"id": "tiny", **told}, "no row") as address:
        assert context_tokens(address, "tiny") is None
        assert context_tokens(address, "unknown") is None


def test_a_server_that_is_not_there_tells_nothing():
    assert context_tokens("http://127.0.0.1:9/v1", "tiny") is None
