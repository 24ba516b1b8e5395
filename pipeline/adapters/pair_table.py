"""Pairs: which two responses stand beside each other, in the store. Rows are only ever added, but the count of their votes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from pipeline.adapters import schema
from pipeline.adapters.database import Database
from pipeline.records import Pair


class PairTable(Database):
    """Pairs with their texts."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._pairs: dict[str, tuple[tuple[int, ...], pd.DataFrame]] = {}

    def add_pairs(self, project: str, pairs: Iterable[Pair]) -> int:
        """Add pairs that are not there yet; return how many were new."""
        with self.writing() as connection:
            return self.insert_missing(connection, schema.pairs, self.rows(project, pairs, n_votes=0))

    def pair_ids(self, project: str, *, source: str = "") -> list[str]:
        """Return the ids of the pairs, by position; with `source`, of those that hold a response of it."""
        pair, response = schema.pairs, schema.responses
        query = sa.select(pair.c.id).where(pair.c.project == project).order_by(pair.c.position, pair.c.id)
        if source:
            its = sa.select(response.c.id).where(response.c.project == project, response.c.source == source)
            query = query.where(pair.c.first_id.in_(its) | pair.c.second_id.in_(its))
        with self.reading() as connection:
            return list(connection.execute(query).scalars())

    def pairs(self, project: str, pair_ids: Sequence[str] | None = None) -> pd.DataFrame:
        """Return one row per pair with its texts; of these pairs, a few hundred at most, or of all.

        Columns: `pair_id, prompt_id, prompt, annotation_type, first_id, second_id, first, second,
        first_source, second_source, position, n_votes`; `first` and `second` in canonical order.
        """
        if pair_ids is not None:
            return self._read_pairs(project, schema.pairs.c.id.in_(pair_ids))
        pair = schema.pairs
        kept = self._kept_pairs(project)
        votes = self.plain_frame(sa.select(pair.c.id, pair.c.n_votes).where(pair.c.project == project)).set_index("id")["n_votes"]
        return kept.assign(n_votes=votes.reindex(kept["pair_id"]).to_numpy())

    def _kept_pairs(self, project: str) -> pd.DataFrame:
        """The pairs of a project, read again when one is added: what stands in a pair never changes, but its votes."""
        with self.reading() as connection:
            seen = tuple(
                connection.execute(sa.select(sa.func.count()).where(table.c.project == project)).scalar_one()
                for table in (schema.pairs, schema.prompts, schema.responses)
            )
        kept = self._pairs.get(project)
        if kept is None or kept[0] != seen:
            kept = seen, self._read_pairs(project, sa.true())
            # One project at a time.
            self._pairs = {project: kept}
        return kept[1]

    def _read_pairs(self, project: str, which: sa.ColumnElement[bool]) -> pd.DataFrame:
        one, other = schema.responses.alias("one"), schema.responses.alias("other")
        pair, prompt = schema.pairs, schema.prompts

        def of(responses: sa.FromClause, id_column: sa.Column[str]) -> sa.ColumnElement[bool]:
            return (responses.c.project == pair.c.project) & (responses.c.id == id_column)

        joined = (
            pair.join(prompt, (prompt.c.project == pair.c.project) & (prompt.c.id == pair.c.prompt_id))
            .join(one, of(one, pair.c.first_id))
            .join(other, of(other, pair.c.second_id))
        )
        return self.plain_frame(
            sa.select(
                pair.c.id.label("pair_id"),
                pair.c.prompt_id,
                prompt.c.text.label("prompt"),
                prompt.c.annotation_type,
                pair.c.first_id,
                pair.c.second_id,
                one.c.text.label("first"),
                other.c.text.label("second"),
                one.c.source.label("first_source"),
                other.c.source.label("second_source"),
                pair.c.position,
                pair.c.n_votes,
            )
            .select_from(joined)
            .where(pair.c.project == project, which)
            .order_by(pair.c.position, pair.c.id)
        )
