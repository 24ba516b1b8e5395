"""Screen store: what was noticed about each answer, and whether its pairs are set aside now, in the studio's store."""

import dataclasses
from collections.abc import Iterable

import pandas as pd
import sqlalchemy as sa

from pipeline.adapters import schema
from pipeline.adapters.store import Store
from pipeline.records import Screen

MOST_AT_ONCE = 500
"""So many ids in one statement: databases limit the number of parameters."""


class ScreenStore:
    """The screens of all projects. Nothing is ever removed: setting aside and bringing back changes one mark."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, project: str, screens: Iterable[Screen]) -> int:
        """Add screens of responses that have none yet; return how many were new."""
        return self._store.add(schema.screens, project, screens)

    def ids(self, project: str) -> set[str]:
        """Return the ids of the responses that are screened."""
        table = schema.screens
        return set(self._store.frame(sa.select(table.c.response_id).where(table.c.project == project))["response_id"])

    def all(self, project: str) -> pd.DataFrame:
        """Return columns `response_id, source, prompt_id, text, reason, detail, language, is_out`, in order of response id."""
        screen, response = schema.screens, schema.responses
        joined = screen.join(response, (response.c.project == screen.c.project) & (response.c.id == screen.c.response_id))
        columns = [
            screen.c.response_id,
            response.c.source,
            response.c.prompt_id,
            response.c.text,
            screen.c.reason,
            screen.c.detail,
            screen.c.language,
            screen.c.is_out,
        ]
        query = sa.select(*columns).select_from(joined).where(screen.c.project == project).order_by(screen.c.response_id)
        return self._store.frame(query).astype({"is_out": bool})

    def set_aside(self, project: str, response_ids: Iterable[str], *, is_out: bool) -> int:
        """Set the pairs of these responses aside, or bring them back; return how many marks changed."""
        ids, table, changed = list(response_ids), schema.screens, 0
        with self._store.writing() as connection:
            for start in range(0, len(ids), MOST_AT_ONCE):
                some = table.c.response_id.in_(ids[start : start + MOST_AT_ONCE])
                change = sa.update(table).where(table.c.project == project, some, table.c.is_out != is_out)
                changed += connection.execute(change.values(is_out=is_out)).rowcount
        return changed

    def unvoted(self, project: str, screens: Iterable[Screen]) -> list[Screen]:
        """Return the screens, those of responses that people voted on already only noted: their votes stand."""
        pair = schema.pairs
        voted = self._store.frame(
            sa.select(pair.c.first_id, pair.c.second_id).where(pair.c.project == project, pair.c.n_votes > 0)
        )
        known = set(voted["first_id"]) | set(voted["second_id"])
        return [dataclasses.replace(one, is_out=False) if one.response_id in known else one for one in screens]

    def pairs_out(self, project: str) -> set[str]:
        """Return the ids of the pairs that are set aside, because one of their responses is."""
        pair, screen = schema.pairs, schema.screens
        out = sa.select(screen.c.response_id).where(screen.c.project == project, screen.c.is_out)
        query = sa.select(pair.c.id).where(pair.c.project == project, pair.c.first_id.in_(out) | pair.c.second_id.in_(out))
        return set(self._store.frame(query)["id"])
