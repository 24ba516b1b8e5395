"""Scale: the same work asked by actors of a Ray cluster or by a distilabel pipeline, killed and resumed there too."""

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.adapters import schema
from pipeline.adapters.ray_cluster import Asker
from pipeline.adapters.store import Store
from pipeline.records import HUMAN, DocumentKind, Project, Prompt, Response, prompt_id, response_id
from tests.conftest import ROOT
from tests.fakes.model_server import ModelServer, Reply
from tests.terminal import command, environment, studio

PROMPTS = 120
CONCURRENCY = 8
KEY = "SECRET"


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer(delay_s=0.4) as running:
        yield running


@pytest.fixture
def project(store: Store) -> None:
    """A project of so many prompts, each with a person's answer."""
    prompts = [Prompt(id=prompt_id("Dutch", f"vraag {n}"), text=f"vraag {n}", position=n) for n in range(PROMPTS)]
    store.add_project(Project(name="nl", language="Dutch", code="nld", source="test", revision="1"))
    store.save_document("nl", DocumentKind.SYSTEM_PROMPT, "Antwoord in het Nederlands.")
    store.add_prompts("nl", prompts)
    human = [Response(id=response_id(one.id, HUMAN, "Mens"), prompt_id=one.id, source=HUMAN, text="Mens") for one in prompts]
    store.add_responses("nl", human)


@dataclass
class Cluster:
    """A Ray cluster of one machine, on loopback, that asks for a token."""

    address: str
    env: dict[str, str] = field(repr=False)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    pytest.importorskip("ray", reason="RAY NOT TESTED: it is not installed (pip install ray)")
    token = tmp_path / "token"
    token.write_text(secrets.token_hex(32))
    env = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token), "RAY_USAGE_STATS_ENABLED": "0"}
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    # Ray refuses a head port among those of its workers.
    port = port if not 10002 <= port <= 19999 else port + 10_000
    start = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--node-ip-address=127.0.0.1"]
    start += [f"--port={port}", "--include-dashboard=false", "--disable-usage-stats", "--num-cpus=0"]
    process = started(start, os.environ | env | {"MODEL_KEY": KEY}, tmp_path)
    try:
        yield Cluster(address=f"127.0.0.1:{port}", env=env)
    finally:
        end(process)


def started(start: list[str], env: dict[str, str], folder: Path) -> "subprocess.Popen[bytes]":
    """Ray's head, ready. Ray gives itself half a minute, which a busy machine may not have: then it is started again."""
    for number in range(3):
        log = folder / f"ray-{number}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(start, env=env, stdout=output, stderr=output, start_new_session=True)
        while process.poll() is None and "Ray runtime started" not in log.read_text():
            time.sleep(0.2)
        if process.poll() is None:
            return process
        end(process)
    raise AssertionError(log.read_text())


def end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(20)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_until(holds: Callable[[], bool], process: "subprocess.Popen[bytes] | None" = None) -> None:
    ends_at = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < ends_at, "it did not get that far"
        assert process is None or process.poll() is None, "the process ended by itself"
        time.sleep(0.05)


def terms(server: ModelServer, runner: str) -> list[str]:
    where = [f"--base-url={server.base_url}", "--api-key-env=MODEL_KEY"] if server.key else [f"--base-url={server.base_url}"]
    return ["generate", "nl", "--model=tiny", *where, f"--concurrency={CONCURRENCY}", f"--runner={runner}"]


def kill_in_the_middle(store: Store, server: ModelServer, arguments: list[str], env: dict[str, str]) -> dict[str, int]:
    """Kill a run once it has stored some answers; return how often each prompt that is stored was answered by then."""
    process = subprocess.Popen(command(*arguments), cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: len(server.asked) >= 4 * CONCURRENCY, process)
    process.kill()
    process.wait()
    wait_until(lambda: server.under_way == 0)
    asked = len(server.asked)
    time.sleep(3)
    assert len(server.asked) <= asked + CONCURRENCY, "something goes on asking after the run is dead"
    # A dead worker's job must not keep the next run from starting.
    store.update_job(store.jobs("nl")[0].id, heartbeat_at="2024-01-01T00:00:00.000000+00:00")
    return {prompt: server.answered[prompt] for prompt in stored_prompts(store)}


def stored_prompts(store: Store) -> list[str]:
    known = {prompt.id: prompt.text for prompt in store.prompt_records("nl")}
    table = schema.requests
    return [known[one] for one in store.frame(sa.select(table.c.prompt_id).where(table.c.error == ""))["prompt_id"]]


