"""The page at `/`: talk to the model in a browser.

One file without anything from elsewhere, so that it works on a machine with no way out. Its policy
lets the browser run this script only, and talk to this server only: whatever a model writes cannot
become a program.

Source: W3C, "Content Security Policy Level 3", hashes of inline scripts and styles.
"""

import base64
import hashlib
from functools import cache
from importlib.resources import files

from fastapi import FastAPI
from fastapi.responses import HTMLResponse


def add_chat_page(app: FastAPI) -> None:
    """Add the page."""

    @app.get("/", include_in_schema=False)
    async def show_chat_page() -> HTMLResponse:
        page, headers = build_page()
        return HTMLResponse(page, headers=headers)


@cache
def build_page() -> tuple[str, dict[str, str]]:
    """Return the page, and the headers that keep it to itself."""
    folder = files("lodesmith.serve.web") / "page"
    texts = {name: (folder / name).read_text(encoding="utf-8") for name in
             ("chat.html", "chat.css", "chat.js")}  # fmt: skip
    style, script = texts["chat.css"], texts["chat.js"]
    page = texts["chat.html"].replace("{{ style }}", style).replace("{{ script }}", script)
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    return page, {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",
    }


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
