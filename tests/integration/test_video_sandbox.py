"""Hostile and broken files, and what happens to the decoder's process."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.domain.films import Sampling
from app.domain.shots import WHOLE_FILM
from app.errors import (
    DecoderCrashed,
    DecodeTimedOut,
    FilmTooLong,
    NoFrames,
    NotAVideo,
    NoVideoTrack,
    PictureTooLarge,
    TooManyCorruptFrames,
    VideoError,
)
from app.ports import ReadReport
from app.video.sandbox import SandboxedReader
from tests import broken_media
from tests.media import DrawnShot, Encoding, cut_shots, draw_film

ROOT = Path(__file__).parents[2]


def read(path: Path, reader: SandboxedReader | None = None) -> tuple[list[float], ReadReport]:
    reader, report = reader or SandboxedReader(), ReadReport()
    sampling = Sampling("shots")
    with reader.read_shots(path, sampling, WHOLE_FILM, report, lambda _: None) as shots:
        return [one.shot.start_s for one in shots], report


def children_of(pid: int) -> list[int]:
    """Process ids whose parent is `pid`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            if (
                int(stat.rpartition(")")[2].split()[1]) == pid
                and b"app.video.child" in (entry / "cmdline").read_bytes()
            ):
                found.append(int(entry.name))
    return found


@pytest.fixture
def long_film(tmp_path: Path) -> Path:
    """Ninety seconds, more than any test reads."""
    return draw_film(tmp_path / "long.mp4", cut_shots(45), Encoding(size=(160, 90))).path


@pytest.fixture
def open_reading(long_film: Path) -> Iterator[tuple[Iterator, int]]:
    """A reading in its middle, and the decoder's process id."""
    reader = SandboxedReader(stall_s=1.0)
    with reader.read_shots(
        long_film, Sampling("shots"), WHOLE_FILM, ReadReport(), lambda _: None
    ) as shots:
        next(shots)
        (pid,) = children_of(os.getpid())
        yield shots, pid


@pytest.mark.parametrize("name", broken_media.WHOLE_FILES)
def test_what_is_no_film_is_refused_with_advice(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}{'.jpg' if name == 'still_picture' else '.mp4'}"
    broken_media.WHOLE_FILES[name](path)
    wanted = NoVideoTrack if name in {"audio_only", "sound_file", "cover_art"} else NotAVideo
    for ask in (SandboxedReader().probe, read):
        with pytest.raises(wanted) as caught:
            ask(path)
        assert len(str(caught.value)) > 10


@pytest.mark.parametrize("ending", [".mp4", ".m3u8", ".txt", ""])
@pytest.mark.parametrize("name", broken_media.POINTERS)
def test_a_text_that_names_another_film_does_not_open_it(
    name: str, ending: str, tmp_path: Path
) -> None:
    target = draw_film(tmp_path / "secret.ts", cut_shots(1, 1.0)).path
    path = tmp_path / f"pointer{ending}"
    broken_media.POINTERS[name](path, target)
    with pytest.raises(NotAVideo):
        SandboxedReader().probe(path)


def test_a_film_of_one_frame_is_one_shot(tmp_path: Path) -> None:
    broken_media.one_frame(tmp_path / "one.mp4")
    starts, report = read(tmp_path / "one.mp4")
    assert starts == [0]
    assert report.frame_count == 1
    assert report.end_s >= 1 / 25


@pytest.mark.parametrize("maker", ["truncated_index_first.mp4", "truncated_matroska.mkv"])
def test_a_film_cut_off_is_read_as_far_as_it_goes(maker: str, tmp_path: Path) -> None:
    path = tmp_path / maker
    getattr(broken_media, path.stem)(path)
    starts, report = read(path)
    assert starts == [0, 2, 4] or starts == pytest.approx([0, 2, 4], abs=0.01)
    assert any(
        "ends early" in warning and "of 12.0 seconds" in warning for warning in report.warnings
    )


def test_a_film_without_its_index_says_that_it_was_cut_off(tmp_path: Path) -> None:
    broken_media.truncated_index_last(tmp_path / "cut.mp4")
    with pytest.raises(NoFrames, match="cut off"):
        SandboxedReader().probe(tmp_path / "cut.mp4")


