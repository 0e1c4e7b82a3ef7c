"""`python -m tests.screenshots` makes the pictures of the README, in `docs/images`.

Draws some films, has a real service tag them, and takes pictures of its pages in Chromium.
"""

import io
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, Page

from tests.browser import PATIENCE_MS, chromium, find_chromium, wait_for
from tests.media import DrawnShot, Encoding, draw_film, sample_film
from tests.processes import Library, library

IMAGES = Path(__file__).parents[1] / "docs" / "images"

MOST_BYTES = 200_000

DESKTOP = {"width": 1180, "height": 780}
PHONE = {"width": 390, "height": 780}

FILMS: dict[str, Sequence[DrawnShot]] = {
    "Weekend on the coast": (
        DrawnShot(4, "beach", 21), DrawnShot(3, "pool", 22), DrawnShot(3, "beach", 23),
    ),
    "Over the hills": (
        DrawnShot(4, "valley", 31), DrawnShot(3, "forest", 32), DrawnShot(3, "valley", 33),
    ),
    "The last dune": (DrawnShot(4, "desert", 41), DrawnShot(3, "desert", 42)),
    "Night shift": (
        DrawnShot(3, "city", 51), DrawnShot(3, "explosion", 52), DrawnShot(3, "city", 53),
    ),
    "Saturday, all night": (DrawnShot(4, "dance", 61), DrawnShot(3, "dance", 62)),
    "Under the trees": (DrawnShot(4, "forest", 71), DrawnShot(3, "forest", 72)),
    "Lane four": (DrawnShot(4, "pool", 81), DrawnShot(3, "pool", 82)),
}  # fmt: skip
"""Title and shots of each film of the library that is shown."""


@dataclass(frozen=True)
class Shot:
    """One picture: which page, how it is looked at, and what is done before it is taken."""

    name: str
    path: str
    sign: str
    scheme: Literal["light", "dark"] = "light"
    viewport: dict[str, int] = field(default_factory=lambda: DESKTOP)
    locale: str = "en-GB"
    whole: bool = False


def pictures(film_id: str) -> list[Shot]:
    """What the README shows."""
    film = f"/films/{film_id}"
    return [
        Shot("library", "/", ".card .chip"),
        Shot("film", film, "#frames img", whole=True),
        Shot("film-dark", film, "#frames img", "dark", whole=True),
        Shot("phone-library", "/", ".card .chip", viewport=PHONE, locale="es-ES"),
        Shot("phone-film", film, "#frames img", "dark", PHONE, "es-ES"),
        Shot("models", "/models", "#list table"),
    ]


def fill_library(opened: Library, folder: Path) -> str:
    """Have the films tagged; return the id of the one whose page is shown."""
    ids = []
    for number, (title, shots) in enumerate(FILMS.items()):
        encoding = Encoding(size=(640, 360), options={"preset": "superfast", "crf": "24"})
        drawn = draw_film(folder / f"{number}.mp4", shots, encoding)
        ids.append(add(opened, drawn.path, title))
    ids.append(add(opened, sample_film(folder / "day.mp4").path, "A day out"))
    for film_id in ids:
        assert opened.wait_for_end(film_id).status == "done", opened.log()
    return ids[-1]


def add(opened: Library, path: Path, title: str) -> str:
    """Send a film; return its id."""
    incoming = opened.services.films.incoming()
    incoming.write(path.read_bytes())
    return opened.services.films.add(incoming, title, path.name)[0].id


def take(browser: Browser, address: str, shot: Shot) -> bytes:
    """Return one picture as PNG."""
    context = browser.new_context(
        base_url=address,
        viewport=shot.viewport,  # type: ignore[arg-type]
        color_scheme=shot.scheme,
        locale=shot.locale,
    )
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto(shot.path)
    page.wait_for_selector(shot.sign)
    if shot.path.startswith("/films/"):
        look_at_a_segment(page)
    page.wait_for_load_state("networkidle")
    wait_for(
        page,
        "[...document.images].every((one) => one.hidden || one.loading === 'lazy' || one.complete)",
    )
    content = page.screenshot(full_page=False)
    if shot.whole:
        height_px = page.evaluate(
            "document.getElementById('frames').getBoundingClientRect().top + 330"
        )
        page.set_viewport_size({"width": shot.viewport["width"], "height": round(height_px)})
        page.wait_for_timeout(500)
        content = page.screenshot()
    context.close()
    return content


def look_at_a_segment(page: Page) -> None:
    """Move the player to where something is to be seen."""
    wait_for(page, "document.getElementById('player').readyState >= 2")
    page.evaluate("document.getElementById('player').currentTime = 10.5")
    wait_for(page, "!document.getElementById('player').seeking")
    page.wait_for_timeout(3500)  # the player's own controls fade away


def shrink(content: bytes) -> bytes:
    """Return the same PNG with fewer colours, so that the repository stays small."""
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    for colours in (256, 128, 64, 32):
        few = picture.quantize(
            colours, Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG
        )
        small = io.BytesIO()
        few.save(small, "PNG", optimize=True)
        if small.tell() < MOST_BYTES:
            break
    return small.getvalue()


def main() -> int:
    """Make every picture."""
    path = find_chromium()
    if path is None:
        sys.stderr.write("no Chromium on PATH (Debian: apt install chromium)\n")
        return 2
    IMAGES.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="reeltag-images-") as folder,
        library(Path(folder) / "data", chunk_s=60.0) as opened,
        chromium(path) as browser,
    ):
        _, address = opened.serve()
        film_id = fill_library(opened, Path(folder))
        for shot in pictures(film_id):
            content = shrink(take(browser, address, shot))
            (IMAGES / f"{shot.name}.png").write_bytes(content)
            sys.stdout.write(f"{shot.name}.png: {len(content) / 1000:.0f} kB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
