"""What tests of several folders share: a real PostgreSQL, fresh databases, the object stores."""

import contextlib
import os
import pwd
import shutil
import socket
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import event, text

from app.db.session import Database
from app.db.tables import Table

SERVER_USERS = ("postgres", "nobody")
"""Whom PostgreSQL may run as when the tests run as root, which it refuses."""

START_S = "60"


NOT_TESTED = "NOT TESTED ON POSTGRESQL"

REQUIRED = "REELTAG_TEST_POSTGRES_REQUIRED"
"""Set on machines that must have PostgreSQL: there its absence is a failure."""


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = {str(report.longrepr[2]) for report in skipped if isinstance(report.longrepr, tuple)}
    for reason in sorted(reason for reason in reasons if NOT_TESTED in reason):
        terminalreporter.section("LOOK HERE", red=True, bold=True)
        terminalreporter.line(reason, red=True, bold=True)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an empty PostgreSQL server of this test session, without a database name."""
    programs = _find_programs()
    if programs is None:
        _skip("initdb and pg_ctl are neither on PATH nor under /usr/lib/postgresql/*/bin")
    user = _server_user()
    if user is None:
        _skip(f"the tests run as root and none of {SERVER_USERS} exists to run PostgreSQL as")
    folder = Path(tempfile.mkdtemp(prefix="reeltag-pg-"))  # short: a socket's path is limited
    try:
        yield from _serve(programs, folder, user)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _serve(programs: Path, folder: Path, user: str) -> Iterator[str]:
    if os.geteuid() == 0:
        shutil.chown(folder, user)
    data = folder / "data"
    _run_as(user, [programs / "initdb", "-D", data, "-U", "reeltag", "-A", "trust", "-E", "UTF8",
                   "--no-sync", "--locale=C"])  # fmt: skip
    port = _free_port()
    options = (
        f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off -c full_page_writes=off "
        "-c synchronous_commit=off -c max_connections=200 -c shared_buffers=64MB"
    )
    log = folder / "log"
    _run_as(user, [programs / "pg_ctl", "-D", data, "-l", log, "-w", "-t", START_S, "-o", options,
                   "start"])  # fmt: skip
    try:
        yield f"postgresql+psycopg://reeltag@127.0.0.1:{port}"
    finally:
        _run_as(user, [programs / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop"])


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """Address of an empty PostgreSQL database of this test."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(_plain(postgres_server), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield f"{postgres_server}/{name}"
    with psycopg.connect(_plain(postgres_server), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of an empty database: the test runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'library' / 'reeltag.sqlite3'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture(scope="session")
def _sqlite_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("library") / "empty.sqlite3"
    database = Database(f"sqlite:///{path}")
    database.migrate()
    database.dispose()  # the last connection writes all into the one file
    return path


def _trust_the_power(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA synchronous = OFF")  # a test's data need not outlive a power cut


@pytest.fixture(scope="session")
def _postgres_library(postgres_server: str) -> Iterator[Database]:
    url = f"{postgres_server}/library"
    with psycopg.connect(_plain(postgres_server), autocommit=True) as connection:
        connection.execute("CREATE DATABASE library")
    database = Database(url)
    database.migrate()
    yield database
    database.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database with this version's tables and nothing in them; do not change the tables."""
    if request.param == "sqlite":
        path = tmp_path / "library" / "reeltag.sqlite3"
        path.parent.mkdir()
        shutil.copyfile(request.getfixturevalue("_sqlite_library"), path)
        database = Database(f"sqlite:///{path}")
        event.listen(database.engine, "connect", _trust_the_power)
        yield database
        database.dispose()
        return
    database = request.getfixturevalue("_postgres_library")
    with database.session(write=True) as session:
        for table in Table.metadata.sorted_tables:
            session.execute(text(f"TRUNCATE {table.name} CASCADE"))
    yield database


def _plain(server: str) -> str:
    return server.replace("+psycopg", "") + "/postgres"


def _find_programs() -> Path | None:
    on_path = shutil.which("initdb")
    found = [Path(on_path).resolve().parent] if on_path else []
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    wanted = ("initdb", "pg_ctl", "postgres")
    return next((at for at in found if all((at / name).is_file() for name in wanted)), None)


def _server_user() -> str | None:
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    for name in SERVER_USERS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    return None


def _run_as(user: str, command: list[str | Path]) -> None:
    account = pwd.getpwnam(user)
    root = os.geteuid() == 0
    done = subprocess.run(
        [str(part) for part in command],
        user=account.pw_uid if root else None,
        group=account.pw_gid if root else None,
        extra_groups=[] if root else None,
        cwd="/",
        env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # the server keeps it open: reading to its end would never end
        stderr=subprocess.DEVNULL,
        timeout=120,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed with {done.returncode}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _skip(reason: str) -> NoReturn:
    if os.environ.get(REQUIRED):
        pytest.fail(f"{NOT_TESTED}: {reason}")
    pytest.skip(f"{NOT_TESTED}: {reason}")
