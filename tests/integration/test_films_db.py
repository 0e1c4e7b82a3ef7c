"""Films and the pieces of their runs, on SQLite and on PostgreSQL."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import func, select

from app.db import films, frames
from app.db import tags as tag_rows
from app.db.session import Database
from app.db.tables import (
    AttemptRow,
    ChunkRow,
    FilmFeaturesRow,
    FilmRow,
    FilmTagRow,
    FrameRow,
    SegmentRow,
    ShotRow,
    Table,
    VerdictRow,
)
from app.domain.films import FilmProbe, FilmStatus, Sampling, Stage
from app.domain.library import Film, NewFilm, Verdict
from app.domain.shots import ScoredFrame, ScoredShot, Shot
from app.domain.tags import FilmTag, Segment
from app.errors import NotAVideo
from tests.memory import chunk_record, finish, row, scored_shots, store_film, store_shots

SHOTS = scored_shots([row(Forest=0.9), row(War=0.8), row(Robot=0.7)])


def load(database: Database, film: Film) -> Film:
    with database.session() as session:
        found = films.find_film(session, film.id)
    assert found is not None
    return found


def counts(database: Database) -> dict[str, int]:
    with database.session() as session:
        return {
            table.__tablename__: session.scalar(select(func.count()).select_from(table)) or 0
            for table in (ChunkRow, ShotRow, FrameRow)
        }


NOTHING = {"chunks": 0, "shots": 0, "frames": 0}


def cancel(database: Database, film: Film) -> bool:
    with database.session(write=True) as session:
        return films.set_status(session, film.id, film.run, FilmStatus.CANCELLED)


def begin_run(database: Database, film: Film, sampling: Sampling | None = None) -> Film:
    with database.session(write=True) as session:
        begun = films.begin_run(session, film.id, sampling)
    assert begun is not None
    return begun


def delete(database: Database, film: Film) -> None:
    with database.session(write=True) as session:
        assert films.delete_film(session, film.id) is not None


def progress(database: Database, film: Film, share: float) -> bool:
    with database.session(write=True) as session:
        return films.set_progress(session, film.id, film.run, Stage.ANALYSING, share)


class TestFilms:
    def test_new_film_is_queued_in_its_first_run(self, database: Database) -> None:
        film = store_film(database, title="Ein Film: 東京 🎬")
        found = load(database, film)
        assert found == film
        assert (found.status, found.stage, found.run) == (FilmStatus.QUEUED, Stage.QUEUED, 1)
        assert (found.shown_run, found.progress, found.warnings) == (None, 0.0, ())
        assert found.title == "Ein Film: 東京 🎬"
        assert found.created_at.utcoffset() is not None
        assert found.source_key == f"films/{film.id}/source"

    def test_ids_sort_by_time(self) -> None:
        ids = [films.new_film_id() for _ in range(3000)]
        stamps = [film_id[:12] for film_id in ids]
        assert stamps == sorted(stamps)
        assert len(set(ids)) == 3000
        assert all(film_id[12] == "7" and film_id[16] in "89ab" for film_id in ids)

    def test_same_bytes_are_one_film(self, database: Database) -> None:
        first = store_film(database, sha256="a" * 64)
        with database.session(write=True) as session:
            new = NewFilm(films.new_film_id(), "a" * 64, "Twin", "b.mp4", 1000, "shots")
            assert films.insert_film(session, new) is None
            assert films.find_by_sha256(session, "a" * 64) == first

    def test_film_larger_than_two_gibibytes_is_kept(self, database: Database) -> None:
        with database.session(write=True) as session:
            new = NewFilm(films.new_film_id(), "b" * 64, "Long", "b.mp4", 60 * 2**30, "shots")
            film = films.insert_film(session, new)
        assert film is not None
        assert load(database, film).size_bytes == 60 * 2**30

    def test_rolled_back_transaction_leaves_no_film(self, database: Database) -> None:
        def give_up() -> None:
            with database.session(write=True) as session:
                new = NewFilm(films.new_film_id(), "c" * 64, "Lost", "c.mp4", 1, "shots")
                assert films.insert_film(session, new) is not None
                raise KeyError("no")

        with pytest.raises(KeyError):
            give_up()
        with database.session() as session:
            assert films.find_by_sha256(session, "c" * 64) is None

    def test_counts_name_every_state(self, database: Database) -> None:
        store_film(database)
        cancel(database, store_film(database))
        with database.session() as session:
            found = films.count_by_status(session)
        assert found == {
            FilmStatus.QUEUED: 1, FilmStatus.RUNNING: 0, FilmStatus.DONE: 0,
            FilmStatus.FAILED: 0, FilmStatus.CANCELLED: 1,
        }  # fmt: skip


class TestRun:
    def test_progress_never_goes_backwards(self, database: Database) -> None:
        film = store_film(database)
        assert progress(database, film, 0.5)
        assert progress(database, film, 0.3)
        found = load(database, film)
        assert (found.status, found.stage, found.progress) == (
            FilmStatus.RUNNING, Stage.ANALYSING, 0.5,
        )  # fmt: skip

    def test_probe_is_kept(self, database: Database) -> None:
        film = store_film(database)
        probe = FilmProbe(61.5, 1920, 1080, 23.976, "h264", "mov", 90)
        with database.session(write=True) as session:
            assert films.store_probe(session, film.id, 1, probe)
        found = load(database, film)
        assert (found.duration_s, found.width_px, found.height_px) == (61.5, 1920, 1080)
        assert (found.frame_rate, found.codec, found.container) == (23.976, "h264", "mov")

    def test_failure_says_why(self, database: Database) -> None:
        film = store_film(database)
        with database.session(write=True) as session:
            error = NotAVideo("no container was recognised")
            assert films.set_status(session, film.id, 1, FilmStatus.FAILED, error=error)
        found = load(database, film)
        assert (found.status, found.stage) == (FilmStatus.FAILED, Stage.FINISHED)
        assert (found.error_code, found.error_detail) == (
            "not_a_video", "no container was recognised",
        )  # fmt: skip

    def test_ended_run_cannot_be_moved(self, database: Database) -> None:
        film = store_film(database)
        assert cancel(database, film)
        assert not progress(database, film, 0.5)
        assert not cancel(database, film)
        with database.session(write=True) as session:
            assert not films.set_status(session, film.id, 1, FilmStatus.FAILED, error=NotAVideo())
            assert not films.store_probe(session, film.id, 1, FilmProbe(1, 1, 1, 1, "a", "b"))
            assert not films.run_is_active(session, film.id, 1)
        assert load(database, film).status is FilmStatus.CANCELLED
        assert load(database, film).error_code is None

    def test_next_run_starts_at_the_beginning(self, database: Database) -> None:
        film = store_film(database)
        progress(database, film, 0.7)
        with database.session(write=True) as session:
            films.set_status(session, film.id, 1, FilmStatus.FAILED, error=NotAVideo("no"))
        begun = begin_run(database, film, Sampling.parse("interval:0.5"))
        assert begun == load(database, film)
        assert (begun.run, begun.status, begun.stage) == (2, FilmStatus.QUEUED, Stage.QUEUED)
        assert (begun.progress, begun.error_code, begun.error_detail) == (0.0, None, None)
        assert begun.sampling == "interval:0.5"

    def test_worker_of_an_earlier_run_changes_nothing(self, database: Database) -> None:
        stale = store_film(database)
        cancel(database, stale)
        begun = begin_run(database, stale)
        assert not progress(database, stale, 0.9)
        assert not cancel(database, stale)
        assert not store_shots(database, stale, SHOTS)
        assert not finish(database, stale)
        assert load(database, stale) == begun
        assert counts(database) == NOTHING

    def test_missing_film_has_no_next_run(self, database: Database) -> None:
        with database.session(write=True) as session:
            assert films.begin_run(session, films.new_film_id()) is None
            assert films.delete_film(session, films.new_film_id()) is None


class TestStoreChunk:
    def test_shots_come_back_as_they_were_stored(self, database: Database) -> None:
        film = store_film(database)
        rows = np.random.default_rng(0).random((7, 50), np.float32)
        shots = scored_shots(rows.tolist())
        assert store_shots(database, film, shots)
        with database.session() as session:
            found = frames.load_scored_shots(session, film.id, 1)
            assert frames.chunk_is_stored(session, film.id, 1, 0)
            assert frames.stored_chunks(session, film.id, 1) == [0]
            assert frames.load_chunks(session, film.id, 1) == [chunk_record()]
        assert [scored.shot for scored in found] == [scored.shot for scored in shots]
        stored = np.stack([scored.frames[0].scores for scored in found])
        assert stored.dtype == np.float32
        np.testing.assert_array_equal(stored, rows)

    def test_shot_with_several_key_frames_keeps_them_in_time_order(
        self, database: Database
    ) -> None:
        film = store_film(database)
        times = (0.5, 1.5, 2.5)
        shot = ScoredShot(
            Shot(0, 3),
            tuple(
                ScoredFrame(
                    at, np.array(row(Food=at / 3), np.float32), np.zeros(1, np.float16), b""
                )
                for at in times
            ),
        )
        assert store_shots(database, film, [shot])
        with database.session() as session:
            (found,) = frames.load_scored_shots(session, film.id, 1)
        assert tuple(frame.time_s for frame in found.frames) == times
        np.testing.assert_array_equal(found.scores, shot.scores)

    def test_same_chunk_twice_is_stored_once(self, database: Database) -> None:
        film = store_film(database)
        assert store_shots(database, film, SHOTS)
        assert not store_shots(database, film, SHOTS[:1], executor_id="worker-2")
        assert counts(database) == {"chunks": 1, "shots": 3, "frames": 3}
        with database.session() as session:
            assert frames.load_chunks(session, film.id, 1)[0].executor_id == "worker-1"

    def test_ten_workers_with_one_chunk_store_it_once(self, database: Database) -> None:
        film = store_film(database)
        start = threading.Barrier(10)

        def bring(worker: int) -> bool:
            start.wait()
            return store_shots(database, film, SHOTS, executor_id=f"worker-{worker}")

        with ThreadPoolExecutor(10) as pool:
            stored = list(pool.map(bring, range(10)))
        assert stored.count(True) == 1
        assert counts(database) == {"chunks": 1, "shots": 3, "frames": 3}

    def test_late_chunk_of_a_cancelled_film_is_refused(self, database: Database) -> None:
        film = store_film(database)
        cancel(database, film)
        assert not store_shots(database, film, SHOTS)
        assert counts(database) == NOTHING

    def test_late_chunk_of_a_finished_film_is_refused(self, database: Database) -> None:
        film = store_film(database)
        store_shots(database, film, SHOTS)
        finish(database, film)
        assert not store_shots(database, film, SHOTS, chunk=1)
        assert counts(database) == {"chunks": 1, "shots": 3, "frames": 3}

    def test_late_chunk_of_a_deleted_film_is_refused(self, database: Database) -> None:
        film = store_film(database)
        delete(database, film)
        assert not store_shots(database, film, SHOTS)
        assert counts(database) == NOTHING

    def test_chunk_without_shots_counts_as_stored(self, database: Database) -> None:
        film = store_film(database)
        assert store_shots(database, film, [])
        assert not store_shots(database, film, SHOTS)
        assert counts(database) == {"chunks": 1, "shots": 0, "frames": 0}

    @pytest.mark.parametrize("keys", [2, 4], ids=["too few", "too many"])
    def test_thumbnails_that_do_not_fit_the_frames_store_nothing(
        self, database: Database, keys: int
    ) -> None:
        film = store_film(database)

        def store() -> None:
            with database.session(write=True) as session:
                names = [f"films/{film.id}/frames/1/0-{place}.jpg" for place in range(keys)]
                frames.store_chunk(session, film.id, 1, chunk_record(), SHOTS, names)

        with pytest.raises(ValueError, match="thumbnail"):
            store()
        assert counts(database) == NOTHING


class TestFinishRun:
    def test_frames_are_numbered_by_time_over_all_chunks(self, database: Database) -> None:
        film = store_film(database)
        late = scored_shots([row(War=0.5), row(War=0.6)], start_s=10)
        assert store_shots(database, film, late, chunk=1)  # chunks come in any order
        assert store_shots(database, film, SHOTS, chunk=0)
        with database.session() as session:
            places = frames.frame_places(session, film.id, 1)
        assert places == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
        assert finish(database, film)
        with database.session() as session:
            found = frames.list_frames(session, film.id, 1)
            assert [frame.n for frame in found] == [0, 1, 2, 3, 4]
            assert [frame.time_s for frame in found] == [1, 3, 5, 11, 13]
            assert found[3].thumbnail_key == f"films/{film.id}/frames/1/1-0.jpg"
            assert (found[3].shot_start_s, found[3].shot_end_s) == (10, 12)
            pages = [
                [frame.n for frame in frames.list_frames(session, film.id, 1, first=at, limit=2)]
                for at in (0, 2, 4, 5)
            ]
            assert pages == [[0, 1], [2, 3], [4], []]
            one = frames.find_frame(session, film.id, 1, 3)
            assert one is not None
            assert one.time_s == 11
            assert frames.find_frame(session, film.id, 1, 5) is None

    def test_finished_film_is_done_with_what_the_worker_says(self, database: Database) -> None:
        film = store_film(database)
        store_shots(database, film, SHOTS, warnings=("2 frames are damaged",))
        twice = ("2 frames are damaged", "the sound is odd")
        store_shots(database, film, [], chunk=1, warnings=twice)
        tags = [FilmTag("War", 0.5, 2.0, 1, 2.0), FilmTag("Forest", 0.6, 2.0, 1, 0.0)]
        assert finish(database, film, tags)
        found = load(database, film)
        assert (found.status, found.stage, found.progress) == (
            FilmStatus.DONE, Stage.FINISHED, 1.0,
        )  # fmt: skip
        assert (found.shown_run, found.model_version) == (1, "fake-1")
        assert found.warnings == twice
        assert found.duration_s == 20.0  # where the last chunk ended: the file did not say
        assert found.analysed_at is not None
        with database.session() as session:
            assert tag_rows.load_film_tags(session, film.id) == tags[::-1]

    def test_duration_of_the_probe_is_kept(self, database: Database) -> None:
        film = store_film(database)
        with database.session(write=True) as session:
            films.store_probe(session, film.id, 1, FilmProbe(19.5, 1, 1, None, "h264", "mov"))
        store_shots(database, film, SHOTS)
        finish(database, film)
        assert load(database, film).duration_s == 19.5

    def test_finishing_twice_is_harmless(self, database: Database) -> None:
        film = store_film(database)
        store_shots(database, film, SHOTS)
        assert finish(database, film, [FilmTag("War", 0.5, 2.0, 1, 2.0)])
        before = load(database, film)
        assert finish(database, film, [])
        assert load(database, film) == before
        with database.session() as session:
            assert len(tag_rows.load_film_tags(session, film.id)) == 1

    def test_cancelled_or_deleted_film_cannot_be_finished(self, database: Database) -> None:
        film = store_film(database)
        store_shots(database, film, SHOTS)
        cancel(database, film)
        assert not finish(database, film)
        assert load(database, film).shown_run is None
        delete(database, film)
        assert not finish(database, film)

    def test_retag_shows_the_old_run_until_the_new_one_is_complete(
        self, database: Database
    ) -> None:
        film = store_film(database)
        store_shots(database, film, SHOTS)
        finish(database, film, [FilmTag("War", 0.5, 2.0, 1, 2.0)])
        begun = begin_run(database, film)
        store_shots(database, begun, SHOTS[:1])
        found = load(database, film)
        assert (found.run, found.shown_run, found.model_version) == (2, 1, "fake-1")
        with database.session() as session:
            assert len(frames.list_frames(session, film.id, 1)) == 3
            assert [tag.tag for tag in tag_rows.load_film_tags(session, film.id)] == ["War"]
        finish(database, begun, [FilmTag("Forest", 0.6, 2.0, 1, 0.0)], model_version="fake-2")
        found = load(database, film)
        assert (found.shown_run, found.model_version) == (2, "fake-2")
        assert counts(database) == {"chunks": 1, "shots": 1, "frames": 1}
        with database.session() as session:
            assert [tag.tag for tag in tag_rows.load_film_tags(session, film.id)] == ["Forest"]

    def test_failed_retag_leaves_what_was_there(self, database: Database) -> None:
        film = store_film(database)
        store_shots(database, film, SHOTS)
        finish(database, film, [FilmTag("War", 0.5, 2.0, 1, 2.0)])
        begun = begin_run(database, film)
        store_shots(database, begun, SHOTS[:1])
        with database.session(write=True) as session:
            films.set_status(session, film.id, 2, FilmStatus.FAILED, error=NotAVideo())
        begin_run(database, film)  # the pieces of the failed run go, those that are shown stay
        with database.session() as session:
            assert frames.stored_chunks(session, film.id, 2) == []
            assert len(frames.list_frames(session, film.id, 1)) == 3
            assert len(tag_rows.load_film_tags(session, film.id)) == 1

    def test_error_while_finishing_shows_nothing(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        film = store_film(database)
        store_shots(database, film, SHOTS)
        before = load(database, film)
        broken = FilmTag("War", 0.5, 2.0, None, 2.0)  # type: ignore[arg-type]  # no count
        with pytest.raises(Exception, match=r"NULL|null"):
            finish(database, film, [broken])
        assert load(database, film) == before
        with database.session() as session:
            assert frames.list_frames(session, film.id, 1) == []


class TestVerdicts:
    def judge(self, database: Database, film: Film, tag: str, verdict: Verdict | None) -> None:
        with database.session(write=True) as session:
            films.lock_film(session, film.id)
            tag_rows.store_verdict(session, film.id, tag, verdict)

    def test_human_has_the_last_word_in_every_later_run(self, database: Database) -> None:
        film = store_film(database)
        self.judge(database, film, "War", Verdict.REJECTED)
        self.judge(database, film, "Robot", Verdict.ACCEPTED)
        self.judge(database, film, "Forest", Verdict.ACCEPTED)
        model = [FilmTag("War", 0.9, 2.0, 1, 2.0), FilmTag("Forest", 0.6, 2.0, 1, 0.0)]
        wanted = [
            FilmTag("Forest", 1.0, 2.0, 1, 0.0, "human"),
            FilmTag("Robot", 1.0, 0.0, 0, None, "human"),
        ]
        for _ in range(2):
            store_shots(database, film, SHOTS)
            assert finish(database, film, model)
            with database.session() as session:
                assert tag_rows.load_film_tags(session, film.id) == wanted
            film = begin_run(database, film)

    def test_later_verdict_replaces_the_earlier_one(self, database: Database) -> None:
        film = store_film(database)
        for verdict in (Verdict.REJECTED, Verdict.ACCEPTED):
            self.judge(database, film, "War", verdict)
            with database.session() as session:
                assert tag_rows.load_verdicts(session, film.id) == {"War": verdict}
        self.judge(database, film, "War", None)
        with database.session() as session:
            assert tag_rows.load_verdicts(session, film.id) == {}


class TestDelete:
    def test_nothing_of_a_deleted_film_stays(self, database: Database) -> None:
        film, neighbour = store_film(database), store_film(database)
        for each in (film, neighbour):
            store_shots(database, each, SHOTS)
            finish(
                database, each, [FilmTag("War", 0.5, 2.0, 1, 2.0)],
                segments=[Segment("War", 2.0, 4.0, 0.8)], mean_features=np.ones(4, np.float32),
            )  # fmt: skip
            with database.session(write=True) as session:
                tag_rows.store_verdict(session, each.id, "Food", Verdict.ACCEPTED)
                session.add(AttemptRow(film_id=each.id, run=1, chunk=0, executor_id="worker-1",
                                       started_at=each.created_at))  # fmt: skip
        delete(database, film)
        owned = (
            FilmTagRow, VerdictRow, ChunkRow, ShotRow, FrameRow, AttemptRow, SegmentRow,
            FilmFeaturesRow,
        )  # fmt: skip
        with database.session() as session:
            for table in owned:
                assert set(session.scalars(select(table.film_id))) == {neighbour.id}
            assert set(session.scalars(select(FilmRow.id))) == {neighbour.id}
            assert films.existing_ids(session, [film.id, neighbour.id]) == {neighbour.id}
        with_films = {t for t, of in Table.metadata.tables.items() if "film_id" in of.columns}
        assert with_films == {table.__tablename__ for table in owned}  # none was forgotten here

    def test_same_bytes_can_come_again(self, database: Database) -> None:
        film = store_film(database, sha256="d" * 64)
        delete(database, film)
        again = store_film(database, sha256="d" * 64)
        assert again.id != film.id
        both = [
            replace(
                each, id="", source_key="", created_at=film.created_at, updated_at=film.updated_at
            )
            for each in (film, again)
        ]
        assert both[0] == both[1]
