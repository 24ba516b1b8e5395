"""Store: everything the studio knows, in one SQL database.

SQLite in WAL mode by default, Postgres by URL. Records go in; records or pandas frames whose columns are
the field names come out. Votes and answered requests are only ever added.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.adapters import schema
from pipeline.adapters.database import make_engine, parse_url
from pipeline.adapters.migrations import upgrade
from pipeline.adapters.pair_table import PairTable
from pipeline.adapters.release_table import ReleaseTable
from pipeline.adapters.request_store import RequestStore, lacks_response
from pipeline.adapters.votes import VoteTable
from pipeline.errors import ProjectError, WorkspaceError
from pipeline.records import (
    HUMAN,
    DocumentKind,
    Exclusion,
    Job,
    JobState,
    Judgement,
    Project,
    Prompt,
    Response,
    content_id,
    utc_now,
)


def open_store(url: str) -> Store:
    """Open the database at a SQLAlchemy URL, creating or migrating its tables.

    Raises:
        SettingsError: It is not the address of a database that can be used here.
        WorkspaceError: The folder cannot be written, or a newer version of the studio wrote the database.
        BackendError: The database server cannot be reached.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        folder = Path(parsed.database).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WorkspaceError(
                f"The workspace folder {folder} cannot be made: {error.strerror}.",
                hint="Choose a folder you may write to, with --workspace or STUDIO_WORKSPACE.",
            ) from error
    store = Store(make_engine(parsed))
    with store.translated():
        upgrade(store.engine)
    return store


