"""Answers, screens, spend and judges from the terminal, against a real server."""

import contextlib
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline import wiring
from pipeline.commands import command_of
from pipeline.errors import GenerationError, SettingsError
from pipeline.records import (
    HUMAN,
    Choice,
    Endpoint,
    Job,
    JobState,
    Project,
    Prompt,
    Response,
    Vote,
    prompt_id,
    response_id,
    utc_now,
)
from pipeline.settings import Settings
from pipeline.studio import Studio
from tests import terminal
from tests.conftest import ROOT
from tests.fakes.model_server import ModelServer, Reply


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer(models=("tiny", "klein")) as running:
        yield running


@pytest.fixture
def studio(workspace: Path) -> Iterator[Studio]:
    opened = wiring.open_studio(Settings.from_env(dict(os.environ), workspace=str(workspace)))
    opened.store.add_project(Project(name="nl", language="Dutch", code="nld", source="test", revision="1", order_key="k"))
    prompts = [Prompt(id=prompt_id("Dutch", f"vraag {n}"), text=f"vraag {n}", position=n) for n in range(12)]
    human = [
        Response(
            id=response_id(one.id, HUMAN, "Dat weet ik niet zo goed."),
            prompt_id=one.id,
            source=HUMAN,
            text="Dat weet ik niet zo goed.",
        )
        for one in prompts
    ]
    opened.store.add_prompts("nl", prompts)
    opened.store.add_responses("nl", human)
    yield opened
    opened.store.close()


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    ends_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends_at, "it did not happen in time"
        time.sleep(0.1)


def endpoint(server: ModelServer, **terms: object) -> Endpoint:
    return Endpoint(model="tiny", base_url=server.base_url, **terms)  # type: ignore[arg-type]


def test_an_english_answer_is_set_aside_counted_and_brought_back_from_the_terminal(
    studio: Studio, server: ModelServer, workspace: Path
) -> None:
    english = "The answer to this question is not really so hard to give to you, I think."
    server.answer = lambda prompt: Reply(
        text=english if prompt == "vraag 3" else "Het antwoord op deze vraag is niet zo moeilijk."
    )
    studio.generate("nl", endpoint(server))
    told = terminal.studio(workspace, "screens", "nl").answer
    assert told["reasons"] == {"wrong_language": {"answers": 1, "set_aside": 1}}
    assert told["models"][0]["wrong_language"] == 1
    assert studio.curation("nl").summary["excluded"] == {"screen_wrong_language": 1, "no_votes": 11}
    back = terminal.studio(workspace, "screens", "nl", "--bring-back", "wrong_language").answer
    assert back["reasons"] == {"wrong_language": {"answers": 1, "set_aside": 0}}
    assert studio.curation("nl").summary["excluded"] == {"no_votes": 12}


def test_generation_and_judging_are_counted_apart_and_the_price_is_remembered(studio: Studio, server: ModelServer) -> None:
    server.answer = lambda shown: Reply(text="[[C]]" if "response A" in shown else f"Antwoord op {shown}")
    told = studio.generate("nl", endpoint(server, price_in=1.0, price_out=2.0))
    # 12 answers of 10 tokens read and 5 written: 12 * (10 + 10) millionths; 20 millionths an answer.
    assert told["cost_usd"] == pytest.approx(0.00024)
    assert told["per_1000"]["cost_usd"] == pytest.approx(0.02)
    priced = studio.priced(endpoint(server))
    assert (priced.price_in, priced.price_out) == (1.0, 2.0)
    studio.judge("nl", priced, style="choice")
    spend = studio.spend("nl").set_index("purpose")["cost_usd"]
    assert spend["generate"] == pytest.approx(0.00024)
    assert spend["judge"] == pytest.approx(0.00048)


def test_a_budget_smaller_than_one_answer_spends_nothing(studio: Studio, server: ModelServer, workspace: Path) -> None:
    terms = ("--price-in", "1000", "--price-out", "1000", "--budget", "0.0001")
    done = terminal.studio(workspace, "generate", "nl", "--model", "tiny", "--base-url", server.base_url, *terms)
    assert done.code == 1
    assert "one answer costs at least about" in done.messages
    assert server.asked == []
    job = studio.store.jobs("nl")[0]
    assert (job.state, job.message.partition(",")[0]) == (JobState.FAILED, "The budget leaves 0.0001 US dollars")


def test_terms_that_may_hold_a_key_are_refused_before_a_row_is_written(studio: Studio, server: ModelServer) -> None:
    with pytest.raises(GenerationError, match="not the name of a variable"):
        studio.generate("nl", endpoint(server, api_key_env="hf_abcdefgh123"))
    assert studio.store.jobs() == []


@pytest.mark.parametrize("kind", ["generate", "judge"])
def test_a_budget_that_is_used_up_starts_no_process_until_it_is_raised(studio: Studio, server: ModelServer, kind: str) -> None:
    server.answer = lambda shown: Reply(text="[[C]]" if "response A" in shown else f"Antwoord op {shown}")
    prices = {"price_in": 1000.0, "price_out": 1000.0}
    # 10 tokens read and 5 written cost 0.015 dollars at these prices, so 6 answers cost 0.09.
    studio.generate("nl", endpoint(server, **prices), limit=6)
    short, style = endpoint(server, **prices, budget_usd=0.09), "choice" if kind == "judge" else ""
    with pytest.raises(GenerationError, match=r"leaves 0\.00 US dollars"):
        studio.start(kind, "nl", short, style=style)
    command = command_of(kind, "nl", short, None, style=style)
    ended = Job(id="j", project="nl", kind=kind, command=tuple(command), state=JobState.STOPPED, total=6, ended_at=utc_now())
    studio.store.save_job(ended)
    with pytest.raises(GenerationError, match=r"leaves 0\.00 US dollars"):
        studio.resume(ended)
    assert studio.store.jobs("nl")[0].id == "j"
    studio.resume(ended, budget_usd=50.0)
    wait_for(lambda: studio.store.jobs("nl")[0].state is JobState.DONE)
    assert "--budget=50.0" in studio.store.jobs("nl")[0].command
    assert len(server.asked) == (12 if kind == "generate" else 6 + 12)


