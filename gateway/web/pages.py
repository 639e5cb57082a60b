"""The pages: why, calls, systems and their questionnaire, packs. Server-rendered; they work without JavaScript."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import parse_qsl, quote

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from gateway.console.front import front
from gateway.console.listing import FIELDS, list_calls, results
from gateway.console.render import page as rendered
from gateway.console.render import stylesheet
from gateway.console.session import Session, same_page, session_of
from gateway.oversight.looking import record_look
from gateway.store.installation import Installation
from gateway.web.api import COOKIE, Page, look_up, token_of
from reports.why.answer import NothingFound
from reports.why.cited import Cited

SAFE = {
    "content-security-policy": "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}
Token = Annotated[str | None, Depends(token_of)]
Running = Callable[[], Installation]


class SignInNeeded(Exception):
    """A page was asked for without a session; the sign-in page stands in its place, and leads back."""

    def __init__(self, after: str) -> None:
        super().__init__(after)
        self.after = after


def signed_in(running: Running) -> Callable[..., Session]:
    """Return the dependency that gives a page its session."""

    def session(request: Request, token: Token) -> Session:
        found = session_of(running(), token)
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        if found is None:
            raise SignInNeeded(path if request.method == "GET" else "/")
        if request.method == "GET":
            record_look(running(), found.actor, request.scope["route"].path, path)
        return found

    return session


async def form_of(request: Request, session: Session) -> list[tuple[str, str]]:
    """Return the fields of a form that our own page sent.

    Raises:
        HTTPException: 403, it came from elsewhere.
    """
    fields = parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True)
    if not same_page(session, dict(fields).get("csrf", "")):
        raise HTTPException(403, "this form did not come from a page of yours; open the page and send it again")
    return [(name, value) for name, value in fields if name != "csrf"]


def router(running: Running) -> APIRouter:
    """Return the routes of why, calls and signing in; they stand outside the OpenAPI document."""
    routes = APIRouter(include_in_schema=False)
    In = Annotated[Session, Depends(signed_in(running))]  # noqa: N806 - a type

    @routes.get("/static/console.css")
    def css() -> Response:
        return Response(stylesheet(), media_type="text/css", headers={"x-content-type-options": "nosniff"})

    @routes.get("/")
    async def home(session: In) -> Response:
        return shown("home", session, "/", front=await asyncio.to_thread(front, running(), session.scope))

    @routes.get("/why")
    def ask(q: str) -> Response:
        return RedirectResponse(f"/why/{quote(q.strip(), safe='/:')}", status_code=303)

    @routes.get("/why/{ref:path}")
    def why(ref: str, session: In, page: Page = 1) -> Response:
        try:
            answer = look_up(running(), ref, session.scope, page=page)
            return shown("entry" if isinstance(answer, Cited) else "why", session, "/", answer=answer)
        except NothingFound as error:
            text = str(error) or f"No entry is linked to {ref}."
            return shown("message", session, "/", title="Nothing found", text=text, login=False, status=404)

    @routes.get("/calls")
    async def calls(request: Request, session: In, before: int | None = None) -> Response:
        chosen = {name: request.query_params.get(name, "")[:200] for name in FIELDS}
        try:
            found = await asyncio.to_thread(
                list_calls, running(), chosen, session.scope, before if before and before > 0 else None
            )
        except ValueError as error:
            text = str(error)
            return shown("message", session, "/calls", title="Not a day", text=text, login=False, status=400)
        return shown("calls", session, "/calls", filter=chosen, filtered=any(chosen.values()), results=results(),
                     rows=found.rows, size=found.size, before=found.before, older=found.older)  # fmt: skip

    _add_session(routes, running)
    return routes


def _add_session(routes: APIRouter, running: Running) -> None:
    In = Annotated[Session, Depends(signed_in(running))]  # noqa: N806 - a type

    @routes.post("/login")
    async def login(request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
        token, after = form.get("token", "").strip(), form.get("next", "/")
        if session_of(running(), token) is None:
            return sign_in(after, status=403, problem="This token is not known here. Ask an admin for a new one.")
        safe = after if after.startswith("/") and not after.startswith(("//", "/\\")) else "/"
        response = RedirectResponse(safe, status_code=303)
        secure = request.url.scheme == "https"
        response.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=secure, max_age=12 * 3600)
        return response

    @routes.post("/logout")
    async def logout(request: Request, session: In) -> Response:
        await form_of(request, session)
        response = RedirectResponse("/", status_code=303)
        response.delete_cookie(COOKIE)
        return response


def shown(template: str, session: Session, here: str, /, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a page of a signed-in person."""
    return HTMLResponse(rendered(template, session=session, here=here, **values), status_code=status, headers=SAFE)


def sign_in(
    after: str, text: str = "This page shows what people asked; sign in to see it.", status: int = 401,
    problem: str = "",
) -> Response:  # fmt: skip
    """Return the sign-in page, which leads back to where somebody wanted to go."""
    html = rendered("message", title="Sign in", text=text, login=True, next=after, problem=problem)
    return HTMLResponse(html, status_code=status, headers=SAFE)
