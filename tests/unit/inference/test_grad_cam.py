from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from app.inference.grad_cam import DenseHead, grad_cam

RNG = np.random.default_rng(5)


def drawn_head(*sizes: int) -> DenseHead:
    return DenseHead(
        [
            (
                RNG.normal(size=(inputs, outputs)).astype(np.float32),
                RNG.normal(size=outputs).astype(np.float32),
            )
            for inputs, outputs in pairwise(sizes)
        ]
    )


def far_from_bends(head: DenseHead, size: int) -> NDArray[np.float32]:
    """Features around which no ReLU switches, so that small steps see one slope only."""
    while True:
        features = RNG.normal(size=size).astype(np.float32)
        hidden = [
            DenseHead(head.layers[:end]).logits(features) for end in range(1, len(head.layers))
        ]
        if all(np.abs(row).min() > 0.1 for row in hidden):
            return features


@pytest.mark.parametrize("sizes", [(6, 4), (6, 9, 4), (6, 9, 7, 4)], ids=["none", "one", "two"])
def test_the_gradient_is_what_small_steps_of_the_features_do(sizes):
    head = drawn_head(*sizes)
    features = far_from_bends(head, sizes[0])
    step = 1e-2
    for place in range(sizes[-1]):
        found = head.gradient(features, place)
        stepped = [
            (
                head.logits(features + step * direction)[place]
                - head.logits(features - step * direction)[place]
            )
            / (2 * step)
            for direction in np.eye(sizes[0], dtype=np.float32)
        ]
        np.testing.assert_allclose(found, stepped, atol=2e-3)
        assert np.abs(found).max() > 5e-3


def test_logits_are_those_of_dense_layers_with_relu_between_them():
    head = DenseHead(
        [
            (np.array([[1, -1]], np.float32), np.array([0, 0.5], np.float32)),
            (np.array([[2], [10]], np.float32), np.array([1], np.float32)),
        ]
    )
    assert head.logits(np.array([3], np.float32)).tolist() == [7.0]
    assert head.gradient(np.array([3], np.float32), 0).tolist() == [2.0]
    assert head.gradient(np.array([-3], np.float32), 0).tolist() == [-10.0]


def test_heat_lies_where_the_maps_that_speak_for_the_tag_are_high():
    maps = np.zeros((2, 3, 4), np.float32)
    maps[0, 0, 1], maps[1, 2, 3] = 12, 24
    head = DenseHead([(np.array([[1, -1], [-1, 1]], np.float32), np.zeros(2, np.float32))])
    first, second = grad_cam(maps, head, 0), grad_cam(maps, head, 1)
    assert np.argwhere(first).tolist() == [[0, 1]]
    assert np.argwhere(second).tolist() == [[2, 3]]
    assert (first[0, 1], second[2, 3]) == (1.0, 2.0)


def test_nothing_speaks_for_a_tag_that_every_map_speaks_against():
    head = DenseHead([(np.array([[-1]], np.float32), np.zeros(1, np.float32))])
    assert not grad_cam(np.ones((1, 3, 3), np.float32), head, 0).any()
