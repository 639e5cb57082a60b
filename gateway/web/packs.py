"""Pages of evidence packs: make one, download it, verify one by upload."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from gateway.console.packs import Packs, uploaded
from gateway.console.session import Session, same_page
from gateway.oversight.looking import within
from gateway.oversight.standing import names
from gateway.packing import EXPORTERS, PackRequest
from gateway.store.installation import Installation
from gateway.web.pages import Running, form_of, shown, signed_in
from ledger.verify import verify_pack


def router(running: Running, packs: Packs) -> APIRouter:
    """Return the routes; they stand outside the OpenAPI document."""
    routes = APIRouter(include_in_schema=False)
    In = Annotated[Session, Depends(signed_in(running))]  # noqa: N806 - a type

    uploading = asyncio.Semaphore(1)

    def listed(session: Session, *, status: int = 200, **more: Any) -> Response:
        jobs = [job for job in packs.jobs if within(job.workflow, session.scope)]
        today = datetime.now(UTC).date()
        values: dict[str, Any] = {
            "jobs": jobs, "running": any(job.running for job in jobs),
            "packs": [one for one in packs.kept(running().reader) if _mine(running(), one.name, session)],
            "workflows": [one for one in names(running()) if within(one, session.scope)], "scope": session.scope,
            "start": today.replace(day=1).isoformat(), "end": today.isoformat(),
            "problem": "", "steps": (), "verdict": "", "may_export": _may_export(session),
        }  # fmt: skip
        return shown("packs", session, "/packs", status=status, **values | more)

    @routes.get("/packs")
    def index(session: In) -> Response:
        return listed(session)

    @routes.post("/packs")
    async def make(request: Request, session: In) -> Response:
        form = dict(await form_of(request, session))
        if not _may_export(session):
            return listed(session, status=403, problem="this needs the role compliance, auditor or admin")
        wanted = PackRequest(
            start=form.get("from", ""), end=form.get("to", ""), workflow=form.get("workflow") or None,
            seed=form.get("seed", ""), actor=session.actor,
        )  # fmt: skip
        packs.make(running(), wanted)
        return RedirectResponse("/packs", status_code=303)

    @routes.post("/packs/verify")
    async def verify(request: Request, session: In) -> Response:
        async with uploading:  # one at a time: an upload is large
            fields = await asyncio.to_thread(uploaded, request.headers.get("content-type", ""), await request.body())
        if not same_page(session, fields.get("csrf", b"").decode("utf-8", "replace")):
            raise HTTPException(403, "this form did not come from a page of yours; open the page and send it again")
        if not fields.get("pack"):
            return listed(session, status=400, problem="choose a file first: a PDF or a bundle")
        async with uploading:
            report = await asyncio.to_thread(verify_pack, fields["pack"], vkeys=[running().signer.vkey])
        verdict = "FAILED" if report.failed else f"nothing failed, level {report.level}"
        return listed(session, steps=report.steps, verdict=verdict)

    _add_download(routes, running, packs)
    return routes


def _add_download(routes: APIRouter, running: Running, packs: Packs) -> None:
    In = Annotated[Session, Depends(signed_in(running))]  # noqa: N806 - a type

    @routes.get("/packs/{name}")
    def download(name: str, session: In) -> Response:
        data = packs.read(name) if _may_export(session) and _mine(running(), name, session) else None
        if data is None:
            raise HTTPException(404, "no such pack was made here, or it is not for your role")
        headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
        return Response(data, media_type="application/pdf", headers=headers)


def _may_export(session: Session) -> bool:
    return bool(set(session.roles) & set(EXPORTERS))


def _mine(installation: Installation, name: str, session: Session) -> bool:
    """Say whether a pack that was made here is of a workflow that the person may look at."""
    if session.scope is None:
        return True
    entries = installation.reader.entries(installation.reader.find("pack", name.removesuffix(".pdf")))
    return any(within(one.workflow, session.scope) for one in entries)
