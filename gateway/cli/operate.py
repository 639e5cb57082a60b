"""Commands that run and set up an installation: demo, serve, init, doctor, migrate, backup."""

import secrets
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli import configure, progress, translating
from gateway.cli.saying import AsJson, say
from gateway.cli.scan import Given
from gateway.settings import Settings
from ledger.waiting import waiting


def add_first(app: typer.Typer) -> None:
    app.command()(demo)
    app.command()(serve)


def add_rest(app: typer.Typer) -> None:
    app.command()(init)
    app.command()(doctor)
    configure.add(app)
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
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on; 0 picks a free one.")] = None,
    access_log: Annotated[
        bool, typer.Option("--access-log", help="Print a line for each request; no contents, no addresses, no keys.")
    ] = False,
    admin_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port of /metrics and /healthz on 127.0.0.1.")
    ] = None,
) -> None:
    """Run gateway, pages and API docs."""
    from gateway.server import run

    settings: Settings = context.obj
    run(
        settings,
        host=host or settings.host,
        port=settings.port if port is None else port,
        admin_port=settings.admin_port if admin_port is None else admin_port,
        access_log=access_log,
    )


def init(
    context: typer.Context,
    admin: Annotated[str, typer.Option(help="Name of the first person, an admin.")] = "admin",
    origin: Annotated[
        str,
        typer.Option(
            help="Needed: the permanent name of the log, like ledger.example.com/main. A URL of yours without "
            "https://, under which nothing has to answer; it can never be changed."
        ),
    ] = "",
    organisation: Annotated[str, typer.Option(help="Name in the seal's certificate.")] = "not named",
    from_: Annotated[
        Path | None,
        typer.Option("--from", help="Translate the configuration of a LiteLLM proxy; without --origin that is all."),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the translation is written.")] = Path(
        "gateway.yaml"
    ),
    as_json: AsJson = False,
) -> None:
    """Make keys and databases, enrol the first admin, and print their token once."""
    if origin or not from_:
        _require_origin(origin)
    made = translating.translated(from_, output, as_json) if from_ else None
    beside = {"configuration": translating.as_members(made, output)} if made else {}
    if made and not as_json:
        translating.show(made, output)
    said = _installed(context.obj, admin, origin, organisation) if origin else {}
    if as_json:
        say(True, "", **said, **beside)
    elif said:
        home = context.find_root().params.get("home")
        _show(said, f" --home {shlex.quote(str(home))}" if home else "", str(output) if made else "")


def _installed(settings: Settings, admin: str, origin: str, organisation: str) -> dict[str, str]:
    """Make the installation and return what has to be said of it once."""
    from gateway.oversight import acts
    from gateway.store.installation import make, opened

    make(settings, origin, organisation, {"root": secrets.token_bytes(32), "log": secrets.token_bytes(32)})
    with opened(settings) as installation:
        acts.bind_signer(installation)
        token = acts.enrol(installation, None, admin, ["admin", "compliance", "engineer", "approver"])
        return {"log": origin, "verifier_key": installation.signer.vkey, "person": admin, "token": token}


def _show(said: Mapping[str, str], home: str, translated: str) -> None:
    typer.echo(f"log            {said['log']}")
    typer.echo(f"verifier key   {said['verifier_key']}")
    typer.echo("               give this line to your auditor through a separate channel; packs are checked against it")
    typer.echo(f"person         {said['person']}")
    typer.echo(f"token          {said['token']}")
    typer.echo("               shown once; keep it, and keep a copy of the folder `secrets` apart from the database")
    typer.echo("\nnext:")
    for line in _next_commands(said["person"], home, translated):
        typer.echo(f"  {line}")


def _require_origin(origin: str) -> None:
    if not origin or "://" in origin:
        said = "leave https:// out of --origin" if origin else "say --origin NAME"
        typer.echo(
            f"whyledger: {said}: the permanent name of the log, like ledger.example.com/main. It is a URL of yours "
            "without https://, stands in every signature, and can never be changed. To try things out: localhost/dev",
            err=True,
        )
        raise SystemExit(2)


def _next_commands(admin: str, home: str, translated: str) -> Iterator[str]:
    """Yield what leads from a new installation to a call."""
    person, file = shlex.quote(admin), shlex.quote(translated or "gateway.yaml")
    if not translated:
        yield f"whyledger{home} config example > {file}"
    yield f"whyledger{home} config check {file}"
    yield f"whyledger{home} config activate {file} --as {person} --reason 'first configuration'"
    yield f"whyledger{home} key create --environment dev --workflow support-agent --as {person}"
    yield f"whyledger{home} serve"


def doctor(
    context: typer.Context,
    playbook: Annotated[
        bool, typer.Option("--playbook", help="Measure the points of the playbook: week 1, month 1, quarter 1.")
    ] = False,
    source: Annotated[Path | None, typer.Option(help="With --playbook: a source tree to scan.")] = None,
    gateway: Given = [],  # noqa: B006 - typer copies it
    as_json: AsJson = False,
) -> None:
    """Say what works here, and what is missing with the command that fixes it."""
    from gateway.cli.checkup import checkup

    if playbook:
        raise SystemExit(progress.show(context.obj, source, gateway, as_json))
    settings: Settings = context.obj
    bad = 0
    for good, line in checkup(settings):
        bad += not good
        say(as_json, f"{'ok  ' if good else 'FIX '} {line}", good=good, said=line)
    raise SystemExit(1 if bad else 0)


def migrate(context: typer.Context, as_json: AsJson = False) -> None:
    """Upgrade both databases to this version."""
    from gateway.store.installation import migrate as bring_up
    from ledger.store import tables, vault

    with waiting("upgrading the databases"):
        bring_up(context.obj)
    text = f"the schema is current: ledger {tables.REVISION}, key store {vault.REVISION}"
    say(as_json, text, ledger=tables.REVISION, key_store=vault.REVISION)


def rebuild(context: typer.Context, as_json: AsJson = False) -> None:
    """Drop everything the entries can rebuild, and rebuild it from them."""
    from gateway.store.installation import opened
    from gateway.store.rebuild import rebuild_projections

    with waiting("rebuilding"), opened(context.obj) as installation:
        count = rebuild_projections(installation)
    say(as_json, f"rebuilt from {count} entries", entries=count)


def backup(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="A folder that is made.")],
    as_json: AsJson = False,
) -> None:
    """Copy ledger and key store while the gateway runs, and verify the copy. The secrets are not in it."""
    from gateway.store.backups import back_up
    from gateway.store.installation import opened

    with waiting("copying and verifying"), opened(context.obj) as installation:
        made = back_up(installation, folder)
    say(as_json, f"{folder}: {made.size} entries of {made.origin}, verified", folder=str(folder), **asdict(made))
    typer.echo("the folder `secrets` is not in it: back it up apart from this one", err=True)


def restore(
    context: typer.Context, folder: Annotated[Path, typer.Argument(help="A backup.")], as_json: AsJson = False
) -> None:
    """Verify a backup and restore it into empty databases, SQLite or PostgreSQL."""
    from gateway.store.backups import restore as put_back

    with waiting("verifying and restoring"):
        made = put_back(context.obj, folder)
    say(as_json, f"restored {made.size} entries of {made.origin}", **asdict(made))


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
