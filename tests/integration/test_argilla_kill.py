"""Nothing sent to Argilla or voted there is lost or doubled when either side dies without warning.

STUDIO_KILLS says how often each side is killed (3; the promise was tried with 10).
"""

import os
import random
import subprocess
import threading
import time
from pathlib import Path

import httpx
import pytest

from pipeline.adapters.argilla_backend import ArgillaBackend
from pipeline.adapters.argilla_client import Address, ArgillaClient
from pipeline.adapters.argilla_links import ArgillaLinks
from pipeline.adapters.store import Store
from pipeline.errors import ArgillaError
from tests.argilla.people import Body, Person, Site
from tests.argilla.project import NAME, by_record, fill, more
from tests.argilla.stack import API_KEY
from tests.terminal import command, environment

pytestmark = [pytest.mark.argilla, pytest.mark.timeout(1800)]
KILLS = int(os.environ.get("STUDIO_KILLS", "3"))
PAIRS = 800


def dataset_of(store: Store) -> str:
    link = ArgillaLinks(store).link(NAME)
    assert link is not None
    return link.dataset_id


def whole(site: Site, store: Store, *, pairs: int, answers: dict[str, str]) -> None:
    """See that each pair is one record with all that belongs to it, and every answer is where it was given."""
    path = f"datasets/{dataset_of(store)}"
    records = [one for page in site.owner.pages(f"{path}/records", limit=1000, include="responses") for one in page]
    known = by_record(store)
    assert sorted(one["external_id"] for one in records) == sorted(known)
    assert len(records) == pairs
    assert all(set(one["metadata"]) == {"seal"} and set(one["fields"]) == {"prompt", "first", "second"} for one in records)
    given = {
        known[one["external_id"]]["pair_id"]: one["responses"][0]["values"]["choice"]["value"]
        for one in records
        if one["responses"]
    }
    assert given == answers
    # Annotators are shown what the search index holds.
    assert site.owner.get(f"{path}/progress")["total"] == pairs


def begin(site: Site, store: Store) -> tuple[Person, dict[str, str]]:
    """Push a few pairs and answer them; return who did, and the answers by pair."""
    ArgillaBackend(store, site.owner, site.workspace).push(NAME, fill(store, pairs=20))
    ana = site.person("ana")
    answers = {}
    for record, slot in zip(ana.records(dataset_of(store)), ["first", "second", "tie", "both_bad"] * 5, strict=True):
        ana.answer(record, slot)
        answers[by_record(store)[record["external_id"]]["pair_id"]] = slot
    return ana, answers


