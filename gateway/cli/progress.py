"""`doctor --playbook`: each point of the playbook, measured."""

from itertools import groupby
from pathlib import Path

import typer

from gateway.cli.saying import say
from gateway.settings import Settings

_WIDTH = len("cannot be measured here")


def show(settings: Settings, source: Path | None, gateways: list[str], as_json: bool) -> int:
    """Print the points and return the exit code: 1 while one is not yet done.

    Raises:
        SystemExit: 2, there is no such source tree.
    """
    from gateway.playbook.measuring import measure
    from gateway.playbook.points import points
    from gateway.scanning.finding import ScanRefused
    from gateway.store.installation import opened

    try:
        with opened(settings) as installation:
            found = list(points(measure(installation, source, gateways)))
    except ScanRefused as error:
        typer.echo(f"whyledger: {error}", err=True)
        raise SystemExit(2) from None
    for phase, of_phase in groupby(found, key=lambda one: one.phase):
        if not as_json:
            typer.echo(phase)
        for one in of_phase:
            how = f"\n  {'':{_WIDTH}}  {one.command}" if one.command and one.status != "done" else ""
            say(as_json, f"  {one.status:{_WIDTH}}  {one.title}: {one.figure}{how}", **one._asdict())
    open_, done = (sum(one.status == status for one in found) for status in ("not yet", "done"))
    if not as_json:
        typer.echo(f"{done} of {len(found)} done, {open_} not yet, {len(found) - done - open_} cannot be measured here")
    return 1 if open_ else 0
