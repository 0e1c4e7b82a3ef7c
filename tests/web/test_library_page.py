import re
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser import PATIENCE_MS, wait_for
from tests.web.conftest import FILM_TITLE, Site

Opener = Callable[..., Page]

expect.set_options(timeout=PATIENCE_MS)


def card_of(page: Page, title: str):
    return page.locator(".card", has=page.get_by_role("link", name=title, exact=True))


def test_a_tagged_film_is_shown_with_a_poster_and_its_first_tags(open_page: Opener, site: Site):
    page = open_page("/")
    card = card_of(page, FILM_TITLE)
    tags = httpx.get(f"{site.address}/v1/films/{site.film_id}/tags").json()["items"]
    expect(card.locator(".chip").first).to_contain_text(tags[0]["tag"])
    expect(card.locator(".length")).to_have_text("0:40")
    poster = f"document.querySelector('[data-id=\"{site.film_id}\"] .poster')"
    wait_for(page, f"{poster}.naturalWidth > 100")


def test_a_tag_filters_the_films_and_stays_in_the_address(open_page: Opener, site: Site):
    page = open_page("/")
    expect(page.locator(".card")).to_have_count(2)
    chip = page.locator("#tag-filters button.chip").first
    chip.click()
    expect(page.locator(".card")).to_have_count(1)
    expect(page.locator("#tag-filters button.chip").first).to_have_attribute("aria-pressed", "true")
    assert re.search(r"\?.*tag=[a-z-]+", page.url)
    page.reload()
    expect(page.locator(".card")).to_have_count(1)
    page.get_by_role("button", name="Clear filters").click()
    expect(page.locator(".card")).to_have_count(2)


def test_films_can_be_limited_to_seconds_of_a_tag(open_page: Opener, site: Site):
    tags = httpx.get(f"{site.address}/v1/films/{site.film_id}/tags").json()["items"]
    page = open_page(f"/?tag={tags[0]['slug']}")
    expect(page.locator(".card")).to_have_count(1)
    page.get_by_label("Tag for at least (s)").fill(str(tags[0]["coverage_s"] + 0.5))
    expect(page.locator(".card")).to_have_count(0)
    page.get_by_label("Tag for at least (s)").fill(str(tags[0]["coverage_s"] - 0.5))
    expect(page.locator(".card")).to_have_count(1)


def test_a_search_that_finds_nothing_says_what_to_do(open_page: Opener, site: Site):
    page = open_page("/")
    page.get_by_role("searchbox").fill("no film is called so")
    expect(page.locator("#empty")).to_contain_text("Take a filter away")
    page.get_by_role("searchbox").fill(FILM_TITLE[:4].upper())
    expect(page.locator(".card")).to_have_count(1)


def test_a_failed_film_says_why_and_can_be_tried_again(open_page: Opener, site: Site):
    page = open_page("/?status=failed")
    card = page.locator(".card")
    expect(card).to_have_count(1)
    expect(card.locator(".state")).to_have_text("Failed")
    expect(card.get_by_role("button", name=re.compile("Try broken again"))).to_be_visible()


def test_more_films_than_a_page_holds_are_shown_on_demand(open_page: Opener, site: Site):
    page = open_page("/static/icon.svg")

    def two_pages(route):
        films = httpx.get(f"{site.address}/v1/films?status=done").json()["items"]
        is_second = "cursor=" in route.request.url
        route.fulfill(json={"items": films, "next_cursor": None if is_second else "more"})

    page.route(re.compile(r"/v1/films\?"), two_pages)
    page.goto("/")
    expect(page.locator("#found")).to_contain_text("there are more")
    page.get_by_role("button", name="Show more").click()
    expect(page.get_by_role("button", name="Show more")).to_be_hidden()


def test_a_chosen_file_is_sent_followed_and_tagged(open_page: Opener, site: Site):
    page = open_page("/")
    page.locator("#files").set_input_files(site.unsent)
    expect(page.locator("#upload-said")).to_contain_text("has arrived")
    card = card_of(page, "unsent")
    expect(card).to_be_visible()
    expect(card.locator(".state")).to_have_count(0)  # done: nothing more is said of its state
    found = httpx.get(f"{site.address}/v1/films?q=unsent").json()["items"]
    assert [film["status"] for film in found] == ["done"]
    page.locator("#files").set_input_files(site.unsent)
    expect(page.locator("#upload-said")).to_contain_text("in the library already")
    httpx.delete(f"{site.address}/v1/films/{found[0]['id']}").raise_for_status()