class Store(VoteTable, PairTable, RequestStore, ReleaseTable):
    """The studio's tables."""

    # Projects and their documents

    def projects(self) -> list[Project]:
        """Return every project, oldest first."""
        with self.reading() as connection:
            rows = connection.execute(sa.select(schema.projects).order_by(schema.projects.c.created_at)).mappings()
            return [Project(**row) for row in rows]

    def project(self, name: str) -> Project:
        """Return one project.

        Raises:
            ProjectError: There is none of that name; the nearest names are offered.
        """
        with self.reading() as connection:
            row = connection.execute(sa.select(schema.projects).where(schema.projects.c.name == name)).mappings().first()
        if row is not None:
            return Project(**row)
        names = [project.name for project in self.projects()]
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5) or names[:5]
        offer = f"Did you mean {', '.join(near)}?" if near else "Make one with: python -m pipeline new NAME --language LANGUAGE"
        raise ProjectError(f"There is no project named {name}.", hint=offer)

    def add_project(
        self,
        project: Project,
        *,
        prompts: Iterable[Prompt] = (),
        responses: Iterable[Response] = (),
        exclusions: Iterable[Exclusion] = (),
        documents: Mapping[DocumentKind, str] | None = None,
    ) -> None:
        """Store a new project with what it begins with, all of it or nothing.

        Raises:
            ProjectError: The name is taken.
        """
        tables = ((schema.prompts, prompts), (schema.responses, responses), (schema.exclusions, exclusions))
        with self.writing() as connection:
            if not self.insert_missing(connection, schema.projects, [dataclasses.asdict(project)]):
                raise ProjectError(
                    f"A project named {project.name} is already there.",
                    hint="Choose another name, or open the existing project; nothing was changed.",
                )
            for table, records in tables:
                self.insert_missing(connection, table, self.rows(project.name, records))
            for kind, text in (documents or {}).items():
                self._save_document(connection, project.name, kind, text)

    def update_project(self, name: str, *, votes_wanted: int | None = None, rules: Mapping[str, object] | None = None) -> None:
        """Change the settings of a project that may change."""
        values: dict[str, object] = {}
        if votes_wanted is not None:
            values["votes_wanted"] = votes_wanted
        if rules is not None:
            values["rules"] = dict(rules)
        with self.writing() as connection:
            connection.execute(sa.update(schema.projects).where(schema.projects.c.name == name).values(**values))

    def save_document(self, project: str, kind: DocumentKind, text: str) -> str:
        """Store a text of the project and return its version; an unchanged text keeps its version."""
        with self.writing() as connection:
            return self._save_document(connection, project, kind, text)

    def _save_document(self, connection: Connection, project: str, kind: DocumentKind, text: str) -> str:
        table, version = schema.documents, content_id(kind, text)[:8]
        row = {"project": project, "kind": str(kind), "version": version, "text": text, "created_at": utc_now()}
        if not self.insert_missing(connection, table, [row]):
            # The text in force is the one saved last, so going back to an old text dates it anew.
            same = (table.c.project == project) & (table.c.kind == kind) & (table.c.version == version)
            connection.execute(sa.update(table).where(same).values(created_at=row["created_at"]))
        return version

    def document(self, project: str, kind: DocumentKind) -> tuple[str, str]:
        """Return version and text in force; two empty strings when none was saved."""
        table = schema.documents
        query = sa.select(table.c.version, table.c.text).where(table.c.project == project, table.c.kind == kind)
        with self.reading() as connection:
            row = connection.execute(query.order_by(table.c.created_at.desc()).limit(1)).first()
        return (row.version, row.text) if row else ("", "")

    def documents(self, project: str, kind: DocumentKind) -> dict[str, str]:
        """Return every text of a kind that was ever in force, by version."""
        table = schema.documents
        query = sa.select(table.c.version, table.c.text).where(table.c.project == project, table.c.kind == kind)
        with self.reading() as connection:
            return {row.version: row.text for row in connection.execute(query)}

    # Prompts, responses, judgements

    def add_prompts(self, project: str, prompts: Iterable[Prompt]) -> int:
        """Add prompts that are not there yet; return how many were new."""
        return self.add(schema.prompts, project, prompts)

    def add_responses(self, project: str, responses: Iterable[Response]) -> int:
        """Add responses that are not there yet; return how many were new."""
        return self.add(schema.responses, project, responses)

    def add_exclusions(self, project: str, exclusions: Iterable[Exclusion]) -> int:
        """Add rows that a stage left out, each under its reason; return how many were new."""
        return self.add(schema.exclusions, project, exclusions)

    def add_judgements(self, project: str, judgements: Iterable[Judgement]) -> int:
        """Add judgements that are not there yet; return how many were new."""
        return self.add(schema.judgements, project, judgements)

    def prompts(self, project: str) -> pd.DataFrame:
        """Return columns `id, text, annotation_type, contributor, position`, by position."""
        table = schema.prompts
        columns = [column for column in table.c if column.name != "project"]
        return self.frame(sa.select(*columns).where(table.c.project == project).order_by(table.c.position, table.c.id))

    def responses(self, project: str) -> pd.DataFrame:
        """Return one row per response.

        Columns: `id, prompt_id, source, text, request_key, created_at`, and of the request that made it
        `model, system_prompt_version, parameters, tokens_in, tokens_out, cost_usd, seconds, finish_reason`
        (missing for responses that were written by a person or imported).
        """
        table, made_by = schema.responses, schema.requests
        columns = [column for column in table.c if column.name != "project"]
        names = (
            "model",
            "system_prompt_version",
            "parameters",
            "tokens_in",
            "tokens_out",
            "cost_usd",
            "seconds",
            "finish_reason",
        )
        return self.frame(
            sa.select(*columns, *(made_by.c[name] for name in names))
            .select_from(table.outerjoin(made_by, made_by.c.key == table.c.request_key))
            .where(table.c.project == project)
            .order_by(table.c.created_at, table.c.id)
        )

    def system_prompt_versions(self, project: str) -> dict[str, str]:
        """Return the version of the system prompt that each response of a model was asked under, by the response's id."""
        table, made_by = schema.responses, schema.requests
        query = sa.select(table.c.id, made_by.c.system_prompt_version).join_from(
            table, made_by, made_by.c.key == table.c.request_key
        )
        with self.reading() as connection:
            return {row.id: row.system_prompt_version for row in connection.execute(query.where(table.c.project == project))}

    def last_responses(self, project: str, source: str, *, count: int) -> list[Response]:
        """Return the newest responses of a source, newest first."""
        table = schema.responses
        query = sa.select(*(column for column in table.c if column.name != "project"))
        query = query.where(table.c.project == project, table.c.source == source).order_by(table.c.created_at.desc()).limit(count)
        with self.reading() as connection:
            return [Response(**row) for row in connection.execute(query).mappings()]

    def prompts_without(self, project: str, source: str) -> list[Prompt]:
        """Return the prompts that have no response of this source yet, by position."""
        return self.prompt_records(project, lacks_response(project, source))

    def prompt_records(self, project: str, *where: sa.ColumnElement[bool]) -> list[Prompt]:
        """Return the prompts of a project as records, by position."""
        table = schema.prompts
        query = sa.select(*(column for column in table.c if column.name != "project")).where(table.c.project == project, *where)
        with self.reading() as connection:
            return [Prompt(**row) for row in connection.execute(query.order_by(table.c.position, table.c.id)).mappings()]

    def response_records(self, project: str) -> list[Response]:
        """Return the responses of a project as records, in the order they came."""
        table = schema.responses
        query = sa.select(*(column for column in table.c if column.name != "project")).where(table.c.project == project)
        with self.reading() as connection:
            return [Response(**row) for row in connection.execute(query.order_by(table.c.created_at, table.c.id)).mappings()]

    def exclusions(self, project: str) -> pd.DataFrame:
        """Return columns `stage, row_id, reason, detail, text` of all rows left out so far."""
        table = schema.exclusions
        columns = [column for column in table.c if column.name != "project"]
        return self.frame(sa.select(*columns).where(table.c.project == project).order_by(table.c.stage, table.c.reason))

    # What has changed

    def version(self, project: str) -> str:
        """Return a string that changes whenever anything of the project that a page shows changes."""

        def latest(column: sa.Column[Any]) -> sa.ScalarSelect[Any]:
            return sa.select(sa.func.max(column)).where(column.table.c.project == project).scalar_subquery()

        tables = (schema.responses, schema.pairs, schema.exclusions, schema.judgements, schema.releases)
        counts = [sa.select(sa.func.count()).where(table.c.project == project).scalar_subquery() for table in tables]
        counts.append(sa.select(sa.func.count()).where(schema.screens.c.project == project).scalar_subquery())
        is_out = sa.and_(schema.screens.c.project == project, schema.screens.c.is_out)
        counts.append(sa.select(sa.func.count()).select_from(schema.screens).where(is_out).scalar_subquery())
        settings = sa.select(schema.projects.c.votes_wanted, schema.projects.c.rules).where(schema.projects.c.name == project)
        newest = [
            latest(column)
            for column in (schema.votes.c.seq, schema.aliases.c.at, schema.requests.c.at, schema.documents.c.created_at)
        ]
        with self.reading() as connection:
            seen = connection.execute(sa.select(*newest, *counts)).one()
            return repr((*seen, *(connection.execute(settings).first() or ())))

    def judgements(self, project: str) -> pd.DataFrame:
        """Return columns `pair_id, judge, shown_first, choice, rating_first, rating_second, rationale, at`."""
        table = schema.judgements
        columns = [column for column in table.c if column.name != "project"]
        return self.frame(sa.select(*columns).where(table.c.project == project).order_by(table.c.at))

    # Jobs, releases, audit, counts

    def save_job(self, job: Job, *, unless: Callable[[Job], bool] = lambda _: False) -> Job | None:
        """Store a new job; or store nothing and return the running job of the project for which `unless` holds.

        One transaction looks and stores, so of two who start the same work at once one is refused.
        """
        row = dataclasses.asdict(job) | {"command": list(job.command)}
        with self.writing() as connection:
            self.queue(connection, job.project)
            running = (other for other in self._jobs(connection, job.project) if other.state is JobState.RUNNING)
            twin = next(filter(unless, running), None)
            if twin is None:
                connection.execute(sa.insert(schema.jobs).values(row))
        return twin

    def update_job(self, job_id: str, **values: object) -> None:
        """Change the named fields of a job."""
        with self.writing() as connection:
            connection.execute(sa.update(schema.jobs).where(schema.jobs.c.id == job_id).values(**values))

    def jobs(self, project: str | None = None) -> list[Job]:
        """Return the jobs of a project, or of all, newest first."""
        with self.reading() as connection:
            return self._jobs(connection, project)

    @staticmethod
    def _jobs(connection: Connection, project: str | None) -> list[Job]:
        query = sa.select(schema.jobs).order_by(schema.jobs.c.started_at.desc())
        if project is not None:
            query = query.where(schema.jobs.c.project == project)
        rows = connection.execute(query).mappings().all()
        return [Job(**{**row, "command": tuple(row["command"]), "state": JobState(row["state"])}) for row in rows]

    def note(self, project: str, action: str, **detail: object) -> None:
        """Write to the audit log what was done, with counts and ids; never texts, names or keys."""
        with self.writing() as connection:
            connection.execute(sa.insert(schema.audit).values(project=project, at=utc_now(), action=action, detail=detail))

    def counts(self, project: str) -> dict[str, float]:
        """Return `prompts, responses` (by models), `pairs, completed_pairs, releases, spent_usd`; votes: `vote_counts`."""

        def count(table: sa.Table, *where: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
            return sa.select(sa.func.count()).select_from(table).where(table.c.project == project, *where).scalar_subquery()

        wanted = sa.select(schema.projects.c.votes_wanted).where(schema.projects.c.name == project).scalar_subquery()
        spent = sa.select(sa.func.coalesce(sa.func.sum(schema.requests.c.cost_usd), 0.0)).where(
            schema.requests.c.project == project
        )
        query = sa.select(
            count(schema.prompts).label("prompts"),
            count(schema.responses, schema.responses.c.source != HUMAN).label("responses"),
            count(schema.pairs).label("pairs"),
            count(schema.pairs, schema.pairs.c.n_votes >= wanted).label("completed_pairs"),
            count(schema.releases).label("releases"),
            spent.scalar_subquery().label("spent_usd"),
        )
        with self.reading() as connection:
            return dict(connection.execute(query).mappings().one())
