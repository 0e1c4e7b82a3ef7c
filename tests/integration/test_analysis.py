"""The steps of an analysis on real databases and a real disk, with a fake decoder and network."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from app.db import films, frames, workers
from app.db.session import Database
from app.domain.films import FilmStatus, Stage
from app.domain.library import chunk_features_key, features_key
from app.domain.plan import FINISH_PIECE, Plan, cut_into_spans
from app.errors import Cancelled, DecoderCrashed, NoFrames, NotAVideo, TooManyCorruptFrames
from app.inference.batcher import BatchingClassifier
from app.pipeline import analyse_film
from app.services.tries import MAX_LOST
from tests.fakes import FakeEngine, FakeReader, make_manifest
from tests.house import SHOTS, House, go_on


@pytest.fixture(scope="module")
def classifier() -> Iterator[BatchingClassifier]:
    with BatchingClassifier(FakeEngine()) as classifier:
        yield classifier


@pytest.fixture
def house(tmp_path: Path, database: Database, classifier: BatchingClassifier) -> House:
    return House(tmp_path, database, classifier)


def test_film_in_chunks_is_the_film_in_one_go(house: House) -> None:
    plan = house.run(house.analysis())

    whole = analyse_film(house.path, house.reader, house.classifier)
    with house.database.session() as session:
        shots = frames.load_scored_shots(session, house.film_id, 1)
    assert len(plan.spans) == 6
    assert [found.shot for found in shots] == [found.shot for found in whole.shots]
    for found, wanted in zip(shots, whole.shots, strict=True):
        for frame, other in zip(found.frames, wanted.frames, strict=True):
            assert frame.time_s == other.time_s
            np.testing.assert_allclose(frame.scores, other.scores, rtol=1e-6)
    assert house.film.status is FilmStatus.DONE
    assert (house.film.stage, house.film.progress, house.film.shown_run) == (Stage.FINISHED, 1.0, 1)


def test_features_of_all_chunks_become_one_object_in_the_order_of_the_frames(house: House) -> None:
    house.run(house.analysis())

    stored = house.storage.get_bytes(features_key(house.film_id, 1, house.film.base_id or ""))
    features = np.load(io.BytesIO(stored))
    whole = analyse_film(house.path, house.reader, house.classifier)
    expected = np.stack([frame.features for shot in whole.shots for frame in shot.frames])
    assert features.dtype == np.float16
    np.testing.assert_array_equal(features, expected)


def test_only_what_readers_need_is_left_in_the_storage(house: House) -> None:
    house.run(house.analysis())

    pictures = {key for key in house.objects() if key.startswith("frames/1/")}
    assert len(pictures) == 2 * len(SHOTS)
    assert house.objects() - pictures == {"source", f"features/1/{house.film.base_id}.npy"}


def test_every_step_may_be_repeated_without_a_trace(house: House) -> None:
    first = house.analysis("first")
    house.run(first)
    before = house.objects()
    read_count = house.reader.read_count
    plan = Plan(cut_into_spans(house.film.duration_s, 10), house.classifier.manifest.version)

    first.finish(house.film_id, 1, plan)
    with pytest.raises(Cancelled):
        house.analysis("second").analyse_chunk(house.film_id, 1, plan, 0, go_on)

    assert house.objects() == before
    assert house.reader.read_count == read_count


def test_stored_chunk_is_not_decoded_again_by_the_next_worker(house: House) -> None:
    first, second = house.analysis("first"), house.analysis("second")
    plan = first.plan(house.film_id, 1, go_on)
    first.analyse_chunk(house.film_id, 1, plan, 0, go_on)
    read_count = house.reader.read_count

    second.analyse_chunk(house.film_id, 1, plan, 0, go_on)

    assert house.reader.read_count == read_count
    with house.database.session() as session:
        assert [c.executor_id for c in frames.load_chunks(session, house.film_id, 1)] == ["first"]


def test_two_workers_at_the_same_chunk_leave_its_rows_once(house: House) -> None:
    late = house.analysis("late")
    plan = late.plan(house.film_id, 1, go_on)
    quick = house.analysis("quick")
    store_chunk_first = _once(lambda: quick.analyse_chunk(house.film_id, 1, plan, 0, go_on))

    late.analyse_chunk(house.film_id, 1, plan, 0, store_chunk_first)

    with house.database.session() as session:
        assert [c.executor_id for c in frames.load_chunks(session, house.film_id, 1)] == ["quick"]
        assert len(frames.load_scored_shots(session, house.film_id, 1)) == 2


def _once(work: Callable[[], None]) -> Callable[[], None]:
    left = [work]
    return lambda: left.pop()() if left else None


def test_cancel_ends_an_open_chunk_and_nothing_of_it_stays(house: House) -> None:
    analysis = house.analysis()
    plan = analysis.plan(house.film_id, 1, go_on)
    cancel = _once(house.cancel)

    with pytest.raises(Cancelled):
        analysis.analyse_chunk(house.film_id, 1, plan, 0, cancel)

    assert house.film.status is FilmStatus.CANCELLED
    assert house.film.error_code is None
    with house.database.session() as session:
        assert frames.stored_chunks(session, house.film_id, 1) == []
    assert house.reader.open_count == 0


def test_deleted_film_ends_an_open_chunk(house: House) -> None:
    analysis = house.analysis()
    plan = analysis.plan(house.film_id, 1, go_on)

    def delete() -> None:
        with house.database.session(write=True) as session:
            films.delete_film(session, house.film_id)

    with pytest.raises(Cancelled):
        analysis.analyse_chunk(house.film_id, 1, plan, 0, _once(delete))


def test_file_that_is_no_film_fails_with_its_code(house: House) -> None:
    analysis = house.analysis(reader=FakeReader({}))

    with pytest.raises(NotAVideo) as caught:
        analysis.plan(house.film_id, 1, go_on)
    analysis.fail(house.film_id, 1, caught.value)

    assert house.film.status is FilmStatus.FAILED
    assert house.film.error_code == "not_a_video"
    assert house.film.error_detail


def test_film_without_a_readable_frame_fails(house: House) -> None:
    house.reader.films = {house.path: []}

    with pytest.raises(NoFrames):
        house.run(house.analysis())
    assert house.film.shown_run is None


def test_film_fails_where_more_frames_are_damaged_than_whole_over_all_chunks(house: House) -> None:
    house.reader.corrupt_each = 7 * 25 + 1

    with pytest.raises(TooManyCorruptFrames, match="are damaged"):
        house.run(house.analysis())
    assert house.film.shown_run is None


def test_film_with_much_damage_and_more_whole_frames_is_done(house: House) -> None:
    house.reader.corrupt_each = 7 * 25 - 1

    house.run(house.analysis())
    assert house.film.status is FilmStatus.DONE


def test_failure_of_an_ended_run_changes_nothing(house: House) -> None:
    house.run(house.analysis())

    house.analysis().fail(house.film_id, 1, NotAVideo("too late"))

    assert house.film.status is FilmStatus.DONE
    assert house.film.error_code is None


def test_second_run_replaces_the_first_only_when_it_is_complete(house: House) -> None:
    house.run(house.analysis())
    with house.database.session(write=True) as session:
        films.begin_run(session, house.film_id)
    analysis = house.analysis()
    plan = analysis.plan(house.film_id, 2, go_on)
    analysis.analyse_chunk(house.film_id, 2, plan, 0, go_on)
    assert house.film.shown_run == 1
    assert any(key.startswith("frames/1/") for key in house.objects())

    house.run(analysis, run=2)

    assert house.film.shown_run == 2
    pictures = {key for key in house.objects() if key.startswith("frames/")}
    assert {key.split("/")[1] for key in pictures} == {"2"}
    assert len(pictures) == 2 * len(SHOTS)


def test_run_begun_with_another_model_begins_anew(house: House) -> None:
    analysis = house.analysis()
    plan = analysis.plan(house.film_id, 1, go_on)
    analysis.analyse_chunk(house.film_id, 1, plan, 0, go_on)

    with BatchingClassifier(FakeEngine(make_manifest(version="fake-2"))) as newer:
        after = house.analysis("second", classifier=newer)
        with pytest.raises(Cancelled, match="another model"):
            after.analyse_chunk(house.film_id, 1, plan, 1, go_on)
        assert house.jobs.queued == [(house.film_id, 2)]
        house.run(after, run=2)

    assert house.film.model_version == "fake-2"
    assert house.film.shown_run == 2


def test_piece_that_killed_too_many_workers_is_given_up(house: House) -> None:
    analysis = house.analysis()
    plan = analysis.plan(house.film_id, 1, go_on)
    house.lose(piece=2, count=MAX_LOST)
    analysis.analyse_chunk(house.film_id, 1, plan, 1, go_on)

    with pytest.raises(DecoderCrashed):
        analysis.analyse_chunk(house.film_id, 1, plan, 2, go_on)


def test_suspicious_piece_still_gets_its_chance(house: House) -> None:
    analysis = house.analysis()
    plan = analysis.plan(house.film_id, 1, go_on)
    house.lose(piece=0, count=MAX_LOST - 1)
    house.lose(piece=FINISH_PIECE, count=1)

    house.run(analysis)

    assert house.film.status is FilmStatus.DONE
    assert plan.spans


@pytest.mark.parametrize("error", [RuntimeError("bug"), KeyboardInterrupt()], ids=["error", "stop"])
def test_attempt_that_the_worker_survives_is_not_counted(
    house: House, error: BaseException
) -> None:
    analysis = house.analysis()
    plan = analysis.plan(house.film_id, 1, go_on)

    def fall() -> None:
        raise error

    with pytest.raises(type(error)):
        analysis.analyse_chunk(house.film_id, 1, plan, 0, fall)

    with house.database.session() as session:
        assert workers.count_lost_attempts(session, house.film_id, 1, 0, "other") == 0


def test_progress_follows_the_decoded_seconds(house: House) -> None:
    analysis = house.analysis()
    plan = analysis.plan(house.film_id, 1, go_on)
    seen = [house.film.progress]
    for chunk in range(len(plan.spans)):
        analysis.analyse_chunk(house.film_id, 1, plan, chunk, go_on)
        seen.append(house.film.progress)
        assert house.film.stage is Stage.ANALYSING

    assert seen[0] == 0
    assert seen == sorted(seen)
    assert 0.8 < seen[-1] < 1


def test_objects_of_an_interrupted_try_are_replaced(house: House) -> None:
    house.storage.put_bytes(chunk_features_key(house.film_id, 1, 0), b"half an array")

    house.run(house.analysis())

    assert house.film.status is FilmStatus.DONE
