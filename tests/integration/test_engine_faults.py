"""A run against servers that misbehave: one bad item costs one item, a bad minute costs a minute, a bad key nothing."""

import itertools
import json
import re
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest
import sqlalchemy as sa

from pipeline import annotate, generate, judge
from pipeline.adapters import schema
from pipeline.adapters.distilabel_engine import Conversation, DistilabelGenerator, DistilabelJudge
from pipeline.adapters.store import Store, open_store
from pipeline.errors import EndpointError
from pipeline.lane import Patience, Report, Tally
from pipeline.records import Endpoint, Project
from pipeline.runner import run
from tests.fakes.model_server import RATED, ModelServer, Reply, failing
from tests.terminal import ROOT, Result, studio
from tests.unit.test_generate import project_of

PATIENCE = Patience(attempts=3, first_wait_s=0.05, outage_s=20)


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as running:
        yield running


def generated(
    store: Store,
    project: Project,
    server: ModelServer,
    *,
    model: str = "tiny",
    concurrency: int = 8,
    patience: Patience = PATIENCE,
    timeout_s: float = 5,
    on_progress: Callable[[Tally], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
    **terms: float,
) -> Report:
    endpoint = Endpoint(model=model, base_url=server.base_url, concurrency=concurrency, **terms)  # type: ignore[arg-type]
    conversation = Conversation(model=model, base_url=server.base_url, timeout_s=timeout_s)
    return generate.generate(
        store,
        DistilabelGenerator(conversation),
        project,
        endpoint,
        system_prompt="Antwoord.",
        make_pairs=annotate.make_pairs,
        patience=patience,
        on_progress=on_progress,
        should_stop=should_stop,
    )


def project_with(store: Store, count: int) -> Project:
    return project_of(store, *(f"vraag {n}" for n in range(count)))


BAD = {
    "empty": Reply(text=""),
    "malformed": Reply(body="<html>busy</html>"),
    "content_filter": Reply(text="Half", finish_reason="content_filter"),
    "too_long": failing(400, "This model's maximum context length is 4096 tokens"),
    "bad_request": failing(422, "bad field"),
    "server_error": failing(500),
    "connection": Reply(breaks=True),
    "timeout": Reply(delay_s=2),
}


def test_each_bad_item_costs_one_item_and_is_mended_by_the_next_run(store: Store, server: ModelServer) -> None:
    project = project_with(store, 60)
    for place, (reason, reply) in enumerate(BAD.items()):
        tries = PATIENCE.attempts if reason in ("server_error", "connection", "timeout") else 1
        server.replies[f"vraag {20 + 3 * place}"] = [reply] * tries
    first = generated(store, project, server, timeout_s=0.5)
    assert (first.stored, first.failed) == (52, dict.fromkeys(BAD, 1))
    assert set(store.failures("nl")["error"]) == set(BAD)
    second = generated(store, project, server)
    assert (second.stored, second.already_stored, second.failed) == (8, 52, {})


def test_what_passes_is_tried_again_and_each_attempt_is_counted(store: Store, server: ModelServer) -> None:
    project = project_with(store, 3)
    passing = (failing(429), failing(500), failing(502), failing(503), Reply(breaks=True), Reply(is_cut=True))
    for reply in passing:
        server.replies["vraag 1"] = [reply]
        one = project_of(store, "vraag 1", name=f"p{reply.status}{reply.breaks}{reply.is_cut}")
        server.replies["vraag 1"] = [reply]
        # Asked anew for each fault: another system prompt is another request.
        report = generate.generate(
            store,
            DistilabelGenerator(Conversation(model="tiny", base_url=server.base_url, timeout_s=0.5)),
            one,
            Endpoint(model="tiny", base_url=server.base_url),
            system_prompt=one.name,
            make_pairs=annotate.make_pairs,
            patience=PATIENCE,
        )
        assert (report.stored, report.failed) == (1, {})
    assert len(server.asked) == 2 * len(passing)
    assert project.name == "nl"


def test_a_server_that_takes_few_at_once_is_given_few_and_nothing_is_lost(store: Store, server: ModelServer) -> None:
    project = project_with(store, 120)
    server.delay_s = 0.03
    refused = 0

    def answer(prompt: str) -> Reply:
        nonlocal refused
        if server.under_way > 6:
            refused += 1
            return failing(429, headers={"Retry-After": "0.1"})
        return Reply(text=f"Answer to: {prompt}")

    server.answer = answer
    report = generated(store, project, server, concurrency=32)
    assert (report.stored, report.failed) == (120, {})
    # Thirty-two at once were refused again and again; found out, it is far fewer than one refusal for each answer.
    assert 0 < refused < 120


def test_the_wait_a_server_asks_for_holds_for_all_requests(store: Store, server: ModelServer) -> None:
    project = project_with(store, 30)
    server.replies["vraag 5"] = [failing(429, headers={"Retry-After": "1"})]
    times: list[float] = []

    def answer(prompt: str) -> Reply:
        times.append(time.monotonic())
        return Reply(text=f"Answer to: {prompt}")

    server.answer = answer
    server.delay_s = 0.02
    assert generated(store, project, server, concurrency=4).stored == 30
    longest = max(later - earlier for earlier, later in itertools.pairwise(times))
    assert longest > 0.8


def test_a_wait_longer_than_anyone_would_sit_through_ends_the_run(store: Store, server: ModelServer) -> None:
    project = project_with(store, 30)
    server.replies["vraag 9"] = [failing(429, "daily limit", headers={"Retry-After": "7200"})]
    with pytest.raises(EndpointError, match="asks to wait 120 minutes: daily limit"):
        generated(store, project, server)
    assert 8 <= len(store.pairs("nl")) < 30


def test_an_endpoint_that_goes_away_is_waited_for_and_nothing_is_lost_or_asked_twice(store: Store) -> None:
    project = project_with(store, 80)
    result: list[Report] = []
    with ModelServer(delay_s=0.05) as first:
        thread = threading.Thread(target=lambda: result.append(generated(store, project, first)))
        thread.start()
        while len(first.answered) < 20:
            time.sleep(0.01)
    # Down for much longer than three attempts of one item would last.
    time.sleep(3)
    with ModelServer(port=first.port, delay_s=0.05) as second:
        thread.join(30)
    assert (result[0].stored, result[0].failed) == (80, {})
    # Nothing stored was asked again: at most what was under way when the server went.
    assert sum(first.answered.values()) + sum(second.answered.values()) <= 80 + 8


def test_an_overloaded_endpoint_is_waited_for(store: Store, server: ModelServer) -> None:
    project = project_with(store, 60)
    server.delay_s = 0.02
    down_until = time.monotonic() + 60

    def answer(prompt: str) -> Reply:
        nonlocal down_until
        if len(server.answered) >= 20:
            down_until = min(down_until, time.monotonic() + 1.5)
        if len(server.answered) >= 20 and time.monotonic() < down_until:
            return failing(503, "overloaded")
        return Reply(text=f"Answer to: {prompt}")

    server.answer = answer
    report = generated(store, project, server)
    assert (report.stored, report.failed) == (60, {})
    # In a second and a half of pauses there were only some probes.
    assert len(server.asked) < 60 + 8 + 16


def test_an_endpoint_that_stays_away_ends_the_run(store: Store) -> None:
    project = project_with(store, 60)
    errors: list[EndpointError] = []

    def work(server: ModelServer) -> None:
        with pytest.raises(EndpointError, match="has not answered for") as caught:
            generated(store, project, server, patience=Patience(attempts=3, first_wait_s=0.05, outage_s=1))
        errors.append(caught.value)

    with ModelServer(delay_s=0.05) as server:
        thread = threading.Thread(target=work, args=(server,))
        thread.start()
        while len(server.answered) < 20:
            time.sleep(0.01)
    thread.join(30)
    assert "start again when the server works" in errors[0].hint
    assert 12 <= len(store.pairs("nl")) < 60


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (failing(401, "Incorrect API key"), "refuses the key"),
        (failing(402), "no credit left"),
        (failing(429, code="insufficient_quota"), "no credit left"),
        (failing(404, "gone"), "does not know the model"),
    ],
)
def test_what_nothing_mends_stops_at_once_in_the_middle_of_a_run(
    store: Store, server: ModelServer, reply: Reply, message: str
) -> None:
    project = project_with(store, 100)
    server.delay_s = 0.01
    server.answer = lambda prompt: Reply(text="Ja.") if len(server.answered) < 30 else reply
    with pytest.raises(EndpointError, match=message):
        generated(store, project, server)
    # What was answered is kept, and beyond the eight under way nothing more was asked.
    assert len(store.pairs("nl")) == sum(server.answered.values())
    assert len(server.asked) <= 30 + 2 * 8


