"""What OpenAPI says of resumable uploads: headers and answers that the protocol, not we, defines.

The routes read these headers themselves, because the protocol knows other statuses for what is
missing than the web framework. Knows no upload.
"""

from collections.abc import Mapping
from typing import Any

from app.api.problems import MEDIA_TYPE, describe

TEXT = {"type": "string"}
NUMBER = {"type": "integer", "minimum": 0}

ALWAYS = {"Tus-Resumable": {"schema": TEXT, "description": "Version of the protocol: 1.0.0."}}
OFFSET = {"Upload-Offset": {"schema": NUMBER, "description": "Bytes that have arrived."}}
FILM = {
    "Reeltag-Film": {"schema": TEXT, "description": "Id of the film, once all has arrived."},
    "Reeltag-Film-Created": {"schema": TEXT, "description": "`false`: it was here already."},
    "Content-Location": {"schema": TEXT, "description": "Path of that film."},
    "Upload-Expires": {"schema": TEXT, "description": "When the unfinished upload is forgotten."},
}


def _answer(
    status: int, description: str, headers: Mapping[str, Any], *errors: int
) -> dict[int | str, dict[str, Any]]:
    problem = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    named: dict[int | str, dict[str, Any]] = {
        460: {"description": "Checksum mismatch", "content": problem}
    }
    return {
        status: {"description": description, "headers": ALWAYS | dict(headers)},
        **describe(*(error for error in errors if error != 460)),
        **{error: named[error] for error in errors if error == 460},
    }


ANSWERS: Mapping[str, dict[int | str, dict[str, Any]]] = {
    "options": _answer(
        204,
        "What is possible here.",
        {
            name: {"schema": TEXT}
            for name in ("Tus-Version", "Tus-Extension", "Tus-Max-Size", "Tus-Checksum-Algorithm")
        },
    ),
    "create": _answer(
        201,
        "Announced; bytes go to `Location`.",
        {"Location": {"schema": TEXT}, **OFFSET, **FILM},
        400, 404, 409, 412, 413, 423, 503, 507, 460,
    ),
    "head": _answer(
        200,
        "Where it stands.",
        {"Upload-Length": {"schema": NUMBER}, **OFFSET, **FILM},
        404, 412, 423, 503, 507,
    ),
    "append": _answer(
        204,
        "What arrived is kept; with the last byte the film is taken and its analysis queued.",
        {**OFFSET, **FILM},
        400, 404, 409, 412, 413, 415, 423, 503, 507, 460,
    ),
    "delete": _answer(204, "Forgotten.", {}, 404, 412, 423, 503),
}  # fmt: skip
"""Answers of each operation."""


def _header(name: str, description: str, schema: Mapping[str, Any], required: bool) -> Any:  # noqa: ANN401
    return {
        "name": name, "in": "header", "required": required, "description": description,
        "schema": dict(schema),
    }  # fmt: skip


_VERSION = _header("Tus-Resumable", "1.0.0", {"type": "string", "enum": ["1.0.0"]}, True)
_CHECKSUM = _header(
    "Upload-Checksum", "`sha1` or `sha256`, a space, the part's hash in base64.", TEXT, False
)
_BODY = {"content": {"application/offset+octet-stream": {"schema": {**TEXT, "format": "binary"}}}}


def extra_of(operation: str) -> dict[str, Any]:
    """Return what the web framework cannot know of an operation: its headers and its body."""
    if operation == "create":
        length = _header("Upload-Length", "Bytes of the whole film.", NUMBER, True)
        metadata = _header(
            "Upload-Metadata",
            "Pairs of a name and a text in base64: `filename`, `title`, `sampling`.",
            TEXT,
            False,
        )
        return {"parameters": [_VERSION, length, metadata, _CHECKSUM], "requestBody": _BODY}
    if operation == "append":
        offset = _header("Upload-Offset", "Where the bytes belong.", NUMBER, True)
        return {"parameters": [_VERSION, offset, _CHECKSUM], "requestBody": _BODY}
    return {"parameters": [_VERSION]}
