"""The command that says what would become of a request."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.saying import AsJson
from ledger.amounts import eur

if TYPE_CHECKING:
    from gateway.oversight.routing import Explained

route = typer.Typer(no_args_is_help=True, help="Say which models would serve a request, and why not others.")
BODIES: dict[str, dict[str, Any]] = {
    "openai.chat": {"messages": [{"role": "user", "content": "hi"}]},
    "openai.responses": {"input": "hi"},
    "openai.completions": {"prompt": "hi"},
    "openai.embeddings": {"input": "hi"},
    "anthropic.messages": {"messages": [{"role": "user", "content": "hi"}]},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
}
"""The smallest request of each format."""


def add(app: typer.Typer) -> None:
    app.add_typer(route, name="route")


@route.command("explain")
def route_explain(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="The intent, or the model, that a caller asks for.")],
    environment: Annotated[str, typer.Option("--env", help="The environment of the key.")] = "prod",
    workflow: Annotated[str | None, typer.Option(help="The workflow of the key.")] = None,
    dialect: Annotated[str, typer.Option(help=f"The format: {', '.join(BODIES)}.")] = "openai.chat",
    body: Annotated[Path | None, typer.Option(help="A request as JSON, or - for standard input.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what would become of a request now: nothing is sent and nothing recorded. Exit 1: it would be refused.

    Circuits that a running gateway has opened are its own and are not looked at.
    """
    from gateway.oversight.routing import explain_route
    from gateway.store.installation import opened
    from gateway.store.ports import RulesInForce

    if dialect not in BODIES:
        raise typer.BadParameter(f"it is one of {', '.join(BODIES)}", param_hint="--dialect")
    text = _text(body) or json.dumps(BODIES[dialect])
    try:
        request = {**json.loads(text), "model": model}
    except (ValueError, TypeError) as error:
        raise typer.BadParameter("it is no JSON object", param_hint="--body") from error
    with opened(context.obj) as installation:
        rules = RulesInForce(installation.reader, installation.vault, context.obj)
        rules.read()
        found = explain_route(
            installation, rules.now, json.dumps(request).encode(), dialect=dialect,
            path=f"/models/{model}:generateContent", environment=environment, workflow=workflow,
        )  # fmt: skip
    typer.echo(json.dumps(asdict(found)) if as_json else _in_words(found))
    if found.refused:
        raise SystemExit(1)


def _text(body: Path | None) -> str:
    if body is None:
        return ""
    return sys.stdin.read() if str(body) == "-" else body.read_text("utf-8")


def _in_words(found: "Explained") -> str:
    lines = [f"refused: {found.refused}: {found.why}"] if found.refused else []
    for place, one in enumerate(found.targets, start=1):
        dropped = f"; not carried over: {', '.join(one['dropped'])}" if one["dropped"] else ""
        lines.append(f"{place}. {one['model']} at {one['provider']} ({one['format']}){dropped}")
    lines += [f"   not {one['model']}: {one['reason']}" for one in found.rejected]
    for one in found.checks:
        lines.append(f"check {one['id']}: {one['verdict']}" + (f", {one['reason']}" if one["reason"] else ""))
    if found.targets:
        lines.append(f"worst case of an attempt: {eur(found.reserved)}")
    for one in found.budgets:
        fits = "fits" if one["fits"] else "does not fit"
        used = f"{eur(one['spent'])} spent, {eur(one['reserved'])} reserved of {eur(one['cap'])}"
        lines.append(f"{one['row'].removeprefix('budget:')}: {used}; {fits}")
    if step := found.step_down:
        when = "now" if step["now"] else f"from {step['percent']} % of its cap on"
        lines.append(f"steps down to {step['first']} {when}")
    return "\n".join(lines)
