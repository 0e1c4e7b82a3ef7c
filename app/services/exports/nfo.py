"""Kodi's and Jellyfin's NFO: tags of a film beside its file, merged into what is there already.

An NFO that exists belongs to its owner: not one of its bytes is changed or lost, tags are only put
in. So the XML is not parsed and written anew; a parser only finds where the tags belong.

Source:
    Kodi wiki, "NFO files/Movies": `<tag>` may stand several times; an address may follow the XML.
"""

import codecs
import re
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import escape

from app.errors import InvalidRequest
from app.services.exports.content import Findings

ROOT = "movie"
TAG = "tag"


def to_nfo(findings: Findings) -> str:
    """Return a new NFO with title, length in minutes and tags."""
    minutes = round(findings.duration_s / 60)
    lines = ['<?xml version="1.0" encoding="UTF-8" standalone="yes"?>', f"<{ROOT}>",
             f"  <title>{escape(_printable(findings.film.title))}</title>"]  # fmt: skip
    if minutes:
        lines.append(f"  <runtime>{minutes}</runtime>")
    lines += [f"  <{TAG}>{escape(tag.tag)}</{TAG}>" for tag in findings.tags]
    return "\n".join([*lines, f"</{ROOT}>"]) + "\n"


def merge(existing: bytes, findings: Findings) -> bytes:
    """Return `existing` with the film's tags put in; everything else is as it was, byte by byte.

    Tags that stand there, whatever their case, are not put in again. A file with only an address,
    which Kodi takes too, gets a whole NFO before the address.

    Raises:
        InvalidRequest: It is no NFO that can be understood; better leave it alone.
    """
    encoding = _encoding_of(existing)
    if not existing.decode(encoding, "replace").strip("\ufeff \t\r\n"):
        return to_nfo(findings).encode()
    if "<" not in existing.decode(encoding, "replace"):
        return to_nfo(findings).encode() + existing
    place = _Place()
    place.find(existing)
    missing = [tag.tag for tag in findings.tags if tag.tag.casefold() not in place.words]
    if not missing:
        return existing
    newline = "\r\n" if "\r\n" in existing.decode(encoding, "replace") else "\n"
    lines = "".join(f"  <{TAG}>{escape(tag)}</{TAG}>{newline}" for tag in missing)
    head, tail = existing[: place.end], existing[place.end :]
    if place.is_empty:  # <movie/> becomes <movie>...</movie>
        text = tail.decode(encoding)
        opened = re.sub(r"\s*/>", ">", text, count=1)
        at = opened.index(">") + 1
        tail = f"{opened[:at]}{newline}{lines}</{place.root}>{opened[at:]}".encode(encoding)
        return head + tail
    indent = "" if head.decode(encoding, "replace").endswith(("\n", "\r")) else newline
    return head + f"{indent}{lines}".encode(encoding) + tail


@dataclass(slots=True)
class _Place:
    """Where in an NFO tags belong: before the end of its first element."""

    root: str = ""
    start: int = -1
    end: int = -1
    is_empty: bool = False
    words: set[str] = field(default_factory=set)
    _depth: int = 0
    _text: list[str] | None = None

    def find(self, content: bytes) -> None:
        parser = expat.ParserCreate()
        parser.buffer_text = True

        def start(name: str, _attributes: dict[str, str]) -> None:
            self._depth += 1
            if self._depth == 1 and not self.root:
                self.root = name
                self.start = parser.CurrentByteIndex
            self._text = [] if self._depth == 2 and name.casefold() == TAG else self._text

        def text(content: str) -> None:
            if self._text is not None:
                self._text.append(content)

        def end(name: str) -> None:
            if self._depth == 2 and self._text is not None:
                self.words.add("".join(self._text).strip().casefold())
                self._text = None
            self._depth -= 1
            if self._depth == 0 and self.end < 0:
                self.end = parser.CurrentByteIndex

        def no_doctype(*_: object) -> None:
            raise InvalidRequest("the NFO declares a document type, which no NFO needs")

        parser.StartElementHandler = start
        parser.EndElementHandler = end
        parser.CharacterDataHandler = text
        parser.StartDoctypeDeclHandler = no_doctype
        try:
            parser.Parse(content, True)
        except expat.ExpatError as exc:
            if self.end < 0:  # what comes behind the first element is none of our business
                raise InvalidRequest(f"the NFO cannot be understood: {exc}") from exc
        opening = content[self.end : self.end + 4].replace(b"\0", b"")
        if not opening.startswith(b"</"):
            self.is_empty, self.end = True, self.start


def _encoding_of(content: bytes) -> str:
    """Return the encoding to write in: tags are ASCII, so every one that has ASCII will do."""
    if content.startswith(codecs.BOM_UTF16_LE):
        return "utf-16-le"
    if content.startswith(codecs.BOM_UTF16_BE):
        return "utf-16-be"
    return "latin-1"  # keeps each byte of an encoding that has ASCII as it is


def _printable(text: str) -> str:
    """Leave out what XML 1.0 cannot hold."""
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text)
