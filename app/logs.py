"""Where log lines go: standard error, one line each, without a secret in it.

Knows the form of a line and what secrets look like, and nothing of who writes one.
"""

import logging
import re
import sys

LINE = "%(asctime)s %(levelname)-7s %(process)d %(name)s: %(message)s"

LOUD = ("alembic", "botocore", "boto3", "urllib3", "uvicorn.access")
"""Libraries that tell in INFO what only their authors need."""

HIDDEN = "***"

_NAMES = (
    r"api[_-]?key|access[_-]?key|secret[_-]?(?:access[_-]?)?key|password|passwd|pwd|secret|token"
    r"|reeltag_key|signature|x-amz-signature|x-amz-credential|x-amz-security-token"
)

SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    # API keys, and secrets of webhooks in the common form of Standard Webhooks
    (re.compile(r"\b(reeltag_|whsec_)[A-Za-z0-9_\-+/=]{24,}"), rf"\1{HIDDEN}"),
    # the password of an address: scheme://user:password@host, also with @ and / in the password
    (re.compile(r"([a-z][a-z0-9+.\-]*://[^\s:/@\"']*):[^\s\"']+@", re.IGNORECASE),
     rf"\1:{HIDDEN}@"),
    (re.compile(r"\b(Bearer|Basic|Digest)(\s+)[A-Za-z0-9._~+/=\-]{6,}", re.IGNORECASE),
     rf"\1\2{HIDDEN}"),
    # name=value and "name": "value", whatever the quotes
    (re.compile(rf"((?:{_NAMES})[\"']?\s*[=:]\s*b?[\"']?)[^\s\"'&,;)}}\]]+", re.IGNORECASE),
     rf"\1{HIDDEN}"),
)  # fmt: skip
"""What a secret looks like, and what is written in its place."""


def without_secrets(text: str) -> str:
    """Return `text` with every secret that can be recognised taken out."""
    for pattern, instead in SECRETS:
        text = pattern.sub(instead, text)
    return text


class DiscreetFormatter(logging.Formatter):
    """Writes a line, its stack trace too, without secrets.

    At the last moment: whoever logs, libraries and exceptions among them, cannot get around it.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return without_secrets(super().format(record))


def configure_logging(level: str) -> None:
    """Send log lines of this process to standard error.

    Args:
        level: Name of the least important level that is written.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(DiscreetFormatter(LINE))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in LOUD:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))
