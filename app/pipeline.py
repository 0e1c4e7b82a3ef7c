"""A film in, its tags out. Read this first: the whole analysis is in this file.

probe -> shots with key frames -> batches -> score rows and features -> film tags and segments.

Knows the order of the work and nothing of how it is done: who decodes stands behind
`ports.FilmReader`, who runs the network behind `ports.FrameClassifier`. Stores nothing.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from app.domain.aggregation import AggregationRules, film_tags
from app.domain.films import DEFAULT_SAMPLING, FilmProbe, Sampling, Stage
from app.domain.segments import SegmentRules, tag_segments
from app.domain.shots import WHOLE_FILM, ScoredFrame, ScoredShot, Shot, ShotFrames, Span
from app.domain.tags import DEFAULT_TOP_K, FilmTag, Segment
from app.errors import NoFrames
from app.ports import FilmReader, FrameClassifier, FrameScores, ReadReport
from app.video.thumbnails import encode_jpeg
from models.manifest import Manifest
from models.preprocessing import to_network_inputs

MAX_IN_FLIGHT = 64
"""Key frames of one film that may wait for the network: two full batches, so that decoding and
inference overlap, and not more, so that a cancelled film leaves little behind."""


@dataclass(frozen=True, slots=True)
class FilmAnalysis:
    """All that was found in a film.

    Attributes:
        probe: What the file says of itself.
        duration_s: Seconds from the first presented frame to the end of the last one read.
        model_version: Which model looked at it.
        sampling: Which frames were looked at.
        shots: The shots in time order, each with its scored key frames.
        tags: Film tags, best first.
        segments: Where each tag holds, by start.
        warnings: What a person should know, in plain words.
    """

    probe: FilmProbe
    duration_s: float
    model_version: str
    sampling: Sampling
    shots: tuple[ScoredShot, ...]
    tags: tuple[FilmTag, ...]
    segments: tuple[Segment, ...]
    warnings: tuple[str, ...]


def analyse_film(
    path: Path,
    reader: FilmReader,
    classifier: FrameClassifier,
    sampling: Sampling = DEFAULT_SAMPLING,
    top_k: int = DEFAULT_TOP_K,
    on_progress: Callable[[Stage, float], None] = lambda stage, fraction: None,
) -> FilmAnalysis:
    """Analyse one film from its first frame to its last.

    Args:
        path: A film on the local disk.
        reader: Decodes it.
        classifier: Scores its key frames.
        sampling: Which frames are looked at.
        top_k: Tags that each shot may speak for.
        on_progress: Called often with the stage and the share of the film that was decoded, in
            [0, 1], 0 where the length is not known; what it raises ends the analysis.

    Raises:
        VideoError: The film cannot be analysed.
    """
    on_progress(Stage.PROBING, 0.0)
    probe = reader.probe(path)

    def on_position(position_s: float) -> None:
        on_progress(Stage.ANALYSING, _fraction(position_s, probe.duration_s))

    report = ReadReport()
    shots = list(analyse_span(path, WHOLE_FILM, sampling, reader, classifier, report, on_position))
    if not shots:
        raise NoFrames(f"{path.name}: not one frame could be decoded")

    on_progress(Stage.AGGREGATING, 1.0)
    tags, segments = summarise(shots, classifier.manifest, top_k)
    on_progress(Stage.FINISHED, 1.0)
    return FilmAnalysis(
        probe=probe,
        duration_s=max(report.end_s, shots[-1].shot.end_s),
        model_version=classifier.manifest.version,
        sampling=sampling,
        shots=tuple(shots),
        tags=tuple(tags),
        segments=tuple(segments),
        warnings=tuple(report.warnings),
    )


def analyse_span(
    path: Path,
    span: Span,
    sampling: Sampling,
    reader: FilmReader,
    classifier: FrameClassifier,
    report: ReadReport,
    on_position: Callable[[float], None],
) -> Iterator[ScoredShot]:
    """Decode and score the shots that start within `span`, in time order, as they are ready.

    Later shots are decoded while the network looks at earlier ones. Leaving the iterator early
    stops the decoder and takes back the key frames that no batch holds yet.

    Args:
        path: A film on the local disk.
        span: A shot belongs to the span that holds its start.
        sampling: Which frames are looked at.
        reader: Decodes the film.
        classifier: Scores key frames.
        report: Filled while reading; complete with the last shot.
        on_position: Called often with the seconds decoded so far; what it raises, `Cancelled`
            for one, ends the analysis within one batch.

    Raises:
        VideoError: The film, or too much of it, cannot be decoded.
    """
    waiting: deque[_WaitingShot] = deque()
    try:
        with reader.read_shots(path, sampling, span, report, on_position) as shots:
            for shot in shots:
                waiting.append(_submit(shot, classifier))
                while waiting and (waiting[0].is_ready or _in_flight(waiting) > MAX_IN_FLIGHT):
                    yield waiting.popleft().scored()
        while waiting:
            on_position(report.end_s)
            yield waiting.popleft().scored()
    finally:
        for shot_left in waiting:
            shot_left.scores.cancel()


def summarise(
    shots: Sequence[ScoredShot], manifest: Manifest, top_k: int = DEFAULT_TOP_K
) -> tuple[list[FilmTag], list[Segment]]:
    """Turn the scored shots of a film into film tags, best first, and segments, by start.

    Needs no film and no network: stored score rows give the same answer for another `top_k`.
    """
    tags = film_tags(shots, manifest.tags, rules_of(manifest, top_k))
    segments = tag_segments(shots, manifest.tags, SegmentRules(top_k=top_k))
    return tags, segments


def rules_of(manifest: Manifest, top_k: int = DEFAULT_TOP_K) -> AggregationRules:
    """Return what may become a film tag by the thresholds that the model was calibrated to."""
    thresholds = {tag: manifest.threshold_of(tag) for tag in manifest.tags}
    return AggregationRules(thresholds=thresholds, top_k=top_k)


@dataclass(frozen=True, slots=True)
class _WaitingShot:
    """A shot whose key frames are with the network; the pictures themselves are let go."""

    shot: Shot
    times_s: tuple[float, ...]
    thumbnails: tuple[bytes, ...]
    scores: Future[FrameScores]

    @property
    def is_ready(self) -> bool:
        return self.scores.done()

    def scored(self) -> ScoredShot:
        found = self.scores.result()
        rows = zip(self.times_s, found.scores, found.features, self.thumbnails, strict=True)
        return ScoredShot(self.shot, tuple(ScoredFrame(*row) for row in rows))


def _submit(found: ShotFrames, classifier: FrameClassifier) -> _WaitingShot:
    """Hand a shot's key frames to the network and make their thumbnails meanwhile."""
    pictures = [frame.picture for frame in found.key_frames]
    scores = classifier.submit(to_network_inputs(pictures, classifier.manifest.preprocessing))
    return _WaitingShot(
        found.shot,
        tuple(frame.time_s for frame in found.key_frames),
        tuple(encode_jpeg(picture) for picture in pictures),
        scores,
    )


def _in_flight(waiting: deque[_WaitingShot]) -> int:
    return sum(len(shot.times_s) for shot in waiting)


def _fraction(position_s: float, duration_s: float | None) -> float:
    return min(1.0, max(0.0, position_s / duration_s)) if duration_s else 0.0
