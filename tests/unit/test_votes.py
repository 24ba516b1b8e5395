"""Votes in the store: what counts, what is kept, and what is refused."""

import contextlib
import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from pipeline import agreement
from pipeline.adapters import migrations
from pipeline.adapters.database import make_engine
from pipeline.adapters.store import Store, open_store
from pipeline.decisions import Decisions
from pipeline.errors import VoteError
from pipeline.records import HUMAN, Choice, Prompt, Response, Role, Vote, make_pair, response_id
from tests.argilla import project as argilla_project
from tests.unit.test_store import fill


def vote(pair_id: str, annotator: str, choice: Choice, **more: object) -> Vote:
    return Vote(pair_id=pair_id, annotator=annotator, choice=choice, **more)


def test_a_later_vote_counts_and_both_are_kept_even_if_the_clock_ran_backwards(store: Store):
    pair_id = fill(store)
    store.add_votes("dutch", [vote(pair_id, "ana", Choice.FIRST, at="2026-03-02T12:00:00.000000+00:00")])
    store.add_votes("dutch", [vote(pair_id, "ana", Choice.TIE, version=1, at="2020-01-01T00:00:00.000000+00:00")])
    assert store.votes("dutch")["choice"].tolist() == ["tie"]
    assert store.votes("dutch", history=True)["choice"].tolist() == ["first", "tie"]


def test_a_caller_who_changes_the_frame_changes_it_for_nobody_else(store: Store):
    pair_id = fill(store)
    store.add_votes("dutch", [vote(pair_id, "ana", Choice.FIRST)])
    mine = store.votes("dutch")
    mine.loc[0, "reason"] = "none of mine"
    mine["more"] = 1
    assert store.votes("dutch")["reason"].tolist() == [""]
    assert "more" not in store.votes("dutch")


def test_votes_on_unknown_pairs_and_unknown_choices_are_refused_and_nothing_is_added(store: Store):
    pair_id = fill(store)
    with pytest.raises(VoteError, match="1 pair is not in this project, first nowhere"):
        store.add_votes("dutch", [vote(pair_id, "ana", Choice.FIRST), vote("nowhere", "ana", Choice.FIRST)])
    with pytest.raises(VoteError, match="says maybe"):
        store.add_votes("dutch", [vote(pair_id, "ana", "maybe")])
    assert store.votes("dutch", history=True).empty


def test_a_decision_is_a_vote_of_its_own_and_changes_no_other(store: Store):
    pair_id = fill(store)
    store.add_votes("dutch", [vote(pair_id, "ana", Choice.FIRST), vote(pair_id, "ben", Choice.SECOND)])
    store.add_decision("dutch", vote(pair_id, "ana", Choice.SECOND, reason="the first is in English"))
    assert store.votes("dutch")["choice"].tolist() == ["first", "second"]
    assert store.pairs("dutch")["n_votes"].tolist() == [2]
    assert store.vote_counts("dutch")["votes"] == 2
    (decision,) = store.decisions("dutch").to_dict("records")
    assert (decision["choice"], decision["reason"], decision["role"]) == ("second", "the first is in English", "adjudicator")
    assert store.votes("dutch", history=True)["role"].tolist() == ["annotator", "annotator", "adjudicator"]


def test_the_last_decision_counts_and_a_skip_takes_it_back(store: Store):
    pair_id = fill(store)
    store.add_decision("dutch", vote(pair_id, "ana", Choice.FIRST, reason="r"))
    store.add_decision("dutch", vote(pair_id, "ben", Choice.TIE, reason="r"))
    store.add_decision("dutch", vote(pair_id, "ana", Choice.SECOND, reason="r"))
    assert store.decisions("dutch")["choice"].tolist() == ["second"]
    store.add_decision("dutch", vote(pair_id, "ben", Choice.SKIP, reason="leave it to the votes"))
    assert store.decisions("dutch").empty
    assert len(store.votes("dutch", history=True)) == 4


def test_a_decision_changes_what_the_studio_shows(store: Store):
    pair_id = fill(store)
    before = store.version("dutch")
    Decisions(store).review("dutch", pair_id, Choice.FIRST, reviewer="Ana", reason="clear")
    assert store.version("dutch") != before


def test_a_review_needs_a_known_pair_a_name_and_a_reason(store: Store):
    pair_id, decisions = fill(store), Decisions(store)
    for changes in ({"pair_id": "nowhere"}, {"reviewer": " "}, {"reason": ""}):
        with pytest.raises(VoteError):
            decisions.review("dutch", choice=Choice.FIRST, **({"pair_id": pair_id, "reviewer": "Ana", "reason": "r"} | changes))
    assert store.votes("dutch", history=True).empty


