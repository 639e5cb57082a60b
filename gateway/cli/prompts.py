"""Commands of the prompt registry: register a version, promote it, look at what there is."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.people import As, Reason, acting
from gateway.cli.saying import AsJson, say
from ledger.amounts import counted

prompt = typer.Typer(no_args_is_help=True, help="Register versions of prompts and promote them.")


def add(app: typer.Typer) -> None:
    app.add_typer(prompt, name="prompt")


@prompt.command("register")
def register(context: typer.Context, name: str, file: Path, as_: As, reason: Reason) -> None:
    """Put the text of a file on record as the next version; `{{name}}` stands for a variable."""
    from gateway.oversight.prompts import register as put

    text = file.read_text("utf-8").rstrip("\n")
    with acting(context, as_) as (installation, actor):
        version = put(installation, actor, name, text, reason)  # type: ignore[arg-type]
    typer.echo(f"{name}: version {version}; callers get it once it is promoted, or by its number")


@prompt.command("promote")
def promote(
    context: typer.Context, name: str, version: int, as_: As, reason: Reason,
    environment: Annotated[str, typer.Option(help="Where callers get it who name no version.")] = "prod",
) -> None:  # fmt: skip
    """Make a version the one in use; promote an earlier one to take it back."""
    from gateway.oversight.prompts import promote as put

    with acting(context, as_) as (installation, actor):
        put(installation, actor, name, version, environment, reason)  # type: ignore[arg-type]
    typer.echo(f"{name}: version {version} in {environment}")


@prompt.command("list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List prompts, how many versions they have, and which is in use where."""
    from gateway.store.installation import opened

    with opened(context.obj) as installation:
        for row, found in sorted(installation.reader.states("prompt:").items()):
            used = ", ".join(f"{version} in {place}" for place, version in sorted(found["promoted"].items()))
            name, count = row.removeprefix("prompt:"), len(found["versions"])
            text = f"{name}  {counted(count, 'version')}  {used or 'none promoted'}"
            say(as_json, text, prompt=name, versions=count, promoted=found["promoted"])


@prompt.command("show")
def show(context: typer.Context, name: str, version: int) -> None:
    """Print the text of a version."""
    from gateway.oversight.people import ActRefused
    from gateway.state.rows import prompt_row
    from gateway.store.installation import opened

    with opened(context.obj) as installation:
        versions = (installation.reader.state(prompt_row(name)) or {"versions": []})["versions"]
        if not 1 <= version <= len(versions):
            raise ActRefused(f"no version {version} of prompt {name} is on record")
        typer.echo(installation.vault.text(versions[version - 1]))


@prompt.command("unregistered")
def unregistered(context: typer.Context) -> None:
    """List system texts that calls sent without a registered prompt, the most used first."""
    from gateway.oversight.prompts import unregistered as found
    from gateway.store.installation import opened

    with opened(context.obj) as installation:
        for one in found(installation):
            typer.echo(
                f"{one.digest[:12]}  {one.workflow}  {counted(one.calls, 'call')}  first {one.first}  last {one.last}"
            )
