"""Commands that show evidence: why, pack, verify, calls."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.files import placed
from gateway.cli.people import As
from gateway.cli.saying import AsJson, say
from gateway.settings import Settings
from ledger.waiting import waiting

if TYPE_CHECKING:
    from gateway.packing import MadePack, PackRequest

if TYPE_CHECKING:
    from gateway.store.installation import Installation
    from reports.why.answer import WhyAnswer
    from reports.why.cited import Cited


def add(app: typer.Typer) -> None:
    app.command()(why)
    app.command()(pack)
    app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False)(
        verify
    )
    app.command()(verifier)


def why(
    context: typer.Context,
    ref: Annotated[
        str,
        typer.Argument(
            help="A call id, a provider's response id, a task, a subject; an entry (42, entry:42, ent_...), a key id, "
            "the digest of a configuration, a pack id, a workflow."
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole answer as JSON.")] = False,
    page: Annotated[
        int | None, typer.Option(min=1, help="Tell of this page of calls only, from 1; else of all.")
    ] = None,
    audience: Annotated[
        str | None,
        typer.Option(
            help="`operator`, or `affected_person`: plain words without colleagues, keys and prices. Left out, of a "
            "subject the short form, else `operator`."
        ),
    ] = None,
    verify: Annotated[
        bool, typer.Option(help="Fail unless every entry is proved under the signed checkpoint.")
    ] = False,
) -> None:
    """What did it do, why, and who approved it."""
    if audience not in (None, "operator", "affected_person"):
        raise typer.BadParameter("it is operator or affected_person", param_hint="--audience")
    from gateway.store.installation import opened

    ref = ref.encode("utf-8", "replace").decode()  # bytes of the terminal that are no text lead nowhere
    with opened(context.obj) as installation:
        if verify:
            installation.checkpointer.sign(now=True)
        answer = _looked_up(installation, ref, page)
    text = json.dumps(answer.as_json(), indent=2) if as_json else _in_words(answer, audience)
    typer.echo(text)
    check = answer.integrity
    if verify and (check.failures or check.pending or not check.proved):
        raise SystemExit(1)


def _looked_up(installation: "Installation", ref: str, page: int | None) -> "WhyAnswer | Cited":
    from gateway.oversight.acts import time_zone
    from gateway.oversight.citations import REFERENCES, cite, is_citation
    from gateway.store.evidence import LiveEvidence
    from reports.why.answer import NothingFound
    from reports.why.answer import why as explain

    try:
        if is_citation(ref):
            return cite(installation, ref)
        evidence = LiveEvidence(installation, time_zone(installation))
        kind, found = evidence.resolve(ref)
        try:
            return explain(ref, kind, found, evidence, page=page)
        except NothingFound as error:
            if str(error):
                raise
            return cite(installation, ref)
    except NothingFound as error:
        typer.echo(f"whyledger: {str(error) or f'no entry is linked to {ref}: give {REFERENCES}'}", err=True)
        raise SystemExit(1) from None


def _in_words(answer: "WhyAnswer | Cited", audience: str | None) -> str:
    from reports.why.cited import Cited, cited_text
    from reports.why.letter import as_letter
    from reports.why.text import as_short, as_text

    if isinstance(answer, Cited):
        return cited_text(answer)
    if answer.subject and audience is None:
        return as_short(answer)
    return as_letter(answer) if audience == "affected_person" else as_text(answer)


def pack(
    context: typer.Context,
    output: Annotated[Path, typer.Option("--output", "-o", help="The PDF to write.")],
    as_: As,
    from_: Annotated[
        str, typer.Option("--from", help="First day or instant: 2026-11-01, in the organisation's time zone.")
    ],
    to: Annotated[str, typer.Option("--to", help="First day or instant after the period.")],
    workflow: Annotated[str | None, typer.Option(help="Restrict contents and tables to one workflow.")] = None,
    seed: Annotated[str, typer.Option(help="The auditor's seed, which draws the worked examples.")] = "",
    contents: Annotated[bool, typer.Option(help="Open prompts and answers of the worked examples too.")] = False,
    bundle: Annotated[Path | None, typer.Option(help="Write the machine-readable bundle beside the PDF too.")] = None,
    at: Annotated[str | None, typer.Option(help="Instant printed as the time of export; default now.")] = None,
    brief: Annotated[bool, typer.Option(help="Two pages for procurement; the file inside is the same.")] = False,
    translation: Annotated[Path | None, typer.Option(help="A translation of the texts: whyledger texts.")] = None,
    since_head: Annotated[
        Path | None, typer.Option(help="A head the auditor holds: adds the consistency proof.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Export a signed evidence pack: a PDF with the machine-readable bundle inside."""
    from gateway.packing import PackRequest

    settings: Settings = context.obj
    request = PackRequest(
        start=from_,
        end=to,
        workflow=workflow,
        seed=seed,
        contents=contents,
        at=at,
        person=as_,
        token=settings.token,
        brief=brief,
        since_head=since_head.read_bytes() if since_head else None,
        translation=translation.read_bytes() if translation else None,
    )
    made = _exported(settings, request, output, *([bundle] if bundle else []))
    text = f"{output}: pack {made.pack_id}, {made.entries} entries, {made.calls} calls\nsha256 {made.digest}"
    counts = {"entries": made.entries, "calls": made.calls}
    say(as_json, text, file=str(output), pack=made.pack_id, sha256=made.digest, **counts)


def _exported(settings: Settings, request: "PackRequest", *paths: Path) -> "MadePack":
    """Export into these files, the PDF and perhaps the bundle: nothing is recorded that is not on the disk."""
    from gateway.packing import export
    from gateway.store.installation import opened
    from reports.pack.pdf import PdfUnavailable

    with waiting("making the pack"), opened(settings) as installation, placed(*paths) as files:

        def keep(made: "MadePack") -> None:
            for file, data in zip(files, (made.pdf, made.bundle), strict=False):
                file.write(data)

        try:
            return export(installation, request, keep)
        except PdfUnavailable as error:
            typer.echo(f"whyledger: no PDF: {error}", err=True)
            raise SystemExit(3) from error


def verify(context: typer.Context) -> None:
    """Verify a pack, a bundle or a database offline: the same program as `python -m ledger verify`.

    Without FILE this installation is verified, with the contents that its key store opens.
    """
    from gateway.store.contents import own_log
    from ledger.__main__ import main

    raise SystemExit(main(["verify", *context.args], own=lambda: own_log(context.obj)))


def verifier(output: Annotated[Path, typer.Option("--output", "-o", help="The .pyz to write.")]) -> None:
    """Write the auditor's program as one file; it needs Python and `cryptography` only."""
    from gateway.verifier import build_verifier

    build_verifier(output)
    typer.echo(str(output))
