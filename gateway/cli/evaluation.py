"""Commands of people who review what evaluators have scored."""

from typing import Annotated

import typer

from gateway.cli.people import As, acting

review = typer.Typer(no_args_is_help=True, help="Score what evaluators have scored, without seeing what they said.")


def add(app: typer.Typer) -> None:
    app.add_typer(review, name="review")


@review.command("next")
def review_next(
    context: typer.Context, most: Annotated[int, typer.Option(help="How many.", min=1, max=1000)] = 20
) -> None:
    """List answers that wait for a person: drawn by hash, in an order that nobody chooses."""
    from gateway.evaluation.reviewing import queue
    from gateway.store.installation import opened

    with opened(context.obj) as installation:
        for one in queue(installation, most):
            typer.echo(f"{one.call}  {one.facts['evaluator']}  {one.facts['component']}  {one.workflow}")


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
