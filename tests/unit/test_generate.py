"""Generation: what is asked, what is stored, what it costs, when it stops. Real store, real engine, real HTTP."""

import json
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from pipeline import annotate, generate, judge
from pipeline.adapters.distilabel_engine import Conversation, DistilabelGenerator, DistilabelJudge
from pipeline.adapters.store import Store
from pipeline.errors import EndpointError, GenerationError, SourceError
from pipeline.lane import Patience, Report, Tally
from pipeline.records import HUMAN, Endpoint, Project, Prompt, Response, prompt_id, response_id
from pipeline.settings import Settings
from pipeline.terms import check_terms
from pipeline.wiring import open_studio
from tests.fakes.model_server import RATED, ModelServer, Reply, failing

SYSTEM = "Antwoord in het Nederlands."
PATIENCE = Patience(attempts=2, first_wait_s=0.01)


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as running:
        yield running


def project_of(store: Store, *texts: str, name: str = "nl") -> Project:
    """A project with these prompts and a human response to each."""
    project = Project(name=name, language="Dutch", code="nld", source="test", revision="1")
    prompts = [Prompt(id=prompt_id("Dutch", text), text=text, position=place) for place, text in enumerate(texts)]
    human = [(prompt.id, f"Mens over {prompt.text}") for prompt in prompts]
    store.add_project(project)
    store.add_prompts(name, prompts)
    store.add_responses(
        name, [Response(id=response_id(one, HUMAN, text), prompt_id=one, source=HUMAN, text=text) for one, text in human]
    )
    return project


def endpoint_of(server: ModelServer, **terms: object) -> Endpoint:
    return Endpoint(**({"model": "tiny", "base_url": server.base_url, "concurrency": 4} | terms))  # type: ignore[arg-type]


def conversation(endpoint: Endpoint) -> Conversation:
    return Conversation(model=endpoint.model, base_url=endpoint.base_url, timeout_s=5)


