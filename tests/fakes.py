"""Stand-ins for the network and the decoder that compute real numbers from real pixels.

The same pixels always give the same answer, other pixels another one, so a test can tell whether
rows were mixed up. They pass the contract tests that the real ones pass.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident

import numpy as np
from numpy.typing import NDArray

from app.domain.films import FilmProbe, Sampling
from app.domain.shots import KeyFrame, Shot, ShotFrames, Span
from app.errors import NotAVideo
from app.ports import FrameScores, ReadReport
from models.manifest import Calibration, Manifest
from models.preprocessing import PreprocessingSpec

TAGS = ("Forest", "War", "Beach/Sea", "Robot", "Food")
GRID = 4
FEATURE_SIZE = GRID * GRID * 3


def make_manifest(**changes: object) -> Manifest:
    """A manifest of five trained tags and a small input."""
    fields: dict[str, object] = {
        "version": "fake-1",
        "tags": TAGS,
        "preprocessing": PreprocessingSpec(width_px=96, height_px=80),
        "activation": "softmax",
        "calibration": Calibration(thresholds={"War": 0.3}),
        "base_id": "0123456789abcdef",
        "feature_size": FEATURE_SIZE,
        "licence": "CC0-1.0",
        "created_at": "2026-11-23T12:00:00Z",
    }
    return Manifest.model_validate(fields | changes)


def head_of(tag_count: int) -> NDArray[np.float64]:
    """The linear head, `(features, tags)`; `tests/artifacts.py` makes a real network with it."""
    return np.random.default_rng(7).normal(size=(FEATURE_SIZE, tag_count))


class FakeEngine:
    """A `ports.Engine`: mean colours of a 4 x 4 grid are the features, a fixed linear head scores.

    Attributes:
        batch_sizes: Size of each batch that was run, in order.
        threads: Threads that ran one.
        before_run: Called with each batch before it is run; may block or raise.
    """

    device = "fake:CPU"

    def __init__(
        self,
        manifest: Manifest | None = None,
        before_run: Callable[[NDArray[np.uint8]], None] = lambda inputs: None,
        head: NDArray[np.float64] | None = None,
    ) -> None:
        self.manifest = manifest or make_manifest()
        self.before_run = before_run
        self.batch_sizes: list[int] = []
        self.threads: set[int] = set()
        self._head = head_of(len(self.manifest.tags)) if head is None else head

    def infer(self, inputs: NDArray[np.uint8]) -> FrameScores:
        self.batch_sizes.append(len(inputs))
        self.threads.add(get_ident())
        self.before_run(inputs)
        n, height, width, _ = inputs.shape
        cells = inputs.reshape(n, GRID, height // GRID, GRID, width // GRID, 3)
        features = cells.mean(axis=(2, 4)).reshape(n, FEATURE_SIZE) / 255
        return FrameScores(self._scores(features), features.astype(np.float16))

    def score_features(self, features: NDArray[np.float16]) -> NDArray[np.float32]:
        return self._scores(features.astype(np.float64))

    def _scores(self, features: NDArray[np.float64]) -> NDArray[np.float32]:
        logits = features @ self._head
        exps = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(exps / exps.sum(axis=1, keepdims=True), np.float32)


class FakeReader:
    """A `ports.FilmReader` whose films are shots given as arrays.

    Attributes:
        films: Shots of each film, in time order; another path is not a film.
        corrupt_each: Damaged frames that each shot is said to have.
        open_count: Films being read now.
        read_count: Shots that were handed out.
    """

    def __init__(
        self, films: dict[Path, Sequence[ShotFrames]], warnings: Sequence[str] = ()
    ) -> None:
        self.films = films
        self.warnings = list(warnings)
        self.corrupt_each = 0
        self.open_count = 0
        self.read_count = 0

    def probe(self, path: Path) -> FilmProbe:
        shots = self._shots(path)
        height, width = shots[0].key_frames[0].picture.shape[:2] if shots else (0, 0)
        duration_s = shots[-1].shot.end_s if shots else None
        return FilmProbe(duration_s, width, height, 25.0, "drawn", "memory")

    @contextmanager
    def read_shots(
        self,
        path: Path,
        sampling: Sampling,
        span: Span,
        report: ReadReport,
        on_position: Callable[[float], None],
    ) -> Iterator[Iterator[ShotFrames]]:
        self.open_count += 1
        try:
            yield self._read(self._shots(path), span, report, on_position)
        finally:
            self.open_count -= 1

    def _read(
        self,
        shots: Sequence[ShotFrames],
        span: Span,
        report: ReadReport,
        on_position: Callable[[float], None],
    ) -> Iterator[ShotFrames]:
        for found in shots:
            if found.shot.start_s < span.start_s:
                continue
            if span.end_s is not None and found.shot.start_s >= span.end_s:
                break
            report.frame_count += round(found.shot.duration_s * 25)
            report.corrupt_count += self.corrupt_each
            report.end_s = found.shot.end_s
            on_position(found.shot.end_s)
            self.read_count += 1
            yield found
        report.warnings.extend(self.warnings)

    def _shots(self, path: Path) -> Sequence[ShotFrames]:
        if path not in self.films:
            raise NotAVideo(f"{path.name} is not a film")
        return self.films[path]


def drawn_picture(seed: int, width_px: int = 160, height_px: int = 90) -> NDArray[np.uint8]:
    """A picture of large coloured fields, another one for each seed."""
    rng = np.random.default_rng(seed)
    fields = rng.integers(0, 256, (3, 4, 3), dtype=np.uint8)
    rows = np.arange(height_px) * 3 // height_px
    columns = np.arange(width_px) * 4 // width_px
    return np.ascontiguousarray(fields[rows][:, columns])


def drawn_shots(
    count: int, shot_s: float = 2.0, frames_each: int = 2, first_seed: int = 0
) -> list[ShotFrames]:
    """`count` shots of `shot_s` seconds with different pictures."""
    return [
        ShotFrames(
            Shot(number * shot_s, (number + 1) * shot_s),
            tuple(
                KeyFrame(
                    number * shot_s + (place + 0.5) * shot_s / frames_each,
                    drawn_picture(first_seed + number * frames_each + place),
                )
                for place in range(frames_each)
            ),
        )
        for number in range(count)
    ]
