"""The interactive documentation at `/docs`, without a byte from the internet."""

import base64
import hashlib
import re
from importlib.resources import files

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

ASSETS_PACKAGE = "fastapi_offline"
"""Carries Swagger UI's files; only they are taken from it."""

ASSETS_PATH = "/docs/assets"

INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def content_policy(html: str) -> str:
    """Return what the page `html` may load: our files, and the very scripts that stand in it.

    Swagger UI writes styles into its elements, so that these cannot be named one by one.
    """
    digests = (hashlib.sha256(script.encode()).digest() for script in INLINE.findall(html))
    scripts = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return (
        f"default-src 'none'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )


def install(app: FastAPI) -> None:
    """Serve the documentation of `app`."""
    folder = files(ASSETS_PACKAGE) / "static"
    app.mount(ASSETS_PATH, StaticFiles(directory=str(folder)), name="docs-assets")

    @app.get("/docs", include_in_schema=False)
    def show_docs() -> HTMLResponse:
        page = get_swagger_ui_html(
            openapi_url=str(app.openapi_url),
            title=f"{app.title}: REST interface",
            swagger_js_url=f"{ASSETS_PATH}/swagger-ui-bundle.js",
            swagger_css_url=f"{ASSETS_PATH}/swagger-ui.css",
            swagger_favicon_url="/static/icon.svg",
        )
        html = bytes(page.body).decode()
        page.headers["Content-Security-Policy"] = content_policy(html)
        return page
