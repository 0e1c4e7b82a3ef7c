"""Tagging films anew from stored features beside analysing them again, in one run.

    python -m benchmarks.retag [--artifact DIR] [--films N] [--seconds S] [--size 1280x720]

The same worker code does both on the same films, database and storage: decode, shots, network for
the one; stored features, the network's head for the other; all rows, pictures and features are
written durably by both. Films are drawn. What the queue adds is left out on both sides: a worker
looks for work every half second, so it never takes more than 16 films a second. The ratio is the
one to quote; it grows with the size and the length of the films.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from app import bootstrap
from app.config import Settings
from app.db import films as rows
from app.db import runs
from app.domain.library import Film
from app.domain.plan import Wish
from app.inference.classifier import open_artifact
from app.services.analysis import Analysis
from app.services.model_in_use import ModelInUse
from app.services.registry import Services
from models.artifact import MANIFEST_FILE, STARTER_DIR, Artifact, seal_artifact
from tests.media import Encoding, cut_shots, draw_film

GOAL = 500
SHOT_S = 4.0
"""Seconds of a shot: a feature film's mean is about that."""


def main(arguments: list[str]) -> int:
    """Measure and print; 0 also where the goal is missed, which is printed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retag")
    parser.add_argument("--artifact", type=Path, default=STARTER_DIR, help="default: the starter")
    parser.add_argument("--films", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=120.0, help="length of each film")
    parser.add_argument("--size", default="1280x720", help="WIDTHxHEIGHT of the films")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="reeltag-bench-") as folder:
        figures = measure(Path(folder), chosen.artifact, chosen.films, chosen.seconds, chosen.size)
    if chosen.json:
        print(json.dumps(figures))
        return 0
    for name, value in figures.items():
        print(f"{name:28} {value}")
    return 0


def measure(folder: Path, model: Path, count: int, seconds: float, size: str) -> dict[str, object]:
    """Analyse films, tag them anew both ways in turn, and return the figures."""
    settings = Settings(data_dir=folder / "library", model_path=model)
    services = bootstrap.build_services(settings)
    bootstrap.prepare_database(services)
    old = open_artifact(model)
    new = renamed(old, folder / "newer")
    films = draw(services, folder, count, seconds, size)
    with bootstrap.build_classifier(settings, old) as one:
        first = bootstrap.build_analysis(services, ModelInUse(one), "bench-old")
        for artifact in (old, new):
            services.models.record(artifact)
        for film in films:
            go_through(services, first, film, Wish.DECODE)
        with bootstrap.build_classifier(settings, new) as other:
            second = bootstrap.build_analysis(services, ModelInUse(other), "bench-new")
            decoded, scored = [], []
            for film in films:  # in turn, so that what else the machine does hits both
                scored.append(go_through(services, second, film, Wish.FEATURES))
                decoded.append(go_through(services, second, film, Wish.DECODE))
        device = one.device
    found = services.films.get(films[0].id)
    with services.database.session() as session:
        frame_count = sum(runs.frame_counts(session, found.id, found.shown_run or 0).values())
    services.database.dispose()
    ratio = sum(decoded) / sum(scored)
    return {
        "films": count,
        "film": f"{seconds:g} s, {size}, {frame_count} key frames",
        "model": f"{old.version} on {device}",
        "decoded, s a film": round(statistics.median(decoded), 3),
        "from features, s a film": round(statistics.median(scored), 4),
        "ratio": round(ratio, 1),
        "goal": f"{GOAL}: {'reached' if ratio >= GOAL else 'missed'}",
    }


def go_through(services: Services, analysis: Analysis, film: Film, wish: Wish) -> float:
    """Bring the film through one run; return the seconds it took."""
    held = services.films.get(film.id)
    if held.shown_run is not None:
        with services.database.session(write=True) as session:
            held = rows.begin_run(session, film.id) or held
    began_s = time.perf_counter()
    plan = analysis.plan(film.id, held.run, lambda: None, wish)
    if (plan.source_run is None) != (wish is Wish.DECODE):
        raise RuntimeError("the film was not looked at in the way that was to be measured")
    for chunk in range(len(plan.spans)):
        analysis.analyse_chunk(film.id, held.run, plan, chunk, lambda: None)
    analysis.finish(film.id, held.run, plan)
    return time.perf_counter() - began_s


def draw(services: Services, folder: Path, count: int, seconds: float, size: str) -> list[Film]:
    """Add `count` films; they differ by a box at the end that players skip."""
    width, _, height = size.partition("x")
    path = folder / "film.mp4"
    shots = cut_shots(max(1, round(seconds / SHOT_S)), seconds=SHOT_S)
    draw_film(path, shots, Encoding(size=(int(width), int(height))))
    content = path.read_bytes()
    films = []
    for number in range(count):
        incoming = services.films.incoming()
        incoming.write(content + (16).to_bytes(4, "big") + b"free" + number.to_bytes(8, "big"))
        films.append(services.films.add(incoming, filename="film.mp4")[0])
    return films


def renamed(artifact: Artifact, path: Path) -> Artifact:
    """Copy an artifact under another version: a model of the same base."""
    path.mkdir()
    for file in artifact.path.iterdir():
        if file.name != MANIFEST_FILE and file.is_file():
            (path / file.name).write_bytes(file.read_bytes())
    changed = replace(artifact, path=path).manifest.model_copy(
        update={"version": f"{artifact.version}-again"}
    )
    return seal_artifact(path, changed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
