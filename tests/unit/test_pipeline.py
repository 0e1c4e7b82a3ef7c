import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.domain.films import Sampling, Stage
from app.domain.shots import ScoredShot, Span
from app.errors import Cancelled, NoFrames, NotAVideo
from app.inference.batcher import BatchingClassifier
from app.pipeline import MAX_IN_FLIGHT, analyse_film, analyse_span, rules_of, summarise
from app.ports import ReadReport
from models.preprocessing import to_network_inputs
from tests.fakes import FakeEngine, FakeReader, drawn_shots, make_manifest

FILM = Path("forest.mp4")
SHOTS = Sampling("shots")


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def classifier(engine: FakeEngine) -> Iterator[BatchingClassifier]:
    with BatchingClassifier(engine, max_wait_s=0.001) as classifier:
        yield classifier


def span_of(
    reader: FakeReader, classifier: BatchingClassifier, span: Span | None = None
) -> list[ScoredShot]:
    return list(
        analyse_span(FILM, span or Span(), SHOTS, reader, classifier, ReadReport(), lambda _: None)
    )


def test_every_key_frame_gets_the_scores_of_its_own_picture(classifier: BatchingClassifier) -> None:
    shots = drawn_shots(40, frames_each=3)
    scored = span_of(FakeReader({FILM: shots}), classifier)
    assert [found.shot for found in scored] == [given.shot for given in shots]
    for given, found in zip(shots, scored, strict=True):
        pictures = [frame.picture for frame in given.key_frames]
        wanted = FakeEngine().infer(to_network_inputs(pictures, classifier.manifest.preprocessing))
        assert [frame.time_s for frame in found.frames] == [f.time_s for f in given.key_frames]
        np.testing.assert_allclose([f.scores for f in found.frames], wanted.scores, rtol=1e-6)
        np.testing.assert_array_equal([f.features for f in found.frames], wanted.features)


def test_key_frames_keep_a_jpeg_of_themselves(classifier: BatchingClassifier) -> None:
    scored = span_of(FakeReader({FILM: drawn_shots(2)}), classifier)
    thumbnails = [frame.thumbnail for shot in scored for frame in shot.frames]
    assert all(thumbnail.startswith(b"\xff\xd8\xff") for thumbnail in thumbnails)
    assert len(set(thumbnails)) == 4


def test_spans_of_a_film_together_give_what_the_whole_film_gives(
    classifier: BatchingClassifier,
) -> None:
    reader = FakeReader({FILM: drawn_shots(10, shot_s=3.0)})
    whole = span_of(reader, classifier)
    spans = [Span(0, 7), Span(7, 20), Span(20, None)]
    pieces = [shot for span in spans for shot in span_of(reader, classifier, span)]
    assert [shot.shot for shot in pieces] == [shot.shot for shot in whole]
    np.testing.assert_allclose([s.scores for s in pieces], [s.scores for s in whole], rtol=1e-6)


def test_decoding_goes_on_while_the_network_works_but_not_without_bound() -> None:
    entered, opened = threading.Event(), threading.Event()

    def wait(inputs: np.ndarray) -> None:
        entered.set()
        assert opened.wait(10)

    reader = FakeReader({FILM: drawn_shots(200, frames_each=1)})
    with BatchingClassifier(FakeEngine(before_run=wait), (1, 32), max_queued=1000) as classifier:
        film = threading.Thread(target=span_of, args=(reader, classifier))
        film.start()
        assert entered.wait(10)
        film.join(0.5)
        assert reader.read_count == MAX_IN_FLIGHT + 1
        opened.set()
        film.join(20)
    assert reader.read_count == 200


def test_cancelling_stops_the_decoder_and_takes_back_waiting_pictures() -> None:
    opened = threading.Event()

    def hold(inputs: np.ndarray) -> None:
        assert opened.wait(10)

    engine = FakeEngine(before_run=hold)
    reader = FakeReader({FILM: drawn_shots(60, frames_each=1)})

    def on_position(position_s: float) -> None:
        if position_s > 40:
            opened.set()
            raise Cancelled("stop")

    with BatchingClassifier(engine, (1,)) as classifier:
        spoken = analyse_span(FILM, Span(), SHOTS, reader, classifier, ReadReport(), on_position)
        with pytest.raises(Cancelled):
            list(spoken)
        assert reader.open_count == 0
    assert reader.read_count == 20
    assert len(engine.batch_sizes) < 20


