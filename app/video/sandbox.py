"""`FilmReader` whose decoder is a child process: one process for each reading.

A film that crashes, stalls or fills its decoder ends that process and nothing else. Knows how to
start, watch and end it, and what its messages mean; never imports PyAV. What the child does is in
`video/child.py`, its limits in `video/confinement.py`.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from app.domain.films import FilmProbe, Sampling
from app.domain.shots import KeyFrame, Shot, ShotFrames, Span
from app.errors import (
    DecoderCrashed,
    DecodeTimedOut,
    FilmTooLong,
    NoFrames,
    NotAVideo,
    NoVideoTrack,
    PictureTooLarge,
    TooManyCorruptFrames,
    UnsupportedVideo,
    VideoError,
)
from app.ports import ReadReport
from app.video.protocol import DecodeLimits, Message, ProtocolError, Request, read_message

ERRORS: dict[str, type[VideoError]] = {
    error.code: error
    for error in (
        NotAVideo, NoVideoTrack, UnsupportedVideo, PictureTooLarge, FilmTooLong, NoFrames,
        TooManyCorruptFrames, DecoderCrashed, DecodeTimedOut,
    )
}  # fmt: skip
"""What the child's error codes are called here."""

WAIT_BASE_S = 600.0
WAIT_PER_FILM_SECOND = 30.0
"""Wall seconds that a reading may make its caller wait: a base, and for each second of film."""

READ_BYTES = 1 << 20


class SandboxedReader:
    """Decodes films in child processes; safe from any thread."""

    def __init__(
        self,
        max_duration_s: float = 12 * 3600.0,
        max_pixels: int = 8192 * 4320,
        memory_bytes: int = 2 << 30,
        stall_s: float = 60.0,
    ) -> None:
        """Take the limits for every film.

        Args:
            max_duration_s: Longest film, in seconds.
            max_pixels: Most pixels of a picture, as stored.
            memory_bytes: Address space a decoder may take beyond its start.
            stall_s: Seconds without a frame after which a decoder is stopped.
        """
        self._limits = DecodeLimits(max_duration_s, max_pixels, memory_bytes, stall_s)

    def probe(self, path: Path) -> FilmProbe:
        """Read what the file says of itself, and decode its first frame.

        Raises:
            VideoError: It is not a film, or one beyond the limits.
        """
        with self._child(path, "probe") as child:
            message = child.next_message()
            if message.kind != "probe":
                raise DecoderCrashed("the decoder answered something else")
            return FilmProbe(**message.fields["probe"])

    @contextmanager
    def read_shots(
        self,
        path: Path,
        sampling: Sampling,
        span: Span,
        report: ReadReport,
        on_position: Callable[[float], None],
    ) -> Iterator[Iterator[ShotFrames]]:
        """Decode the shots that start within `span`; see `app.ports.FilmReader`.

        `report` counts frames whose time lies in the span, so reports of neighbouring spans add up
        to that of the film. `TooManyCorruptFrames` and `NoFrames` are raised by a reading that
        starts at 0 and reaches the end; over several spans the caller adds up the reports.
        """
        with self._child(path, "shots", sampling, span) as child:
            yield _shots(child, report, on_position)

    @contextmanager
    def _child(
        self,
        path: Path,
        action: str,
        sampling: Sampling | None = None,
        span: Span | None = None,
    ) -> Iterator["_Child"]:
        with path.open("rb") as film:
            request = Request(
                action=action,
                fd=film.fileno(),
                parent_pid=os.getpid(),
                limits=self._limits,
                sampling=str(sampling) if sampling else "shots",
                start_s=span.start_s if span else 0.0,
                end_s=span.end_s if span else None,
            )
            child = _Child(request)
        try:
            yield child
        finally:
            child.end()


