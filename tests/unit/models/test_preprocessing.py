import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.preprocessing import (
    PreprocessingSpec,
    to_network_input,
    to_network_inputs,
    to_picture_plane,
)

SQUARE = PreprocessingSpec(width_px=80, height_px=80)


@given(
    st.integers(1, 300),
    st.integers(1, 300),
    st.sampled_from(["squash", "crop", "letterbox"]),
)
def test_any_picture_becomes_the_networks_shape(width, height, aspect):
    picture = np.full((height, width, 3), 77, np.uint8)
    spec = PreprocessingSpec(width_px=96, height_px=75, aspect=aspect)
    made = to_network_input(picture, spec)
    assert made.shape == (75, 96, 3)
    assert made.dtype == np.uint8
    assert made.max() == 77
    if aspect != "letterbox":
        assert made.min() == 77


def test_squash_keeps_all_of_a_wide_picture_and_crop_its_middle():
    picture = np.zeros((80, 240, 3), np.uint8)
    picture[:, :80] = 255
    assert to_network_input(picture, SQUARE).max() == 255
    cropped = to_network_input(picture, SQUARE.model_copy(update={"aspect": "crop"}))
    assert cropped.max() == 0


def test_letterbox_pads_a_wide_picture_above_and_below():
    picture = np.full((80, 160, 3), 200, np.uint8)
    made = to_network_input(picture, SQUARE.model_copy(update={"aspect": "letterbox"}))
    assert made[:20].max() == 0
    assert made[60:].max() == 0
    assert (made[20:60] == 200).all()


def test_a_picture_of_the_networks_size_is_not_touched():
    picture = np.random.default_rng(1).integers(0, 256, (80, 80, 3), np.uint8)
    assert (to_network_input(picture, SQUARE) == picture).all()


def test_shrinking_averages_what_it_drops():
    picture = np.zeros((160, 160, 3), np.uint8)
    picture[::2] = 200
    assert (to_network_input(picture, SQUARE) == 100).all()


def test_channels_stay_red_green_blue():
    picture = np.zeros((200, 200, 3), np.uint8)
    picture[..., 0] = 255
    assert to_network_input(picture, SQUARE)[0, 0].tolist() == [255, 0, 0]


def test_a_batch_is_its_pictures_one_by_one():
    pictures = [np.full((90, 100, 3), value, np.uint8) for value in (1, 2)]
    assert to_network_inputs(pictures, SQUARE)[:, 0, 0, 0].tolist() == [1, 2]
    assert to_network_inputs([], SQUARE).shape == (0, 80, 80, 3)


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((10, 10), np.uint8),
        np.zeros((10, 10, 4), np.uint8),
        np.zeros((10, 10, 3), np.float32),
        np.zeros((0, 10, 3), np.uint8),
    ],
    ids=["grey", "alpha", "float", "empty"],
)
def test_what_is_no_rgb_picture_is_refused(picture):
    with pytest.raises(ValueError, match="picture"):
        to_network_input(picture, SQUARE)


@pytest.mark.parametrize("aspect", ["squash", "crop", "letterbox"])
@pytest.mark.parametrize(("height", "width"), [(90, 320), (320, 90), (100, 100)])
def test_what_the_network_says_of_a_place_is_laid_over_that_place(aspect, height, width):
    spec = PreprocessingSpec(width_px=120, height_px=120, aspect=aspect)
    picture = np.zeros((height, width, 3), np.uint8)
    y, x = round(height * 0.5), round(width * 0.55)
    picture[y - 8 : y + 8, x - 8 : x + 8] = 255
    seen = to_network_input(picture, spec)[:, :, 0].astype(np.float32) / 255
    laid = to_picture_plane(seen, height, width, spec)
    assert laid.shape == (height, width)
    assert laid.dtype == np.float32
    assert 0 <= laid.min() <= laid.max() <= 1
    rows, columns = np.nonzero(laid > 0.5)
    assert (abs(rows.mean() - y + 0.5), abs(columns.mean() - x + 0.5)) < (2, 2)
    assert laid[picture[:, :, 0] == 0].mean() < 0.05


def test_nothing_is_said_of_what_the_network_did_not_see():
    spec = PreprocessingSpec(width_px=100, height_px=100, aspect="crop")
    laid = to_picture_plane(np.ones((3, 3), np.float32), 100, 200, spec)
    assert not laid[:, :50].any()
    assert not laid[:, 150:].any()
    assert laid[:, 50:150].min() > 0.999
