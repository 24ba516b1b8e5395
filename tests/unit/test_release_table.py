"""Releases in the store: numbered once, found by name or version, and remembered where they were published."""

import dataclasses
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from pipeline.adapters import migrations
from pipeline.adapters.database import make_engine, parse_url
from pipeline.adapters.store import Store
from pipeline.errors import ExportError
from pipeline.records import Publication, Release


def release(name: str, **changes: object) -> Release:
    return Release(**{"project": "kaas", "name": name, "directory": f"/{name}", "digest": name, "rows": 1} | changes)


def test_releases_of_a_project_are_numbered_as_they_come_and_keep_their_number(store: Store):
    assert [store.add_release(release(name)).label for name in ("a", "b", "a", "c")] == ["v1", "v2", "v1", "v3"]
    assert store.add_release(release("x", project="melk")).label == "v1"
    assert [each.name for each in store.releases("kaas")] == ["c", "b", "a"]


def test_a_release_is_found_by_name_by_version_and_as_the_latest(store: Store):
    for name in ("a", "b"):
        store.add_release(release(name))
    assert [store.release("kaas", wanted).name for wanted in ("a", "v1", "v2", "latest")] == ["a", "a", "b", "b"]
    with pytest.raises(ExportError, match="no release v7") as refused:
        store.release("kaas", "v7")
    assert "v2 (b), v1 (a)" in refused.value.hint
    with pytest.raises(ExportError, match="no release yet"):
        store.release("melk", "latest")


def test_where_a_release_went_is_remembered_newest_first(store: Store):
    first = Publication(
        project="kaas", release="a", repo="ana/kaas", url="u", revision="r1", tag="v1", before="", is_private=True
    )
    store.add_publication(first)
    store.add_publication(dataclasses.replace(first, revision="r2", before="v1"))
    assert [each.revision for each in store.publications("kaas")] == ["r2", "r1"]
    assert store.publications("kaas")[1] == first


def test_releases_of_before_there_were_versions_are_numbered_by_their_time(tmp_path: Path):
    engine = make_engine(parse_url(f"sqlite:///{tmp_path / 'old.db'}"))
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        for name, day in (("late", "3"), ("early", "1"), ("middle", "2")):
            row = {"name": name, "at": f"2026-01-0{day}"}
            connection.execute(sa.text("INSERT INTO releases VALUES ('kaas', :name, '/', 'd', 1, :at)"), row)
    migrations.upgrade(engine)
    opened = Store(engine)
    assert [(each.name, each.version) for each in opened.releases("kaas")] == [("late", 3), ("middle", 2), ("early", 1)]
    opened.close()
