"""Commands by which people act: person, key, workflow, override, stop. Each names the person with --as."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.saying import AsJson, say
from gateway.pricing.money import read_eur
from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.oversight.people import Box

person = typer.Typer(no_args_is_help=True, help="Enrol people and give them roles.")
key = typer.Typer(no_args_is_help=True, help="Issue and revoke gateway keys.")
workflow = typer.Typer(no_args_is_help=True, help="Classify and release workflows.")

Remove = Annotated[bool, typer.Option("--remove", help="Remove the role instead.")]
As = Annotated[str, typer.Option("--as", help="The person who acts; their token in WHYLEDGER_TOKEN proves it.")]
Until = Annotated[str | None, typer.Option(help="Of an auditor: the last day, else 90 days from now.")]
Within = Annotated[list[str] | None, typer.Option(help="Of an auditor: a workflow to look at; all if left out.")]
Reason = Annotated[str, typer.Option(help="Why, in words.")]


def add(app: typer.Typer) -> None:
    app.add_typer(person, name="person")
    app.add_typer(key, name="key")
    app.add_typer(workflow, name="workflow")
    app.command()(override)
    app.command()(record)
    app.command()(correct)
    app.command()(stop)


@contextmanager
def acting(context: typer.Context, name: str | None) -> Iterator[tuple[object, object]]:
    from gateway.oversight.people import by_name, only_admin
    from gateway.store.installation import opened

    settings: Settings = context.obj
    with opened(settings) as installation:
        token = settings.token
        yield installation, by_name(installation, name, token) if name else only_admin(installation, token)


@person.command("add")
def person_add(
    context: typer.Context,
    name: str,
    role: Annotated[list[str], typer.Option(help="viewer, engineer, finance, compliance, approver, auditor, admin.")],
    as_: Annotated[
        str | None, typer.Option("--as", help="The admin who enrols; may be left out while there is one.")
    ] = None,
    until: Until = None,
    workflow: Within = None,
    as_json: AsJson = False,
) -> None:
    """Enrol a person and print their token once."""
    from gateway.oversight import acts

    with acting(context, as_) as (installation, actor):
        box = _box(installation, until, workflow) if "auditor" in role or until or workflow else None
        token = acts.enrol(installation, actor, name, role, box)  # type: ignore[arg-type]
    ends = {"until": box.until, "workflows": box.workflows} if box else {}
    say(as_json, token, person=name, roles=role, token=token, **ends)
    typer.echo("shown once; only its digest is kept", err=True)
    if box:
        typer.echo(f"auditor until {box.until}, of {', '.join(box.workflows) or 'all workflows'}", err=True)


def _scope_before(installation: object, name: str) -> list[str]:
    """Return the workflows that an auditor has been restricted to: a new end leaves them as they are."""
    from gateway.oversight.people import find

    pseudonym = find(installation, name).pseudonym  # type: ignore[arg-type]
    row = installation.reader.state(f"person:{pseudonym}")  # type: ignore[attr-defined]
    return list((row.get("box") or {"workflows": ()})["workflows"])


def _box(installation: object, until: str | None, workflows: list[str] | None) -> "Box":
    """Return the box of an auditor."""
    from datetime import date

    from gateway.days import end_of
    from gateway.oversight.acts import AUDITOR_TIME, time_zone
    from gateway.oversight.people import ActRefused, Box
    from ledger.entry import format_time

    if until is None:
        return Box(format_time(installation.clock() + AUDITOR_TIME), tuple(workflows or ()))  # type: ignore[attr-defined]
    try:
        last = end_of(date.fromisoformat(until), time_zone(installation))  # type: ignore[arg-type]
    except (ValueError, OverflowError):
        raise ActRefused(f"--until takes a day like 2026-12-31, not {until}") from None
    return Box(format_time(last), tuple(workflows or ()))


@person.command("grant")
def person_grant(
    context: typer.Context, name: str, role: str, as_: As, take: Remove = False, until: Until = None,
    workflow: Within = None,
) -> None:  # fmt: skip
    """Give a person a role, or remove it with --remove; to an auditor, the end and the workflows anew."""
    from gateway.oversight.access import grant

    with acting(context, as_) as (installation, actor):
        box = None
        if role == "auditor" and not take:
            box = _box(installation, until, workflow or _scope_before(installation, name))
        grant(installation, actor, name, role, take=take, box=box)  # type: ignore[arg-type]
    if box:
        typer.echo(f"auditor until {box.until}, of {', '.join(box.workflows) or 'all workflows'}", err=True)
    typer.echo(f"{name}: {'-' if take else '+'}{role}")


@person.command("token")
def person_token(context: typer.Context, name: str, as_: As) -> None:
    """Issue a new personal token and print it once; the one before is dead at once."""
    from gateway.oversight.access import issue_token

    with acting(context, as_) as (installation, actor):
        token = issue_token(installation, actor, name)  # type: ignore[arg-type]
    typer.echo(token)
    typer.echo("shown once; only its digest is kept; the token before is dead", err=True)


@person.command("revoke")
def person_revoke(context: typer.Context, name: str, as_: As, reason: Reason) -> None:
    """End a person's token and every session that it opened. Their roles stay; `person grant --remove` removes them."""
    from gateway.oversight.access import revoke_token

    with acting(context, as_) as (installation, actor):
        roles = revoke_token(installation, actor, name, reason)  # type: ignore[arg-type]
    typer.echo(f"revoked the token of {name}; roles that stay: {', '.join(roles) or 'none'}")


