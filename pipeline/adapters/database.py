"""Database: how the studio opens a SQL database, writes to it all or nothing, and explains its errors.

SQLite in WAL mode, or any server SQLAlchemy reaches by URL. Knows nothing of what the tables mean.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine

from pipeline.errors import BackendError, SettingsError, UnstorableError, WorkspaceError

BUSY_TIMEOUT_S = 30
_ROWS_AT_ONCE = 20_000
_LOCK = sa.text("SELECT pg_advisory_xact_lock(hashtext(:project))")


def parse_url(url: str) -> sa.URL:
    """Return the parts of a database's address.

    Raises:
        SettingsError: It is no address, or of a database that is not known or has no driver here.
    """
    # The address may hold a password, so it is not repeated.
    try:
        parsed = sa.make_url(url)
        if parsed.get_backend_name() not in ("sqlite", "postgresql"):
            raise _wrong_url("names a database other than SQLite and Postgres")
        parsed.get_dialect().import_dbapi()
    except ImportError as error:
        raise _wrong_url(f"asks for the Python package {error.name}, which is not installed") from error
    except (sa.exc.ArgumentError, ValueError) as error:
        raise _wrong_url("is not the address of a database") from error
    return parsed


def _wrong_url(why: str) -> SettingsError:
    return SettingsError(
        f"STUDIO_DATABASE_URL {why}.",
        hint='Write it as postgresql+psycopg://user:password@host/database, after pip install "psycopg[binary]"; '
        "or leave it empty to keep everything in the workspace.",
    )


def make_engine(url: sa.URL) -> Engine:
    """Return an engine whose every connection is set up for safe concurrent use; nothing is opened yet."""
    if url.get_backend_name() != "sqlite":
        return sa.create_engine(url, pool_pre_ping=True, pool_size=20, connect_args={"connect_timeout": 5})
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S}, pool_size=20, max_overflow=40)

    @sa.event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        # The driver must not open transactions by itself, so that `begin` below decides their kind.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        # FULL: a vote that was acknowledged survives a power cut, not only a killed process.
        connection.execute("PRAGMA synchronous=FULL")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A reader needs no lock; a writer takes it at once, for a late upgrade fails without waiting.
        immediate = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def _explain(error: sa.exc.SQLAlchemyError) -> BackendError:
    """Translate a database error into one of ours, with a way out."""
    text = str(getattr(error, "orig", None) or error)
    if "disk is full" in text or "No space left" in text or "disk I/O error" in text:
        return WorkspaceError(
            f"The disk of the workspace cannot take more: {text}.",
            hint="Free some space and repeat the step; everything saved before is still there.",
        )
    if "readonly database" in text or "unable to open" in text:
        return WorkspaceError(
            f"The workspace cannot be written: {text}.",
            hint="Check the rights of the folder, or choose another with --workspace or STUDIO_WORKSPACE.",
        )
    if "file is not a database" in text or "malformed" in text:
        return WorkspaceError(
            f"The workspace's studio.db is damaged or is another kind of file: {text}.",
            hint="Move studio.db aside (do not delete it) and restore a copy, or choose another workspace.",
        )
    said = text.splitlines()[0] if text else type(error).__name__
    if not isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError | sa.exc.TimeoutError):
        return _unstorable(said)
    return BackendError(
        f"The database did not answer as expected: {said}.",
        hint="Check that the database is running and that STUDIO_DATABASE_URL is right, then repeat the step.",
    )


def _unstorable(said: str) -> UnstorableError:
    return UnstorableError(
        f"The database does not take a row: {said}.", hint="Leave that row out, and repeat the step; nothing of it was stored."
    )


def fields_of(record: Any) -> dict[str, Any]:
    """Return the fields of a record by name, not copied: `asdict` copies each, a third of the work of storing an answer."""
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


class Database:
    """Transactions, inserts and frames over one engine. Safe to share between threads; open one per process."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @property
    def url(self) -> str:
        """The database's URL without its password."""
        return self.engine.url.render_as_string(hide_password=True)

    def close(self) -> None:
        """Give back all connections."""
        self.engine.dispose()

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn database errors inside the block into BackendError."""
        try:
            yield
        except sa.exc.SQLAlchemyError as error:
            raise _explain(error) from error
        except (OverflowError, UnicodeError) as error:
            # SQLite's driver refuses a number or a text before the database sees it.
            raise _unstorable(str(error)) from error

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads."""
        with self.translated(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes: all of it is committed at the end, or none of it."""
        with self.translated(), self.engine.connect().execution_options(writes=True) as connection, connection.begin():
            yield connection

    def queue(self, connection: Connection, project: str) -> None:
        """Let nobody else who queues for this project write until the transaction ends; SQLite has one writer anyway."""
        if connection.dialect.name == "postgresql":
            connection.execute(_LOCK, {"project": project})

    def insert_missing(self, connection: Connection, table: sa.Table, rows: list[dict[str, Any]]) -> int:
        """Insert the rows whose key is not there yet; return how many were new."""
        if not rows:
            return 0
        if connection.dialect.name == "sqlite":
            return connection.execute(sqlite.insert(table).on_conflict_do_nothing(), rows).rowcount
        # The driver for Postgres does not count rows put in together, so each new one is asked to come back as a 1.
        insert = postgresql.insert(table).on_conflict_do_nothing()
        return len(connection.execute(insert.returning(sa.literal_column("1", sa.Integer)), rows).all())

    def add(self, table: sa.Table, project: str, records: Iterable[Any]) -> int:
        """Insert the records of a project that are not there yet; return how many were new."""
        with self.writing() as connection:
            return self.insert_missing(connection, table, self.rows(project, records))

    @staticmethod
    def rows(project: str, records: Iterable[Any], **more: object) -> list[dict[str, Any]]:
        """Return records as rows of a project's table."""
        return [{"project": project, **more} | fields_of(record) for record in records]

    def frame(self, query: sa.Select[Any]) -> pd.DataFrame:
        """Return the rows of a query."""
        with self.reading() as connection:
            result = connection.execute(query)
            names, rows = list(result.keys()), result.fetchall()
            # Column by column: told to take rows, pandas asks each of them what it is, and a million take twice as long.
            return pd.DataFrame(dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else None, columns=names)

    def plain_frame(self, query: sa.Select[Any]) -> pd.DataFrame:
        """Return the rows of a query of texts and numbers alone, as `frame` does, but a million of them in less memory.

        A part at a time becomes columns, so that there are never many rows, which Python's collector would go through.
        """
        with self.reading() as connection:
            result = connection.execute(query)
            names = list(result.keys())
            parts = [
                pa.table(dict(zip(names, zip(*rows, strict=True), strict=True))) for rows in result.partitions(_ROWS_AT_ONCE)
            ]
        return pa.concat_tables(parts, promote_options="permissive").to_pandas() if parts else pd.DataFrame(columns=names)
