"""Which keys an object may have: plain words between slashes, so that none leads anywhere else."""

import re

MAX_KEY_BYTES = 900
"""Below S3's limit of 1024 for prefix and key together."""

_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")


def checked(key: str) -> str:
    """Return `key` where it is one.

    Raises:
        ValueError: It is absolute, has an empty or hidden part, ``..``, NUL or other letters than
            ``A-Z a-z 0-9 . _ -``, or is too long.
    """
    if len(key) > MAX_KEY_BYTES or not all(_WORD.fullmatch(word) for word in key.split("/")):
        raise ValueError(f"not an object key: {key[:100]!r}")
    return key


def checked_prefix(prefix: str) -> str:
    """Return `prefix` where it is words that each end in a slash.

    Raises:
        ValueError: It is not, or it is empty.
    """
    if not prefix.endswith("/"):
        raise ValueError(f"a prefix ends in a slash: {prefix[:100]!r}")
    checked(prefix[:-1])
    return prefix
