"""Chapters as the XML that `mkvmerge --chapters` and `mkvpropedit` put into a Matroska file.

Source:
    RFC 9559, sections 5.1.7 (chapters) and 20 (chapter flags); MKVToolNix manual, "XML chapters".
"""

import zlib
from xml.etree import ElementTree

from app.services.exports.content import Chapter, Findings, chapters


def to_matroska(findings: Findings) -> str:
    """Return one edition of chapters that do not overlap, each named by its tag."""
    root = ElementTree.Element("Chapters")
    found = chapters(findings.segments)
    if found:  # an edition without chapters is refused by mkvmerge
        _add_edition(root, findings.film.sha256, found)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _add_edition(root: ElementTree.Element, name: str, found: list[Chapter]) -> None:
    edition = ElementTree.SubElement(root, "EditionEntry")
    _add(edition, "EditionUID", _uid(f"{name}/edition"))
    _add(edition, "EditionFlagDefault", "1")
    for number, chapter in enumerate(found):
        _add_chapter(edition, chapter, _uid(f"{name}/{number}/{chapter.title}"))


def timestamp(seconds: float) -> str:
    """Return ``hh:mm:ss.nnnnnnnnn``, nanoseconds as Matroska counts them."""
    whole_ns = round(seconds * 1_000_000) * 1000  # float seconds are not exact to a nanosecond
    whole_s, ns = divmod(whole_ns, 1_000_000_000)
    return f"{whole_s // 3600:02}:{whole_s // 60 % 60:02}:{whole_s % 60:02}.{ns:09}"


def _add_chapter(edition: ElementTree.Element, chapter: Chapter, uid: str) -> None:
    atom = ElementTree.SubElement(edition, "ChapterAtom")
    _add(atom, "ChapterUID", uid)
    _add(atom, "ChapterTimeStart", timestamp(chapter.start_s))
    _add(atom, "ChapterTimeEnd", timestamp(chapter.end_s))
    display = ElementTree.SubElement(atom, "ChapterDisplay")
    _add(display, "ChapterString", chapter.title)
    _add(display, "ChapterLanguage", "eng")


def _add(parent: ElementTree.Element, name: str, text: str) -> None:
    ElementTree.SubElement(parent, name).text = text


def _uid(text: str) -> str:
    """Return a number above 0 that is the same for the same film: files do not change in vain."""
    return str(zlib.crc32(text.encode()) + 1)