def test_a_judges_missing_key_is_told_by_the_job_that_needed_it(studio: Studio, server: ModelServer) -> None:
    judged_by = Endpoint(model="klein", base_url=server.base_url, api_key_env="NO_SUCH_KEY_HERE")
    with pytest.raises(SettingsError, match="NO_SUCH_KEY_HERE is not set"):
        studio.generate("nl", endpoint(server), judged_by=judged_by)
    assert "NO_SUCH_KEY_HERE is not set" in studio.store.jobs("nl")[0].message


def test_a_judge_is_asked_for_pairs_in_use_and_for_those_brought_back_later(studio: Studio, server: ModelServer) -> None:
    english = "The answer to this question is not really so hard to give to you, I think."
    server.answer = lambda shown: Reply(
        text="[[C]]" if "response A" in shown else english if shown == "vraag 3" else f"Antwoord op {shown}"
    )
    studio.generate("nl", endpoint(server))
    told = studio.judge("nl", endpoint(server), style="choice")
    assert (told["stored"], told["set_aside"]) == (22, 1)
    assert studio.unjudged("nl", "tiny", "choice").empty
    studio.set_aside_reasons("nl", ["wrong_language"], is_out=False)
    assert studio.unjudged("nl", "tiny", "choice")["orders"].tolist() == [2]
    told = studio.judge("nl", endpoint(server), style="choice")
    assert (told["stored"], told["set_aside"]) == (2, 0)


def test_a_preview_in_the_terminal_is_taken_over_by_the_run(studio: Studio, server: ModelServer, workspace: Path) -> None:
    asked = ("generate", "nl", "--model", "tiny", "--base-url", server.base_url)
    told = terminal.studio(workspace, *asked, "--preview", "2").answer
    assert [one["answer"] for one in told["preview"]] == ["Answer to: vraag 0", "Answer to: vraag 1"]
    assert studio.store.counts("nl")["responses"] == 0
    terminal.studio(workspace, *asked)
    assert (len(server.asked), studio.store.counts("nl")["responses"]) == (12, 12)


def test_a_terminal_shows_a_bar_with_pace_time_left_spend_and_failures(
    studio: Studio, server: ModelServer, workspace: Path
) -> None:
    pty = pytest.importorskip("pty", reason="a terminal of Unix")
    server.delay_s = 0.3
    server.replies["vraag 3"] = [Reply(text="")]
    terms = ["--model=tiny", f"--base-url={server.base_url}", "--concurrency=2", "--price-in=1000", "--price-out=1000"]
    ours, theirs = pty.openpty()
    command = terminal.command("generate", "nl", *terms)
    with subprocess.Popen(
        command, cwd=ROOT, env=terminal.environment(workspace), stdout=subprocess.DEVNULL, stderr=theirs
    ) as process:
        os.close(theirs)
        drawn = b""
        with contextlib.suppress(OSError):  # the end of a terminal is an error on Linux
            while piece := os.read(ours, 4096):
                drawn += piece
    os.close(ours)
    assert process.returncode == 0
    lines = re.sub(r"\x1b\[K", "", drawn.decode()).split("\r")
    shown = r"\[#+\.+\] \d+ of {n}, [\d.]+ a second, \d+ s left, [\d.]+ US dollars, 1 failed"
    assert any(re.match(shown.format(n=12), line) for line in lines), lines
    # 10 tokens read and 5 written cost 0.015 dollars at these prices; the empty answer was counted and paid for as well.
    assert f"[{'#' * 30}] 12 of 12" in drawn.decode()
    assert f"{0.015 * 12:.4f} US dollars, 1 failed" in drawn.decode()


def test_parameters_stand_with_each_answer(studio: Studio, server: ModelServer) -> None:
    studio.generate("nl", endpoint(server, temperature=0.3, max_tokens=77))
    made = studio.store.responses("nl").query("source == 'tiny'")
    assert made["parameters"].tolist() == [{"max_new_tokens": 77, "temperature": 0.3}] * 12
    assert (server.asked[0].body["temperature"], server.asked[0].body["max_tokens"]) == (0.3, 77)


def test_a_judge_of_the_same_family_stands_on_the_card(studio: Studio, server: ModelServer, tmp_path: Path) -> None:
    server.answer = lambda shown: Reply(text="[[A]]" if "response A" in shown else f"Antwoord op {shown}")
    studio.generate("nl", endpoint(server))
    studio.judge("nl", endpoint(server), style="choice")
    pairs = studio.store.pairs("nl")["pair_id"]
    studio.store.add_votes(
        "nl", [Vote(pair_id=one, annotator=name, choice=Choice.FIRST) for one in pairs for name in ("ana", "bo")]
    )
    card = studio.export("nl", ["votes"], out_dir=tmp_path / "release")
    text = (Path(card.directory) / "README.md").read_text(encoding="utf-8")
    assert "**Judges of the generators' own family: tiny \\(choosing\\) judged tiny.**" in text
    assert "| tiny \\(choosing\\) | 12 | 1.000 |" in text
