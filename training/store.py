"""Decoded pictures, kept in one file that is mapped into memory: decoding happens once.

Knows files and pixels, not tags. Training pictures are held at most `hold_px` on the short side;
pictures to be measured go from the file straight through `models.preprocessing`.
"""

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.preprocessing import Pictures, PreprocessingSpec, to_network_input

MIN_SIDE_PX = 16
"""Smaller pictures show nothing that could be learned."""

_CHUNK = 512


class UnreadablePictureError(ValueError):
    """The file is not a picture, is damaged, or is too small; the message says which."""


class TinyPictureError(UnreadablePictureError):
    """The picture is whole, but smaller than `MIN_SIDE_PX`."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A file that was left out, and why."""

    file: Path
    reason: str


class PictureStore:
    """Pictures by number, as if they were a list of arrays.

    Attributes:
        name: Equal for equal pictures; follows from the files.
        kept: For each picture of the store its position in the list of files it was built from.
        rejected: Files that could not be read.
    """

    def __init__(
        self,
        name: str,
        pixels: NDArray[np.uint8],
        shapes: NDArray[np.int64],
        kept: NDArray[np.int64],
        rejected: tuple[Rejected, ...],
    ) -> None:
        self.name = name
        self._pixels = pixels
        self._shapes = shapes
        sizes = shapes[:, 0] * shapes[:, 1] * 3
        self._starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self.kept = kept
        self.rejected = rejected

    def __len__(self) -> int:
        return len(self._shapes)

    def __getitem__(self, index: int) -> Pictures:
        """Return one picture, `(height, width, 3)` uint8 RGB."""
        height, width = self._shapes[index]
        part = self._pixels[self._starts[index] : self._starts[index + 1]]
        return part.reshape(height, width, 3)


def read_picture(file: Path) -> Pictures:
    """Decode one picture file, `(height, width, 3)` uint8 RGB, 0..255.

    Raises:
        UnreadablePictureError: It cannot be decoded or is smaller than `MIN_SIDE_PX`.
    """
    return decode_picture(read_bytes(file))


def read_bytes(file: Path) -> NDArray[np.uint8]:
    """Return the bytes of a file.

    Raises:
        UnreadablePictureError: It cannot be opened.
    """
    try:
        return np.fromfile(file, np.uint8)
    except OSError as exc:
        raise UnreadablePictureError(f"cannot be opened: {exc.strerror}") from exc


def decode_picture(data: NDArray[np.uint8]) -> Pictures:
    """Decode the bytes of a picture file, `(height, width, 3)` uint8 RGB, 0..255.

    Raises:
        UnreadablePictureError: As `read_picture`.
    """
    try:
        found = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except cv2.error as exc:  # more pixels than OpenCV decodes, for example
        raise UnreadablePictureError("not a readable picture") from exc
    if found is None:
        raise UnreadablePictureError("empty file" if not data.size else "not a readable picture")
    if min(found.shape[:2]) < MIN_SIDE_PX:
        raise TinyPictureError(f"smaller than {MIN_SIDE_PX} px")
    return np.ascontiguousarray(found[:, :, ::-1])


def read_network_inputs(
    files: Sequence[Path], spec: PreprocessingSpec
) -> tuple[Pictures, NDArray[np.int64], tuple[Rejected, ...]]:
    """Read pictures exactly as the service would see them.

    Returns:
        The batch `(n, height_px, width_px, 3)` uint8 RGB, the positions of its pictures in
        `files`, and the files that could not be read.
    """

    def read(file: Path) -> Pictures | Rejected:
        try:
            return to_network_input(read_picture(file), spec)
        except UnreadablePictureError as exc:
            return Rejected(file, str(exc))

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(read, files))
    good = {index: item for index, item in enumerate(found) if not isinstance(item, Rejected)}
    inputs = np.empty((len(good), spec.height_px, spec.width_px, 3), np.uint8)
    for row, picture in zip(inputs, good.values(), strict=True):
        row[...] = picture
    rejected = tuple(item for item in found if isinstance(item, Rejected))
    return inputs, np.fromiter(good, np.int64), rejected


def open_store(files: Sequence[Path], cache_dir: Path, hold_px: int) -> PictureStore:
    """Open the decoded pictures of `files`, decoding them first where that was not done yet.

    Args:
        files: Picture files.
        cache_dir: Where decoded pixels are kept; a changed file makes a new cache.
        hold_px: Longest short side; larger pictures are shrunk to it.
    """
    cache_dir.mkdir(parents=True, exist_ok=True)
    name = _digest(files, hold_px)
    index_file, pixels_file = cache_dir / f"{name}.json", cache_dir / f"{name}.rgb"
    if not index_file.is_file():
        _build(files, hold_px, pixels_file, index_file)
    index = json.loads(index_file.read_text(encoding="utf-8"))
    shapes = np.asarray(index["shapes"], np.int64).reshape(-1, 2)
    pixels = np.memmap(pixels_file, np.uint8, mode="r") if len(shapes) else np.empty(0, np.uint8)
    rejected = tuple(Rejected(Path(file), reason) for file, reason in index["rejected"])
    return PictureStore(name, pixels, shapes, np.asarray(index["kept"], np.int64), rejected)


def _build(files: Sequence[Path], hold_px: int, pixels_file: Path, index_file: Path) -> None:
    def read(file: Path) -> Pictures | str:
        try:
            return _held(read_picture(file), hold_px)
        except UnreadablePictureError as exc:
            return str(exc)

    shapes: list[tuple[int, int]] = []
    kept: list[int] = []
    rejected: list[tuple[str, str]] = []
    part = pixels_file.with_suffix(".part")
    with part.open("wb") as stream, ThreadPoolExecutor(2) as pool:
        for start in range(0, len(files), _CHUNK):
            chunk = files[start : start + _CHUNK]
            for offset, found in enumerate(pool.map(read, chunk)):
                if isinstance(found, str):
                    rejected.append((str(chunk[offset]), found))
                    continue
                stream.write(found.tobytes())
                shapes.append((found.shape[0], found.shape[1]))
                kept.append(start + offset)
    part.replace(pixels_file)
    # The index comes last: a cache without one was cut short and is built again.
    text = json.dumps({"shapes": shapes, "kept": kept, "rejected": rejected})
    index_part = index_file.with_suffix(".part.json")
    index_part.write_text(text, encoding="utf-8")
    index_part.replace(index_file)


def _held(picture: Pictures, hold_px: int) -> Pictures:
    height, width = picture.shape[:2]
    if min(height, width) <= hold_px:
        return picture
    scale = hold_px / min(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _digest(files: Sequence[Path], hold_px: int) -> str:
    digest = hashlib.sha256(f"1:{hold_px}".encode())
    for file in files:
        stat = file.stat()
        digest.update(f"{file.resolve()}:{stat.st_size}:{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]
