"""Request store: the part of the store that remembers every request to a model, and who is asking for what just now.

An answered request is only ever added, and serves every project; a failed one is a project's own, and is replaced by its
next attempt, which carries its cost on. A claim keeps two runs from asking
the same; it ends with the answer, with the run, or when its lease runs out.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.adapters import schema
from pipeline.adapters.database import Database, fields_of
from pipeline.ports import Claimed, Made
from pipeline.records import HUMAN, Prompt, Request, Response, utc_now


def _lease_end(lease_s: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=lease_s)).isoformat(timespec="microseconds")


class RequestStore(Database):
    """Requests, their claims, and what is left to ask."""

    def request(self, key: str, project: str) -> Request | None:
        """Return the request with this key: answered for any project, or else failed for this one; None for neither."""
        with self.reading() as connection:
            return self._known(connection, [key], project).get(key)

    @staticmethod
    def _known(connection: Connection, keys: Sequence[str], project: str) -> dict[str, Request]:
        """What a project knows of these requests, by key: the answer, whoever asked for it, or else its own failure."""
        table, shared = schema.requests, {_own_key(key, project): key for key in keys}
        is_answer = table.c.key.in_(keys) & (table.c.error == "")
        is_failure = table.c.key.in_([*keys, *shared]) & (table.c.error != "") & (table.c.project == project)
        rows = connection.execute(sa.select(table).where(is_answer | is_failure)).mappings().all()
        # Failures first, so that an answer takes the place of one.
        by_key = ((shared.get(row["key"], row["key"]), row) for row in sorted(rows, key=lambda row: not row["error"]))
        return {key: Request(**{**row, "key": key}) for key, row in by_key}

    def claim_requests(self, keys: Sequence[str], *, project: str, owner: str, lease_s: float) -> Claimed:
        """Return what a project knows of these requests; those without an answer that nobody asks for become the owner's."""
        claims = schema.request_claims
        with self.writing() as connection:
            known = self._known(connection, keys, project)
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
        """Commit requests with all they make in one transaction, and give up their claims.

        An answer that is there is never replaced; what a project paid for the same once more is kept beside it.
        """
        keys = [one.request.key for one in made]
        with self.writing() as connection:
            if len(set(keys)) == len(keys):
                self._save_requests(connection, [one.request for one in made])
            else:
                for one in made:
                    self._save_requests(connection, [one.request])
            self.insert_missing(connection, schema.responses, _rows(made, "responses"))
            self.insert_missing(connection, schema.pairs, _rows(made, "pairs", n_votes=0))
            self.insert_missing(connection, schema.exclusions, _rows(made, "exclusions"))
            self.insert_missing(connection, schema.judgements, _rows(made, "judgements"))
            self.insert_missing(connection, schema.screens, _rows(made, "screens"))
            connection.execute(sa.delete(schema.request_claims).where(schema.request_claims.c.key.in_(keys)))

    def _save_requests(self, connection: Connection, requests: Sequence[Request]) -> None:
        """Save requests of different keys."""
        table, is_failure = schema.requests, schema.requests.c.error != ""
        keys = [request.key for request in requests]
        own_keys = [_own_key(request.key, request.project) for request in requests]
        there = sa.select(table.c.key, table.c.error).where(table.c.key.in_([*keys, *own_keys]))
        errors = {row.key: row.error for row in connection.execute(there)}
        # A workspace begun before failures were a project's own has some under the shared key, where the answer belongs.
        in_the_way = [key for key in keys if errors.get(key)]
        if in_the_way:
            moved = sa.update(table).where(table.c.key.in_(in_the_way), is_failure)
            connection.execute(moved.values(key=_own_key(table.c.key, table.c.project)))
        rows: list[dict[str, Any]] = []
        replaced: list[str] = []
        taken_over: list[str] = []
        for request, own in zip(requests, own_keys, strict=True):
            is_new_answer = not request.error and errors.get(request.key) != ""
            if is_new_answer or request.error or request.cost_usd:
                replaced.append(own)
                rows.append(fields_of(request) | {"key": request.key if is_new_answer else own})
            else:
                taken_over.append(own)
        # Nearly always there is none, and each statement costs as much as the rest of storing an answer.
        if in_the_way or any(errors.get(own) for own in own_keys):
            connection.execute(sa.delete(table).where(table.c.key.in_(replaced), is_failure))
            connection.execute(sa.update(table).where(table.c.key.in_(taken_over), is_failure).values(error=""))
        self.insert_missing(connection, table, rows)

    def spent(self, project: str) -> tuple[float, int]:
        """Return what the project's requests cost in US dollars, and how many of them cost something."""
        cost = schema.requests.c.cost_usd
        query = sa.select(sa.func.coalesce(sa.func.sum(cost), 0.0), sa.func.count())
        with self.reading() as connection:
            spent_usd, n_priced = connection.execute(query.where(schema.requests.c.project == project, cost > 0)).one()
        return float(spent_usd), int(n_priced)

    def has_answers(self, project: str) -> bool:
        """Return whether a model was asked anything for the project and answered."""
        table = schema.requests
        with self.reading() as connection:
            return bool(connection.scalar(sa.select(sa.exists().where(table.c.project == project, table.c.error == ""))))

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


def _own_key(key: Any, project: Any) -> Any:
    """Where a project keeps what is its own of a request that others make too; of strings or of columns."""
    return key + "@" + project


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
