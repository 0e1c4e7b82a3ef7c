"""Findings as one JSON document, in the shape that `reeltag tag --json` prints."""

import json
from typing import Any

from app.services.exports.content import Findings


def to_json(findings: Findings) -> str:
    """Return the document as text."""
    return json.dumps(document(findings), ensure_ascii=False)


def document(findings: Findings) -> dict[str, Any]:
    """Return the document as plain values."""
    film = findings.film
    return {
        "film": film.filename,
        "duration_s": film.duration_s,
        "model_version": film.model_version,
        "sampling": film.sampling,
        "shots": [{"start_s": one.start_s, "end_s": one.end_s} for one in findings.shots],
        "tags": [
            {
                "tag": tag.tag,
                "score": tag.score,
                "coverage_s": tag.coverage_s,
                "shot_count": tag.shot_count,
                "first_s": tag.first_s,
                "source": tag.source,
            }
            for tag in findings.tags
        ],
        "segments": [
            {
                "tag": one.tag,
                "start_s": one.start_s,
                "end_s": one.end_s,
                "score": one.score,
                "source": one.source,
            }
            for one in findings.segments
        ],
        "frames": [
            {
                "time_s": frame.time_s,
                "tags": [
                    {"tag": tag.tag, "score": tag.score, "source": tag.source} for tag in frame.tags
                ],
            }
            for frame in findings.frames
        ],
    }
