import hashlib
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from app.errors import (
    ChecksumMismatch,
    DiskFull,
    EmptyUpload,
    OffsetMismatch,
    StorageUnavailable,
    UploadLocked,
    UploadNotFound,
    UploadTooLarge,
)
from app.services.resumable import ResumableUploads
from app.services.upload_notes import sweep_resumable
from tests.api_client import FakeFilms

FILM = bytes(range(256)) * 40


@pytest.fixture
def films(tmp_path: Path) -> FakeFilms:
    return FakeFilms(tmp_path / "fakes")


@pytest.fixture
def uploads(tmp_path: Path, films: FakeFilms) -> ResumableUploads:
    return ResumableUploads(tmp_path, films, max_bytes=10**6, expires_s=100)


def append(uploads: ResumableUploads, upload_id: str, offset: int, content: bytes) -> Any:
    with uploads.open(upload_id) as appending:
        appending.begin(offset)
        appending.write(content)
        appending.end()
        appending.finish()
        return appending.upload


def test_the_parts_of_an_upload_become_one_film(uploads: ResumableUploads, films: FakeFilms):
    upload = uploads.create(len(FILM), title="Sea", filename="sea.mp4", sampling="shots")
    assert append(uploads, upload.id, 0, FILM[:1000]).film_id is None
    done = append(uploads, upload.id, 1000, FILM[1000:])
    assert films.asked == [("add", "Sea", "sea.mp4", "shots", FILM)]
    assert films.films[done.film_id].sha256 == hashlib.sha256(FILM).hexdigest()
    assert (done.offset, done.is_new) == (len(FILM), True)
    assert uploads.find(upload.id).film_id == done.film_id
    assert not uploads.part(upload.id).exists()


def test_what_was_written_before_a_kill_counts(uploads: ResumableUploads):
    upload = uploads.create(len(FILM))
    appending = uploads.open(upload.id)
    appending.begin(0)
    appending.write(FILM[:777])
    appending.close()  # neither ended nor finished
    assert uploads.find(upload.id).offset == 777


def test_a_kill_between_the_film_and_its_note_makes_no_second_film(
    uploads: ResumableUploads, films: FakeFilms, monkeypatch: pytest.MonkeyPatch
):
    upload = uploads.create(len(FILM))
    real = uploads.write_note

    def die(noted: Any) -> None:
        if noted.film_id is not None:
            raise KeyboardInterrupt
        real(noted)

    monkeypatch.setattr(uploads, "write_note", die)
    with pytest.raises(KeyboardInterrupt):
        append(uploads, upload.id, 0, FILM)
    monkeypatch.undo()
    found = uploads.find(upload.id)
    assert (found.film_id, found.offset) == (None, len(FILM))
    with uploads.open(upload.id) as again:
        again.finish()
    assert uploads.find(upload.id).film_id == next(iter(films.films))
    assert len(films.films) == 1


def test_a_refused_film_leaves_the_upload_to_be_tried_again(
    uploads: ResumableUploads, films: FakeFilms, monkeypatch: pytest.MonkeyPatch
):
    upload = uploads.create(len(FILM))

    def refuse(*given: Any) -> Any:
        raise StorageUnavailable("away")

    monkeypatch.setattr(films, "add", refuse)
    with pytest.raises(StorageUnavailable):
        append(uploads, upload.id, 0, FILM)
    monkeypatch.undo()
    assert uploads.part(upload.id).read_bytes() == FILM
    assert append(uploads, upload.id, len(FILM), b"").film_id in films.films


def test_only_one_may_append_at_a_time(uploads: ResumableUploads, films: FakeFilms, tmp_path: Path):
    upload = uploads.create(len(FILM))
    elsewhere = ResumableUploads(tmp_path, films)
    with uploads.open(upload.id):
        with pytest.raises(UploadLocked):
            elsewhere.open(upload.id)
        with pytest.raises(UploadLocked):
            elsewhere.delete(upload.id)
    elsewhere.open(upload.id).close()


