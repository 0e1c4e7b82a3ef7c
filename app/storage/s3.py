"""Objects in an S3 bucket, or in anything that speaks S3.

An object appears whole or not at all (S3 stores a key in one step). Films that are read from a file
are copied to the local disk once, see `app.storage.copies`. Knows no film.
"""

import io
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from app.errors import NotFound, ReeltagError, StorageUnavailable, disk_errors
from app.storage.copies import LocalCopies
from app.storage.keys import checked, checked_prefix
from app.storage.streams import First

TRANSFER = TransferConfig(
    multipart_threshold=32 << 20, multipart_chunksize=32 << 20, max_concurrency=4
)
"""About 128 MiB of memory for a film of any size; S3 takes 10,000 parts, so films up to 312 GiB."""

DELETE_AT_ONCE = 1000
"""Keys in one request. Source: S3 API, DeleteObjects."""

ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})
"""Codes of S3 for a key where nothing is stored; a missing bucket is another one."""

VENDOR_ERRORS = (ClientError, BotoCoreError, Boto3Error, HTTPClientError)
"""Everything the client library raises."""


def storage_error(error: Exception, key: str) -> ReeltagError:
    """Return what an error of the client library means to a caller."""
    code = (
        str(error.response.get("Error", {}).get("Code")) if isinstance(error, ClientError) else ""
    )
    if code in ABSENT:
        return NotFound(f"nothing is stored at {key}")
    return StorageUnavailable(f"the object storage does not answer: {error}")


class S3Storage:
    """An `app.ports.ObjectStore` over a bucket that exists.

    Args:
        bucket: Its name.
        prefix: Stands before every key; empty or words between slashes.
        endpoint_url: Address of an S3-compatible server; None means AWS. Keys, region and so on
            come from where AWS tools take them (environment, shared files, instance role).
        scratch_dir: Where copies of films lie while they are read; None means the system's folder.
    """

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        endpoint_url: str | None = None,
        scratch_dir: Path | None = None,
    ) -> None:
        self._bucket = bucket
        self._prefix = checked_prefix(prefix.strip("/") + "/") if prefix.strip("/") else ""
        settings = Config(
            connect_timeout=5,
            read_timeout=60,
            retries={"mode": "standard", "max_attempts": 3},
            max_pool_connections=32,
            s3={"addressing_style": "path"} if endpoint_url else {},
            # servers that only speak S3 refuse checksums they do not know
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        self._client: Any = boto3.client("s3", endpoint_url=endpoint_url or None, config=settings)
        self._copies = LocalCopies(self._download, scratch_dir)

    def put_file(self, key: str, path: Path) -> None:
        """Copy the file at `path` to `key` and delete it; durable on return."""
        with _mapped(key):
            self._client.upload_file(str(path), self._bucket, self._name(key), Config=TRANSFER)
        with disk_errors():
            path.unlink(missing_ok=True)

    def put_bytes(self, key: str, content: bytes) -> None:
        """Store `content` at `key`; durable on return."""
        with _mapped(key):
            self._client.put_object(Bucket=self._bucket, Key=self._name(key), Body=content)

    def get_bytes(self, key: str) -> bytes:
        """Return the object at `key`.

        Raises:
            NotFound: Nothing is stored there.
        """
        with self.open(key) as stream, _mapped(key):
            return stream.read()

    @contextmanager
    def open(self, key: str, start: int = 0, length: int | None = None) -> Iterator[BinaryIO]:
        """Open the object at `key` for reading, from byte `start`, at most `length` bytes.

        Raises:
            NotFound: Nothing is stored there.
        """
        wanted = {"Bucket": self._bucket, "Key": self._name(key)}
        if start or length is not None:
            size = self.size(key)
            if size is None:
                raise NotFound(f"nothing is stored at {key}")
            end = size if length is None else min(size, start + length)
            if start >= end:  # S3 refuses to give no bytes
                yield io.BytesIO()
                return
            wanted["Range"] = f"bytes={start}-{end - 1}"
        with _mapped(key):
            answer = self._client.get_object(**wanted)
        with closing(answer["Body"]) as body:
            raw = First(_Mapped(body, key), int(answer["ContentLength"]))
            yield cast("BinaryIO", io.BufferedReader(raw, 1 << 16))

    def size(self, key: str) -> int | None:
        """Return the bytes of the object at `key`, None where nothing is stored."""
        try:
            with _mapped(key):
                answer = self._client.head_object(Bucket=self._bucket, Key=self._name(key))
        except NotFound:
            return None
        return int(answer["ContentLength"])

    @contextmanager
    def local_file(self, key: str) -> Iterator[Path]:
        """Give the object as a file on the local disk; several readers share one copy.

        Raises:
            NotFound: Nothing is stored there.
            DiskFull: The copy does not fit.
        """
        with self._copies.open(checked(key)) as path:
            yield path

    def delete_prefix(self, prefix: str) -> int:
        """Delete every object whose key starts with `prefix`; return how many."""
        deleted = 0
        names = [self._prefix + key for key, _ in self.keys(prefix)]
        for at in range(0, len(names), DELETE_AT_ONCE):
            batch = names[at : at + DELETE_AT_ONCE]
            with _mapped(prefix):
                answer = self._client.delete_objects(
                    Bucket=self._bucket,
                    Delete={"Objects": [{"Key": name} for name in batch], "Quiet": True},
                )
            refused = answer.get("Errors", [])
            if refused:
                raise StorageUnavailable(f"{len(refused)} objects under {prefix} were not deleted")
            deleted += len(batch)
        return deleted

    def keys(self, prefix: str) -> Iterator[tuple[str, float]]:
        """List keys under `prefix` with the time they were stored, seconds since the epoch."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix + checked_prefix(prefix)
        )
        with _mapped(prefix):
            for page in pages:
                for entry in page.get("Contents", []):
                    name: str = entry["Key"]
                    yield name.removeprefix(self._prefix), entry["LastModified"].timestamp()

    def check(self) -> None:
        """Raise `StorageUnavailable` where the bucket does not answer now."""
        try:
            with _mapped(self._bucket):
                self._client.head_bucket(Bucket=self._bucket)
        except NotFound as exc:
            raise StorageUnavailable(f"there is no bucket {self._bucket}") from exc

    def close(self) -> None:
        """Delete the local copies that nobody reads."""
        self._copies.close()

    def _name(self, key: str) -> str:
        return self._prefix + checked(key)

    def _download(self, key: str, path: Path) -> None:
        with _mapped(key):
            self._client.download_file(self._bucket, self._name(key), str(path), Config=TRANSFER)


class _Mapped:
    """A body whose reading fails with our errors."""

    def __init__(self, body: Any, key: str) -> None:  # noqa: ANN401
        self._body = body
        self._key = key

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes."""
        with _mapped(self._key):
            content: bytes = self._body.read(size)
        return content


@contextmanager
def _mapped(key: str) -> Iterator[None]:
    try:
        yield
    except VENDOR_ERRORS as exc:
        raise storage_error(exc, key) from exc
    except OSError as exc:
        with disk_errors():
            raise exc from None
