from collections.abc import Callable

import httpx
from playwright.sync_api import Page, expect

from tests.browser import PATIENCE_MS
from tests.web.conftest import Site

Opener = Callable[..., Page]

expect.set_options(timeout=PATIENCE_MS)


def test_the_active_model_is_shown_with_its_figures(open_page: Opener, site: Site):
    model = httpx.get(f"{site.address}/v1/models").json()["items"][0]
    page = open_page("/models")
    entry = page.locator("#list > li").first
    expect(entry.get_by_role("heading")).to_have_text(model["version"])
    expect(entry.locator(".state")).to_have_text("Active")
    figure = entry.locator("tr", has_text="First tag right")
    expect(figure).to_contain_text(f"{round(100 * model['metrics']['hit_at_1'])} %")
    entry.locator("summary").click()
    expect(entry.locator(".chip")).to_have_count(len(model["tags"]))


def test_another_model_can_be_activated_where_the_server_offers_it(open_page: Opener, site: Site):
    page = open_page("/static/icon.svg")
    document = httpx.get(f"{site.address}/openapi.json").json()
    document["paths"]["/v1/models/{version}/activate"] = {"post": {}}
    models = httpx.get(f"{site.address}/v1/models").json()
    other = models["items"][0] | {"version": "other-1", "active": False}
    models["items"].append(other)
    asked = []

    def activate(route):
        asked.append(route.request.url)
        other["active"], models["items"][0]["active"] = True, False
        route.fulfill(json=other)

    page.route("**/openapi.json", lambda route: route.fulfill(json=document))
    page.route("**/v1/models", lambda route: route.fulfill(json=models))
    page.route("**/v1/models/*/activate", activate)
    page.goto("/models")
    page.get_by_role("button", name="Make active: other-1").click()
    expect(page.locator("#said")).to_contain_text("other-1 is active now.")
    expect(page.locator("#list > li").nth(1).locator(".state")).to_have_text("Active")
    assert asked == [f"{site.address}/v1/models/other-1/activate"]


def test_a_library_without_a_model_says_what_to_do(open_page: Opener, site: Site):
    page = open_page("/static/icon.svg")
    page.route("**/v1/models", lambda route: route.fulfill(json={"items": [], "next_cursor": None}))
    page.goto("/models")
    expect(page.locator("#empty")).to_contain_text("REELTAG_MODEL_PATH")


def test_films_are_brought_up_to_the_active_model_where_the_server_offers_it(
    open_page: Opener, site: Site
):
    if "/v1/films/retag" not in httpx.get(f"{site.address}/openapi.json").json()["paths"]:
        expect(open_page("/models").locator("#retag")).to_be_hidden()
        return
    page = open_page("/models")
    page.get_by_role("button", name="Tag older films anew").click()
    expect(page.locator("#said")).to_have_text("Every film has the tags of the active model.")
