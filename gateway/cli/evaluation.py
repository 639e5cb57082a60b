"""Commands of evaluation: results that come from elsewhere, and what people say of scored answers."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.people import As, acting
from gateway.cli.saying import AsJson, say
from ledger.amounts import counted

review = typer.Typer(no_args_is_help=True, help="Score what evaluators have scored, without seeing what they said.")


evaluation = typer.Typer(no_args_is_help=True, help="Results of evaluations that ran elsewhere.")


def add(app: typer.Typer) -> None:
    app.add_typer(evaluation, name="evaluation")
    app.add_typer(review, name="review")


@evaluation.command("import")
def import_(context: typer.Context, file: Path, as_: As) -> None:
    """Put the results of a run over a fixed set on record: a JSON object, an array, or JSON Lines."""
    from gateway.economics.recording import lines_of
    from gateway.evaluation.importing import import_results

    kind = "application/x-ndjson" if file.suffix in (".jsonl", ".ndjson") else "application/json"
    sent = [value for _, value in lines_of(kind, file.read_bytes())]
    with acting(context, as_) as (installation, actor):
        made = import_results(installation, actor, sent)  # type: ignore[arg-type]
    new = sum(not one.repeated for one in made)
    typer.echo(f"{counted(new, 'result')} on record, {len(made) - new} known before")


@review.command("next")
def review_next(
    context: typer.Context,
    most: Annotated[int, typer.Option(help="How many.", min=1, max=1000)] = 20,
    as_json: AsJson = False,
) -> None:
    """List answers that wait for a person: drawn by hash, in an order that nobody chooses."""
    from gateway.evaluation.reviewing import queue
    from gateway.store.installation import opened

    with opened(context.obj) as installation:
        for one in queue(installation, most):
            evaluator, component, workflow = one.facts["evaluator"], one.facts["component"], one.workflow
            text = f"{one.call}  {evaluator}  {component}  {workflow}"
            say(as_json, text, call=one.call, evaluator=evaluator, component=component, workflow=workflow)


@review.command("record")
def review_record(
    context: typer.Context, call: str, as_: As,
    evaluator: Annotated[str, typer.Option(help="The evaluator whose question this answers.")],
    verdict: Annotated[str, typer.Option(help="correct, partial or incorrect.")],
    reason: Annotated[str, typer.Option(help="Why, in words.")] = "",
) -> None:  # fmt: skip
    """Record what a person says of an answer."""
    from gateway.evaluation.reviewing import review as put

    with acting(context, as_) as (installation, actor):
        put(installation, actor, call, evaluator, verdict, reason)  # type: ignore[arg-type]
    typer.echo(f"{call}: {verdict}")
