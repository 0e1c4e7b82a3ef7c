"""The models of this library: recorded when a worker starts with one, listed, made active.

Knows manifests and rows; loads no network.
"""

from collections.abc import Callable
from pathlib import Path

from app.db import models as rows
from app.db.session import Database
from app.domain.cursors import is_storable
from app.domain.library import ModelRecord
from app.errors import ArtifactError, Conflict, ModelNotFound
from models.artifact import Artifact, BadArtifactError, load_artifact
from models.manifest import Manifest


class ModelService:
    """What can be done with models.

    Args:
        database: Where they are recorded.
        load: Opens the artifact in a folder and checks that it is whole.
        default_path: The artifact that is used while none was activated.
    """

    def __init__(
        self,
        database: Database,
        load: Callable[[Path], Artifact] = load_artifact,
        default_path: Path | None = None,
    ) -> None:
        self._database = database
        self._load = load
        self._default_path = default_path
        self._manifests: dict[str, Manifest] = {}

    def record(self, artifact: Artifact) -> ModelRecord:
        """Remember a model, so that score rows it gives can be read after it is replaced.

        Raises:
            ArtifactError: Another model with other tags has this name: rows of the two could not
                be told apart. Nothing was changed.
        """
        manifest = artifact.manifest
        with self._database.session(write=True) as session:
            known = rows.find_model(session, manifest.version)
            if known is not None and known.manifest.tags != manifest.tags:
                raise ArtifactError(
                    f"{artifact.path}: this library knows another model named {manifest.version!r} "
                    "with other tags; publish this one under a new version"
                )
            rows.store_model(session, str(artifact.path.absolute()), manifest)
            found = rows.find_model(session, manifest.version)
        if found is None:
            raise RuntimeError("a model that was just stored is not there")
        self._manifests.pop(manifest.version, None)
        return found

    def list(self) -> list[ModelRecord]:
        """Return all models that this library has met, the newest first."""
        with self._database.session() as session:
            return rows.list_models(session)

    def get(self, version: str) -> ModelRecord:
        """Return one model.

        Raises:
            ModelNotFound: No model has this version.
        """
        found = None
        if is_storable(version):
            with self._database.session() as session:
                found = rows.find_model(session, version)
        if found is None:
            raise ModelNotFound(f"no model is called {version!r}")
        return found

    def active(self) -> ModelRecord | None:
        """Return the model that was activated; None means the one the settings name."""
        with self._database.session() as session:
            return rows.active_model(session)

    def current(self) -> Manifest | None:
        """Return what the model for new analyses says of itself; None where there is none.

        It is the one that was activated, else the one that the settings name.
        """
        active = self.active()
        if active is not None:
            return active.manifest
        if self._default_path is None:
            return None
        try:
            return load_artifact(self._default_path, verify=False).manifest
        except BadArtifactError:
            return None

    def activate(self, version: str) -> ModelRecord:
        """Make a model the one for new analyses; see `ModelPublisher.activate` for all checks.

        Raises:
            ModelNotFound: No model has this version.
            Conflict: Its files are gone or damaged. The active model stays.
        """
        model = self.get(version)
        try:
            self._load(Path(model.path))
        except BadArtifactError as exc:
            raise Conflict(f"the model {version!r} cannot be loaded: {exc}") from exc
        with self._database.session(write=True) as session:
            rows.activate_model(session, version)
        return self.get(version)

    def manifest_of(self, version: str | None) -> Manifest | None:
        """Return what a model that scored films said of itself; None where it is not known."""
        if version is None:
            return None
        if version not in self._manifests:
            try:
                self._manifests[version] = self.get(version).manifest
            except ModelNotFound:
                return None
        return self._manifests[version]