def test_a_client_that_is_killed_goes_on_where_it_was(site: Site, store: Store, workspace: Path):
    _, answers = begin(site, store)
    store.add_pairs(NAME, more(store, range(20, PAIRS)))
    env = environment(workspace, ARGILLA_API_URL=site.stack.url, ARGILLA_API_KEY=API_KEY, ARGILLA_WORKSPACE=site.workspace)
    path, drawn, seen = f"datasets/{dataset_of(store)}/records", random.Random(7), []
    for n in range(KILLS):
        arguments = ("pull", NAME) if n % 3 == 2 else ("push", NAME, "--backend", "argilla")
        process = subprocess.Popen(command(*arguments), env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(drawn.uniform(2, 7))
        process.kill()
        process.wait(timeout=20)
        seen.append(site.owner.get(path, limit=1)["total"])
    assert seen == sorted(seen)
    backend = ArgillaBackend(store, site.owner, site.workspace)
    assert backend.push(NAME).new == PAIRS - seen[-1]
    whole(site, store, pairs=PAIRS, answers=answers)
    backend.pull(NAME)
    assert store.votes(NAME, history=True)["pair_id"].value_counts().to_dict() == dict.fromkeys(answers, 1)


def test_a_server_that_is_killed_loses_and_doubles_nothing(site: Site, store: Store):
    ana, answers = begin(site, store)
    store.add_pairs(NAME, more(store, range(20, PAIRS)))
    backend, drawn = ArgillaBackend(store, site.owner, site.workspace), random.Random(3)
    failed: list[BaseException] = []

    def work() -> None:
        try:
            backend.push(NAME)
            backend.pull(NAME)
        except BaseException as error:  # noqa: BLE001 - shown by the test
            failed.append(error)

    for n in range(KILLS):
        worker = threading.Thread(target=work)
        worker.start()
        time.sleep(drawn.uniform(0.2, 3))
        site.stack.kill_server()
        site.stack.start_server()
        worker.join(timeout=200)
        assert not worker.is_alive()
        record = ana.records(dataset_of(store))[-1]
        ana.answer(record, "tie")
        answers[by_record(store)[record["external_id"]]["pair_id"]] = "tie"
        store.add_pairs(NAME, more(store, range(PAIRS + 100 * n, PAIRS + 100 * (n + 1))))
    assert failed == []
    backend.push(NAME)
    backend.pull(NAME)
    whole(site, store, pairs=PAIRS + 100 * KILLS, answers=answers)
    assert set(store.votes(NAME)["pair_id"]) == set(answers)


# Where a crash falls between the server's database and its search index, what is left behind is made by hand.


def index(site: Site, store: Store) -> str:
    return f"http://127.0.0.1:{site.stack.ports.opensearch}/rg.{dataset_of(store)}"


def changed(method: str, url: str, body: Body | None = None) -> None:
    told = httpx.request(method, url, json=body, params={"refresh": "true"} if "_" in url else {}, trust_env=False, timeout=30)
    assert told.is_success, told.text


def test_pairs_the_search_index_lost_are_put_back(site: Site, store: Store):
    ana, answers = begin(site, store)
    lost = ana.records(dataset_of(store))[3]
    changed("DELETE", f"{index(site, store)}/_doc/{lost['id']}")
    assert len(ana.records(dataset_of(store))) == 19
    assert ArgillaBackend(store, site.owner, site.workspace).push(NAME).new == 0
    whole(site, store, pairs=20, answers=answers)


def test_answers_the_search_index_lost_come_home(site: Site, store: Store):
    ana, answers = begin(site, store)
    lost = ana.records(dataset_of(store))[3]
    changed("POST", f"{index(site, store)}/_update/{lost['id']}", {"doc": {"responses": []}})
    assert ArgillaBackend(store, site.owner, site.workspace).pull(NAME).new == 20
    assert set(store.votes(NAME)["pair_id"]) == set(answers)


def test_a_dataset_without_a_search_index_is_set_aside_for_a_new_one(site: Site, store: Store):
    backend = ArgillaBackend(store, site.owner, site.workspace)
    pairs = fill(store, pairs=3)
    backend.push(NAME, pairs)
    unusable = dataset_of(store)
    changed("DELETE", index(site, store))
    assert backend.push(NAME).new == 3
    assert dataset_of(store) != unusable
    whole(site, store, pairs=3, answers={})
    # It is renamed, not deleted: what is in it can still be looked at.
    assert site.owner.get(f"datasets/{unusable}")["name"].startswith(f"{NAME} (unusable")


def test_a_search_that_is_down_is_waited_for_and_no_dataset_is_set_aside(site: Site, store: Store):
    _, answers = begin(site, store)
    dataset = dataset_of(store)
    site.stack.kill_search()
    try:
        # The server itself tries for up to a minute, which is as long as anybody waits for it.
        told = r"search of the Argilla server is down|does not answer"
        with (
            ArgillaClient(Address(url=site.stack.url, api_key=API_KEY), patience_s=0) as hasty,
            pytest.raises(ArgillaError, match=told),
        ):
            ArgillaBackend(store, hasty, site.workspace).push(NAME)
    finally:
        site.stack.start()
    assert (dataset_of(store), site.owner.get(f"datasets/{dataset}")["name"]) == (dataset, NAME)
    whole(site, store, pairs=20, answers=answers)


def test_a_dataset_with_answers_is_not_set_aside_when_its_search_index_is_gone(site: Site, store: Store):
    begin(site, store)
    dataset, backend = dataset_of(store), ArgillaBackend(store, site.owner, site.workspace)
    changed("DELETE", index(site, store))
    with pytest.raises(ArgillaError, match="20 answers"):
        backend.push(NAME)
    assert (dataset_of(store), site.owner.get(f"datasets/{dataset}")["name"]) == (dataset, NAME)
