"""Cursors: where a list goes on, as a word that callers pass back and do not read.

Knows how the parts become a word and back; not what they mean.
"""

import base64
import json
from collections.abc import Sequence

from app.errors import InvalidRequest

Part = str | int | float


def write_cursor(parts: Sequence[Part]) -> str:
    """Return `parts` as one word that can stand in a URL."""
    text = json.dumps(list(parts), separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str, kinds: Sequence[type]) -> list[Part]:
    """Return the parts of a cursor.

    Args:
        cursor: What a caller passed back.
        kinds: The type each part has in this list.

    Raises:
        InvalidRequest: It was not given by this list.
    """
    try:
        padded = (cursor + "=" * (-len(cursor) % 4)).encode("ascii")
        parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, RecursionError) as exc:
        raise InvalidRequest("the cursor was not given by this list") from exc
    if not isinstance(parts, list) or [type(part) for part in parts] != list(kinds):
        raise InvalidRequest("the cursor was not given by this list")
    if not all(is_storable(part) for part in parts if isinstance(part, str)):
        raise InvalidRequest("the cursor was not given by this list")
    return parts


def is_storable(text: str) -> bool:
    """Whether a database can hold `text`: PostgreSQL takes no NUL, no encoding a lone surrogate."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)
