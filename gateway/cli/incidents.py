"""Commands about incidents and holds."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from gateway.cli.lists import Json, Limit, print_json, print_table, zone_of
from gateway.cli.people import As, Reason, acting

incidents = typer.Typer(help="Incidents: what happened, what was done, by when a report is due.", no_args_is_help=True)
hold = typer.Typer(help="Holds: what may neither be swept nor erased.", no_args_is_help=True)


def add(app: typer.Typer) -> None:
    app.add_typer(incidents, name="incident")
    app.add_typer(hold, name="hold")


@incidents.command("list")
def incident_list(
    context: typer.Context,
    open_only: Annotated[bool, typer.Option("--open", help="Open ones only.")] = False,
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """List incidents, newest first. `whyledger record incident` opens one and goes on with it."""
    from gateway.console.incidents import listed
    from gateway.store.installation import opened

    with opened(context.obj) as installation:
        rows, zone = listed(installation, None, open_only=open_only, limit=limit), zone_of(installation)
    if as_json:
        print_json("incidents", rows, None)
    else:
        print_table(rows, ("incident", "state", "severity", "workflow", "day", "held"), None, zone)


@incidents.command("show")
def incident_show(context: typer.Context, incident: str, as_json: Json = False) -> None:
    """Show one incident: its timeline, its calls, its clock and its holds."""
    from gateway.console.incidents import incident as found_by
    from gateway.store.installation import opened

    with opened(context.obj) as installation:
        one = found_by(installation, incident, None)
    if one is None:
        raise typer.BadParameter(f"there is no incident {incident}")
    if as_json:
        typer.echo(json.dumps(asdict(one)))
        return
    typer.echo(
        f"{one.id}: {'open' if one.is_open else 'closed'}, severity {one.severity or 'not said'}, {one.workflow}"
    )
    typer.echo(f"report to the authority by {one.report_by}: {one.report_why}" if one.report_by else one.report_why)
    for moment in one.timeline:
        typer.echo(f"{moment.shown}  {moment.who} {moment.what}" + (f": {moment.words}" if moment.words else ""))
    typer.echo(f"calls: {', '.join(one.calls) or 'none named'}")
    typer.echo(f"holds: {', '.join(one.held) or 'none'}")


@hold.command("place")
def hold_place(
    context: typer.Context,
    as_: As,
    reason: Annotated[str, typer.Option(help="incident, litigation or authority_order.")],
    words: Annotated[str, typer.Option(help="Why, in words; sealed.")],
    workflow: Annotated[str | None, typer.Option(help="Of this workflow.")] = None,
    task: Annotated[str | None, typer.Option(help="Of this task.")] = None,
    subject: Annotated[str | None, typer.Option(help="About this person.")] = None,
    from_: Annotated[str | None, typer.Option("--from", help="From this day on (UTC).")] = None,
    to: Annotated[str | None, typer.Option("--to", help="Up to this day (UTC).")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything.")] = False,
    incident: Annotated[str | None, typer.Option(help="The incident that it is for.")] = None,
    authority: Annotated[str, typer.Option(help="Who ordered it; sealed.")] = "",
    reference: Annotated[str, typer.Option(help="The order's reference; sealed.")] = "",
    basis: Annotated[str, typer.Option(help="The order's legal basis; sealed.")] = "",
    ends: Annotated[str | None, typer.Option(help="The day that the order names.")] = None,
) -> None:
    """Place a hold. Nothing under it is swept or erased until a person lifts it."""
    from gateway.oversight.holds import Scope, place

    scope = Scope(workflow=workflow, task=task, subject=subject, first=from_, last=to, everything=everything)
    order = {"authority": authority, "reference": reference, "basis": basis}
    with acting(context, as_) as (installation, actor):
        made = place(installation, actor, scope, reason, words, incident=incident, order=order, ends=ends)  # type: ignore[arg-type]
    typer.echo(made)


@hold.command("lift")
def hold_lift(context: typer.Context, hold: str, as_: As, reason: Reason) -> None:
    """Lift a hold."""
    from gateway.oversight.holds import lift

    with acting(context, as_) as (installation, actor):
        lift(installation, actor, hold, reason)  # type: ignore[arg-type]
    typer.echo(f"lifted {hold}")


@hold.command("list")
def hold_list(context: typer.Context, as_json: Json = False) -> None:
    """List the holds in force."""
    from gateway.oversight.holds import holds
    from gateway.store.installation import opened

    with opened(context.obj) as installation:
        rows = [{"hold": name, **row} for name, row in holds(installation).items()]
        zone = zone_of(installation)
    if as_json:
        print_json("holds", rows, None)
    else:
        every = [dict.fromkeys(("workflow", "task", "sub", "from", "to"), "") | one for one in rows]
        print_table(every, ("hold", "reason", "placed_at", "workflow", "task", "sub", "from", "to"), None, zone)
