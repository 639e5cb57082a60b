"""/docs: the OpenAPI document as a page of our own. No script runs on the origin that holds the session cookie, and
the page works where there is no way out to a public network."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from gateway.console.render import page as rendered
from gateway.web.pages import SAFE


class Operation(NamedTuple):
    """One thing that a caller can do."""

    method: str
    path: str
    summary: str
    about: str
    parameters: list[dict[str, Any]]
    body: list[tuple[str, str, str, bool]]
    """(name, type, description, required) of each member of a JSON body."""
    answers: list[tuple[str, str]]


def operations(document: dict[str, Any]) -> Iterator[Operation]:
    """Yield the operations of an OpenAPI document in its order."""
    for path, methods in document["paths"].items():
        for method, one in methods.items():
            parameters = [
                {"name": p["name"], "in": p["in"], "type": _type(p.get("schema", {})), "required": p.get("required"),
                 "about": _plain(p.get("description", ""))}
                for p in one.get("parameters", [])
            ]  # fmt: skip
            answers = sorted((status, answer.get("description", "")) for status, answer in one["responses"].items())
            yield Operation(
                method.upper(), path, one.get("summary", ""), _plain(one.get("description", "")), parameters,
                list(_members(document, one.get("requestBody", {}))), answers,
            )  # fmt: skip


def _members(document: dict[str, Any], body: dict[str, Any]) -> Iterator[tuple[str, str, str, bool]]:
    schema = body.get("content", {}).get("application/json", {}).get("schema", {})
    schema = _resolved(document, schema)
    for name, one in schema.get("properties", {}).items():
        yield name, _type(one), _plain(one.get("description", "")), name in schema.get("required", [])


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] = document.get("components", {}).get("schemas", {}).get(name, schema)
    return found


def _plain(text: str) -> str:
    """Return a description without the marks that other readers of the document turn into another letter."""
    return text.replace("`", "")


def _type(schema: dict[str, Any]) -> str:
    """Return the type of a value in words."""
    if several := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(_type(one) for one in several if one.get("type") != "null"))
    if values := schema.get("enum"):
        return ", ".join(map(str, values))
    if "const" in schema:
        return str(schema["const"])
    kind = schema.get("type", schema.get("$ref", "any").rpartition("/")[2])
    return " or ".join(one for one in kind if one != "null") if isinstance(kind, list) else str(kind)


def router(document: Callable[[], dict[str, Any]]) -> APIRouter:
    routes = APIRouter(include_in_schema=False)

    @routes.get("/docs")
    def docs() -> HTMLResponse:
        found = document()
        html = rendered("docs", title=found["info"]["title"], version=found["info"]["version"],
                        operations=list(operations(found)))  # fmt: skip
        return HTMLResponse(html, headers=SAFE)

    return routes