@pytest.mark.parametrize("ending", [".mkv", ".ts", ".avi"])
def test_damage_in_the_middle_spares_the_rest(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"damaged{ending}"
    broken_media.corrupt_middle(path)
    starts, report = read(path)
    assert starts[:3] == pytest.approx([0, 2, 4], abs=0.05)
    assert report.warnings


def test_a_film_of_noise_is_refused(tmp_path: Path) -> None:
    broken_media.corrupt_all(tmp_path / "noise.mp4")
    with pytest.raises(TooManyCorruptFrames, match="frames are damaged"):
        read(tmp_path / "noise.mp4")


def test_huge_pictures_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    broken_media.huge_picture(tmp_path / "huge.mov")
    assert (tmp_path / "huge.mov").stat().st_size < 1_000_000
    with pytest.raises(PictureTooLarge, match="16384 x 8192"):
        SandboxedReader(memory_bytes=2**28).probe(tmp_path / "huge.mov")


def test_a_header_that_lies_about_the_size_is_found_out(tmp_path: Path) -> None:
    broken_media.lying_size(tmp_path / "lying.mp4")
    with pytest.raises(PictureTooLarge, match="640 x 3"):
        SandboxedReader(max_pixels=64 * 64).probe(tmp_path / "lying.mp4")


def test_a_film_longer_than_allowed_is_refused(tmp_path: Path) -> None:
    film = draw_film(tmp_path / "film.mp4", [DrawnShot(3.0)])
    with pytest.raises(FilmTooLong, match="2 are allowed"):
        SandboxedReader(max_duration_s=2).probe(film.path)


@pytest.mark.parametrize(
    "name",
    ["-i.mp4", "a b'\"$.mp4", "http:__x.mp4", "concat:a|b.mp4", "\u202efilm.mp4", "%d.mp4"],
    ids=["dash", "quotes", "address", "concat", "right_to_left", "pattern"],
)
def test_a_film_of_any_name_is_read(name: str, tmp_path: Path) -> None:
    film = draw_film(tmp_path / "film.mp4", [DrawnShot(0.5)])
    path = film.path.rename(tmp_path / name)
    assert read(path)[0] == [0]


def test_leaving_a_reading_in_its_middle_ends_the_decoder(long_film: Path) -> None:
    with SandboxedReader().read_shots(
        long_film, Sampling("shots"), WHOLE_FILM, ReadReport(), lambda _: None
    ) as shots:
        next(shots)
        assert len(children_of(os.getpid())) == 1
    assert children_of(os.getpid()) == []


def test_what_on_position_raises_ends_the_reading(long_film: Path) -> None:
    class Stop(Exception):
        pass

    def stop(_position_s: float) -> None:
        raise Stop

    with (
        pytest.raises(Stop),
        SandboxedReader().read_shots(
            long_film, Sampling("shots"), WHOLE_FILM, ReadReport(), stop
        ) as shots,
    ):
        list(shots)
    assert children_of(os.getpid()) == []


def test_a_decoder_that_dies_is_a_crash(open_reading: tuple[Iterator, int]) -> None:
    shots, pid = open_reading
    os.kill(pid, signal.SIGSEGV)
    with pytest.raises(DecoderCrashed, match="SIGSEGV"):
        list(shots)


def test_a_decoder_that_stands_still_is_stopped(open_reading: tuple[Iterator, int]) -> None:
    shots, pid = open_reading
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(DecodeTimedOut, match="no frame came for 1 seconds"):
        list(shots)


def test_a_decoder_dies_with_its_parent(long_film: Path) -> None:
    program = textwrap.dedent(
        """
        import sys, time
        from pathlib import Path
        from app.domain.films import Sampling
        from app.domain.shots import WHOLE_FILM
        from app.ports import ReadReport
        from app.video.sandbox import SandboxedReader
        reading = SandboxedReader().read_shots(
            Path(sys.argv[1]), Sampling("shots"), WHOLE_FILM, ReadReport(), lambda _: None)
        with reading as shots:
            next(shots)
            print("reading", flush=True)
            time.sleep(60)
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(long_film)], stdout=subprocess.PIPE, cwd=ROOT
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"reading\n"
        (pid,) = children_of(parent.pid)
        parent.kill()
        parent.wait()
    deadline_s = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline_s:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        if state == "Z":  # dead; whoever is process 1 here has not noticed
            return
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()


def test_a_decoder_may_not_write_and_sees_no_secret(long_film: Path) -> None:
    os.environ["REELTAG_TEST_SECRET"] = "secret"
    try:
        with SandboxedReader().read_shots(
            long_film, Sampling("shots"), WHOLE_FILM, ReadReport(), lambda _: None
        ) as shots:
            next(shots)
            (pid,) = children_of(os.getpid())
            limits = Path(f"/proc/{pid}/limits").read_text()
            environment = Path(f"/proc/{pid}/environ").read_bytes()
    finally:
        del os.environ["REELTAG_TEST_SECRET"]
    assert b"secret" not in environment
    by_name = {line[:26].strip(): line[26:].split() for line in limits.splitlines()[1:]}
    assert by_name["Max file size"][:2] == ["0", "0"]
    assert by_name["Max core file size"][:2] == ["0", "0"]
    assert by_name["Max address space"][0] != "unlimited"
    assert by_name["Max cpu time"][0] != "unlimited"


def test_the_child_imports_nothing_heavy() -> None:
    program = "import sys, app.video.child; print(' '.join(sys.modules))"
    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.split()
    for name in ("tensorflow", "keras", "pydantic", "sqlalchemy", "cv2", "openvino", "dbos"):
        assert name not in output


def test_a_missing_file_is_not_a_video_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        SandboxedReader().probe(tmp_path / "nothing.mp4")
    assert not isinstance(caught.value, VideoError)
