"""Argilla links: which dataset on which server a project's pairs were sent to, and who the annotators are there.

An annotator's votes are kept under the id Argilla knows them by, which no renaming changes; an alias shows their name.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from pipeline.adapters import schema
from pipeline.adapters.store import Store
from pipeline.records import Role, utc_now


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgillaLink:
    """Where a project's pairs are annotated, as the last push left it. `url` is the server's address without a key."""

    project: str
    url: str
    workspace: str
    dataset_id: str
    votes_wanted: int
    pushed_at: str


class ArgillaLinks:
    """The links and the names of one workspace."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def link(self, project: str) -> ArgillaLink | None:
        """Return where a project was pushed to, None when it was not."""
        table = schema.argilla_links
        with self._store.reading() as connection:
            row = connection.execute(sa.select(table).where(table.c.project == project)).mappings().first()
        return ArgillaLink(**row) if row else None

    def save(self, link: ArgillaLink) -> None:
        """Keep where a project is pushed to."""
        table, values = schema.argilla_links, dataclasses.asdict(link)
        with self._store.writing() as connection:
            if not self._store.insert_missing(connection, table, [values]):
                connection.execute(sa.update(table).where(table.c.project == link.project).values(**values))

    def remove(self, project: str) -> None:
        """Forget where a project was pushed to: there is no dataset any more."""
        table = schema.argilla_links
        with self._store.writing() as connection:
            connection.execute(sa.delete(table).where(table.c.project == project))

    def name_annotators(self, project: str, names: Mapping[str, str]) -> None:
        """Show annotators who have no name here yet under these, by id; a name somebody else has is made another.

        That two people of one name are one person is for the coordinator to say, who joins them by renaming.
        """
        alias, vote = schema.aliases, schema.votes
        with self._store.writing() as connection:
            rows = connection.execute(sa.select(alias.c.annotator, alias.c.name).where(alias.c.project == project)).all()
            known = {row.annotator for row in rows}
            voted = connection.execute(sa.select(vote.c.annotator).where(vote.c.project == project).distinct()).scalars()
            taken = {row.name for row in rows} | (set(voted) - known - set(names))
            for annotator, name in sorted(names.items()):
                if annotator not in known:
                    shown = _free(name, annotator, taken)
                    taken.add(shown)
                    row = {"project": project, "annotator": annotator, "name": shown, "at": utc_now()}
                    self._store.insert_missing(connection, alias, [row])

    def has_votes(self, project: str) -> bool:
        """Return whether somebody voted in Argilla, whose annotators are known by the UUIDs it gives them."""
        vote = schema.votes
        with self._store.reading() as connection:
            names = connection.execute(sa.select(vote.c.annotator).where(vote.c.project == project).distinct()).scalars()
            return any(map(_is_uuid, names))

    def said(self, project: str) -> dict[tuple[str, str], tuple[str, str, str]]:
        """Return what each annotator last said on each pair: pair and annotator id to choice, reason and edited answer."""
        vote = schema.votes
        columns = (vote.c.pair_id, vote.c.annotator, vote.c.choice, vote.c.reason, vote.c.edited)
        wanted = sa.select(*columns).where(vote.c.project == project, vote.c.role == str(Role.ANNOTATOR))
        with self._store.reading() as connection:
            rows = connection.execute(wanted.order_by(vote.c.version))
            return {(row.pair_id, row.annotator): (row.choice, row.reason, row.edited) for row in rows}


def _is_uuid(name: str) -> bool:
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False


def _free(name: str, annotator: str, taken: set[str]) -> str:
    for shown in (name, f"{name} (Argilla)"):
        if shown not in taken:
            return shown
    return f"{name} ({annotator[:8]})"
