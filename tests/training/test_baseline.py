import numpy as np
import pytest

from tests.training.conftest import draw_picture, write_picture
from training.baseline import (
    colour_histogram,
    descriptor,
    fit_and_score,
    measure_baseline,
    oriented_gradients,
    read_descriptors,
)
from training.dataset import Collection, read_collection, target_rows
from training.errors import BadDataError


def stripes(turned: bool) -> np.ndarray:
    """64 x 64, black and white, 8 px wide; upright unless turned."""
    row = np.tile(np.repeat(np.array([0, 255], np.uint8), 8), 4)
    picture = np.repeat(row[None, :, None], 64, axis=0).repeat(3, axis=2)
    return np.ascontiguousarray(picture.transpose(1, 0, 2) if turned else picture)


def test_a_plain_picture_has_one_colour_and_no_edges():
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = 255
    colours = colour_histogram(red)
    assert (colours > 0).sum() == 1
    assert colours.max() == 1.0
    blue = np.ascontiguousarray(red[..., ::-1])
    assert colour_histogram(blue).argmax() != colours.argmax()
    assert oriented_gradients(red).max() == 0


@pytest.mark.parametrize(("turned", "wanted"), [(False, {0, 8}), (True, {4})])
def test_edges_fall_into_the_orientation_of_their_gradient(turned, wanted):
    # Gradients of upright stripes run across: 0 degrees lies between the last bin and the first.
    blocks = oriented_gradients(stripes(turned)).reshape(7 * 7 * 4, 9)
    strong = set(np.flatnonzero(blocks.sum(axis=0) > 0.1 * blocks.sum()).tolist())
    assert strong == wanted


def test_edges_do_not_depend_on_brightness():
    picture = stripes(turned=False)
    np.testing.assert_allclose(
        oriented_gradients(picture), oriented_gradients(picture // 2), atol=1e-3
    )


def test_descriptor_has_one_length_whatever_the_picture():
    for shape in ((64, 64), (90, 120), (300, 31)):
        row = descriptor(np.zeros((*shape, 3), np.uint8))
        assert (row.shape, row.dtype) == ((1892,), np.float32)


def test_unreadable_pictures_are_left_out(tmp_path):
    write_picture(tmp_path / "1.png", draw_picture(1, 1))
    (tmp_path / "0.png").write_bytes(b"nothing")
    rows, kept = read_descriptors([tmp_path / "0.png", tmp_path / "1.png"])
    assert (rows.shape, kept.tolist()) == ((1, 1892), [1])


def test_lines_find_what_can_be_told_apart():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 8)).astype(np.float32)
    targets = np.stack([rows[:, 0] > 0, rows[:, 1] > 0, np.zeros(60)], axis=1).astype(np.float32)
    scores = fit_and_score(rows[:40], targets[:40], rows[40:])
    for column in (0, 1):
        right = scores[targets[40:, column] > 0, column].min()
        assert right > scores[targets[40:, column] == 0, column].mean()
    assert (scores[:, 2] == 0).all(), "a tag that no picture has gets its share, none"


def test_network_is_set_against_the_baseline_on_the_same_pictures(drawn_data):
    collection = read_collection(drawn_data)
    pictures = collection.of("validation")
    truth = target_rows(pictures, collection.tags, normalised=False)
    scores, figures = measure_baseline(
        collection, collection.tags, pictures, truth, {"macro_map": 0.5}
    )
    assert scores.shape == (4, len(collection.tags))
    assert figures["train_pictures"] == 8
    assert figures["ratio"] == pytest.approx(0.5 / figures["macro_map"], abs=1e-3)
    assert set(figures["ap"]) == set(collection.tags)


def test_a_baseline_without_pictures_to_learn_from_is_refused(drawn_data):
    collection = read_collection(drawn_data)
    held_out = Collection(collection.of("validation"), collection.tags)
    with pytest.raises(BadDataError, match="no picture for the baseline"):
        measure_baseline(held_out, collection.tags, (), np.zeros((0, 5), np.float32), {})
