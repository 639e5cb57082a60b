"""Commands about held calls: what waits for a person, what exactly, and the decision."""

from typing import Annotated

import typer

from gateway.cli.lists import Json, Limit, print_json, print_table, zone_of
from gateway.cli.people import Reason, acting

approval = typer.Typer(help="Held calls that wait for a person.", no_args_is_help=True)
By = Annotated[str, typer.Option("--as", help="The person who decides.")]


def add(app: typer.Typer) -> None:
    app.add_typer(approval, name="approval")


@approval.command("list")
def approval_list(
    context: typer.Context,
    state: Annotated[str, typer.Option(help="requested, approved, rejected, used, expired or lapsed.")] = "",
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """List what people were asked, newest first."""
    from gateway.console.approvals import STATES, listed, rows_within
    from gateway.store.installation import opened

    if state and state not in STATES:
        raise typer.BadParameter(f"one of {', '.join(STATES)}", param_hint="--state")
    with opened(context.obj) as installation:
        rows, zone = listed(installation, rows_within(installation, None), state, limit=limit), zone_of(installation)
    if as_json:
        print_json("approvals", rows, None)
    else:
        columns = ("approval", "said", "workflow", "environment", "asked_at", "until", "call")
        print_table(rows, columns, None, zone)


@approval.command("show")
def approval_show(context: typer.Context, approval: str) -> None:
    """Show what exactly waits, and why."""
    from gateway.console.approvals import STATES, plainly, question
    from gateway.store.installation import opened

    with opened(context.obj) as installation:
        one = question(installation, approval, None)
    if one is None:
        raise typer.BadParameter(f"there is no approval {approval}")
    where = f"{one.row['workflow']} in {one.row['environment']}"
    typer.echo(f"{where}: {STATES[one.state]}; asked {one.asked_at}, until {one.until}")
    for call in one.calls or ():
        because = f"  ({call.because})" if call.because else ""
        typer.echo(f"\n{call.name}{because}\n{plainly(call.arguments)}")
    if one.row["of"] == "request":
        typer.echo(f"\nit waits because {'; '.join(one.reasons)}; nothing was sent yet\n")
        for role, text in one.asked:
            typer.echo(f"{role}: {text}")
    if one.calls is None:
        typer.echo("\nwhat was held cannot be opened, so nobody can decide about it")
    for who, what, why in one.decisions:
        typer.echo(f"\n{who} {what}: {why}")


@approval.command("approve")
def approval_approve(context: typer.Context, approval: str, as_: By, reason: Reason) -> None:
    """Approve exactly what `approval show` shows."""
    _decide(context, approval, as_, "approve", reason)


@approval.command("reject")
def approval_reject(context: typer.Context, approval: str, as_: By, reason: Reason) -> None:
    """Reject it."""
    _decide(context, approval, as_, "reject", reason)


def _decide(context: typer.Context, approval: str, by: str, decision: str, reason: str) -> None:
    from gateway.console.approvals import question
    from gateway.oversight.approving import decide

    with acting(context, by) as (installation, actor):
        one = question(installation, approval, None)  # type: ignore[arg-type]
        shown = one.shown if one and one.calls is not None else ""
        state = decide(installation, actor, approval, decision, reason, shown)  # type: ignore[arg-type]
    typer.echo(f"{approval}: {state}")
