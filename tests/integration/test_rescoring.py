"""A film tagged anew from its stored features, on real databases and a real disk."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.db import films, frames, runs
from app.db.session import Database
from app.domain.films import FilmStatus
from app.domain.library import chunk_features_key, features_key
from app.domain.plan import Plan, Wish
from app.domain.shots import ScoredShot
from app.errors import Cancelled
from app.inference.batcher import BatchingClassifier
from app.pipeline import analyse_film
from app.services import rescoring
from app.services.analysis import Analysis
from tests.fakes import FEATURE_SIZE, TAGS, FakeEngine, FakeReader, make_manifest
from tests.house import SHOTS, House, go_on

FRAMES = 2 * len(SHOTS)


@pytest.fixture(scope="module")
def older() -> Iterator[BatchingClassifier]:
    with BatchingClassifier(FakeEngine()) as classifier:
        yield classifier


@pytest.fixture(scope="module")
def newer() -> Iterator[BatchingClassifier]:
    """The same base, another head, other tags."""
    head = np.random.default_rng(11).normal(size=(FEATURE_SIZE, 4))
    manifest = make_manifest(version="fake-2", tags=TAGS[:4])
    with BatchingClassifier(FakeEngine(manifest, head=head)) as classifier:
        yield classifier


@pytest.fixture
def house(tmp_path: Path, database: Database, older: BatchingClassifier) -> House:
    """A film that the older model has tagged, and a run that waits."""
    house = House(tmp_path, database, older)
    house.run(house.analysis())
    begin(house)
    return house


def begin(house: House) -> None:
    with house.database.session(write=True) as session:
        films.begin_run(session, house.film_id)


def blind(house: House, newer: BatchingClassifier, executor_id: str = "second") -> Analysis:
    """A worker with the newer model to whom every file is no film."""
    return house.analysis(executor_id, classifier=newer, reader=FakeReader({}))


def shots(house: House, run: int) -> list[ScoredShot]:
    with house.database.session() as session:
        return frames.load_scored_shots(session, house.film_id, run)


def pictures(house: House) -> set[str]:
    return {key for key in house.objects() if key.startswith("frames/")}


def test_scores_from_features_are_those_of_a_film_decoded_anew(
    house: House, newer: BatchingClassifier
) -> None:
    house.run(blind(house, newer), 2, Wish.FEATURES)

    decoded = analyse_film(house.path, house.reader, newer)
    found = shots(house, 2)
    assert [one.shot for one in found] == [one.shot for one in decoded.shots]
    for one, other in zip(found, decoded.shots, strict=True):
        assert [frame.time_s for frame in one.frames] == [frame.time_s for frame in other.frames]
        np.testing.assert_allclose(one.scores, other.scores, atol=2e-3)
    film = house.film
    assert (film.status, film.shown_run, film.model_version) == (FilmStatus.DONE, 2, "fake-2")
    assert film.progress == 1.0


def test_nothing_is_decoded_and_pictures_stay_where_they_are(
    house: House, newer: BatchingClassifier
) -> None:
    before = pictures(house)
    read_count = house.reader.read_count
    with house.database.session() as session:
        keys = [
            f.thumbnail_key
            for f in frames.list_frames(session, house.film_id, 1, first=0, limit=500)
        ]

    house.run(house.analysis("second", classifier=newer), 2, Wish.FEATURES)

    assert house.reader.read_count == read_count
    assert pictures(house) == before
    with house.database.session() as session:
        found = frames.list_frames(session, house.film_id, 2, first=0, limit=500)
    assert [frame.thumbnail_key for frame in found] == keys
    assert [frame.n for frame in found] == list(range(FRAMES))


def test_features_move_on_with_the_run_and_nothing_else_is_left(
    house: House, newer: BatchingClassifier
) -> None:
    old = house.storage.get_bytes(features_key(house.film_id, 1, house.film.base_id or ""))
    house.run(blind(house, newer), 2, Wish.FEATURES)

    rest = house.objects() - pictures(house)
    assert rest == {"source", f"features/2/{house.film.base_id}.npy"}
    new = house.storage.get_bytes(features_key(house.film_id, 2, house.film.base_id or ""))
    assert new == old


def test_film_can_be_tagged_anew_again_and_again_and_then_decoded(
    house: House, older: BatchingClassifier, newer: BatchingClassifier
) -> None:
    house.run(blind(house, newer), 2, Wish.FEATURES)
    begin(house)
    house.run(blind(house, older), 3, Wish.FEATURES)
    assert len(pictures(house)) == FRAMES
    assert {key.split("/")[1] for key in pictures(house)} == {"1"}

    begin(house)
    house.run(house.analysis("fourth", classifier=newer), 4)

    assert {key.split("/")[1] for key in pictures(house)} == {"4"}
    assert len(pictures(house)) == FRAMES
    assert house.objects() - pictures(house) == {"source", f"features/4/{house.film.base_id}.npy"}


def test_interrupted_chunk_work_is_done_once(
    house: House, newer: BatchingClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rescoring, "FRAMES_AT_ONCE", 5)
    first, second = blind(house, newer, "first"), blind(house, newer, "second")
    plan = first.plan(house.film_id, 2, go_on, Wish.FEATURES)
    assert plan.source_run == 1
    assert len(plan.spans) > 2
    first.analyse_chunk(house.film_id, 2, plan, 0, go_on)

    house_plan = Plan(plan.spans, plan.model_version, plan.source_run)
    for chunk in range(len(plan.spans)):
        second.analyse_chunk(house.film_id, 2, house_plan, chunk, go_on)
    second.finish(house.film_id, 2, house_plan)
    second.finish(house.film_id, 2, house_plan)

    with house.database.session() as session:
        workers = [chunk.executor_id for chunk in frames.load_chunks(session, house.film_id, 2)]
        assert workers == ["first"] + ["second"] * (len(plan.spans) - 1)
        assert sum(runs.frame_counts(session, house.film_id, 2).values()) == FRAMES
        assert runs.frame_counts(session, house.film_id, 1) == {}
    assert [one.shot for one in shots(house, 2)] == [found.shot for found in SHOTS]


def test_old_tags_are_shown_until_the_new_ones_are_complete(
    house: House, newer: BatchingClassifier
) -> None:
    analysis = blind(house, newer)
    plan = analysis.plan(house.film_id, 2, go_on, Wish.FEATURES)
    analysis.analyse_chunk(house.film_id, 2, plan, 0, go_on)

    assert (house.film.shown_run, house.film.model_version) == (1, "fake-1")
    assert len(shots(house, 1)) == len(SHOTS)


def test_warnings_of_the_reading_stay(
    tmp_path: Path, database: Database, older: BatchingClassifier, newer: BatchingClassifier
) -> None:
    house = House(tmp_path, database, older)
    house.reader.warnings = ["some frames are damaged"]
    house.run(house.analysis())
    begin(house)

    house.run(blind(house, newer), 2, Wish.FEATURES)

    assert house.film.warnings == ("some frames are damaged",)


@pytest.mark.parametrize("damage", ["missing", "short", "long", "other base", "never shown"])
def test_film_whose_features_cannot_be_used_is_queued_to_be_decoded(
    house: House, newer: BatchingClassifier, damage: str
) -> None:
    key = features_key(house.film_id, 1, house.film.base_id or "")
    content = house.storage.get_bytes(key)
    if damage == "missing":
        house.storage.delete_prefix(f"films/{house.film_id}/features/1/")
    elif damage in {"short", "long"}:
        house.storage.put_bytes(key, content[:-2] if damage == "short" else content + b"??")
    elif damage == "other base":
        manifest = make_manifest(version="fake-3", base_id="fedcba9876543210")
        newer = BatchingClassifier(FakeEngine(manifest))
    else:
        with house.database.session(write=True) as session:
            frames.forget_runs(session, house.film_id)

    with pytest.raises(Cancelled, match="new run was queued"):
        house.analysis("second", classifier=newer).plan(house.film_id, 2, go_on, Wish.FEATURES)

    assert house.jobs.wishes == {(house.film_id, 3): Wish.DECODE_LATER}
    house.run(house.analysis("third", classifier=newer), 3)
    assert house.film.model_version == newer.manifest.version
    if damage == "other base":
        newer.close()


@pytest.mark.parametrize("when", ["before a chunk", "before the finish"])
def test_features_that_turn_out_damaged_later_lead_to_decoding_too(
    house: House, newer: BatchingClassifier, when: str
) -> None:
    analysis = blind(house, newer)
    plan = analysis.plan(house.film_id, 2, go_on, Wish.FEATURES)
    key = features_key(house.film_id, 1, house.film.base_id or "")
    rows = np.load(io.BytesIO(house.storage.get_bytes(key)))
    rows[3] = np.nan
    damaged = io.BytesIO()
    np.save(damaged, rows)
    if when == "before the finish":
        analysis.analyse_chunk(house.film_id, 2, plan, 0, go_on)
    house.storage.put_bytes(key, damaged.getvalue())

    steps = {
        "before a chunk": lambda: analysis.analyse_chunk(house.film_id, 2, plan, 0, go_on),
        "before the finish": lambda: analysis.finish(house.film_id, 2, plan),
    }
    with pytest.raises(Cancelled, match="no number"):
        steps[when]()

    assert house.jobs.wishes == {(house.film_id, 3): Wish.DECODE_LATER}
    assert house.film.shown_run == 1
    assert house.film.status is FilmStatus.QUEUED


def test_model_changed_midway_scores_the_features_again_from_the_start(
    house: House, older: BatchingClassifier, newer: BatchingClassifier
) -> None:
    plan = blind(house, newer).plan(house.film_id, 2, go_on, Wish.FEATURES)

    with pytest.raises(Cancelled, match="another model"):
        blind(house, older).analyse_chunk(house.film_id, 2, plan, 0, go_on)

    assert house.jobs.wishes == {(house.film_id, 3): Wish.FEATURES}


def test_cancelled_run_from_features_leaves_the_shown_one_whole(
    house: House, newer: BatchingClassifier
) -> None:
    analysis = blind(house, newer)
    plan = analysis.plan(house.film_id, 2, go_on, Wish.FEATURES)
    analysis.analyse_chunk(house.film_id, 2, plan, 0, go_on)
    house.cancel()

    with pytest.raises(Cancelled):
        analysis.finish(house.film_id, 2, plan)

    assert (house.film.shown_run, house.film.status) == (1, FilmStatus.CANCELLED)
    assert len(pictures(house)) == FRAMES
    assert f"features/1/{house.film.base_id}.npy" in house.objects()
    assert chunk_features_key(house.film_id, 2, 0) not in house.objects()
