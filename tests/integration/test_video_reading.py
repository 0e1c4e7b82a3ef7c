"""Real films through the decoder's child process: times, cuts, spans, pictures."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from app.domain.films import Sampling
from app.domain.shots import WHOLE_FILM, ShotFrames, Span
from app.ports import ReadReport
from app.video.sandbox import SandboxedReader
from tests.media import DrawnFilm, DrawnShot, Encoding, draw_film, sample_film

SHOTS = [
    DrawnShot(3.0, "shapes", 0), DrawnShot(3.3, "noisy", 1), DrawnShot(2.0, "dark", 2),
    DrawnShot(2.5, "dark", 3), DrawnShot(4.0, "shapes", 4, "dissolve"),
    DrawnShot(4.0, "flashes", 5), DrawnShot(3.0, "pan", 6, "fade"),
    DrawnShot(2.0, "letterboxed", 7),
    DrawnShot(0.7, "shapes", 8), DrawnShot(6.0, "still", 9),
]  # fmt: skip


def variable_times(number: int) -> Fraction:
    """Twenty-four frames a second, then twelve, then forty."""
    if number < 40:
        return Fraction(number, 24)
    if number < 70:
        return Fraction(40, 24) + Fraction(number - 40, 12)
    return Fraction(40, 24) + Fraction(30, 12) + Fraction(number - 70, 40)


ENCODINGS: dict[str, Encoding] = {
    "h264.mp4": Encoding(),
    "variable_rate.mkv": Encoding(times=variable_times),
    "late_start.mkv": Encoding(start_s=5.5),
    "late_start.ts": Encoding(start_s=30),
    "open_gop.mp4": Encoding(options={"x264-params": "open-gop=1:keyint=24"}),
    "intra_refresh.mp4": Encoding(options={"x264-params": "intra-refresh=1"}),
    "vp9.mkv": Encoding("libvpx-vp9"),
    "hevc.mkv": Encoding("libx265"),
    "mpeg4.avi": Encoding("mpeg4", b_frames=0),
    "no_times.avi": Encoding(),
    "mpeg2.ts": Encoding("mpeg2video"),
    "mpeg2.mpg": Encoding("mpeg2video"),
    "wmv.asf": Encoding("wmv2", b_frames=0),
    "flv.flv": Encoding("flv", b_frames=0),
    "all_key_frames.avi": Encoding("mjpeg", pix_fmt="yuvj420p", b_frames=0),
    "ten_bit.mp4": Encoding(pix_fmt="yuv420p10le"),
    "full_chroma.mp4": Encoding(pix_fmt="yuv444p"),
    "grey.mp4": Encoding(pix_fmt="gray"),
    "odd_size.mkv": Encoding(pix_fmt="yuv444p", size=(319, 179)),
    "interlaced.mp4": Encoding(options={"flags": "+ildct+ilme", "x264-params": "tff=1"}),
    "prores.mov": Encoding("prores_ks", pix_fmt="yuv422p10le", b_frames=0),
    "with_sound.mp4": Encoding(audio=True),
    "sixty_a_second.mp4": Encoding(rate=Fraction(60)),
}

SPANNED = (
    "h264.mp4", "variable_rate.mkv", "late_start.ts", "open_gop.mp4", "intra_refresh.mp4",
    "no_times.avi", "mpeg2.mpg", "all_key_frames.avi",
)  # fmt: skip

Times = list[tuple[float, float, tuple[float, ...]]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("films")


@pytest.fixture(scope="module")
def drawn(folder: Path) -> dict[str, DrawnFilm]:
    """Films by name, drawn when first asked for."""

    class Films(dict[str, DrawnFilm]):
        def __missing__(self, name: str) -> DrawnFilm:
            self[name] = draw_film(folder / name, SHOTS, ENCODINGS[name])
            return self[name]

    return Films()


def read(
    path: Path, sampling: str = "shots", span: Span = WHOLE_FILM
) -> tuple[list[ShotFrames], ReadReport]:
    report = ReadReport()
    reader = SandboxedReader()
    with reader.read_shots(path, Sampling.parse(sampling), span, report, lambda _: None) as shots:
        return list(shots), report


def times_of(shots: list[ShotFrames]) -> Times:
    return [
        (one.shot.start_s, one.shot.end_s, tuple(frame.time_s for frame in one.key_frames))
        for one in shots
    ]


@pytest.mark.parametrize("name", ENCODINGS)
def test_every_transition_is_found_and_nothing_else_with_key_frames_of_each_shot(
    name: str, drawn: dict[str, DrawnFilm]
) -> None:
    film = drawn[name]
    shots, report = read(film.path)
    found = [one.shot.start_s for one in shots][1:]
    expected = [(cut, cut) for cut in film.cuts_s] + list(film.gradual_s)
    near_s = 0.045
    for start, end in expected:
        inside = [time for time in found if start - near_s <= time <= end + near_s]
        assert len(inside) == 1, (start, end, found)
    assert len(found) == len(expected)
    assert report.frame_count == len(film.times_s)
    assert report.corrupt_count == 0
    assert report.end_s == pytest.approx(film.duration_s, abs=0.03)
    assert shots[0].shot.start_s == 0
    assert shots[-1].shot.end_s == report.end_s
    _check_key_frames(film, shots)


def _check_key_frames(film: DrawnFilm, shots: list[ShotFrames]) -> None:
    """Key frames are frames of the film, inside their shot, and show something."""
    times = np.array(film.times_s)
    for one in shots:
        assert len(one.key_frames) == -(-one.shot.duration_s // 5)
        for frame in one.key_frames:
            assert one.shot.start_s < frame.time_s < one.shot.end_s
            # Matroska and the like keep milliseconds only.
            assert np.abs(times - frame.time_s).min() < 0.0011
            assert max(frame.picture.shape) <= 640
            assert frame.picture.std() > 2


@pytest.mark.parametrize("sampling", ["shots", "keyframes", "interval:1"])
@pytest.mark.parametrize("name", SPANNED)
def test_spans_together_are_the_whole_film(
    name: str, sampling: str, drawn: dict[str, DrawnFilm]
) -> None:
    film = drawn[name]
    whole, whole_report = read(film.path, sampling)
    for length_s in (7, 20) if name == "h264.mp4" else (9,):
        starts = range(0, int(film.duration_s) + 1, length_s)
        parts = [read(film.path, sampling, Span(start, start + length_s)) for start in starts]
        joined = [one for shots, _ in parts for one in shots]
        assert times_of(joined) == times_of(whole)
        assert sum(report.frame_count for _, report in parts) == whole_report.frame_count
        for one, other in zip(joined, whole, strict=True):
            for left, right in zip(one.key_frames, other.key_frames, strict=True):
                assert np.array_equal(left.picture, right.picture)


def test_interval_gives_the_frame_shown_at_each_multiple(drawn: dict[str, DrawnFilm]) -> None:
    film = drawn["variable_rate.mkv"]
    shots, _ = read(film.path, "interval:0.7")
    found = [frame.time_s for one in shots for frame in one.key_frames]
    times = np.array(film.times_s)
    multiples = np.arange(0, film.duration_s - 0.05, 0.7)
    expected = [times[times <= moment + 0.0006].max() for moment in multiples]
    assert found == pytest.approx(expected, abs=0.0011)


def test_keyframes_gives_the_codecs_own_key_frames(folder: Path) -> None:
    encoding = Encoding(gop=24, b_frames=0, options={"x264-params": "keyint=24:scenecut=0"})
    film = draw_film(folder / "gop.mp4", [DrawnShot(5.0, "shapes", 1)], encoding)
    shots, _ = read(film.path, "keyframes")
    assert [frame.time_s for one in shots for frame in one.key_frames] == [0, 1, 2, 3, 4]
    assert shots[-1].shot.end_s == pytest.approx(5.0, abs=0.001)


def test_the_rotation_is_applied_to_the_probe_and_to_pictures(folder: Path) -> None:
    upright = draw_film(folder / "upright.mp4", [DrawnShot(1.0, "still", 3)])
    encoding = Encoding(rotation_deg=-90)
    turned = draw_film(folder / "turned.mp4", [DrawnShot(1.0, "still", 3)], encoding)
    probe = SandboxedReader().probe(turned.path)
    assert (probe.width_px, probe.height_px, probe.rotation_deg) == (180, 320, 90)
    as_drawn = read(upright.path)[0][0].key_frames[0].picture
    shown = read(turned.path)[0][0].key_frames[0].picture
    clockwise = np.rot90(as_drawn, -1)
    assert shown.shape == clockwise.shape
    assert np.abs(shown.astype(int) - clockwise).mean() < 1


def test_wide_pixels_become_square(folder: Path) -> None:
    film = draw_film(folder / "wide.mp4", SHOTS[:1], Encoding(aspect=Fraction(4, 3)))
    assert SandboxedReader().probe(film.path).width_px == 427
    assert read(film.path)[0][0].key_frames[0].picture.shape == (180, 427, 3)


def test_pictures_have_the_colours_that_were_drawn(folder: Path) -> None:
    from tests.media import LOOKS

    for name, encoding in (
        ("colours.mp4", Encoding(size=(640, 360))),
        ("colours10.mp4", Encoding(size=(640, 360), pix_fmt="yuv420p10le")),
    ):
        film = draw_film(folder / name, [DrawnShot(1.0, "still", 3)], encoding)
        drawn_picture = LOOKS["still"](3, 360, 640)(0.0)
        shown = read(film.path)[0][0].key_frames[0].picture
        assert np.abs(shown.astype(int) - drawn_picture).mean() < 4


def test_the_probe_tells_what_the_file_says(drawn: dict[str, DrawnFilm]) -> None:
    film = drawn["late_start.mkv"]
    probe = SandboxedReader().probe(film.path)
    assert probe.duration_s == pytest.approx(film.duration_s, abs=0.05)
    assert (probe.codec, probe.container) == ("h264", "matroska")
    assert probe.frame_rate == pytest.approx(24)


def test_the_sample_film_has_its_ten_shots_and_is_small(folder: Path) -> None:
    film = sample_film(folder / "sample.mp4")
    shots, report = read(film.path)
    assert len(shots) == 10
    assert report.warnings == []
    assert film.path.stat().st_size < 3_000_000
