from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser import PATIENCE_MS
from tests.web.conftest import Site

Opener = Callable[..., Page]

expect.set_options(timeout=PATIENCE_MS)

SERIOUS = {"serious", "critical"}

PHONE = {"width": 360, "height": 740}


def address_of(name: str, site: Site) -> str:
    return {
        "library": "/", "film": f"/films/{site.film_id}", "failed": f"/films/{site.broken_id}",
        "missing": "/films/none", "models": "/models",
    }[name]  # fmt: skip


def wait_until_drawn(page: Page, name: str) -> None:
    sign = {
        "library": ".card .chip", "film": "#frames li", "failed": "#state .notice",
        "missing": "#state a", "models": "#list table",
    }[name]  # fmt: skip
    expect(page.locator(sign).first).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["library", "film", "failed", "missing", "models"])
def test_axe_finds_nothing_serious(open_page: Opener, site: Site, name: str, scheme: str):
    page = open_page(address_of(name, site), color_scheme=scheme)
    wait_until_drawn(page, name)
    found = Axe().run(page).response["violations"]
    serious = [
        (one["id"], [node["html"][:200] for node in one["nodes"]])
        for one in found
        if one["impact"] in SERIOUS
    ]
    assert serious == []


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("name", ["library", "film", "failed", "models"])
def test_nothing_is_wider_than_a_phone(open_page: Opener, site: Site, name: str, language: str):
    page = open_page(address_of(name, site), viewport=PHONE, locale=language)
    wait_until_drawn(page, name)
    width_px = page.evaluate("document.documentElement.scrollWidth")
    assert width_px <= PHONE["width"]


@pytest.mark.parametrize("name", ["library", "film", "models"])
def test_the_first_tab_stop_leads_to_the_content(open_page: Opener, site: Site, name: str):
    page = open_page(address_of(name, site))
    wait_until_drawn(page, name)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()
