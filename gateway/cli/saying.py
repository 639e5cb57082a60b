"""What a command prints: for people, or with --json one JSON line for a script."""

import json
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]


def say(as_json: bool, text: str, **members: Any) -> None:
    """Print one of both."""
    typer.echo(json.dumps(members) if as_json else text)
