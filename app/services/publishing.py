"""Models on their way into use: taken into the library, compared, made the active one.

Nothing becomes active that this version cannot read, whose files are not whole or whose network
is not what its manifest says. Knows no engine: it is told how to try a network out.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.domain.comparison import Comparison, compare
from app.domain.library import ModelRecord
from app.errors import ArtifactError, Conflict, ModelNotFound
from app.ports import ObjectStore
from app.services.model_store import ModelStore, seal_of
from app.services.models import ModelService
from models.artifact import METRICS_FILE, Artifact, BadArtifactError, load_artifact
from models.manifest import Manifest
from models.vocabulary import TAGS


class ModelPublisher:
    """Takes models into the library and activates them.

    Args:
        models: The models' records.
        storage: Shared by all machines; artifacts lie under ``models/``.
        folder: Where this machine keeps its copies.
        try_out: Runs an artifact's network once; raises `ArtifactError` where it does not fit.
    """

    def __init__(
        self,
        models: ModelService,
        storage: ObjectStore,
        folder: Path,
        try_out: Callable[[Artifact], None] = lambda artifact: None,
    ) -> None:
        self._models = models
        self._store = ModelStore(storage, folder)
        self._try_out = try_out

    def add(self, path: Path) -> tuple[ModelRecord, bool]:
        """Take the artifact in `path` into the library; the folder is not needed afterwards.

        Returns:
            The model, and whether the library did not have it before.

        Raises:
            ArtifactError: It is not whole, or this version does not understand it.
            Conflict: The library has another model of this version.
            OperationalError: Storage or database is away.
        """
        artifact = _open(path)
        require_words(artifact.manifest)
        known = self._known(artifact)
        is_new = not self._store.has(artifact.version)
        copy = self._store.put(artifact)
        if known is not None and not is_new and Path(known.path) == copy.path.absolute():
            return known, False
        return self._models.record(copy), is_new

    def activate(self, version: str) -> ModelRecord:
        """Make a model the one for new analyses; running workers take it up by themselves.

        Raises:
            ModelNotFound: No model has this version.
            Conflict: It cannot be used; the message says why. The active model stays.
            OperationalError: Storage or database is away.
        """
        record = self._models.get(version)
        try:
            artifact = self.open(record)
            require_words(artifact.manifest)
            if artifact.manifest != record.manifest:
                raise ArtifactError(f"{artifact.path} holds another model than the library knows")
            self._try_out(artifact)
        except ArtifactError as exc:
            raise Conflict(f"the model {version!r} cannot be used: {exc}") from exc
        self._models.record(self._store.put(artifact))  # other machines must find it too
        return self._models.activate(version)

    def open(self, record: ModelRecord) -> Artifact:
        """Return a model's artifact on this machine, whole.

        It is the copy in the storage; a model that a worker brought along, and that was never
        added, is where that worker found it.

        Raises:
            ArtifactError: It is damaged, or nowhere to be found.
            OperationalError: The storage is away.
        """
        if self._store.has(record.version):
            return self._store.fetch(record.version)
        return _open(Path(record.path))

    def compare(self, before: str, after: str) -> Comparison:
        """Compare two models by the figures that were measured when they were made.

        Args:
            before: Version of a model, or the folder of an artifact that is not added yet.
            after: The same; gains are those of this one.

        Raises:
            ModelNotFound: There is neither such a model nor such a folder.
            ArtifactError: An artifact cannot be read.
        """
        one, other = self._find(before), self._find(after)
        tags = one.manifest.tags, other.manifest.tags
        return compare(_metrics(one), _metrics(other), *tags)

    def _find(self, name: str) -> Artifact:
        try:
            return self.open(self._models.get(name))
        except ModelNotFound:
            if Path(name).is_dir():
                return _open(Path(name))
            raise

    def _known(self, artifact: Artifact) -> ModelRecord | None:
        """Return the record of this model; refuse one that only has its name."""
        try:
            record = self._models.get(artifact.version)
        except ModelNotFound:
            return None
        same = record.manifest == artifact.manifest
        if same and Path(record.path).is_dir() and not self._store.has(artifact.version):
            same = seal_of(Path(record.path)) == seal_of(artifact.path)
        if not same:
            raise Conflict(
                f"this library has another model named {artifact.version!r}; "
                "publish this one under a new version"
            )
        return record


def require_words(manifest: Manifest) -> None:
    """Refuse a model that speaks of tags this version does not know.

    Raises:
        ArtifactError: Its vocabulary has other words.
    """
    strangers = [tag for tag in (*manifest.vocabulary, *manifest.tags) if tag not in TAGS]
    if strangers:
        words = ", ".join(dict.fromkeys(strangers))
        raise ArtifactError(f"its vocabulary has words that are not understood: {words}")


def _open(path: Path) -> Artifact:
    try:
        return load_artifact(path)
    except BadArtifactError as exc:
        raise ArtifactError(str(exc)) from exc


def _metrics(artifact: Artifact) -> dict[str, Any]:
    try:
        found = json.loads(artifact.file(METRICS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise ArtifactError(f"{artifact.file(METRICS_FILE)} cannot be read: {exc}") from exc
    if not isinstance(found, dict):
        raise ArtifactError(f"{artifact.file(METRICS_FILE)} holds no figures by name")
    return found
