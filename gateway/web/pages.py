"""The pages: the why page, the question box, signing in. Server-rendered; they work without JavaScript."""

from collections.abc import Callable
from typing import Annotated
from urllib.parse import parse_qs, quote

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from gateway.console.render import message_page, why_page
from gateway.oversight.people import by_token, roles_of
from gateway.store.installation import Installation
from gateway.web.api import COOKIE, Page, explain, token_of
from reports.why.answer import NothingFound

SAFE = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}
Token = Annotated[str | None, Depends(token_of)]


def router(running: Callable[[], Installation]) -> APIRouter:
    """Return the page routes; they stand outside the OpenAPI document."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/")
    def home(token: Token) -> Response:
        if not _may_read(running(), token):
            return _sign_in("/")
        return _page(message_page("Why?", "Paste any id from a log line, a response header or a ticket."))

    @routes.get("/why")
    def ask(q: str, token: Token) -> Response:
        return RedirectResponse(f"/why/{quote(q, safe='/:')}", status_code=303)

    @routes.get("/why/{ref:path}")
    def why(ref: str, token: Token, page: Page = 1) -> Response:
        if not _may_read(running(), token):
            return _sign_in(f"/why/{quote(ref, safe='/:')}" + (f"?page={page}" if page > 1 else ""))
        try:
            return _page(why_page(explain(running(), ref, page=page)))
        except NothingFound as error:
            return _page(message_page("Nothing found", str(error) or f"No entry is linked to {ref}."), status=404)

    @routes.post("/login")
    async def login(request: Request) -> Response:
        form = parse_qs((await request.body()).decode("utf-8", "replace"))
        token = form.get("token", [""])[0].strip()
        after = form.get("next", ["/"])[0]
        if not _may_read(running(), token):
            return _sign_in(after, "This token is not known here. Ask an admin for one.", status=403)
        safe = after if after.startswith("/") and not after.startswith(("//", "/\\")) else "/"
        response = RedirectResponse(safe, status_code=303)
        secure = request.url.scheme == "https"
        response.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=secure, max_age=12 * 3600)
        return response

    return routes


def _may_read(installation: Installation, token: str | None) -> bool:
    actor = by_token(installation, token)
    return actor is not None and bool(roles_of(installation, actor))


def _page(html: str, *, status: int = 200) -> HTMLResponse:
    return HTMLResponse(html, status_code=status, headers=SAFE)


def _sign_in(
    after: str, text: str = "This page shows what people asked; sign in to see it.", status: int = 401
) -> Response:
    return _page(message_page("Sign in", text, login=True, after=after), status=status)
