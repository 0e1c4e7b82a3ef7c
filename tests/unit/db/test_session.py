"""Errors of the database, and how SQLite is opened. Files only, no server."""

import threading
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import (
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as SqlTimeoutError

from app.db.session import Database, database_error
from app.errors import DatabaseUnavailable, DiskFull


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database(f"sqlite:///{tmp_path / 'deep' / 'down' / 'a.sqlite3'}")
    with database.session(write=True) as session:
        session.execute(text("CREATE TABLE things (name TEXT UNIQUE)"))
    return database


class PgError(Exception):
    def __init__(self, sqlstate: str) -> None:
        super().__init__("no space")
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (OperationalError("SELECT 1", {}, Exception("connection refused")), DatabaseUnavailable),
        (OperationalError("SELECT 1", {}, Exception("database is locked")), DatabaseUnavailable),
        (OperationalError("x", {}, Exception("database or disk is full")), DiskFull),
        (OperationalError("x", {}, PgError("53100")), DiskFull),
        (OperationalError("x", {}, psycopg.errors.DeadlockDetected("x")), DatabaseUnavailable),
        (InterfaceError("x", {}, Exception("connection already closed")), DatabaseUnavailable),
        (DBAPIError("x", {}, Exception("eof"), connection_invalidated=True), DatabaseUnavailable),
        (SqlTimeoutError("QueuePool limit reached"), DatabaseUnavailable),
        (IntegrityError("x", {}, Exception("UNIQUE")), None),
        (ProgrammingError("x", {}, Exception("syntax")), None),
    ],
    ids=["refused", "locked", "sqlite full", "postgres full", "deadlock", "closed", "lost",
         "pool", "our unique", "our syntax"],
)  # fmt: skip
def test_error_of_the_library_is_mapped(error: Exception, wanted: type[Exception] | None) -> None:
    found = database_error(error)  # type: ignore[arg-type]
    assert type(found) is (wanted or type(None))


def test_session_commits_at_its_end_and_rolls_back_on_error(database: Database) -> None:
    with database.session(write=True) as session:
        session.execute(text("INSERT INTO things VALUES ('kept')"))

    def fail() -> None:
        with database.session(write=True) as session:
            session.execute(text("INSERT INTO things VALUES ('lost')"))
            raise KeyError("no")

    with pytest.raises(KeyError):
        fail()
    with database.session() as session:
        assert session.scalars(text("SELECT name FROM things")).all() == ["kept"]


def test_mistake_of_ours_is_not_called_an_outage(database: Database) -> None:
    def twice() -> None:
        with database.session(write=True) as session:
            session.execute(text("INSERT INTO things VALUES ('a'), ('a')"))

    with pytest.raises(IntegrityError):
        twice()


def test_writers_wait_for_each_other_from_their_first_statement(database: Database) -> None:
    inside, leave = threading.Event(), threading.Event()

    def first() -> None:
        with database.session(write=True) as session:
            session.execute(text("SELECT 1"))
            inside.set()
            leave.wait(10)
            session.execute(text("INSERT INTO things VALUES ('first')"))

    writer = threading.Thread(target=first)
    writer.start()
    assert inside.wait(10)
    threading.Timer(0.2, leave.set).start()
    with database.session(write=True) as session:  # a late lock would make one of the two fail
        assert session.scalars(text("SELECT name FROM things")).all() == ["first"]
        session.execute(text("INSERT INTO things VALUES ('second')"))
    writer.join()


def test_readers_do_not_wait_for_a_writer(database: Database) -> None:
    with database.session(write=True) as writer:
        writer.execute(text("INSERT INTO things VALUES ('a')"))
        with database.session() as reader:
            assert reader.scalars(text("SELECT name FROM things")).all() == []


def test_many_first_connections_at_once_all_get_through(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.sqlite3'}"
    errors: list[Exception] = []
    start = threading.Barrier(12)

    def connect() -> None:
        start.wait()
        try:
            database = Database(url)
            database.check()
            database.dispose()
        except Exception as exc:
            errors.append(exc)

    threads = [threading.Thread(target=connect) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://localhost/x"])
def test_database_that_processes_cannot_share_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="sqlite:///PATH"):
        Database(url)


def test_password_is_not_shown_in_the_refusal() -> None:
    with pytest.raises(ValueError, match="sqlite:///PATH") as refusal:
        Database("mysql://me:secret@localhost/x")
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg", "postgresql+psycopg2"])
def test_postgresql_is_reached_by_the_one_driver(scheme: str) -> None:
    database = Database(f"{scheme}://reeltag@localhost/library")
    assert database.url.drivername == "postgresql+psycopg"
    assert database.engine.driver == "psycopg"


def test_server_that_is_away_is_named() -> None:
    database = Database("postgresql+psycopg://reeltag@127.0.0.1:1/library")
    with pytest.raises(DatabaseUnavailable):
        database.check()
    with pytest.raises(DatabaseUnavailable):
        database.is_current()
    with pytest.raises(DatabaseUnavailable):
        database.migrate()
