import keras
import numpy as np
import pytest

from training.errors import DivergedError
from training.known import Known
from training.lessons import Lessons, masked_losses, mean_loss, scores_of, teach_head

TAGS, WIDTH = 5, 16


def new_head() -> keras.Model:
    keras.utils.set_random_seed(7)
    features = keras.Input((WIDTH,), dtype="float16")
    hidden = keras.layers.Dense(8, activation="relu", dtype="float32")(features)
    return keras.Model(features, keras.layers.Dense(TAGS, dtype="float32")(hidden))


def known_rows(count: int = 24) -> Known:
    """Frames in two kinds: tag 0 holds in one, tag 1 is known not to hold in the other."""
    rng = np.random.default_rng(3)
    kind = np.arange(count) % 2
    features = rng.normal(size=(count, WIDTH)) * 0.3
    features[:, 0] += np.where(kind == 0, 2, -2)
    holds, holds_not = np.zeros((count, TAGS), np.float32), np.zeros((count, TAGS), np.float32)
    holds[kind == 0, 0] = 1
    holds_not[kind == 1, 1] = 1
    return Known(features.astype(np.float16), holds, holds_not)


def row(*places: int) -> np.ndarray:
    found = np.zeros((1, TAGS), np.float32)
    found[0, list(places)] = 1
    return found


LOGITS = np.array([[2.0, -1.0, 0.5, 0.0, 1.0]], np.float32)


def test_sigmoid_loss_is_the_binary_cross_entropy_over_known_tags_only():
    scores = 1 / (1 + np.exp(-LOGITS[0]))
    wanted = -(np.log(scores[0]) + np.log(1 - scores[1])) / 2
    assert float(masked_losses(LOGITS, row(0), row(1), "sigmoid")[0]) == pytest.approx(wanted, 1e-5)
    moved = LOGITS.copy()
    moved[0, 2:] = 9.0
    assert float(masked_losses(moved, row(0), row(1), "sigmoid")[0]) == pytest.approx(wanted, 1e-5)


def test_softmax_loss_speaks_of_the_scores_that_the_service_shows():
    scores = np.exp(LOGITS[0]) / np.exp(LOGITS[0]).sum()
    wanted = -(np.log(scores[0]) + np.log(1 - scores[4])) / 2
    assert float(masked_losses(LOGITS, row(0), row(4), "softmax")[0]) == pytest.approx(wanted, 1e-5)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_frame_of_which_nothing_is_known_costs_nothing(activation):
    assert float(masked_losses(LOGITS, row(), row(), activation)[0]) == 0.0


def test_sure_mistake_has_a_finite_loss():
    sure = np.array([[80.0, 0, 0, 0, 0]], np.float32)
    assert np.isfinite(float(masked_losses(sure, row(), row(0), "softmax")[0]))


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_head_learns_what_is_known_in_both_directions(activation):
    head, frames = new_head(), known_rows()
    before = scores_of(head, frames.features, activation)
    lessons = Lessons(epochs=20, learning_rate=1e-2, hold=0.0)
    learned = teach_head(head, lessons, activation, frames, frames)
    after = scores_of(head, frames.features, activation)
    assert learned.after < learned.before
    assert after[::2, 0].mean() > before[::2, 0].mean()
    assert after[1::2, 1].mean() < before[1::2, 1].mean()
    assert mean_loss(head, frames, activation) == pytest.approx(learned.after)


def test_head_that_is_held_stays_nearer_to_what_it_was():
    away = []
    for hold in (0.0, 1.0):
        head, frames = new_head(), known_rows()
        old = head.get_weights()
        teach_head(head, Lessons(epochs=20, learning_rate=1e-2, hold=hold), "sigmoid", frames,
                   frames)  # fmt: skip
        pairs = zip(head.get_weights(), old, strict=True)
        away.append(sum(float(((now - was) ** 2).sum()) for now, was in pairs))
    assert away[1] < away[0] / 4


def test_head_is_kept_where_no_epoch_is_better_for_the_frames_that_decide():
    head, frames = new_head(), known_rows()
    old = head.get_weights()
    contrary = Known(frames.features, frames.holds_not, frames.holds)
    learned = teach_head(head, Lessons(epochs=3, learning_rate=1e-2), "sigmoid", frames, contrary)
    assert learned.epoch == 0
    for now, was in zip(head.get_weights(), old, strict=True):
        np.testing.assert_array_equal(now, was)


def test_diverged_lessons_leave_the_head_as_it_was():
    head, frames = new_head(), known_rows()
    old = head.get_weights()
    broken = Known(np.full_like(frames.features, np.inf), frames.holds, frames.holds_not)
    with pytest.raises(DivergedError):
        teach_head(head, Lessons(epochs=2), "sigmoid", broken, frames)
    for now, was in zip(head.get_weights(), old, strict=True):
        np.testing.assert_array_equal(now, was)


def test_same_seed_gives_the_same_head():
    heads = []
    for _ in range(2):
        head, frames = new_head(), known_rows()
        teach_head(head, Lessons(epochs=3, learning_rate=1e-2), "sigmoid", frames, frames)
        heads.append(head.get_weights())
    for one, other in zip(*heads, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
