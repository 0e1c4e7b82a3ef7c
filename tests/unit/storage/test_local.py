"""What the local disk promises beyond the contract of all storages."""

import errno
import os
import time
from pathlib import Path

import pytest

from app.errors import DiskFull, StorageUnavailable
from app.storage.local import LocalStorage


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "objects")


class Log:
    """Syncs and renames, in order; files are named by what is below the storage's folder."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.entries: list[tuple[str, str]] = []
        sync, replace = os.fsync, Path.replace

        def logged_sync(descriptor: int) -> None:
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
            self.entries.append(("sync", os.path.relpath(path, root)))
            sync(descriptor)

        def logged_replace(path: Path, target: Path) -> Path:
            self.entries.append(("rename", os.path.relpath(target, root)))
            return replace(path, target)

        monkeypatch.setattr(os, "fsync", logged_sync)
        monkeypatch.setattr(Path, "replace", logged_replace)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no /proc to name descriptors by")
def test_file_is_synced_before_and_its_folders_after_the_rename(
    storage: LocalStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "incoming.part"
    path.write_bytes(b"film")
    log = Log(tmp_path / "objects", monkeypatch)
    storage.put_file("films/a/source", path)
    rename = log.entries.index(("rename", "films/a/source"))
    assert ("sync", "../incoming.part") in log.entries[:rename]
    assert ("sync", ".") in log.entries[:rename]  # holds the entry of films/
    assert ("sync", "films") in log.entries[:rename]  # holds the entry of films/a/
    assert ("sync", "films/a") in log.entries[rename:]


def test_file_from_another_disk_is_copied_whole(
    storage: LocalStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("this machine has one disk only")
    path = other / f"reeltag-test-{os.getpid()}"
    try:
        path.write_bytes(b"film" * 1000)
        storage.put_file("films/a/source", path)
        assert storage.get_bytes("films/a/source") == b"film" * 1000
        assert not path.exists()
    finally:
        path.unlink(missing_ok=True)
    assert list((tmp_path / "objects" / ".work").iterdir()) == []


def test_age_counts_from_the_storing(storage: LocalStorage, tmp_path: Path) -> None:
    path = tmp_path / "old"
    path.write_bytes(b"film")
    os.utime(path, (0, 0))
    storage.put_file("films/a/source", path)
    ((_, stored),) = storage.keys("films/a/")
    assert stored > time.time() - 60


@pytest.mark.parametrize(
    ("number", "wanted"),
    [
        pytest.param(errno.ENOSPC, DiskFull, id="disk full"),
        pytest.param(errno.EDQUOT, DiskFull, id="quota used up"),
        pytest.param(errno.EIO, StorageUnavailable, id="disk broken"),
        pytest.param(errno.EROFS, StorageUnavailable, id="read only"),
    ],
)
def test_refusal_of_the_disk_is_named_and_leaves_nothing(
    storage: LocalStorage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    wanted: type[Exception],
) -> None:
    storage.put_bytes("films/a/source", b"old")

    def refuse(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(wanted):
        storage.put_bytes("films/a/source", b"new")
    path = tmp_path / "film"
    path.write_bytes(b"new")
    with pytest.raises(wanted):
        storage.put_file("films/a/source", path)
    monkeypatch.undo()
    assert storage.get_bytes("films/a/source") == b"old"
    assert path.exists()
    assert list((tmp_path / "objects" / ".work").iterdir()) == []


def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageUnavailable):
        LocalStorage(tmp_path / "file" / "objects")


def test_check_notices_a_folder_that_is_gone(storage: LocalStorage, tmp_path: Path) -> None:
    storage.check()
    (tmp_path / "objects" / ".work").rmdir()
    with pytest.raises(StorageUnavailable):
        storage.check()


def test_unfinished_writes_are_no_objects_and_are_swept(
    storage: LocalStorage, tmp_path: Path
) -> None:
    (tmp_path / "objects" / ".work" / "abc").write_bytes(b"half")
    storage.put_bytes("films/a/source", b"x")
    assert [key for key, _ in storage.keys("films/")] == ["films/a/source"]
    work = tmp_path / "objects" / ".work"
    LocalStorage(tmp_path / "objects")
    assert [path.name for path in work.iterdir()] == ["abc"]  # another process may be at it
    os.utime(work / "abc", (0, 0))
    LocalStorage(tmp_path / "objects")
    assert list(work.iterdir()) == []


def test_deleted_film_leaves_no_empty_folder(storage: LocalStorage, tmp_path: Path) -> None:
    storage.put_bytes("films/a/frames/1/0-0.jpg", b"x")
    storage.put_bytes("films/b/source", b"x")
    storage.delete_prefix("films/a/")
    assert [path.name for path in (tmp_path / "objects" / "films").iterdir()] == ["b"]