def test_a_model_that_begins_to_answer_nothing_is_not_paid_to_go_on(store: Store, server: ModelServer) -> None:
    project = project_with(store, 200)
    server.delay_s = 0.01
    server.answer = lambda prompt: Reply(text="Ja." if len(server.answered) < 30 else "")
    with pytest.raises(EndpointError, match="10 requests in a row failed; the last one: the answer was empty"):
        generated(store, project, server)
    assert len(server.asked) < 30 + 10 + 5 * 8


def test_an_answer_is_judged_in_both_orders_while_others_are_still_written(store: Store, server: ModelServer) -> None:
    project = project_with(store, 40)
    server.delay_s = 0.03
    server.answer = lambda shown: Reply(text=RATED.format(4, 2) if "<text 1>" in shown else "Ja.")
    endpoint = Endpoint(model="tiny", base_url=server.base_url, concurrency=6)

    def conversation() -> Conversation:
        return Conversation(model="tiny", base_url=server.base_url)

    lanes = [
        generate.generation_lane(
            store,
            DistilabelGenerator(conversation()),
            project,
            endpoint,
            store.prompt_ids_without("nl", "tiny"),
            system_prompt="Antwoord.",
            make_pairs=annotate.make_pairs,
        ),
        judge.judging_lane(store, DistilabelJudge(conversation()), project, endpoint),
    ]
    written, judged = run(store, lanes)
    assert (written.stored, judged.stored, judged.total) == (40, 80, 80)
    assert len(store.judgements("nl")) == 80
    # One limit for one address, and no barrier: the first verdict is asked for long before the last answer is.
    assert server.most_under_way <= 6
    kinds = ["<text 1>" in asked.prompt for asked in server.asked]
    assert kinds.index(True) < 30 < len(kinds) - kinds[::-1].index(False)


