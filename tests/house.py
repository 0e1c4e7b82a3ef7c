"""A library with one film of drawn shots, and workers' analyses of it without a queue."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from app.db import films, workers
from app.db.session import Database
from app.domain.films import FilmStatus
from app.domain.library import Film, NewFilm, source_key
from app.domain.plan import Plan, Wish
from app.inference.batcher import BatchingClassifier
from app.services.analysis import Analysis, Parts
from app.services.model_in_use import ModelInUse
from app.storage.local import LocalStorage
from tests.fakes import FakeReader, drawn_shots
from tests.memory import MemoryQueue

SHOTS = drawn_shots(9, shot_s=7.0, frames_each=2)
"""63 seconds: chunks of 10 seconds cut right through shots."""


class House:
    """A database, a storage with one film, and a worker's analysis of it."""

    def __init__(self, folder: Path, database: Database, classifier: BatchingClassifier) -> None:
        self.database = database
        self.storage = LocalStorage(folder / "objects")
        self.jobs = MemoryQueue()
        self.classifier = classifier
        self.film_id = films.new_film_id()
        bytes_path = folder / "film"
        bytes_path.write_bytes(b"bytes of a film")
        self.storage.put_file(source_key(self.film_id), bytes_path)
        new = NewFilm(self.film_id, "a" * 64, "Film", "film.mp4", 15, "shots")
        with self.database.session(write=True) as session:
            films.insert_film(session, new)
        with self.storage.local_file(source_key(self.film_id)) as path:
            self.path = path
        self.reader = FakeReader({self.path: SHOTS})

    def analysis(self, executor_id: str = "first", **parts: Any) -> Analysis:
        models = ModelInUse(parts.pop("classifier", self.classifier))
        known = Parts(self.database, self.storage, self.jobs, self.reader, models)
        return Analysis(replace(known, **parts), executor_id, chunk_s=10)

    @property
    def film(self) -> Film:
        with self.database.session() as session:
            film = films.find_film(session, self.film_id)
        assert film is not None
        return film

    def run(self, analysis: Analysis, run: int = 1, wish: Wish = Wish.DECODE) -> Plan:
        plan = analysis.plan(self.film_id, run, go_on, wish)
        for chunk in range(len(plan.spans)):
            analysis.analyse_chunk(self.film_id, run, plan, chunk, go_on)
        analysis.finish(self.film_id, run, plan)
        return plan

    def objects(self) -> set[str]:
        return {
            key.removeprefix(f"films/{self.film_id}/") for key, _ in self.storage.keys("films/")
        }

    def cancel(self) -> None:
        with self.database.session(write=True) as session:
            assert films.set_status(session, self.film_id, self.film.run, FilmStatus.CANCELLED)

    def lose(self, piece: int, count: int) -> None:
        """Record workers that died at a piece of the film."""
        with self.database.session(write=True) as session:
            for number in range(count):
                workers.begin_attempt(session, self.film_id, 1, piece, f"dead-{number}")


def go_on() -> None: ...
