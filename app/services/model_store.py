"""Artifacts in the library's own hands: a copy in the storage, and one on each machine.

The storage's copy is what all workers share; a worker runs the copy on its own disk, made when it
is first needed and checked file by file. Knows files and checksums; not which model is used.
"""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.errors import ArtifactError, Conflict, NotFound, disk_errors
from app.ports import ObjectStore
from models.artifact import CHECKSUMS_FILE, Artifact, BadArtifactError, load_artifact

PREFIX = "models/"


class ModelStore:
    """Keeps artifacts by their version, which stands for one content for ever.

    Args:
        storage: Shared by all machines.
        folder: On this machine; made when needed.
    """

    def __init__(self, storage: ObjectStore, folder: Path) -> None:
        self._storage = storage
        self._folder = folder

    def path_of(self, version: str) -> Path:
        """Return where this machine's copy of a model lies, or will lie."""
        return self._folder / version

    def put(self, artifact: Artifact) -> Artifact:
        """Copy an artifact into the library; the same content again changes nothing.

        The list of checksums is stored last: without it a model counts as not there, so a copy
        that was interrupted is made again.

        Args:
            artifact: Verified.

        Returns:
            This machine's copy.

        Raises:
            Conflict: Another content has this version. Nothing was changed.
            OperationalError: The storage is away, or the disk full.
        """
        names = sealed_files(artifact.path)
        self._require_same(artifact)
        if not self._is_stored(artifact, names):
            with self._staged() as staging:
                for name in (*names, CHECKSUMS_FILE):
                    with disk_errors():
                        shutil.copyfile(artifact.path / name, staging / name)
                    self._storage.put_file(_key(artifact.version, name), staging / name)
        if not self._is_here(artifact.version):
            with self._staged() as staging:
                with disk_errors():
                    for name in (*names, CHECKSUMS_FILE):
                        shutil.copyfile(artifact.path / name, staging / name)
                self._place(staging, artifact.version)
        return Artifact(self.path_of(artifact.version), artifact.manifest)

    def fetch(self, version: str) -> Artifact:
        """Return this machine's copy of a model, downloaded where it is missing or damaged.

        Raises:
            ArtifactError: The storage has no such model, or a damaged one.
            OperationalError: The storage is away, or the disk full.
        """
        if self._is_here(version):
            return load_artifact(self.path_of(version), verify=False)
        with self._staged() as staging:
            try:
                seal = self._storage.get_bytes(_key(version, CHECKSUMS_FILE))
                with disk_errors():
                    (staging / CHECKSUMS_FILE).write_bytes(seal)
                for name in sealed_files(staging):
                    with (
                        self._storage.open(_key(version, name)) as source,
                        disk_errors(),
                        (staging / name).open("wb") as target,
                    ):
                        shutil.copyfileobj(source, target)
                load_artifact(staging)
            except (NotFound, BadArtifactError) as exc:
                raise ArtifactError(f"the library's copy of {version!r}: {exc}") from exc
            self._place(staging, version)
        return load_artifact(self.path_of(version), verify=False)

    def has(self, version: str) -> bool:
        """Whether the storage holds this model."""
        return self._storage.size(_key(version, CHECKSUMS_FILE)) is not None

    def _require_same(self, artifact: Artifact) -> None:
        mine = seal_of(artifact.path)
        stored = self._stored_seal(artifact.version)
        here = self.path_of(artifact.version)
        known = [stored] if stored is not None else []
        if self._is_here(artifact.version):
            known.append(seal_of(here))
        if any(other != mine for other in known):
            raise Conflict(
                f"this library has another model named {artifact.version!r}; "
                "publish this one under a new version"
            )

    def _is_stored(self, artifact: Artifact, names: list[str]) -> bool:
        return all(
            self._storage.size(_key(artifact.version, name)) == artifact.file(name).stat().st_size
            for name in (*names, CHECKSUMS_FILE)
        )

    def _stored_seal(self, version: str) -> dict[str, str] | None:
        """Return the checksums in the storage; None where they are missing or damaged."""
        try:
            return _read_seal(self._storage.get_bytes(_key(version, CHECKSUMS_FILE)))
        except (NotFound, ArtifactError):
            return None

    def _is_here(self, version: str) -> bool:
        try:
            return load_artifact(self.path_of(version)).version == version
        except BadArtifactError:
            return False

    @contextmanager
    def _staged(self) -> Iterator[Path]:
        with disk_errors():
            self._folder.mkdir(parents=True, exist_ok=True)
            staging = Path(tempfile.mkdtemp(prefix=".incoming-", dir=self._folder))
        try:
            yield staging
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def _place(self, staging: Path, version: str) -> None:
        """Put a complete folder in its place; another process may have done it meanwhile."""
        target = self.path_of(version)
        with disk_errors():
            if not self._is_here(version):
                shutil.rmtree(target, ignore_errors=True)
            staging.chmod(0o755)  # made for one user, read by the service's
            try:
                staging.rename(target)
            except OSError:
                if not self._is_here(version):
                    raise


def seal_of(path: Path) -> dict[str, str]:
    """Return the checksums of an artifact by file name: what tells two contents apart.

    Raises:
        ArtifactError: They cannot be read.
    """
    try:
        return _read_seal((path / CHECKSUMS_FILE).read_bytes())
    except OSError as exc:
        raise ArtifactError(f"{path / CHECKSUMS_FILE} cannot be read: {exc.strerror}") from exc


def sealed_files(path: Path) -> list[str]:
    """Return the names of an artifact's files but that of the checksums.

    Raises:
        ArtifactError: A name leads out of the folder, or the checksums cannot be read.
    """
    names = sorted(seal_of(path))
    strange = [name for name in names if Path(name).name != name or name.startswith(".")]
    if strange:
        raise ArtifactError(f"{path}: {strange[0]!r} is not the name of a file beside the others")
    return names


def _read_seal(content: bytes) -> dict[str, str]:
    try:
        return dict(json.loads(content)["sha256"])
    except (ValueError, KeyError, TypeError) as exc:
        raise ArtifactError(f"{CHECKSUMS_FILE} cannot be understood: {exc}") from exc


def _key(version: str, name: str) -> str:
    return f"{PREFIX}{version}/{name}"