def test_one_command_writes_screens_and_judges_and_is_resumed_without_asking_again(
    store: Store, server: ModelServer, workspace: Path
) -> None:
    project_with(store, 20)
    long = "Het antwoord op deze vraag is ja, want dat weet iedereen in dit land al heel lang. "
    server.models = ("tiny", "judge")
    server.answer = lambda shown: Reply(text=RATED.format(4, 2) if "<text 1>" in shown else long)
    priced = [f"--{name}=1000" for name in ("price-in", "price-out", "judge-price-in", "judge-price-out")]
    terms = ("generate", "nl", "--model", "tiny", "--base-url", server.base_url, "--judge-model", "judge", *priced)
    done = studio(workspace, *terms)
    assert done.code == 0, done.messages
    assert (done.answer["stored"], done.answer["judged"]["stored"]) == (20, 40)
    verdicts = store.judgements("nl")
    assert len(verdicts) == 40
    job = store.jobs("nl")[0]
    # 10 tokens read and 5 written of each, at a dollar a thousand: 20 answers and 40 verdicts.
    assert (job.done, job.verdicts, job.verdicts_wanted, job.cost_usd) == (20, 40, 40, pytest.approx(60 * 0.015))
    assert len(store.frame(sa.select(schema.screens.c.response_id))) == 20
    again = studio(workspace, *terms)
    assert (again.answer["stored"], again.answer["already_stored"]) == (0, 20)
    assert len(server.asked) == 60


