"""Request store: the part of the store that remembers every request to a model, and who is asking for what just now.

An answered request is only ever added; a failed one is replaced by its next attempt. A claim keeps two runs from asking
the same; it ends with the answer, with the run, or when its lease runs out.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import sqlalchemy as sa

from pipeline.adapters import schema
from pipeline.adapters.database import Database
from pipeline.ports import Claimed, Made
from pipeline.records import HUMAN, Prompt, Request, Response, utc_now


def _lease_end(lease_s: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=lease_s)).isoformat(timespec="microseconds")


class RequestStore(Database):
    """Requests, their claims, and what is left to ask."""

    def request(self, key: str) -> Request | None:
        """Return the request with this key, answered or failed, or None when it was never made."""
        with self.reading() as connection:
            row = connection.execute(sa.select(schema.requests).where(schema.requests.c.key == key)).mappings().first()
        return Request(**row) if row else None

    def claim_requests(self, keys: Sequence[str], *, owner: str, lease_s: float) -> Claimed:
        """Return what is known of these requests; those without an answer that nobody asks for become the owner's."""
        table, claims = schema.requests, schema.request_claims
        with self.writing() as connection:
            rows = connection.execute(sa.select(table).where(table.c.key.in_(keys))).mappings()
            known = {row["key"]: Request(**row) for row in rows}
            wanted = [key for key in keys if key not in known or known[key].error]
            lapsed = claims.c.key.in_(wanted) & (claims.c.expires_at < utc_now())
            connection.execute(sa.delete(claims).where(lapsed))
            until = _lease_end(lease_s)
            self.insert_missing(connection, claims, [{"key": key, "owner": owner, "expires_at": until} for key in wanted])
            held = sa.select(claims.c.key).where(claims.c.key.in_(wanted), claims.c.owner == owner)
            return Claimed(known=known, mine=frozenset(connection.execute(held).scalars()))

    def renew_claims(self, owner: str, *, lease_s: float) -> None:
        """Keep what a run claimed for so long from now."""
        table = schema.request_claims
        with self.writing() as connection:
            connection.execute(sa.update(table).where(table.c.owner == owner).values(expires_at=_lease_end(lease_s)))

    def release_claims(self, owner: str) -> None:
        """Give up what a run claimed."""
        with self.writing() as connection:
            connection.execute(sa.delete(schema.request_claims).where(schema.request_claims.c.owner == owner))

    def claim_owners(self) -> list[str]:
        """Return the runs that hold claims."""
        with self.reading() as connection:
            return list(connection.execute(sa.select(schema.request_claims.c.owner).distinct()).scalars())

    def save_made(self, made: Sequence[Made]) -> None:
        """Commit requests with all they make in one transaction, and give up their claims."""
        table, keys = schema.requests, [one.request.key for one in made]
        with self.writing() as connection:
            connection.execute(sa.delete(table).where(table.c.key.in_(keys), table.c.error != ""))
            self.insert_missing(connection, table, [dataclasses.asdict(one.request) for one in made])
            self.insert_missing(connection, schema.responses, _rows(made, "responses"))
            self.insert_missing(connection, schema.pairs, _rows(made, "pairs", n_votes=0))
            self.insert_missing(connection, schema.exclusions, _rows(made, "exclusions"))
            self.insert_missing(connection, schema.judgements, _rows(made, "judgements"))
            self.insert_missing(connection, schema.screens, _rows(made, "screens"))
            connection.execute(sa.delete(schema.request_claims).where(schema.request_claims.c.key.in_(keys)))

    def failures(self, project: str) -> pd.DataFrame:
        """Return failed requests: columns `prompt_id, purpose, model, error, detail, attempts, at`."""
        table = schema.requests
        names = ("prompt_id", "purpose", "model", "error", "detail", "attempts", "at")
        query = sa.select(*(table.c[name] for name in names))
        return self.frame(query.where(table.c.project == project, table.c.error != "").order_by(table.c.at))

    def prompt_ids_without(self, project: str, source: str) -> list[str]:
        """Return the ids of the prompts that have no response of this source yet, by position."""
        table = schema.prompts
        query = sa.select(table.c.id).where(table.c.project == project, lacks_response(project, source))
        with self.reading() as connection:
            return list(connection.execute(query.order_by(table.c.position, table.c.id)).scalars())

    def prompts_and_people(self, project: str, prompt_ids: Sequence[str]) -> list[tuple[Prompt, list[Response]]]:
        """Return these prompts, in this order, each with the responses people wrote to it."""
        prompts, responses = schema.prompts, schema.responses
        asked = _records_query(prompts, project).where(prompts.c.id.in_(prompt_ids))
        answered = _records_query(responses, project).where(responses.c.prompt_id.in_(prompt_ids), responses.c.source == HUMAN)
        with self.reading() as connection:
            by_id = {row["id"]: Prompt(**row) for row in connection.execute(asked).mappings()}
            people: dict[str, list[Response]] = {prompt_id: [] for prompt_id in by_id}
            for row in connection.execute(answered.order_by(responses.c.created_at, responses.c.id)).mappings():
                people[row["prompt_id"]].append(Response(**row))
        return [(by_id[prompt_id], people[prompt_id]) for prompt_id in prompt_ids if prompt_id in by_id]


def lacks_response(project: str, source: str) -> sa.ColumnElement[bool]:
    """The condition that a prompt has no response of this source."""
    table = schema.responses
    answered = sa.select(table.c.prompt_id).where(table.c.project == project, table.c.source == source)
    return schema.prompts.c.id.not_in(answered)


def _records_query(table: sa.Table, project: str) -> sa.Select[Any]:
    return sa.select(*(column for column in table.c if column.name != "project")).where(table.c.project == project)


def _rows(made: Iterable[Made], name: str, **more: object) -> list[dict[str, Any]]:
    """The records of one kind that the requests made, as rows of their projects."""
    return [row for one in made for row in Database.rows(one.request.project, getattr(one, name), **more)]
