"""Commands of policies: try them on requests that are on record, and find thresholds on one's own traffic."""

import json
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.saying import AsJson
from ledger.amounts import counted

policy = typer.Typer(no_args_is_help=True, help="Policies: what would have become of calls on record.")
guard = typer.Typer(no_args_is_help=True, help="Thresholds of the detectors.")
Last = Annotated[int, typer.Option(min=1, max=1_000_000, help="How many requests, the latest.")]
Workflow = Annotated[str, typer.Option(help="Of this workflow.")]
_WOULD = {"deny": "refused", "hold": "held", "redact": "replaced something in", "flag": "flagged"}


def add(app: typer.Typer) -> None:
    app.add_typer(policy, name="policy")
    app.add_typer(guard, name="guard")


@policy.command("test")
def policy_test(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A configuration with the policies to try; it need not be active.")],
    last: Last = 1000,
    workflow: Workflow = "",
    as_json: AsJson = False,
) -> None:
    """Say what the policies of a file would have done with requests that are kept. Nothing is recorded or sent."""
    from gateway.configuration.load import load
    from gateway.oversight.trying import as_json as plain
    from gateway.oversight.trying import try_policies
    from gateway.store.installation import opened

    configuration = load(file.read_text("utf-8"), name=file.name)
    with opened(context.obj) as installation:
        tried = try_policies(installation, configuration, last, workflow)
    if as_json:
        typer.echo(json.dumps(plain(tried)))
        return
    read = tried.requests - tried.not_kept
    typer.echo(f"{counted(read, 'request')} tried, {tried.not_kept} not kept or not readable")
    for name, counts in tried.effects.items():
        said = [f"would have {_WOULD[one]} {counts[one]}" for one in _WOULD if counts[one]] or ["no effect"]
        near = f", nearly {counts['near']}" if counts["near"] else ""
        shown = f": {', '.join(tried.examples[name])}" if name in tried.examples else ""
        typer.echo(f"{name}: {', '.join(said)} of {counts['applies']}{near}{shown}")
    together = ", ".join(f"{_WOULD[one]} {tried.strongest[one]}" for one in _WOULD)
    typer.echo(f"all together: {together}, let pass {tried.strongest['pass']}")


@guard.command("calibrate")
def guard_calibrate(
    context: typer.Context,
    share: Annotated[float, typer.Option(min=0, max=0.5, help="The share of requests that may be found: 0.01.")] = 0.01,
    last: Last = 1000,
    workflow: Workflow = "",
    as_json: AsJson = False,
) -> None:
    """Say from which score on so few of your own requests would be found. Take a period without attacks."""
    from gateway.oversight.trying import calibrate, threshold_for
    from gateway.store.installation import opened

    with opened(context.obj) as installation:
        found = calibrate(installation, last, workflow)
    thresholds = {name: threshold_for(scores, share) for name, scores in found.scores.items()}
    if as_json:
        said = {name: one._asdict() if one else None for name, one in thresholds.items()}
        typer.echo(json.dumps({"requests": found.requests, "not_kept": found.not_kept, "thresholds": said}))
        return
    typer.echo(
        f"{counted(found.requests - found.not_kept, 'request')} scored, {found.not_kept} not kept or not readable"
    )
    for name, one in thresholds.items():
        if one is None:
            typer.echo(f"{name}: {len(found.scores[name])} requests hold such a text, too few to say")
        else:
            interval = f"95 % interval {100 * one.low:.1f} to {100 * one.high:.1f} %"
            typer.echo(f"{name}: {one.score:.3f} finds {one.found} of {one.of} ({interval})")
