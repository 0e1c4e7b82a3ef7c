"""Brings the tables to this version's form by the scripts of the `migrations` package.

Runs Alembic inside the process, from a checkout or an installed package alike. Knows no table.
"""

from importlib import resources

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

ADVISORY_LOCK = 0x7265656C746167
"""PostgreSQL's lock for migrations: the word reeltag in ASCII."""


def config() -> Config:
    """Return Alembic's configuration for the scripts of this version."""
    found = Config()
    found.set_main_option("script_location", str(resources.files("migrations")).replace("%", "%%"))
    return found


def upgrade(engine: Engine) -> None:
    """Run all scripts that the database has not seen, in one transaction and under a lock.

    Args:
        engine: Its transactions take the write lock at their start, where that matters (SQLite).

    Raises:
        sqlalchemy.exc.SQLAlchemyError: A script failed. The tables are as they were.
    """
    with engine.connect() as connection:
        sqlite = connection.dialect.name == "sqlite"
        if sqlite:
            _set_foreign_keys(connection, on=False)  # rebuilding a table must not empty others
        try:
            with connection.begin():
                if not sqlite:
                    connection.execute(text(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"))
                settings = config()
                settings.attributes["connection"] = connection
                command.upgrade(settings, "head")
                if sqlite:
                    _require_whole_references(connection)
        finally:
            if sqlite:
                _set_foreign_keys(connection, on=True)


def is_current(engine: Engine) -> bool:
    """Whether the database has seen exactly the scripts of this version."""
    wanted = set(ScriptDirectory.from_config(config()).get_heads())
    with engine.connect() as connection:
        return set(MigrationContext.configure(connection).get_current_heads()) == wanted


def _set_foreign_keys(connection: Connection, *, on: bool) -> None:
    """SQLite ignores this pragma inside a transaction, so it goes past SQLAlchemy."""
    driver = connection.connection.driver_connection
    if driver is None:
        raise RuntimeError("the connection is closed")
    driver.execute(f"PRAGMA foreign_keys = {'ON' if on else 'OFF'}")


def _require_whole_references(connection: Connection) -> None:
    broken = connection.execute(text("PRAGMA foreign_key_check")).all()
    if broken:
        raise RuntimeError(f"a migration left rows without their parent: {broken[:5]}")
