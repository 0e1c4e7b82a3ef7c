"""WebVTT: chapters that a player lists, and metadata that a page's script reads.

Source:
    W3C, "WebVTT: The Web Video Text Tracks Format", sections 1.5 (chapters), 1.6 (metadata), 3.
"""

import json

from app.services.exports.content import Findings, chapters

HEAD = "WEBVTT"


def to_chapters(findings: Findings) -> str:
    """Return a chapters track: stretches that do not overlap, each named by its tag."""
    cues = [(one.start_s, one.end_s, _escaped(one.title)) for one in chapters(findings.segments)]
    return _track(cues)


def to_metadata(findings: Findings) -> str:
    """Return a metadata track: one cue for each segment, its text a JSON object on one line."""
    cues = [
        (
            one.start_s,
            one.end_s,
            json.dumps({"tag": one.tag, "score": round(one.score, 6), "source": one.source}),
        )
        for one in findings.segments
    ]
    return _track(cues)


def timestamp(seconds: float) -> str:
    """Return ``hh:mm:ss.ttt``; hours have as many digits as they need, at least two."""
    whole_ms = round(seconds * 1000)
    minutes, ms = divmod(whole_ms, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{ms // 1000:02}.{ms % 1000:03}"


def _track(cues: list[tuple[float, float, str]]) -> str:
    blocks = [HEAD]
    for start_s, end_s, text in cues:
        start, end = timestamp(start_s), timestamp(end_s)
        if start == end:
            continue  # a cue ends after it starts; nothing of a millisecond can be shown
        blocks.append(f"{len(blocks)}\n{start} --> {end}\n{text}")
    return "\n\n".join(blocks) + "\n"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
