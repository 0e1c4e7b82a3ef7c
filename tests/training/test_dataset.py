from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from tests.training.conftest import draw_picture, write_manifest, write_picture
from training.dataset import (
    LabelledPicture,
    read_collection,
    split_by_group,
    target_rows,
)
from training.errors import BadDataError


def one_picture(folder: Path, name: str = "a.png") -> None:
    write_picture(folder / name, draw_picture(0, 0))


def test_manifest_gives_tags_split_and_source(drawn_data):
    collection = read_collection(drawn_data)
    assert collection.tags == ("Action", "Animal", "Beach/Sea", "Desert", "War")
    assert [len(collection.of(s)) for s in ("train", "validation", "test")] == [8, 4, 4]
    first = collection.pictures[0]
    assert first.tags == ("Action", "Animal")
    assert (first.source, first.licence) == ("Drawn: by the tests", "none needed")


def test_parquet_manifest_says_the_same_as_csv(drawn_data, tmp_path):
    rows = [
        {"file": p.file.name, "tags": ";".join(p.tags), "split": p.split}
        for p in read_collection(drawn_data).pictures
    ]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "m.parquet")
    found = read_collection(drawn_data, tmp_path / "m.parquet")
    assert [p.tags for p in found.pictures] == [
        p.tags for p in read_collection(drawn_data).pictures
    ]


def test_folders_are_named_by_slug_or_name(tag_folders):
    collection = read_collection(tag_folders(beach_sea=7, War=7))
    assert collection.tags == ("Beach/Sea", "War")
    assert len(collection.of("test")) == len(collection.of("validation")) == 2


def test_split_is_the_same_every_time_and_differs_by_seed():
    pictures = [
        LabelledPicture(Path(f"{n}.jpg"), ("War" if n % 3 else "Animal",), "", f"film {n // 2}")
        for n in range(120)
    ]
    splits = [[p.split for p in split_by_group(pictures, seed)] for seed in (1, 1, 2)]
    assert splits[0] == splits[1] != splits[2]


def test_a_group_never_stands_on_two_sides_and_each_tag_stands_on_all():
    pictures = [
        LabelledPicture(
            Path(f"{n}.jpg"), ("War" if n % 60 < 40 else "Animal",), "", f"clip {n % 60}"
        )
        for n in range(240)
    ]
    sides: dict[str, set[str]] = {}
    by_tag: dict[str, set[str]] = {}
    for picture in split_by_group(pictures, seed=1):
        sides.setdefault(picture.group, set()).add(picture.split)
        by_tag.setdefault(picture.tags[0], set()).add(picture.split)
    assert all(len(side) == 1 for side in sides.values())
    assert all(len(side) == 3 for side in by_tag.values())


def test_folder_inside_a_tag_is_a_group(tmp_path):
    for clip in ("one", "two", "three", "four"):
        for number in range(2):
            write_picture(tmp_path / "war" / clip / f"{number}.png", draw_picture(0, number))
    one_picture(tmp_path / "animal")
    groups = {p.group for p in read_collection(tmp_path).pictures if p.tags == ("War",)}
    assert groups == {"one", "two", "three", "four"}


def test_softmax_rows_sum_to_one_and_unknown_columns_are_left_out():
    pictures = [
        LabelledPicture(Path("a"), ("Animal", "War"), "train", "a"),
        LabelledPicture(Path("b"), ("War", "Weapon"), "train", "b"),
    ]
    assert target_rows(pictures, ("Animal", "War"), normalised=True).tolist() == [
        [0.5, 0.5],
        [0.0, 1.0],
    ]


def test_empty_folder_is_refused(tmp_path):
    with pytest.raises(BadDataError, match="no pictures found"):
        read_collection(tmp_path)


def test_missing_folder_is_refused(tmp_path):
    with pytest.raises(BadDataError, match="no such folder"):
        read_collection(tmp_path / "nowhere")


def test_one_tag_only_is_refused(tag_folders):
    with pytest.raises(BadDataError, match="two tags or more, found War"):
        read_collection(tag_folders(war=5))


def test_pictures_to_measure_with_need_no_train_split(tmp_path):
    one_picture(tmp_path)
    write_manifest(tmp_path / "manifest.csv", [row(split="test")])
    assert len(read_collection(tmp_path, to_train=False).of("test")) == 1


def test_folder_with_an_unknown_name_offers_the_nearest_tag(tag_folders):
    with pytest.raises(BadDataError, match="did you mean Beach/Sea"):
        read_collection(tag_folders(beach_see=3, war=3))


def row(**changes: str) -> dict[str, str]:
    return {"file": "a.png", "tags": "War", "split": "train"} | changes


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row(), row(file="gone.png")], "names 1 files that are not in .*: gone.png"),
        ([row(tags="Warr")], "line 2: 'Warr' is not a tag"),
        ([row(), row(tags=" ")], "line 3: no tag"),
        ([row(split="sometimes")], "the split 'sometimes' is none of"),
        ([row(file="")], "line 2: the column `file` is empty"),
        ([{"file": "a.png", "label": "War"}], "the column tags is missing"),
    ],
    ids=["missing file", "unknown tag", "no tag", "unknown split", "no file", "no column"],
)
def test_bad_manifest_is_refused_with_the_line(tmp_path, rows, message):
    one_picture(tmp_path)
    write_manifest(tmp_path / "manifest.csv", rows)
    with pytest.raises(BadDataError, match=message):
        read_collection(tmp_path)


def test_manifest_that_is_nowhere_is_refused(tmp_path):
    with pytest.raises(BadDataError, match="no such manifest"):
        read_collection(tmp_path, Path("other.csv"))
