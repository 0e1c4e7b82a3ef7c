from pathlib import Path

import numpy as np
import pytest

from benchmarks.transfer.__main__ import chance_of, main
from benchmarks.transfer.plan import deal_halves, digest_of, draw_rows, halves_beside, side
from training.dataset import Collection, LabelledPicture
from training.errors import BadDataError

TAGS = ("Animal", "Desert", "Forest", "Music", "Sports", "War")


def picture(number, *tags, split="train"):
    return LabelledPicture(Path(f"{number}.png"), tags, split, str(number))


def collection(*, each=10, both=()):
    """`each` pictures of every tag, and for every pair in `both` ten that carry the two."""
    found = [picture(f"{tag[0]}{n}", tag) for tag in TAGS for n in range(each)]
    found += [picture(f"{pair}{n}", *pair) for pair in both for n in range(10)]
    found.append(picture("held", "Animal", split="validation"))
    return Collection(tuple(found), TAGS)


def test_halves_share_no_tag_and_follow_from_the_seed():
    halves = deal_halves(collection(), 10, seed=3)
    assert sorted(halves.source + halves.target) == sorted(TAGS)
    assert len(halves.target) == 3
    assert halves == deal_halves(collection(), 10, seed=3)
    assert len({deal_halves(collection(), 10, seed).target for seed in range(20)}) > 3


def test_a_tag_with_too_few_pictures_is_in_neither_half():
    poor = collection()
    thin = [p for p in poor.pictures if p.tags != ("War",)] + [picture("w", "War")]
    halves = deal_halves(Collection(tuple(thin), TAGS), 10, seed=1)
    assert sorted(halves.source + halves.target) == sorted(set(TAGS) - {"War"})


def test_tags_that_stand_on_the_same_pictures_are_dealt_to_one_side():
    pairs = {("Animal", "Desert"), ("Forest", "Music")}
    found = collection(each=0, both=sorted(pairs))
    for seed in range(6):
        halves = deal_halves(found, 10, seed)
        assert {halves.source, halves.target} == pairs


def test_a_picture_with_tags_of_both_halves_is_in_neither_task():
    found = collection(both=(("Animal", "War"), ("Animal", "Desert")))
    source, target = ("War", "Sports"), ("Animal", "Desert")
    kept = side(found, target, source)
    assert {p.tags for p in kept.pictures} == {("Animal",), ("Desert",), ("Animal", "Desert")}
    assert not {p.file for p in kept.pictures} & {
        p.file for p in side(found, source, target).pictures
    }
    assert kept.tags == target


def test_beside_a_given_base_the_target_is_every_other_tag_that_keeps_enough():
    found = collection(both=(("Animal", "War"),))
    assert halves_beside(found, ("War", "Sports"), 10).target == (
        "Animal", "Desert", "Forest", "Music",
    )  # fmt: skip
    with pytest.raises(BadDataError, match="found 2 and 0"):
        halves_beside(found, ("War", "Sports"), 11)


def test_a_base_of_all_tags_leaves_nothing_to_transfer_to():
    with pytest.raises(BadDataError, match="found 6 and 0"):
        halves_beside(collection(), TAGS, 1)


def test_every_tag_gets_its_pictures_and_a_smaller_draw_is_part_of_a_larger():
    rng = np.random.default_rng(0)
    truth = np.eye(4, dtype=np.float32)[rng.integers(0, 4, 200)]
    truth[::7, 0] = 1
    small, large = draw_rows(truth, 5, seed=1), draw_rows(truth, 20, seed=1)
    assert truth[small].sum(axis=0).min() == 5
    assert truth[large].sum(axis=0).min() == 20
    assert set(small) < set(large)
    assert len(set(small)) == len(small)
    assert set(small) != set(draw_rows(truth, 5, seed=2))


def test_a_collection_is_named_by_what_it_holds_without_the_test_split():
    found = collection()
    more = Collection((*found.pictures, picture("t", "War", split="test")), TAGS)
    other = Collection((*found.pictures, picture("t", "War")), TAGS)
    assert digest_of(found) == digest_of(more) != digest_of(other)


def test_chance_is_the_share_of_the_true():
    truth = np.array([[1, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    assert chance_of(truth) == {"macro_map": 0.625, "hit_at_1": 0.625}


def test_without_pictures_nothing_is_measured_and_the_reason_is_said(capsys):
    assert main([]) == 0
    assert "skipped: needs labelled pictures, --data DIR --out DIR" in capsys.readouterr().out


def test_pictures_without_a_folder_for_the_cells_are_refused(capsys):
    with pytest.raises(SystemExit):
        main(["--data", "pictures"])
    assert "--out is needed" in capsys.readouterr().err
