"""Commands of the configuration: check, activate, show, compare, and what was in force when."""

import difflib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.saying import AsJson, say
from gateway.settings import Settings
from ledger.amounts import counted

if TYPE_CHECKING:
    from gateway.configuration.model import Configuration
    from gateway.oversight.serving import Finding
    from gateway.pricing.prices import PriceList

config = typer.Typer(no_args_is_help=True, help="Check, activate, show and compare configurations.")

DIGESTS = {"ignore_unknown_options": True}
"""A digest may begin with a dash."""
Digest = Annotated[str | None, typer.Argument(help="Digest of a configuration, or its beginning.")]


def add(app: typer.Typer) -> None:
    app.add_typer(config, name="config")


@contextmanager
def mistakes_printed(as_json: bool) -> Iterator[None]:
    """Print the mistakes of a configuration file one a line, and end with exit code 1."""
    from gateway.configuration.load import ConfigurationError

    try:
        yield
    except ConfigurationError as error:
        if as_json:
            say(True, "", valid=False, problems=error.problems, findings=[])
        else:
            typer.echo("\n".join(error.problems), err=True)
        raise SystemExit(1) from error


@config.command("check")
def config_check(context: typer.Context, file: Path, as_json: AsJson = False) -> None:
    """Check a file: say with line numbers what is wrong, and what of it could not be served here."""
    from gateway.configuration.load import load
    from gateway.pricing.catalogue import compile_rows
    from gateway.pricing.prices import PriceList

    with mistakes_printed(as_json):
        loaded = load(file.read_text("utf-8"), name=file.name)
    found = _findings(loaded, PriceList.parse(compile_rows(loaded)), context.obj)
    counts = {"routes": len(loaded.routes), "workflows": len(loaded.workflows)}
    text = f"{file.name}: {counted(counts['routes'], 'route')}, {counted(counts['workflows'], 'workflow')}"
    say(as_json, text, valid=True, problems=[], findings=[one._asdict() for one in found], **counts)
    _warn(found, as_json)
    if any(one.wrong for one in found):
        raise SystemExit(1)


def _findings(configuration: "Configuration", prices: "PriceList", settings: Settings) -> "list[Finding]":
    """Return what of it could not be served here."""
    from gateway.oversight.serving import findings

    return list(findings(configuration, prices, settings.environment))


def _warn(found: "list[Finding]", as_json: bool) -> None:
    for one in found if not as_json else ():
        typer.echo(f"{'FIX ' if one.wrong else 'note'} {one.text}", err=True)


@config.command("activate")
def config_activate(
    context: typer.Context,
    file: Path,
    as_: Annotated[str, typer.Option("--as", help="The person who activates.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    as_json: AsJson = False,
) -> None:
    """Put a file into force: its text is kept by digest and every call quotes it."""
    from gateway.oversight import acts
    from gateway.oversight.people import by_name
    from gateway.store.installation import opened
    from gateway.store.ports import RulesInForce

    settings: Settings = context.obj
    with mistakes_printed(as_json), opened(settings) as installation:
        actor = by_name(installation, as_, settings.token)
        digest = acts.activate(installation, actor, file.read_text("utf-8"), reason)
        rules = RulesInForce(installation.reader, installation.vault, settings)
        rules.read()
    found = _findings(rules.now.configuration, rules.now.prices, settings)
    say(as_json, f"active: {digest}", active=digest, findings=[one._asdict() for one in found])
    _warn(found, as_json)


@config.command("reference")
def config_reference() -> None:
    """Print every key of the file, what it takes, and what holds without it."""
    from gateway.configuration.reference import reference

    typer.echo(reference(), nl=False)


@config.command("example")
def config_example() -> None:
    """Print a small configuration to begin with: every line is explained, and `config check` accepts it."""
    typer.echo(_resource("example.yaml"), nl=False)


@config.command("show", context_settings=DIGESTS)
def config_show(context: typer.Context, digest: Digest = None) -> None:
    """Print the text in force and the built-in entries under it; or, of a digest, an earlier text."""
    from gateway.oversight.configurations import one_of, text_of
    from gateway.state.rows import CONTROL, control_of
    from gateway.store.installation import opened

    with opened(context.obj) as installation:
        if digest is not None:
            typer.echo(text_of(installation, one_of(installation, digest)), nl=False)  # as it was, to be put in a file
            return
        active = control_of({CONTROL: installation.reader.state(CONTROL)})["config"]
        text = text_of(installation, active) if active else "# nothing is active"
    typer.echo(text)
    typer.echo("# ---- built in ----")
    typer.echo(_resource("builtin.yaml"))


@config.command("history")
def config_history(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line for each activation.")] = False,
) -> None:
    """List who put which configuration into force, when and why; the newest first."""
    from gateway.oversight.configurations import history, shortest
    from gateway.store.installation import opened

    with opened(context.obj) as installation:
        found = history(installation)
    short = shortest({one.digest for one in found})
    for one in found:
        line = f"{one.at[:19]}Z  {short[one.digest]}  {one.person}: {one.reason}"
        typer.echo(json.dumps(one.as_json()) if as_json else line)
    if not found:
        typer.echo(
            "no configuration was ever active: whyledger config activate FILE --as PERSON --reason TEXT", err=True
        )


@config.command("diff", context_settings=DIGESTS)
def config_diff(context: typer.Context, first: Digest = None, second: Digest = None) -> None:
    """Compare two configurations line by line; without names the one before with the active one."""
    from gateway.oversight.configurations import last_change, one_of, text_of
    from gateway.store.installation import opened

    with opened(context.obj) as installation:
        old, new = last_change(installation, *(one_of(installation, one) for one in (first, second) if one is not None))
        before, after = (text_of(installation, digest).splitlines() for digest in (old, new))
    for line in difflib.unified_diff(before, after, fromfile=old, tofile=new, lineterm=""):
        typer.echo(line)


def _resource(name: str) -> str:
    return resources.files("gateway.configuration").joinpath(name).read_text("utf-8")
