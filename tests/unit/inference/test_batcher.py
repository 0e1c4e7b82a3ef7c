import threading
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest

from app.inference.batcher import BatchingClassifier
from app.ports import FrameScores
from models.preprocessing import to_network_inputs
from tests.fakes import FakeEngine, drawn_picture, make_manifest

SPEC = make_manifest().preprocessing


def inputs_of(*seeds: int) -> np.ndarray:
    return to_network_inputs([drawn_picture(seed) for seed in seeds], SPEC)


def alone(inputs: np.ndarray) -> FrameScores:
    return FakeEngine().infer(inputs)


def assert_same(found: FrameScores, wanted: FrameScores) -> None:
    np.testing.assert_allclose(found.scores, wanted.scores, rtol=1e-6)
    np.testing.assert_array_equal(found.features, wanted.features)


class Gate:
    """Lets a test hold the engine inside a batch."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()

    def __call__(self, inputs: np.ndarray) -> None:
        self.entered.set()
        assert self.opened.wait(10)


def refuse_white(inputs: np.ndarray) -> None:
    if (inputs == 255).all(axis=(1, 2, 3)).any():
        raise ValueError("white picture")


def white() -> np.ndarray:
    return np.full((1, SPEC.height_px, SPEC.width_px, 3), 255, np.uint8)


def test_rows_come_back_in_the_order_of_the_pictures() -> None:
    inputs = inputs_of(3, 1, 2)
    with BatchingClassifier(FakeEngine()) as classifier:
        found = classifier.submit(inputs).result(10)
    assert_same(found, alone(inputs))
    assert not np.allclose(found.scores[0], found.scores[1])


def test_pictures_of_many_threads_are_never_mixed_up() -> None:
    engine = FakeEngine()

    def one_film(film: int) -> bool:
        for shot in range(20):
            seeds = [film * 1000 + shot * 10 + place for place in range(1 + (film + shot) % 4)]
            inputs = inputs_of(*seeds)
            assert_same(classifier.submit(inputs).result(20), alone(inputs))
        return True

    with BatchingClassifier(engine, (1, 4, 16)) as classifier, ThreadPoolExecutor(8) as pool:
        assert all(pool.map(one_film, range(8)))
        counters = classifier.counters
    assert len(engine.threads) == 1
    assert set(engine.batch_sizes) <= {1, 4, 16}
    assert counters.pictures == sum(
        1 + (film + shot) % 4 for film in range(8) for shot in range(20)
    )
    assert counters.pictures + counters.padded == sum(engine.batch_sizes)
    assert counters.queued == 0


def test_waiting_pictures_of_several_films_share_a_batch() -> None:
    gate = Gate()
    engine = FakeEngine(before_run=gate)
    with BatchingClassifier(engine, (1, 8)) as classifier:
        first = classifier.submit(inputs_of(0))
        assert gate.entered.wait(10)
        others = [classifier.submit(inputs_of(10 * n, 10 * n + 1)) for n in range(1, 4)]
        gate.opened.set()
        for n, other in enumerate(others, 1):
            assert_same(other.result(10), alone(inputs_of(10 * n, 10 * n + 1)))
        first.result(10)
        counters = classifier.counters
    assert engine.batch_sizes == [1, 8]
    assert (counters.batches, counters.pictures, counters.padded) == (2, 7, 2)
    assert counters.fill == pytest.approx(7 / 9)


def test_batch_that_waits_for_company_runs_as_soon_as_it_is_full() -> None:
    engine = FakeEngine()
    with BatchingClassifier(engine, (1, 4), max_wait_s=60) as classifier:
        futures = [classifier.submit(inputs_of(n)) for n in range(4)]
        for future in futures:
            future.result(10)
    assert engine.batch_sizes == [4]


def test_more_pictures_than_the_largest_batch_are_split_and_joined() -> None:
    engine = FakeEngine()
    inputs = inputs_of(*range(11))
    with BatchingClassifier(engine, (1, 4)) as classifier:
        found = classifier.submit(inputs).result(10)
    assert_same(found, alone(inputs))
    assert engine.batch_sizes == [4, 4, 4]


def test_no_pictures_give_no_rows_and_no_batch() -> None:
    engine = FakeEngine()
    with BatchingClassifier(engine) as classifier:
        found = classifier.submit(inputs_of(0)[:0]).result(10)
    assert found.scores.shape == (0, 5)
    assert found.features.shape == (0, engine.manifest.feature_size)
    assert engine.batch_sizes == []


@pytest.mark.parametrize(
    "inputs",
    [
        np.zeros((1, 80, 97, 3), np.uint8),
        np.zeros((80, 96, 3), np.uint8),
        np.zeros((1, 80, 96, 3), np.float32),
    ],
    ids=["wrong width", "not a batch", "not bytes"],
)
def test_inputs_of_another_form_are_refused_at_the_door(inputs: np.ndarray) -> None:
    with BatchingClassifier(FakeEngine()) as classifier:
        with pytest.raises(ValueError, match="uint8"):
            classifier.submit(inputs)
        assert classifier.counters.batches == 0


def test_failing_batch_fails_only_the_submissions_in_it() -> None:
    engine = FakeEngine(before_run=refuse_white)
    with BatchingClassifier(engine, (1,)) as classifier:
        before = classifier.submit(inputs_of(1))
        bad = classifier.submit(white())
        after = classifier.submit(inputs_of(2))
        assert_same(before.result(10), alone(inputs_of(1)))
        with pytest.raises(ValueError, match="white picture"):
            bad.result(10)
        assert_same(after.result(10), alone(inputs_of(2)))
        assert (classifier.counters.failed, classifier.counters.batches) == (1, 3)


def test_rest_of_a_submission_whose_batch_failed_is_not_run() -> None:
    engine = FakeEngine(before_run=refuse_white)
    inputs = np.concatenate([inputs_of(0), white(), inputs_of(1, 2, 3)])
    with BatchingClassifier(engine, (1,)) as classifier:
        with pytest.raises(ValueError, match="white picture"):
            classifier.submit(inputs).result(10)
        assert_same(classifier.submit(inputs_of(5)).result(10), alone(inputs_of(5)))
    assert len(engine.batch_sizes) == 3


def test_engine_that_gives_too_few_rows_is_an_error_and_not_a_shift() -> None:
    class Short(FakeEngine):
        def infer(self, inputs: np.ndarray) -> FrameScores:
            return super().infer(inputs[:-1])

    with BatchingClassifier(Short(), (2,)) as classifier:
        future = classifier.submit(inputs_of(1, 2))
        with pytest.raises(RuntimeError, match="1 rows for 2 pictures"):
            future.result(10)


def test_full_queue_makes_the_caller_wait() -> None:
    gate = Gate()
    results: list[Future[FrameScores]] = []
    with BatchingClassifier(FakeEngine(before_run=gate), (1,), max_queued=2) as classifier:
        results.append(classifier.submit(inputs_of(0)))
        assert gate.entered.wait(10)
        results.append(classifier.submit(inputs_of(1, 2)))
        late = threading.Thread(target=lambda: results.append(classifier.submit(inputs_of(3))))
        late.start()
        late.join(0.2)
        assert late.is_alive()
        assert classifier.counters.queued == 2
        gate.opened.set()
        late.join(10)
        assert not late.is_alive()
        assert_same(results[2].result(10), alone(inputs_of(3)))


def test_cancelled_pictures_are_not_run() -> None:
    gate = Gate()
    engine = FakeEngine(before_run=gate)
    with BatchingClassifier(engine, (1,)) as classifier:
        classifier.submit(inputs_of(0))
        assert gate.entered.wait(10)
        unwanted = classifier.submit(inputs_of(1, 2, 3))
        wanted = classifier.submit(inputs_of(4))
        assert unwanted.cancel()
        gate.opened.set()
        assert_same(wanted.result(10), alone(inputs_of(4)))
    assert engine.batch_sizes == [1, 1]


def test_close_finishes_what_was_submitted_and_takes_nothing_more() -> None:
    engine = FakeEngine()
    classifier = BatchingClassifier(engine, (4,), max_wait_s=60)
    futures = [classifier.submit(inputs_of(n)) for n in range(3)]
    classifier.close()
    assert all(future.done() for future in futures)
    with pytest.raises(RuntimeError, match="closed"):
        classifier.submit(inputs_of(9))
    classifier.close()


def test_caller_that_waits_at_a_full_queue_is_told_when_it_closes() -> None:
    gate = Gate()
    errors: list[BaseException] = []
    classifier = BatchingClassifier(FakeEngine(before_run=gate), (1,), max_queued=1)
    first = classifier.submit(inputs_of(0))
    assert gate.entered.wait(10)
    second = classifier.submit(inputs_of(1))

    def submit_late() -> None:
        try:
            classifier.submit(inputs_of(2))
        except RuntimeError as exc:
            errors.append(exc)

    late = threading.Thread(target=submit_late)
    late.start()
    late.join(0.1)
    closing = threading.Thread(target=classifier.close)
    closing.start()
    late.join(10)
    gate.opened.set()
    closing.join(10)
    assert len(errors) == 1
    assert first.done()
    assert second.done()


@pytest.mark.parametrize("sizes", [(), (0, 4)], ids=["none", "zero"])
def test_batch_sizes_that_mean_nothing_are_refused(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="batch sizes"):
        BatchingClassifier(FakeEngine(), sizes)


def test_stored_features_are_scored_while_pictures_are_being_run() -> None:
    gate = Gate()
    inputs = inputs_of(1, 2)
    wanted = alone(inputs)
    with BatchingClassifier(FakeEngine(before_run=gate)) as classifier:
        pending = classifier.submit(inputs)
        assert gate.entered.wait(10)
        scores = classifier.score_features(wanted.features)
        assert not pending.done()
        gate.opened.set()
        np.testing.assert_allclose(scores, pending.result(10).scores, atol=2e-3)


def test_features_of_another_length_are_refused_and_none_give_none() -> None:
    with BatchingClassifier(FakeEngine()) as classifier:
        with pytest.raises(ValueError, match="features are"):
            classifier.score_features(np.zeros((2, 7), np.float16))
        empty = np.zeros((0, classifier.manifest.feature_size), np.float16)
        assert classifier.score_features(empty).shape == (0, len(classifier.manifest.tags))
