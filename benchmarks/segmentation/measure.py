"""Films analysed once, and segments derived from their score rows for every choice of options.

Ours are the shots of the service's own pipeline. The peer is the naive reading of the paper: a
frame a second, its first tags, consecutive seconds joined; same films, model and formulas, with
seconds in the place of shots. Knows no picture and no table.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from app import bootstrap
from app.config import Settings
from app.domain.aggregation import film_tags
from app.domain.films import Sampling
from app.domain.segments import SegmentRules, tag_segments
from app.domain.shots import ScoredShot, Shot
from app.pipeline import analyse_film, rules_of
from benchmarks.segmentation.films import ComposedFilm, Take, compose
from benchmarks.segmentation.metrics import Counts, Interval, count_film
from models.manifest import Manifest

TOP_KS = (1, 2, 3, 5)
GAPS_S = (0.0, 1.0, 2.0, 5.0, 10.0)
WAYS = ("ours", "peer")
EVERY_S = 1.0
"""Seconds between the frames that the peer looks at."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A film with what was seen in it.

    Attributes:
        film: The film and the truth about it.
        pieces: For each of `WAYS` the scored pieces: shots, or seconds.
    """

    film: ComposedFilm
    pieces: dict[str, tuple[ScoredShot, ...]]

    def frames(self, way: str) -> int:
        """Return how many frames the network looked at."""
        return sum(len(piece.frames) for piece in self.pieces[way])


@dataclass(frozen=True, slots=True)
class Choice:
    """One way with one choice of options; `film_tags_only` leaves out what the film is not about.

    Attributes:
        way: One of `WAYS`.
        top_k: Tags kept for each key frame.
        max_gap_s: Segments at most so far apart become one.
        film_tags_only: Keep only segments of film tags, as `reeltag tag` prints them.
    """

    way: str
    top_k: int
    max_gap_s: float
    film_tags_only: bool = False


def choices() -> Iterator[Choice]:
    """Give every choice that is measured."""
    for way in WAYS:
        for top_k in TOP_KS:
            for gap_s in GAPS_S:
                yield Choice(way, top_k, gap_s)
                yield Choice(way, top_k, gap_s, film_tags_only=True)


def watch(plans: Sequence[Sequence[Take]], model: Path) -> tuple[list[Watched], Manifest]:
    """Compose and analyse films, each twice: its shots, and a frame a second.

    Raises:
        ArtifactError: The model cannot be used.
    """
    settings = Settings(model_path=model)
    reader = bootstrap.build_reader(settings)
    watched = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="reeltag-bench-")))
        classifier = stack.enter_context(bootstrap.build_classifier(settings))
        manifest = classifier.manifest
        for number, takes in enumerate(plans, start=1):
            began_s = time.perf_counter()
            film = compose(folder / "film.mp4", takes, manifest.tags)
            shots = analyse_film(film.path, reader, classifier)
            looks = analyse_film(film.path, reader, classifier, Sampling("interval", EVERY_S))
            pieces = {"ours": shots.shots, "peer": tuple(seconds_of(looks.shots, film.duration_s))}
            watched.append(Watched(film, pieces))
            print(
                f"film {number} of {len(plans)}: {film.duration_s:.0f} s, {film.shot_count} shots, "
                f"{len(shots.shots)} found, {time.perf_counter() - began_s:.0f} s",
                file=sys.stderr,
                flush=True,
            )
    return watched, manifest


def seconds_of(shots: Sequence[ScoredShot], duration_s: float) -> Iterator[ScoredShot]:
    """Give each frame as a piece of its own that lasts until the next one is looked at."""
    for shot in shots:
        for frame in shot.frames:
            end_s = min(frame.time_s + EVERY_S, duration_s)
            if end_s > frame.time_s:
                yield ScoredShot(Shot(frame.time_s, end_s), (frame,))


def count_all(watched: Sequence[Watched], manifest: Manifest) -> dict[Choice, Counts]:
    """Derive segments for every choice and count them, `(films, tags, fields)`; no inference."""
    return {
        choice: np.stack([_count(one, manifest, choice) for one in watched]) for choice in choices()
    }


def _count(watched: Watched, manifest: Manifest, choice: Choice) -> Counts:
    pieces = watched.pieces[choice.way]
    kept = [tag.tag for tag in film_tags(pieces, manifest.tags, rules_of(manifest, choice.top_k))]
    rules = SegmentRules(top_k=choice.top_k, max_gap_s=choice.max_gap_s)
    only = kept if choice.film_tags_only else None
    found: dict[str, list[Interval]] = {}
    for segment in tag_segments(pieces, manifest.tags, rules, only):
        found.setdefault(segment.tag, []).append((segment.start_s, segment.end_s))
    return count_film(found, watched.film.truth, kept, manifest.tags)
