"""What the decoder's child process and its parent say to each other, over pipes.

One request as JSON on the child's standard input; messages on its standard output, each a header,
a JSON object and bytes. Knows the form only: neither films nor processes. Nothing is unpickled,
and sizes are bounded, because a decoder that was taken over by a film may write anything.
"""

import json
import struct
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

HEADER = struct.Struct(">II")
"""Bytes of the JSON object, bytes of the blob behind it."""

MAX_FIELDS_BYTES = 1 << 20
"""A shot of 64 key frames needs 4 KiB."""

MAX_BLOB_BYTES = 128 << 20
"""64 pictures of 640 x 640 need 75 MiB."""


class ProtocolError(Exception):
    """The bytes are not a message."""


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """How much a film may ask for.

    Attributes:
        max_duration_s: Longest film, in seconds.
        max_pixels: Most pixels of a picture, as stored.
        memory_bytes: Address space the decoder may take beyond its start.
        stall_s: Seconds without a frame after which the decoder is stopped.
    """

    max_duration_s: float = 12 * 3600.0
    max_pixels: int = 8192 * 4320
    memory_bytes: int = 2 << 30
    stall_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Request:
    """What the child is asked to do.

    Attributes:
        action: ``probe`` or ``shots``.
        fd: The film, open for reading.
        parent_pid: Who asks; the child ends when it is gone.
        limits: How much the film may ask for.
        sampling: As `Sampling.parse` reads it.
        start_s: Start of the span.
        end_s: End of the span; None is the end of the film.
    """

    action: str
    fd: int
    parent_pid: int
    limits: DecodeLimits
    sampling: str = "shots"
    start_s: float = 0.0
    end_s: float | None = None

    def to_json(self) -> bytes:
        """Return the request as the child reads it."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, text: bytes) -> "Request":
        """Read what `to_json` wrote."""
        fields = json.loads(text)
        fields["limits"] = DecodeLimits(**fields["limits"])
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the child: ``kind`` and more in `fields`, pictures in `blob`."""

    fields: dict[str, Any]
    blob: bytes | bytearray = b""

    @property
    def kind(self) -> str:
        """``probe``, ``position``, ``shot``, ``done`` or ``error``."""
        return str(self.fields.get("kind"))


def write_message(stream: BinaryIO, fields: dict[str, Any], *blobs: memoryview | bytes) -> None:
    """Write one message and flush; the message's blob is `blobs` joined."""
    text = json.dumps(fields).encode()
    stream.write(HEADER.pack(len(text), sum(len(blob) for blob in blobs)))
    stream.write(text)
    for blob in blobs:
        stream.write(blob)
    stream.flush()


def read_message(read_exactly: Callable[[int], bytes | bytearray]) -> Message:
    """Read one message.

    Args:
        read_exactly: Returns so many bytes, or raises.

    Raises:
        ProtocolError: The bytes are not a message; nothing more can be read.
    """
    fields_bytes, blob_bytes = HEADER.unpack(read_exactly(HEADER.size))
    if fields_bytes > MAX_FIELDS_BYTES or blob_bytes > MAX_BLOB_BYTES:
        raise ProtocolError(f"a message of {fields_bytes} + {blob_bytes} bytes")
    try:
        fields = json.loads(read_exactly(fields_bytes))
    except ValueError as exc:
        raise ProtocolError("a message that is not JSON") from exc
    if not isinstance(fields, dict):
        raise ProtocolError("a message that is not an object")
    return Message(fields, read_exactly(blob_bytes) if blob_bytes else b"")
