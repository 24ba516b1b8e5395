"""Votes in an Argilla dataset of the older cookbook become votes here; what its model suggested becomes judgements."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from pipeline.adapters.argilla_client import Address, ArgillaClient
from pipeline.adapters.store import Store
from pipeline.errors import ArgillaError, PipelineError
from pipeline.settings import Settings
from pipeline.studio import Studio
from tests.argilla.cookbook import RATINGS, RATIONALES, OldDataset
from tests.argilla.stack import API_KEY, Stack
from tests.terminal import studio as terminal

pytestmark = pytest.mark.argilla
MODEL = "Meta-Llama-3-70B"


def client(stack: Stack, key: str = API_KEY) -> ArgillaClient:
    return ArgillaClient(Address(url=stack.url, api_key=key))


@pytest.fixture
def owner(argilla: Stack) -> Iterator[ArgillaClient]:
    with client(argilla) as opened:
        yield opened


@pytest.fixture
def old(owner: ArgillaClient) -> OldDataset:
    """A dataset of the older cookbook with the rows a test may meet; nobody has voted yet."""
    place = owner.send("POST", "workspaces", json={"name": f"w{secrets.token_hex(6)}"}, repeatable=False)
    made = OldDataset(owner, place["id"], f"aya_dutch_dpo_{secrets.token_hex(3)}").make()
    made.log("Vraag 0", "mens 0", "model 0", suggested=dict(zip(RATINGS, (4, 2), strict=True)), agent="ultra judge")
    made.log("Vraag 1", "mens 1", "model 1", suggested=dict(zip(RATINGS, (3, 3), strict=True)))
    made.log("Vraag 2", "mens 2", "model 2", suggested={RATINGS[0]: 5})
    made.log("Vraag 3", "mens 3", None)
    made.log("Vraag 4", "zelfde", "zelfde")
    made.log(
        "سؤال",
        "إنسان",
        "نموذج",
        suggested=dict(zip((*RATINGS, *RATIONALES), (2, 4, "dull", "good"), strict=True)),
    )
    return made


@pytest.fixture
def people(owner: ArgillaClient, old: OldDataset, argilla: Stack) -> Iterator[dict[str, ArgillaClient]]:
    """Ana and Bo, members of the dataset's workspace, by name."""
    opened = {}
    for name in ("ana", "bo"):
        unique = f"{name}-{secrets.token_hex(3)}"
        person = {"first_name": name, "username": unique, "password": "long enough", "role": "annotator"}
        made = owner.send("POST", "users", json=person, repeatable=False)
        owner.send("POST", f"workspaces/{old.workspace_id}/users", json={"user_id": made["id"]}, repeatable=False)
        opened[unique] = client(argilla, made["api_key"])
    yield opened
    for one in opened.values():
        one.close()


@pytest.fixture
def studio(store: Store, argilla: Stack, workspace: Path) -> Studio:
    return Studio(Settings(workspace=workspace, argilla_url=argilla.url, argilla_key=API_KEY), store)


def votes_by_person(studio: Studio, *, history: bool = False) -> list[tuple[str, str, str, int]]:
    """Prompt, person, choice and version of each vote, sorted."""
    votes = studio.store.votes("Oud", history=history).merge(studio.store.pairs("Oud")[["pair_id", "prompt"]], on="pair_id")
    columns = ["prompt", "annotator", "choice", "version"]
    return sorted((p, who.split("-")[0], str(choice), v) for p, who, choice, v in votes[columns].itertuples(index=False))


def test_ratings_become_votes_and_suggestions_judgements(studio: Studio, old: OldDataset, people: dict[str, ArgillaClient]):
    ana, bo = people.values()
    old.rate(ana, 0, 5, 3)
    old.rate(bo, 0, 2, 4, generations_1_rationale="beter Nederlands", improved_response="nog beter")
    old.rate(ana, 1, 3, 3)
    old.rate(bo, 1, 5, 1, status="draft")
    old.rate(ana, 2, status="discarded")
    old.rate(bo, 2, 4)
    old.rate(ana, 3, 4, 1)
    old.rate(bo, 4, 4, 1)
    old.rate(ana, 5, 2, 4, generations_0_rationale="dull", generations_1_rationale="good")
    old.rate(bo, 5, 2, 1, generations_0_rationale="dull", generations_1_rationale="te kort")
    told = studio.import_argilla("Oud", old.name, model=MODEL, language="Dutch")

    # 0: 5 > 3 and 2 < 4; 1: 3 = 3, Bo's draft is none; 2: discarded, and one rating alone; 3 and 4 are no pairs; 5: 2 < 4, 2 > 1.
    assert votes_by_person(studio) == [
        ("Vraag 0", "ana", "first", 0),
        ("Vraag 0", "bo", "second", 0),
        ("Vraag 1", "ana", "tie", 0),
        ("سؤال", "ana", "second", 0),
        ("سؤال", "bo", "first", 0),
    ]
    assert told["excluded"] == {
        "draft": 1,
        "discarded": 1,
        "rating_missing": 1,
        "suggestion_incomplete": 1,
        "no_answer": 1,
        "identical": 1,
        "vote_on_no_pair": 2,
    }
    assert (told["records"], told["pairs"], told["votes"], told["annotators"], told["judgements"]) == (6, 4, 5, 2, 3)
    # Ana left both ratings as they were filled in on 1 and 5.
    assert told["as_suggested"] == 2
    assert "the person's answer first" in told["note"]

    votes = studio.store.votes("Oud").merge(studio.store.pairs("Oud"), on="pair_id")
    assert (votes["shown_first"] == votes["first_id"]).all()
    assert set(votes["first_source"]) == {"human"}
    assert set(votes["second_source"]) == {MODEL}
    by_bo = votes[votes["annotator"].str.startswith("bo")].set_index("prompt")
    assert (by_bo.loc["Vraag 0", "reason"], by_bo.loc["Vraag 0", "edited"]) == ("beter Nederlands", "nog beter")
    # The rationale that was filled in beforehand is the model's, not Bo's.
    assert by_bo.loc["سؤال", "reason"] == "te kort"
    assert set(votes.loc[votes["annotator"].str.startswith("ana"), "reason"]) == {""}

    judged = studio.store.judgements("Oud").merge(studio.store.pairs("Oud"), on="pair_id").set_index("prompt")
    assert judged["judge"].to_dict() == {"Vraag 0": "ultra judge", "Vraag 1": MODEL, "سؤال": MODEL}
    assert judged["choice"].to_dict() == {"Vraag 0": "first", "Vraag 1": "tie", "سؤال": "second"}
    assert (judged.loc["سؤال", "rating_first"], judged.loc["سؤال", "rating_second"]) == (2, 4)
    assert judged.loc["سؤال", "rationale"] == "dull\ngood"
    assert (judged["shown_first"] == judged["first_id"]).all()


