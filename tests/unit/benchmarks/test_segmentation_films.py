from pathlib import Path

import cv2
import numpy as np
import pytest

from app.domain.shots import ScoredFrame, ScoredShot, Shot
from benchmarks.segmentation.films import RATE, SHOT_S, SIZE, Take, camera, plan_films, truth_of
from benchmarks.segmentation.measure import seconds_of
from training.dataset import LabelledPicture


def labelled(*tags, file="picture.png"):
    return LabelledPicture(Path(file), tags, "test", file)


def test_truth_joins_shots_of_a_tag_and_parts_a_dissolve_in_its_middle():
    takes = [
        Take(labelled("War", "Weapon"), 2 * RATE, 0, 1),
        Take(labelled("War"), 3 * RATE, 0, 2),
        Take(labelled("Music"), 4 * RATE, RATE, 3),
    ]
    assert truth_of(takes, ("War", "Weapon", "Music")) == {
        "War": [(0.0, 5.5)],
        "Weapon": [(0.0, 2.0)],
        "Music": [(5.5, 9.0)],
    }


def test_tags_that_the_model_does_not_know_are_not_part_of_the_truth():
    assert truth_of([Take(labelled("War", "Heist"), RATE, 0, 1)], ("War",)) == {"War": [(0.0, 1.0)]}


@pytest.fixture
def pictures(tmp_path):
    found = []
    for number, (tag, shape) in enumerate(
        [("War", (40, 60)), ("War", (90, 40)), ("Music", (40, 40)), ("Food", (50, 80))]
    ):
        file = tmp_path / f"{number}.png"
        cv2.imwrite(str(file), np.full((*shape, 3), 100, np.uint8))
        found.append(labelled(tag, file=str(file)))
    return found


def test_plans_are_repeatable_long_enough_and_show_every_tag(pictures):
    plans = plan_films(pictures, ("War", "Music", "Food"), 3, (20.0, 30.0), seed=1)
    assert plans == plan_films(pictures, ("War", "Music", "Food"), 3, (20.0, 30.0), seed=1)
    assert plans != plan_films(pictures, ("War", "Music", "Food"), 3, (20.0, 30.0), seed=2)
    takes = [take for plan in plans for take in plan]
    assert {take.picture.tags[0] for take in takes} == {"War", "Music", "Food"}
    assert all(SHOT_S[0] * RATE <= take.frames <= SHOT_S[1] * RATE for take in takes)
    assert all(sum(take.frames for take in plan) >= 20 * RATE for plan in plans)
    assert not any(plan[0].dissolve for plan in plans)


def test_tall_pictures_are_left_out(pictures):
    (plan,) = plan_films(pictures, ("War", "Music"), 1, (30.0, 30.0), seed=1)
    assert pictures[1] not in [take.picture for take in plan]


def test_the_camera_moves_and_never_leaves_the_picture():
    ramp = np.repeat(np.arange(200, dtype=np.uint8)[None, :, None], 120, axis=0).repeat(3, axis=2)
    paint = camera(ramp, 3.0, seed=4)
    first, last = paint(0.0), paint(3.0)
    assert first.shape == (SIZE[1], SIZE[0], 3)
    assert np.abs(first.astype(int) - last).mean() > 1
    # A ramp that was reflected at the border would fall again.
    assert (np.diff(last[100, 20:-20, 0].astype(int)) >= 0).all()


def test_the_peer_gives_each_looked_at_frame_its_second():
    row = np.array([1.0], np.float32)
    frames = [ScoredFrame(time_s, row, row.astype(np.float16), b"") for time_s in (0.0, 1.0, 2.0)]
    pieces = list(seconds_of([ScoredShot(Shot(0.0, 2.5), tuple(frames))], 2.5))
    assert [piece.shot for piece in pieces] == [Shot(0.0, 1.0), Shot(1.0, 2.0), Shot(2.0, 2.5)]