def test_bytes_belong_where_the_upload_ends(uploads: ResumableUploads):
    upload = uploads.create(len(FILM))
    append(uploads, upload.id, 0, FILM[:10])
    for offset in (0, 9, 11):
        with pytest.raises(OffsetMismatch):
            append(uploads, upload.id, offset, b"x")
    with pytest.raises(UploadTooLarge):
        append(uploads, upload.id, 10, FILM)
    assert uploads.find(upload.id).offset == 10


def test_a_part_with_another_hash_does_not_count(uploads: ResumableUploads):
    upload = uploads.create(len(FILM))
    append(uploads, upload.id, 0, FILM[:10])
    with uploads.open(upload.id) as appending:
        appending.begin(10, "sha1", hashlib.sha1(FILM[10:]).digest())
        appending.write(FILM[10:-1] + b"?")
        with pytest.raises(ChecksumMismatch):
            appending.end()
    assert uploads.part(upload.id).read_bytes() == FILM[:10]


def test_a_part_that_was_not_checked_before_a_kill_does_not_count(uploads: ResumableUploads):
    upload = uploads.create(len(FILM))
    append(uploads, upload.id, 0, FILM[:10])
    appending = uploads.open(upload.id)
    appending.begin(10, "sha256", hashlib.sha256(FILM[10:20]).digest())
    appending.write(FILM[10:15])
    appending.close()
    assert uploads.find(upload.id).offset == 10
    append(uploads, upload.id, 10, FILM[10:12])
    assert uploads.part(upload.id).read_bytes() == FILM[:12]


def test_sizes_that_cannot_be_taken_are_refused_at_once(
    uploads: ResumableUploads, monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(EmptyUpload):
        uploads.create(0)
    with pytest.raises(UploadTooLarge):
        uploads.create(10**6 + 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 0, 9))
    with pytest.raises(DiskFull):
        uploads.create(10)


@pytest.mark.parametrize("name", ["", "x", "../" + "a" * 29, "f" * 32, "A" * 32, "a" * 32 + "\n"])
def test_an_upload_that_is_not_there_is_not_found(uploads: ResumableUploads, name: str):
    with pytest.raises(UploadNotFound):
        uploads.find(name)


def test_what_nobody_continues_is_forgotten_and_swept(uploads: ResumableUploads, tmp_path: Path):
    kept, idle, done, busy = (uploads.create(len(FILM)) for _ in range(4))
    append(uploads, done.id, 0, FILM)
    stray = uploads.path / ("e" * 32 + ".part")
    stray.touch()
    long_ago = time.time() - 101
    for upload_id in (idle.id, done.id, busy.id, "e" * 32):
        for path in uploads.path.glob(f"{upload_id}.*"):
            os.utime(path, (long_ago, long_ago))
    for forgotten in (idle, done):
        with pytest.raises(UploadNotFound):
            uploads.find(forgotten.id)
    os.utime(uploads.note(busy.id))
    with uploads.open(busy.id):
        os.utime(uploads.note(busy.id), (long_ago, long_ago))
        assert sweep_resumable(tmp_path) == 3  # two files of one that was idle, one note
    assert sweep_resumable(tmp_path) == 2
    assert sorted(path.name for path in uploads.path.iterdir()) == sorted(
        [uploads.part(kept.id).name, uploads.note(kept.id).name, stray.name]
    )
    os.utime(stray, (0, 0))
    assert sweep_resumable(tmp_path) == 1


def test_an_upload_that_was_given_up_is_gone(uploads: ResumableUploads, films: FakeFilms):
    upload, done = uploads.create(len(FILM)), uploads.create(len(FILM))
    append(uploads, upload.id, 0, FILM[:10])
    append(uploads, done.id, 0, FILM)
    uploads.delete(upload.id)
    uploads.delete(done.id)
    assert list(uploads.path.iterdir()) == []
    assert len(films.films) == 1
    with pytest.raises(UploadNotFound):
        uploads.delete(upload.id)
