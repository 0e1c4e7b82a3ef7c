import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.api import uploads
from app.api.uploads import FormUpload, receive
from app.errors import EmptyUpload, InvalidRequest, UnsupportedMediaType, UploadTooLarge
from app.services.uploads import IncomingFile
from tests.api_client import pieces

FILM = bytes(range(256)) * 700 + b"\r\n--edge\r\n--edge--almost"
"""Holds what looks like a boundary and is none."""


def form(*parts: bytes, boundary: bytes = b"the-boundary") -> bytes:
    body = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
    return body + b"--" + boundary + b"--\r\n"


def file_part(content: bytes, filename: str = "sea.mp4", name: str = "file") -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
    return head.encode() + b"Content-Type: video/mp4\r\n\r\n" + content


def text_part(name: str, text: bytes) -> bytes:
    return f'Content-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + text


def make_request(
    content: list[bytes], content_type: str = "video/mp4", length: int | None = None
) -> Any:
    headers = {"content-type": content_type}
    if length is not None:
        headers["content-length"] = str(length)
    return SimpleNamespace(headers=headers, stream=lambda: pieces(content))


def receive_all(request: Any, incoming: IncomingFile, max_bytes: int = 10**9) -> dict[str, str]:
    return asyncio.run(receive(request, incoming, max_bytes))


@pytest.fixture
def incoming(tmp_path: Path) -> Any:
    with IncomingFile(tmp_path) as file:
        yield file


@pytest.mark.parametrize("step", [1, 7, 1000, 10**6], ids=["bytes", "few", "many", "whole"])
def test_a_form_is_read_the_same_however_it_is_cut(step: int, incoming: IncomingFile):
    content = FILM[:4000] if step == 1 else FILM
    body = form(
        text_part("title", "Müde".encode()), file_part(content), text_part("sampling", b"shots")
    )
    upload = FormUpload(incoming, b"the-boundary")
    for start in range(0, len(body), step):
        upload.write(body[start : start + step])
    assert upload.is_complete
    assert upload.texts == {"title": "Müde", "filename": "sea.mp4", "sampling": "shots"}
    assert incoming.path.read_bytes() == content


def test_a_field_filename_wins_over_the_name_of_the_file_part(incoming: IncomingFile):
    body = form(file_part(FILM), text_part("filename", b"other.mkv"))
    request = make_request([body], "multipart/form-data; boundary=the-boundary")
    assert receive_all(request, incoming)["filename"] == "other.mkv"


def test_unknown_fields_of_a_form_are_read_over(incoming: IncomingFile):
    body = form(text_part("csrf", b"x" * 10**5), file_part(FILM))
    request = make_request([body], "multipart/form-data; boundary=the-boundary")
    assert receive_all(request, incoming) == {"filename": "sea.mp4"}
    assert incoming.size_bytes == len(FILM)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(form(text_part("title", b"x")), id="no file"),
        pytest.param(form(file_part(b"a"), file_part(b"b")), id="two files"),
        pytest.param(form(file_part(FILM))[:-30], id="cut off"),
        pytest.param(form(file_part(FILM), text_part("title", b"x" * 10_000)), id="long title"),
        pytest.param(form(file_part(FILM), text_part("title", b"\xff\xfe")), id="title not utf-8"),
        pytest.param(b"what is this?" + form(file_part(FILM)), id="not a form"),
    ],
)
def test_a_form_that_is_not_as_it_should_be_is_refused(body: bytes, incoming: IncomingFile):
    request = make_request([body], "multipart/form-data; boundary=the-boundary")
    with pytest.raises(InvalidRequest):
        receive_all(request, incoming)


@pytest.mark.parametrize("boundary", ["", "; boundary=" + "b" * 300], ids=["none", "too long"])
def test_a_form_without_a_usable_boundary_is_refused(boundary: str, incoming: IncomingFile):
    request = make_request([form(file_part(FILM))], f"multipart/form-data{boundary}")
    with pytest.raises(InvalidRequest):
        receive_all(request, incoming)


def test_an_empty_file_in_a_form_is_an_empty_upload(incoming: IncomingFile):
    request = make_request([form(file_part(b""))], "multipart/form-data; boundary=the-boundary")
    with pytest.raises(EmptyUpload):
        receive_all(request, incoming)


def test_a_raw_body_arrives_whole_and_in_order(
    incoming: IncomingFile, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(uploads, "WRITE_BYTES", 1000)
    content = [bytes([n % 256]) * (n * 37 % 900) for n in range(200)]
    assert receive_all(make_request(content), incoming) == {}
    assert incoming.sha256 == hashlib.sha256(b"".join(content)).hexdigest()
    assert incoming.path.read_bytes() == b"".join(content)


@pytest.mark.parametrize("content_type", ["text/plain", "", "image/png", "videos/mp4"])
def test_a_body_that_is_no_video_is_refused(content_type: str, incoming: IncomingFile):
    with pytest.raises(UnsupportedMediaType):
        receive_all(make_request([FILM], content_type), incoming)


@pytest.mark.parametrize(
    "content_type", ["video/mp4", "VIDEO/x-matroska; x=y", "application/octet-stream"]
)
def test_media_types_of_films_are_taken_in_any_case(content_type: str, incoming: IncomingFile):
    receive_all(make_request([FILM], content_type), incoming)
    assert incoming.size_bytes == len(FILM)


@pytest.mark.parametrize("content", [[], [b"", b""]], ids=["nothing", "empty pieces"])
def test_a_body_without_a_byte_is_an_empty_upload(content: list[bytes], incoming: IncomingFile):
    with pytest.raises(EmptyUpload):
        receive_all(make_request(content), incoming)


def test_a_body_announced_as_too_long_is_refused_unread(incoming: IncomingFile):
    async def unreadable() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    request = make_request([], length=1001)
    request.stream = unreadable
    with pytest.raises(UploadTooLarge):
        receive_all(request, incoming, max_bytes=1000)


def test_a_body_that_grows_too_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(uploads, "WRITE_BYTES", 100)
    with IncomingFile(tmp_path, max_bytes=1000) as incoming, pytest.raises(UploadTooLarge):
        receive_all(make_request([b"x" * 90] * 50), incoming, max_bytes=1000)


def test_a_broken_connection_leaves_the_file_free_to_be_discarded(
    incoming: IncomingFile, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(uploads, "WRITE_BYTES", 100)

    async def breaking() -> AsyncIterator[bytes]:
        yield b"x" * 500
        raise ConnectionError("gone")

    request = make_request([])
    request.stream = breaking
    with pytest.raises(ConnectionError):
        receive_all(request, incoming)
    assert incoming.size_bytes == 500
    incoming.discard()
    assert not incoming.path.exists()
