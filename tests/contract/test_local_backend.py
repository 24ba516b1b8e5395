"""The local backend hands out each pair as often as wanted and loses no vote, on SQLite and on PostgreSQL."""

import subprocess
import sys
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.adapters.local_backend import LocalBackend, Standing
from pipeline.adapters.store import Store, open_store
from pipeline.annotate import Card, Pressed, make_pairs, to_choice
from pipeline.errors import StaleCardError
from pipeline.ports import AnnotatorProgress
from pipeline.records import HUMAN, Choice, DocumentKind, Project, Prompt, Response, Role, prompt_id, response_id
from tests.conftest import ROOT

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
LEASE_S = 60.0


@pytest.fixture
def store(either_store: Store) -> Store:
    return either_store


@pytest.fixture
def backend(store: Store) -> LocalBackend:
    return LocalBackend(store, lease_s=LEASE_S)


def fill(store: Store, *, pairs: int, wanted: int = 3) -> None:
    store.add_project(
        Project(name="p", language="Dutch", code="nld", source="sample", revision="r", order_key="k", votes_wanted=wanted)
    )
    prompts = [Prompt(id=prompt_id("Dutch", f"Vraag {n}"), text=f"Vraag {n}", position=n) for n in range(pairs)]
    responses = [
        Response(id=response_id(prompt.id, source, text), prompt_id=prompt.id, source=source, text=text)
        for prompt in prompts
        for source, text in ((HUMAN, f"mens {prompt.position}"), ("model", f"machine {prompt.position}"))
    ]
    store.add_prompts("p", prompts)
    store.add_responses("p", responses)
    store.add_pairs("p", make_pairs(prompts, responses)[0])


def draw(backend: LocalBackend, annotator: str, now: datetime = NOW) -> Card:
    card = backend.next_card("p", annotator, now=now)
    assert card is not None
    return card


def counted(store: Store) -> list[int]:
    return store.pairs("p")["n_votes"].tolist()


def test_a_card_shows_the_texts_of_its_pair_and_no_source(store: Store, backend: LocalBackend):
    fill(store, pairs=1)
    version = store.save_document("p", DocumentKind.GUIDELINES, "Judge the content.")
    card = draw(backend, "ana")
    assert card.prompt == "Vraag 0"
    assert {card.shown_first, card.shown_second} == {"mens 0", "machine 0"}
    texts = dict(zip(store.responses("p")["id"], store.responses("p")["text"], strict=True))
    assert (texts[card.shown_first_id], texts[card.shown_second_id]) == (card.shown_first, card.shown_second)
    assert (card.guidelines_version, card.guidelines) == (version, "Judge the content.")
    assert "model" not in repr(card)


def test_a_vote_keeps_the_guidelines_its_card_was_drawn_with(store: Store, backend: LocalBackend):
    fill(store, pairs=2)
    assert (draw(backend, "ben").guidelines_version, draw(backend, "ben").guidelines) == ("", "")
    old = store.save_document("p", DocumentKind.GUIDELINES, "The old way.")
    card = draw(backend, "ana")
    new = store.save_document("p", DocumentKind.GUIDELINES, "The new way.")
    assert backend.cast(card, Choice.TIE, now=NOW).guidelines_version == old
    assert (draw(backend, "ana").guidelines_version, draw(backend, "ana").guidelines) == (new, "The new way.")


def test_a_refresh_shows_the_same_card(store: Store, backend: LocalBackend):
    fill(store, pairs=5)
    assert draw(backend, "ana") == draw(backend, "ana") == draw(backend, "ana", NOW + timedelta(seconds=LEASE_S / 2))


def test_a_vote_is_stored_with_all_that_was_given(store: Store, backend: LocalBackend):
    fill(store, pairs=2)
    card = draw(backend, "ana")
    vote = backend.cast(card, to_choice(Pressed.LEFT, card), reason="korter", edited="beter", seconds=3.5, now=NOW)
    (row,) = store.votes("p").to_dict(orient="records")
    chosen = card.pair.first_id if row["choice"] == "first" else card.pair.second_id
    assert chosen == card.shown_first_id
    assert (row["shown_first"], row["reason"], row["edited"], row["seconds"]) == (card.shown_first_id, "korter", "beter", 3.5)
    assert vote.version == row["version"] == 0
    assert counted(store) == [1, 0]
    assert draw(backend, "ana").pair != card.pair


def test_the_pair_nearest_to_complete_comes_first(store: Store, backend: LocalBackend):
    fill(store, pairs=3)
    ana = [draw(backend, "ana")]
    backend.cast(ana[0], Choice.SKIP, now=NOW)
    ana.append(draw(backend, "ana"))
    backend.cast(ana[1], Choice.TIE, now=NOW)
    # Pair 0 was skipped and has no vote, pair 1 has one, pair 2 none.
    assert draw(backend, "bo").pair == ana[1].pair


def test_no_one_is_offered_a_pair_whose_last_place_is_taken(store: Store, backend: LocalBackend):
    fill(store, pairs=1, wanted=2)
    draw(backend, "ana")
    draw(backend, "bo")
    assert backend.next_card("p", "cy", now=NOW) is None
    assert backend.next_card("p", "cy", now=NOW + timedelta(seconds=LEASE_S + 1)) is not None


