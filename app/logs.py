"""Where log lines go: standard error, one line each.

Knows the form of a line and nothing of who writes one.
"""

import logging
import sys

LINE = "%(asctime)s %(levelname)-7s %(process)d %(name)s: %(message)s"

LOUD = ("alembic", "botocore", "boto3", "urllib3", "uvicorn.access")
"""Libraries that tell in INFO what only their authors need."""


def configure_logging(level: str) -> None:
    """Send log lines of this process to standard error.

    Args:
        level: Name of the least important level that is written.
    """
    logging.basicConfig(level=level, format=LINE, stream=sys.stderr, force=True)
    for name in LOUD:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))