def _shots(
    child: "_Child", report: ReadReport, on_position: Callable[[float], None]
) -> Iterator[ShotFrames]:
    """Turn messages into shots until the child is done."""
    while True:
        message = child.next_message()
        if message.kind == "position":
            on_position(float(message.fields["time_s"]))
        elif message.kind == "shot":
            yield _shot_of(message)
        elif message.kind == "done":
            fields = message.fields
            report.frame_count = int(fields["frame_count"])
            report.corrupt_count = int(fields["corrupt_count"])
            report.end_s = float(fields["end_s"])
            report.warnings.extend(str(warning) for warning in fields["warnings"])
            on_position(report.end_s)
            return
        else:
            raise DecoderCrashed("the decoder answered something else")


def _shot_of(message: Message) -> ShotFrames:
    fields, start = message.fields, 0
    frames = []
    try:
        for time_s, height, width in fields["frames"]:
            size = height * width * 3
            pixels = np.frombuffer(message.blob, np.uint8, size, start)
            frames.append(KeyFrame(float(time_s), pixels.reshape(height, width, 3)))
            start += size
        return ShotFrames(Shot(fields["start_s"], fields["end_s"]), tuple(frames))
    except (KeyError, TypeError, ValueError) as exc:
        raise DecoderCrashed(f"the decoder sent a broken shot: {exc}") from exc


class _Child:
    """One decoder process and its messages."""

    def __init__(self, request: Request) -> None:
        limits = request.limits
        self._stall_s = limits.stall_s
        self._waited_s = 0.0
        self._max_wait_s = WAIT_BASE_S + WAIT_PER_FILM_SECOND * limits.max_duration_s
        self._complaints, stderr = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "app.video.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            pass_fds=(request.fd,),
            env=_child_environment(),
            start_new_session=True,
        )
        os.close(stderr)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._output = self._process.stdout.fileno()
        with contextlib.suppress(BrokenPipeError), self._process.stdin as requests:
            requests.write(request.to_json())

    def next_message(self) -> Message:
        """Wait for the next message.

        Raises:
            VideoError: The child refused the film, died or made no progress.
        """
        try:
            message = read_message(self._read_exactly)
        except ProtocolError as exc:
            raise DecoderCrashed(f"the decoder wrote {exc}") from exc
        if message.kind == "error":
            error = ERRORS.get(str(message.fields.get("code")), DecoderCrashed)
            raise error(str(message.fields.get("detail")))
        return message

    def end(self) -> None:
        """Kill the child and all it started; none is left when this returns."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        os.close(self._complaints)

    def _read_exactly(self, size: int) -> bytearray:
        content = bytearray()
        waiting = select.poll()
        waiting.register(self._output, select.POLLIN | select.POLLHUP)
        while len(content) < size:
            started_s = time.monotonic()
            ready = waiting.poll(self._stall_s * 1000)
            self._waited_s += time.monotonic() - started_s
            if not ready:
                raise DecodeTimedOut(f"no frame came for {self._stall_s:.0f} seconds")
            if self._waited_s > self._max_wait_s:
                raise DecodeTimedOut(f"decoding took more than {self._max_wait_s:.0f} seconds")
            piece = os.read(self._output, min(READ_BYTES, size - len(content)))
            if not piece:
                raise self._death()
            content += piece
        return content

    def _death(self) -> VideoError:
        code = self._process.wait()
        if code == -signal.SIGXCPU:
            return DecodeTimedOut("the decoder used more processor time than the film may take")
        if code < 0:
            return DecoderCrashed(f"the decoder was ended by {signal.Signals(-code).name}")
        return DecoderCrashed(f"the decoder ended with code {code}{self._last_complaint()}")

    def _last_complaint(self) -> str:
        """Return the last line the child wrote on its standard error."""
        with contextlib.suppress(BlockingIOError):
            text = os.read(self._complaints, 1 << 16).decode(errors="replace").strip()
            return f": {text.splitlines()[-1][:300]}" if text else ""
        return ""


def _child_environment() -> dict[str, Any]:
    """Give the child what Python needs and none of the service's secrets."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {
        **kept,
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
        "LC_ALL": "C.UTF-8",
    }
