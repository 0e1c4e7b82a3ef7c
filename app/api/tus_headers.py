"""Headers of the tus protocol -> values; knows no request and no upload."""

import base64
import binascii
import re
from collections.abc import Mapping

from app.errors import InvalidRequest
from app.services.resumable import ALGORITHMS

_LENGTH = re.compile(r"[0-9]{1,18}")


def read_number(headers: Mapping[str, str], name: str) -> int:
    """Return a header that is a number of bytes.

    Raises:
        InvalidRequest: It is missing, or no such number.
    """
    text = headers.get(name, "")
    if not _LENGTH.fullmatch(text):
        raise InvalidRequest(f"the header {name.title()} is a number of bytes")
    return int(text)


def read_checksum(headers: Mapping[str, str]) -> tuple[str, bytes]:
    """Return algorithm and hash of a part, both empty where none is given.

    Raises:
        InvalidRequest: `Upload-Checksum` is not as the protocol has it, or of an unknown kind.
    """
    if "upload-checksum" not in headers:
        return "", b""
    algorithm, _, text = headers["upload-checksum"].partition(" ")
    try:
        digest = base64.b64decode(text, validate=True)
    except binascii.Error as exc:
        raise InvalidRequest("Upload-Checksum is an algorithm and a hash in base64") from exc
    if algorithm not in ALGORITHMS:
        raise InvalidRequest(f"checksums are {' or '.join(ALGORITHMS)}")
    return algorithm, digest


def read_metadata(text: str) -> dict[str, str]:
    """Return the names and values of `Upload-Metadata`.

    Raises:
        InvalidRequest: They are not as the protocol has them, or no text.
    """
    found: dict[str, str] = {}
    for pair in filter(None, (one.strip() for one in text.split(","))):
        name, _, value = pair.partition(" ")
        try:
            content = base64.b64decode(value.strip(), validate=True).decode("utf-8")
        except ValueError as exc:
            raise InvalidRequest(f"Upload-Metadata: {name} is not UTF-8 text in base64") from exc
        if name in found:
            raise InvalidRequest(f"Upload-Metadata names {name} twice")
        found[name] = content
    return found
