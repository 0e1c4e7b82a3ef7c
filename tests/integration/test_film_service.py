"""Films as the service sees them: rows on SQLite and PostgreSQL, bytes on a real disk."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.db import films
from app.db.session import Database
from app.domain.films import FilmStatus
from app.domain.library import Film, FilmQuery, Verdict
from app.domain.segments import SegmentRules
from app.domain.tags import FilmTag, TagScore
from app.errors import (
    ArtifactError,
    Conflict,
    DatabaseUnavailable,
    EmptyUpload,
    FilmBusy,
    FilmNotFound,
    FrameNotFound,
    InvalidRequest,
    ModelNotFound,
    StorageUnavailable,
    UploadTooLarge,
)
from app.pipeline import summarise
from app.services.films import FilmService
from app.services.models import ModelService
from app.services.resumable import ResumableUploads
from app.storage.local import LocalStorage
from models.artifact import Artifact, BadArtifactError
from tests.fakes import make_manifest
from tests.memory import (
    MemoryQueue,
    MemoryStorage,
    finish,
    row,
    scored_shots,
    store_shots,
)

CONTENT = b"the bytes of a film" * 1000
NO_FILM = "0" * 32


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "objects")


@pytest.fixture
def queue() -> MemoryQueue:
    return MemoryQueue()


@pytest.fixture
def models(database: Database, tmp_path: Path) -> ModelService:
    service = ModelService(database)
    service.record(Artifact(tmp_path / "fake-1", make_manifest()))
    return service


@pytest.fixture
def service(
    database: Database,
    storage: LocalStorage,
    queue: MemoryQueue,
    models: ModelService,
    tmp_path: Path,
) -> FilmService:
    return FilmService(database, storage, queue, models, data_dir=tmp_path)


def upload(service: FilmService, content: bytes = CONTENT, **names: str) -> tuple[Film, bool]:
    with service.incoming() as incoming:
        incoming.write(content)
        return service.add(incoming, **names)


def objects(storage: LocalStorage | MemoryStorage) -> list[str]:
    return [key for key, _ in storage.keys("films/")]


def leftovers(tmp_path: Path) -> list[Path]:
    folders = (tmp_path / "incoming", tmp_path / "objects" / ".work")
    return [path for folder in folders if folder.exists() for path in folder.iterdir()]


class TestAdd:
    def test_film_that_arrived_is_stored_and_queued(
        self, service: FilmService, storage: LocalStorage, queue: MemoryQueue, tmp_path: Path
    ) -> None:
        film, created = upload(service, filename="holiday.mp4")
        assert created
        assert service.get(film.id) == film
        assert (film.title, film.filename, film.sampling) == ("holiday", "holiday.mp4", "shots")
        assert film.size_bytes == len(CONTENT)
        assert storage.get_bytes(film.source_key) == CONTENT
        assert queue.queued == [(film.id, 1)]
        assert leftovers(tmp_path) == []

    def test_same_bytes_again_give_the_film_that_is_there(
        self, service: FilmService, storage: LocalStorage, queue: MemoryQueue, tmp_path: Path
    ) -> None:
        film, _ = upload(service, title="One")
        again, created = upload(service, title="Two")
        assert (again, created) == (film, False)
        assert objects(storage) == [film.source_key]
        assert len(queue.queued) == 1
        assert leftovers(tmp_path) == []

    def test_same_bytes_ten_times_at_once_are_one_film(
        self, service: FilmService, storage: LocalStorage, queue: MemoryQueue, tmp_path: Path
    ) -> None:
        start = threading.Barrier(10)

        def send(_: int) -> tuple[Film, bool]:
            with service.incoming() as incoming:
                incoming.write(CONTENT)
                start.wait()
                return service.add(incoming)

        with ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(send, range(10)))
        assert [created for _, created in answers].count(True) == 1
        (only,) = {film.id for film, _ in answers}
        assert objects(storage) == [f"films/{only}/source"]
        assert queue.queued == [(only, 1)]
        assert leftovers(tmp_path) == []

    def test_loser_of_a_race_takes_its_bytes_away(
        self,
        service: FilmService,
        storage: LocalStorage,
        queue: MemoryQueue,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        winner, _ = upload(service)
        looks = iter([None])  # the first look comes before the winner's row
        real = films.find_by_sha256
        monkeypatch.setattr(
            films, "find_by_sha256", lambda session, sha: next(looks, real(session, sha))
        )
        film, created = upload(service)
        assert (film, created) == (winner, False)
        assert objects(storage) == [winner.source_key]
        assert queue.queued == [(winner.id, 1)]

    def test_job_that_cannot_be_queued_leaves_no_film(
        self, service: FilmService, storage: LocalStorage, queue: MemoryQueue
    ) -> None:
        queue.failure = DatabaseUnavailable("away")
        with pytest.raises(DatabaseUnavailable):
            upload(service)
        assert service.list().items == ()
        (orphan,) = objects(storage)  # it may have been accepted: only the sweep can know
        queue.failure = None
        film, created = upload(service)
        assert created
        assert set(objects(storage)) == {orphan, film.source_key}

    def test_storage_that_is_away_leaves_no_film(
        self, database: Database, queue: MemoryQueue, models: ModelService, tmp_path: Path
    ) -> None:
        storage = MemoryStorage()
        storage.failure = StorageUnavailable("away")
        service = FilmService(database, storage, queue, models, data_dir=tmp_path)
        with pytest.raises(StorageUnavailable):
            upload(service)
        assert service.list().items == ()
        assert queue.queued == []
        assert leftovers(tmp_path) == []

    def test_empty_film_is_refused(self, service: FilmService, tmp_path: Path) -> None:
        with pytest.raises(EmptyUpload):
            upload(service, b"")
        assert leftovers(tmp_path) == []

    def test_film_over_the_limit_is_refused_as_it_arrives(
        self, database: Database, storage: LocalStorage, models: ModelService, tmp_path: Path
    ) -> None:
        service = FilmService(
            database, storage, MemoryQueue(), models, data_dir=tmp_path, max_upload_bytes=10
        )
        assert upload(service, b"0123456789")[1]
        with service.incoming() as incoming:
            incoming.write(b"0123456789")
            with pytest.raises(UploadTooLarge):
                incoming.write(b"x")
        assert leftovers(tmp_path) == []

    @pytest.mark.parametrize(
        ("names", "title", "filename"),
        [
            pytest.param({}, "Untitled", "", id="no name"),
            pytest.param({"filename": "../../etc/passwd"}, "passwd", "passwd", id="path"),
            pytest.param({"filename": "C:\\films\\a.b.mkv"}, "a.b", "a.b.mkv", id="windows path"),
            pytest.param({"filename": "-rf.mp4"}, "-rf", "-rf.mp4", id="dash"),
            pytest.param({"filename": ".."}, "Untitled", "", id="dots"),
            pytest.param({"filename": "a\0b\n.mp4"}, "ab", "ab.mp4", id="control letters"),
            pytest.param({"filename": "\u202e4pm.exe"}, "4pm", "4pm.exe", id="turned"),
            pytest.param({"filename": "\ud800.mp4"}, ".mp4", ".mp4", id="half a letter"),
            pytest.param({"filename": "x" * 300 + ".mp4"}, "x" * 255, "x" * 255, id="long"),
            pytest.param(
                {"title": " Пример\t ", "filename": "a.mp4"}, "Пример", "a.mp4", id="title"
            ),
        ],
    )
    def test_names_are_cleaned(
        self, service: FilmService, names: dict[str, str], title: str, filename: str
    ) -> None:
        film, _ = upload(service, **names)
        assert (film.title, film.filename) == (title, filename)

    @pytest.mark.parametrize(
        "names", [{"sampling": "every"}, {"sampling": "interval:0"}, {"title": "x" * 256}]
    )
    def test_what_cannot_be_understood_is_refused(
        self, service: FilmService, storage: LocalStorage, names: dict[str, str]
    ) -> None:
        with pytest.raises(InvalidRequest):
            upload(service, **names)
        assert objects(storage) == []

    def test_sampling_is_kept_in_its_plain_form(self, service: FilmService) -> None:
        assert upload(service, sampling=" Interval:0.50 ")[0].sampling == "interval:0.5"


class TestLife:
    def test_cancelled_film_is_out_of_the_queue(
        self, service: FilmService, queue: MemoryQueue
    ) -> None:
        film, _ = upload(service)
        assert service.cancel(film.id).status is FilmStatus.CANCELLED
        assert queue.cancelled == [(film.id, 1)]
        assert service.cancel(film.id).status is FilmStatus.CANCELLED
        assert queue.cancelled == [(film.id, 1)]

    def test_finished_film_stays_done_when_cancelled(
        self, service: FilmService, database: Database, queue: MemoryQueue
    ) -> None:
        film, _ = upload(service)
        finish(database, film)
        assert service.cancel(film.id).status is FilmStatus.DONE
        assert queue.cancelled == []

    def test_cancel_holds_while_the_queue_is_away(
        self, service: FilmService, queue: MemoryQueue
    ) -> None:
        film, _ = upload(service)
        queue.failure = DatabaseUnavailable("away")
        assert service.cancel(film.id).status is FilmStatus.CANCELLED

    def test_retag_queues_the_next_run(
        self, service: FilmService, database: Database, queue: MemoryQueue
    ) -> None:
        film, _ = upload(service)
        finish(database, film)
        again = service.retag(film.id, "keyframes")
        assert (again.run, again.status, again.sampling) == (2, FilmStatus.QUEUED, "keyframes")
        assert again.shown_run == 1
        assert queue.queued == [(film.id, 1), (film.id, 2)]
        with pytest.raises(FilmBusy):
            service.retag(film.id)
        with pytest.raises(InvalidRequest):
            service.retag(film.id, "nonsense")

    def test_retag_that_cannot_be_queued_changes_nothing(
        self, service: FilmService, database: Database, queue: MemoryQueue
    ) -> None:
        film, _ = upload(service)
        finish(database, film)
        before = service.get(film.id)
        queue.failure = DatabaseUnavailable("away")
        with pytest.raises(DatabaseUnavailable):
            service.retag(film.id)
        assert service.get(film.id) == before

    def test_deleted_film_is_gone_with_its_objects(
        self,
        service: FilmService,
        database: Database,
        storage: LocalStorage,
        queue: MemoryQueue,
    ) -> None:
        film, _ = upload(service)
        other, _ = upload(service, b"another film")
        store_shots(database, film, scored_shots([row(War=0.9)]))
        storage.put_bytes(f"films/{film.id}/frames/1/0-0.jpg", b"jpeg")
        service.delete(film.id)
        assert objects(storage) == [other.source_key]
        assert queue.cancelled == [(film.id, 1)]
        assert [found.id for found in service.list().items] == [other.id]
        with pytest.raises(FilmNotFound):
            service.delete(film.id)
        assert upload(service)[1]

    def test_objects_that_cannot_be_deleted_are_left_to_the_sweep(
        self, database: Database, queue: MemoryQueue, models: ModelService, tmp_path: Path
    ) -> None:
        storage = MemoryStorage()
        service = FilmService(database, storage, queue, models, data_dir=tmp_path)
        film, _ = upload(service)
        kept, _ = upload(service, b"another film")
        storage.failure = StorageUnavailable("away")
        service.delete(film.id)
        storage.failure = None
        assert service.sweep() == 0  # young: its upload could be under way
        storage.age(25 * 3600)
        assert service.sweep() == 1
        assert objects(storage) == [kept.source_key]

    def test_sweep_deletes_uploads_that_never_ended(
        self, service: FilmService, tmp_path: Path
    ) -> None:
        incoming = service.incoming()
        incoming.write(b"half a fi")
        assert service.sweep() == 0
        assert service.sweep(older_than_s=-1) == 1
        assert leftovers(tmp_path) == []
        incoming.discard()

    def test_sweep_deletes_resumable_uploads_that_expired(
        self, service: FilmService, tmp_path: Path
    ) -> None:
        uploads = ResumableUploads(tmp_path / "incoming", service, expires_s=60)
        kept, idle = uploads.create(9), uploads.create(9)
        for path in uploads.path.glob(f"{idle.id}.*"):
            os.utime(path, (0, 0))
        assert service.sweep() == 2
        assert {path.stem for path in uploads.path.iterdir()} == {kept.id}

    @pytest.mark.parametrize("film_id", [NO_FILM, "", "x", "a\0b", "../x", "é" * 32, "A" * 32])
    def test_film_that_is_not_there_is_not_found(self, service: FilmService, film_id: str) -> None:
        calls = [
            lambda: service.get(film_id),
            lambda: service.cancel(film_id),
            lambda: service.retag(film_id),
            lambda: service.delete(film_id),
            lambda: service.tags(film_id),
            lambda: service.segments(film_id),
            lambda: service.frames(film_id),
            lambda: service.frame_image(film_id, 0),
            lambda: service.verdicts(film_id),
            lambda: service.set_verdict(film_id, "War", Verdict.ACCEPTED),
        ]
        for call in calls:
            with pytest.raises(FilmNotFound):
                call()

    def test_counts_follow_the_states(self, service: FilmService, database: Database) -> None:
        film, _ = upload(service)
        finish(database, upload(service, b"another film")[0])
        service.cancel(film.id)
        found = {state: count for state, count in service.counts().items() if count}
        assert found == {FilmStatus.DONE: 1, FilmStatus.CANCELLED: 1}


ROWS = [
    row(Forest=0.7, War=0.2, Robot=0.1),
    row(War=0.6, Forest=0.3, Food=0.1),
    row(War=0.8, Forest=0.15, Food=0.05),
    row(Robot=0.5, Forest=0.4, Food=0.1),
]


@pytest.fixture
def analysed(service: FilmService, database: Database, storage: LocalStorage) -> Film:
    film, _ = upload(service)
    shots = scored_shots(ROWS)
    store_shots(database, film, shots)
    for place in range(4):
        storage.put_bytes(f"films/{film.id}/frames/1/0-{place}.jpg", b"jpeg %d" % place)
    assert finish(database, film, summarise(shots, make_manifest())[0])
    return service.get(film.id)


class TestContents:
    def test_film_that_is_not_ready_answers_with_nothing(self, service: FilmService) -> None:
        film, _ = upload(service)
        assert service.tags(film.id) == []
        assert service.tags(film.id, top_k=5) == []
        assert service.segments(film.id) == []
        assert service.frames(film.id).items == ()
        with pytest.raises(FrameNotFound):
            service.frame_image(film.id, 0)

    def test_derived_tags_are_those_that_the_worker_stored(
        self, service: FilmService, analysed: Film
    ) -> None:
        stored = service.tags(analysed.id)
        assert [tag.tag for tag in stored] == ["War", "Forest", "Robot"]
        assert stored == service.tags(analysed.id, top_k=3)
        assert stored == summarise(scored_shots(ROWS), make_manifest())[0]

    def test_other_top_k_weighs_the_stored_scores_anew(
        self, service: FilmService, analysed: Film
    ) -> None:
        (war, forest, robot) = service.tags(analysed.id, top_k=1)
        assert war == FilmTag("War", pytest.approx(0.35), 4.0, 2, 2.0)
        assert forest == FilmTag("Forest", pytest.approx(0.175), 2.0, 1, 0.0)
        assert robot == FilmTag("Robot", pytest.approx(0.125), 2.0, 1, 6.0)

    def test_weak_and_last_tags_are_left_out_on_request(
        self, service: FilmService, analysed: Film
    ) -> None:
        everything = service.tags(analysed.id)
        assert service.tags(analysed.id, limit=1) == everything[:1]
        least = everything[1].score
        assert service.tags(analysed.id, min_score=least) == everything[:2]

    def test_segments_are_derived_from_the_stored_scores(
        self, service: FilmService, analysed: Film
    ) -> None:
        rules = SegmentRules(top_k=1, max_gap_s=0)
        found = service.segments(analysed.id, None, rules)
        assert [(s.tag, s.start_s, s.end_s) for s in found] == [
            ("Forest", 0, 2), ("War", 2, 6), ("Robot", 6, 8),
        ]  # fmt: skip
        assert found[1].score == pytest.approx(0.7)
        assert service.segments(analysed.id, ["War"], rules) == [found[1]]
        assert service.segments(analysed.id, ["Wedding"], rules) == []

    def test_frames_have_their_shot_and_their_first_tags(
        self, service: FilmService, analysed: Film
    ) -> None:
        page = service.frames(analysed.id, top_k=2)
        assert [frame.n for frame in page.items] == [0, 1, 2, 3]
        assert page.next_cursor is None
        second = page.items[1]
        assert (second.time_s, second.shot.start_s, second.shot.end_s) == (3, 2, 4)
        assert second.tags == (
            TagScore("War", pytest.approx(0.6)), TagScore("Forest", pytest.approx(0.3)),
        )  # fmt: skip

    def test_frames_with_a_tag_come_in_pages(
        self, service: FilmService, analysed: Film, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("app.services.contents.READ_AT_ONCE", 2)
        for tag, wanted in ((None, [0, 1, 2, 3]), ("Food", [1, 2, 3]), ("Wedding", [])):
            for limit in (1, 2, 3, 4, 5):
                found: list[int] = []
                cursor = None
                while True:
                    page = service.frames(analysed.id, tag, cursor, limit)
                    found += [frame.n for frame in page.items]
                    assert len(page.items) <= limit
                    cursor = page.next_cursor
                    if cursor is None:
                        break
                assert found == wanted

    def test_frame_page_that_cannot_be_understood_is_refused(
        self, service: FilmService, analysed: Film
    ) -> None:
        cursor = service.list(FilmQuery(), limit=1).next_cursor
        assert cursor is None
        for limit in (0, 501):
            with pytest.raises(InvalidRequest):
                service.frames(analysed.id, limit=limit)
        with pytest.raises(InvalidRequest):
            service.frames(analysed.id, cursor="nonsense")

    def test_image_is_the_one_of_the_frame(self, service: FilmService, analysed: Film) -> None:
        assert service.frame_image(analysed.id, 2) == b"jpeg 2"
        for n in (4, -1, 2**40):
            with pytest.raises(FrameNotFound):
                service.frame_image(analysed.id, n)

    def test_image_that_is_gone_is_not_found(
        self, service: FilmService, analysed: Film, storage: LocalStorage
    ) -> None:
        storage.delete_prefix(f"films/{analysed.id}/frames/1/")
        with pytest.raises(FrameNotFound):
            service.frame_image(analysed.id, 2)

    def test_scores_of_a_model_that_was_replaced_stay_readable(
        self, service: FilmService, models: ModelService, analysed: Film, tmp_path: Path
    ) -> None:
        other = make_manifest(version="fake-2", tags=("War", "Wedding"), base_id="fedcba9876543210")
        models.record(Artifact(tmp_path / "fake-2", other))
        assert service.frames(analysed.id).items[0].tags[0].tag == "Forest"

    def test_scores_without_their_model_leave_the_stored_tags(
        self, service: FilmService, database: Database
    ) -> None:
        film, _ = upload(service, b"of an unknown model")
        store_shots(database, film, scored_shots(ROWS))
        tags = [FilmTag("War", 0.5, 4.0, 2, 2.0)]
        finish(database, film, tags, model_version="lost-1")
        assert service.tags(film.id) == tags
        assert service.segments(film.id) == []
        assert service.frames(film.id).items == ()


class TestVerdicts:
    def test_rejected_tag_is_hidden_everywhere_and_comes_back_when_undone(
        self, service: FilmService, analysed: Film
    ) -> None:
        before = service.tags(analysed.id)
        after = service.set_verdict(analysed.id, "War", Verdict.REJECTED)
        assert after == service.tags(analysed.id) == [tag for tag in before if tag.tag != "War"]
        assert "War" not in {tag.tag for tag in service.tags(analysed.id, top_k=5)}
        assert service.segments(analysed.id, ["War"]) == []
        assert service.list(FilmQuery(tags=("War",))).items == ()
        assert service.verdicts(analysed.id) == {"War": Verdict.REJECTED}
        assert service.set_verdict(analysed.id, "War", None) == before
        assert len(service.list(FilmQuery(tags=("War",))).items) == 1

    def test_accepted_tag_stands_first_and_can_be_searched(
        self, service: FilmService, analysed: Film
    ) -> None:
        service.set_verdict(analysed.id, "Wedding", Verdict.ACCEPTED)
        first = FilmTag("Wedding", 1.0, 0.0, 0, None, "human")
        assert service.tags(analysed.id)[0] == first
        assert service.tags(analysed.id, top_k=1)[0] == first
        (found,) = service.list(FilmQuery(tags=("Wedding",), min_score=0.99)).items
        assert found.id == analysed.id

    def test_verdict_survives_retag(
        self, service: FilmService, database: Database, analysed: Film
    ) -> None:
        service.set_verdict(analysed.id, "War", Verdict.REJECTED)
        again = service.retag(analysed.id)
        shots = scored_shots(ROWS)
        store_shots(database, again, shots)
        finish(database, again, summarise(shots, make_manifest())[0])
        assert "War" not in {tag.tag for tag in service.tags(analysed.id)}

    def test_verdict_may_come_before_the_first_run_ends(
        self, service: FilmService, database: Database
    ) -> None:
        film, _ = upload(service)
        service.set_verdict(film.id, "Food", Verdict.ACCEPTED)
        assert [tag.tag for tag in service.tags(film.id)] == ["Food"]
        finish(database, film, [FilmTag("War", 0.5, 4.0, 2, 2.0)])
        assert [tag.tag for tag in service.tags(film.id)] == ["Food", "War"]


class TestModels:
    def test_recorded_model_is_listed_and_kept_once(
        self, models: ModelService, tmp_path: Path
    ) -> None:
        models.record(Artifact(tmp_path / "moved", make_manifest()))
        (model,) = models.list()
        assert (model.version, model.path) == ("fake-1", str(tmp_path / "moved"))
        assert model.manifest == make_manifest()
        assert not model.active
        assert models.active() is None

    def test_another_model_under_the_same_name_is_refused(
        self, models: ModelService, tmp_path: Path
    ) -> None:
        other = make_manifest(tags=("War", "Forest"))
        with pytest.raises(ArtifactError, match="new version"):
            models.record(Artifact(tmp_path / "other", other))
        assert models.get("fake-1").manifest == make_manifest()

    def test_one_model_is_active_at_most(self, database: Database, tmp_path: Path) -> None:
        models = ModelService(database, load=lambda path: Artifact(path, make_manifest()))
        for version in ("a-1", "b-1"):
            models.record(Artifact(tmp_path / version, make_manifest(version=version)))
        assert models.activate("a-1").active
        assert models.activate("b-1").active
        active = models.active()
        assert active is not None
        assert active.version == "b-1"
        assert [model.version for model in models.list() if model.active] == ["b-1"]

    def test_damaged_model_is_not_activated(self, database: Database, tmp_path: Path) -> None:
        def refuse(path: Path) -> Artifact:
            raise BadArtifactError(path, "no such directory")

        models = ModelService(database, load=refuse)
        models.record(Artifact(tmp_path / "gone", make_manifest()))
        with pytest.raises(Conflict, match="no such directory"):
            models.activate("fake-1")
        assert models.active() is None

    def test_unknown_model_is_not_found(self, models: ModelService) -> None:
        for version in ("nobody", "a\0b", "\ud800"):
            with pytest.raises(ModelNotFound):
                models.activate(version)
            assert models.manifest_of(version) is None
