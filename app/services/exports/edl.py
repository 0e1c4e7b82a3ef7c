"""Segments as an edit decision list (CMX 3600): a reel of selects for an editing program.

Each event cuts one segment out of the film, in time order, one behind the other on the record side;
so segments that overlap stand there both. Tag and score are comments.

Source:
    SMPTE 258M-2004 (the published form of CMX 3600): one line an event, non-drop-frame timecode.
"""

import re

from app.services.exports.content import Findings

REEL = "FILM"
"""A reel name has at most eight letters; the file's own name is a comment below each event."""

RECORD_START_S = 3600
"""By custom a programme starts at 01:00:00:00."""


def to_edl(findings: Findings) -> str:
    """Return the list; times are rounded to frames, and no event is shorter than one."""
    rate = findings.frame_rate
    nominal = max(1, round(rate))
    name = _plain(findings.film.filename or findings.film.title)
    lines = [f"TITLE: {_plain(findings.film.title)[:70]}", "FCM: NON-DROP FRAME", ""]
    record = RECORD_START_S * nominal
    for number, one in enumerate(findings.segments, start=1):
        first = round(one.start_s * rate)
        length = max(1, round(one.end_s * rate) - first)
        times = (first, first + length, record, record + length)
        codes = " ".join(timecode(frames, nominal) for frames in times)
        lines.append(f"{number:03}  {REEL:<8} V     C        {codes}")
        lines.append(f"* FROM CLIP NAME: {name}")
        lines.append(f"* COMMENT: {one.tag} {one.score:.3f} {one.source}")
        record += length
    return "\n".join(lines) + "\n"


def timecode(frames: int, nominal_rate: int) -> str:
    """Return ``hh:mm:ss:ff`` of a frame's number, counted without dropping any."""
    whole_s, rest = divmod(frames, nominal_rate)
    return f"{whole_s // 3600:02}:{whole_s // 60 % 60:02}:{whole_s % 60:02}:{rest:02}"


def _plain(text: str) -> str:
    """Return `text` on one line of printable ASCII: old programs read nothing else."""
    return re.sub(r"[^ -~]+", "_", text).strip() or "_"
