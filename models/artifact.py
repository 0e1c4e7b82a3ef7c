"""A model on disk: a directory of small named files, sealed by checksums.

Saver and loader stand side by side. Knows file names and the manifest; knows no TensorFlow and
no OpenVINO: `app/inference` and `training/export.py` open the network files themselves.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from models.manifest import FORMAT_VERSION, Manifest

MANIFEST_FILE = "manifest.json"
NETWORK_FILE = "network.keras"
METRICS_FILE = "metrics.json"
CARD_FILE = "MODEL_CARD.md"
CHECKSUMS_FILE = "checksums.json"
CPU_GRAPH_FILE = "network.xml"
"""The network as an OpenVINO graph with its constants in `CPU_CONSTANTS_FILE` and, behind them,
the weights of `NETWORK_FILE` in the order of `CPU_WEIGHTS_FILE`: no weight is stored twice."""
CPU_CONSTANTS_FILE = "network.bin"
CPU_WEIGHTS_FILE = "network.weights.json"

REQUIRED_FILES = (
    MANIFEST_FILE, NETWORK_FILE, METRICS_FILE, CARD_FILE,
    CPU_GRAPH_FILE, CPU_CONSTANTS_FILE, CPU_WEIGHTS_FILE,
)  # fmt: skip

STARTER_DIR = Path(__file__).parent / "starter"
"""The artifact the project ships."""


class BadArtifactError(Exception):
    """The directory is not an artifact this version can use; the message names path and reason."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Artifact:
    """An artifact whose files and manifest were found to be whole.

    Attributes:
        path: The directory.
        manifest: What the model says of itself.
    """

    path: Path
    manifest: Manifest

    @property
    def version(self) -> str:
        """Name of the model, as films record it."""
        return self.manifest.version

    def file(self, name: str) -> Path:
        """Return the path of one of the named files."""
        return self.path / name


def seal_artifact(path: Path, manifest: Manifest) -> Artifact:
    """Write the manifest and the checksums over files already laid in `path`.

    Raises:
        BadArtifactError: A required file is missing. Only the manifest was written.
    """
    text = manifest.model_dump_json(indent=2)
    (path / MANIFEST_FILE).write_text(text + "\n", encoding="utf-8")
    _require_files(path)
    sums = {
        file.name: _sha256(file)
        for file in sorted(path.iterdir())
        if file.is_file() and file.name != CHECKSUMS_FILE
    }
    record = {"format_version": FORMAT_VERSION, "sha256": sums}
    (path / CHECKSUMS_FILE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return Artifact(path, manifest)


def load_artifact(path: Path, *, verify: bool = True) -> Artifact:
    """Open the artifact in `path`.

    Args:
        path: The directory.
        verify: Read every file and compare its checksum (about 0.1 s for 45 MB).

    Raises:
        BadArtifactError: A file is missing or damaged, or the manifest is not understood.
    """
    if not path.is_dir():
        raise BadArtifactError(path, "no such directory; `reeltag-train` makes an artifact")
    manifest = _read_manifest(path)
    _require_files(path)
    if verify:
        _verify(path)
    return Artifact(path, manifest)


def _read_manifest(path: Path) -> Manifest:
    file = path / MANIFEST_FILE
    try:
        text = file.read_text(encoding="utf-8")
        found = json.loads(text)
    except (OSError, ValueError) as exc:
        raise BadArtifactError(path, f"{MANIFEST_FILE} cannot be read: {exc}") from exc
    version = found.get("format_version") if isinstance(found, dict) else None
    if version != FORMAT_VERSION:
        raise BadArtifactError(
            path, f"format version {version!r} is not understood, only {FORMAT_VERSION} is"
        )
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as exc:
        what = "; ".join(
            f"{'.'.join(str(part) for part in error['loc']) or 'manifest'}: {error['msg']}"
            for error in exc.errors()
        )
        raise BadArtifactError(path, f"{MANIFEST_FILE} is not understood: {what}") from exc


def _require_files(path: Path) -> None:
    missing = [name for name in REQUIRED_FILES if not (path / name).is_file()]
    if missing:
        raise BadArtifactError(path, f"missing {', '.join(missing)}")


def _verify(path: Path) -> None:
    try:
        record = json.loads((path / CHECKSUMS_FILE).read_text(encoding="utf-8"))
        sums: dict[str, str] = dict(record["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise BadArtifactError(path, f"{CHECKSUMS_FILE} cannot be read: {exc}") from exc
    unsealed = [name for name in REQUIRED_FILES if name not in sums]
    if unsealed:
        raise BadArtifactError(path, f"no checksum for {', '.join(unsealed)}")
    for name, wanted in sums.items():
        file = path / name
        if not file.is_file() or _sha256(file) != wanted:
            raise BadArtifactError(path, f"{name} is not the file that was sealed (checksum)")


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
