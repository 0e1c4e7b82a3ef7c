"""The seam with the service: pictures come out of training's loader as the service sees them."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from models.preprocessing import PreprocessingSpec, to_network_input
from tests.training.conftest import draw_picture, write_picture
from training.augmentation import (
    augmented,
    jpeg_packed,
    letterboxed,
    mixup,
    random_crop,
    video_packed,
)
from training.batches import TrainBatches, picture_weights
from training.config import TrainConfig
from training.store import open_store, read_network_inputs, read_picture

SPEC = PreprocessingSpec(width_px=75, height_px=75)
PLAIN = TrainConfig(
    input_px=75, start_px=75, batch_size=4, mirror=False, random_crop=False, colour_jitter=0
)
LIVELY = TrainConfig(input_px=75, start_px=75, batch_size=4, mixup=0.2)


@pytest.fixture
def files(tmp_path):
    found = [tmp_path / f"{number}.png" for number in range(4)]
    for number, file in enumerate(found):
        write_picture(file, draw_picture(number, number))
    return found


def test_loader_gives_what_the_service_would_give_to_the_network(files):
    inputs, kept, rejected = read_network_inputs(files, SPEC)
    assert (kept.tolist(), rejected) == ([0, 1, 2, 3], ())
    for number, row in enumerate(inputs):
        # The picture as it was drawn: PNG keeps every pixel, so colours are in the right order.
        np.testing.assert_array_equal(row, to_network_input(draw_picture(number, number), SPEC))


def test_training_batch_without_augmentation_is_the_same_tensor(files, tmp_path):
    store = open_store(files, tmp_path / "cache", hold_px=256)
    targets, weights = np.eye(4, dtype=np.float32), np.ones(4, np.float32)
    (batch,) = TrainBatches(store, targets, weights, PLAIN).epoch(0)
    for row, target in zip(batch.inputs, batch.targets, strict=True):
        number = int(target.argmax())
        np.testing.assert_array_equal(row, to_network_input(draw_picture(number, number), SPEC))


def test_store_is_decoded_once_and_again_when_a_file_changes(files, tmp_path):
    open_store(files, tmp_path / "cache", hold_px=256)
    (index,) = (tmp_path / "cache").glob("*.json")
    written_ns = index.stat().st_mtime_ns
    open_store(files, tmp_path / "cache", hold_px=256)
    assert index.stat().st_mtime_ns == written_ns
    write_picture(files[0], draw_picture(3, 9))
    changed = open_store(files, tmp_path / "cache", hold_px=256)
    np.testing.assert_array_equal(changed[0], draw_picture(3, 9))


def test_large_pictures_are_held_small(files, tmp_path):
    store = open_store(files, tmp_path / "cache", hold_px=45)
    assert store[0].shape == (45, 60, 3)


def test_unreadable_pictures_are_reported_and_the_others_kept(files, tmp_path):
    files[1].write_bytes(b"not a picture")
    files[2].write_bytes(b"")
    write_picture(files[3], np.zeros((9, 40, 3), np.uint8))
    store = open_store(files, tmp_path / "cache", hold_px=256)
    assert store.kept.tolist() == [0]
    wanted = ["not a readable picture", "empty file", "smaller than 16 px"]
    assert [item.reason for item in store.rejected] == wanted
    _, kept, rejected = read_network_inputs(files, SPEC)
    assert kept.tolist() == [0]
    assert [item.reason for item in rejected] == wanted


def test_grey_and_transparent_pictures_become_rgb(tmp_path):
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((20, 30), 90, np.uint8))
    cv2.imwrite(str(tmp_path / "clear.png"), np.full((20, 30, 4), 90, np.uint8))
    for name in ("grey.png", "clear.png"):
        assert read_picture(tmp_path / name).shape == (20, 30, 3)


def test_epochs_differ_and_the_same_epoch_repeats(files, tmp_path):
    store = open_store(files, tmp_path / "cache", hold_px=256)
    batches = TrainBatches(store, np.eye(4, dtype=np.float32), np.ones(4, np.float32), LIVELY)
    first, again, second = (next(batches.epoch(epoch)).inputs for epoch in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != second).any()


def test_a_mistake_in_the_batch_thread_reaches_the_reader(files, tmp_path):
    store = open_store(files, tmp_path / "cache", hold_px=256)
    batches = TrainBatches(store, np.eye(2, dtype=np.float32), np.ones(2, np.float32), PLAIN)
    with pytest.raises(IndexError):
        list(batches.epoch(0))


def test_random_crop_stays_within_its_bounds():
    picture, rng = draw_picture(0, 0), np.random.default_rng(1)
    areas = [
        np.prod(random_crop(picture, PLAIN, rng).shape[:2]) / np.prod(picture.shape[:2])
        for _ in range(200)
    ]
    assert PLAIN.crop_area_min * 0.95 <= min(areas) < 0.5
    assert max(areas) <= 1


def test_augmented_view_is_a_network_input():
    view = augmented(draw_picture(1, 1), SPEC, LIVELY, np.random.default_rng(3))
    assert (view.shape, view.dtype) == ((75, 75, 3), np.uint8)


def test_mixup_blends_pictures_and_targets_alike():
    inputs = np.stack([np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 200, np.uint8)])
    mixed, targets = mixup(inputs, np.eye(2, dtype=np.float32), 1.0, np.random.default_rng(5))
    np.testing.assert_allclose(mixed[:, 0, 0, 0], targets[:, 1] * 200, atol=1)
    np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-6)


def test_rare_tags_weigh_more_only_when_asked():
    present = np.array([[1, 0]] * 9 + [[0, 1]], np.float32)
    assert picture_weights(present, 0).tolist() == [1.0] * 10
    weights = picture_weights(present, 0.5)
    assert weights[9] / weights[0] == pytest.approx(3.0, rel=1e-5)
    assert weights.mean() == pytest.approx(1.0)


def test_bars_are_black_and_leave_the_picture_whole():
    picture = np.full((90, 160, 3), 200, np.uint8)
    grown = set()
    for seed in range(40):
        barred = letterboxed(picture, np.random.default_rng(seed))
        assert set(np.unique(barred)) <= {0, 200}
        assert (barred == 200).sum() == picture.size
        assert 0.03 < (barred == 0).mean() < 0.28
        grown.add((barred.shape[0] > 90, barred.shape[1] > 160))
    assert grown == {(True, False), (False, True)}


def test_packing_keeps_size_and_colours_and_costs_detail():
    rng = np.random.default_rng(1)
    picture = np.full((90, 160, 3), (200, 60, 20), np.uint8)
    picture[:, ::7] = (20, 200, 60)
    for packed in (jpeg_packed(picture, 20), video_packed(picture, rng)):
        assert (packed.shape, packed.dtype) == (picture.shape, np.uint8)
        # Means of R, G, B stay: channels are not swapped on the way.
        np.testing.assert_allclose(packed.mean(axis=(0, 1)), picture.mean(axis=(0, 1)), atol=12)
        assert np.abs(packed.astype(int) - picture).mean() > 2


@pytest.mark.parametrize("name", ["letterbox", "jpeg_noise", "video_noise"])
def test_each_change_is_made_only_when_asked_for(name):
    picture = draw_picture(1, 1)
    plain = augmented(picture, SPEC, PLAIN, np.random.default_rng(5))
    asked = replace(PLAIN, **{name: 1.0})
    changed = augmented(picture, SPEC, asked, np.random.default_rng(5))
    assert changed.shape == plain.shape
    assert not np.array_equal(plain, changed)
