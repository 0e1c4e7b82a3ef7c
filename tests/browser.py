"""A real Chromium for the tests of the pages and for the screenshots. Knows no page."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

CHOSEN = "REELTAG_TEST_CHROMIUM"
"""Path of the browser, where it is not on PATH."""

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--mute-audio", "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip

PATIENCE_MS = 60_000
"""How long a page may take; only a failure, or a very busy machine, takes so long."""


def find_chromium() -> str | None:
    """Where the browser is; None where there is none. Nothing is ever downloaded."""
    names = (os.environ.get(CHOSEN, ""), *NAMES)
    return next((found for name in names if name and (found := shutil.which(name))), None)


@contextmanager
def chromium(path: str) -> Iterator[Browser]:
    """Start the browser at `path` with a fresh profile; it ends with the context."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def wait_for(page: Page, expression: str) -> None:
    """Wait until a JavaScript expression is true on the page.

    Playwright's own waiting evaluates a string within the page, which our content policy forbids.
    """
    for _ in range(PATIENCE_MS // 50):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"it did not happen: {expression}")
