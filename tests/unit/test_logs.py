"""No secret reaches the log, whoever writes the line."""

import io
import logging

import pytest

from app.logs import DiscreetFormatter, configure_logging, without_secrets
from app.services.keys import PREFIX

KEY = PREFIX + "Zk3v9Qw-8s7dF6gH5jK4lP3oI2uY1tR0eWqAsDfGhJk"


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        (f"the caller sent {KEY}", KEY[len(PREFIX) :]),
        (f"headers: {{'authorization': 'Bearer {KEY}'}}", KEY[len(PREFIX) :]),
        ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("posting with whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "MfKQ9r8GKYqr"),
        ("postgresql+psycopg://reeltag:hunter2@db:5432/reeltag is away", "hunter2"),
        ("s3 at https://user:p@ss/word@minio:9000/bucket", "p@ss/word"),
        ("redis://:onlyapassword@cache", "onlyapassword"),
        ("GET /hook?token=abc123def&x=1", "abc123def"),
        ("https://b.s3.example/f?X-Amz-Credential=AKIA123%2F1&X-Amz-Signature=0a1b2c", "0a1b2c"),
        ("config {'aws_secret_access_key': 'wJalrXUtnFEMI', 'region': 'x'}", "wJalrXUtnFEMI"),
        ("Cookie: reeltag_key=short; theme=dark", "short"),
        ("webhook(secret='hush', url='http://x')", "hush"),
        ("password: open-sesame", "open-sesame"),
    ],
)
def test_a_secret_is_taken_out_of_a_line(line: str, secret: str):
    shown = without_secrets(line)
    assert secret not in shown
    assert "***" in shown


@pytest.mark.parametrize(
    "line",
    [
        "film 0198f6a1b2c37d4e8f90a1b2c3d4e5f6 is done: 12 shots, 3 tags",
        "http://127.0.0.1:8000/docs",
        "POST /v1/films: rate_limited: this key may send 5 requests a minute",
        "the worker ended with 1; it is started again in 2 s",
        "key 0a1b2c3d4e5f was revoked",
        "/var/lib/reeltag/reeltag.sqlite3",
    ],
)
def test_a_line_without_a_secret_stays_as_it_is(line: str):
    assert without_secrets(line) == line


def test_neither_arguments_nor_stack_traces_carry_a_secret_into_the_log():
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(DiscreetFormatter("%(message)s"))
    logger = logging.Logger("of-a-library")
    logger.addHandler(handler)
    try:
        raise ValueError(f"cannot reach postgresql://reeltag:hunter2@db with {KEY}")
    except ValueError:
        logger.exception("call with %s failed", f"Bearer {KEY}")
    text = stream.getvalue()
    assert "hunter2" not in text
    assert KEY[len(PREFIX) :] not in text
    assert "Traceback" in text


def test_the_service_logs_through_it(capsys: pytest.CaptureFixture[str]):
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        configure_logging("INFO")
        logging.getLogger("urllib3.anything").warning("GET https://user:hunter2@host/")
        logging.getLogger("reeltag.api").info("with %s", KEY)
    finally:
        for handler in root.handlers[:]:
            root.removeHandler(handler)
        for handler in before:
            root.addHandler(handler)
        root.setLevel(level)
    text = capsys.readouterr().err
    assert "user:***@host" in text
    assert f"{PREFIX}***" in text
