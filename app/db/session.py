"""The database: one engine, short sessions, errors that callers understand.

Knows SQLite and PostgreSQL and how each locks; knows no table. Writers on SQLite take their lock at
the start of the transaction, so that none of them finds the file changed under its feet.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import InterfaceError as SqlInterfaceError
from sqlalchemy.exc import OperationalError as SqlOperationalError
from sqlalchemy.exc import TimeoutError as SqlTimeoutError
from sqlalchemy.orm import Session, sessionmaker

from app.db import migrating
from app.errors import DatabaseUnavailable, DiskFull, OperationalError

BUSY_TIMEOUT_MS = 30_000
"""How long a SQLite writer waits for another one."""

CONNECT_TIMEOUT_S = 5
"""How long a connection to PostgreSQL may take; a request must not hang on it."""

WRITES = "reeltag_writes"
"""Execution option of transactions that write."""

PG_DISK_FULL = "53100"
"""Source: PostgreSQL documentation, appendix A, class 53."""

UNAVAILABLE = (SqlOperationalError, SqlInterfaceError, SqlTimeoutError)
"""What SQLAlchemy raises where the database does not answer, is locked or was restarted."""


def database_error(error: SQLAlchemyError) -> OperationalError | None:
    """Return what `error` means to a caller, None where it is a mistake of ours."""
    cause = error.orig if isinstance(error, DBAPIError) else None
    if getattr(cause, "sqlstate", None) == PG_DISK_FULL or "disk is full" in str(cause):
        return DiskFull("the database has no space left")
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return DatabaseUnavailable("the connection to the database was lost")
    if isinstance(error, UNAVAILABLE):
        return DatabaseUnavailable(f"the database does not answer: {cause or error}")
    return None


class Database:
    """One database; safe from any thread.

    Args:
        url: ``sqlite:///PATH`` or ``postgresql+psycopg://...``.
    """

    def __init__(self, url: str) -> None:
        self.url = _normal(make_url(url))
        self.engine = _engine(self.url)
        self._readers = sessionmaker(self.engine, expire_on_commit=False)
        self._writers = sessionmaker(
            self.engine.execution_options(**{WRITES: True}), expire_on_commit=False
        )

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the embedded default."""
        return self.url.get_backend_name() == "sqlite"

    @contextmanager
    def session(self, *, write: bool = False) -> Iterator[Session]:
        """Give one transaction: committed at the end of the context, rolled back on any error.

        Args:
            write: Whether rows will be changed; on SQLite such transactions run one after another.

        Raises:
            DatabaseUnavailable: The database does not answer. Nothing was changed, or, where the
                connection was lost while committing, perhaps all of it was.
            DiskFull: No space is left. Nothing was changed.
        """
        with self._mapped_errors(), (self._writers if write else self._readers).begin() as session:
            yield session

    def migrate(self) -> None:
        """Bring the tables to this version's form; several processes may try at once.

        Raises:
            DatabaseUnavailable: The database does not answer. The tables are as they were.
        """
        with self._mapped_errors():
            migrating.upgrade(self.engine.execution_options(**{WRITES: True}))

    def is_current(self) -> bool:
        """Whether the tables have this version's form.

        Raises:
            DatabaseUnavailable: The database does not answer.
        """
        with self._mapped_errors():
            return migrating.is_current(self.engine)

    def check(self) -> None:
        """Raise `DatabaseUnavailable` where the database does not answer now."""
        with self.session() as session:
            session.execute(text("SELECT 1"))

    def dispose(self) -> None:
        """Close all idle connections."""
        self.engine.dispose()

    @contextmanager
    def _mapped_errors(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as exc:
            mapped = database_error(exc)
            if mapped is None:
                raise
            raise mapped from exc


def _normal(url: URL) -> URL:
    """Name the driver, so that the same URL means the same on every SQLAlchemy."""
    backend = url.get_backend_name()
    if backend in {"postgresql", "postgres"}:
        return url.set(drivername="postgresql+psycopg")
    if backend == "sqlite" and url.database not in {None, "", ":memory:"}:
        return url.set(drivername="sqlite+pysqlite")
    raise ValueError(
        "the database is sqlite:///PATH or postgresql+psycopg://..., "
        f"not {url.render_as_string(hide_password=True)}"
    )


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(
            url, pool_size=10, max_overflow=30, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000}
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    return create_engine(
        url,
        pool_size=10,
        max_overflow=30,
        pool_pre_ping=True,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_S, "application_name": "reeltag"},
    )


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # we begin transactions ourselves, see _begin_sqlite
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA foreign_keys = ON")
    # a commit is on the disk when it returns, also after a power cut
    cursor.execute("PRAGMA synchronous = FULL")
    _switch_to_wal(cursor)
    cursor.close()


def _switch_to_wal(cursor: sqlite3.Cursor) -> None:
    """Let readers and a writer work at once; the very first switch does not wait by itself."""
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as exc:
            if "locked" not in str(exc) or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _begin_sqlite(connection: Connection) -> None:
    options: dict[str, Any] = dict(connection.get_execution_options())
    connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get(WRITES) else "BEGIN")
