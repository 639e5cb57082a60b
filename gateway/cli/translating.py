"""`init --from`: the configuration of another gateway, translated into a file of ours."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gateway.cli.configure import mistakes_printed
from ledger.amounts import counted

if TYPE_CHECKING:
    from gateway.configuration.litellm import Translated


def translated(file: Path, output: Path, as_json: bool) -> "Translated":
    """Translate a file and write the result; nothing else was done if that fails.

    Raises:
        SystemExit: 1, it cannot be translated, or the output is there already.
    """
    from gateway.configuration.litellm import translate

    with mistakes_printed(as_json):
        made = translate(file.read_text("utf-8"), name=file.name)
    try:
        with output.open("x", encoding="utf-8") as written:
            written.write(made.text)
    except FileExistsError:
        typer.echo(f"whyledger: {output} is there already: name another file with --output", err=True)
        raise SystemExit(1) from None
    return made


def as_members(made: "Translated", output: Path) -> dict[str, Any]:
    """Return what a script gets of it."""
    notes = [{"place": one.place, "why": one.why} for one in made.notes]
    return {"file": str(output), "notes": notes, "variables": list(made.variables)}


def show(made: "Translated", output: Path) -> None:
    """Say what was written, what was not carried over, and what has to be set."""
    count = counted(len(made.notes), "setting")
    typer.echo(f"{output} is written; {count} not carried over or changed, also in the comments at its head:")
    for one in made.notes:
        typer.echo(f"  {one.place}: {one.why}")
    if made.variables:
        typer.echo(f"set in the environment of `whyledger serve`: {', '.join(made.variables)}")
