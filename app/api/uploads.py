"""A request body -> a file on disk, a few megabytes in memory at a time, hashed on the way.

Takes the bytes as they are or as the `file` field of a form. Knows nothing of films: what was
received is handed on as an `IncomingFile`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from anyio import to_thread
from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.errors import EmptyUpload, InvalidRequest, UnsupportedMediaType, UploadTooLarge
from app.services.uploads import IncomingFile

WRITE_BYTES = 4 * 2**20
"""Bytes given to the disk at once; smaller pieces cost a thread switch each, larger ones memory."""

FORM_OVERHEAD_BYTES = 64 * 2**10
"""What the other fields and the boundaries of a form may add to the film's own bytes."""

FIELD_BYTES = 8 * 2**10
"""Longest text of a form field."""

TEXT_FIELDS = frozenset({"title", "filename", "sampling"})
FILE_FIELD = "file"


@dataclass(slots=True)
class FormUpload:
    """Reads a multipart form piece by piece: `file` goes to disk, known text fields are kept.

    Source:
        RFC 7578 (form data), RFC 2046 section 5.1 (multipart).
    """

    incoming: IncomingFile
    boundary: bytes
    texts: dict[str, str] = field(default_factory=dict)
    has_file: bool = False
    is_complete: bool = False
    _parser: MultipartParser = field(init=False)
    _header: bytearray = field(default_factory=bytearray)
    _value: bytearray = field(default_factory=bytearray)
    _disposition: bytes = b""
    _name: str = ""
    _text: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        try:
            self._parser = MultipartParser(
                self.boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": lambda data, start, end: self._header.extend(
                        data[start:end]
                    ),
                    "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_part_data": self._take_data,
                    "on_part_end": self._end_part,
                    "on_end": self._end,
                },
            )
        except FormParserError as exc:
            raise InvalidRequest(f"the form's boundary cannot be used: {exc}") from exc

    def write(self, content: bytes) -> None:
        """Take the next bytes of the body; blocks while the disk writes.

        Raises:
            InvalidRequest: The body is not a form as it should be.
            UploadTooLarge: The file is larger than allowed.
        """
        try:
            self._parser.write(content)
        except FormParserError as exc:
            raise InvalidRequest(f"the form cannot be read: {exc}") from exc

    def _begin_part(self) -> None:
        self._disposition = b""

    def _end_header(self) -> None:
        if bytes(self._header).lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        self._text.clear()
        if self._name == FILE_FIELD:
            if self.has_file:
                raise InvalidRequest(
                    "the form has more than one field `file`; send one film a time"
                )
            self.has_file = True
            filename = options.get(b"filename", b"").decode("utf-8", "replace")
            if filename:
                self.texts.setdefault("filename", filename)

    def _take_data(self, data: bytes, start: int, end: int) -> None:
        if self._name == FILE_FIELD:
            self.incoming.write(data[start:end])
        elif self._name in TEXT_FIELDS:
            if len(self._text) + end - start > FIELD_BYTES:
                raise InvalidRequest(f"the form field {self._name} is too long")
            self._text += data[start:end]

    def _end_part(self) -> None:
        if self._name in TEXT_FIELDS:
            try:
                text = self._text.decode("utf-8")
            except UnicodeDecodeError as exc:
                raise InvalidRequest(f"the form field {self._name} is not UTF-8 text") from exc
            if text:
                self.texts[self._name] = text
        self._name = ""

    def _end(self) -> None:
        self.is_complete = True


async def receive(request: Request, incoming: IncomingFile, max_bytes: int) -> dict[str, str]:
    """Stream the body of `request` into `incoming`.

    Args:
        request: Its body was not read yet.
        incoming: An empty file that refuses too many bytes; the caller discards it in the end.
        max_bytes: Most bytes that `incoming` takes, to refuse a larger body before it is read.

    Returns:
        The text fields that came along: some of `title`, `filename`, `sampling`.

    Raises:
        UserError: The body is of the wrong type, empty, too large or broken.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    is_form = kind == b"multipart/form-data"
    if not (is_form or kind == b"application/octet-stream" or kind.startswith(b"video/")):
        given = kind.decode("latin-1") or "no content type"
        raise UnsupportedMediaType(
            "send the film's bytes as video/* or application/octet-stream, or a multipart form "
            f"with a field `file`; not {given}"
        )
    _refuse_by_length(request, max_bytes + (FORM_OVERHEAD_BYTES if is_form else 0), max_bytes)
    if not is_form:
        await pour(request.stream(), incoming.write)
        texts: dict[str, str] = {}
    else:
        form = FormUpload(incoming, options.get(b"boundary", b""))
        await pour(request.stream(), form.write)
        if not form.is_complete:
            raise InvalidRequest("the form ends before its last boundary")
        if not form.has_file:
            raise InvalidRequest("the form has no field `file`")
        texts = form.texts
    if incoming.size_bytes == 0:
        raise EmptyUpload("not one byte of film arrived")
    return texts


def _refuse_by_length(request: Request, most_bytes: int, max_bytes: int) -> None:
    """Refuse by the announced length, before a byte is read."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal():
        if int(announced) > most_bytes:
            raise UploadTooLarge(f"films of at most {max_bytes} bytes are taken")
        if int(announced) == 0:
            raise EmptyUpload("the body is empty")


async def pour(
    chunks: AsyncIterator[bytes],
    write: Callable[[bytes], None],
    write_bytes: int | None = None,
) -> None:
    """Give `chunks` to the blocking `write` in big pieces, reading on while a piece is written."""
    piece = bytearray()
    writing: asyncio.Future[None] | None = None
    try:
        async for chunk in chunks:
            piece += chunk
            if len(piece) >= (write_bytes or WRITE_BYTES):
                if writing is not None:
                    await asyncio.shield(writing)
                writing = asyncio.ensure_future(to_thread.run_sync(write, bytes(piece)))
                piece.clear()
    finally:
        # Also after a broken connection: the file may be closed only when nobody writes to it.
        if writing is not None:
            await asyncio.shield(writing)
    if piece:
        await to_thread.run_sync(write, bytes(piece))
