"""Which films are queued to be tagged anew, on real databases."""

from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from app.db import films as rows
from app.db.session import Database
from app.domain.films import FilmStatus
from app.domain.library import Film, Verdict
from app.domain.plan import Wish
from app.errors import Conflict, DatabaseUnavailable, InvalidRequest, NotAVideo
from app.services import retagging as module
from app.services.films import FilmService
from app.services.models import ModelService
from app.services.retagging import Retagging
from models.artifact import Artifact
from tests.fakes import make_manifest
from tests.memory import (
    MemoryQueue,
    MemoryStorage,
    finish,
    row,
    scored_shots,
    store_film,
    store_shots,
)

OLD_BASE = "aaaaaaaaaaaaaaaa"


class Shelf:
    """A library whose active model is ``fake-2``, on the base that most films have."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.jobs = MemoryQueue()
        self.models = ModelService(database, load=lambda path: Artifact(path, make_manifest()))
        for version in ("fake-1", "fake-2"):
            manifest = make_manifest(version=version)
            self.models.record(Artifact(folder / version, manifest))
        self.models.activate("fake-2")
        self.retagging = Retagging(database, self.jobs, self.models)
        self.films = FilmService(database, MemoryStorage(), self.jobs, self.models, data_dir=folder)

    def done(self, model: str = "fake-1", **changes: str) -> Film:
        film = store_film(self.database)
        store_shots(self.database, film, scored_shots([row(War=0.9)]))
        assert finish(self.database, film, model_version=model, **changes)
        return self.films.get(film.id)

    def failed(self) -> Film:
        film = store_film(self.database)
        with self.database.session(write=True) as session:
            rows.set_status(session, film.id, 1, FilmStatus.FAILED, error=NotAVideo("no"))
        return film

    def queued(self) -> dict[str, Wish]:
        return {film_id: self.jobs.wishes[film_id, run] for film_id, run in self.jobs.queued}


@pytest.fixture
def shelf(database: Database, tmp_path: Path) -> Shelf:
    return Shelf(database, tmp_path)


def test_only_stale_films_that_are_not_in_work_are_queued(shelf: Shelf) -> None:
    stale, other_base = shelf.done(), shelf.done(base_id=OLD_BASE)
    fresh, failed, waiting = shelf.done("fake-2"), shelf.failed(), store_film(shelf.database)

    report = shelf.retagging.retag()

    assert shelf.queued() == {stale.id: Wish.FEATURES, other_base.id: Wish.DECODE_LATER}
    assert (report.model_version, report.queued, report.from_features) == ("fake-2", 2, 1)
    assert report.next_cursor is None
    assert shelf.films.get(stale.id).status is FilmStatus.QUEUED
    for film in (fresh, failed, waiting):
        assert shelf.films.get(film.id).run == 1


def test_asking_again_queues_no_film_twice(shelf: Shelf) -> None:
    film = shelf.done()
    shelf.retagging.retag()
    assert shelf.retagging.retag().queued == 0
    assert shelf.jobs.queued == [(film.id, 2)]


def test_all_films_are_those_that_failed_and_the_fresh_ones_too(shelf: Shelf) -> None:
    stale, fresh, failed = shelf.done(), shelf.done("fake-2"), shelf.failed()
    report = shelf.retagging.retag(stale_only=False)
    assert report.queued == 3
    assert shelf.queued() == {
        stale.id: Wish.FEATURES, fresh.id: Wish.DECODE_LATER, failed.id: Wish.DECODE_LATER
    }  # fmt: skip


def test_films_of_one_model_can_be_chosen(shelf: Shelf) -> None:
    shelf.models.record(Artifact(Path("/fake-0"), make_manifest(version="fake-0")))
    shelf.done("fake-1")
    wanted = shelf.done("fake-0")
    assert shelf.retagging.retag(model="fake-0").queued == 1
    assert [film_id for film_id, _ in shelf.jobs.queued] == [wanted.id]
    assert shelf.retagging.retag(model="nobody").queued == 0


def test_large_library_is_gone_through_page_by_page(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 2)
    found = [shelf.done() for _ in range(5)]
    first = shelf.retagging.retag(stale_only=False, limit=3)
    assert (first.queued, first.next_cursor is None) == (3, False)
    second = shelf.retagging.retag(stale_only=False, limit=3, cursor=first.next_cursor)
    assert (second.queued, second.next_cursor) == (2, None)
    assert [film_id for film_id, _ in shelf.jobs.queued] == [film.id for film in found]


def test_interrupted_call_leaves_whole_batches_and_the_next_one_goes_on(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 2)
    found = [shelf.done() for _ in range(5)]
    enqueue = shelf.jobs.enqueue

    def fail_at_the_fourth(session: Session, film_id: str, run: int, wish: Wish) -> None:
        if film_id == found[3].id:
            raise DatabaseUnavailable("away")
        enqueue(session, film_id, run, wish)

    monkeypatch.setattr(shelf.jobs, "enqueue", fail_at_the_fourth)
    with pytest.raises(DatabaseUnavailable):
        shelf.retagging.retag()
    assert [shelf.films.get(film.id).run for film in found] == [2, 2, 1, 1, 1]

    monkeypatch.undo()
    assert shelf.retagging.retag().queued == 3


def test_verdicts_and_shown_tags_stay(shelf: Shelf) -> None:
    film = shelf.done()
    shelf.films.set_verdict(film.id, "War", Verdict.REJECTED)
    shelf.films.set_verdict(film.id, "Food", Verdict.ACCEPTED)
    before = shelf.films.tags(film.id)
    shelf.retagging.retag()
    assert shelf.films.tags(film.id) == before
    assert shelf.films.verdicts(film.id) == {"War": Verdict.REJECTED, "Food": Verdict.ACCEPTED}


def test_one_film_is_scored_from_its_features_unless_other_frames_are_asked_for(
    shelf: Shelf,
) -> None:
    stale, other_frames, fresh = shelf.done(), shelf.done(), shelf.done("fake-2")
    shelf.films.retag(stale.id)
    shelf.films.retag(other_frames.id, "interval:5")
    shelf.films.retag(fresh.id)
    assert shelf.queued() == {
        stale.id: Wish.FEATURES, other_frames.id: Wish.DECODE, fresh.id: Wish.DECODE
    }  # fmt: skip


def test_without_a_model_nothing_is_queued(database: Database) -> None:
    jobs = MemoryQueue()
    with pytest.raises(Conflict, match="no model"):
        Retagging(database, jobs, ModelService(database)).retag()
    assert jobs.queued == []


@pytest.mark.parametrize("options", [{"limit": 0}, {"limit": 10_001}, {"cursor": "???"}])
def test_options_out_of_range_are_refused(shelf: Shelf, options: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest):
        shelf.retagging.retag(**options)  # type: ignore[arg-type]
