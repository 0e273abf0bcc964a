"""The page at `/docs`: every route and every field, read out of the OpenAPI description.

The usual pages for this load their program from elsewhere; this one is plain HTML.
"""

import json
from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

_STYLE = (
    ":root{color-scheme:light dark;font:16px/1.6 system-ui,sans-serif}"
    "body{max-width:52rem;margin:2rem auto;padding:0 1rem}"
    "code,pre{font-size:.9em}pre{overflow-x:auto;padding:.8rem;border:1px solid #8886}"
    "h2{font-size:1.05rem;margin:2rem 0 .3rem}table{border-collapse:collapse}"
    "td{padding:.15rem 1rem .15rem 0;vertical-align:top}"
)


def add_api_page(app: FastAPI) -> None:
    """Add the page."""

    @app.get("/docs", include_in_schema=False)
    async def show_api_page() -> HTMLResponse:
        policy = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
        return HTMLResponse(_page(app.openapi()), headers=policy)


def _page(description: dict[str, Any]) -> str:
    schemas = description["components"]["schemas"]
    routes = "".join(
        _route(method, path, route, schemas)
        for path, methods in description["paths"].items()
        for method, route in methods.items()
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Lodesmith API</title><style>{_STYLE}</style><h1>Lodesmith API</h1>"
        "<p>The names are those of OpenAI's and vLLM's references. A field that is not listed is "
        'refused. For programs: <a href="/openapi.json">openapi.json</a>.</p>'
        f"{routes}</html>"
    )


def _route(method: str, path: str, route: dict[str, Any], schemas: dict[str, Any]) -> str:
    head = f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
    text = f"<p>{escape(route.get('description', ''))}</p>"
    if "requestBody" not in route:
        return head + text
    name = route["requestBody"]["content"]["application/json"]["schema"]["$ref"].split("/")[-1]
    rows = "".join(_rows(schemas[name]))
    schema = escape(json.dumps(schemas[name], indent=1, ensure_ascii=False))
    return (
        f"{head}{text}<table>{rows}</table>"
        f"<details><summary>JSON Schema</summary><pre>{schema}</pre></details>"
    )


def _rows(schema: dict[str, Any]) -> Iterator[str]:
    for name, field in schema["properties"].items():
        note = "required" if name in schema.get("required", ()) else ""
        if "default" in field:
            note = f"default {escape(json.dumps(field['default']))}"
        yield f"<tr><td><code>{escape(name)}</code></td><td>{_kind(field)}</td><td>{note}</td></tr>"


def _kind(field: dict[str, Any]) -> str:
    """Return the types that a field may have, in words."""
    choices = field.get("anyOf", [field])
    kinds = [str(choice.get("type", "object")) for choice in choices]
    return " or ".join(dict.fromkeys(kind for kind in kinds if kind != "null"))