def test_a_renamed_annotator_keeps_every_vote_under_the_new_name(store: Store):
    pair_id = fill(store)
    store.add_votes("dutch", [vote(pair_id, "ana", Choice.FIRST)])
    store.rename_annotator("dutch", "ana", "Anna")
    assert store.votes("dutch")["annotator"].tolist() == ["Anna"]
    assert store.frame(sa.text("select annotator from votes"))["annotator"].tolist() == ["ana"]  # as it was cast
    assert store.vote_counts("dutch")["annotators"] == 1
    store.rename_annotator("dutch", "Anna", "Anne")
    assert store.votes("dutch")["annotator"].tolist() == ["Anne"]


def test_two_names_of_one_person_become_one_vote_a_pair_the_last_to_arrive(store: Store):
    pair_id = fill(store)
    store.add_votes("dutch", [vote(pair_id, "ana", Choice.FIRST), vote(pair_id, "ben", Choice.FIRST)])
    store.add_votes("dutch", [vote(pair_id, "ana2", Choice.SECOND)])
    assert store.pairs("dutch")["n_votes"].tolist() == [3]
    answer = Decisions(store).rename_annotator("dutch", "ana2", "ana")
    assert (answer["annotators"], answer["votes"], answer["superseded"]) == (2, 2, 1)
    assert sorted(store.votes("dutch")[["annotator", "choice"]].values.tolist()) == [["ana", "second"], ["ben", "first"]]
    assert store.pairs("dutch")["n_votes"].tolist() == [2]
    assert len(store.votes("dutch", history=True)) == 3
    report = agreement.measure(store.votes("dutch"))
    assert report.annotators == 2


@pytest.mark.parametrize(("earlier", "later", "n_votes"), [(Choice.FIRST, Choice.SKIP, 0), (Choice.SKIP, Choice.FIRST, 1)])
def test_of_a_joined_person_a_skip_is_counted_as_any_vote_the_last_to_arrive(
    either_store: Store, earlier: Choice, later: Choice, n_votes: int
):
    pair_id = fill(either_store)
    either_store.add_votes("dutch", [vote(pair_id, "ana", earlier)])
    either_store.add_votes("dutch", [vote(pair_id, "ana2", later)])
    either_store.rename_annotator("dutch", "ana2", "ana")
    assert either_store.votes("dutch")["choice"].tolist() == [str(later)]
    assert either_store.pairs("dutch")["n_votes"].tolist() == [n_votes]


def test_an_import_of_no_votes_asks_the_database_nothing(store: Store):
    fill(store)
    asked: list[str] = []
    sa.event.listen(store.engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    assert store.import_votes("dutch", []) == []
    assert asked == []


def test_an_import_counts_the_pairs_it_votes_on_and_no_others(either_store: Store):
    voted, other = argilla_project.fill(either_store, pairs=2)
    either_store.add_pairs(argilla_project.NAME, [voted, other])
    with either_store.writing() as connection:
        connection.execute(sa.text("UPDATE pairs SET n_votes = 9"))
    either_store.import_votes(argilla_project.NAME, [vote(voted.id, "ana", Choice.FIRST), vote(voted.id, "bo", Choice.SKIP)])
    counted = either_store.pairs(argilla_project.NAME).set_index("pair_id")["n_votes"].to_dict()
    assert counted == {voted.id: 1, other.id: 9}


@pytest.mark.parametrize(
    "write",
    [
        lambda store, pair_id: store.add_votes("dutch", [vote(pair_id, "bo", Choice.TIE)]),
        lambda store, pair_id: store.add_decision("dutch", vote(pair_id, "bo", Choice.TIE)),
        lambda store, _: store.rename_annotator("dutch", "ana", "Anna"),
    ],
    ids=["votes", "decision", "name"],
)
def test_who_writes_votes_waits_for_the_one_before_so_arrival_is_the_order_of_the_numbers(
    either_store: Store, write: Callable[[Store, str], object]
):
    pair_id = fill(either_store)
    either_store.add_votes("dutch", [vote(pair_id, "ana", Choice.FIRST)])
    with ThreadPoolExecutor(1) as pool:
        with either_store.writing() as connection:
            either_store.queue(connection, "dutch")
            waiting = pool.submit(write, either_store, pair_id)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.5)
        waiting.result(timeout=20)


