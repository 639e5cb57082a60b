"""Translations of documents: read from a file, and marked unreviewed until a named person confirms that very file."""

import hashlib
import io
from dataclasses import replace

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from classifiers.resources import parsed
from gateway.oversight.acts import act, require_reason
from gateway.oversight.people import Actor, ActRefused
from gateway.store.installation import Installation
from ledger.entry import b64
from reports.pack.document import fixed_words
from reports.ports import Evidence
from reports.texts import Translation, TranslationInvalid, catalogue, read_translation
from reports.why.words import person, when


def texts() -> list[str]:
    """Return the catalogue: every text of the documents, in English."""
    return catalogue({name: words for name, words in fixed_words().items() if name != "registry_source"})


def blank(language: str) -> str:
    """Return a file to fill in: each text and an empty translation."""
    written = io.StringIO()
    yaml = YAML()
    yaml.width = 100_000
    yaml.dump({"language": language, "texts": dict.fromkeys(texts(), "")}, written)
    return written.getvalue()


def translation_of(data: bytes, evidence: Evidence) -> Translation:
    """Return the translation of a file; `said` tells who confirmed it.

    Raises:
        ActRefused: the file is no translation of this version's texts.
    """
    found = _read(data)
    entry = evidence.first("translation", _digest(data))
    how = (
        f"confirmed by {person(entry, evidence)}, {when(entry, evidence)}"
        if entry
        else "unreviewed: nobody has confirmed it"
    )
    return replace(
        found,
        said=f"Translation ({found.language}), {how}. Where it differs from the English text, the English text counts.",
    )


def confirm_translation(installation: Installation, actor: Actor, data: bytes, reason: str) -> None:
    """Confirm a translation file: a named person has read it beside the English texts.

    Raises:
        ActRefused: no translation, no reason, or neither compliance nor admin.
    """
    require_reason(reason)
    facts = {"translation_ref": _digest(data), "language": _read(data).language}
    act(
        installation, "translation.confirmed", actor, roles=("compliance", "admin"), facts=facts,
        texts={"reason": reason},
    )  # fmt: skip


def _read(data: bytes) -> Translation:
    try:
        return read_translation(parsed(data), texts())
    except (TranslationInvalid, YAMLError, UnicodeDecodeError) as error:
        raise ActRefused(f"this translation cannot be used: {str(error).splitlines()[0]}") from None


def _digest(data: bytes) -> str:
    return b64(hashlib.sha256(data).digest())
