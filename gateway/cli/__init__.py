"""The operator's command line. Heavy modules are imported by the command that needs them.

Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 a part was skipped (said on stderr); `verify` has its own.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from classifiers.facts import FactsInvalid
from gateway.cli import (
    approvals,
    classify,
    economics,
    evaluation,
    evidence,
    incidents,
    lists,
    operate,
    people,
    policies,
    prompts,
    routes,
    scan,
    texts,
)
from gateway.settings import SettingsError, read_settings
from ledger.errors import LedgerError, of_file

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they show local variables
    pretty_exceptions_show_locals=False,
    help="WhyLedger: an LLM gateway that puts every decision on a provable record before the caller gets an answer.",
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"whyledger {version('whyledger')}")
        raise typer.Exit


@app.callback()
def common(
    context: typer.Context,
    home: Annotated[Path | None, typer.Option(help="Folder of databases and keys (WHYLEDGER_HOME).")] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    context.obj = read_settings(home)


operate.add_first(app)
evidence.add(app)
classify.add(app)
operate.add_rest(app)
people.add(app)
approvals.add(app)
incidents.add(app)
lists.add(app)
economics.add(app)
evaluation.add(app)
prompts.add(app)
routes.add(app)
texts.add(app)
scan.add(app)
policies.add(app)


def in_words(error: Exception) -> str:
    """Return the sentence for whoever typed the command."""
    if isinstance(error, OSError):
        return of_file(error)
    if isinstance(error, UnicodeDecodeError):
        return f"the file is not text in UTF-8: byte {error.start} cannot be read; save it as UTF-8"
    return str(error)


def main() -> None:
    """Run the command line; what the user can mend is one line on stderr, and a traceback quotes no value."""
    try:
        app(standalone_mode=True)
    except (LedgerError, SettingsError, FactsInvalid, OSError, UnicodeDecodeError) as error:
        print(f"whyledger: {in_words(error)}", file=sys.stderr)
        raise SystemExit(1) from error
    except Exception as error:
        from gateway.logs import traceback_of

        print(traceback_of(error), file=sys.stderr)
        raise SystemExit(1) from error
