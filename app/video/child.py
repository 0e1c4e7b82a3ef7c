"""The decoder's child process: ``python -m app.video.child``, started by `video/sandbox.py`.

Reads one request, decodes, writes messages, ends. Imports PyAV and NumPy and nothing else that is
heavy. Knows no database, no network and no storage; the film comes as an open descriptor.
"""

import os
import sys
import time
import traceback
from fractions import Fraction
from typing import BinaryIO

from app.domain.films import Sampling
from app.domain.shots import ShotFrames, Span
from app.errors import NoFrames, TooManyCorruptFrames, UnsupportedVideo, VideoError
from app.video.confinement import confine, end_with_parent, limit_cpu
from app.video.protocol import Request, write_message
from app.video.reading import Tally, read_shots
from app.video.source import FilmSource

POSITION_EVERY_S = 0.25
"""Wall seconds between two messages of where decoding stands."""

EARLY_END_S = 2.0
EARLY_END_SHARE = 0.02
"""A film that ends earlier than its header says by more than both is reported as cut off; the
duration of some containers is that of the sound, which may outlast the pictures a little."""


def main() -> int:
    """Serve one request; 0 also where the film is refused, because that is an answer."""
    request = Request.from_json(sys.stdin.buffer.read())
    end_with_parent(request.parent_pid)
    confine(request.limits.memory_bytes, request.limits.max_duration_s)
    # Our own descriptor: what a library prints must not reach the parent's messages.
    output = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    try:
        _serve(request, output)
    except VideoError as exc:
        write_message(output, {"kind": "error", "code": exc.code, "detail": str(exc)})
    except MemoryError:
        detail = "decoding it needs more memory than is allowed"
        write_message(output, {"kind": "error", "code": UnsupportedVideo.code, "detail": detail})
    except BrokenPipeError:
        return 1
    except Exception as exc:
        place = traceback.extract_tb(exc.__traceback__)[-1]
        detail = f"{type(exc).__name__}: {exc} ({place.name}, line {place.lineno})"
        write_message(output, {"kind": "error", "code": "decoder_crashed", "detail": detail[:500]})
    return 0


def _serve(request: Request, output: BinaryIO) -> None:
    source = FilmSource(request.fd, request.limits)
    if request.action == "probe":
        probe = source.probe
        fields = {name: getattr(probe, name) for name in probe.__dataclass_fields__}
        write_message(output, {"kind": "probe", "probe": fields})
        return
    limit_cpu(source.probe.duration_s or request.limits.max_duration_s)
    _send_shots(source, request, output)


def _send_shots(source: FilmSource, request: Request, output: BinaryIO) -> None:
    last_sent_s = 0.0

    def tell_position(position: Fraction) -> None:
        nonlocal last_sent_s
        now_s = time.monotonic()
        if now_s - last_sent_s >= POSITION_EVERY_S:
            last_sent_s = now_s
            write_message(output, {"kind": "position", "time_s": float(position)})

    span = Span(request.start_s, request.end_s)
    tally = Tally()
    sampling = Sampling.parse(request.sampling)
    for found in read_shots(source, sampling, span, tally, tell_position):
        _send_shot(found, output)
    whole = span.start_s <= 0 and tally.reached_end
    if whole and not tally.frame_count:
        raise NoFrames("not one frame could be decoded; the file may be damaged or encrypted")
    if whole and tally.corrupt_count > tally.frame_count:
        total = tally.corrupt_count + tally.frame_count
        raise TooManyCorruptFrames(f"{tally.corrupt_count} of {total} frames are damaged")
    write_message(
        output,
        {
            "kind": "done",
            "frame_count": tally.frame_count,
            "corrupt_count": tally.corrupt_count,
            "end_s": float(tally.end_s),
            "warnings": _warnings(source, span, tally),
        },
    )


def _send_shot(found: ShotFrames, output: BinaryIO) -> None:
    frames = [[frame.time_s, *frame.picture.shape[:2]] for frame in found.key_frames]
    fields = {
        "kind": "shot",
        "start_s": found.shot.start_s,
        "end_s": found.shot.end_s,
        "frames": frames,
    }
    write_message(output, fields, *(frame.picture.tobytes() for frame in found.key_frames))


def _warnings(source: FilmSource, span: Span, tally: Tally) -> list[str]:
    warnings = []
    if tally.corrupt_count:
        warnings.append(f"{tally.corrupt_count} damaged frames were left out")
    elif source.damaged_packets:
        warnings.append("parts of the file are damaged")
    if source.disordered_count:
        warnings.append(f"{source.disordered_count} frames whose time runs back were left out")
    if not source.seekable:
        warnings.append("the file gives its frames no times; they were counted at its frame rate")
    told_s, end_s = source.probe.duration_s, float(tally.end_s)
    if tally.reached_end and tally.frame_count and told_s is not None:
        missing_s = told_s - end_s
        if missing_s > max(EARLY_END_S, EARLY_END_SHARE * told_s):
            warnings.append(
                f"the file ends early: {end_s:.1f} of {told_s:.1f} seconds could be read"
            )
    return warnings


if __name__ == "__main__":
    sys.exit(main())