def test_again_adds_nothing_and_a_changed_vote_is_a_new_version(
    studio: Studio, old: OldDataset, people: dict[str, ArgillaClient]
):
    ana, bo = people.values()
    old.rate(ana, 0, 5, 3)
    old.rate(bo, 0, 4, 4, status="draft")
    first = studio.import_argilla("Oud", old.name, model=MODEL, language="Dutch")
    again = studio.import_argilla("Oud", old.name, model=MODEL)
    assert (first["votes"], again["votes"], again["already_stored"], again["judgements"]) == (1, 0, 1, 0)
    assert (again["pairs"], again["responses"]) == (0, 0)
    old.rate(ana, 0, 1, 5)
    old.rate(bo, 0, 4, 4)
    later = studio.import_argilla("Oud", old.name, model=MODEL)
    assert (later["votes"], later["changed"], later["already_stored"]) == (2, 1, 0)
    assert votes_by_person(studio) == [("Vraag 0", "ana", "second", 1), ("Vraag 0", "bo", "tie", 0)]
    assert ("Vraag 0", "ana", "first", 0) in votes_by_person(studio, history=True)


def test_a_vote_has_the_moment_argilla_gave_it_and_a_person_keeps_their_votes_under_a_new_name(
    studio: Studio, old: OldDataset, owner: ArgillaClient, people: dict[str, ArgillaClient]
):
    ana = next(iter(people.values()))
    old.rate(ana, 0, 5, 3)
    studio.import_argilla("Oud", old.name, model=MODEL, language="Dutch")
    (response,) = owner.get(f"records/{old.records[0]}")["responses"]
    (at,) = studio.store.votes("Oud")["at"]
    assert at == pd.Timestamp(response["updated_at"], tz="UTC")
    owner.send("PATCH", f"users/{response['user_id']}", json={"username": f"renamed-{secrets.token_hex(3)}"})
    assert studio.import_argilla("Oud", old.name, model=MODEL)["votes"] == 0
    assert len(studio.store.votes("Oud")) == 1


def test_a_response_without_values_is_counted_and_the_others_come_in(
    studio: Studio, old: OldDataset, owner: ArgillaClient, people: dict[str, ArgillaClient]
):
    ana, bo = people.values()
    for place, status in enumerate(("discarded", "draft")):
        poison = {"record_id": old.records[place], "status": status, "values": None}
        ana.send("POST", "me/responses/bulk", json={"items": [poison]}, repeatable=False)
    old.rate(bo, 0, 1, 2)
    assert owner.get(f"records/{old.records[0]}")["responses"][0]["values"] is None
    told = studio.import_argilla("Oud", old.name, model=MODEL, language="Dutch")
    assert told["votes"] == 1
    assert (told["excluded"]["discarded"], told["excluded"]["draft"]) == (1, 1)


def test_the_terminal_imports_and_refuses_in_plain_words(
    argilla: Stack, workspace: Path, old: OldDataset, people: dict[str, ArgillaClient]
):
    old.rate(next(iter(people.values())), 0, 5, 3)
    env = {"ARGILLA_API_URL": argilla.url, "ARGILLA_API_KEY": API_KEY}
    options = ("--dataset", old.name, "--model", MODEL)
    done = terminal(workspace, "import-argilla", "Oud", *options, "--language", "Dutch", **env)
    assert (done.code, done.answer["votes"], done.answer["dataset"]) == (0, 1, old.name)
    assert "6 of 6 records" in done.messages
    missing = terminal(workspace, "import-argilla", "Oud", "--dataset", "nothing", "--model", MODEL, **env)
    assert missing.code == 1
    assert "no dataset named nothing" in missing.answer["error"]
    assert API_KEY not in json.dumps([done.answer, missing.answer]) + done.messages


def test_a_dataset_of_another_kind_is_refused_and_nothing_is_taken_in(studio: Studio, old: OldDataset, owner: ArgillaClient):
    body = {"name": "other", "workspace_id": old.workspace_id}
    made = owner.send("POST", "datasets", json=body, repeatable=False)
    with pytest.raises(ArgillaError, match="not made by the older cookbook"):
        studio.import_argilla("Oud", "other", model=MODEL, language="Dutch")
    assert studio.store.projects() == []
    owner.send("DELETE", f"datasets/{made['id']}")
    with pytest.raises(PipelineError, match="no language"):
        studio.import_argilla("Oud", old.name, model=MODEL)