def test_names_can_be_joined_one_after_another_and_back(store: Store):
    pair_id = fill(store)
    store.add_votes("dutch", [vote(pair_id, name, Choice.FIRST) for name in ("a", "b", "c")])
    store.rename_annotator("dutch", "a", "b")
    store.rename_annotator("dutch", "b", "c")
    assert store.aliases("dutch") == {"a": "c", "b": "c"}
    store.rename_annotator("dutch", "c", "a")
    assert store.aliases("dutch") == {"b": "a", "c": "a"}


def test_a_name_nobody_voted_under_cannot_be_renamed(store: Store):
    pair_id = fill(store)
    store.add_votes("dutch", [vote(pair_id, "ana", Choice.FIRST)])
    with pytest.raises(VoteError, match="Nobody has voted"):
        store.rename_annotator("dutch", "anna", "ana")
    with pytest.raises(VoteError, match="the same"):
        store.rename_annotator("dutch", "ana", "ana")


def test_a_workspace_of_the_first_version_keeps_its_votes_and_gains_roles(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'studio.db'}"
    engine = make_engine(sa.make_url(url))
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        columns = "seq, project, pair_id, annotator, version, choice, shown_first, reason, edited, guidelines_version, at"
        moment = "2026-03-02T12:00:00.000000+00:00"
        for seq, version, choice in ((3, 0, "first"), (7, 1, "tie")):
            connection.execute(
                sa.text(
                    f"insert into votes ({columns}) values"
                    f" ({seq}, 'dutch', 'p1', 'ana', {version}, '{choice}', '', 'why', '', '', '{moment}')"
                )
            )
    engine.dispose()
    store = open_store(url)
    try:
        cast = store.votes("dutch", history=True)
        assert cast[["seq", "choice", "reason", "role"]].values.tolist() == [
            [3, "first", "why", str(Role.ANNOTATOR)],
            [7, "tie", "why", str(Role.ANNOTATOR)],
        ]
        assert store.votes("dutch")["choice"].tolist() == ["tie"]
    finally:
        store.close()


def test_votes_read_bit_by_bit_are_those_read_anew(store: Store):
    pair_ids, draw, versions = [fill(store), more_pairs(store)], random.Random(7), Counter()
    pd.testing.assert_frame_equal(store.votes("dutch"), read_anew(store).votes("dutch"))
    for _ in range(40):
        annotator, pair_id, role = draw.choice("abc"), draw.choice(pair_ids), draw.choice((Role.ANNOTATOR, Role.REPEAT))
        version, choice = versions[annotator, pair_id, role], draw.choice(list(Choice))
        seconds = draw.choice((None, 2.5))
        store.add_votes("dutch", [vote(pair_id, annotator, choice, version=version, role=role, seconds=seconds)])
        versions[annotator, pair_id, role] += 1
        if draw.random() < 0.2:
            store.add_decision("dutch", vote(pair_id, "rev", draw.choice(list(Choice)), reason="why"))
        if draw.random() < 0.2:
            with contextlib.suppress(VoteError):
                store.rename_annotator("dutch", draw.choice("abc"), draw.choice("abcd"))
        for history in (False, True):
            mine, anew = store.votes("dutch", history=history), read_anew(store).votes("dutch", history=history)
            pd.testing.assert_frame_equal(mine, anew)


def test_a_pair_that_is_added_is_there_and_its_votes_are_counted(store: Store):
    first = fill(store)
    assert store.pairs("dutch")["pair_id"].tolist() == [first]
    second = more_pairs(store)
    store.add_votes("dutch", [vote(second, "ana", Choice.FIRST)])
    found = store.pairs("dutch").set_index("pair_id")
    assert found["n_votes"].to_dict() == {first: 0, second: 1}
    assert found.loc[second, "prompt"] == "En nu?"


def read_anew(store: Store) -> Store:
    """The same database, of which nothing has been read yet."""
    return Store(store.engine)


def more_pairs(store: Store) -> str:
    """Add one more pair to the project of `fill`; return its id."""
    store.add_prompts("dutch", [Prompt(id="p2", text="En nu?", position=1)])
    sides = [
        Response(id=response_id("p2", source, source), prompt_id="p2", source=source, text=source) for source in (HUMAN, "m")
    ]
    store.add_responses("dutch", sides)
    pair = make_pair(*sides, position=1)
    store.add_pairs("dutch", [pair])
    return pair.id