def test_the_judge_beside_takes_what_an_earlier_run_left_unjudged(store: Store, server: ModelServer, workspace: Path) -> None:
    project_with(store, 20)
    long = "Het antwoord op deze vraag is ja, want dat weet iedereen in dit land al heel lang. "
    server.models = ("tiny", "judge", "other")
    server.answer = lambda shown: Reply(text=RATED.format(4, 2) if "<text 1>" in shown else long)
    writes = ("generate", "nl", "--base-url", server.base_url)
    studio(workspace, *writes, "--model", "other", "--limit", 5)
    studio(workspace, *writes, "--model", "tiny", "--limit", 12)
    judged = (*writes, "--model", "tiny", "--judge-model", "judge")
    # What was left counts towards the limit, or a trial of one prompt would pay for a project.
    trial = studio(workspace, *judged, "--limit", 1)
    assert (trial.answer["stored"], trial.answer["judged"]["stored"]) == (1, 4)
    done = studio(workspace, *judged)
    assert (done.answer["stored"], done.answer["judged"]["stored"]) == (7, 36)
    # Nothing is left to write; a run killed while its judge was behind is gone on with all the same.
    assert studio(workspace, *judged).answer["judged"]["stored"] == 0
    of_other = set(store.pair_ids("nl", source="other"))
    assert len(of_other) == 5
    assert not of_other & set(store.judgements("nl")["pair_id"])


def test_a_run_says_why_nothing_comes_while_its_server_is_away(store: Store, server: ModelServer) -> None:
    project = project_with(store, 6)
    ends_at = time.monotonic() + 6
    server.answer = lambda shown: Reply(text=f"Op {shown}") if time.monotonic() > ends_at else failing(503, "down for repair")
    told: list[str] = []
    patience = Patience(attempts=50, first_wait_s=0.2, outage_s=60)
    report = generated(
        store, project, server, concurrency=2, patience=patience, on_progress=lambda tally: told.append(tally.waiting)
    )
    assert report.stored == 6
    expected = r"The model's server has not answered for \d seconds: a fault of the server \(status 503: down for repair\)\. "
    assert any(re.match(expected, said) for said in told), told
    assert told[-1] == ""


