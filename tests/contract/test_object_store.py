"""What every storage promises, on the local disk, on S3 over HTTP, and in memory."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import NotFound
from app.ports import ObjectStore
from app.storage.local import LocalStorage
from app.storage.s3 import S3Storage
from tests.memory import MemoryStorage

CONTENT = bytes(range(256)) * 40


@pytest.fixture(params=["local", "s3", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ObjectStore]:
    match request.param:
        case "local":
            yield LocalStorage(tmp_path / "objects")
        case "s3":
            endpoint, bucket = request.getfixturevalue("s3_bucket")
            storage = S3Storage(bucket, "some/prefix", endpoint, tmp_path / "copies")
            yield storage
            storage.close()
        case _:
            yield MemoryStorage()


class TestObjectStore:
    def test_bytes_come_back_as_they_were_stored(self, store: ObjectStore) -> None:
        store.put_bytes("films/a/frames/1/0-0.jpg", CONTENT)
        assert store.get_bytes("films/a/frames/1/0-0.jpg") == CONTENT
        assert store.size("films/a/frames/1/0-0.jpg") == len(CONTENT)

    def test_same_key_again_replaces_the_object_whole(self, store: ObjectStore) -> None:
        store.put_bytes("films/a/source", CONTENT)
        store.put_bytes("films/a/source", b"short")
        assert store.get_bytes("films/a/source") == b"short"

    def test_empty_object_is_an_object(self, store: ObjectStore) -> None:
        store.put_bytes("films/a/source", b"")
        assert store.size("films/a/source") == 0
        assert store.get_bytes("films/a/source") == b""

    def test_file_is_stored_and_gone_from_where_it_was(
        self, store: ObjectStore, tmp_path: Path
    ) -> None:
        path = tmp_path / "incoming.part"
        path.write_bytes(CONTENT)
        store.put_file("films/a/source", path)
        assert store.get_bytes("films/a/source") == CONTENT
        assert not path.exists()

    def test_large_file_comes_back_whole(self, store: ObjectStore, tmp_path: Path) -> None:
        path = tmp_path / "incoming.part"
        content = bytes(range(251)) * (40 * 2**20 // 251)  # S3 takes it in more than one part
        path.write_bytes(content)
        store.put_file("films/a/source", path)
        with store.local_file("films/a/source") as copy:
            assert copy.read_bytes() == content

    @pytest.mark.parametrize(
        ("start", "length", "wanted"),
        [
            pytest.param(0, None, CONTENT, id="everything"),
            pytest.param(100, None, CONTENT[100:], id="from a byte to the end"),
            pytest.param(100, 50, CONTENT[100:150], id="a middle part"),
            pytest.param(len(CONTENT) - 3, 50, CONTENT[-3:], id="more than there is"),
            pytest.param(len(CONTENT), None, b"", id="from the end"),
            pytest.param(len(CONTENT) + 7, 5, b"", id="from beyond the end"),
            pytest.param(5, 0, b"", id="nothing"),
        ],
    )
    def test_open_gives_the_part_that_is_asked_for(
        self, store: ObjectStore, start: int, length: int | None, wanted: bytes
    ) -> None:
        store.put_bytes("films/a/source", CONTENT)
        with store.open("films/a/source", start, length) as stream:
            assert stream.read() == wanted

    def test_open_can_be_read_piece_by_piece(self, store: ObjectStore) -> None:
        store.put_bytes("films/a/source", CONTENT)
        with store.open("films/a/source", 10, 1000) as stream:
            pieces = list(iter(lambda: stream.read(300), b""))
        assert b"".join(pieces) == CONTENT[10:1010]
        assert max(map(len, pieces)) <= 300

    def test_what_was_not_stored_is_not_found(self, store: ObjectStore) -> None:
        store.put_bytes("films/a/frames/1/0-0.jpg", CONTENT)
        for key in ("films/b/source", "films/a/frames", "films/a/frames/1/0-0.jpg/x"):
            assert store.size(key) is None
            with pytest.raises(NotFound):
                store.get_bytes(key)
            with pytest.raises(NotFound), store.open(key):
                pass
            with pytest.raises(NotFound), store.open(key, 5, 5):
                pass
            with pytest.raises(NotFound), store.local_file(key):
                pass

    def test_local_file_holds_the_object(self, store: ObjectStore) -> None:
        store.put_bytes("films/a/source", CONTENT)
        with store.local_file("films/a/source") as path, store.local_file("films/a/source") as twin:
            assert path.read_bytes() == CONTENT
            assert twin.read_bytes() == CONTENT
        assert store.get_bytes("films/a/source") == CONTENT

    def test_keys_lists_what_is_under_a_prefix_with_its_age(self, store: ObjectStore) -> None:
        before = time.time() - 2  # S3 counts whole seconds
        for key in ("films/a/source", "films/a/frames/1/0-0.jpg", "films/ab/source", "other/a"):
            store.put_bytes(key, b"x")
        found = dict(store.keys("films/a/"))
        assert set(found) == {"films/a/source", "films/a/frames/1/0-0.jpg"}
        assert all(before <= stored <= time.time() + 2 for stored in found.values())
        assert {key for key, _ in store.keys("films/")} == {*found, "films/ab/source"}
        assert list(store.keys("films/c/")) == []

    def test_keys_of_one_film_stand_together(self, store: ObjectStore) -> None:
        for film in ("b", "a", "c"):
            store.put_bytes(f"films/{film}/source", b"x")
            store.put_bytes(f"films/{film}/frames/1/0-0.jpg", b"x")
        films = [key.split("/")[1] for key, _ in store.keys("films/")]
        assert films == sorted(films)

    def test_delete_prefix_deletes_all_of_it_and_nothing_else(self, store: ObjectStore) -> None:
        for key in ("films/a/source", "films/a/frames/1/0-0.jpg", "films/ab/source"):
            store.put_bytes(key, b"x")
        assert store.delete_prefix("films/a/") == 2
        assert [key for key, _ in store.keys("films/")] == ["films/ab/source"]
        assert store.delete_prefix("films/a/") == 0
        store.put_bytes("films/a/source", b"again")
        assert store.get_bytes("films/a/source") == b"again"

    @pytest.mark.parametrize(
        "key",
        ["", "/etc/passwd", "../x", "films/../../x", "films/./x", "films//x", "films/a/", "a\0b",
         "films/.work/x", ".work/x", "films\\x", "films/é", "x" * 901, "films/a\n"],
    )  # fmt: skip
    def test_key_that_leads_elsewhere_is_refused(
        self, store: ObjectStore, key: str, tmp_path: Path
    ) -> None:
        path = tmp_path / "mine"
        path.write_bytes(b"x")
        calls = [
            lambda: store.put_bytes(key, b"x"),
            lambda: store.put_file(key, path),
            lambda: store.get_bytes(key),
            lambda: store.size(key),
            lambda: store.local_file(key).__enter__(),
            lambda: store.delete_prefix(key + "/"),
            lambda: list(store.keys(key + "/")),
        ]
        for call in calls:
            with pytest.raises(ValueError, match=r"key|prefix"):
                call()
        assert path.exists()

    @pytest.mark.parametrize("prefix", ["", "/", "films"])
    def test_prefix_without_end_is_refused(self, store: ObjectStore, prefix: str) -> None:
        store.put_bytes("films/a/source", b"x")
        with pytest.raises(ValueError, match=r"prefix|key"):
            store.delete_prefix(prefix)
        assert store.size("films/a/source") == 1

    def test_many_writers_of_one_key_leave_one_whole_object(self, store: ObjectStore) -> None:
        contents = [bytes([place]) * 20_000 for place in range(8)]
        writers = [
            threading.Thread(target=store.put_bytes, args=("films/a/source", content))
            for content in contents
        ]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert store.get_bytes("films/a/source") in contents

    def test_check_is_silent_while_all_is_well(self, store: ObjectStore) -> None:
        store.check()
        assert list(store.keys("films/")) == []
