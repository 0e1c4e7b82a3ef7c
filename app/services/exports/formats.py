"""The formats a film's findings can be exported in, by the word that asks for them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from app.services.exports import document, edl, matroska, nfo, table, timeline, webvtt
from app.services.exports.content import Findings


@dataclass(frozen=True, slots=True)
class Format:
    """A format.

    Attributes:
        media_type: Its name in HTTP.
        suffix: What follows the film's name without its ending; players know some of them.
        write: Findings -> the text of the file.
    """

    media_type: str
    suffix: str
    write: Callable[[Findings], str]


FORMATS: Mapping[str, Format] = {
    "json": Format("application/json", ".reeltag.json", document.to_json),
    "csv": Format("text/csv; charset=utf-8", ".reeltag.csv", table.to_csv),
    "nfo": Format("application/xml", ".nfo", nfo.to_nfo),
    "vtt": Format("text/vtt; charset=utf-8", ".reeltag.vtt", webvtt.to_chapters),
    "vtt-metadata": Format("text/vtt; charset=utf-8", ".reeltag-metadata.vtt", webvtt.to_metadata),
    "chapters": Format("application/xml", ".chapters.xml", matroska.to_matroska),
    "edl": Format("text/plain; charset=utf-8", ".edl", edl.to_edl),
    "otio": Format("application/json", ".otio", timeline.to_otio),
}
"""Every format, by its word."""
