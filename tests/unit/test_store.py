"""The store keeps what it is given, never doubles it, and says what is wrong in words."""

import dataclasses
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from pipeline.adapters import migrations, schema
from pipeline.adapters.store import Store, open_store
from pipeline.errors import ProjectError, SettingsError, WorkspaceError
from pipeline.ports import Made
from pipeline.records import (
    HUMAN,
    Choice,
    DocumentKind,
    Project,
    Prompt,
    Release,
    Request,
    Response,
    Vote,
    make_pair,
    response_id,
)

DUTCH = Project(name="dutch", language="Dutch", code="nld", source="sample", revision="r1", order_key="k")


@pytest.fixture
def store(either_store: Store) -> Store:
    return either_store


def request(key: str = "k1", **changes: object) -> Request:
    made = Request(
        key=key,
        project="dutch",
        prompt_id="p1",
        purpose="generate",
        model="m",
        system_prompt_version="v1",
        parameters={"temperature": 0.7},
        text="Hallo",
        tokens_in=10,
        tokens_out=5,
        cost_usd=0.25,
        seconds=1.5,
        attempts=1,
    )
    return dataclasses.replace(made, **changes)


def fill(store: Store) -> str:
    """One project with one pair; returns the pair's id."""
    store.add_project(DUTCH)
    store.add_prompts("dutch", [Prompt(id="p1", text="Hoi?")])
    human, model = (
        Response(id=response_id("p1", source, source), prompt_id="p1", source=source, text=source) for source in (HUMAN, "m")
    )
    store.add_responses("dutch", [human, model])
    pair = make_pair(human, model)
    store.add_pairs("dutch", [pair])
    return pair.id


def test_adding_the_same_rows_again_adds_nothing(store: Store):
    fill(store)
    assert store.add_prompts("dutch", [Prompt(id="p1", text="Hoi?"), Prompt(id="p2", text="Ja?")]) == 1
    assert store.add_prompts("dutch", []) == 0
    assert len(store.prompts("dutch")) == 2


def test_rows_in_several_batches_are_counted_once_each(store: Store):
    store.add_project(DUTCH)
    prompts = [Prompt(id=f"p{number}", text="?", position=number) for number in range(2_500)]
    assert store.add_prompts("dutch", prompts[:1_700]) == 1_700
    assert store.add_prompts("dutch", prompts) == 800


def test_a_taken_project_name_is_refused_and_nothing_changes(store: Store):
    store.add_project(DUTCH)
    with pytest.raises(ProjectError, match="already there"):
        store.add_project(dataclasses.replace(DUTCH, language="Yoruba"))
    assert store.project("dutch").language == "Dutch"


def test_an_unknown_project_offers_the_nearest_name(store: Store):
    store.add_project(DUTCH)
    with pytest.raises(ProjectError) as caught:
        store.project("duhtc")
    assert "dutch" in caught.value.hint


def test_the_latest_vote_counts_and_every_vote_is_kept(store: Store):
    pair_id = fill(store)
    votes = [
        Vote(pair_id=pair_id, annotator="ana", choice=choice, version=n) for n, choice in enumerate([Choice.FIRST, Choice.TIE])
    ]
    assert store.add_votes("dutch", votes) == 2
    assert store.add_votes("dutch", votes) == 0
    assert store.votes("dutch")["choice"].tolist() == ["tie"]
    assert store.votes("dutch", history=True)["choice"].tolist() == ["first", "tie"]


def test_skips_do_not_count_towards_the_votes_of_a_pair(store: Store):
    pair_id = fill(store)
    store.add_votes(
        "dutch",
        [Vote(pair_id=pair_id, annotator="ana", choice=Choice.SKIP), Vote(pair_id=pair_id, annotator="bo", choice=Choice.SECOND)],
    )
    assert store.pairs("dutch")["n_votes"].tolist() == [1]


def test_skips_are_counted_apart_from_votes(store: Store):
    pair_id = fill(store)
    store.update_project("dutch", votes_wanted=1)
    store.add_votes("dutch", [Vote(pair_id=pair_id, annotator="ana", choice=Choice.SKIP)])
    counts = store.counts("dutch") | store.vote_counts("dutch")
    assert (counts["votes"], counts["skipped"], counts["annotators"], counts["completed_pairs"]) == (0, 1, 0, 0)
    store.add_votes("dutch", [Vote(pair_id=pair_id, annotator="bo", choice=Choice.TIE)])
    counts = store.counts("dutch") | store.vote_counts("dutch")
    assert (counts["votes"], counts["skipped"], counts["annotators"], counts["completed_pairs"]) == (1, 1, 1, 1)


