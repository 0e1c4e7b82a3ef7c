"""What is taught is the stock network: the same outputs, statistics and weights after steps."""

import numpy as np
import pytest

from training.config import TrainConfig

pytestmark = pytest.mark.slow


def small_network(precision: str, *, learns: bool = True, scale: bool = False):
    import keras

    from training.network import LOGITS_LAYER, set_precision

    keras.utils.set_random_seed(1)
    set_precision(precision)
    inputs = keras.Input((9, 9, 3))
    found = keras.layers.Conv2D(4, 3, use_bias=False)(inputs)
    norm = keras.layers.BatchNormalization(scale=scale)
    norm.trainable = learns
    found = keras.layers.Activation("relu")(norm(found))
    found = keras.layers.GlobalAveragePooling2D()(found)
    found = keras.layers.Dense(3, dtype="float32", name=LOGITS_LAYER)(found)
    return keras.Model(inputs, keras.layers.Activation("softmax", dtype="float32")(found))


def taught(learner_of, config: TrainConfig, network) -> list[np.ndarray]:
    from training.steps import build_optimizer, build_train_step

    step = build_train_step(config, learner_of(network), build_optimizer(config, network))
    rng = np.random.default_rng(2)
    for _ in range(4):
        inputs = rng.normal(3, 2, (6, 9, 9, 3)).astype(np.float32)
        step(inputs, np.eye(3, dtype=np.float32)[rng.integers(0, 3, 6)], np.ones(6, np.float32))
    return network.get_weights()


@pytest.mark.parametrize("learns", [True, False], ids=["learning norm", "frozen norm"])
@pytest.mark.parametrize("scale", [True, False], ids=["with scale", "without scale"])
def test_fused_norms_teach_what_stock_norms_teach(learns, scale):
    from training.learner import learner_of
    from training.steps import logits_of

    config = TrainConfig(optimizer="sgd", learning_rate=0.05, precision="float32")
    start = small_network("float32", learns=learns, scale=scale).get_weights()
    stock = taught(logits_of, config, small_network("float32", learns=learns, scale=scale))
    fused = taught(learner_of, config, small_network("float32", learns=learns, scale=scale))
    assert len(stock) == len(fused)
    for one, other in zip(stock, fused, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    moved = [float(np.abs(one - other).max()) for one, other in zip(start, stock, strict=True)]
    mean, variance = moved[-4:-2]
    assert moved[0] > 0.01
    assert (mean > 0.01, variance > 0.01) == (learns, learns)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_fused_norm_computes_in_half_width_and_gathers_in_float32(precision):
    import tensorflow as tf

    from training.learner import FusedNorm, learner_of

    network = small_network(precision)
    learner = learner_of(network)
    (norm,) = [layer for layer in learner.layers if isinstance(layer, FusedNorm)]
    inputs = tf.random.normal((6, 7, 7, 4), 3.0, 2.0)
    outputs = norm(inputs, training=True)
    assert outputs.dtype.name == precision
    assert norm.norm.moving_mean.dtype == "float32"
    np.testing.assert_allclose(norm.norm.moving_mean.numpy(), 0.03, atol=0.01)
    assert abs(float(tf.reduce_mean(tf.cast(outputs, tf.float32)))) < 0.02


def test_learner_shares_every_weight_and_leaves_the_network_stock():
    import keras

    from training.learner import learner_of

    network = small_network("float32")
    learner = learner_of(network)
    ids = [{id(weight) for weight in one.weights} for one in (network, learner)]
    assert ids[0] == ids[1]
    assert [id(v) for v in network.trainable_weights] == [id(v) for v in learner.trainable_weights]
    assert any(isinstance(layer, keras.layers.BatchNormalization) for layer in network.layers)
    assert keras.models.clone_model(network)  # still stock: it can be written and read anywhere
