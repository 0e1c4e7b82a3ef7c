import numpy as np
import pytest

from app.domain.shots import ScoredFrame, ScoredShot, Shot


@pytest.mark.parametrize(("start_s", "end_s"), [(1, 1), (2, 1), (-1, 1)])
def test_a_shot_that_does_not_end_after_it_starts_is_refused(start_s, end_s):
    with pytest.raises(ValueError, match="ends after it starts"):
        Shot(start_s, end_s)


def test_a_shots_scores_are_the_mean_of_its_key_frames():
    frames = tuple(
        ScoredFrame(0, np.array(scores, np.float32), np.zeros(1, np.float16), b"")
        for scores in ([1, 0], [0, 0.5])
    )
    assert ScoredShot(Shot(0, 1), frames).scores.tolist() == [0.5, 0.25]
