"""The pages in a real Chromium, against a service that really runs and has tagged a film."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request

from tests.browser import PATIENCE_MS, chromium, find_chromium
from tests.media import cut_shots, draw_film, sample_film
from tests.processes import library

NOT_TESTED = "PAGES NOT TESTED IN A BROWSER"

REQUIRED = "REELTAG_TEST_CHROMIUM_REQUIRED"
"""Set on machines that must have Chromium: there its absence is a failure."""

FILM_TITLE = "sample"

NOT_OURS = "Failed to load resource"
"""Chromium's own line for every answer above 399; what we make of it stands on the page."""


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = {str(report.longrepr[2]) for report in skipped if isinstance(report.longrepr, tuple)}
    for reason in sorted(reason for reason in reasons if NOT_TESTED in reason):
        terminalreporter.section("LOOK HERE", red=True, bold=True)
        terminalreporter.line(reason, red=True, bold=True)


@dataclass(frozen=True)
class Site:
    """A running service: its address, the tagged film, one that failed, one not yet sent."""

    address: str
    film_id: str
    broken_id: str
    unsent: Path


@pytest.fixture(scope="session")
def chromium_path() -> str:
    return find_chromium() or _skip("no Chromium on PATH (Debian: apt install chromium)")


@pytest.fixture(scope="session")
def site(chromium_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    sample = sample_film(folder / "sample.mp4").path
    broken = folder / "broken.mp4"
    broken.write_bytes(sample.read_bytes()[:500] + bytes(2000))
    unsent = draw_film(folder / "unsent.mp4", cut_shots(2)).path
    with library(folder / "data", chunk_s=60.0) as opened:
        _, address = opened.serve()
        film_id, broken_id = opened.add(sample).id, opened.add(broken).id
        assert opened.wait_for_end(film_id).status == "done"
        assert opened.wait_for_end(broken_id).status == "failed"
        yield Site(address, film_id, broken_id, unsent)


@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[Browser]:
    with chromium(chromium_path) as browser:
        yield browser


@pytest.fixture
def open_page(browser: Browser, site: Site) -> Iterator[Callable[..., Page]]:
    """Opens pages; what they complain of on the console, or load from elsewhere, fails the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not message.text.startswith(NOT_OURS):
            complaints.append(message.text)

    def check(request: Request) -> None:
        if not request.url.startswith(site.address):
            complaints.append(f"loads {request.url}")

    def open_at(path: str, **options: object) -> Page:
        chosen = {"locale": "en-GB", "viewport": {"width": 1200, "height": 900}} | options
        context = browser.new_context(base_url=site.address, **chosen)
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", check)
        page.goto(path)
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert complaints == []


def _skip(reason: str) -> NoReturn:
    if os.environ.get(REQUIRED):
        pytest.fail(f"{NOT_TESTED}: {reason}")
    pytest.skip(f"{NOT_TESTED}: {reason}")
