"""Votes: what people said, in the store. Rows are only ever added.

A later vote of the same person on the same pair, in the same role, supersedes the earlier one; "later" is the order of
arrival, never the clock. Someone who voted under two names is joined by an alias beside the votes, which stay as cast.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import pandas as pd
import sqlalchemy as sa
from pandas.api.types import union_categoricals
from sqlalchemy.engine import Connection, Engine

from pipeline import annotate
from pipeline.adapters import schema
from pipeline.adapters.database import Database, fields_of
from pipeline.errors import VoteError
from pipeline.records import Choice, Role, Vote, utc_now

_CODED = ("pair_id", "annotator", "choice")
_AT_ONCE = 500


class _Kept(NamedTuple):
    """What was read of a project's votes: `raw` under the names they were cast, `cast` and `latest` under those in force."""

    seen: tuple[object, ...]
    raw: pd.DataFrame
    cast: pd.DataFrame
    latest: pd.DataFrame

    @property
    def last(self) -> int:
        """The number of the last vote that arrived."""
        return int(self.raw["seq"].iloc[-1]) if len(self.raw) else 0


class VoteTable(Database):
    """Votes and the names people cast them under."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._kept: dict[str, _Kept] = {}

    def add_votes(self, project: str, votes: Iterable[Vote]) -> int:
        """Add votes; a version that is already there is left as it is. Return how many were new.

        Raises:
            VoteError: A vote is on a pair the project does not have, or says what is no Choice; nothing was added.
        """
        with self.writing() as connection:
            self.queue(connection, project)
            return self._add_votes(connection, project, list(votes))

    def import_votes(self, project: str, votes: Iterable[Vote]) -> list[Vote]:
        """Add votes of a finished study, changed ones as new versions; return the new ones as `annotate.new_votes` has them.

        Raises:
            VoteError: As in `add_votes`; nothing was added.
        """
        told = list(votes)
        if not told:
            return []
        with self.writing() as connection:
            self.queue(connection, project)
            stored = self._votes_on(connection, project, {vote.pair_id for vote in told})
            new = annotate.new_votes(told, stored, now=datetime.now(UTC))
            self._add_votes(connection, project, new)
        return new

    def _votes_on(self, connection: Connection, project: str, pair_ids: set[str]) -> Iterator[Vote]:
        table = schema.votes
        columns = [column for column in table.c if column.name not in ("seq", "project")]
        wanted = (table.c.project == project) & (table.c.role == str(Role.ANNOTATOR))
        for some in _few_at_once(pair_ids):
            rows = connection.execute(sa.select(*columns).where(wanted, table.c.pair_id.in_(some)).order_by(table.c.seq))
            yield from (Vote(**row) for row in rows.mappings())

    def _add_votes(self, connection: Connection, project: str, votes: list[Vote]) -> int:
        pair_ids = {vote.pair_id for vote in votes}
        rows = [_row(project, vote) for vote in votes]
        self._check_pairs(connection, project, pair_ids)
        added = self.insert_missing(connection, schema.votes, rows)
        for some in _few_at_once(pair_ids):
            self._recount(connection, project, schema.pairs.c.id.in_(some))
        return added

    def add_decision(self, project: str, decision: Vote) -> Vote:
        """Add a reviewer's decision on a pair, as the next version of what this reviewer decided there before.

        Raises:
            VoteError: The project has no such pair.
        """
        table = schema.votes
        mine = (table.c.project == project) & (table.c.annotator == decision.annotator) & (table.c.pair_id == decision.pair_id)
        newest = sa.select(sa.func.coalesce(sa.func.max(table.c.version), -1)).where(mine, table.c.role == str(Role.ADJUDICATOR))
        with self.writing() as connection:
            self.queue(connection, project)
            self._check_pairs(connection, project, {decision.pair_id})
            version = int(connection.execute(newest).scalar_one()) + 1
            stored = dataclasses.replace(decision, role=Role.ADJUDICATOR, version=version)
            connection.execute(sa.insert(table).values(_row(project, stored)))
        return stored

    def _check_pairs(self, connection: Connection, project: str, pair_ids: set[str]) -> None:
        known = sa.select(schema.pairs.c.id).where(schema.pairs.c.project == project)
        unknown = sorted(pair_ids - set(connection.execute(known).scalars()))
        if unknown:
            raise VoteError(
                f"{len(unknown):,} {'pair is' if len(unknown) == 1 else 'pairs are'} not in this project, first {unknown[0]}.",
                hint="Add the pairs first, or correct the votes; nothing was added.",
            )

    def recount(self, project: str) -> None:
        """Derive `pairs.n_votes` from the votes again."""
        with self.writing() as connection:
            self._recount(connection, project)

    def _recount(self, connection: Connection, project: str, which: sa.ColumnElement[bool] | None = None) -> None:
        """Count the votes on these pairs, or on all: of each name in force the last to arrive, unless it is a skip."""
        pair, latest, alias = schema.pairs, self._latest_votes(project), schema.aliases
        same = (alias.c.project == project) & (alias.c.annotator == latest.c.annotator)
        shown = sa.func.coalesce(alias.c.name, latest.c.annotator)
        on_pair = (
            sa.select(latest.c.choice, sa.func.row_number().over(partition_by=shown, order_by=latest.c.seq.desc()).label("place"))
            .select_from(latest.outerjoin(alias, same))
            .where(latest.c.pair_id == pair.c.id)
            .correlate(pair)
            .subquery()
        )
        counted = sa.select(sa.func.count()).where(on_pair.c.place == 1, on_pair.c.choice != str(Choice.SKIP)).scalar_subquery()
        wanted = sa.true() if which is None else which
        connection.execute(sa.update(pair).where(pair.c.project == project, wanted).values(n_votes=counted))

    def _latest_votes(self, project: str) -> sa.Subquery:
        """The vote that counts of each annotator on each pair: the one of the highest version."""
        table = schema.votes
        wanted = (table.c.project == project) & (table.c.role == str(Role.ANNOTATOR))
        return sa.select(table).where(wanted, ~_superseded()).subquery("latest")

    def votes(self, project: str, *, history: bool = False) -> pd.DataFrame:
        """Return the annotators' votes that count, or with `history` every vote ever cast in any role, as they arrived.

        Columns: `seq, pair_id, annotator, version, choice, shown_first, reason, edited, seconds,
        guidelines_version, at, role` (`at` as timestamps in UTC). `annotator` is the name in force. `pair_id, annotator,
        choice` are categorical: as codes, what is counted again and again is a third as large and found ten times as fast.
        """
        kept = self._kept_votes(project)
        return (kept.cast if history else kept.latest).copy(deep=False)

    def vote_counts(self, project: str) -> dict[str, int]:
        """Return `votes, skipped, annotators`: votes that count, skips beside them, and who has a vote."""
        latest = self._kept_votes(project).latest
        is_vote = latest["choice"] != Choice.SKIP
        votes = int(is_vote.sum())
        return {"votes": votes, "skipped": len(latest) - votes, "annotators": latest.loc[is_vote, "annotator"].nunique()}

    def _kept_votes(self, project: str) -> _Kept:
        """The votes of a project, of which only those are read that came since the last time: a million take seconds."""
        seen = self._last_change(project)
        kept = self._kept.get(project)
        if kept is None or kept.seen != seen:
            later = (schema.votes.c.project == project) & (schema.votes.c.seq > (0 if kept is None else kept.last))
            new = self._vote_frame(later).astype(dict.fromkeys(_CODED, "category"))
            raw = new if kept is None else _together(kept.raw, new)
            kept = _keep(seen, raw, self.aliases(project))
            # One project at a time.
            self._kept = {project: kept}
        return kept

    def _last_change(self, project: str) -> tuple[object, ...]:
        """What is different as soon as a vote is added, or a name joined to another."""
        votes, names = schema.votes.c, schema.aliases.c
        newest = sa.select(sa.func.max(votes.seq)).where(votes.project == project).scalar_subquery()
        renamed = sa.select(sa.func.max(names.at)).where(names.project == project).scalar_subquery()
        with self.reading() as connection:
            return tuple(connection.execute(sa.select(newest, renamed)).one())

    def votes_on(self, project: str, pair_id: str) -> pd.DataFrame:
        """Return every vote ever cast on one pair, in any role, with the columns of `votes`."""
        on_pair = (schema.votes.c.project == project) & (schema.votes.c.pair_id == pair_id)
        return self._vote_frame(on_pair).replace({"annotator": self.aliases(project)})

    def decisions(self, project: str) -> pd.DataFrame:
        """Return the reviewers' decision in force on each decided pair: the last to arrive, with the columns of `votes`.

        A decision to skip takes the one before back, so such pairs are not among them.
        """
        reviewers = (schema.votes.c.project == project) & (schema.votes.c.role == str(Role.ADJUDICATOR))
        frame = self._vote_frame(reviewers).replace({"annotator": self.aliases(project)})
        newest = frame.drop_duplicates("pair_id", keep="last")
        return newest[newest["choice"] != Choice.SKIP].reset_index(drop=True)

    def _vote_frame(self, which: sa.ColumnElement[bool]) -> pd.DataFrame:
        """Some votes in the order of arrival, under the names they were cast."""
        columns = [column for column in schema.votes.c if column.name != "project"]
        frame = self.plain_frame(sa.select(*columns).where(which).order_by(schema.votes.c.seq))
        frame["at"] = pd.to_datetime(frame["at"], format="ISO8601", utc=True)
        return frame.astype({"seconds": float})

    def aliases(self, project: str) -> dict[str, str]:
        """Return the name in force of each annotator who has another one."""
        table = schema.aliases
        with self.reading() as connection:
            rows = connection.execute(sa.select(table.c.annotator, table.c.name).where(table.c.project == project))
            return {row.annotator: row.name for row in rows}

    def rename_annotator(self, project: str, old: str, new: str) -> None:
        """From now on show the votes cast as `old` under `new`; where both voted on a pair, the later vote counts.

        Raises:
            VoteError: Nobody voted as `old`, or both names are the same.
        """
        table, cast = schema.aliases, schema.votes
        voted = sa.select(cast.c.annotator).where(cast.c.project == project, cast.c.annotator == old)
        known = voted.union_all(sa.select(table.c.annotator).where(table.c.project == project, table.c.name == old)).limit(1)
        with self.writing() as connection:
            self.queue(connection, project)
            if old == new or connection.execute(known).first() is None:
                what = "Both names are the same." if old == new else f"Nobody has voted in this project as {old}."
                raise VoteError(what, hint="Look up the names on the Progress page; nothing was changed.")
            # Whoever was joined to the old name follows it, and nobody stays an alias of themselves.
            pointing = (table.c.project == project) & ((table.c.name == old) | (table.c.annotator == old))
            connection.execute(sa.delete(table).where(table.c.project == project, table.c.annotator == new))
            followers = list(connection.execute(sa.select(table.c.annotator).where(pointing)).scalars())
            connection.execute(sa.delete(table).where(pointing))
            joined = sorted({old, *followers} - {new})
            rows = [{"project": project, "annotator": name, "name": new, "at": utc_now()} for name in joined]
            connection.execute(sa.insert(table), rows)
            self._recount(connection, project)


def _together(earlier: pd.DataFrame, later: pd.DataFrame) -> pd.DataFrame:
    """Earlier and later votes as one frame; columns of codes stay such."""
    if earlier.empty or later.empty:
        return earlier if later.empty else later
    joined = {name: union_categoricals([earlier[name], later[name]], sort_categories=True) for name in _CODED}
    return pd.concat([earlier, later], ignore_index=True).assign(**joined)


def _keep(seen: tuple[object, ...], raw: pd.DataFrame, names: Mapping[str, str]) -> _Kept:
    """Find the votes that count among all: of each annotator and pair the highest version, cast as an annotator."""
    cast, latest = _under(raw, names), (raw["role"] == Role.ANNOTATOR).to_numpy(dtype=bool)
    if raw["version"].any():
        newest = raw.groupby(["annotator", "pair_id", "role"], observed=True)["version"].transform("max")
        latest = latest & (raw["version"] == newest).to_numpy(dtype=bool)
    counting = cast[latest]
    if names:
        # Two names that were joined may both have voted on a pair.
        counting = counting.drop_duplicates(["pair_id", "annotator"], keep="last")
    used = {name: counting[name].cat.remove_unused_categories() for name in _CODED}
    return _Kept(seen, raw, cast, counting.assign(**used).reset_index(drop=True))


def _under(frame: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Votes under the names in force; `names`: those of annotators who have another one than they voted under."""
    if not names:
        return frame
    codes = frame["annotator"].cat.codes.to_numpy()
    places, known = pd.factorize(pd.Index([names.get(name, name) for name in frame["annotator"].cat.categories]), sort=True)
    return frame.assign(annotator=pd.Categorical.from_codes(places[codes], known))


def _few_at_once(ids: set[str]) -> Iterator[list[str]]:
    """The ids in groups small enough for one statement of any database."""
    in_order = sorted(ids)
    return (in_order[start : start + _AT_ONCE] for start in range(0, len(in_order), _AT_ONCE))


def _superseded() -> sa.Exists:
    """Whether there is a later version of a vote."""
    later, table = schema.votes.alias("later"), schema.votes
    return sa.exists().where(
        later.c.project == table.c.project,
        later.c.annotator == table.c.annotator,
        later.c.pair_id == table.c.pair_id,
        later.c.role == table.c.role,
        later.c.version > table.c.version,
    )


def _row(project: str, vote: Vote) -> dict[str, object]:
    if vote.choice not in list(Choice):
        raise VoteError(
            f"A vote on pair {vote.pair_id} says {vote.choice}, which is no choice.",
            hint=f"A vote says one of {', '.join(Choice)}; nothing was added.",
        )
    return {"project": project} | fields_of(vote) | {"choice": str(vote.choice), "role": str(vote.role)}
