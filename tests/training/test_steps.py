"""One step: its schedule, its loss, its precision."""

import math

import numpy as np
import pytest

from training.config import TrainConfig

pytestmark = pytest.mark.slow


def test_the_rate_climbs_then_falls_as_half_a_cosine():
    from training.steps import rate_at

    config = TrainConfig(epochs=10, warmup_epochs=2, learning_rate=0.5)
    rates = [rate_at(config, progress / 4) for progress in range(41)]
    assert rates[0] == pytest.approx(0.005)
    assert rates[8] == max(rates) == 0.5
    assert rates[:9] == sorted(rates[:9])
    assert rates[8:] == sorted(rates[8:], reverse=True)
    assert rates[24] == pytest.approx(0.5 * (0.002 + 0.998 * 0.5 * (1 + math.cos(math.pi / 2))))
    assert rates[40] == pytest.approx(0.001)


@pytest.mark.parametrize(
    ("schedule", "halfway", "end"), [("linear", 0.501, 0.002), ("constant", 1.0, 1.0)]
)
def test_other_schedules_fall_straight_or_not_at_all(schedule, halfway, end):
    from training.steps import rate_at

    config = TrainConfig(epochs=10, warmup_epochs=0, learning_rate=0.5, schedule=schedule)
    found = [rate_at(config, progress) for progress in (0, 5, 10)]
    assert found == pytest.approx([0.5, 0.5 * halfway, 0.5 * end])


@pytest.mark.parametrize(
    ("head", "wanted"),
    [("softmax", [0.85, 0.05, 0.05, 0.05]), ("sigmoid", [0.9, 0.1, 0.1, 0.1])],
)
def test_smoothing_spreads_a_share_of_the_target(head, wanted):
    import tensorflow as tf

    from training.steps import smoothed

    config = TrainConfig(head=head, label_smoothing=0.2)
    np.testing.assert_allclose(smoothed(tf.constant([[1.0, 0, 0, 0]]), config)[0], wanted, 1e-6)


def small_step(config: TrainConfig):
    """A step over a network of one layer that begins at zero, and that layer's weights."""
    import keras

    from training.steps import build_optimizer, build_train_step

    keras.config.set_dtype_policy("float32")
    network = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(3, use_bias=False, kernel_initializer="zeros")]
    )
    optimizer = build_optimizer(config, network)
    step = build_train_step(config, network, optimizer)
    return step, network.layers[0].kernel, optimizer


def test_loss_is_the_weighted_mean_over_the_batch_and_heavier_pictures_pull_more():
    plain = TrainConfig(
        optimizer="sgd", learning_rate=0.1, weight_decay=0, label_smoothing=0, precision="float32"
    )
    step, kernel, _ = small_step(plain)
    eye = np.eye(3, dtype=np.float32)
    loss = float(step(eye, eye, np.array([3.0, 1.0, 0.0], np.float32)))
    assert loss == pytest.approx(math.log(3) * 4 / 3)
    # Picture i only touches row i: a third of its weight times (target - 1/3), times rate.
    moved = np.diag(kernel.numpy())
    # The first Nesterov step is (1 + momentum) gradients long.
    np.testing.assert_allclose(moved, 0.1 * 1.9 * np.array([3, 1, 0]) / 3 * 2 / 3, rtol=1e-5)


def test_one_odd_batch_moves_the_weights_by_no_more_than_the_clipped_gradient():
    config = TrainConfig(
        optimizer="sgd", learning_rate=0.1, weight_decay=0, label_smoothing=0, precision="float32"
    )
    step, kernel, _ = small_step(config)
    eye = np.eye(3, dtype=np.float32)
    step(1e4 * eye, eye, np.ones(3, np.float32))
    assert np.linalg.norm(kernel.numpy()) == pytest.approx(0.1 * 1.9 * 5, rel=1e-4)


def test_float16_scales_the_loss_and_leaves_out_a_step_that_overflows():
    config = TrainConfig(precision="float16", learning_rate=0.1)
    step, kernel, optimizer = small_step(config)
    eye = np.eye(3, dtype=np.float32)
    loss = float(step(eye, eye, np.ones(3, np.float32)))
    assert loss == pytest.approx(math.log(3))  # not scaled for whoever reads it
    before, scale = kernel.numpy().copy(), float(optimizer.dynamic_scale.numpy())
    assert scale == 2**15
    assert np.abs(before).max() == pytest.approx(0.1, rel=1e-2)  # Adam's first step: the rate
    step(np.full((3, 3), np.inf, np.float32), eye, np.ones(3, np.float32))
    np.testing.assert_array_equal(kernel.numpy(), before)
    assert float(optimizer.dynamic_scale.numpy()) == scale / 2


@pytest.mark.parametrize("precision", ["bfloat16", "float16", "float32"])
def test_network_really_computes_in_the_chosen_width(precision):
    import keras
    import tensorflow as tf

    from training.network import build_network

    keras.config.set_dtype_policy("float64")
    keras.backend.clear_session()  # resets the policy without a word
    network = build_network(3, input_px=75, hidden_units=4, precision=precision)
    inner = keras.Model(network.input, network.get_layer("mixed0").output)
    features = inner(tf.zeros((1, 75, 75, 3), tf.uint8), training=False)
    assert features.dtype.name == precision
    assert network.output.dtype == "float32"
    assert {weight.dtype for weight in network.trainable_weights} == {"float32"}


def test_network_of_another_width_than_the_chosen_one_is_refused():
    from training.network import build_network, check_precision

    network = build_network(3, input_px=75, hidden_units=4, precision="float32")
    with pytest.raises(RuntimeError, match="computes in float32, not in the chosen bfloat16"):
        check_precision(network, "bfloat16")
