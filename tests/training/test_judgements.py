from datetime import UTC, datetime
from typing import Any

import pytest

from reeltag.types import Frame, Shot, TagScore, Verdict
from training.judgements import judge_frames


def frame(n: int, *tags: tuple[str, float], human: tuple[str, ...] = ()) -> Frame:
    said = [TagScore(tag=tag, score=1.0, source="human") for tag in human]
    said += [TagScore(tag=tag, score=score, source="model") for tag, score in tags]
    return Frame(
        n=n, time_s=n * 2.0 + 1, shot=Shot(start_s=n * 2.0, end_s=n * 2.0 + 2), tags=said,
        image_url="",
    )  # fmt: skip


def verdict(tag: str, word: str, scope: str = "film", **where: Any) -> Verdict:
    place: dict[str, Any] = {"start_s": None, "end_s": None, "time_s": None, "frame": None}
    return Verdict(
        id="v", tag=tag, slug=tag.lower(), verdict=word, scope=scope, created_at=datetime.now(UTC),
        **(place | where),
    )  # fmt: skip


FRAMES = [
    frame(0, ("War", 0.9), ("Food", 0.05), ("Dance", 0.03), ("Robot", 0.02)),
    frame(1, ("Food", 0.6), ("War", 0.3), ("Dance", 0.1), ("Robot", 0.0)),
    frame(2, ("Dance", 0.5), ("Food", 0.3), ("Robot", 0.15), ("War", 0.05)),
]


def test_verdict_on_a_frame_speaks_of_that_frame_alone():
    said = [verdict("War", "rejected", "frame", time_s=3.0004)]
    assert judge_frames(FRAMES, said) == {1: {"War": False}}


def test_verdict_on_a_segment_speaks_of_the_frames_inside_its_half_open_stretch():
    said = [verdict("Robot", "accepted", "segment", start_s=1.0, end_s=5.0)]
    assert judge_frames(FRAMES, said) == {0: {"Robot": True}, 1: {"Robot": True}}


def test_tag_accepted_for_a_film_holds_in_its_strongest_frames_only():
    assert judge_frames(FRAMES, [verdict("Food", "accepted")]) == {
        1: {"Food": True}, 2: {"Food": True}
    }  # fmt: skip


def test_tag_accepted_for_a_film_that_the_model_does_not_know_says_nothing_of_frames():
    assert judge_frames(FRAMES, [verdict("Horror", "accepted")]) == {}


def test_tag_rejected_for_a_film_does_not_hold_where_the_model_said_it():
    assert judge_frames(FRAMES, [verdict("War", "rejected")]) == {
        0: {"War": False}, 1: {"War": False}
    }  # fmt: skip


def test_tags_of_humans_do_not_push_those_of_the_model_out_of_what_it_said():
    crowded = [frame(0, ("War", 0.9), ("Food", 0.1), human=("Sex", "Robot", "Heist"))]
    assert judge_frames(crowded, [verdict("War", "rejected")]) == {0: {"War": False}}


@pytest.mark.parametrize("turned", [False, True], ids=["in order", "turned round"])
def test_frame_wins_over_segment_over_film_whatever_came_first(turned: bool):
    said = [
        verdict("War", "rejected"),
        verdict("War", "accepted", "segment", start_s=0.0, end_s=4.0),
        verdict("War", "rejected", "frame", time_s=1.0),
    ]
    if turned:
        said.reverse()
    assert judge_frames(FRAMES, said) == {0: {"War": False}, 1: {"War": True}}


def test_later_verdict_on_an_overlapping_segment_wins():
    said = [
        verdict("War", "accepted", "segment", start_s=0.0, end_s=6.0),
        verdict("War", "rejected", "segment", start_s=2.0, end_s=4.0),
    ]
    assert judge_frames(FRAMES, said) == {0: {"War": True}, 1: {"War": False}, 2: {"War": True}}
