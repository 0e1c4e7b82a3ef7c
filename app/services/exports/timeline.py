"""Segments as an OpenTimelineIO timeline: one track for each tag, a clip for each segment.

Clips point at the film's file by its name and lie where they lie in the film, gaps between them.
Scores stand in the clips' metadata under ``reeltag``.
"""

from typing import Any

from app.domain.tags import Segment
from app.errors import InvalidRequest
from app.services.exports.content import Findings


def to_otio(findings: Findings) -> str:
    """Return the timeline as OTIO's JSON; times are whole frames of the film's rate.

    Raises:
        InvalidRequest: The library is not there: it comes later to a new Python than others.
    """
    try:
        import opentimelineio as otio  # a tenth of a second that only this export pays
    except ImportError as exc:
        raise InvalidRequest("this server runs without opentimelineio: no otio export") from exc

    rate = findings.frame_rate
    film = findings.film
    timeline = otio.schema.Timeline(name=film.title)
    timeline.metadata["reeltag"] = {
        "film_id": film.id,
        "sha256": film.sha256,
        "model_version": film.model_version or "",
        "tags": [{"tag": tag.tag, "score": tag.score, "source": tag.source}
                 for tag in findings.tags],
    }  # fmt: skip
    available = _range(otio, 0, max(1, round(findings.duration_s * rate)), rate)
    for tag in dict.fromkeys(one.tag for one in findings.segments):
        track = otio.schema.Track(name=tag, kind=otio.schema.TrackKind.Video)
        at = 0
        for one in findings.segments:
            if one.tag != tag:
                continue
            first = max(at, round(one.start_s * rate))
            length = max(1, round(one.end_s * rate) - first)
            if first > at:
                track.append(otio.schema.Gap(source_range=_range(otio, 0, first - at, rate)))
            track.append(_clip(otio, one, film.filename, _range(otio, first, length, rate),
                               available))  # fmt: skip
            at = first + length
        timeline.tracks.append(track)
    text: str = otio.adapters.write_to_string(timeline, "otio_json")
    return text


def _clip(otio: Any, one: Segment, filename: str, source: Any, available: Any) -> Any:  # noqa: ANN401
    clip = otio.schema.Clip(
        name=one.tag,
        media_reference=otio.schema.ExternalReference(
            target_url=filename, available_range=available
        ),
        source_range=source,
    )
    clip.metadata["reeltag"] = {"tag": one.tag, "score": one.score, "source": one.source}
    return clip


def _range(otio: Any, first: int, length: int, rate: float) -> Any:  # noqa: ANN401
    return otio.opentime.TimeRange(
        otio.opentime.RationalTime(first, rate), otio.opentime.RationalTime(length, rate)
    )
