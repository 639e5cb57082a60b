"""Packs that break one rule of docs/formats, or stand at its edge: the verifier and the second one say what they must."""

import contextlib
import io
import random
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import mutants
import pikepdf
import pytest
import second_pdf
from judges import judge
from mutants import Mutant

from reports.pack.pdf import require_renderer

BY_CHANCE = 200


def attached(data: bytes) -> set[bytes]:
    """What two readers of PDF extract: qpdf's library and poppler."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pack"
        file.write_bytes(data)
        subprocess.run([judge("pdfdetach"), "-saveall", "-o", folder, file], capture_output=True, check=False)
        found = {path.read_bytes() for path in Path(folder).iterdir() if path != file}
    with contextlib.suppress(pikepdf.PdfError), pikepdf.open(io.BytesIO(data)) as pdf:
        found |= {attachment.get_file().read_bytes() for attachment in pdf.attachments.values()}
    return found


def judged(packs: Iterator[Mutant]) -> tuple[int, list[str]]:
    """How many there were, and those of which something else was said than must be."""
    count, wrong = 0, []
    for mutant in packs:
        count += 1
        said = mutants.ours(mutant), mutants.second(mutant)
        if {*said, mutant.expected or said[0]} != {said[0]}:
            wrong.append(f"{mutant.name}: ours {said[0]}; second {said[1]}; expected {mutant.expected or 'the same'}")
    return count, wrong


@pytest.mark.parametrize("part", mutants.PARTS)
def test_both_verifiers_say_what_they_must_of_packs_that_were_built(part: str) -> None:
    count, wrong = judged(mutants.PARTS[part]())
    assert count > 5
    assert not wrong, "\n".join(wrong)


def test_the_built_packs_have_names_of_their_own_and_are_refused_accepted_and_not_checked() -> None:
    packs = list(mutants.built())
    assert len({pack.name for pack in packs}) == len(packs) > 200
    kinds = {pack.expected.split(":")[0] for pack in packs if pack.expected}
    assert kinds == {"refused", "accepted", "not checked"}


def test_readers_extract_the_bundle_that_was_verified_or_nothing() -> None:
    for pack in mutants.PARTS["paper"]():
        if pack.expected and mutants.second(pack) != "refused":
            assert attached(pack.data) <= {second_pdf.embedded(pack.data)}, pack.name


def test_both_verifiers_say_the_same_of_packs_that_were_changed_by_chance(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    require_renderer()
    base, chance = mutants.product_pack(tmp_path_factory.mktemp("mutants") / "home"), random.Random(1)
    for packs in (iter([base]), mutants.changed(base, BY_CHANCE, chance), mutants.redrawn(BY_CHANCE, chance)):
        _, wrong = judged(packs)
        assert not wrong, "\n".join(wrong)