def test_a_vote_after_the_lease_counts_while_there_is_room(store: Store, backend: LocalBackend):
    fill(store, pairs=1, wanted=1)
    late = draw(backend, "ana")
    backend.cast(late, Choice.FIRST, now=NOW + timedelta(seconds=10 * LEASE_S))
    assert counted(store) == [1]


def test_a_vote_after_the_lease_does_not_push_out_who_holds_the_pair_now(store: Store, backend: LocalBackend):
    fill(store, pairs=1, wanted=1)
    late, later = draw(backend, "ana"), NOW + timedelta(seconds=LEASE_S + 1)
    held = draw(backend, "bo", later)
    with pytest.raises(StaleCardError, match="Others have given this pair"):
        backend.cast(late, Choice.FIRST, now=later)
    backend.cast(held, Choice.SECOND, now=later)
    assert store.votes("p")["annotator"].tolist() == ["bo"]


def test_a_second_window_cannot_answer_the_same_card_again(store: Store, backend: LocalBackend):
    fill(store, pairs=2)
    one_window, other_window = draw(backend, "ana"), draw(backend, "ana")
    backend.cast(one_window, Choice.FIRST, now=NOW)
    with pytest.raises(StaleCardError, match="in another window"):
        backend.cast(other_window, Choice.SECOND, now=NOW)
    assert store.votes("p", history=True)["choice"].tolist() == ["first"]
    assert sum(counted(store)) == 1


def test_undo_shows_the_last_pair_and_the_new_answer_supersedes(store: Store, backend: LocalBackend):
    fill(store, pairs=2)
    card = draw(backend, "ana")
    backend.cast(card, Choice.FIRST, reason="eerst", now=NOW)
    waiting = draw(backend, "ana")
    again = backend.last_card("p", "ana")
    assert again is not None
    assert again.previous is not None
    assert (again.pair, again.version, again.previous.choice, again.previous.reason) == (card.pair, 1, Choice.FIRST, "eerst")
    assert again.shown_first_id == card.shown_first_id
    backend.cast(again, Choice.TIE, now=NOW)
    assert store.votes("p")["choice"].tolist() == ["tie"]
    assert store.votes("p", history=True)["choice"].tolist() == ["first", "tie"]
    assert sum(counted(store)) == 1
    assert draw(backend, "ana") == waiting


def test_there_is_nothing_to_undo_before_the_first_vote(store: Store, backend: LocalBackend):
    fill(store, pairs=1)
    assert backend.last_card("p", "ana") is None


def test_a_skip_does_not_count_and_can_become_a_vote_and_back(store: Store, backend: LocalBackend):
    fill(store, pairs=1)
    backend.cast(draw(backend, "ana"), Choice.SKIP, now=NOW)
    assert counted(store) == [0]
    assert backend.next_card("p", "ana", now=NOW) is None
    for choice, n_votes in ((Choice.SECOND, 1), (Choice.SKIP, 0), (Choice.BOTH_BAD, 1)):
        again = backend.last_card("p", "ana")
        assert again is not None
        backend.cast(again, choice, now=NOW)
        assert counted(store) == [n_votes]
        store.recount("p")
        assert counted(store) == [n_votes]


def test_a_skip_cannot_become_a_vote_on_a_complete_pair(store: Store, backend: LocalBackend):
    fill(store, pairs=1, wanted=1)
    backend.cast(draw(backend, "ana"), Choice.SKIP, now=NOW)
    backend.cast(draw(backend, "bo"), Choice.FIRST, now=NOW)
    again = backend.last_card("p", "ana")
    assert again is not None
    with pytest.raises(StaleCardError, match="all the answers it needs"):
        backend.cast(again, Choice.FIRST, now=NOW)
    assert counted(store) == [1]
    assert len(store.votes("p", history=True)) == 2


def test_progress_counts_what_is_done_and_what_is_left(store: Store, backend: LocalBackend):
    fill(store, pairs=4, wanted=1)
    backend.cast(draw(backend, "ana"), Choice.FIRST, now=NOW)
    backend.cast(draw(backend, "ana"), Choice.SKIP, now=NOW)
    backend.cast(draw(backend, "bo"), Choice.FIRST, now=NOW)
    # Bo took the pair Ana skipped, so two are left for both; Ana answered two, Bo one.
    assert backend.standing("p", "ana") == Standing(done=2, left=2)
    assert backend.standing("p", "bo") == Standing(done=1, left=2)


def test_progress_knows_a_person_under_two_names_as_one(store: Store, backend: LocalBackend):
    fill(store, pairs=4, wanted=2)
    first, second = draw(backend, "ana"), draw(backend, "bo")
    assert first.pair.id == second.pair.id
    backend.cast(first, Choice.FIRST, now=NOW)
    backend.cast(second, Choice.TIE, now=NOW)
    backend.cast(draw(backend, "bo"), Choice.SKIP, now=NOW)
    store.rename_annotator("p", "bo", "ana")
    # Ana and bo are one person: one vote on the first pair, so it still waits, though not for her; nor does the skipped one.
    (one,) = backend.progress("p").annotators
    assert one == AnnotatorProgress(annotator="ana", submitted=1, drafts=0, discarded=1, pending=2)