def test_cancelling_after_the_last_frame_was_decoded_is_heard(
    classifier: BatchingClassifier,
) -> None:
    reader = FakeReader({FILM: drawn_shots(3, shot_s=2.0)})
    last_shot_calls = 0

    def on_position(position_s: float) -> None:
        nonlocal last_shot_calls
        last_shot_calls += position_s == 6.0
        if last_shot_calls == 2:
            raise Cancelled("stop")

    gate = threading.Event()
    with BatchingClassifier(FakeEngine(before_run=lambda inputs: gate.wait(0.2)), (1,)) as slow:
        spoken = analyse_span(FILM, Span(), SHOTS, reader, slow, ReadReport(), on_position)
        with pytest.raises(Cancelled):
            list(spoken)


def test_leaving_the_shots_early_ends_the_decoder(classifier: BatchingClassifier) -> None:
    reader = FakeReader({FILM: drawn_shots(100)})
    spoken = analyse_span(FILM, Span(), SHOTS, reader, classifier, ReadReport(), lambda _: None)
    next(spoken)
    spoken.close()
    assert reader.open_count == 0
    assert reader.read_count < 100


def test_engine_that_fails_fails_the_film_and_not_the_next_one() -> None:
    broken = True

    def maybe_fail(inputs: np.ndarray) -> None:
        if broken:
            raise RuntimeError("out of memory")

    reader = FakeReader({FILM: drawn_shots(3)})
    with BatchingClassifier(FakeEngine(before_run=maybe_fail)) as classifier:
        with pytest.raises(RuntimeError, match="out of memory"):
            span_of(reader, classifier)
        broken = False
        assert len(span_of(reader, classifier)) == 3


def test_analysis_of_a_film_holds_all_that_was_found(classifier: BatchingClassifier) -> None:
    reader = FakeReader({FILM: drawn_shots(5, shot_s=2.5)}, warnings=["two frames are damaged"])
    analysis = analyse_film(FILM, reader, classifier, Sampling("keyframes"), top_k=2)
    assert analysis.duration_s == 12.5
    assert analysis.model_version == "fake-1"
    assert str(analysis.sampling) == "keyframes"
    assert analysis.warnings == ("two frames are damaged",)
    assert len(analysis.shots) == 5
    tags, segments = summarise(analysis.shots, classifier.manifest, 2)
    assert (list(analysis.tags), list(analysis.segments)) == (tags, segments)
    assert tags
    assert segments


def test_progress_names_the_stages_in_order_and_never_falls(
    classifier: BatchingClassifier,
) -> None:
    heard: list[tuple[Stage, float]] = []
    reader = FakeReader({FILM: drawn_shots(5)})
    analyse_film(FILM, reader, classifier, on_progress=lambda *said: heard.append(said))
    stages = list(dict.fromkeys(stage for stage, _ in heard))
    assert stages == [Stage.PROBING, Stage.ANALYSING, Stage.AGGREGATING, Stage.FINISHED]
    fractions = [fraction for _, fraction in heard]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)


def test_what_is_not_a_film_is_told_before_anything_is_decoded(
    classifier: BatchingClassifier,
) -> None:
    with pytest.raises(NotAVideo):
        analyse_film(Path("text.mp4"), FakeReader({}), classifier)


def test_film_without_a_single_frame_is_refused(classifier: BatchingClassifier) -> None:
    with pytest.raises(NoFrames):
        analyse_film(FILM, FakeReader({FILM: []}), classifier)


def test_film_tags_obey_the_thresholds_the_model_was_calibrated_to(
    classifier: BatchingClassifier,
) -> None:
    shots = span_of(FakeReader({FILM: drawn_shots(12)}), classifier)
    strongest = {
        tag: max(float(shot.scores[place]) for shot in shots)
        for place, tag in enumerate(classifier.manifest.tags)
    }
    loved = max(strongest, key=lambda tag: strongest[tag])
    strict = make_manifest(calibration={"thresholds": {loved: 0.999}})
    lax = make_manifest(calibration={"thresholds": {tag: 0.01 for tag in strict.tags}})
    assert loved not in {tag.tag for tag in summarise(shots, strict)[0]}
    assert loved in {tag.tag for tag in summarise(shots, lax)[0]}


def test_rules_know_the_threshold_of_every_trained_tag() -> None:
    rules = rules_of(make_manifest(), top_k=4)
    assert rules.top_k == 4
    assert rules.thresholds["War"] == 0.3
    assert set(rules.thresholds) == set(make_manifest().tags)
