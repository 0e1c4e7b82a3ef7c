"""Serves the pages. They are plain files; all they show comes from `/v1` in the browser."""

from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

STATIC_DIR = Path(__file__).parent / "static"

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""The pages run our own files only; nothing inline, nothing from elsewhere."""


def install(app: FastAPI) -> None:
    """Serve the pages from `app`."""
    app.mount("/static", StaticFiles(directory=STATIC_DIR), name="static")

    @app.get("/", include_in_schema=False)
    def show_library() -> FileResponse:
        return _page("index.html")

    @app.get("/films/{film_id}", include_in_schema=False)
    def show_film(film_id: str) -> FileResponse:
        return _page("film.html")  # the page asks `/v1` for the film, and says where there is none

    @app.get("/login", include_in_schema=False)
    def show_login() -> FileResponse:
        return _page("login.html")

    @app.get("/models", include_in_schema=False)
    def show_models() -> FileResponse:
        return _page("models.html")


def _page(name: str) -> FileResponse:
    headers = {"Content-Security-Policy": CONTENT_POLICY, "Cache-Control": "no-cache"}
    return FileResponse(STATIC_DIR / name, headers=headers)
