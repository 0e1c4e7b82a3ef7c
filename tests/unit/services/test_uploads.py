import errno
import hashlib
import io
from pathlib import Path

import pytest

from app.errors import DiskFull, UploadTooLarge
from app.services.uploads import IncomingFile


def test_what_arrives_is_counted_and_hashed(tmp_path: Path) -> None:
    with IncomingFile(tmp_path / "incoming") as incoming:
        for piece in (b"one", bytearray(b"two"), memoryview(b"three")):
            incoming.write(piece)
        incoming.close()
        assert incoming.path.read_bytes() == b"onetwothree"
        assert incoming.size_bytes == 11
        assert incoming.sha256 == hashlib.sha256(b"onetwothree").hexdigest()


def test_file_is_gone_at_the_end_of_the_context(tmp_path: Path) -> None:
    with IncomingFile(tmp_path) as incoming:
        incoming.write(b"x")
        assert list(tmp_path.iterdir()) == [incoming.path]
    assert list(tmp_path.iterdir()) == []
    incoming.discard()


def test_discard_is_harmless_after_the_file_was_taken(tmp_path: Path) -> None:
    incoming = IncomingFile(tmp_path)
    incoming.close()
    taken = incoming.path.rename(tmp_path / "taken")
    incoming.discard()
    assert taken.exists()


def test_more_than_the_limit_is_refused_before_it_is_written(tmp_path: Path) -> None:
    with IncomingFile(tmp_path, max_bytes=4) as incoming:
        incoming.write(b"1234")
        with pytest.raises(UploadTooLarge, match="4 bytes"):
            incoming.write(b"5")
        assert incoming.path.read_bytes() == b"1234"


def test_two_films_may_arrive_at_once(tmp_path: Path) -> None:
    with IncomingFile(tmp_path) as one, IncomingFile(tmp_path) as two:
        assert one.path != two.path


def test_full_disk_is_named(tmp_path: Path) -> None:
    class FullDisk(io.FileIO):
        def write(self, content: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    with IncomingFile(tmp_path) as incoming:
        incoming._stream.close()
        incoming._stream = FullDisk(incoming.path, "ab")
        with pytest.raises(DiskFull):
            incoming.write(b"x")
    assert list(tmp_path.iterdir()) == []


def test_write_that_takes_only_a_part_is_continued(tmp_path: Path) -> None:
    class Sluggish(io.FileIO):
        def write(self, content: memoryview) -> int:  # type: ignore[override]
            return super().write(content[:3])

    with IncomingFile(tmp_path) as incoming:
        incoming._stream.close()
        incoming._stream = Sluggish(incoming.path, "ab")
        incoming.write(b"0123456789")
        assert incoming.path.read_bytes() == b"0123456789"