def test_a_changed_vote_of_a_study_is_the_next_version_and_the_same_one_adds_nothing(store: Store):
    pair_id = fill(store)
    said = Vote(pair_id=pair_id, annotator="ana", choice=Choice.FIRST, at="2025-03-01T12:00:00.000000+00:00")
    later = dataclasses.replace(said, choice=Choice.TIE, at="2025-03-02T12:00:00.000000+00:00")
    assert [vote.version for vote in store.import_votes("dutch", [said])] == [0]
    assert store.import_votes("dutch", [said]) == []
    assert [vote.version for vote in store.import_votes("dutch", [later])] == [1]
    assert store.import_votes("dutch", [said, later]) == []
    assert store.votes("dutch")["choice"].tolist() == ["tie"]
    assert store.votes("dutch", history=True)["choice"].tolist() == ["first", "tie"]
    assert store.pairs("dutch")["n_votes"].tolist() == [1]


def test_two_imports_at_once_lose_no_vote(store: Store):
    pair_id = fill(store)
    start = threading.Barrier(6)

    def take_in(number: int) -> None:
        start.wait()
        store.import_votes("dutch", [Vote(pair_id=pair_id, annotator="ana", choice=Choice.TIE, reason=str(number))])

    threads = [threading.Thread(target=take_in, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(store.votes("dutch", history=True)["version"]) == list(range(6))


def test_a_release_written_elsewhere_is_the_same_release_in_its_new_folder(store: Store):
    written = Release(project="dutch", name="dutch-1", directory="/old", digest="d", rows=1)
    store.add_release(written)
    store.add_release(dataclasses.replace(written, directory="/new", at="2099-01-01T00:00:00.000000+00:00"))
    assert store.releases("dutch") == [dataclasses.replace(written, directory="/new", version=1)]


def test_an_answered_request_is_never_replaced_and_a_failed_one_is(store: Store):
    fill(store)
    store.save_made([Made(request=request(text=None, error="timeout"))])
    assert store.failures("dutch")["error"].tolist() == ["timeout"]
    store.save_made([Made(request=request())])
    store.save_made([Made(request=request(text="another", cost_usd=9.0))])
    kept = store.request("k1", "dutch")
    assert kept is not None
    assert (kept.text, kept.cost_usd, kept.parameters) == ("Hallo", 0.25, {"temperature": 0.7})
    assert store.failures("dutch").empty
    # What the second answer cost was paid as well.
    assert store.counts("dutch")["spent_usd"] == 9.25
    assert store.spent("dutch") == (9.25, 2)


def test_a_failure_is_a_projects_own_and_its_cost_never_vanishes(store: Store):
    fill(store)
    store.save_made([Made(request=request(text=None, error="empty", cost_usd=1.0))])
    store.save_made([Made(request=request(project="another", text=None, error="timeout", cost_usd=2.0))])
    assert store.failures("dutch")["error"].tolist() == ["empty"]
    assert store.failures("another")["error"].tolist() == ["timeout"]
    failed = store.request("k1", "another")
    assert failed is not None
    assert (failed.key, failed.error, failed.cost_usd) == ("k1", "timeout", 2.0)
    # The other project pays for the answer; this one takes it and has still paid for its failure.
    store.save_made([Made(request=request(project="another", cost_usd=2.5))])
    store.save_made([Made(request=request(cost_usd=None))])
    assert store.failures("dutch").empty
    assert store.failures("another").empty
    assert (store.spent("dutch"), store.spent("another")) == ((1.0, 1), (2.5, 1))
    answered = store.request("k1", "dutch")
    assert answered is not None
    assert (answered.text, answered.project) == ("Hallo", "another")


def test_a_failure_kept_under_the_shared_key_makes_room_for_the_answer(store: Store):
    fill(store)
    before = dataclasses.asdict(request(text=None, error="empty", cost_usd=1.0))
    with store.writing() as connection:
        connection.execute(sa.insert(schema.requests).values(before))
    assert store.request("k1", "another") is None
    store.save_made([Made(request=request(project="another"))])
    answered = store.request("k1", "another")
    assert answered is not None
    assert answered.text == "Hallo"
    assert store.failures("dutch")["error"].tolist() == ["empty"]
    assert store.spent("dutch") == (1.0, 1)


def test_an_edited_document_gets_a_version_and_an_old_text_its_old_one(store: Store):
    first = store.save_document("dutch", DocumentKind.GUIDELINES, "Be kind.")
    second = store.save_document("dutch", DocumentKind.GUIDELINES, "Be kind and exact.")
    assert store.document("dutch", DocumentKind.GUIDELINES) == (second, "Be kind and exact.")
    assert store.save_document("dutch", DocumentKind.GUIDELINES, "Be kind.") == first
    assert store.document("dutch", DocumentKind.GUIDELINES) == (first, "Be kind.")
    assert store.document("dutch", DocumentKind.SYSTEM_PROMPT) == ("", "")


def test_the_version_of_a_project_changes_with_each_thing_a_page_shows(store: Store):
    pair_id = fill(store)
    seen = [store.version("dutch")]
    store.add_votes("dutch", [Vote(pair_id=pair_id, annotator="ana", choice=Choice.TIE)])
    seen.append(store.version("dutch"))
    store.update_project("dutch", votes_wanted=5)
    seen.append(store.version("dutch"))
    store.save_made([Made(request=request())])
    seen.append(store.version("dutch"))
    assert len(set(seen)) == len(seen)


def test_the_migrations_make_exactly_the_tables_of_the_schema(store: Store):
    with store.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []


def test_the_head_that_an_opened_workspace_is_compared_with_is_the_last_migration(store: Store):
    # A wrong one would run the migrations at each opening, or leave some out.
    with store.reading() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == migrations.HEAD


def test_a_workspace_of_a_newer_version_is_refused_and_left_untouched(workspace: Path):
    url = f"sqlite:///{workspace / 'studio.db'}"
    first = open_store(url)
    with first.writing() as connection:
        connection.execute(sa.text("update alembic_version set version_num = '9999'"))
    first.close()
    before = (workspace / "studio.db").read_bytes()
    with pytest.raises(WorkspaceError, match="newer version") as caught:
        open_store(url)
    assert "Update the program" in caught.value.hint
    assert (workspace / "studio.db").read_bytes() == before


def test_a_file_that_is_no_database_is_refused_with_a_way_out(tmp_path: Path):
    (tmp_path / "studio.db").write_bytes(b"not a database, but long enough to look like a file" * 30)
    with pytest.raises(WorkspaceError, match="damaged"):
        open_store(f"sqlite:///{tmp_path / 'studio.db'}")


def test_a_workspace_below_a_file_is_refused_with_a_way_out(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(WorkspaceError, match="cannot be made"):
        open_store(f"sqlite:///{tmp_path / 'file' / 'studio.db'}")


@pytest.mark.parametrize(
    "url",
    ["garbage", "postgresql://me:secret@host:port/db", "postgresql+nodriver://me:secret@host/db", "mysql://me:secret@host/db"],
)
def test_an_address_of_no_database_is_refused_with_a_way_out_and_not_repeated(url: str):
    with pytest.raises(SettingsError, match="STUDIO_DATABASE_URL") as caught:
        open_store(url)
    assert "postgresql+psycopg://" in caught.value.hint
    assert "secret" not in caught.value.message + caught.value.hint


def test_a_full_disk_is_said_in_words_and_keeps_what_was_saved(workspace: Path):
    store = open_store(f"sqlite:///{workspace / 'studio.db'}")
    fill(store)
    with store.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()

    def write_a_megabyte() -> None:
        with store.writing() as connection:
            # SQLite's own limit on the file's pages answers exactly as a full disk does.
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
            connection.execute(sa.insert(schema.audit).values(project="dutch", at="", action="x" * 1_000_000, detail={}))

    with pytest.raises(WorkspaceError, match="cannot take more"):
        write_a_megabyte()
    assert len(store.pairs("dutch")) == 1
    store.close()


def test_two_processes_may_open_a_new_workspace_at_once(workspace: Path):
    opened: list[Store] = []
    threads = [
        threading.Thread(target=lambda: opened.append(open_store(f"sqlite:///{workspace / 'studio.db'}"))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 6
    for one in opened:
        one.close()
