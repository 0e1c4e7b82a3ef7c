"""The two catalogues of the pages hold the same words, and every word that a page names."""

import re
from pathlib import Path

import pytest

from app.errors import VideoError
from models.vocabulary import TAGS

STATIC = Path(__file__).parents[2] / "app" / "web" / "static"

KEY = re.compile(r'(?:^|[{,])\s*(?:(\w+)|"([^"]+)"): "', re.MULTILINE)


def keys_of(language: str, part: str) -> list[str]:
    text = (STATIC / f"words-{language}.js").read_text(encoding="utf-8")
    body = re.search(rf"^  {part}: \{{(.*?)\}},$", text, re.MULTILINE | re.DOTALL)
    assert body, part
    without_texts = re.sub(r': "(?:[^"\\]|\\.)*"', ': "', body.group(1))
    return [plain or quoted for plain, quoted in KEY.findall(without_texts)]


@pytest.mark.parametrize("part", ["words", "problems"])
def test_the_languages_have_the_same_keys_each_once(part: str):
    english, spanish = keys_of("en", part), keys_of("es", part)
    assert len(english) > 15
    assert sorted(english) == sorted(set(english))
    assert sorted(spanish) == sorted(english)


def test_every_tag_has_a_spanish_word():
    assert sorted(keys_of("es", "tags")) == sorted(TAGS)


def test_every_reason_why_a_film_fails_is_told_in_both_languages():
    codes = {kind.code for kind in VideoError.__subclasses__()}
    assert codes <= set(keys_of("es", "problems"))


def test_every_word_that_a_page_names_is_in_the_catalogue():
    known = set(keys_of("en", "words"))
    named = set()
    for page in STATIC.glob("*.html"):
        named |= set(re.findall(r'data-t(?:-label|-hint)?="(\w+)"', page.read_text("utf-8")))
    for script in STATIC.glob("*.js"):
        named |= set(re.findall(r'\bt\("(\w+)"', script.read_text(encoding="utf-8")))
    assert len(named) > 60
    assert named <= known


def test_the_pages_have_no_script_or_style_inline():
    for page in STATIC.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"<style|<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=", text), page.name
    for script in STATIC.glob("*.js"):
        text = script.read_text(encoding="utf-8")
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|eval\(|https?://(?!www\.w3\.org/2000/svg)",
            text,
        ), script.name
