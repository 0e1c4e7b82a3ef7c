"""A service that asks for keys, in a real browser: the page for the key and what opens then."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from app.domain.access import Scope
from tests.browser import PATIENCE_MS
from tests.processes import library
from tests.web.test_accessibility import PHONE, SERIOUS

NOT_OURS = "Failed to load resource"


@dataclass(frozen=True)
class Guarded:
    """A running service and a key that may read."""

    address: str
    secret: str


@pytest.fixture(scope="module")
def guarded(chromium_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with library(tmp_path_factory.mktemp("guarded") / "data", require_key="always") as opened:
        _, secret = opened.services.keys.create("browser", Scope.READ)
        yield Guarded(opened.serve()[1], secret)


@pytest.fixture
def page(browser: Browser, guarded: Guarded) -> Iterator[Page]:
    context = browser.new_context(base_url=guarded.address, locale="en-GB")
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda message: (
            complaints.append(message.text)
            if message.type == "error" and not message.text.startswith(NOT_OURS)
            else None
        ),
    )
    yield page
    context.close()
    assert complaints == []


def test_a_person_is_asked_for_a_key_and_let_in_with_it(page: Page, guarded: Guarded):
    page.goto("/")
    expect(page.get_by_role("heading", name="This service asks for a key")).to_be_visible()
    page.get_by_label("API key").fill("reeltag_wrong")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("alert")).to_contain_text("not known")
    page.get_by_label("API key").fill(f"  {guarded.secret} ")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No film yet")).to_be_visible()
    assert guarded.secret not in page.evaluate("document.cookie")
    assert (
        page.evaluate("fetch('/v1/films', {method: 'POST', body: 'x'}).then(a => a.status)") == 403
    )
    page.evaluate("fetch('/v1/session', {method: 'DELETE'})")
    page.goto("/models")
    expect(page.get_by_label("API key")).to_be_visible()


def test_the_page_for_the_key_can_be_used_by_everyone(page: Page):
    page.set_viewport_size(PHONE)
    page.goto("/login")
    expect(page.get_by_label("API key")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    found = Axe().run(page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in SERIOUS] == []


def test_the_documentation_works_under_its_policy(page: Page):
    page.goto("/docs")
    expect(page.locator(".opblock").first).to_be_visible()
