import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

import migrations
from app.db import migrating
from app.db.session import Database
from app.db.tables import Table
from app.db.verdicts import load_all_verdicts, store_verdict
from app.domain.library import Verdict
from app.domain.verdicts import WHOLE_FILM, Target


@pytest.fixture
def migrated(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    database.migrate()
    yield database
    database.dispose()


def test_migrated_database_is_the_one_in_tables(migrated: Database) -> None:
    with migrated.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Table.metadata) == []


def test_migrated_database_has_the_keys_and_names_of_tables(migrated: Database) -> None:
    by_migration = _form(migrated)
    Table.metadata.drop_all(migrated.engine)
    Table.metadata.create_all(migrated.engine)
    assert by_migration == _form(migrated)


def _form(database: Database) -> dict[str, object]:
    """What Alembic does not compare: keys, their names, what a deletion takes along."""
    found = inspect(database.engine)
    return {
        table: (
            found.get_pk_constraint(table)["constrained_columns"],
            found.get_pk_constraint(table)["name"],
            sorted(
                (key["name"], key["constrained_columns"], key["referred_table"], key["options"])
                for key in found.get_foreign_keys(table)
            ),
            sorted(
                (str(u["name"]), u["column_names"]) for u in found.get_unique_constraints(table)
            ),
            sorted((str(i["name"]), i["column_names"]) for i in found.get_indexes(table)),
            [(c["name"], str(c["type"]), c["nullable"]) for c in found.get_columns(table)],
        )
        for table in Table.metadata.tables
    }


def test_database_is_current_only_after_migration(database_url: str) -> None:
    database = Database(database_url)
    assert not database.is_current()
    database.migrate()
    assert database.is_current()
    database.migrate()
    assert database.is_current()
    database.dispose()


def test_several_processes_may_migrate_at_once(database_url: str) -> None:
    databases = [Database(database_url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(Database.migrate, databases))
    assert all(database.is_current() for database in databases)
    for database in databases:
        database.dispose()


def test_failing_migration_leaves_the_tables_as_they_were(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(database_url)
    real = command.upgrade

    def half_way(*args: object) -> None:
        real(*args)  # type: ignore[arg-type]
        raise RuntimeError("the power went")

    monkeypatch.setattr(migrating.command, "upgrade", half_way)
    with pytest.raises(RuntimeError, match="power"):
        database.migrate()
    assert inspect(database.engine).get_table_names() == []
    monkeypatch.undo()
    database.migrate()
    assert database.is_current()
    database.dispose()


def test_migration_can_be_taken_back_and_done_again(migrated: Database) -> None:
    with migrated.engine.begin() as connection:
        settings = migrating.config()
        settings.attributes["connection"] = connection
        command.downgrade(settings, "base")
    assert not migrated.is_current()
    assert set(inspect(migrated.engine).get_table_names()) <= {"alembic_version"}
    migrated.migrate()
    assert migrated.is_current()


def test_tables_of_the_job_queue_are_left_alone_by_autogenerate(migrated: Database) -> None:
    with migrated.engine.begin() as connection:
        connection.execute(text("CREATE TABLE workflow_status (id INTEGER PRIMARY KEY)"))
    with migrated.engine.connect() as connection:
        settings = migrating.config()
        settings.attributes["connection"] = connection
        command.check(settings)


def test_sqlite_checks_references_again_after_a_migration(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'a.sqlite3'}")
    database.migrate()
    with database.engine.connect() as connection:
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA busy_timeout")).scalar() == 30_000
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
    database.dispose()


def test_person_in_a_shell_can_migrate(database_url: str) -> None:
    ini = Path(migrations.__file__).with_name("alembic.ini")
    call = [sys.executable, "-m", "alembic", "-c", ini, "-x", f"url={database_url}"]
    subprocess.run([*call, "upgrade", "head"], check=True, timeout=120)
    database = Database(database_url)
    assert database.is_current()
    database.dispose()
    subprocess.run([*call, "check"], check=True, timeout=120)


def test_verdicts_of_the_first_version_are_kept(database_url: str) -> None:
    database = Database(database_url)
    moment = "'2026-11-01 10:00:00+00:00'" if "postgres" in database_url else "'2026-11-01 10:00'"
    with database.engine.begin() as connection:
        settings = migrating.config()
        settings.attributes["connection"] = connection
        command.upgrade(settings, "0001")
        connection.execute(text(
            "INSERT INTO films (id, sha256, title, filename, size_bytes, source_key, sampling, "
            "status, stage, progress, run, warnings, created_at, updated_at) VALUES "
            f"('f1', 'x', 'A', 'a', 1, 'k', 'shots', 'done', 'finished', 1, 1, '[]', {moment}, "
            f"{moment})"
        ))  # fmt: skip
        connection.execute(text(f"INSERT INTO verdicts VALUES ('f1', 'War', 'rejected', {moment})"))
    database.migrate()
    with database.session(write=True) as session:
        (kept,) = load_all_verdicts(session, "f1")
        assert (kept.tag, kept.verdict, kept.target) == ("War", Verdict.REJECTED, WHOLE_FILM)
        assert kept.created_at == datetime(2026, 11, 1, 10, tzinfo=UTC)
        later = store_verdict(session, "f1", "War", Verdict.ACCEPTED, Target.segment(1.5, 2.5))
        assert later is not None
        assert later.id > kept.id
    with database.engine.begin() as connection:
        settings.attributes["connection"] = connection
        command.downgrade(settings, "0001")
        rows = connection.execute(text("SELECT film_id, tag, verdict FROM verdicts")).all()
    assert rows == [("f1", "War", "rejected")]
    database.dispose()
