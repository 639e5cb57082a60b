"""The texts of documents: written out for translation, and confirmed by a person once they are translated."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.people import As, Reason, acting

texts = typer.Typer(no_args_is_help=True, help="Translate the documents.")


def add(app: typer.Typer) -> None:
    app.add_typer(texts, name="texts")


@texts.command("write")
def write(
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    language: Annotated[str, typer.Option(help="Language tag of the translation: de, pt-BR.")] = "de",
) -> None:
    """Write every text of the documents to a file, each with room for its translation."""
    from gateway.oversight.translating import blank

    output.write_text(blank(language), "utf-8")
    typer.echo(f"{output}: fill in what you need; what is left empty stays English")


@texts.command("confirm")
def confirm(context: typer.Context, file: Path, as_: As, reason: Reason) -> None:
    """Confirm that a translation says what the English texts say; until then documents mark it as unreviewed."""
    from gateway.oversight.translating import confirm_translation

    with acting(context, as_) as (installation, actor):
        confirm_translation(installation, actor, file.read_bytes(), reason)  # type: ignore[arg-type]
    typer.echo(f"confirmed {file} as it is now")