def test_two_runs_at_once_share_the_work_instead_of_doubling_it(store: Store, server: ModelServer, workspace: Path) -> None:
    one, two = project_of(store, *map(str, range(150)), name="one"), project_of(store, *map(str, range(150)), name="two")
    server.delay_s = 0.02
    reports: dict[str, Report] = {}

    def work(project: Project) -> None:
        opened = open_store(f"sqlite:///{workspace / 'studio.db'}")
        reports[project.name] = generated(opened, project, server)
        opened.close()

    threads = [threading.Thread(target=work, args=(project,)) for project in (one, two)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(server.asked) == 150
    assert len(store.pairs("one")) == len(store.pairs("two")) == 150
    assert reports["one"].stored + reports["two"].stored == 150
    assert min(reports["one"].stored, reports["two"].stored) > 0
    assert store.claim_owners() == []


def test_what_a_dead_run_had_claimed_is_asked_for_and_what_a_living_one_claims_is_waited_for(
    store: Store, server: ModelServer
) -> None:
    project = project_with(store, 3)
    generator = DistilabelGenerator(Conversation(model="tiny", base_url=server.base_url))
    keys = [generator.request_key("Antwoord.", f"vraag {n}") for n in range(3)]
    # No process has this number; a run on another machine cannot be looked at, so its lease is waited for.
    store.claim_requests(keys[:1], project=project.name, owner=f"{socket.gethostname()}|4194305|1.00|dead", lease_s=60)
    store.claim_requests(keys[1:2], project=project.name, owner="elsewhere|1|1.00|alive", lease_s=2)
    begun = time.monotonic()
    assert generated(store, project, server).stored == 3
    assert 1.5 < time.monotonic() - begun < 10


def test_an_answer_the_database_refuses_costs_none_of_those_that_came_with_it(store: Store, server: ModelServer) -> None:
    project = project_with(store, 40)
    # As Postgres refuses a text with a zero in it.
    refuse = "create trigger refuse before insert on responses when new.text = 'Kapot.' begin select raise(abort, 'refused'); end"
    with store.writing() as connection:
        connection.execute(sa.text(refuse))
    server.replies["vraag 7"] = [Reply(text="Kapot.")]
    report = generated(store, project, server, concurrency=40)
    assert (report.stored, report.failed) == (39, {"malformed": 1})
    assert len(store.pairs("nl")) == 39


def test_a_failed_answer_that_cost_money_is_counted(store: Store, server: ModelServer) -> None:
    project = project_with(store, 2)
    body = {
        "choices": [{"message": {"content": ""}, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 1},
    }
    server.replies["vraag 1"] = [Reply(body=json.dumps(body))]
    report = generated(store, project, server, price_in=100_000.0, price_out=100_000.0)
    # 10 + 5 tokens for the good one and 9 + 1 for the empty one, at 0.1 dollars each.
    assert report.cost_usd == pytest.approx(2.5)
    assert report.failed == {"empty": 1}


def test_a_count_of_tokens_that_no_server_can_mean_costs_no_answer(store: Store, server: ModelServer) -> None:
    project = project_with(store, 20)
    server.replies["vraag 7"] = [Reply(tokens=(10, 10**25))]
    report = generated(store, project, server)
    assert (report.stored, report.failed) == (20, {})


def test_answers_wait_for_a_database_that_is_locked_for_a_while(store: Store, server: ModelServer, workspace: Path) -> None:
    project = project_with(store, 6)
    store.close()
    sa.event.listen(store.engine, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout=1"))
    blocker = sqlite3.connect(workspace / "studio.db", isolation_level=None, check_same_thread=False)
    released = threading.Timer(1.5, lambda: blocker.execute("ROLLBACK"))

    def answer(prompt: str) -> Reply:
        # Someone takes the database while answers are under way, and keeps it longer than a writer waits.
        if not blocker.in_transaction and not released.is_alive():
            blocker.execute("BEGIN IMMEDIATE")
            released.start()
        return Reply(text=f"Antwoord op {prompt}")

    server.answer = answer
    report = generated(store, project, server, concurrency=6)
    blocker.close()
    assert (report.stored, report.failed, len(server.asked)) == (6, {}, 6)


def test_two_runs_with_one_budget_keep_it_together(store: Store, server: ModelServer, workspace: Path) -> None:
    project = project_with(store, 60)
    server.models, server.delay_s = ("one", "two"), 0.05
    # 10 tokens read and 5 written at 1,000 dollars a million: 0.015 an answer, so 0.60 buys forty. Both would buy 80.
    terms = ("--price-in", 1000, "--price-out", 1000, "--max-tokens", 5, "--budget", 0.6, "--concurrency", 2)
    reports: dict[str, Result] = {}

    def work(model: str) -> None:
        reports[model] = studio(workspace, "generate", project.name, "--model", model, "--base-url", server.base_url, *terms)

    threads = [threading.Thread(target=work, args=(model,)) for model in server.models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert {report.code for report in reports.values()} == {0}, reports
    spent_usd, answers = store.spent(project.name)
    # At most what the other had under way as the last one was asked for.
    assert 36 <= answers <= 42
    assert spent_usd == pytest.approx(0.015 * answers)


class SlowCounter:
    """A store whose counts of what was spent come late, as from a far-off or a busy database."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def spent(self, project: str) -> tuple[float, int]:
        told = self._store.spent(project)
        time.sleep(0.1)
        return told


def test_two_runs_keep_their_budget_where_counting_is_slow(store: Store, server: ModelServer) -> None:
    project = project_with(store, 60)
    server.models, server.delay_s = ("one", "two"), 0.05
    # As above: 0.60 buys forty.
    terms = {"price_in": 1000.0, "price_out": 1000.0, "max_tokens": 5, "budget_usd": 0.6}

    def work(model: str) -> None:
        generated(cast("Store", SlowCounter(store)), project, server, model=model, concurrency=2, **terms)

    threads = [threading.Thread(target=work, args=(model,)) for model in server.models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert 36 <= len(server.asked) <= 42


def test_a_judge_nobody_can_read_ends_alone_and_says_so(store: Store, server: ModelServer, workspace: Path) -> None:
    project_with(store, 30)
    server.models = ("tiny", "judge")
    text = "Het antwoord op deze vraag is ja, want dat weet iedereen in dit land al heel lang. "
    server.answer = lambda shown: Reply(text="Geen idee." if "<text 1>" in shown else text + shown)
    terms = ("--model", "tiny", "--base-url", server.base_url, "--judge-model", "judge", "--concurrency", 4)
    done = studio(workspace, "generate", "nl", *terms)
    assert (done.code, done.answer["stored"]) == (0, 30), done.messages
    assert re.match(r"The judge was stopped: 1\d requests in a row failed", done.answer["judged"]["ended_early"])
    # Ten, what came with the tenth, and what was under way just then.
    assert sum("<text 1>" in asked.prompt for asked in server.asked) <= 10 + 2 * 4


def test_a_judge_that_was_stopped_says_so_even_when_it_had_nothing_left_just_then(
    store: Store, server: ModelServer, workspace: Path
) -> None:
    project_with(store, 12)
    text = "Het antwoord op deze vraag is ja, want dat weet iedereen in dit land al heel lang. "
    server.answer = lambda shown: Reply(text=text + shown, delay_s=0.3)
    with ModelServer(models=("judge",)) as judges:
        judges.answer = lambda _: Reply(text="Geen idee.")
        # Both verdicts on an answer are there before the next answer: after ten all that was asked for is done.
        terms = ("--model", "tiny", "--base-url", server.base_url, "--concurrency", 1)
        done = studio(workspace, "generate", "nl", *terms, "--judge-model", "judge", "--judge-base-url", judges.base_url)
    assert (done.code, done.answer["stored"]) == (0, 12), done.messages
    assert done.answer["judged"]["ended_early"].startswith("The judge was stopped: 10 requests in a row failed")


def test_an_answer_that_comes_while_a_stopped_run_waits_for_others_is_stored_at_once(store: Store, server: ModelServer) -> None:
    project = project_with(store, 4)
    server.answer = lambda shown: Reply(text=f"Ja, {shown}.", delay_s=3 if shown == "vraag 0" else 0.5)
    stops = {"should_stop": lambda: len(server.asked) == 4, "concurrency": 4}
    running = threading.Thread(target=generated, args=(store, project, server), kwargs=stops)
    running.start()
    ends_at = time.monotonic() + 30
    while store.counts("nl")["responses"] < 3 and running.is_alive() and time.monotonic() < ends_at:
        time.sleep(0.05)
    assert (store.counts("nl")["responses"], running.is_alive()) == (3, True)
    running.join()
    assert store.counts("nl")["responses"] == 4


def test_a_crash_after_distilabel_is_loaded_tells_neither_key_nor_text() -> None:
    crash = """
from pipeline.adapters.distilabel_engine import Conversation
def run(key, prompt):
    Conversation(model="tiny", base_url="http://localhost:1/v1", api_key=key)
    raise RuntimeError("something nobody thought of")
run("sk-" + "geheim", "een " + "vraag")
"""
    done = subprocess.run([sys.executable, "-c", crash], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert "something nobody thought of" in done.stderr
    assert "sk-geheim" not in done.stderr
    assert "een vraag" not in done.stderr


@pytest.mark.parametrize(("held", "code"), [("sk-geheim\n", 0), ("sk-ge\nheim", 1), ("sk-gehëim", 1)])
def test_a_key_with_a_line_break_at_its_end_is_used_and_what_is_no_key_is_refused_unread(
    store: Store, server: ModelServer, workspace: Path, held: str, code: int
) -> None:
    project_with(store, 2)
    server.key = "sk-geheim"
    terms = ("--model", "tiny", "--base-url", server.base_url, "--api-key-env", "MY_KEY")
    done = studio(workspace, "generate", "nl", *terms, MY_KEY=held)
    assert done.code == code, done.messages
    assert code == 0 or "cannot be a key" in done.answer["error"]
    assert "heim" not in json.dumps(done.answer) + done.messages
