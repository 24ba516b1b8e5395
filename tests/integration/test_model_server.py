"""A real model server: llama.cpp, with a tiny model made here, writes and judges through the commands people type."""

import asyncio
import importlib.util
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from pipeline.adapters.distilabel_engine import Conversation, quiet_distilabel
from pipeline.adapters.store import Store
from pipeline.records import HUMAN, Project, Prompt, Response, prompt_id, response_id
from tests.conftest import ROOT
from tests.fakes.model_server import RATED
from tests.fakes.tiny_model import CONTEXT, WORDS, write_tiny_model
from tests.terminal import studio

pytestmark = [
    pytest.mark.model_server,
    pytest.mark.skipif(
        importlib.util.find_spec("xllamacpp") is None,
        reason="REAL MODEL SERVER NOT TESTED: there is no ready-built llama.cpp (xllamacpp) for this machine",
    ),
]
QUESTIONS = [f"Vraag {number}: hoe laat is het in {number} uur?" for number in range(12)]


@contextmanager
def serving(model: Path) -> Iterator[str]:
    """A llama.cpp server with this model, ready to answer."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    command = [sys.executable, "-m", "tests.fakes.llama_server", str(port), str(model)]
    with model.with_suffix(".log").open("wb") as log, subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log) as process:
        try:
            ends_at = time.monotonic() + 60
            while not is_ready(port):
                assert process.poll() is None, model.with_suffix(".log").read_text()
                assert time.monotonic() < ends_at, "the server did not become ready"
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.kill()


def is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False, timeout=2).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a model that writes Dutch words."""
    path = tmp_path_factory.mktemp("writer") / "tiny.gguf"
    write_tiny_model(path)
    with serving(path) as address:
        yield address


@pytest.fixture(scope="module")
def rater(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a model that rates the first answer it sees with 4, the second with 3, whatever they are."""
    path = tmp_path_factory.mktemp("rater") / "tiny.gguf"
    write_tiny_model(path, says=RATED.format(4, 3))
    with serving(path) as address:
        yield address


@pytest.fixture
def project(store: Store) -> Project:
    project = Project(name="nl", language="Dutch", code="nld", source="test", revision="1")
    store.add_project(project)
    prompts = [Prompt(id=prompt_id("Dutch", text), text=text, position=n) for n, text in enumerate(QUESTIONS)]
    store.add_prompts("nl", prompts)
    human = "Dat hangt ervan af waar u nu bent en welk uur het daar is, zou ik zeggen."
    store.add_responses(
        "nl", [Response(id=response_id(one.id, HUMAN, human), prompt_id=one.id, source=HUMAN, text=human) for one in prompts]
    )
    return project


def test_a_real_server_writes_the_answers_and_another_judges_them(
    store: Store, workspace: Path, project: Project, writer: str, rater: str
) -> None:
    # One prompt is longer than the model can read: it fails alone, and under its name.
    long = "Lang. " * CONTEXT
    store.add_prompts("nl", [Prompt(id=prompt_id("Dutch", long), text=long, position=99)])
    terms = ["--model=tiny", "--concurrency=4", "--price-in=1", "--price-out=2"]
    written = studio(workspace, "generate", "nl", *terms, f"--base-url={writer}", "--max-tokens=24")
    assert (written.code, written.answer["stored"], written.answer["failed"]) == (0, 12, {"too_long": 1}), written.messages
    answers = store.responses("nl").query("source == 'tiny'")
    assert len(answers) == 12
    assert set(" ".join(answers["text"]).split()) <= set(WORDS)
    # A word is a token; an answer that is not cut ends with one more, which the server counts as well.
    words = answers["text"].str.split().str.len()
    assert (answers["tokens_out"] - words).between(0, 1).all()
    assert set(answers["finish_reason"]) <= {"stop", "length"}
    assert (words[answers["finish_reason"] == "length"] == 24).all()
    assert written.answer["tokens_out"] == answers["tokens_out"].sum()
    # The prompt's letters are a token each, at most, and the system prompt's come on top.
    assert written.answer["tokens_in"] > sum(map(len, QUESTIONS))
    tokens = written.answer["tokens_in"] + 2 * written.answer["tokens_out"]
    assert written.answer["cost_usd"] == pytest.approx(tokens / 1e6)
    assert len(store.pairs("nl")) == 12
    # Answers that were cut are set aside, and a judge is asked about pairs in use alone.
    studio(workspace, "screens", "nl", "--bring-back", "truncated")
    judged = studio(workspace, "judge", "nl", *terms, f"--base-url={rater}", "--max-tokens=64")
    assert (judged.code, judged.answer["stored"], judged.answer["failed"]) == (0, 24, {}), judged.messages
    judgements = store.judgements("nl")
    # The seat decides: whatever is shown first gets the better rating, so each pair has one verdict for each response.
    assert judgements.groupby("pair_id")["choice"].agg(set).tolist() == [{"first", "second"}] * 12


def test_two_answers_are_counted_however_many_the_server_gives_for_one_request(
    store: Store, workspace: Path, project: Project, writer: str
) -> None:
    messages = [{"role": "user", "content": QUESTIONS[0]}]

    async def ask_for_two() -> dict[str, list[object]]:
        conversation = Conversation(model="tiny", base_url=writer)
        told = await conversation.llm.agenerate(input=messages, num_generations=2, max_new_tokens=8)
        await conversation.close()
        return told

    told = asyncio.run(ask_for_two())
    # Some servers give one whatever is asked, others count the tokens of the first alone: what came is what is returned.
    assert 1 <= len(told["generations"]) == len(told["finish_reasons"]) <= 2
    # So two answers are two requests, each with its own key, tokens and price.
    with quiet_distilabel():
        from pipeline.adapters.stored_llm import StoredLLM
    llm = StoredLLM(model="tiny", base_url=writer, api_key="none", workspace=str(workspace), project="nl")
    llm.load()
    output = llm.generate([messages], num_generations=2, max_new_tokens=8)[0]
    assert [bool(text) for text in output["generations"]] == [True, True]
    assert all(tokens > 0 for tokens in output["statistics"]["output_tokens"])
    assert llm.generate([messages], num_generations=2, max_new_tokens=8) == [output]
