"""Where people vote, on the studio's own pages or in Argilla: pairs go out once, votes come home once."""

import html
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from pipeline.adapters.argilla_backend import ArgillaBackend
from pipeline.adapters.argilla_links import ArgillaLinks
from pipeline.adapters.local_backend import LocalBackend
from pipeline.adapters.screen_store import ScreenStore
from pipeline.adapters.store import Store
from pipeline.ports import AnnotationBackend, AnnotatorProgress
from pipeline.records import Choice, Screen
from tests.argilla.people import Person, Site
from tests.argilla.project import NAME, TEXT, fill, more


@dataclass(frozen=True)
class Place:
    """A backend, and how one person votes there: on the pair of this prompt, for the response of this text."""

    backend: AnnotationBackend
    vote_for: Callable[[str, str], None]


def local_place(store: Store) -> Place:
    backend = LocalBackend(store)

    def cast(prompt: str, choose: Callable[[object], Choice]) -> None:
        while True:
            card = backend.next_card(NAME, "ana", now=datetime.now(UTC))
            assert card is not None
            if card.prompt == prompt:
                texts = {card.shown_first_id: card.shown_first, card.shown_second_id: card.shown_second}
                backend.cast(
                    card,
                    choose({texts[card.pair.first_id]: Choice.FIRST, texts[card.pair.second_id]: Choice.SECOND}),
                    now=datetime.now(UTC),
                )
                return
            backend.cast(card, Choice.SKIP, now=datetime.now(UTC))

    return Place(
        backend=backend,
        vote_for=lambda prompt, text: cast(prompt, lambda by_text: by_text[text]),  # type: ignore[index]
    )


def argilla_place(store: Store, site: Site) -> Place:
    person: list[Person] = []

    def record(prompt: str) -> dict:
        if not person:
            person.append(site.person("ana"))
        link = ArgillaLinks(store).link(NAME)
        assert link is not None
        return next(one for one in person[0].records(link.dataset_id) if html.unescape(one["fields"]["prompt"]) == prompt)

    def vote_for(prompt: str, text: str) -> None:
        found = record(prompt)
        slot = next(name for name in ("first", "second") if found["fields"][name] == text)
        person[0].answer(found, slot)

    return Place(
        backend=ArgillaBackend(store, site.owner, site.workspace),
        vote_for=vote_for,
    )


@pytest.fixture(params=["local", pytest.param("argilla", marks=pytest.mark.argilla)])
def place(request: pytest.FixtureRequest, store: Store) -> Place:
    return local_place(store) if request.param == "local" else argilla_place(store, request.getfixturevalue("site"))


def test_a_push_opens_every_pair_once(store: Store, place: Place):
    pairs = fill(store, pairs=3)
    seen: list[tuple[int, int]] = []
    first = place.backend.push(NAME, pairs, on_progress=lambda done, total: seen.append((done, total)))
    assert (first.pairs, first.new, first.excluded, first.differences) == (3, 3, {}, ())
    assert seen[-1] == (3, 3)
    again = place.backend.push(NAME, pairs)
    assert (again.pairs, again.new) == (3, 0)
    grown = place.backend.push(NAME, pairs + more(store, range(3, 5)))
    assert (grown.pairs, grown.new) == (5, 2)


def test_a_pair_that_is_set_aside_is_not_opened_and_is_counted(store: Store, place: Place):
    pairs = fill(store, pairs=3)
    ScreenStore(store).add(NAME, [Screen(response_id=pairs[1].second_id, reason="refused", is_out=True)])
    pushed = place.backend.push(NAME, pairs)
    assert (pushed.pairs, pushed.new > 0, pushed.excluded) == (2, True, {"set_aside": 1})
    assert place.backend.progress(NAME).pairs == 2


def test_a_vote_names_the_response_whichever_side_it_stood_on(store: Store, place: Place):
    pairs = fill(store, pairs=8)
    place.backend.push(NAME, pairs)
    for n in range(8):
        place.vote_for(f"{TEXT} {n}", f"human {n}" if n % 2 else f"machine {n}")
    place.backend.pull(NAME)
    votes = store.votes(NAME)
    votes = votes[votes["choice"] != "skip"].drop_duplicates("pair_id", keep="last").set_index("pair_id")
    # A person's response is the pair's first, whichever side of the screen it stands on.
    assert [votes["choice"][pair.id] for pair in pairs] == ["second", "first"] * 4
    assert {votes["shown_first"][pair.id] == pair.first_id for pair in pairs} == {True, False}


def test_a_pull_brings_each_vote_home_once(store: Store, place: Place):
    place.backend.push(NAME, fill(store, pairs=2))
    place.vote_for(f"{TEXT} 0", "human 0")
    place.backend.pull(NAME)
    before = store.votes(NAME, history=True)
    assert (place.backend.pull(NAME).new, place.backend.pull(NAME).changed) == (0, 0)
    assert store.votes(NAME, history=True).equals(before)
    assert store.pairs(NAME)["n_votes"].tolist() == [1, 0]


def test_progress_tells_what_each_annotator_did_and_what_waits(store: Store, place: Place):
    place.backend.push(NAME, fill(store, pairs=3))
    place.vote_for(f"{TEXT} 0", "human 0")
    place.backend.pull(NAME)
    progress = place.backend.progress(NAME)
    (one,) = progress.annotators
    assert (progress.pairs, progress.completed) == (3, 0)
    assert one == AnnotatorProgress(annotator=one.annotator, submitted=1, drafts=0, discarded=0, pending=2)
    assert one.annotator.startswith("ana")
    assert set(store.votes(NAME)["annotator"]) == {one.annotator}
