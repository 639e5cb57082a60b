"""Commands that list, newest first: calls, keys, people, releases of workflows, stops in force."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import typer

from gateway.cli.people import key, person, workflow

Limit = Annotated[int, typer.Option(min=1, help="Rows at most.")]
Before = Annotated[int | None, typer.Option(min=1, help="Go on where the last page ended.")]
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]
Workflow = Annotated[str, typer.Option(help="Of this workflow.")]
Environment = Annotated[str, typer.Option(help="Of this environment.")]


def add(app: typer.Typer) -> None:
    app.command()(calls)
    app.command()(stops)


def calls(
    context: typer.Context,
    refused: Annotated[bool, typer.Option("--refused", help="Refused calls only.")] = False,
    errors: Annotated[bool, typer.Option("--errors", help="Calls that got no whole answer.")] = False,
    from_: Annotated[str, typer.Option("--from", help="First day or instant: 2026-11-20, of the organisation.")] = "",
    to: Annotated[str, typer.Option("--to", help="First day or instant after the period.")] = "",
    workflow: Workflow = "",
    environment: Environment = "",
    code: Annotated[str, typer.Option(help="Why it was refused: budget_exceeded.")] = "",
    result: Annotated[str, typer.Option(help="How it ended: answered, failed, interrupted and so on.")] = "",
    route: Annotated[str, typer.Option(help="Asked for by this route.")] = "",
    model: Annotated[str, typer.Option(help="Answered by this model.")] = "",
    prompt: Annotated[str, typer.Option(help="With this version of a prompt: reply@2.")] = "",
    key: Annotated[str, typer.Option(help="By this gateway key, itself or its id.")] = "",
    task: Annotated[str, typer.Option(help="Of this task.")] = "",
    limit: Limit = 50,
    before: Before = None,
    as_json: Json = False,
) -> None:
    """List calls that have ended, newest first."""
    from gateway.console.listing import FIELDS, list_calls, results, said_of
    from gateway.store.installation import opened

    _require("--result", result, [name for name, _ in results()])
    if refused and result not in ("", "refused"):
        raise typer.BadParameter("it is another result than --refused", param_hint="--result")
    ended = "refused" if refused else result
    with opened(context.obj) as installation:
        by = _plain(installation.vault.owner_of(_plain(key)) or key) if key else ""
        only, asked = "errors" * errors, _plain(task)
        given = (workflow, route, environment, model, by, prompt, asked, code, ended, only, from_, to)
        chosen = dict(zip(FIELDS, given, strict=True))
        try:
            found = list_calls(installation, chosen, None, before, limit=limit, look=None)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--from, --to") from None
        zone = zone_of(installation)
    rows = [said_of(row) for row in found.rows]
    if as_json:
        print_json("calls", rows, found.before or None)
    else:
        columns = ("ended_at", "call", "workflow", "environment", "route", "model", "how")
        print_table([row | {"how": _how(row)} for row in rows], columns, found.before or None, zone)


def _how(row: Mapping[str, Any]) -> str:
    more = "" if row["code"] else str(row["exception"]).removeprefix(row["said"]).removeprefix("; ")
    return f"{row['said']} ({more})" if more else str(row["said"])


@key.command("list")
def key_list(
    context: typer.Context,
    workflow: Workflow = "",
    environment: Environment = "",
    status: Annotated[str, typer.Option(help="active or revoked.")] = "",
    limit: Limit = 50,
    before: Before = None,
    as_json: Json = False,
) -> None:
    """List gateway keys: who issued them, when, and whether they are revoked. Secrets are kept nowhere."""
    from gateway.console.lists import STATUSES, list_keys
    from gateway.store.installation import opened

    _require("--status", status, STATUSES)
    with opened(context.obj) as installation:
        chosen = {"workflow": workflow, "environment": environment, "status": status}
        rows, zone = list_keys(installation, chosen, None), zone_of(installation)
    columns = ("key", "status", "environment", "workflow", "issued_at", "issued_by", "revoked_at", "revoked_by")
    _show("keys", rows, columns, limit, before, zone, as_json=as_json)


@person.command("list")
def person_list(
    context: typer.Context,
    role: Annotated[str, typer.Option(help="Only who holds this role.")] = "",
    limit: Limit = 50,
    before: Before = None,
    as_json: Json = False,
) -> None:
    """List people, the roles that they hold now, and since when they are enrolled."""
    from gateway.console.lists import list_people
    from gateway.oversight.people import ROLES
    from gateway.store.installation import opened

    _require("--role", role, ROLES)
    with opened(context.obj) as installation:
        rows, zone = list_people(installation, {"role": role}), zone_of(installation)
    _show("people", rows, ("name", "roles", "since", "token", "auditor_until"), limit, before, zone, as_json=as_json)


@workflow.command("list")
def workflow_list(
    context: typer.Context,
    workflow: Workflow = "",
    state: Annotated[str, typer.Option(help="released, stale or none.")] = "",
    limit: Limit = 50,
    before: Before = None,
    as_json: Json = False,
) -> None:
    """List workflows: released, changed since, or not released; by whom and when."""
    from gateway.console.lists import RELEASES, list_releases
    from gateway.store.installation import opened

    _require("--state", state, tuple(RELEASES))
    with opened(context.obj) as installation:
        rows, zone = list_releases(installation, {"workflow": workflow, "state": state}, None), zone_of(installation)
    said = rows if as_json else [row | {"state": RELEASES[row["state"]]} for row in rows]
    _show("releases", said, ("workflow", "state", "released_at", "released_by"), limit, before, zone, as_json=as_json)


def stops(context: typer.Context, limit: Limit = 50, before: Before = None, as_json: Json = False) -> None:
    """List the stops in force: since when, by whom and why."""
    from gateway.console.lists import list_stops, stop_said
    from gateway.store.installation import opened

    with opened(context.obj) as installation:
        rows, zone = list_stops(installation, None), zone_of(installation)
    said = rows if as_json else [row | {"scope": stop_said(row)} for row in rows]
    columns = ("scope", "workflow", "stopped_at", "stopped_by", "reason")
    _show("stops", said, columns, limit, before, zone, as_json=as_json)


def zone_of(installation: Any) -> str:
    from gateway.oversight.acts import time_zone

    return time_zone(installation)


def _require(option: str, given: str, known: Sequence[str]) -> None:
    if given and given not in known:
        raise typer.BadParameter(f"it is one of {', '.join(known)}", param_hint=option)


def _plain(text: str) -> str:
    """Return a text as it is looked up; bytes of the terminal that are no text are replaced."""
    return text.encode("utf-8", "replace").decode()


def _show(
    name: str, rows: list[dict[str, Any]], columns: Sequence[str], limit: int, before: int | None, zone: str, *,
    as_json: bool,
) -> None:  # fmt: skip
    from gateway.console.lists import page_of

    page = page_of(rows, limit, before)
    if as_json:
        print_json(name, page.rows, page.before)
    else:
        print_table(page.rows, columns, page.before, zone)


def print_json(name: str, rows: Iterable[Mapping[str, Any]], before: int | None) -> None:
    typer.echo(json.dumps({name: list(rows), "next": before}, indent=2))


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], before: int | None, zone: str) -> None:
    """Print a table; what goes on is said on stderr, so that the table can be piped."""
    table = [
        [_TITLES.get(name, name) for name in columns],
        *([_cell(row[name], zone) for name in columns] for row in rows),
    ]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    if rows:
        for line in table:
            typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    else:
        typer.echo("nothing to list", err=True)
    if before:
        typer.echo(f"there are more: --before {before}", err=True)


_TITLES = {
    "ended_at": "ended", "how": "result", "issued_at": "issued", "issued_by": "by", "revoked_at": "revoked",
    "revoked_by": "by", "auditor_until": "auditor until", "released_at": "released", "released_by": "by",
    "scope": "stopped", "stopped_at": "since", "stopped_by": "by", "asked_at": "asked", "said": "state",
}  # fmt: skip


def _cell(value: Any, zone: str) -> str:
    """Write a value on one line; times in the organisation's zone."""
    from reports.times import clock

    if value in (None, "", []):
        return "-"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    text = " ".join(str(value).split())
    if len(text) >= 20 and text.endswith("Z") and text[10:11] == "T":
        return clock(text, zone)
    return "".join(one if one.isprintable() else "?" for one in text)