def test_a_dropped_file_is_sent_like_a_chosen_one(open_page: Opener, site: Site):
    page = open_page("/")
    page.evaluate(
        """() => {
          const data = new DataTransfer();
          data.items.add(new File([], "nothing.mp4"));
          const given = { dataTransfer: data, bubbles: true, cancelable: true };
          document.body.dispatchEvent(new DragEvent("dragenter", given));
          document.body.dispatchEvent(new DragEvent("drop", given));
        }"""
    )
    expect(page.locator(".sending")).to_contain_text("The file is empty.")
    page.get_by_role("button", name="Remove from the list").click()
    expect(page.locator(".sending")).to_have_count(0)


def test_an_upload_that_broke_can_be_sent_again(open_page: Opener, site: Site):
    page = open_page("/")
    page.route(re.compile(r"/v1/uploads"), lambda route: route.abort())
    page.locator("#files").set_input_files(site.unsent)
    expect(page.locator(".sending")).to_contain_text("cannot be reached")
    page.unroute_all()
    page.get_by_role("button", name="Send again").click()
    expect(page.locator("#upload-said")).to_contain_text("unsent")
    expect(page.locator(".sending")).to_have_count(0)
    for film in httpx.get(f"{site.address}/v1/films?q=unsent").json()["items"]:
        httpx.delete(f"{site.address}/v1/films/{film['id']}").raise_for_status()


class HalfSent:
    """Lets half of the first part arrive, then breaks the connection; keeps where parts begin."""

    def __init__(self, content: bytes) -> None:
        self.half = content[: len(content) // 2]
        self.offsets: list[int] = []
        self.is_away = False

    def __call__(self, route: Route) -> None:
        request = route.request
        if request.method != "PATCH":
            if self.is_away and request.method == "HEAD":
                route.abort()
            else:
                route.continue_()
            return
        self.offsets.append(int(request.headers["upload-offset"]))
        if len(self.offsets) > 1:
            route.continue_()
            return
        headers = {
            "Tus-Resumable": "1.0.0", "Upload-Offset": "0",
            "Content-Type": "application/offset+octet-stream",
        }  # fmt: skip
        httpx.patch(request.url, headers=headers, content=self.half).raise_for_status()
        route.abort()


def delete_unsent(site: Site) -> int:
    films = httpx.get(f"{site.address}/v1/films?q=unsent").json()["items"]
    for film in films:
        httpx.delete(f"{site.address}/v1/films/{film['id']}").raise_for_status()
    return len(films)


def test_a_broken_upload_goes_on_by_itself_where_it_broke(open_page: Opener, site: Site):
    page = open_page("/")
    half_sent = HalfSent(site.unsent.read_bytes())
    page.route(re.compile(r"/v1/uploads"), half_sent)
    page.locator("#files").set_input_files(site.unsent)
    expect(page.locator("#upload-said")).to_contain_text("has arrived")
    assert half_sent.offsets == [0, len(half_sent.half)]
    assert delete_unsent(site) == 1


def test_an_upload_goes_on_after_the_page_was_loaded_again(open_page: Opener, site: Site):
    page = open_page("/")
    half_sent = HalfSent(site.unsent.read_bytes())
    half_sent.is_away = True
    page.route(re.compile(r"/v1/uploads"), half_sent)
    page.locator("#files").set_input_files(site.unsent)
    expect(page.locator(".sending")).to_contain_text("trying again")
    page.get_by_role("button", name="Stop: unsent").click()
    expect(page.locator(".sending")).to_contain_text("was stopped")
    half_sent.is_away = False
    page.reload()
    page.locator("#files").set_input_files(site.unsent)
    expect(page.locator("#upload-said")).to_contain_text("has arrived")
    assert half_sent.offsets == [0, len(half_sent.half)]
    assert delete_unsent(site) == 1


@pytest.mark.parametrize(("locale", "heading"), [("es-MX", "Películas"), ("de-DE", "Films")])
def test_the_browser_chooses_the_language_and_english_is_the_rest(
    open_page: Opener, site: Site, locale: str, heading: str
):
    page = open_page("/", locale=locale)
    expect(page.locator("nav a").first).to_have_text(heading)


def test_the_switch_changes_every_word_and_is_remembered(open_page: Opener, site: Site):
    page = open_page("/")
    expect(card_of(page, FILM_TITLE)).to_be_visible()
    page.get_by_label("Language").select_option("es")
    expect(page.locator("nav a").first).to_have_text("Películas")
    assert page.locator("html").get_attribute("lang") == "es"
    expect(page.locator("#found")).to_have_text("2 películas")
    page.goto(f"/films/{site.film_id}")
    expect(page.get_by_role("heading", name="Fotogramas clave")).to_be_visible()


def test_a_server_that_is_away_is_named_as_the_reason(open_page: Opener, site: Site):
    page = open_page("/")
    expect(page.locator(".card")).to_have_count(2)
    page.route(re.compile(r"/v1/films\?"), lambda route: route.abort())
    page.get_by_role("searchbox").fill("x")
    expect(page.locator("#problem")).to_contain_text("cannot be reached")
