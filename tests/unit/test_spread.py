"""Spread: several servers with one model are asked side by side, and one that is down costs nothing but its share."""

from collections.abc import Iterator

import pytest

from pipeline.adapters.conversations import open_conversation
from pipeline.adapters.distilabel_engine import DistilabelGenerator
from pipeline.adapters.store import Store
from pipeline.annotate import make_pairs
from pipeline.errors import EndpointError
from pipeline.generate import generate
from pipeline.lane import Report
from pipeline.records import Endpoint, Project, Prompt, prompt_id
from tests.fakes.model_server import ModelServer, failing

PROMPTS = 40


@pytest.fixture
def servers() -> Iterator[tuple[ModelServer, ModelServer]]:
    with ModelServer(delay_s=0.05) as one, ModelServer(delay_s=0.05) as other:
        yield one, other


@pytest.fixture
def project(store: Store) -> Project:
    project = Project(name="nl", language="Dutch", code="nld", source="test", revision="1")
    store.add_project(project)
    texts = [f"vraag {n}" for n in range(PROMPTS)]
    store.add_prompts("nl", [Prompt(id=prompt_id("Dutch", text), text=text, position=n) for n, text in enumerate(texts)])
    return project


def run(store: Store, project: Project, *addresses: str) -> Report:
    endpoint = Endpoint(model="tiny", base_url=addresses[0], more_urls=addresses[1:], concurrency=8)
    generator = DistilabelGenerator(open_conversation(endpoint))
    return generate(store, generator, project, endpoint, system_prompt="", make_pairs=make_pairs)


def test_two_servers_share_the_prompts_and_no_prompt_is_asked_twice(
    store: Store, project: Project, servers: tuple[ModelServer, ModelServer]
) -> None:
    one, other = servers
    assert run(store, project, one.base_url, other.base_url).stored == PROMPTS
    asked = [each.prompt for server in servers for each in server.asked]
    assert sorted(asked) == sorted({*asked})
    assert len(asked) == PROMPTS
    # 8 at once over two servers that take equally long: 4 each, give or take the moment in which both are equally busy.
    assert all(server.most_under_way <= 5 for server in servers)
    assert all(len(server.asked) >= PROMPTS // 4 for server in servers)


def test_what_a_server_that_is_down_cannot_take_the_other_answers(
    store: Store, project: Project, servers: tuple[ModelServer, ModelServer]
) -> None:
    one, other = servers
    one.answer = lambda _: failing(503)
    report = run(store, project, "http://127.0.0.1:9/v1", one.base_url, other.base_url)
    assert (report.stored, report.failed) == (PROMPTS, {})
    # Passed over after the first refusals: those that were under way together when it began.
    assert len(one.asked) <= 8
    assert len(other.asked) == PROMPTS


def test_where_all_servers_are_down_the_run_ends_with_what_to_do(store: Store, project: Project) -> None:
    with pytest.raises(EndpointError, match="did not answer in 4 tries") as raised:
        run(store, project, "http://127.0.0.1:9/v1", "http://127.0.0.1:10/v1")
    assert "Check that the model's server is running" in raised.value.hint
