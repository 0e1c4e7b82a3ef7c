"""Each export is opened again by a reader that is not ours."""

import csv
import io
import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import opentimelineio as otio
import pytest
import webvtt
from hypothesis import given
from hypothesis import strategies as st

from app.domain.library import FrameView
from app.domain.shots import Shot
from app.domain.tags import FilmTag, Segment, TagScore
from app.errors import InvalidRequest
from app.services.exports.content import Findings, chapters
from app.services.exports.formats import FORMATS
from app.services.exports.nfo import merge
from tests.api_client import make_film

FILM = make_film(
    title="Wölfe & <Schafe>", filename="wölfe.mkv", duration_s=5400.0, frame_rate=24000 / 1001,
    model_version="fake-1",
)  # fmt: skip
SEGMENTS = (
    Segment("War", 0.0, 10.0, 0.6),
    Segment("Beach/Sea", 5.0, 20.0, 0.8),
    Segment("War", 3723.5, 3730.25, 0.9),
    Segment("Food", 3725.0, 3726.0, 1.0, "human"),
)
FINDINGS = Findings(
    FILM,
    [FilmTag("War", 0.5, 16.75, 3, 0.0), FilmTag("Beach/Sea", 0.25, 15.0, 1, 5.0),
     FilmTag("College/Univ.", 1.0, 0.0, 0, None, "human")],
    SEGMENTS,
    [FrameView(0, 2.5, Shot(0.0, 5.0), (TagScore("War", 0.6),)),
     FrameView(1, 4.0, Shot(0.0, 5.0), ()), FrameView(2, 7.5, Shot(5.0, 20.0), ())],
)  # fmt: skip
NOTHING = Findings(make_film(title="\x01", filename=""), [], [], [])


def export(word: str, findings: Findings = FINDINGS) -> str:
    return FORMATS[word].write(findings)


@pytest.mark.parametrize("word", FORMATS)
def test_a_film_without_findings_is_exported_too(word: str):
    text = export(word, NOTHING)
    assert text.endswith("\n") or json.loads(text)


class TestChapters:
    def test_the_strongest_tag_names_each_moment(self):
        found = [(one.title, one.start_s, one.end_s) for one in chapters(SEGMENTS)]
        assert found == [
            ("War", 0.0, 5.0), ("Beach/Sea", 5.0, 20.0), ("War", 3723.5, 3725.0),
            ("Food", 3725.0, 3726.0), ("War", 3726.0, 3730.25),
        ]  # fmt: skip

    def test_a_chapter_too_short_to_jump_to_goes_to_the_one_before(self):
        segments = [Segment("War", 0, 9, 0.5), Segment("Food", 4, 4.5, 0.9)]
        assert [(one.title, one.end_s) for one in chapters(segments)] == [("War", 9)]

    spans = st.builds(
        lambda tag, start, length, score: Segment(tag, start / 4, (start + length) / 4, score / 8),
        st.sampled_from(["War", "Food", "Robot"]), st.integers(0, 80), st.integers(1, 30),
        st.integers(1, 8),
    )  # fmt: skip

    @given(st.lists(spans, max_size=8))
    def test_chapters_cover_what_segments_cover_and_never_overlap(
        self, segments: Sequence[Segment]
    ):
        found = chapters(segments)
        for one, following in pairwise(found):
            assert one.start_s < one.end_s <= following.start_s
        for moment in range(120):
            at = moment / 4 + 0.125
            covered = any(one.start_s <= at < one.end_s for one in segments)
            assert any(one.start_s <= at < one.end_s for one in found) == covered


def test_json_holds_everything():
    found = json.loads(export("json"))
    assert (found["film"], found["duration_s"]) == ("wölfe.mkv", 5400.0)
    assert found["shots"] == [{"start_s": 0.0, "end_s": 5.0}, {"start_s": 5.0, "end_s": 20.0}]
    assert len(found["frames"]) == 3
    assert found["segments"][3] == {
        "tag": "Food", "start_s": 3725.0, "end_s": 3726.0, "score": 1.0, "source": "human",
    }  # fmt: skip


