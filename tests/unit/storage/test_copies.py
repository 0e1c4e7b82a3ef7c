import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.errors import NotFound
from app.storage.copies import LocalCopies


class Remote:
    """Objects far away: the content is the key."""

    def __init__(self) -> None:
        self.downloads: list[str] = []
        self.delay_s = 0.0
        self.failure: Exception | None = None

    def download(self, key: str, path: Path) -> None:
        self.downloads.append(key)
        path.write_text(key[: len(key) // 2])
        time.sleep(self.delay_s)
        if self.failure is not None:
            raise self.failure
        path.write_text(key)


@pytest.fixture
def remote() -> Remote:
    return Remote()


def read(copies: LocalCopies, key: str) -> str:
    with copies.open(key) as path:
        return path.read_text()


def test_object_that_is_read_again_is_not_downloaded_again(remote: Remote, tmp_path: Path) -> None:
    copies = LocalCopies(remote.download, tmp_path)
    assert [read(copies, "films/a/source") for _ in range(5)] == ["films/a/source"] * 5
    assert remote.downloads == ["films/a/source"]


def test_readers_at_once_share_one_download(remote: Remote, tmp_path: Path) -> None:
    remote.delay_s = 0.05
    copies = LocalCopies(remote.download, tmp_path)
    start = threading.Barrier(8)

    def enter(_: int) -> str:
        start.wait()
        return read(copies, "films/a/source")

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(enter, range(8))) == {"films/a/source"}
    assert remote.downloads == ["films/a/source"]


def test_few_copies_are_kept_and_those_in_use_always(remote: Remote, tmp_path: Path) -> None:
    copies = LocalCopies(remote.download, tmp_path, idle_copies=2)
    with copies.open("films/in-use/source") as used:
        for name in "abcd":
            read(copies, f"films/{name}/source")
        assert used.exists()
        kept = {path.name for path in used.parent.iterdir()}
        assert kept == {"films~in-use~source", "films~c~source", "films~d~source"}
    copies.close()
    assert list(used.parent.iterdir()) == []


def test_failed_download_leaves_nothing_and_is_tried_again(remote: Remote, tmp_path: Path) -> None:
    copies = LocalCopies(remote.download, tmp_path)
    remote.failure = NotFound("gone")
    with pytest.raises(NotFound):
        read(copies, "films/a/source")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    remote.failure = None
    assert read(copies, "films/a/source") == "films/a/source"


def test_reader_that_waited_for_a_failed_download_tries_itself(
    remote: Remote, tmp_path: Path
) -> None:
    copies = LocalCopies(remote.download, tmp_path)
    remote.delay_s, remote.failure = 0.05, NotFound("gone")

    def enter(_: int) -> bool:
        try:
            return read(copies, "films/a/source") == "films/a/source"
        except NotFound:
            remote.failure = None  # the storage is back
            return False

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(enter, range(2))) == [False, True]


def test_copies_go_with_their_owner(remote: Remote, tmp_path: Path) -> None:
    copies = LocalCopies(remote.download, tmp_path)
    read(copies, "films/a/source")
    del copies
    assert list(tmp_path.iterdir()) == []
