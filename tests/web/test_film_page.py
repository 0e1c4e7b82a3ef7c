import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote_plus

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser import PATIENCE_MS, wait_for
from tests.web.conftest import FILM_TITLE, Site

Opener = Callable[..., Page]

expect.set_options(timeout=PATIENCE_MS)

SET_SLIDER = """(slider, value) => {
  slider.value = value;
  slider.dispatchEvent(new Event("input", { bubbles: true }));
}"""


@pytest.fixture
def film_page(open_page: Opener, site: Site) -> Page:
    page = open_page(f"/films/{site.film_id}")
    expect(page.locator("#frames li").first).to_be_visible()
    return page


@pytest.fixture
def api(site: Site) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{site.address}/v1/films/{site.film_id}") as client:
        yield client


def items(api: httpx.Client, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get(path).raise_for_status().json()["items"]
    return found


def wait_for_time(page: Page, time_s: float) -> None:
    wait_for(page, f"Math.abs(document.getElementById('player').currentTime - {time_s}) < 3")


def wait_for_frame(page: Page) -> None:
    wait_for(page, "document.getElementById('player').readyState >= 2")


def test_the_player_plays_the_film_by_ranges(film_page: Page, api: httpx.Client):
    wait_for_frame(film_page)
    assert film_page.evaluate("document.getElementById('player').videoWidth") == 640
    assert round(film_page.evaluate("document.getElementById('player').duration")) == 40
    part = api.get("/source", headers={"Range": "bytes=4-11"})
    assert (part.status_code, part.content) == (206, b"ftypisom")
    assert api.get("/source", headers={"Range": "bytes=99999999-"}).status_code == 416


def test_a_segment_jumps_the_player(film_page: Page, api: httpx.Client):
    wait_for_frame(film_page)
    known = {segment["start_s"] for segment in items(api, "/segments?max_gap_s=2")}
    segments = film_page.locator(".segment")
    starts = segments.evaluate_all("all => all.map((one) => Number(one.dataset.start))")
    assert set(starts) <= known
    late_s = max(starts)
    assert late_s > 20
    segments.nth(starts.index(late_s)).click()
    wait_for_time(film_page, late_s)


def test_the_keyboard_moves_among_segments_and_plays_from_one(film_page: Page):
    wait_for_frame(film_page)
    lane = film_page.locator(".lanes .lane").first
    segments = lane.locator(".segment")
    assert segments.count() > 1
    segments.first.focus()
    assert film_page.locator('.segment[tabindex="0"]').count() == 1
    film_page.keyboard.press("ArrowRight")
    expect(segments.nth(1)).to_be_focused()
    film_page.keyboard.press("ArrowDown")
    expect(film_page.locator(".lanes .lane").nth(1).locator(".segment:focus")).to_have_count(1)
    film_page.keyboard.press("ArrowUp")
    expect(segments.nth(1)).to_be_focused()
    expect(film_page.locator(".preview")).to_be_visible()
    film_page.keyboard.press("Enter")
    wait_for_time(film_page, float(segments.nth(1).get_attribute("data-start") or -9))


def test_the_strip_steps_through_the_shots_and_shows_each(film_page: Page, api: httpx.Client):
    wait_for_frame(film_page)
    starts = sorted({frame["shot"]["start_s"] for frame in items(api, "/frames")})
    strip = film_page.get_by_role("slider", name="Shots")
    strip.focus()
    film_page.keyboard.press("ArrowRight")
    film_page.keyboard.press("ArrowRight")
    expect(strip).to_have_attribute("aria-valuenow", "3")
    wait_for_time(film_page, starts[2])
    expect(film_page.locator(".preview img")).to_have_attribute("src", re.compile("/image$"))
    film_page.keyboard.press("End")
    expect(strip).to_have_attribute("aria-valuenow", str(len(starts)))


def test_pointing_at_the_timeline_shows_the_picture_of_that_moment(film_page: Page):
    expect(film_page.locator(".preview")).to_be_hidden()
    film_page.locator(".track.strip").hover(position={"x": 300, "y": 20})
    preview = film_page.locator(".preview")
    expect(preview).to_be_visible()
    wait_for(film_page, "document.querySelector('.preview img').naturalWidth > 100")
    assert re.match(r"0:\d\d · ", preview.inner_text())


def test_a_key_frame_jumps_the_player(film_page: Page, api: httpx.Client):
    wait_for_frame(film_page)
    frame = items(api, "/frames")[3]
    film_page.locator("#frames .frame").nth(3).click()
    wait_for_time(film_page, frame["time_s"])


def test_key_frames_can_be_limited_to_a_tag(film_page: Page, api: httpx.Client):
    tag = film_page.locator("#frame-tag option").nth(1).get_attribute("value") or ""
    wanted = items(api, f"/frames?tag={tag}")
    assert 0 < len(wanted) < len(items(api, "/frames"))
    film_page.locator("#frame-tag").select_option(tag)
    expect(film_page.locator("#frames > li")).to_have_count(len(wanted))


def test_the_sliders_derive_tags_and_segments_anew(film_page: Page, api: httpx.Client):
    film_page.locator("#top-k").evaluate(SET_SLIDER, "1")
    tags = items(api, "/tags?top_k=1&min_score=0")
    expect(film_page.locator("#tags .tag-row")).to_have_count(len(tags))
    shown = {tag["tag"] for tag in tags}
    joined = items(api, "/segments?top_k=1&max_gap_s=2")
    expect(film_page.locator(".segment")).to_have_count(sum(s["tag"] in shown for s in joined))
    film_page.locator("#gap").evaluate(SET_SLIDER, "30")
    wide = items(api, "/segments?top_k=1&max_gap_s=30")
    expect(film_page.locator(".segment")).to_have_count(sum(s["tag"] in shown for s in wide))
    film_page.locator("#threshold").evaluate(SET_SLIDER, "0.99")
    expect(film_page.locator("#tags")).to_contain_text("No tag reached its threshold.")
    film_page.get_by_role("button", name="Reset").click()
    expect(film_page.locator("#tags .tag-row")).to_have_count(len(items(api, "/tags?top_k=3")))


def test_a_verdict_is_shown_kept_and_taken_back(film_page: Page, api: httpx.Client):
    first = items(api, "/tags")[0]
    row = film_page.locator(f'.tag-row[data-tag="{first["slug"]}"]')
    row.get_by_role("button", name=f"Accept {first['tag']}").click()
    expect(row).to_contain_text("accepted by a person")
    assert [t["source"] for t in items(api, "/tags") if t["tag"] == first["tag"]] == ["human"]
    row.get_by_role("button", name=f"Reject {first['tag']}").click()
    expect(row).to_have_count(0)
    assert first["tag"] not in {tag["tag"] for tag in items(api, "/tags")}
    film_page.reload()
    rejected = film_page.locator("#rejected")
    expect(rejected).to_contain_text(first["tag"])
    rejected.get_by_role("button").click()
    expect(row).to_be_visible()
    expect(rejected).to_be_empty()
    assert items(api, "/tags")[0] == first


def test_a_tag_that_the_model_did_not_see_can_be_added(film_page: Page, api: httpx.Client):
    film_page.locator("#new-tag").select_option("wedding")
    film_page.get_by_role("button", name="Add", exact=True).click()
    row = film_page.locator('.tag-row[data-tag="wedding"]')
    expect(row).to_contain_text("accepted by a person")
    row.get_by_role("button", name=re.compile("Take back")).click()
    expect(row).to_have_count(0)
    assert "Wedding" not in {tag["tag"] for tag in items(api, "/tags")}


def test_every_format_of_the_interface_can_be_exported(film_page: Page):
    film_page.locator(".menu summary").click()
    links = film_page.locator(".menu a")
    names = {name.strip().lower() for name in links.all_inner_texts()}
    assert {"json", "csv"} <= names
    with film_page.expect_download() as download:
        film_page.locator(".menu a", has_text="CSV").click()
    assert download.value.path().read_text().startswith("tag,start_s,end_s")


def test_why_shows_where_the_model_looked(film_page: Page):
    why = film_page.get_by_role("button", name=re.compile("^Why "))
    why.first.click()
    wait_for(film_page, "document.getElementById('why-picture').naturalWidth > 50")
    expect(film_page.get_by_role("dialog")).to_contain_text("Why ")
    tags = film_page.locator("#why-tag option").evaluate_all("all => all.map(one => one.value)")
    film_page.locator("#why-tag").select_option(tags[-1])
    expect(film_page.locator("#why-picture")).to_have_attribute(
        "src", re.compile(re.escape(quote_plus(tags[-1])))
    )
    wait_for(film_page, "document.getElementById('why-picture').complete")
    wait_for(film_page, "document.getElementById('why-picture').naturalWidth > 50")
    film_page.get_by_role("button", name="Close").click()
    expect(film_page.get_by_role("dialog")).to_have_count(0)


def test_a_failed_film_says_what_to_do(open_page: Opener, site: Site):
    page = open_page(f"/films/{site.broken_id}")
    expect(page.locator("#state")).to_contain_text("What you can do")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    expect(page.locator("#found")).to_be_hidden()


def test_a_running_film_shows_its_progress_and_then_its_tags(open_page: Opener, site: Site):
    page = open_page("/static/icon.svg")
    film = httpx.get(f"{site.address}/v1/films/{site.film_id}").json()
    running = film | {
        "status": "running", "stage": "analysing", "progress": 0.25, "model_version": None,
        "analysed_at": None,
    }  # fmt: skip
    answers = iter([running])
    address = re.compile(f"/v1/films/{site.film_id}$")
    page.route(address, lambda route: route.fulfill(json=next(answers, film)))
    event = (
        'event: progress\ndata: {"status": "running", "stage": "analysing", "progress": 0.5}\n\n'
    )
    end = 'event: end\ndata: {"status": "done", "stage": "finished", "progress": 1.0}\n\n'
    page.route(
        re.compile("/events$"),
        lambda route: route.fulfill(body=event + end, content_type="text/event-stream"),
    )
    page.goto(f"/films/{site.film_id}")
    expect(page.locator("#tags .tag-row").first).to_be_visible()
    expect(page.locator("#state")).to_be_empty()


def test_a_film_that_is_not_there_is_named_so(open_page: Opener, site: Site):
    page = open_page(f"/films/{'0' * 32}")
    expect(page.get_by_role("heading", level=1)).to_have_text("There is no such film.")
    page.locator("#state").get_by_role("link", name="Back to the films").click()
    expect(page.locator(".card").first).to_be_visible()


def test_a_film_is_deleted_only_after_a_second_word(open_page: Opener, site: Site):
    with site.unsent.open("rb") as stream:
        sent = httpx.post(
            f"{site.address}/v1/films?filename=brief.mp4",
            content=stream,
            headers={"Content-Type": "video/mp4"},
        )
    film_id = sent.json()["id"]
    page = open_page(f"/films/{film_id}")
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Keep it").click()
    assert httpx.get(f"{site.address}/v1/films/{film_id}").status_code == 200
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.wait_for_url(f"{site.address}/")
    assert httpx.get(f"{site.address}/v1/films/{film_id}").status_code == 404


def test_the_title_of_the_page_is_that_of_the_film(film_page: Page):
    assert film_page.title() == f"{FILM_TITLE} · Reeltag"
