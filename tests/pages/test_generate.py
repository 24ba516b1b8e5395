"""Generate page: a real model server on loopback, a real worker process, the real app."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from streamlit.testing.v1 import AppTest

from dashboard import services
from pipeline import jobs
from pipeline.commands import command_of
from pipeline.errors import EndpointError
from pipeline.records import HUMAN, Endpoint, Job, JobState, Project, Prompt, Response, prompt_id, response_id, utc_now
from pipeline.studio import Studio
from tests.fakes.model_server import ModelServer, Reply
from tests.pages.judging import shown, workspace_of
from tests.terminal import environment
from tests.visitor import visitor

TEXTS = ("Hoe laat is het?", "<script>alert(1)</script> **vet**", "ما هو الوقت؟")


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as running:
        yield running


@pytest.fixture
def studio(workspace: Path) -> Iterator[Studio]:
    """The studio the app uses, with a project of three prompts."""
    with workspace_of(workspace) as opened:
        opened.store.add_project(Project(name="nl", language="Dutch", code="nld", source="test", revision="1"))
        prompts = [Prompt(id=prompt_id("Dutch", text), text=text, position=place) for place, text in enumerate(TEXTS)]
        opened.store.add_prompts("nl", prompts)
        human = [Response(id=response_id(one.id, HUMAN, "Mens"), prompt_id=one.id, source=HUMAN, text="Mens") for one in prompts]
        opened.store.add_responses("nl", human)
        yield opened
        for job in opened.store.jobs():
            jobs.stop(opened.store, job, grace_s=5)


def open_page() -> AppTest:
    app = visitor().run()
    return app.switch_page("../pages/generate.py").run()


def by_label(app: AppTest, kind: str, label: str):  # type: ignore[no-untyped-def]
    return next(element for element in app.get(kind) if label in element.label)


def metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def choose(app: AppTest, server: ModelServer) -> AppTest:
    by_label(app, "selectbox", "Where does the model run?").set_value("Another address").run()
    return by_label(app, "text_input", "Address").set_value(server.base_url).run()


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    ends_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends_at, "it did not happen in time"
        time.sleep(0.1)


def test_a_run_is_priced_started_followed_and_ends_with_the_next_step(studio: Studio, server: ModelServer) -> None:
    app = choose(open_page(), server)
    assert not app.exception
    assert by_label(app, "multiselect", "Models").value == ["tiny"]
    assert metrics(app)["Answers to ask for"] == "3"
    assert metrics(app)["Price"] == "not known"
    by_label(app, "number_input", "million tokens read").set_value(1.0)
    by_label(app, "number_input", "million tokens written").set_value(1000.0).run()
    assert metrics(app)["Price"].startswith("$0.1801 to $3.0")
    server.delay_s = 1.0
    by_label(app, "button", "Start: ask for 3 answers").click().run()
    assert not app.exception
    assert "tiny is writing" in shown(app)
    wait_for(lambda: studio.store.jobs("nl")[0].state is JobState.DONE)
    app.run()
    assert not app.exception
    assert "tiny has answered every prompt" in shown(app)
    assert by_label(app, "button", "Next: let people vote")
    assert app.dataframe[0].value["answers"].tolist() == [3]


def test_stop_and_resume_from_the_page_pay_for_nothing_twice(studio: Studio, server: ModelServer) -> None:
    more = [Prompt(id=prompt_id("Dutch", f"vraag {n}"), text=f"vraag {n}", position=n) for n in range(3, 60)]
    studio.store.add_prompts("nl", more)
    server.delay_s = 0.3
    app = choose(open_page(), server)
    by_label(app, "button", "Start").click().run()
    wait_for(lambda: len(server.asked) >= 5)
    app.run()
    by_label(app, "button", "Pause").click().run()
    wait_for(lambda: studio.store.jobs("nl")[0].state is JobState.STOPPED)
    asked = len(server.asked)
    assert asked < 60
    app.run()
    assert f"{asked} answers came in, 0 failed, {60 - asked} are left." in shown(app)
    server.delay_s = 0.0
    by_label(app, "button", "Resume").click().run()
    wait_for(lambda: studio.store.jobs("nl")[0].state is JobState.DONE)
    assert len(server.asked) == 60
    assert not app.run().exception


def test_stop_at_once_ends_the_worker_and_the_form_stays_out_of_the_way_meanwhile(studio: Studio, server: ModelServer) -> None:
    server.delay_s = 30.0
    app = choose(open_page(), server)
    by_label(app, "button", "Start").click().run()
    wait_for(lambda: len(server.asked) == 3)
    app.run()
    assert not [button for button in app.button if button.label.startswith("Start")]
    by_label(app, "toggle", "meanwhile").set_value(True).run()
    assert by_label(app, "selectbox", "Where does the model run?")
    by_label(app, "button", "Stop at once").click().run()
    job = studio.store.jobs("nl")[0]
    assert (job.state, job.message) == (JobState.STOPPED, "Stopped at once.")
    with contextlib.suppress(psutil.NoSuchProcess):
        assert psutil.Process(job.pid).status() == psutil.STATUS_ZOMBIE
    wait_for(lambda: server.under_way == 0)


def test_a_dead_worker_is_shown_and_offered_for_resume(studio: Studio) -> None:
    command = ("generate", "--model=tiny", "--base-url=http://127.0.0.1:9/v1", "--", "nl")
    then = "2024-01-01T00:00:00.000000+00:00"
    studio.store.save_job(Job(id="j", project="nl", kind="generate", command=command, pid=1, heartbeat_at=then))
    app = open_page()
    assert "The worker stopped unexpectedly; nothing saved was lost." in shown(app)
    assert by_label(app, "button", "Resume")


def test_a_server_that_does_not_answer_is_named_with_what_to_do(studio: Studio) -> None:
    app = open_page()
    by_label(app, "selectbox", "Where does the model run?").set_value("Another address").run()
    by_label(app, "text_input", "Address").set_value("http://127.0.0.1:9/v1").run()
    assert "Nothing answers at http://127.0.0.1:9/v1." in shown(app)
    assert "ollama serve" in shown(app)


def test_a_key_typed_instead_of_its_variable_is_refused_and_kept_nowhere(studio: Studio, server: ModelServer) -> None:
    app = choose(open_page(), server)
    by_label(app, "text_input", "environment variable").set_value("hf_abcdefgh123").run()
    assert "This is not the name of a variable" in shown(app)
    assert not [button for button in app.button if "Start" in button.label]
    assert "hf_abcdefgh123" not in shown(app)


@pytest.mark.parametrize("name", ["STUDIO_DATABASE_URL", "OPENAI_API_KEY"])
def test_a_visitor_cannot_have_a_variable_sent_where_it_does_not_belong(
    studio: Studio, server: ModelServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "SECRET")
    app = choose(open_page(), server)
    by_label(app, "text_input", "environment variable").set_value(name).run()
    assert f"The key in {name} may not be sent to this address from a page." in shown(app)
    assert not [button for button in app.button if "Start" in button.label]
    endpoint = Endpoint(model="tiny", base_url=server.base_url, api_key_env=name)
    with pytest.raises(EndpointError, match="may not be sent"):
        studio.start("generate", "nl", endpoint)
    with pytest.raises(EndpointError, match="may not be sent"):
        services.models(server.base_url, name)
    assert server.asked == []
    assert studio.store.jobs() == []


def test_resume_on_the_page_sends_a_terminal_runs_key_no_further_than_a_visitor_may(
    studio: Studio, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "SECRET")
    terms = ["--model=tiny", "--base-url=http://127.0.0.1:9/v1", f"--base-url={server.base_url}"]
    judge = ["--judge-model=tiny", f"--judge-base-url={server.base_url}", "--judge-api-key-env=MY_KEY"]
    for number, more in enumerate([["--api-key-env=MY_KEY"], judge, ["--api-key-env", "MY_KEY"]]):
        command = ("generate", *terms, *more, "--", "nl")
        job = Job(id=f"j{number}", project="nl", kind="generate", command=command, state=JobState.STOPPED, total=3)
        with pytest.raises(EndpointError, match="The key in MY_KEY may not be sent"):
            studio.resume(job)
    studio.store.save_job(replace(job, ended_at=utc_now()))
    app = open_page()
    by_label(app, "button", "Resume").click().run()
    assert "The key in MY_KEY may not be sent to this address from a page." in shown(app)
    assert [one.id for one in studio.store.jobs()] == ["j2"]
    assert server.asked == []


def test_a_dedicated_endpoint_shows_what_its_address_looks_like_and_gets_no_key_unlisted(studio: Studio) -> None:
    app = open_page()
    by_label(app, "selectbox", "Where does the model run?").set_value("Hugging Face dedicated endpoint").run()
    assert "endpoints.huggingface.cloud" in by_label(app, "text_input", "Address").placeholder
    address = "https://mine.eu-west-1.aws.endpoints.huggingface.cloud/v1"
    by_label(app, "text_input", "Address").set_value(address).run()
    assert by_label(app, "text_input", "environment variable").value == "HF_TOKEN"
    assert "The key in HF_TOKEN may not be sent to this address from a page." in shown(app)


def test_a_key_among_streamlits_secrets_is_used_like_one_in_the_environment(tmp_path: Path) -> None:
    with ModelServer(key="SECRET") as server:
        (tmp_path / ".streamlit").mkdir()
        secrets = f'MY_KEY = "SECRET"\nSTUDIO_KEYS = "MY_KEY={server.base_url}"\n'
        (tmp_path / ".streamlit" / "secrets.toml").write_text(secrets)
        # What the server does when it starts: it reads the file, and what stands at its top becomes its environment.
        code = (
            "import streamlit as st, sys; assert st.secrets.load_if_toml_exists(); "
            "from dashboard import services; print(services.models(sys.argv[1], 'MY_KEY'))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, server.base_url],
            cwd=tmp_path,
            env=environment(tmp_path / "workspace"),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.stdout == "('tiny',)\n", done.stderr


def test_a_variable_listed_for_a_server_is_used_there(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ModelServer(key="SECRET") as server:
        monkeypatch.setenv("MY_KEY", "SECRET")
        monkeypatch.setenv("STUDIO_KEYS", f"MY_KEY={server.base_url}")
        with workspace_of(workspace) as opened:
            opened.store.add_project(Project(name="nl", language="Dutch", code="nld", source="test", revision="1"))
            app = choose(open_page(), server)
            by_label(app, "text_input", "environment variable").set_value("MY_KEY").run()
            assert by_label(app, "multiselect", "Models").value == ["tiny"]


def test_after_a_trial_its_answers_are_counted_and_what_is_left_of_it_is_resumed(studio: Studio, server: ModelServer) -> None:
    command = ("generate", "--model=tiny", f"--base-url={server.base_url}", "--limit=2", "--", "nl")
    then = utc_now()
    trial = Job(id="j", project="nl", kind="generate", command=command, state=JobState.STOPPED, done=1, total=2, ended_at=then)
    studio.store.save_job(trial)
    app = open_page()
    assert "The run was paused. 1 answers came in, 0 failed, 1 are left." in shown(app)
    by_label(app, "button", "Resume").click().run()
    wait_for(lambda: studio.store.jobs("nl")[0].state is JobState.DONE)
    assert len(server.asked) == 1
    app.run()
    assert "tiny has answered 1 prompts." in shown(app)
    assert not [button for button in app.button if button.label == "Resume"]


def test_a_language_without_a_system_prompt_of_its_own_is_told(workspace: Path) -> None:
    with workspace_of(workspace) as opened:
        opened.store.add_project(Project(name="fy", language="Frisian", code="fry", source="test", revision="1"))
        app = open_page()
        assert "There is no text in Frisian here yet, so this one is in English." in shown(app)
        assert by_label(app, "text_area", "What the model is told").value.startswith("You are a helpful assistant.")


def test_a_budget_without_prices_is_explained(studio: Studio, server: ModelServer) -> None:
    app = choose(open_page(), server)
    by_label(app, "number_input", "Budget").set_value(5.0).run()
    assert "A budget can only be kept when both prices are known." in shown(app)


def test_the_system_prompt_is_kept_as_a_version_with_the_answers(studio: Studio, server: ModelServer) -> None:
    app = choose(open_page(), server)
    assert by_label(app, "text_area", "What the model is told").value
    by_label(app, "text_area", "What the model is told").set_value("Kort, in het Nederlands.").run()
    by_label(app, "button", "Start").click().run()
    wait_for(lambda: studio.store.jobs("nl")[0].state is JobState.DONE)
    assert {asked.system for asked in server.asked} == {"Kort, in het Nederlands."}


def test_failures_are_listed_in_plain_words(studio: Studio, server: ModelServer) -> None:
    server.answer = lambda prompt: Reply(text="" if "laat" in prompt else "Ja.")
    app = choose(open_page(), server)
    by_label(app, "button", "Start").click().run()
    wait_for(lambda: studio.store.jobs("nl")[0].state is JobState.DONE)
    app.run()
    assert "2 answers came in, 1 failed, 0 are left." in shown(app)
    assert by_label(app, "button", "Ask again for the 1 that failed")
    failed = next(frame.value for frame in app.dataframe if "in the server's words" in frame.value)
    assert failed["reason"].tolist() == ["the answer was empty"]
    assert failed["prompt"].tolist() == ["Hoe laat is het?"]
    server.answer = lambda prompt: Reply(text="Ja.")
    by_label(app, "button", "Ask again for the 1 that failed").click().run()
    wait_for(lambda: [job.state for job in studio.store.jobs("nl")] == [JobState.DONE] * 2)
    assert len(server.asked) == 4
    assert "tiny has answered every prompt of this project." in shown(app.run())


def test_answers_made_elsewhere_are_taken_in(studio: Studio) -> None:
    rows = [{"prompt": text, "response": "Van elders.", "model": "elsewhere"} for text in TEXTS]
    content = "".join(json.dumps(row) + "\n" for row in [*rows, {"prompt": "?", "response": "x", "model": "elsewhere"}])
    app = open_page()
    app.get("file_uploader")[0].set_value(("antwoorden.jsonl", content.encode(), "application/jsonl")).run()
    by_label(app, "button", "Import").click().run()
    assert "3 answers taken in, 0 were there before. Left out: 1 unknown prompt." in shown(app)
    assert len(studio.store.pairs("nl")) == 3


def test_two_models_share_the_prompts_and_run_side_by_side(studio: Studio) -> None:
    more = [Prompt(id=prompt_id("Dutch", f"vraag {n}"), text=f"vraag {n}", position=n) for n in range(3, 30)]
    studio.store.add_prompts("nl", more)
    with ModelServer(models=("eerste", "tweede"), delay_s=0.5) as server:
        app = choose(open_page(), server)
        by_label(app, "multiselect", "Models").set_value(["eerste", "tweede"]).run()
        assert metrics(app)["Answers to ask for"] == "30"
        by_label(app, "button", "Start: ask for 30 answers").click().run()
        assert not app.exception
        assert "eerste is writing" in shown(app)
        assert "tweede is writing" in shown(app)
        wait_for(lambda: [job.state for job in studio.store.jobs("nl")] == [JobState.DONE] * 2)
        assert len(server.asked) == 30
    sources = studio.store.responses("nl").query("source != 'human'")
    assert sources["prompt_id"].is_unique
    assert set(sources["source"]) == {"eerste", "tweede"}


def test_a_preview_is_shown_and_not_paid_for_again(studio: Studio, server: ModelServer) -> None:
    app = choose(open_page(), server)
    by_label(app, "button", "Try 3 prompts first").click().run()
    assert not app.exception
    assert "Answer to: Hoe laat is het?" in shown(app)
    assert studio.store.counts("nl")["responses"] == 0
    by_label(app, "button", "Start: ask for 3 answers").click().run()
    wait_for(lambda: studio.store.jobs("nl")[0].state is JobState.DONE)
    assert (len(server.asked), studio.store.counts("nl")["responses"]) == (3, 3)


def test_what_is_set_aside_is_shown_and_can_be_brought_back(studio: Studio, server: ModelServer) -> None:
    server.answer = lambda _: Reply(text="Het spijt me, maar ik kan deze vraag niet beantwoorden.")
    app = choose(open_page(), server)
    by_label(app, "button", "Start").click().run()
    wait_for(lambda: studio.store.jobs("nl")[0].state is JobState.DONE)
    assert studio.local.standing("nl", "ana").left == 0
    app.run()
    assert not app.exception
    table = next(frame.value for frame in app.dataframe if "noticed" in frame.value)
    assert table.to_numpy().tolist() == [["the model refused to answer", 3, 3]]
    by_label(app, "button", "Bring all 3 back").click().run()
    assert studio.local.standing("nl", "ana").left == 3
    assert by_label(app, "button", "Set 3 aside")


def test_a_judge_of_the_same_family_is_marked_and_judges_from_the_page(studio: Studio, server: ModelServer) -> None:
    server.answer = lambda shown_text: Reply(
        text="The first. [[A]]" if "response A" in shown_text else "Antwoord in het Nederlands."
    )
    app = choose(open_page(), server)
    by_label(app, "button", "Start").click().run()
    wait_for(lambda: studio.store.jobs("nl")[0].state is JobState.DONE)
    app.run()
    app.selectbox(key="judge-server").set_value("Another address").run()
    app.text_input(key="judge-address-Another address").set_value(server.base_url).run()
    assert "tiny is of the same family as tiny" in shown(app)
    app.radio(key="judge-style").set_value("choice").run()
    by_label(app, "button", "Start: judge 3 pairs").click().run()
    assert not app.exception
    wait_for(lambda: studio.store.jobs("nl")[0].state is JobState.DONE and studio.store.jobs("nl")[0].kind == "judge")
    app.run()
    told = next(frame.value for frame in app.dataframe if "judge" in frame.value)
    # Wilson's interval of 3 of 3 begins at 3 / (3 + 1.959964²) = 0.4385.
    assert told["changed with the order (95 % interval)"].tolist() == ["100.0% (43.9% to 100.0%)"]
    spend = next(frame.value for frame in app.dataframe if "for" in frame.value)
    assert spend["for"].tolist() == ["answers", "judging"]


def test_a_system_prompt_in_no_known_language_is_questioned(studio: Studio, server: ModelServer) -> None:
    app = open_page()
    by_label(app, "text_area", "What the model is told").set_value("xyzzy plugh qwrt").run()
    assert "is in no language that could be recognised" in shown(app)


def test_a_used_up_budget_is_said_beside_a_field_that_raises_it(studio: Studio, server: ModelServer) -> None:
    server.replies["Hoe laat is het?"] = [Reply(text="")]
    # Three answers of 10 tokens read and 5 written cost 0.045 dollars at these prices, and one more does not fit into 0.05.
    terms = Endpoint(model="tiny", base_url=server.base_url, price_in=1000.0, price_out=1000.0, max_tokens=5, budget_usd=0.05)
    studio.generate("nl", replace(terms, budget_usd=5.0))
    ended = replace(studio.store.jobs("nl")[0], id="j", command=tuple(command_of("generate", "nl", terms, None)))
    studio.store.save_job(replace(ended, started_at=utc_now()))
    app = open_page()
    by_label(app, "button", "Ask again for the 1 that failed").click().run()
    assert not app.exception
    assert "The budget leaves 0.005 US dollars, and one answer costs at least about" in shown(app)
    assert len(studio.store.jobs("nl")) == 2
    field = by_label(app, "number_input", "Budget for this project")
    assert (field.value, field.proto.format) == (0.05, "%g")
    field.set_value(20.0).run()
    by_label(app, "button", "Ask again for the 1 that failed").click().run()
    wait_for(lambda: studio.store.jobs("nl")[0].state is JobState.DONE)
    assert len(server.asked) == 4
    assert "tiny has answered every prompt of this project." in shown(app.run())


def test_a_judge_is_priced_for_what_it_has_not_judged(studio: Studio, server: ModelServer) -> None:
    english = "The answer to this question is not really so hard to give to you, I think."
    server.answer = lambda text: Reply(
        text="[[C]]" if "response A" in text else english if text == TEXTS[0] else "Antwoord in het Nederlands."
    )
    terms = Endpoint(model="tiny", base_url=server.base_url)
    studio.generate("nl", terms)
    studio.judge("nl", terms, style="choice", limit=1)
    app = open_page()
    app.selectbox(key="judge-server").set_value("Another address").run()
    app.text_input(key="judge-address-Another address").set_value(server.base_url).run()
    assert metrics(app)["Verdicts, both orders"] == "4"
    assert "1 pair is set aside and will not be judged" in shown(app)
    app.radio(key="judge-style").set_value("choice").run()
    assert metrics(app)["Verdicts, both orders"] == "2"
    by_label(app, "button", "Start: judge 1 pair").click().run()
    wait_for(lambda: studio.store.jobs("nl")[0].state is JobState.DONE)
    assert "tiny has judged every pair" in shown(app.run())


def running_job(**values: object) -> Job:
    me = psutil.Process()
    row = {"id": "j", "project": "nl", "kind": "generate", "command": ("generate", "--model=tiny"), "total": 60}
    return Job(**row | {"pid": me.pid, "pid_started": me.create_time()} | values)  # type: ignore[arg-type]


def test_a_run_says_why_nothing_comes_and_what_is_set_aside(studio: Studio) -> None:
    silent = "The model's server has not answered for 40 seconds: no connection (refused). It is asked again now."
    studio.store.save_job(running_job(done=30, set_aside={"wrong_language": 10}, message=silent))
    app = open_page()
    assert [silent] == [said.value.replace("\\", "") for said in app.warning]
    assert "10 of 30 answers are set aside and shown to nobody (the answer is in another language or script: 10)." in shown(app)
    studio.store.update_job("j", set_aside={"wrong_language": 16}, message="")
    app.run()
    (warned,) = app.warning
    assert warned.value.replace("\\", "").endswith(
        "Pause, and look at some answers and at what the model is told before you pay for more."
    )
    studio.store.update_job("j", state=str(JobState.DONE), ended_at=utc_now())


def test_a_run_shows_how_far_the_judge_beside_it_is(studio: Studio) -> None:
    command = ("generate", "--model=tiny", "--judge-model=rechter")
    done = {"done": 60, "verdicts": 30, "verdicts_wanted": 120, "cost_usd": 0.5}
    studio.store.save_job(running_job(command=command, started_at=(datetime.now(UTC) - timedelta(minutes=1)).isoformat(), **done))
    app = open_page()
    assert app.get("progress")[0].proto.text == "60 of 60 prompts, 30 of 120 verdicts of rechter"
    assert app.get("progress")[0].proto.value == 25
    # 30 in a minute leave 90 for three more.
    assert metrics(app)["Time left"] == "3 min"
    studio.store.update_job("j", message="The model's server has not answered for 9 seconds.")
    assert metrics(app.run())["Time left"] == "–"
    studio.store.update_job("j", state=str(JobState.DONE), verdicts=120, message="", ended_at=utc_now())
    assert "rechter gave 120 of 120 verdicts." in shown(app.run())


def test_before_the_first_answer_a_run_says_what_it_waits_for(studio: Studio) -> None:
    studio.store.save_job(running_job(total=0))
    app = open_page()
    assert "Starting: loading the program takes a few seconds" in app.get("progress")[0].proto.text
    studio.store.update_job("j", state=str(JobState.FAILED), message="It broke.", ended_at=utc_now())
    assert "are left" not in shown(app.run())


def test_the_terms_of_the_last_run_stand_in_the_form(studio: Studio, server: ModelServer) -> None:
    terms = Endpoint(
        model="tiny", base_url=server.base_url, price_in=1.0, price_out=2.0, budget_usd=0.004, concurrency=7, max_tokens=90
    )
    studio.generate("nl", terms, limit=1)
    app = open_page()
    assert by_label(app, "text_input", "Address").value == server.base_url
    assert by_label(app, "multiselect", "Models").value == ["tiny"]
    values = [by_label(app, "number_input", label).value for label in ("Budget", "Requests at once", "Longest answer")]
    assert values == [0.004, 7, 90]


def test_a_preview_shows_each_model_its_cost_and_what_a_screen_notices(studio: Studio, server: ModelServer) -> None:
    server.models = ("eerste", "tweede")
    server.answer = lambda _: Reply(text="Het spijt me, maar ik kan deze vraag niet beantwoorden.")
    app = choose(open_page(), server)
    by_label(app, "multiselect", "Models").set_value(["eerste", "tweede"]).run()
    for field in [one for one in app.number_input if "million tokens" in one.label]:
        field.set_value(1000.0)
    app.radio(key="generate-share").set_value("all").run()
    by_label(app, "button", "Try 3 prompts first").click().run()
    assert len(server.asked) == 6
    said = shown(app)
    assert [f"3 answers of {model}" in said for model in server.models] == [True, True]
    # 10 tokens read and 5 written, three times, at 1,000 dollars a million.
    assert "They cost $0.0450" in said
    assert "Noticed about 3 of 3: the model refused to answer." in said
    app.number_input(key="generate-limit").set_value(2).run()
    assert "3 answers of tweede" in shown(app)
    app.text_area(key="generate-system-nl").set_value("Antwoord altijd in het Nederlands, kort en duidelijk.").run()
    assert "3 answers of tweede" not in shown(app)
    assert len(server.asked) == 6


def test_a_preview_of_models_that_share_the_prompts_is_not_paid_for_again(studio: Studio) -> None:
    more = [Prompt(id=prompt_id("Dutch", f"vraag {n}"), text=f"vraag {n}", position=n) for n in range(3, 30)]
    studio.store.add_prompts("nl", more)
    with ModelServer(models=("eerste", "tweede")) as server:
        app = choose(open_page(), server)
        by_label(app, "multiselect", "Models").set_value(["eerste", "tweede"]).run()
        by_label(app, "button", "Try 3 prompts first").click().run()
        assert len(server.asked) == 6
        by_label(app, "button", "Start: ask for 30 answers").click().run()
        wait_for(lambda: [job.state for job in studio.store.jobs("nl")] == [JobState.DONE] * 2)
        assert len(server.asked) == 30


def test_a_preview_is_shown_no_longer_than_a_run_would_take_it_over(studio: Studio, server: ModelServer) -> None:
    app = choose(open_page(), server)
    by_label(app, "button", "Try 3 prompts first").click().run()
    assert "The run takes them over" in shown(app)
    by_label(app, "number_input", "Temperature").set_value(0.5).run()
    assert "The run takes them over" not in shown(app)


def test_a_model_that_the_server_does_not_list_is_questioned(studio: Studio, server: ModelServer) -> None:
    app = choose(open_page(), server)
    by_label(app, "multiselect", "Models").set_value(["tinny"]).run()
    assert "The server's list does not name tinny" in shown(app)
