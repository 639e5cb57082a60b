"""The command that finds direct calls of providers in a source tree."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.saying import AsJson, say

Given = Annotated[
    list[str],
    typer.Option(
        metavar="HOST|VARIABLE", help="Leads to the gateway: its host, or a variable with its address or key."
    ),
]
Exclude = Annotated[list[str], typer.Option(metavar="PATTERN", help="Leave out files and folders: tests, *.md.")]


def add(app: typer.Typer) -> None:
    app.command()(scan)


def scan(
    path: Annotated[Path, typer.Argument(help="The folder of your source, or one file.")],
    gateway: Given = [],  # noqa: B006 - typer copies it
    exclude: Exclude = [],  # noqa: B006
    as_json: AsJson = False,
) -> None:
    """List the calls of LLM providers in a source tree that go past the gateway, with the line to change.

    Exit codes: 0 nothing leaks, 1 something does or cannot be told, 2 no such path, 3 nothing leaks in what could be
    read, but something could not.
    """
    from gateway.scanning.finding import ScanRefused
    from gateway.scanning.printing import as_text
    from gateway.scanning.scan import scan as scanned

    try:
        report = scanned(path, gateways=gateway, exclude=exclude)
    except ScanRefused as error:
        typer.echo(f"whyledger: {error}", err=True)
        raise SystemExit(2) from None
    say(
        as_json, "" if as_json else as_text(report), files=report.files,
        findings=[one.as_json() for one in report.findings],
        by_provider=report.counted(lambda one: one.provider), by_kind=report.counted(lambda one: one.kind),
        skipped=[{"path": one.path, "why": one.why} for one in report.skipped],
        searched_as_text=[one.path for one in report.as_text], unread=[one.path for one in report.unread],
        own_packages=list(report.own),
    )  # fmt: skip
    raise SystemExit(1 if report.leaks else 3 if report.unread else 0)
