"""What S3 promises beyond the contract of all storages; the server is real, over HTTP."""

from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from app.errors import NotFound, ReeltagError, StorageUnavailable
from app.storage.s3 import S3Storage, storage_error

Bucket = tuple[str, str]


def test_prefix_stands_before_every_key(s3_bucket: Bucket, tmp_path: Path) -> None:
    endpoint, bucket = s3_bucket
    S3Storage(bucket, "/house/films/", endpoint, tmp_path).put_bytes("films/a/source", b"x")
    listed = boto3.client("s3", endpoint_url=endpoint).list_objects_v2(Bucket=bucket)
    assert [entry["Key"] for entry in listed["Contents"]] == ["house/films/films/a/source"]


def test_two_prefixes_of_a_bucket_do_not_see_each_other(s3_bucket: Bucket, tmp_path: Path) -> None:
    endpoint, bucket = s3_bucket
    one, two = (S3Storage(bucket, prefix, endpoint, tmp_path) for prefix in ("a", "ab"))
    two.put_bytes("films/a/source", b"x")
    assert one.size("films/a/source") is None
    assert one.delete_prefix("films/a/") == 0
    assert two.get_bytes("films/a/source") == b"x"


def test_more_objects_than_one_request_takes_are_all_deleted(
    s3_bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.storage.s3.DELETE_AT_ONCE", 5)
    endpoint, bucket = s3_bucket
    storage = S3Storage(bucket, "", endpoint, tmp_path)
    for place in range(12):
        storage.put_bytes(f"films/a/frames/1/0-{place}.jpg", b"")
    assert storage.delete_prefix("films/a/") == 12
    assert list(storage.keys("films/a/")) == []


def test_film_is_downloaded_once_for_all_its_stretches(
    s3_bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint, bucket = s3_bucket
    storage = S3Storage(bucket, "", endpoint, tmp_path / "copies")
    storage.put_bytes("films/a/source", b"film")
    with storage.local_file("films/a/source") as first:
        pass
    boto3.client("s3", endpoint_url=endpoint).delete_object(Bucket=bucket, Key="films/a/source")
    with storage.local_file("films/a/source") as second:
        assert second == first
        assert second.read_bytes() == b"film"
    storage.close()
    assert not second.exists()


def test_bucket_that_is_missing_is_an_outage(s3_bucket: Bucket, tmp_path: Path) -> None:
    storage = S3Storage("no-such-bucket", "", s3_bucket[0], tmp_path)
    path = tmp_path / "film"
    path.write_bytes(b"x")
    calls = [
        storage.check,
        lambda: storage.put_bytes("films/a/source", b"x"),
        lambda: storage.put_file("films/a/source", path),
        lambda: storage.get_bytes("films/a/source"),
        lambda: list(storage.keys("films/")),
        lambda: storage.delete_prefix("films/"),
    ]
    for call in calls:
        with pytest.raises(StorageUnavailable):
            call()
    assert path.exists()


def test_server_that_is_away_is_an_outage(s3_bucket: Bucket, tmp_path: Path) -> None:
    storage = S3Storage(s3_bucket[1], "", "http://127.0.0.1:1", tmp_path)
    path = tmp_path / "film"
    path.write_bytes(b"x")
    for call in (
        storage.check,
        lambda: storage.put_file("films/a/source", path),
        lambda: storage.local_file("films/a/source").__enter__(),
    ):
        with pytest.raises(StorageUnavailable):
            call()
    assert path.exists()


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        pytest.param(ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject"), NotFound,
                     id="no such key"),
        pytest.param(ClientError({"Error": {"Code": "404"}}, "HeadObject"), NotFound, id="404"),
        pytest.param(ClientError({"Error": {"Code": "NoSuchBucket"}}, "GetObject"),
                     StorageUnavailable, id="no such bucket"),
        pytest.param(ClientError({"Error": {"Code": "SlowDown"}}, "PutObject"),
                     StorageUnavailable, id="slow down"),
        pytest.param(ClientError({"Error": {"Code": "AccessDenied"}}, "PutObject"),
                     StorageUnavailable, id="access denied"),
        pytest.param(EndpointConnectionError(endpoint_url="http://x"), StorageUnavailable,
                     id="no answer"),
    ],
)  # fmt: skip
def test_error_of_the_library_is_mapped(error: Exception, wanted: type[ReeltagError]) -> None:
    assert type(storage_error(error, "films/a/source")) is wanted