def test_csv_is_read_back_by_its_head():
    rows = list(csv.DictReader(io.StringIO(export("csv"), newline="")))
    assert [(row["tag"], float(row["start_s"]), row["source"]) for row in rows] == [
        (one.tag, one.start_s, one.source) for one in SEGMENTS
    ]


class TestWebVtt:
    def test_chapters_are_read_by_another_reader(self):
        found = list(webvtt.from_string(export("vtt")))
        assert [(cue.text, cue.start, cue.end) for cue in found[1:3]] == [
            ("Beach/Sea", "00:00:05.000", "00:00:20.000"), ("War", "01:02:03.500", "01:02:05.000"),
        ]  # fmt: skip
        assert len(found) == 5

    def test_metadata_has_a_cue_of_json_for_each_segment(self):
        found = list(webvtt.from_string(export("vtt-metadata")))
        assert [json.loads(cue.text) for cue in found] == [
            {"tag": one.tag, "score": one.score, "source": one.source} for one in SEGMENTS
        ]
        assert found[2].start == "01:02:03.500"


def test_matroska_chapters_have_unique_ids_and_nanoseconds():
    root = ElementTree.fromstring(export("chapters"))
    atoms = root.findall("EditionEntry/ChapterAtom")
    assert [atom.findtext("ChapterDisplay/ChapterString") for atom in atoms] == [
        one.title for one in chapters(SEGMENTS)
    ]
    assert atoms[2].findtext("ChapterTimeStart") == "01:02:03.500000000"
    assert atoms[4].findtext("ChapterTimeEnd") == "01:02:10.250000000"
    uids = [int(atom.findtext("ChapterUID") or 0) for atom in atoms]
    assert min(uids) > 0
    assert len(set(uids)) == len(uids)
    assert export("chapters") == export("chapters")


@pytest.mark.skipif(shutil.which("mkvmerge") is None, reason="mkvmerge is not installed")
@pytest.mark.parametrize("findings", [FINDINGS, NOTHING], ids=["chapters", "none"])
def test_matroska_chapters_are_taken_by_mkvmerge(findings: Findings, tmp_path: Path):
    source, target = tmp_path / "chapters.xml", tmp_path / "film.mkv"
    source.write_text(export("chapters", findings), encoding="utf-8")
    words = ["mkvmerge", "--output", target, "--chapters", source]
    assert subprocess.run(words, capture_output=True, check=False).returncode == 0
    read = ["mkvextract", target, "chapters", "--simple"]
    lines = subprocess.run(read, capture_output=True, check=False, text=True).stdout.splitlines()
    names = [line.partition("=")[2] for line in lines if "NAME=" in line]
    assert names == [one.title for one in chapters(findings.segments)]


class TestEdl:
    @pytest.mark.parametrize(("rate", "nominal"), [(24000 / 1001, 24), (25.0, 25), (29.97, 30)])
    def test_another_reader_finds_each_segment_in_the_film(self, rate: float, nominal: int):
        findings = replace(FINDINGS, film=replace(FILM, frame_rate=rate))
        timeline = otio.adapters.read_from_string(export("edl", findings), "cmx_3600", rate=nominal)
        clips = list(timeline.find_clips())
        assert [clip.name for clip in clips] == ["w_lfe.mkv"] * 4
        for clip, one in zip(clips, SEGMENTS, strict=True):
            first = clip.source_range.start_time.value
            assert first == round(one.start_s * rate)
            assert clip.source_range.duration.value == round(one.end_s * rate) - first
        starts = [clip.range_in_parent().start_time.value for clip in clips]
        lengths = [clip.source_range.duration.value for clip in clips]
        assert starts == [sum(lengths[:n]) for n in range(4)]

    def test_tags_stand_in_comments(self):
        assert "* COMMENT: Beach/Sea 0.800 model" in export("edl").splitlines()