def test_a_project_that_is_not_there_has_no_card(backend: LocalBackend):
    assert backend.next_card("nowhere", "ana", now=NOW) is None


def test_twenty_at_once_complete_every_pair_and_none_is_voted_on_too_often(store: Store, backend: LocalBackend):
    fill(store, pairs=30, wanted=3)
    accepted: Counter[str] = Counter()
    start = threading.Barrier(20)

    def vote(annotator: str) -> None:
        start.wait()
        while (card := backend.next_card("p", annotator, now=NOW)) is not None:
            backend.cast(card, Choice.FIRST, now=NOW)
            accepted[annotator] += 1

    threads = [threading.Thread(target=vote, args=(f"annotator-{number}",)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    votes = store.votes("p", history=True)
    assert len(votes) == sum(accepted.values())
    assert not votes.duplicated(["pair_id", "annotator"]).any()
    # Someone may find nothing while the last places are held; whoever holds them votes, so all get complete.
    assert votes.groupby("pair_id").size().tolist() == [3] * 30
    assert counted(store) == [3] * 30


VOTING = """
import sys
import time
from datetime import UTC, datetime
from pipeline.adapters.local_backend import LocalBackend
from pipeline.adapters.store import open_store
from pipeline.records import Choice
backend = LocalBackend(open_store(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
n_votes = 0
for number in range(4):
    while (card := backend.next_card("p", f"{sys.argv[2]}-{number}", now=datetime.now(UTC))) is not None:
        backend.cast(card, Choice.TIE, now=datetime.now(UTC))
        n_votes += 1
        time.sleep(0.02)  # a turn for the other process, however busy the machine
print(n_votes)
"""


def test_two_processes_share_one_database_without_voting_too_often(store: Store):
    # Each process has four annotators, so that neither can give all five votes however fast it is.
    fill(store, pairs=15, wanted=5)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", VOTING, store.url, name], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in ("one", "other")
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    # Both are ready, so that they vote at the same time.
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    accepted = [int(process.communicate(timeout=60)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    votes = store.votes("p", history=True)
    assert len(votes) == sum(accepted)
    assert not votes.duplicated(["pair_id", "annotator"]).any()
    assert counted(store) == [5] * 15
    assert min(accepted) > 0


@pytest.mark.parametrize("voted", [0, 5_000])
def test_the_next_card_is_found_quickly_among_fourteen_thousand_pairs(tmp_path: Path, voted: int):
    store = open_store(f"sqlite:///{tmp_path / 'studio.db'}")
    backend = LocalBackend(store)
    fill(store, pairs=14_000)
    with store.writing() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO votes (project, pair_id, annotator, version, choice, shown_first, reason, edited,"
                " guidelines_version, at)"
                " SELECT project, id, 'ana', 0, 'tie', '', '', '', '', '' FROM pairs WHERE position < :voted"
            ),
            {"voted": voted},
        )
        connection.execute(sa.text("UPDATE pairs SET n_votes = 1 WHERE position < :voted"), {"voted": voted})
    times = []
    for _ in range(5):
        begun = datetime.now(UTC)
        card = draw(backend, "ana")
        times.append((datetime.now(UTC) - begun).total_seconds())
    assert card.pair.position == voted
    # A look-up in an index takes a few milliseconds on an idle machine; a scan with a sort takes fifty and more.
    assert min(times) < 0.03
    store.close()


def test_now_and_then_an_old_pair_comes_back_unannounced_and_counts_nowhere(store: Store, backend: LocalBackend):
    fill(store, pairs=200, wanted=1)
    repeats, answers = [], 0
    while (card := backend.next_card("p", "ana", now=NOW)) is not None:
        assert backend.next_card("p", "ana", now=NOW) == card
        assert card.previous is None
        backend.cast(card, Choice.SECOND if card.role is Role.REPEAT else Choice.FIRST, now=NOW)
        answers += 1
        if card.role is Role.REPEAT:
            repeats.append((answers, card.pair.id))
    # One in 40 of about 170 answers after the first 30; each pair comes back once at the most, the oldest first.
    assert 1 <= len(repeats) <= 12
    assert repeats[0][0] > 30
    assert len({pair_id for _, pair_id in repeats}) == len(repeats)
    assert counted(store) == [1] * 200
    assert set(store.votes("p")["choice"]) == {"first"}
    everything = store.votes("p", history=True)
    assert (everything["role"] == "repeat").sum() == len(repeats)
    assert backend.standing("p", "ana") == Standing(done=200, left=0)


def test_an_annotator_with_few_answers_meets_no_pair_twice(store: Store, backend: LocalBackend):
    fill(store, pairs=30, wanted=1)
    for _ in range(30):
        card = draw(backend, "ana")
        assert card.role is Role.ANNOTATOR
        backend.cast(card, Choice.FIRST, now=NOW)
