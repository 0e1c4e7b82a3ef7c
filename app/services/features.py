"""The feature rows of films in the storage: written once a run is complete, read again in parts.

Knows where they lie and how, and whether they are whole; not what they are good for. An object is
a NumPy array of version 1.0, `(frames, feature_size)` little-endian float16, rows in the order of
the key frames' numbers.
"""

import io
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.domain.library import Film, chunk_features_key, features_key
from app.errors import NotFound
from app.ports import ObjectStore

ROW_TYPE = np.dtype("<f2")

ROWS_AT_ONCE = 2048
"""Rows in memory at once: 8 MB of 2048 features."""


class DamagedFeatures(Exception):
    """Feature rows are missing or are not what they were; the film must be decoded."""


def write_chunk_features(
    storage: ObjectStore, film: Film, chunk: int, rows: Sequence[NDArray[np.float16]]
) -> None:
    """Store the feature rows of one chunk until its run is complete."""
    stream = io.BytesIO()
    np.save(stream, np.stack(rows), allow_pickle=False)
    storage.put_bytes(chunk_features_key(film.id, film.run, chunk), stream.getvalue())


def merge_features(
    storage: ObjectStore,
    film: Film,
    base_id: str,
    feature_size: int,
    places: Sequence[tuple[int, int]],
) -> NDArray[np.float32]:
    """Make one object of the chunks' features, rows in the order of the frames' numbers.

    Args:
        storage: Where the features are.
        film: The film, its current run having a feature object for each chunk.
        base_id: The convolutional base that gave them.
        feature_size: Length of a row.
        places: Chunk and row within it of each key frame, in time order.

    Returns:
        Their mean over the key frames, `(feature_size,)` float32.
    """
    blocks = _rows_of_chunks(storage, film, feature_size, places)
    key = features_key(film.id, film.run, base_id)
    return _write(storage, key, (len(places), feature_size), blocks)


def copy_features(
    storage: ObjectStore, film: Film, source_run: int, base_id: str, shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Give the film's current run the features of another run.

    Returns:
        Their mean over the key frames, `(feature_size,)` float32.

    Raises:
        DamagedFeatures: Those of the other run are not whole.
    """
    source = features_key(film.id, source_run, base_id)
    starts = range(0, shape[0], ROWS_AT_ONCE)
    blocks = (
        read_features(storage, source, shape, start, min(start + ROWS_AT_ONCE, shape[0]))
        for start in starts
    )
    return _write(storage, features_key(film.id, film.run, base_id), shape, blocks)


def features_are_whole(storage: ObjectStore, key: str, shape: tuple[int, int]) -> bool:
    """Whether an object has the size of a feature array of this shape."""
    return storage.size(key) == len(_header(shape)) + shape[0] * shape[1] * ROW_TYPE.itemsize


def read_features(
    storage: ObjectStore, key: str, shape: tuple[int, int], start: int, end: int
) -> NDArray[np.float16]:
    """Read the rows `[start, end)` of a feature object, and only those.

    Args:
        storage: Where it is.
        key: Its name.
        shape: Of the whole array.
        start: First row.
        end: Row after the last.

    Returns:
        `(end - start, feature_size)` float16.

    Raises:
        DamagedFeatures: It is gone, of another shape, or holds what no network gives.
    """
    header = _header(shape)
    row_bytes = shape[1] * ROW_TYPE.itemsize
    try:
        with storage.open(key, 0, len(header)) as stream:
            found = stream.read()
        with storage.open(key, len(header) + start * row_bytes, (end - start) * row_bytes) as rows:
            content = rows.read()
    except NotFound as exc:
        raise DamagedFeatures(f"nothing is stored at {key}") from exc
    if found != header or len(content) != (end - start) * row_bytes:
        raise DamagedFeatures(f"{key} is not an array of {shape}")
    features = np.frombuffer(content, ROW_TYPE).astype(np.float16).reshape(-1, shape[1])
    if not np.isfinite(features).all():
        raise DamagedFeatures(f"{key} holds what is no number")
    return features


def _header(shape: tuple[int, int]) -> bytes:
    stream = io.BytesIO()
    header = {"descr": ROW_TYPE.str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue()


def _write(
    storage: ObjectStore,
    key: str,
    shape: tuple[int, int],
    blocks: Iterable[NDArray[np.float16]],
) -> NDArray[np.float32]:
    """Store an array that comes in blocks of rows; return the mean of its rows."""
    total = np.zeros(shape[1], np.float64)
    with tempfile.TemporaryDirectory(prefix="reeltag-") as folder:
        path = Path(folder) / "features.npy"
        with path.open("wb") as file:
            file.write(_header(shape))
            for rows in blocks:
                file.write(rows.astype(ROW_TYPE).tobytes())
                total += rows.sum(axis=0, dtype=np.float64)
        storage.put_file(key, path)
    return np.asarray(total / shape[0], np.float32)


def _rows_of_chunks(
    storage: ObjectStore, film: Film, feature_size: int, places: Sequence[tuple[int, int]]
) -> Iterator[NDArray[np.float16]]:
    """Give the feature row of each place, one chunk in memory at a time."""
    loaded: int | None = None
    rows = np.empty((0, feature_size), np.float16)
    for chunk, place in places:
        if chunk != loaded:
            key = chunk_features_key(film.id, film.run, chunk)
            rows = np.load(io.BytesIO(storage.get_bytes(key)), allow_pickle=False)
            loaded = chunk
        yield rows[place : place + 1]