def run(
    store: Store,
    project: Project,
    endpoint: Endpoint,
    *,
    limit: int | None = None,
    on_progress: Callable[[Tally], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Report:
    return generate.generate(
        store,
        DistilabelGenerator(conversation(endpoint)),
        project,
        endpoint,
        system_prompt=SYSTEM,
        system_prompt_version="v1",
        make_pairs=annotate.make_pairs,
        limit=limit,
        patience=PATIENCE,
        on_progress=on_progress,
        should_stop=should_stop,
    )


def test_each_prompt_gets_an_answer_a_pair_and_a_request_row(store: Store, server: ModelServer) -> None:
    project = project_of(store, "een", "twee", "drie")
    report = run(store, project, endpoint_of(server))
    assert (report.stored, report.already_stored, report.failed) == (3, 0, {})
    # The server counts 10 tokens read and 5 written for each answer.
    assert (report.tokens_in, report.tokens_out, report.cost_usd) == (30, 15, None)
    made = store.responses("nl").query("source == 'tiny'")
    assert set(made["text"]) == {"Answer to: een", "Answer to: twee", "Answer to: drie"}
    assert set(made["system_prompt_version"]) == {"v1"}
    assert set(made["finish_reason"]) == {"stop"}
    assert list(store.pairs("nl")["prompt"]) == ["een", "twee", "drie"]
    assert {asked.system for asked in server.asked} == {SYSTEM}


def test_what_is_stored_is_never_asked_for_again(store: Store, server: ModelServer) -> None:
    project = project_of(store, "een", "twee", "drie")
    run(store, project, endpoint_of(server), limit=2)
    report = run(store, project, endpoint_of(server))
    assert (report.stored, report.already_stored) == (1, 2)
    assert len(server.asked) == 3
    again = run(store, project, endpoint_of(server))
    assert (again.stored, again.already_stored, len(server.asked)) == (0, 3, 3)


def test_an_answer_bought_for_one_project_is_used_in_another(store: Store, server: ModelServer) -> None:
    priced = endpoint_of(server, price_in=1.0, price_out=1.0)
    run(store, project_of(store, "een", name="first"), priced)
    report = run(store, project_of(store, "een", name="second"), priced)
    assert (report.stored, report.already_stored, report.cost_usd, len(server.asked)) == (0, 1, 0.0, 1)
    assert len(store.pairs("second")) == 1
    assert store.counts("second")["spent_usd"] == 0


def test_a_failed_prompt_is_counted_listed_and_asked_again_by_the_next_run(store: Store, server: ModelServer) -> None:
    project = project_of(store, "een", "twee")
    server.replies["twee"] = [Reply(text="", tokens=(10, 0))]
    priced = endpoint_of(server, price_in=1_000_000.0, price_out=0.001)
    first = run(store, project, priced)
    assert (first.stored, first.failed) == (1, {"empty": 1})
    assert list(store.failures("nl")["error"]) == ["empty"]
    second = run(store, project, priced)
    assert (second.stored, second.already_stored, second.failed) == (1, 1, {})
    assert store.failures("nl").empty
    # Three calls of 10 tokens read at 1 dollar each: what the failed one cost is not forgotten.
    assert store.counts("nl")["spent_usd"] == pytest.approx(30.0)


def test_an_answer_equal_to_the_humans_makes_no_pair_and_is_counted(store: Store, server: ModelServer) -> None:
    project = project_of(store, "een", "twee")
    server.replies["een"] = [Reply(text="Mens over een")]
    report = run(store, project, endpoint_of(server))
    assert report.stored == 2
    assert list(store.pairs("nl")["prompt"]) == ["twee"]
    assert list(store.exclusions("nl")["reason"]) == ["identical"]


def test_no_more_requests_than_allowed_are_under_way(store: Store, server: ModelServer) -> None:
    project = project_of(store, *(f"vraag {n}" for n in range(24)))
    server.delay_s = 0.1
    run(store, project, endpoint_of(server, concurrency=6))
    assert server.most_under_way == 6


def test_one_slow_prompt_holds_up_no_other(store: Store, server: ModelServer) -> None:
    project = project_of(store, "traag", *(f"vraag {n}" for n in range(20)))
    server.replies["traag"] = [Reply(delay_s=1.0)]
    server.delay_s = 0.02
    done: list[int] = []
    report = run(store, project, endpoint_of(server, concurrency=2), on_progress=lambda tally: done.append(tally.done))
    # The other twenty pass one by one on the second connection before the slow one ends.
    assert list(dict.fromkeys(done))[19] == 20
    assert report.seconds < 2.5


def test_a_stop_takes_nothing_new_and_keeps_what_was_under_way(store: Store, server: ModelServer) -> None:
    project = project_of(store, *(f"vraag {n}" for n in range(40)))
    server.delay_s = 0.05
    stop = threading.Event()

    def note(tally: Tally) -> None:
        if tally.done >= 8:
            stop.set()

    report = run(store, project, endpoint_of(server), on_progress=note, should_stop=stop.is_set)
    assert 8 <= report.stored <= 12
    assert report.stored == len(server.asked) == len(store.pairs("nl"))
    assert report.ended_early == "Stopped on request."


def test_the_budget_ends_the_run_before_it_is_passed(store: Store, server: ModelServer) -> None:
    project = project_of(store, *(f"vraag {n}" for n in range(40)))
    # 10 tokens read and 5 written at 10,000 dollars a million: 0.15 an answer, so 1.00 buys six.
    terms = {"price_in": 10_000.0, "price_out": 10_000.0, "budget_usd": 1.0, "concurrency": 1}
    report = run(store, project, endpoint_of(server, **terms))
    assert report.stored == 6
    assert report.cost_usd == pytest.approx(0.90)
    assert "budget of 1.00 US dollars" in report.ended_early
    again = run(store, project, endpoint_of(server, **terms))
    assert (again.stored, len(server.asked)) == (0, 6)


@pytest.mark.parametrize(("budget_usd", "answers"), [(0.30, 2), (1.00, 6), (0.10, 1)])
def test_the_budget_holds_from_the_first_answer_on_with_many_at_once(
    store: Store, server: ModelServer, budget_usd: float, answers: int
) -> None:
    project = project_of(store, *(f"vraag {n}" for n in range(40)))
    server.delay_s = 0.02
    # 0.15 an answer, and more than the budget at the longest: only one at a time is safe.
    report = run(store, project, endpoint_of(server, price_in=1e4, price_out=1e4, budget_usd=budget_usd, concurrency=16))
    assert (report.stored, len(server.asked)) == (answers, answers)
    assert "is used up" in report.ended_early


def test_a_budget_that_carries_the_longest_answers_lets_many_run_at_once(store: Store, server: ModelServer) -> None:
    project = project_of(store, *(f"vraag {n}" for n in range(40)))
    server.delay_s = 0.05
    # At the longest 1,024 tokens at 0.001 dollars each: 8.20 dollars carry eight of them under way.
    report = run(store, project, endpoint_of(server, price_in=0.001, price_out=1000.0, budget_usd=8.20, concurrency=16))
    assert (report.stored, server.most_under_way) == (40, 8)


def test_answers_that_cost_nothing_do_not_thin_the_mean_price(store: Store, server: ModelServer) -> None:
    texts = [f"vraag {n}" for n in range(40)]
    project = project_of(store, *texts)
    terms = {"price_in": 1e4, "price_out": 1e4, "budget_usd": 1.0, "concurrency": 16}
    assert run(store, project, endpoint_of(server, **terms), limit=6).stored == 6
    imported = [Response(id=f"i{n}", prompt_id=prompt_id("Dutch", text), source="e", text="x") for n, text in enumerate(texts)]
    store.add_responses("nl", imported)
    # 0.90 of 1.00 is spent, and one more answer would cost 0.15.
    assert run(store, project, endpoint_of(server, **terms)).stored == 0


def test_a_judge_keeps_to_the_budget_with_many_at_once(store: Store, server: ModelServer) -> None:
    project = project_of(store, *(f"vraag {n}" for n in range(20)))
    run(store, project, endpoint_of(server))
    server.answer = lambda _: Reply(text=RATED.format(4, 2), delay_s=0.02)
    priced = endpoint_of(server, price_in=1e4, price_out=1e4, budget_usd=0.50, concurrency=16)
    report = judge.judge(store, DistilabelJudge(conversation(priced)), project, priced)
    # 0.15 a verdict.
    assert report.stored == 3


def test_the_failure_of_one_project_is_not_lost_to_another(store: Store, server: ModelServer) -> None:
    first, second = project_of(store, "een", name="first"), project_of(store, "een", name="second")
    priced = endpoint_of(server, price_in=1_000_000.0, price_out=0.001)
    server.replies["een"] = [Reply(text="", tokens=(3, 0)), Reply(text="", tokens=(4, 0)), Reply(text="Ja.", tokens=(5, 1))]
    for project in (first, second):
        run(store, project, priced)
    assert [len(store.failures(name)) for name in ("first", "second")] == [1, 1]
    run(store, second, priced)
    assert run(store, first, priced).already_stored == 1
    assert [len(store.failures(name)) for name in ("first", "second")] == [0, 0]
    # A dollar a token read: the first paid for its failure alone, the second for its failure and the answer.
    assert [store.counts(name)["spent_usd"] for name in ("first", "second")] == pytest.approx([3.0, 9.0])


def test_the_budget_holds_for_a_server_that_counts_no_tokens(store: Store, server: ModelServer) -> None:
    project = project_of(store, *(f"vraag {n}" for n in range(40)))
    server.answer = lambda _: Reply(tokens=None)
    report = run(store, project, endpoint_of(server, price_in=0.001, price_out=1000.0, budget_usd=3.0, concurrency=1))
    # An uncounted answer is priced at the longest allowed: 1,024 tokens at 0.001 dollars.
    assert report.stored == 2


@pytest.mark.parametrize(
    "terms",
    [
        {"budget_usd": 5.0},
        {"budget_usd": 5.0, "price_in": 1.0},
        {"budget_usd": -1.0, "price_in": 1.0, "price_out": 1.0},
        {"price_in": float("nan"), "price_out": 1.0},
        {"price_in": 0.0, "price_out": 1.0},
        {"price_in": 1.0, "price_out": -1.0},
        {"model": "two words"},
        {"temperature": 3.0},
        {"max_tokens": 0},
        {"concurrency": 0},
    ],
)
def test_terms_that_make_no_sense_are_refused_before_anything_is_asked(
    store: Store, server: ModelServer, terms: dict[str, object]
) -> None:
    project = project_of(store, "een")
    with pytest.raises(GenerationError):
        run(store, project, endpoint_of(server, **terms))
    assert server.asked == []


@pytest.mark.parametrize(
    "terms",
    [
        {"api_key_env": "sk-live-123"},
        {"api_key_env": "A=SECRET"},
        {"base_url": "http://[abc"},
        {"base_url": "http://host:port/v1"},
        {"base_url": "http://ho st/v1"},
        {"base_url": "http://\ud800/v1"},
        {"base_url": "localhost:11434"},
        {"base_url": ""},
        {"base_url": "http://user:SECRET@host/v1"},
        {"base_url": "http://user:SECRET@[host/v1"},
    ],
)
def test_a_key_or_an_address_that_is_none_is_refused_and_not_repeated(terms: dict[str, str]) -> None:
    with pytest.raises(GenerationError, match=r"not the (name|address)|holds a name or password") as caught:
        check_terms(Endpoint(**({"model": "m", "base_url": "http://127.0.0.1:9/v1"} | terms)))  # type: ignore[arg-type]
    said = caught.value.message + caught.value.hint
    assert "sk-live" not in said
    assert "SECRET" not in said


@pytest.mark.parametrize("terms", [{"api_key_env": "sk-live-123"}, {"base_url": "http://user:sk-live-123@127.0.0.1:9/v1"}])
def test_a_refused_secret_is_stored_nowhere(workspace: Path, terms: dict[str, str]) -> None:
    studio = open_studio(Settings(workspace=workspace))
    project_of(studio.store, "een")
    endpoint = Endpoint(**({"model": "tiny", "base_url": "http://127.0.0.1:9/v1"} | terms))  # type: ignore[arg-type]
    for start in (
        studio.generate,
        studio.judge,
        studio.preview,
        partial(studio.start, "generate"),
        partial(studio.start, "judge"),
    ):
        with pytest.raises(GenerationError):
            start("nl", endpoint)
    assert studio.store.jobs() == []
    studio.store.close()
    assert b"sk-live-123" not in b"".join(path.read_bytes() for path in workspace.rglob("*") if path.is_file())


def test_a_refused_key_ends_the_run_and_keeps_what_was_saved(store: Store, server: ModelServer) -> None:
    project = project_of(store, *(f"vraag {n}" for n in range(10)))
    run(store, project, endpoint_of(server), limit=3)
    server.key = "changed"
    with pytest.raises(EndpointError, match="refuses the key"):
        run(store, project, endpoint_of(server))
    assert len(store.pairs("nl")) == 3
    assert len(server.asked) <= 3 + 4


def test_a_server_that_only_fails_ends_the_run(store: Store, server: ModelServer) -> None:
    project = project_of(store, *(f"vraag {n}" for n in range(60)))
    server.answer = lambda _: failing(503)
    with pytest.raises(EndpointError, match="did not answer in 2 tries; the last one: a fault of the server"):
        run(store, project, endpoint_of(server))
    # Ten in a row, and what three others had under way, each tried twice.
    assert len(server.asked) <= 2 * 13


def test_a_server_that_is_not_there_is_an_error_even_for_one_prompt(store: Store) -> None:
    project = project_of(store, "een")
    with pytest.raises(EndpointError, match="connection"):
        run(store, project, Endpoint(model="tiny", base_url="http://127.0.0.1:9/v1"))


def test_a_project_with_nothing_missing_asks_nothing(store: Store, server: ModelServer) -> None:
    report = run(store, project_of(store), endpoint_of(server))
    assert (report.stored, report.failed) == (0, {})


def test_a_prompt_is_drawn_for_one_model_evenly_and_the_same_with_the_same_seed() -> None:
    drawn = [generate.draw_model(str(n), ["a", "b", "c"], seed=1) for n in range(3000)]
    # 1,000 of each are expected; four standard deviations of a binomial (3000, 1/3) are 103.
    assert all(900 < drawn.count(model) < 1100 for model in "abc")
    assert drawn == [generate.draw_model(str(n), ["c", "a", "b"], seed=1) for n in range(3000)]
    assert drawn != [generate.draw_model(str(n), ["a", "b", "c"], seed=2) for n in range(3000)]


def write_lines(path: Path, *rows: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_answers_made_elsewhere_are_matched_by_id_or_text(store: Store, tmp_path: Path) -> None:
    project_of(store, "een", "twee\u2028drie", "vier")
    prompts = store.prompts("nl")
    path = write_lines(
        tmp_path / "answers.jsonl",
        {"prompt_id": prompts["id"][0], "response": " één ", "model": "elsewhere"},
        {"prompt": "twee\u2028drie", "response": "2-3", "model": "elsewhere"},
        {"prompt": "vier", "response": "  ", "model": "elsewhere"},
        {"prompt": "vijf", "response": "5", "model": "elsewhere"},
        {"prompt": ["een"], "response": {"text": "1"}, "model": "elsewhere"},
    )
    responses, exclusions = generate.read_responses(path, prompts)
    assert [(one.prompt_id, one.text, one.source) for one in responses] == [
        (prompts["id"][0], " één ", "elsewhere"),
        (prompts["id"][1], "2-3", "elsewhere"),
    ]
    assert [one.reason for one in exclusions] == ["empty", "unknown_prompt", "unknown_prompt"]
    frame = pd.DataFrame({"prompt": ["vier"], "response": ["4"], "model": ["elsewhere"]})
    frame.to_parquet(tmp_path / "answers.parquet")
    assert [one.text for one in generate.read_responses(tmp_path / "answers.parquet", prompts)[0]] == ["4"]


@pytest.mark.parametrize("broken", ["half \ud83d", "a NUL \0"])
def test_an_imported_answer_that_no_file_can_store_is_left_out(store: Store, tmp_path: Path, broken: str) -> None:
    project_of(store, "een", "twee")
    path = tmp_path / "answers.jsonl"
    rows = [
        {"prompt": "een", "response": broken, "model": "m"},
        {"prompt": "een", "response": "1", "model": broken},
        {"prompt": broken, "response": "1", "model": "m"},
        {"prompt": "twee", "response": "2", "model": "m"},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    responses, exclusions = generate.read_responses(path, store.prompts("nl"))
    assert [one.text for one in responses] == ["2"]
    assert [one.reason for one in exclusions] == ["not_text", "not_text", "unknown_prompt"]
    assert store.add_exclusions("nl", exclusions) == 3


@pytest.mark.parametrize("broken", ["half \ud83d", "a NUL \0"])
def test_an_answer_that_cannot_be_stored_fails_alone(store: Store, server: ModelServer, broken: str) -> None:
    project = project_of(store, "een", "twee", "drie")
    server.replies["een"] = [Reply(text=broken)]
    server.replies["twee"] = [failing(422, broken)]
    report = run(store, project, endpoint_of(server))
    assert (report.stored, report.failed) == (1, {"malformed": 1, "bad_request": 1})
    assert len(store.failures("nl")) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"prompt": "een", "answer": "1"}\n', "no column response, model"),
        ('{"response": "1", "model": "m"}\n', r"no column prompt \(or prompt_id\)"),
        ('{"prompt": "een", "response": "1", "model": "human"}\n', "Row 1 of answers.jsonl does not say which model"),
        ("{not json\n", "cannot be read"),
        ("[1]\n", "holds no rows"),
        ("", "holds no rows"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(store: Store, tmp_path: Path, content: str, message: str) -> None:
    project_of(store, "een")
    path = tmp_path / "answers.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(SourceError, match=message):
        generate.read_responses(path, store.prompts("nl"))


def test_a_judge_sees_both_orders_and_one_who_follows_the_seat_says_a_tie(store: Store, server: ModelServer) -> None:
    project = project_of(store, "een", "twee")
    run(store, project, endpoint_of(server))
    # For "een" the seat wins (5 to 1 whichever sits first); for "twee" the human's text wins in both orders.
    server.answer = lambda shown: Reply(
        text=RATED.format(5, 1) if "Instruction: een" in shown or "<text 1> Mens" in shown else RATED.format(1, 5)
    )
    report = judge.judge(store, DistilabelJudge(conversation(endpoint_of(server))), project, endpoint_of(server))
    assert (report.stored, report.failed) == (4, {})
    told = judge.verdicts(store.judgements("nl")).merge(store.pairs("nl"), on="pair_id").set_index("prompt")
    assert (told.loc["een", "choice"], bool(told.loc["een", "is_flip"])) == ("tie", True)
    human = "first" if told.loc["twee", "first_source"] == HUMAN else "second"
    assert (told.loc["twee", "choice"], bool(told.loc["twee", "is_flip"])) == (human, False)
    again = judge.judge(store, DistilabelJudge(conversation(endpoint_of(server))), project, endpoint_of(server))
    assert (again.stored, again.already_stored) == (0, 4)


def test_a_verdict_that_cannot_be_read_is_a_failure_and_asked_again(store: Store, server: ModelServer) -> None:
    project = project_of(store, "een", "twee")
    run(store, project, endpoint_of(server))
    server.answer = lambda shown: Reply(text="Both." if "Instruction: een" in shown else RATED.format(3, 3))
    endpoint = endpoint_of(server)
    report = judge.judge(store, DistilabelJudge(conversation(endpoint)), project, endpoint)
    assert (report.stored, report.failed) == (2, {"unreadable": 2})
    server.answer = lambda _: Reply(text=RATED.format(4, 2))
    assert judge.judge(store, DistilabelJudge(conversation(endpoint)), project, endpoint).stored == 2
