"""Kill a generation in the middle: nothing that was saved is lost, and nothing that was saved is paid for twice."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.adapters.store import Store
from pipeline.records import HUMAN, Project, Prompt, Response, prompt_id, response_id
from tests.conftest import ROOT
from tests.fakes.model_server import ModelServer

KILLS = 20
CONCURRENCY = 8


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer(delay_s=0.1) as running:
        yield running


@pytest.fixture
def prompts() -> int:
    """How many prompts the project has."""
    return 200


@pytest.fixture
def command(store: Store, workspace: Path, server: ModelServer, prompts: int) -> list[str]:
    """A project, and the command that generates its answers."""
    asked = [Prompt(id=prompt_id("Dutch", f"vraag {n}"), text=f"vraag {n}", position=n) for n in range(prompts)]
    store.add_project(Project(name="nl", language="Dutch", code="nld", source="test", revision="1"))
    store.add_prompts("nl", asked)
    human = [Response(id=response_id(one.id, HUMAN, "Mens"), prompt_id=one.id, source=HUMAN, text="Mens") for one in asked]
    store.add_responses("nl", human)
    terms = ["--model", "tiny", "--base-url", server.base_url, "--concurrency", str(CONCURRENCY)]
    return [sys.executable, "-m", "pipeline", "generate", "nl", *terms, "--workspace", str(workspace), "--json"]


def wait_until(holds: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < ends_at, "the run did not get that far"
        time.sleep(0.02)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("prompts", [1200])
def test_a_run_killed_at_twenty_random_moments_loses_nothing_and_repeats_at_most_what_was_under_way(
    store: Store, server: ModelServer, command: list[str]
) -> None:
    draw, saved = random.Random(20), set[str]()
    for _ in range(KILLS):
        asked_before = len(server.asked)
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda known=asked_before, process=process: len(server.asked) > known or process.poll() is not None)
        assert process.poll() is None, "the run ended by itself"
        time.sleep(draw.uniform(0, 0.6))
        process.kill()
        process.wait()
        wait_until(lambda: server.under_way == 0)
        asked = len(server.asked)
        time.sleep(0.3)
        assert len(server.asked) == asked, "something goes on asking after the run is dead"
        now = set(store.pairs("nl")["prompt"])
        assert saved <= now, "an answer that was saved is gone"
        assert len(now) < 1200, "the run was over before it could be killed"
        saved = now
        paid = {prompt: server.answered[prompt] for prompt in saved}
        # A dead worker's job must not keep the next run from starting.
        store.update_job(store.jobs("nl")[0].id, heartbeat_at="2024-01-01T00:00:00.000000+00:00")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["stored"] + report["already_stored"] == len(store.pairs("nl")) == 1200
    # Counted at the server: what was stored was never asked for again, the rest at most what was under way at each kill.
    assert {prompt: server.answered[prompt] for prompt in saved} == paid
    assert len(server.asked) <= 1200 + KILLS * CONCURRENCY
    assert store.claim_owners() == []


@pytest.mark.skipif(sys.platform == "win32", reason="sends a Unix signal")
def test_ctrl_c_keeps_the_answers_under_way_and_exits_with_130(
    store: Store, server: ModelServer, command: list[str], prompts: int
) -> None:
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    ) as process:
        wait_until(lambda: len(store.pairs("nl")) >= 20)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    report = json.loads(output)
    assert report["stored"] == len(server.asked) == len(store.pairs("nl")) < prompts
