"""Messages between the decoder and its parent."""

import io

import pytest

from app.video.protocol import (
    HEADER,
    DecodeLimits,
    ProtocolError,
    Request,
    read_message,
    write_message,
)


def read_back(content: bytes) -> object:
    return read_message(io.BytesIO(content).read)


def test_a_message_comes_back_with_its_blobs_joined() -> None:
    stream = io.BytesIO()
    write_message(stream, {"kind": "shot", "start_s": 0.1}, b"ab", b"cd")
    message = read_message(io.BytesIO(stream.getvalue()).read)
    assert message.kind == "shot"
    assert message.fields["start_s"] == 0.1
    assert message.blob == b"abcd"


def test_a_request_comes_back() -> None:
    request = Request("shots", 5, 77, DecodeLimits(stall_s=2), "interval:1", 7.0, 14.5)
    assert Request.from_json(request.to_json()) == request


@pytest.mark.parametrize(
    "content",
    [HEADER.pack(2**31, 0), HEADER.pack(2, 2**31) + b"{}", HEADER.pack(3, 0) + b"{{{",
     HEADER.pack(2, 0) + b"[]"],
    ids=["huge_fields", "huge_blob", "no_json", "no_object"],
)  # fmt: skip
def test_what_is_no_message_is_refused(content: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_back(content)
