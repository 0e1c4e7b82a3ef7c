"""Runs the migration scripts: for the service in its own connection, for a person from a shell.

In a shell `alembic -c migrations/alembic.ini upgrade head` (or `revision --autogenerate`) takes the
database from ``-x url=...`` or from the settings.
"""

from alembic import context
from sqlalchemy import Connection

from app.db.tables import Table


def run_in(connection: Connection) -> None:
    """Run the scripts within the transaction of `connection`, all of them or none."""
    context.configure(
        connection=connection,
        target_metadata=Table.metadata,
        transactional_ddl=True,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
        include_name=_is_ours,
    )
    with context.begin_transaction():
        context.run_migrations()


def _is_ours(name: str | None, kind: str, _parents: object) -> bool:
    """The job queue keeps its tables in the same database; they are not ours to change."""
    return kind != "table" or name in Table.metadata.tables


def _run_from_shell() -> None:
    from app.config import Settings
    from app.db.session import Database

    url = context.get_x_argument(as_dictionary=True).get("url")
    database = Database(url or Settings().resolved_database_url)
    try:
        with database.engine.connect() as connection, connection.begin():
            run_in(connection)
    finally:
        database.dispose()


if context.is_offline_mode():
    raise SystemExit("scripts look at the database they change: run them with a connection")
given = context.config.attributes.get("connection")
if given is None:
    _run_from_shell()
else:
    run_in(given)