def resume(store: Store, workspace: Path, server: ModelServer, arguments: list[str], paid: dict[str, int], **env: str) -> None:
    """Run the same command to its end: what was stored is not asked for again, the rest at most as far as it was under way."""
    done = studio(workspace, *arguments, timeout_s=200, **env)
    assert done.code == 0, done.messages
    assert done.answer["stored"] + done.answer["already_stored"] == PROMPTS
    assert len(store.pairs("nl")) == PROMPTS
    assert {prompt: server.answered[prompt] for prompt in paid} == paid
    assert len(server.asked) <= PROMPTS + CONCURRENCY
    told = store.frame(sa.select(schema.requests.c.system_prompt_version))["system_prompt_version"]
    assert set(told) == {store.document("nl", DocumentKind.SYSTEM_PROMPT)[0]} != {""}
    assert store.claim_owners() == []


@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform == "win32", reason="kills with a Unix signal")
def test_a_run_on_a_ray_cluster_that_is_killed_goes_on_on_another_and_pays_for_nothing_twice(
    store: Store, workspace: Path, server: ModelServer, project: None, cluster: Cluster
) -> None:
    # The key is on the cluster alone: the command that drives it neither has nor sends it.
    server.key = KEY
    env = environment(workspace, RAY_ADDRESS=cluster.address, **cluster.env)
    assert "MODEL_KEY" not in env
    paid = kill_in_the_middle(store, server, terms(server, "ray"), env)
    assert len(paid) >= CONCURRENCY
    assert server.most_under_way <= CONCURRENCY
    # Without RAY_ADDRESS a Ray of its own is started on this machine.
    resume(store, workspace, server, terms(server, "ray"), paid, MODEL_KEY=KEY)


def test_a_machine_of_the_cluster_without_the_key_says_so() -> None:
    said = asyncio.run(Asker("NOT_SET_ANYWHERE", {"model": "tiny", "base_url": "http://127.0.0.1:9/v1"}).ask([]))
    assert said == (
        "The environment variable NOT_SET_ANYWHERE is not set on a machine of the Ray cluster.",
        "Set it on each machine before Ray is started there: no key travels over the cluster.",
    )


def test_a_cluster_that_is_not_there_is_named_with_what_to_do(workspace: Path, server: ModelServer, project: None) -> None:
    done = studio(workspace, *terms(server, "ray"), RAY_ADDRESS="127.0.0.1:9")
    assert done.code == 1
    assert "Nothing answers at 127.0.0.1:9" in done.answer["error"]
    assert "RAY_ADDRESS" in done.answer["hint"]


def test_without_ray_installed_the_command_says_how_to_get_it(
    workspace: Path, server: ModelServer, project: None, tmp_path: Path
) -> None:
    # As if it were not installed: a module of this name that cannot be imported stands before it.
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "ray.py").write_text("raise ImportError('no module named ray')")
    done = studio(workspace, *terms(server, "ray"), PYTHONPATH=f"{tmp_path / 'hidden'}{os.pathsep}{ROOT}")
    assert (done.code, done.answer["error"]) == (1, "Ray is not installed.")
    assert "pip install" in done.answer["hint"]
    assert server.asked == []


@pytest.mark.timeout(400)
@pytest.mark.skipif(sys.platform == "win32", reason="kills with a Unix signal")
def test_a_distilabel_pipeline_that_is_killed_is_resumed_and_pays_for_nothing_twice(
    store: Store, workspace: Path, server: ModelServer, project: None
) -> None:
    server.replies["vraag 3"] = [Reply(text="")]
    paid = kill_in_the_middle(store, server, terms(server, "distilabel"), environment(workspace))
    assert len(paid) >= CONCURRENCY
    resume(store, workspace, server, terms(server, "distilabel"), paid)


@pytest.mark.timeout(400)
def test_a_distilabel_pipeline_with_a_wrong_key_asks_only_for_what_it_had_begun(
    workspace: Path, server: ModelServer, project: None
) -> None:
    server.key = "right"
    done = studio(workspace, *terms(server, "distilabel"), MODEL_KEY="wrong")
    assert (done.code, done.answer["error"]) == (1, "The server refuses the key: Incorrect API key provided: [key].")
    assert len(server.asked) <= CONCURRENCY
