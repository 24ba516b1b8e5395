"""Kill a generation in the middle: nothing that was saved is lost, and nothing that was saved is paid for twice."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.adapters.store import Store
from pipeline.records import HUMAN, Project, Prompt, Response, prompt_id, response_id
from tests.conftest import ROOT
from tests.fakes.model_server import ModelServer

PROMPTS = 200
CONCURRENCY = 8


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer(delay_s=0.1) as running:
        yield running


@pytest.fixture
def command(store: Store, workspace: Path, server: ModelServer) -> list[str]:
    """A project of 200 prompts, and the command that generates its answers."""
    prompts = [Prompt(id=prompt_id("Dutch", f"vraag {n}"), text=f"vraag {n}", position=n) for n in range(PROMPTS)]
    store.add_project(Project(name="nl", language="Dutch", code="nld", source="test", revision="1"))
    store.add_prompts("nl", prompts)
    human = [Response(id=response_id(one.id, HUMAN, "Mens"), prompt_id=one.id, source=HUMAN, text="Mens") for one in prompts]
    store.add_responses("nl", human)
    terms = ["--model", "tiny", "--base-url", server.base_url, "--concurrency", str(CONCURRENCY)]
    return [sys.executable, "-m", "pipeline", "generate", "nl", *terms, "--workspace", str(workspace), "--json"]


def wait_for_answers(store: Store, count: int) -> None:
    ends_at = time.monotonic() + 60
    while len(store.pairs("nl")) < count:
        assert time.monotonic() < ends_at, "the run did not get that far"
        time.sleep(0.05)


def test_a_run_killed_twice_loses_nothing_and_repeats_at_most_what_was_under_way(
    store: Store, server: ModelServer, command: list[str]
) -> None:
    saved: set[str] = set()
    for count in (40, 110):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for_answers(store, count)
        process.kill()
        process.wait()
        time.sleep(0.3)
        now = set(store.pairs("nl")["prompt"])
        assert now >= saved
        saved = now
        before = {prompt: server.answered[prompt] for prompt in saved}
        # A dead worker's job must not keep the next run from starting.
        store.update_job(store.jobs("nl")[0].id, heartbeat_at="2024-01-01T00:00:00.000000+00:00")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["stored"] + report["already_stored"] == PROMPTS
    assert len(store.pairs("nl")) == PROMPTS
    assert {prompt: server.answered[prompt] for prompt in saved} == before
    assert len(server.asked) <= PROMPTS + 2 * CONCURRENCY
    assert max(server.answered.values()) <= 3


@pytest.mark.skipif(sys.platform == "win32", reason="sends a Unix signal")
def test_ctrl_c_keeps_the_answers_under_way_and_exits_with_130(store: Store, server: ModelServer, command: list[str]) -> None:
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    ) as process:
        wait_for_answers(store, 20)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    report = json.loads(output)
    assert report["stored"] == len(server.asked) == len(store.pairs("nl")) < PROMPTS