@key.command("create")
def key_create(
    context: typer.Context,
    environment: Annotated[str, typer.Option(help="prod, staging, dev, or another of the configuration.")],
    workflow: Annotated[str, typer.Option(help="The workflow that the key belongs to.")],
    as_: As,
    max_budget_daily: Annotated[
        int | None, typer.Option(parser=read_eur, metavar="EUR", help="A hard daily cap of this key: 2.50.")
    ] = None,
    new: Annotated[
        bool, typer.Option("--new", help="Register a workflow that the configuration does not name.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Issue a gateway key and print it once."""
    from gateway.oversight import acts

    with acting(context, as_) as (installation, actor):
        first = installation.reader.state(f"workflow:{workflow}") is None  # type: ignore[attr-defined]
        secret = acts.issue_key(installation, actor, environment, workflow, max_budget_daily, new=new)  # type: ignore[arg-type]
    say(as_json, secret, key=secret, environment=environment, workflow=workflow, registered=first)
    if first:
        typer.echo(f"registered a new workflow {workflow}: not described, no tools granted", err=True)
    typer.echo("shown once; only its digest is kept", err=True)


@key.command("revoke")
def key_revoke(context: typer.Context, key: str, as_: As, reason: Reason) -> None:
    """Revoke a key, given itself or its id."""
    from gateway.oversight import acts

    with acting(context, as_) as (installation, actor):
        revoked = acts.revoke_key(installation, actor, key, reason)  # type: ignore[arg-type]
    typer.echo(f"revoked {revoked}")


@workflow.command("classify")
def workflow_classify(
    context: typer.Context,
    name: str,
    answers: Annotated[Path, typer.Option(help="File of the answers; made and filled by the questionnaire.")],
    as_: Annotated[str | None, typer.Option("--as", help="Confirm the class, as this person.")] = None,
    reason: Annotated[str, typer.Option(help="Why the person stands by the answers.")] = "",
    without_draft: Annotated[bool, typer.Option("--without-draft", help="Leave draft guidance out.")] = False,
) -> None:
    """Ask what decides the risk class of a workflow and show it; with --as, confirm it. Exit 3: it is still open."""
    from gateway.cli.classify import show, today
    from gateway.cli.questionnaire import asked

    case = asked(answers, name, today=today())
    show(case, draft=not without_draft)
    if as_:
        from gateway.oversight.classifying import confirm_class

        with acting(context, as_) as (installation, actor):
            confirm_class(installation, actor, name, case, reason, draft=not without_draft)  # type: ignore[arg-type]
        typer.echo(f"confirmed for {name} as it is now, by {as_}; it goes stale when the workflow changes")


@workflow.command("check")
def workflow_check(context: typer.Context) -> None:
    """Hold the latest traffic of classified workflows against what was declared. Exit 1: something does not fit."""
    from gateway.oversight.contradictions import Lookout
    from gateway.store.installation import opened

    with opened(context.obj) as installation:
        raised = Lookout(installation).look()
    for line in raised:
        typer.echo(line)
    raise SystemExit(1 if raised else 0)


@workflow.command("release")
def workflow_release(context: typer.Context, name: str, as_: As, reason: Reason) -> None:
    """Release a workflow for prod as it is now: the named person takes responsibility for it."""
    from gateway.oversight import acts

    with acting(context, as_) as (installation, actor):
        parts = acts.release(installation, actor, name, reason)  # type: ignore[arg-type]
    typer.echo(f"released {name} as it is now; when any of this changes, prod refuses it until it is released again:")
    for part, value in parts.items():
        lines = [f"{one}: {', '.join(models)}" for one, models in value.items()] if isinstance(value, dict) else value
        typer.echo(f"  {part}: {lines if isinstance(lines, str) else '; '.join(lines) or 'none'}")


def override(
    context: typer.Context,
    call: str,
    as_: As,
    action: Annotated[str, typer.Option(help="approve, modify, disregard, reverse or interrupt.")],
    presented: Annotated[str, typer.Option(help="What the person was shown.")],
    reason_code: Annotated[
        str | None, typer.Option(help="R01 to R11, or R99 with words; none for an approval.")
    ] = None,
    reason: Reason = "",
    before: Annotated[str | None, typer.Option(help="What the system had decided.")] = None,
    after: Annotated[str | None, typer.Option(help="What the person decided instead.")] = None,
) -> None:
    """Record that a person approved, changed or reversed what a call did."""
    from gateway.oversight import acts

    with acting(context, as_) as (installation, actor):
        entry = acts.override(
            installation, actor, call, action=action, reason_code=reason_code, reason=reason,  # type: ignore[arg-type]
            presented=presented, before=before, after=after,
        )  # fmt: skip
    typer.echo(entry)


def record(
    context: typer.Context,
    register: Annotated[
        str, typer.Argument(help="notice, marking, training, attestation, document, request, incident.")
    ],
    as_: As,
    set_: Annotated[list[str], typer.Option("--set", metavar="FIELD=ANSWER", help="A field of the register.")],
    workflow: Annotated[str | None, typer.Option(help="The workflow that it is about.")] = None,
    words: Annotated[str, typer.Option(help="What was said, shown or stated; sealed.")] = "",
    file: Annotated[Path | None, typer.Option(help="A document; only its SHA-256 is kept.")] = None,
    incident: Annotated[str | None, typer.Option(help="The incident that this goes on with.")] = None,
    alert: Annotated[str | None, typer.Option(help="The alert that told of an incident.")] = None,
) -> None:
    """Put a notice, a mark, training, a statement, a document, a request or an incident on record."""
    from gateway.cli.classify import today
    from gateway.oversight.registers import record as put
    from reports.registers import report_by

    fields = dict(one.partition("=")[::2] for one in set_)
    if len(fields) < len(set_):
        raise typer.BadParameter("a field is given twice", param_hint="--set")
    with acting(context, as_) as (installation, actor):
        made = put(
            installation, actor, register, workflow, fields, words=words,  # type: ignore[arg-type]
            content=file.read_bytes() if file else None, incident=incident, alert=alert,
        )  # fmt: skip
    typer.echo(made)
    if register == "incident" and incident is None:
        last, why = report_by(fields, today())
        typer.echo("if the duty to report applies to this workflow:")
        typer.echo(f"report to the authority by {last}: {why}" if last else f"no day for a report: {why}")


def correct(
    context: typer.Context,
    call: str,
    as_: As,
    reason: Reason,
    cost: Annotated[int, typer.Option(parser=read_eur, metavar="EUR", help="What it did cost: 0.0123.")],
) -> None:
    """Put the real cost of a call in place of the upper bound that was charged."""
    from gateway.oversight.corrections import correct_cost
    from ledger.amounts import eur

    with acting(context, as_) as (installation, actor):
        before = correct_cost(installation, actor, call, cost, reason)  # type: ignore[arg-type]
    typer.echo(f"{call}: {eur(before)} is now {eur(cost)}")


def stop(
    context: typer.Context,
    as_: As,
    reason: Reason,
    everything: Annotated[bool, typer.Option("--all", help="Every call.")] = False,
    key: Annotated[str | None, typer.Option(help="One gateway key, itself or its id.")] = None,
    task: Annotated[str | None, typer.Option(help="One task.")] = None,
    workflow: Annotated[str | None, typer.Option(help="One workflow.")] = None,
    release: Annotated[bool, typer.Option(help="Lift the stop instead.")] = False,
) -> None:
    """Stop a scope at once: no call in it is opened any more, running streams end within half a second."""
    from gateway.oversight import acts

    with acting(context, as_) as (installation, actor):
        scope = acts.stop_scope(installation, everything=everything, key=key, task=task, workflow=workflow)  # type: ignore[arg-type]
        act = acts.release_stop if release else acts.stop
        act(installation, actor, scope, reason)  # type: ignore[arg-type]
    what = f"task {task}" if task else scope[0].replace(":", " ").replace("all", "everything")
    typer.echo(f"{'lifted the stop of' if release else 'stopped'} {what}")
