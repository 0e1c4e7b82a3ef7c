"""Queries over the models that the library knows.

A model is recorded when a worker starts with it, so score rows stay readable after a change of
model: the manifest says which tag stands where in a row. Never commits.
"""

from datetime import UTC, datetime

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from app.db.tables import ModelRow
from app.domain.library import ModelRecord
from models.manifest import Manifest


def find_model(session: Session, version: str) -> ModelRecord | None:
    """Return the model of this name."""
    row = session.get(ModelRow, version, populate_existing=True)
    return None if row is None else _record_of(row)


def active_model(session: Session) -> ModelRecord | None:
    """Return the model that was activated, None where none was."""
    row = session.scalar(select(ModelRow).where(ModelRow.active.is_(True)))
    return None if row is None else _record_of(row)


def list_models(session: Session) -> list[ModelRecord]:
    """Return all models, the newest first."""
    rows = session.scalars(select(ModelRow).order_by(ModelRow.added_at.desc(), ModelRow.version))
    return [_record_of(row) for row in rows]


def store_model(session: Session, path: str, manifest: Manifest) -> None:
    """Record a model, or where it lies now if it is known."""
    known = session.get(ModelRow, manifest.version, with_for_update=True)
    if known is not None:
        known.path = path
        known.manifest = manifest.model_dump(mode="json")
        session.flush()
        return
    session.execute(
        insert(ModelRow).values(
            version=manifest.version,
            path=path,
            manifest=manifest.model_dump(mode="json"),
            active=False,
            added_at=datetime.now(UTC),
        )
    )


def activate_model(session: Session, version: str) -> None:
    """Make this model the active one and no other."""
    statement = update(ModelRow).values(active=ModelRow.version == version)
    session.execute(statement, execution_options={"synchronize_session": False})


def _record_of(row: ModelRow) -> ModelRecord:
    manifest = Manifest.model_validate(row.manifest)
    return ModelRecord(row.version, row.path, manifest, row.active, row.added_at)