class TestOtio:
    def test_each_tag_is_a_track_with_its_segments_where_they_lie(self):
        timeline = otio.adapters.read_from_string(export("otio"), "otio_json")
        assert timeline.name == FILM.title
        assert [track.name for track in timeline.tracks] == ["War", "Beach/Sea", "Food"]
        rate = 24000 / 1001
        for track in timeline.tracks:
            clips = [item for item in track if isinstance(item, otio.schema.Clip)]
            wanted = [one for one in SEGMENTS if one.tag == track.name]
            for clip, one in zip(clips, wanted, strict=True):
                place = clip.range_in_parent()
                assert place.start_time == clip.source_range.start_time
                assert place.start_time.to_seconds() == pytest.approx(one.start_s, abs=1 / rate)
                assert place.duration.to_seconds() == pytest.approx(
                    one.end_s - one.start_s, abs=1 / rate
                )
                assert clip.metadata["reeltag"]["score"] == one.score
                assert clip.media_reference.target_url == "wölfe.mkv"

    def test_the_timeline_can_be_written_by_its_own_library(self):
        timeline = otio.adapters.read_from_string(export("otio"), "otio_json")
        again = otio.adapters.write_to_string(timeline, "otio_json")
        assert json.loads(again) == json.loads(export("otio"))


OLD = """<?xml version="1.0" encoding="UTF-8"?>
<!-- mine -->
<movie>
  <title>Wölfe</title>
  <tag>war</tag>
  <set><name>x</name><tag>Food</tag></set>
  <own attribute='kept'><![CDATA[ <b> ]]></own>
</movie>
https://www.themoviedb.org/movie/1
"""


def tags_of(content: bytes | str) -> list[str]:
    root = ElementTree.fromstring(content)
    return [element.text or "" for element in root.findall("tag")]


class TestNfo:
    def test_a_new_one_has_title_length_and_tags(self):
        root = ElementTree.fromstring(export("nfo").encode())
        assert (root.tag, root.findtext("title"), root.findtext("runtime")) == (
            "movie", FILM.title, "90",
        )  # fmt: skip
        assert tags_of(export("nfo").encode()) == ["War", "Beach/Sea", "College/Univ."]

    @pytest.mark.parametrize("newline", ["\n", "\r\n"])
    def test_tags_are_put_in_and_nothing_else_is_touched(self, newline: str):
        old = OLD.replace("\n", newline).encode()
        new = merge(old, FINDINGS)
        lines = new.split(newline.encode())
        added = [b"  <tag>Beach/Sea</tag>", b"  <tag>College/Univ.</tag>"]
        assert [line for line in lines if line not in added] == old.split(newline.encode())
        assert [line for line in lines if line in added] == added
        xml = new[: new.index(b"https")]
        assert tags_of(xml) == ["war", "Beach/Sea", "College/Univ."]

    def test_a_second_time_nothing_changes(self):
        once = merge(OLD.encode(), FINDINGS)
        assert merge(once, FINDINGS) == once

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1"])
    def test_any_encoding_is_kept(self, encoding: str):
        old = OLD.rpartition("https")[0].replace("UTF-8", encoding.removesuffix("-sig"))
        new = merge(old.encode(encoding), FINDINGS)
        assert tags_of(new) == ["war", "Beach/Sea", "College/Univ."]
        assert ElementTree.fromstring(new).findtext("title") == "Wölfe"

    @pytest.mark.parametrize(
        "old",
        ["<movie/>", "<movie />", "<episodedetails a='1'/>", "<movie></movie>", "<a><b/></a>"],
    )
    def test_an_empty_one_is_filled(self, old: str):
        assert tags_of(merge(old.encode(), FINDINGS)) == ["War", "Beach/Sea", "College/Univ."]

    def test_a_file_with_only_an_address_keeps_it_at_its_end(self):
        new = merge(b"https://www.themoviedb.org/movie/1\n", FINDINGS)
        assert new.endswith(b"</movie>\nhttps://www.themoviedb.org/movie/1\n")
        assert merge(new, FINDINGS) == new

    @pytest.mark.parametrize(
        "old",
        [b"<movie><title>", b"<movie></film>", b"a < b",
         b'<!DOCTYPE m [<!ENTITY a "b">]><movie>&a;</movie>'],
    )  # fmt: skip
    def test_what_cannot_be_understood_is_left_alone(self, old: bytes):
        with pytest.raises(InvalidRequest, match="NFO"):
            merge(old, FINDINGS)

    def test_an_empty_file_becomes_a_new_one(self):
        assert merge(b" \n", FINDINGS) == export("nfo").encode()
