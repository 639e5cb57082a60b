"""Commands of finance: costs, outcomes."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.people import As, acting
from gateway.cli.saying import AsJson, say
from ledger.entry import decode

if TYPE_CHECKING:
    from gateway.economics.reconciliation import Match
    from gateway.economics.recording import Result

outcome = typer.Typer(no_args_is_help=True, help="Record what became of tasks.")

From = Annotated[str | None, typer.Option("--from", help="First day: 2026-11-01. Else the month that runs.")]
To = Annotated[str | None, typer.Option("--to", help="First day after the period. Else tomorrow.")]
KINDS = {".csv": "text/csv", ".jsonl": "application/x-ndjson", ".ndjson": "application/x-ndjson"}


def add(app: typer.Typer) -> None:
    app.command()(costs)
    app.command()(reconcile)
    app.command()(scorecard)
    app.add_typer(outcome, name="outcome")


def costs(
    context: typer.Context,
    by: Annotated[
        str, typer.Option(help="day, workflow, environment, route, model, key, prompt: one or more; or outcome.")
    ] = "workflow",
    from_: From = None,
    to: To = None,
    csv: Annotated[bool, typer.Option("--csv", help="As CSV.")] = False,
    focus: Annotated[bool, typer.Option("--focus", help="As CSV in the shape of FOCUS 1.2, by slice.")] = False,
    json_: AsJson = False,
) -> None:
    """What did it cost: by day, workflow, model and so on, to the nano-EUR as it is in the entries."""
    from gateway.economics import by_outcome
    from gateway.economics.costs import OUTCOME, as_csv, as_focus, as_json, as_text, grouped, read_by, whole
    from gateway.economics.reading import age_of_prices, every_outcome, period_of, sums_of
    from gateway.oversight.acts import active_configuration
    from gateway.store.installation import opened

    names = read_by(by)
    with opened(context.obj) as installation:
        configuration, _ = active_configuration(installation)
        now = installation.clock()
        period = period_of(from_, to, configuration.organisation.time_zone, now)
        rows = sums_of(installation.reader, period)
        found = every_outcome(installation.reader, configuration, period, None) if names == OUTCOME else {}
    head = {"start": str(period.start), "to": str(period.end), "zone": period.zone}
    head["prices"] = age_of_prices(configuration, now)
    if json_ and names == OUTCOME:
        say(True, "", **head, outcomes=[by_outcome.outcome_row(one) for _, one in sorted(found.items())])
    elif json_:
        groups = [as_json(one, names) for one in grouped(rows, names)]
        say(True, "", **head, together=as_json(whole(rows), ()), groups=groups)
    elif names == OUTCOME:
        said = f"{period}, {period.zone}\n{by_outcome.as_text(found)}\n{age_of_prices(configuration, now)}\n"
        typer.echo(by_outcome.as_csv(found) if csv else said, nl=False)
    elif focus:
        typer.echo(as_focus(rows, configuration.organisation.name, period.zone), nl=False)
    elif csv:
        typer.echo(as_csv(grouped(rows, names), names), nl=False)
    else:
        typer.echo(f"{period}, {period.zone}")
        typer.echo(as_text(grouped(rows, names), names, whole(rows)))
        typer.echo(age_of_prices(configuration, now))


def scorecard(
    context: typer.Context,
    workflow: Annotated[str | None, typer.Option(help="One workflow; else all.")] = None,
    from_: From = None,
    to: To = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write .pdf (one A4), .csv or .json.")] = None,
) -> None:
    """Cost per outcome, errors, incidents, oversight, budget: a few lines with their intervals, on one page."""
    from gateway.economics.costs import QuestionInvalid
    from gateway.economics.reading import period_of
    from gateway.economics.scorecard import scorecard as card_of
    from gateway.oversight.acts import active_configuration
    from gateway.oversight.standing import names
    from gateway.store.installation import opened
    from reports.pack.calls import csv_line
    from reports.scorecard.card import as_rows
    from reports.scorecard.print import as_pdf, as_text

    with opened(context.obj) as installation:
        configuration, _ = active_configuration(installation)
        period = period_of(from_, to, configuration.organisation.time_zone, installation.clock())
        if workflow is not None and workflow not in names(installation):
            raise QuestionInvalid(f"no workflow {workflow} is registered; there are {', '.join(names(installation))}")
        card = card_of(installation, configuration, period, workflow)
        if output and output.suffix == ".pdf":
            output.write_bytes(as_pdf(card, configuration.organisation.name, installation.clock()))
    if output is None:
        typer.echo(as_text(card))
    elif output.suffix == ".csv":
        output.write_text("".join(map(csv_line, as_rows(card))), "utf-8")
    elif output.suffix == ".json":
        output.write_text(json.dumps(card.as_json(), indent=2), "utf-8")
    elif output.suffix != ".pdf":
        raise typer.BadParameter("it ends in .pdf, .csv or .json", param_hint="--output")


def reconcile(
    context: typer.Context,
    file: Path,
    provider: Annotated[
        str | None, typer.Option(help="The provider of the configuration whose export this is; JSON exports say so.")
    ] = None,
) -> None:
    """Hold a provider's cost or usage export against the record, day by day. Exit 1: something is not explained."""
    from gateway.economics.exports import read_export
    from gateway.economics.reconciliation import reconcile as matched
    from gateway.economics.reconciliation import recorded_calls
    from gateway.oversight.acts import active_configuration
    from gateway.pricing.money import Rate
    from gateway.store.installation import opened
    from reports.pack.words import decimals

    export = read_export(file.read_bytes())
    with opened(context.obj) as installation:
        reader, fx = installation.reader, active_configuration(installation)[0].fx
        size = reader.head().size
        first = date.fromisoformat(export.days[0]) - timedelta(
            days=1
        )  # a call may begin on one day and end on the next
        low = reader.first_at_or_after(f"{first}T00:00:00.000000Z", size)
        entries = (decode(data) for data in reader.raw(low, size))
        calls = recorded_calls(entries, provider or export.provider)
    rate = Rate.from_usd_per_eur(fx.usd_per_eur, fx.date, fx.source)
    matches = matched(export.lines, calls, rate, export.days)
    for one in matches:
        for line in _compared(one):
            typer.echo(f"{one.day}  {one.model or '(no model)'}  {line}")
    beyond, short = (sum(max(0, sign * one.unexplained) for one in matches) for sign in (1, -1))
    typer.echo(
        f"unexplained EUR {decimals(beyond)} billed beyond the record, EUR {decimals(short)} on record beyond the bill"
    )
    bounded = sum(one.bounded for one in matches)
    typer.echo(
        f"of what is on record EUR {decimals(bounded)} counts at an upper bound; days are UTC, as providers bill"
    )
    raise SystemExit(0 if all(one.is_explained for one in matches) else 1)


