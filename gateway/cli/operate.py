"""Commands that run and set up an installation: demo, serve, init, doctor, migrate, config."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.settings import Settings
from ledger.amounts import counted

if TYPE_CHECKING:
    from gateway.configuration.model import Configuration
    from gateway.pricing.prices import PriceList

config = typer.Typer(no_args_is_help=True, help="Check, activate and show the configuration.")


def add_first(app: typer.Typer) -> None:
    app.command()(demo)
    app.command()(serve)


def add_rest(app: typer.Typer) -> None:
    app.command()(init)
    app.command()(doctor)
    app.add_typer(config, name="config")
    app.command()(migrate)
    app.command()(rebuild)
    app.command()(backup)
    app.command()(restore)
    app.command()(recover)


def demo(
    context: typer.Context,
    live: Annotated[bool, typer.Option(help="Use the provider whose key is in the environment.")] = False,
) -> None:
    """See the whole product work once: calls, why, signed pack, offline verification, tampering refused."""
    from gateway.demo.run import run_demo

    settings: Settings = context.obj
    home = settings.home if settings.environment.get("WHYLEDGER_HOME") else Path("whyledger-demo")
    raise SystemExit(run_demo(home, live=live, environment=settings.environment))


def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 picks a free one.")] = None,
    admin_port: Annotated[int | None, typer.Option(help="Port of /metrics and /healthz on 127.0.0.1.")] = None,
) -> None:
    """Run gateway, pages and API docs."""
    from gateway.server import run

    settings: Settings = context.obj
    run(
        settings,
        host=host or settings.host,
        port=settings.port if port is None else port,
        admin_port=settings.admin_port if admin_port is None else admin_port,
    )


def init(
    context: typer.Context,
    admin: Annotated[str, typer.Option(help="Name of the first person, an admin.")] = "admin",
    origin: Annotated[
        str, typer.Option(help="Permanent name of the log, like ledger.example.com/main (a URL without https://).")
    ] = "",
    organisation: Annotated[str, typer.Option(help="Name in the seal's certificate.")] = "not named",
) -> None:
    """Make keys and databases, enrol the first admin, and print their token once."""
    from gateway.oversight import acts
    from gateway.store.installation import make, opened

    settings: Settings = context.obj
    origin = origin or f"ledger.invalid/{secrets.token_hex(8)}"
    make(settings, origin, organisation, {"root": secrets.token_bytes(32), "log": secrets.token_bytes(32)})
    with opened(settings) as installation:
        acts.bind_signer(installation)
        token = acts.enrol(installation, None, admin, ["admin", "compliance", "engineer", "approver"])
        typer.echo(f"log            {installation.origin}")
        typer.echo(f"verifier key   {installation.signer.vkey}")
        typer.echo(
            "               give this line to your auditor through a separate channel; packs are checked against it"
        )
    typer.echo(f"person         {admin}")
    typer.echo(f"token          {token}")
    typer.echo("               shown once; keep it, and keep a copy of the folder `secrets` apart from the database")


def doctor(context: typer.Context) -> None:
    """Say what works here, and what is missing with the command that fixes it."""
    from gateway.cli.checkup import checkup

    settings: Settings = context.obj
    bad = 0
    for good, line in checkup(settings):
        bad += not good
        typer.echo(f"{'ok  ' if good else 'FIX '} {line}")
    raise SystemExit(1 if bad else 0)


def migrate(context: typer.Context) -> None:
    """Upgrade both databases to this version."""
    from gateway.store.installation import migrate as bring_up

    bring_up(context.obj)
    typer.echo("the schema is current")


def rebuild(context: typer.Context) -> None:
    """Drop everything the entries can rebuild, and rebuild it from them."""
    from gateway.store.installation import opened
    from gateway.store.rebuild import rebuild_projections

    with opened(context.obj) as installation:
        count = rebuild_projections(installation)
    typer.echo(f"rebuilt from {count} entries")


def backup(context: typer.Context, folder: Annotated[Path, typer.Argument(help="A folder that is made.")]) -> None:
    """Copy ledger and key store while the gateway runs, and verify the copy. The secrets are not in it."""
    from gateway.store.backups import back_up
    from gateway.store.installation import opened

    with opened(context.obj) as installation:
        made = back_up(installation, folder)
    typer.echo(f"{folder}: {made.size} entries of {made.origin}, verified")
    typer.echo("the folder `secrets` is not in it: back it up apart from this one", err=True)


def restore(context: typer.Context, folder: Annotated[Path, typer.Argument(help="A backup.")]) -> None:
    """Verify a backup and restore it into empty databases, SQLite or PostgreSQL."""
    from gateway.store.backups import restore as put_back

    made = put_back(context.obj, folder)
    typer.echo(f"restored {made.size} entries of {made.origin}")


def recover(
    context: typer.Context,
    as_: Annotated[str, typer.Option("--as", help="The admin who decides it.")],
    reason: Annotated[str, typer.Option(help="What happened, and why to go on.")],
) -> None:
    """Go on from a database that does not continue the signed head: what is lost is declared, on record."""
    from gateway.oversight.gaps import declare_gap
    from gateway.oversight.people import by_name
    from gateway.store.installation import opened

    settings: Settings = context.obj
    with opened(settings, recovering=True) as installation:
        lost = declare_gap(installation, by_name(installation, as_, settings.token), reason)
    typer.echo(f"declared: this database is {lost} entries short of the signed head, or holds others")


@contextmanager
def _mistakes_printed() -> Iterator[None]:
    """Print the mistakes of a configuration file one a line, and end with exit code 1."""
    from gateway.configuration.load import ConfigurationError

    try:
        yield
    except ConfigurationError as error:
        for one in error.problems:
            typer.echo(one, err=True)
        raise SystemExit(1) from error


@config.command("check")
def config_check(context: typer.Context, file: Path) -> None:
    """Check a file: say with line numbers what is wrong, and what of it could not be served here."""
    from gateway.configuration.load import load
    from gateway.pricing.catalogue import compile_rows
    from gateway.pricing.prices import PriceList

    with _mistakes_printed():
        loaded = load(file.read_text("utf-8"), name=file.name)
    typer.echo(f"{file.name}: {counted(len(loaded.routes), 'route')}, {counted(len(loaded.workflows), 'workflow')}")
    if _say_what_cannot_be_served(loaded, PriceList.parse(compile_rows(loaded)), context.obj):
        raise SystemExit(1)


def _say_what_cannot_be_served(configuration: "Configuration", prices: "PriceList", settings: Settings) -> bool:
    """Print it; returns whether something of it is to be mended in the file."""
    from gateway.oversight.serving import findings

    found = list(findings(configuration, prices, settings.environment))
    for one in found:
        typer.echo(f"{'FIX ' if one.wrong else 'note'} {one.text}", err=True)
    return any(one.wrong for one in found)


@config.command("activate")
def config_activate(
    context: typer.Context,
    file: Path,
    as_: Annotated[str, typer.Option("--as", help="The person who activates.")],
    reason: Annotated[str, typer.Option(help="Why.")],
) -> None:
    """Put a file into force: its text is kept by digest and every call quotes it."""
    from gateway.oversight import acts
    from gateway.oversight.people import by_name
    from gateway.store.installation import opened
    from gateway.store.ports import RulesInForce

    settings: Settings = context.obj
    with _mistakes_printed(), opened(settings) as installation:
        actor = by_name(installation, as_, settings.token)
        digest = acts.activate(installation, actor, file.read_text("utf-8"), reason)
        rules = RulesInForce(installation.reader, installation.vault, settings)
        rules.read()
    typer.echo(f"active: {digest}")
    _say_what_cannot_be_served(rules.now.configuration, rules.now.prices, settings)


@config.command("reference")
def config_reference() -> None:
    """Print every key of the file, what it takes, and what holds without it."""
    from gateway.configuration.reference import reference

    typer.echo(reference(), nl=False)


@config.command("show")
def config_show(context: typer.Context) -> None:
    """Print the text in force, then the built-in entries under it."""
    from importlib import resources

    from gateway.state.rows import CONTROL, control_of
    from gateway.store.installation import opened

    with opened(context.obj) as installation:
        control = control_of({CONTROL: installation.reader.state(CONTROL)})
        text = installation.vault.text(control["config"]) if control["config"] else None
    typer.echo(text or "# nothing is active")
    typer.echo("# ---- built in ----")
    typer.echo(resources.files("gateway.configuration").joinpath("builtin.yaml").read_text("utf-8"))
