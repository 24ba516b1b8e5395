"""Judges over a real server and store: both orders, flips, several judges and styles, relatives."""

from collections.abc import Iterator

import pandas as pd
import pytest

from pipeline import judge
from pipeline.adapters.choosing_judge import ChoosingJudge
from pipeline.adapters.distilabel_engine import Conversation, DistilabelJudge
from pipeline.adapters.store import Store
from pipeline.lane import Report
from pipeline.records import HUMAN, Endpoint, Project, Prompt, Response, make_pair, response_id
from tests.fakes.model_server import RATED, ModelServer, Reply


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer(models=("arbiter",)) as running:
        yield running


@pytest.fixture
def project(store: Store) -> Project:
    made = Project(name="nl", language="Dutch", code="nld", source="sample", revision="1")
    prompt = Prompt(id="p", text="Hoe laat is het?")
    person = Response(id=response_id("p", HUMAN, "Mens."), prompt_id="p", source=HUMAN, text="Mens.")
    model = Response(
        id=response_id("p", "arbiter-small", "Langer model."), prompt_id="p", source="arbiter-small", text="Langer model."
    )
    store.add_project(made, prompts=[prompt], responses=[person, model])
    store.add_pairs("nl", [make_pair(person, model)])
    return made


def run(store: Store, project: Project, server: ModelServer, style: str) -> Report:
    conversation = Conversation(model="arbiter", base_url=server.base_url)
    model = ChoosingJudge(conversation) if style == judge.CHOICE else DistilabelJudge(conversation)
    return judge.judge(store, model, project, Endpoint(model="arbiter", base_url=server.base_url))


def told(store: Store) -> pd.DataFrame:
    return judge.by_judge(judge.verdicts(store.judgements("nl")), store.pairs("nl"))


def test_a_judge_that_always_likes_the_first_seat_flips_and_says_a_tie(
    store: Store, project: Project, server: ModelServer
) -> None:
    server.answer = lambda _: Reply(text="The first is better. [[A]]")
    assert run(store, project, server, judge.CHOICE).stored == 2
    assert judge.verdicts(store.judgements("nl"))["choice"].tolist() == ["tie"]
    row = told(store).iloc[0]
    assert (row["pairs"], row["flips"], row["flip_share"], row["ties"]) == (1, 1, 1.0, 1)


def test_a_steady_choice_names_the_same_response_in_both_orders(store: Store, project: Project, server: ModelServer) -> None:
    server.answer = lambda shown: Reply(text="[[A]]" if "response A]\nMens." in shown else "[[B]]")
    run(store, project, server, judge.CHOICE)
    assert judge.verdicts(store.judgements("nl"))["choice"].tolist() == ["first"]
    row = told(store).iloc[0]
    assert (row["flips"], row["human_preferred"], row["against_human"], row["longer_preferred"]) == (0, 1, 1, 0)


def test_rating_and_choosing_stand_side_by_side_and_nothing_is_asked_twice(
    store: Store, project: Project, server: ModelServer
) -> None:
    server.answer = lambda shown: Reply(
        text=RATED.format(2, 5) if "#### Output" in shown or "Rating" in shown else "Equal. [[C]]"
    )
    run(store, project, server, judge.RATING)
    run(store, project, server, judge.CHOICE)
    again = run(store, project, server, judge.CHOICE)
    assert (again.stored, again.already_stored, len(server.asked)) == (0, 2, 4)
    assert sorted(store.judgements("nl")["judge"].unique()) == ["arbiter", "arbiter (choosing)"]


def test_rationales_and_ratings_are_kept_for_the_response_they_are_about(
    store: Store, project: Project, server: ModelServer
) -> None:
    server.answer = lambda _: Reply(text=RATED.format(4, 2))
    run(store, project, server, judge.RATING)
    kept = store.judgements("nl").set_index("shown_first")
    person, model = store.pairs("nl").loc[0, ["first_id", "second_id"]]
    assert kept.loc[person, ["rating_first", "rating_second"]].tolist() == [4, 2]
    assert kept.loc[model, ["rating_first", "rating_second"]].tolist() == [2, 4]
    assert kept.loc[model, "rationale"] == "First response: Clear too.\nSecond response: Clear."


def test_a_judge_of_the_generators_family_is_named(store: Store, project: Project, server: ModelServer) -> None:
    server.answer = lambda _: Reply(text="[[C]]")
    run(store, project, server, judge.CHOICE)
    assert told(store)["relatives"].tolist() == ["arbiter-small"]


def test_verdicts_are_never_votes(store: Store, project: Project, server: ModelServer) -> None:
    server.answer = lambda _: Reply(text="[[A]]")
    run(store, project, server, judge.CHOICE)
    assert store.votes("nl").empty
    assert store.vote_counts("nl")["votes"] == 0
