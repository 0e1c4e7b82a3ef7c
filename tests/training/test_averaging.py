"""The running average follows the weights, is lent out, and gives them back."""

import numpy as np
import pytest

from training.config import TrainConfig
from training.errors import BadConfigError

pytestmark = pytest.mark.slow


@pytest.fixture
def network():
    import keras

    return keras.Sequential(
        [keras.Input((2,)), keras.layers.BatchNormalization(), keras.layers.Dense(3)]
    )


def test_average_moves_by_the_share_of_the_steps_it_skipped(network):
    from training.averaging import UPDATE_EVERY, WeightAverage

    average = WeightAverage(network, decay=0.9)
    before = [np.zeros_like(weight) for weight in network.get_weights()]
    network.set_weights(before)
    average.begin_again(10_000)
    network.set_weights([np.ones_like(weight) for weight in before])
    for step in range(1, UPDATE_EVERY + 1):
        average.after_step(step)
    with average.applied():
        for weight in network.get_weights():
            np.testing.assert_allclose(weight, 1 - 0.9**UPDATE_EVERY, rtol=1e-5)
    for weight in network.get_weights():
        np.testing.assert_array_equal(weight, 1)


def test_own_weights_come_back_also_after_a_mistake(network):
    from training.averaging import WeightAverage

    average = WeightAverage(network, decay=0.9)
    own = [weight + 1 for weight in network.get_weights()]
    network.set_weights(own)
    with pytest.raises(RuntimeError), average.applied():
        raise RuntimeError
    for weight, kept in zip(network.get_weights(), own, strict=True):
        np.testing.assert_array_equal(weight, kept)


def test_young_average_lets_go_of_where_it_began(network):
    from training.averaging import UPDATE_EVERY, WeightAverage

    network.set_weights([np.zeros_like(weight) for weight in network.get_weights()])
    average = WeightAverage(network, decay=0.999)
    network.set_weights([np.ones_like(weight) for weight in network.get_weights()])
    for step in range(1, 5 * UPDATE_EVERY + 1):
        average.after_step(step)
    with average.applied():
        assert network.get_weights()[0].min() > 0.9


@pytest.mark.parametrize("average", [-0.1, 1.0])
def test_a_decay_that_never_learns_is_refused(average):
    with pytest.raises(BadConfigError, match="average"):
        TrainConfig(average=average)


def test_a_missing_tag_counts_less_than_a_present_one_with_the_sigmoid_head():
    import tensorflow as tf

    from training.steps import losses_of

    targets = tf.constant([[1.0, 0.0]])

    def slopes(weight: float) -> np.ndarray:
        config = TrainConfig(head="sigmoid", unknown_weight=weight, label_smoothing=0)
        logits = tf.Variable([[0.0, 0.0]])
        with tf.GradientTape() as tape:
            loss = losses_of(config, logits, targets)
        return np.asarray(tape.gradient(loss, logits))[0]

    np.testing.assert_allclose(slopes(1.0), [-0.5, 0.5], atol=1e-6)
    np.testing.assert_allclose(slopes(0.1), [-0.5, 0.05], atol=1e-6)
    np.testing.assert_allclose(slopes(0.0), [-0.5, 0.0], atol=1e-6)
