"""Commands about the law: classify a workflow's facts, and say what of the law data is due for a check."""

import json
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from classifiers.cases import Case, as_json, classified, read_cases
from classifiers.facts import UNDETERMINED, FactsInvalid
from classifiers.law.duties import due_for_recheck
from classifiers.law.records import data, law_on, stale_line
from classifiers.risk import DISCLAIMER, Classification
from classifiers.text import told
from ledger.errors import of_file

law = typer.Typer(no_args_is_help=True, help="The law data: what is due for a check.")


def add(app: typer.Typer) -> None:
    app.command()(classify)
    app.command()(suggest)
    app.add_typer(law, name="law")


def classify(
    file: Annotated[Path, typer.Argument(help="Cases: a JSON array, or JSON Lines; - reads standard input.")],
    as_json_: Annotated[bool, typer.Option("--json", help="Print one JSON line for each case.")] = False,
    without_draft: Annotated[
        bool, typer.Option("--without-draft", help="Leave draft guidance of the Commission out.")
    ] = False,
) -> None:
    """Say which risk class of the AI Act the facts of a workflow lead to. Exit 3: a class is undetermined."""
    try:
        text = typer.get_text_stream("stdin").read() if str(file) == "-" else file.read_text("utf-8")
        cases = read_cases(text, today=today())
        results = list(classified(cases, draft=not without_draft))
    except (FactsInvalid, OSError, UnicodeDecodeError) as error:
        said = of_file(error) if isinstance(error, OSError) else error
        typer.echo(f"whyledger: {said}; nothing was classified", err=True)
        raise SystemExit(2) from None
    for line in _lines(results, as_json_=as_json_, draft=not without_draft):
        typer.echo(line)
    _aside(cases)
    if any(result.tier == UNDETERMINED for _, result in results):
        raise SystemExit(3)


def show(case: Case, *, draft: bool) -> None:
    """Show what one case leads to.

    Raises:
        SystemExit: 3, the class is open.
    """
    ((_, result),) = classified([case], draft=draft)
    typer.echo(told(case, result, law_on(case.at, draft=draft)))
    _aside([case])
    if result.tier == UNDETERMINED:
        raise SystemExit(3)


def _lines(results: Sequence[tuple[Case, Classification]], *, as_json_: bool, draft: bool) -> Iterator[str]:
    for case, result in results:
        if as_json_:
            yield json.dumps(as_json(case, result, law_on(case.at, draft=draft)))
        else:
            yield told(case, result, law_on(case.at, draft=draft))


def _aside(cases: Sequence[Case]) -> None:
    """Say on stderr what a reader of the results has to know."""
    ignored = sorted({name for case in cases for name in case.ignored})
    if ignored:
        typer.echo(f"whyledger: members that are none of a case's were not read: {', '.join(ignored)}", err=True)
    if line := stale_line(today()):
        typer.echo(f"whyledger: {line}", err=True)
    typer.echo(f"whyledger: {DISCLAIMER} {data()[0]['sources']['standing_line']}", err=True)


def suggest(
    file: Annotated[Path, typer.Argument(help="A description, a prompt, names of tools: any text.")],
    as_json_: Annotated[bool, typer.Option("--json", help="Print one JSON line for each question.")] = False,
) -> None:
    """Say which questions a text makes worth asking, and for which words. It answers none of them."""
    from classifiers.suggestions import suggest as suggested

    for one in suggested(file.read_text("utf-8")):
        words = ", ".join(one.words)
        said = {"fact": one.fact, "question": one.question, "words": one.words}
        typer.echo(json.dumps(said) if as_json_ else f"{one.question} ({one.fact}; because of: {words})")


@law.command("check")
def law_check() -> None:
    """List what of the law data is due for a check. Exit 1: the day by which all of it had to be checked has passed."""
    for one in due_for_recheck(today()):
        typer.echo(f"{one.checked_on}  {one.why}: {one.what}")
    if line := stale_line(today()):
        typer.echo(line, err=True)
        raise SystemExit(1)


@law.command("calendar")
def law_calendar(context: typer.Context) -> None:
    """List what begins or ends for each workflow with a confirmed class, by the law data of today."""
    from gateway.oversight.reexamining import calendar
    from gateway.store.installation import opened

    with opened(context.obj) as installation:
        rows = calendar(installation)
    for day, workflow, what in rows:
        typer.echo(f"{day}  {workflow}: {what}")
    if not rows:
        typer.echo("nothing begins or ends for a workflow whose class is confirmed")
    if line := stale_line(today()):
        typer.echo(line, err=True)


@law.command("apply")
def law_apply(context: typer.Context) -> None:
    """Work out anew every class that rests on other law data than these. Exit 1: a class has moved."""
    from gateway.oversight.reexamining import reexamine
    from gateway.store.installation import opened

    with opened(context.obj) as installation:
        said = reexamine(installation)
    for line in said:
        typer.echo(line)
    raise SystemExit(1 if any("again" in line for line in said) else 0)


def today() -> str:
    return date.today().isoformat()  # noqa: DTZ011 - the day of whoever asks