def _compared(one: "Match") -> Iterator[str]:
    """Yield what was billed beside what is on record, for each thing that the export states."""
    from reports.pack.words import decimals

    if one.billed is not None:
        both = f"billed {decimals(one.billed)}  on record {decimals(one.recorded)}"
        yield f"{both}  unexplained {decimals(one.unexplained)}"
    if one.billed_in is not None:
        billed, recorded = one.billed_in + (one.billed_out or 0), one.recorded_in + one.recorded_out
        yield f"tokens billed {billed}  on record {recorded}  unexplained {one.unexplained_tokens}"
    if one.billed_requests is not None:
        yield f"requests billed {one.billed_requests}  on record {one.calls}  unexplained {one.unexplained_requests}"
    yield from (f"billed and not on record: request {request}" for request in one.unknown_requests[:20])


@outcome.command("record")
def outcome_record(
    context: typer.Context,
    task: str,
    type_: Annotated[str, typer.Option("--type", help="An outcome that the configuration defines.")],
    status: Annotated[str, typer.Option(help="success, failure, partial or abandoned.")],
    as_: As,
    value: Annotated[str | None, typer.Option(metavar="EUR", help="What it is worth.")] = None,
    human_minutes: Annotated[str | None, typer.Option(help="Minutes of people; else as defined.")] = None,
    occurred_at: Annotated[str | None, typer.Option(help="When: 2026-11-28T09:00:00Z; else now.")] = None,
    corrects: Annotated[str | None, typer.Option(help="The entry that this corrects.")] = None,
) -> None:
    """Record what became of a task."""
    sent = {
        "task": task, "type": type_, "status": status, "value": value, "human_minutes": human_minutes,
        "occurred_at": occurred_at, "corrects": corrects,
    }  # fmt: skip
    (result,) = _record(context, as_, [sent])
    if result.refused:
        typer.echo(f"whyledger: {result.refused}", err=True)
        raise SystemExit(1)
    typer.echo(f"{result.entry}{' (was on record)' if result.repeated else ''}")


@outcome.command("import")
def outcome_import(context: typer.Context, file: Path, as_: As) -> None:
    """Record the outcomes of a CSV file (with a line of names) or of JSON Lines. Exit 1: some were refused."""
    from gateway.economics.recording import lines_of

    lines = lines_of(KINDS.get(file.suffix.lower(), "application/json"), file.read_bytes())
    results = _record(context, as_, [one for _, one in lines])
    refused = [(line, one.refused) for (line, _), one in zip(lines, results, strict=True) if one.refused]
    repeated = sum(one.repeated for one in results)
    typer.echo(f"{len(results) - len(refused) - repeated} recorded, {repeated} were on record, {len(refused)} refused")
    for number, why in refused:
        typer.echo(f"{json.dumps(str(file))} line {number}: {why}", err=True)
    raise SystemExit(1 if refused else 0)


def _record(context: typer.Context, name: str, sent: list[object]) -> "list[Result]":
    from gateway.economics.recording import Sender, record

    with acting(context, name) as (installation, actor):
        return record(installation, Sender("command_line", actor), sent)  # type: ignore[arg-type]
