"""The evidence pack: what outside judges say of it, and that nobody can change it unseen."""

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pikepdf
import pytest
import second_verifier
from judges import judge

from gateway.demo import tampering
from gateway.demo.stories import STORIES
from gateway.demo.world import APPROVER, COMPLIANCE, running
from gateway.oversight.people import ActRefused
from gateway.packing import MadePack, PackRequest, compose, export
from gateway.settings import Settings, read_settings
from gateway.store.installation import opened
from gateway.verifier import build_verifier
from ledger import bundle, checkpoint, note
from ledger.__main__ import main
from ledger.entry import Entry, decode, format_time
from ledger.errors import SealInvalid
from ledger.note import Signer
from ledger.pdf import embedded_file
from ledger.seal import verify_seal
from ledger.steps import Report
from ledger.verify import verify_pack
from reports.pack.pdf import PdfUnavailable, require_renderer

SMALL = ("doc:onboarding", "campaign:autumn", "ticket:4711")
ALWAYS = PackRequest(
    start="2020-01-01", end="2100-01-01", seed="seed-of-the-auditor", at="2099-01-01T00:00:00Z", person=COMPLIANCE
)


@dataclass(frozen=True)
class Exported:
    settings: Settings
    made: MadePack
    vkey: str
    head: bytes
    signer: Signer

    def check(self, data: bytes, **more: Any) -> Report:
        return verify_pack(data, vkeys=[self.vkey], **more)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exported]:
    require_renderer()
    home = tmp_path_factory.mktemp("pack") / "home"
    with running(home, environment=os.environ) as world:
        for story in STORIES:
            if story.task in SMALL:
                story.tell(world, story.task)
    settings = read_settings(home, environment={})
    with opened(settings) as installation:
        made = export(installation, ALWAYS)
        signer = installation.signer
    yield Exported(settings, made, world.vkey, settings.head_file.read_bytes(), signer)


@pytest.fixture(scope="module")
def pdf_file(exported: Exported, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pdf") / "pack.pdf"
    path.write_bytes(exported.made.pdf)
    return path


def result_of(report: Report, name: str) -> str:
    return next(step.result for step in report.steps if step.name == name)


def failed_at(report: Report) -> str:
    """The first step that failed."""
    return next(step.name for step in report.steps if step.result == "FAIL")


def test_the_pack_verifies_up_to_the_level_that_was_checked(exported: Exported) -> None:
    assert exported.check(exported.made.pdf).level == "L1"
    held = _first_checkpoint(exported)
    assert exported.check(exported.made.pdf, held=[held]).level == "L2"
    assert verify_pack(exported.made.pdf, vkeys=[]).level == "L0"
    bundle_alone = exported.check(exported.made.bundle)
    assert (bundle_alone.level, bundle_alone.passed("seal")) == ("L1", False)


def _after_head(entries: list[Entry]) -> str:
    """Return an instant after the entries of that head: several may have been written at one."""
    return next(one.at for one in entries[8:] if one.at > entries[7].at)


def _first_checkpoint(exported: Exported) -> bytes:
    """A head that the auditor could have held: signed over the first entries."""
    from ledger import merkle
    from ledger.checkpoint import Checkpoint

    lines = bundle.split_lines(bundle.read(exported.made.bundle)["entries.jsonl"])[:5]
    root = merkle.root([merkle.leaf_hash(line) for line in lines])
    return checkpoint.sign(Checkpoint(exported.signer.name, 5, root), [exported.signer])


def test_pdfsig_says_valid_and_total_document_signed(pdf_file: Path) -> None:
    said = subprocess.run([judge("pdfsig"), str(pdf_file)], capture_output=True, text=True, check=False).stdout
    assert "Signature is Valid." in said
    assert "Total document signed" in said
    assert "Not total document signed" not in said


def test_pyhanko_says_the_entire_file_is_covered(exported: Exported) -> None:
    from asn1crypto import x509
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.sign.validation import validate_pdf_signature
    from pyhanko.sign.validation.status import SignatureCoverageLevel
    from pyhanko_certvalidator import ValidationContext

    certificate = x509.Certificate.load(bundle.read(exported.made.bundle)["seal.der"])
    (signature,) = PdfFileReader(io.BytesIO(exported.made.pdf)).embedded_signatures
    status = validate_pdf_signature(signature, ValidationContext(trust_roots=[certificate], allow_fetching=False))
    assert status.intact
    assert status.valid
    assert status.coverage == SignatureCoverageLevel.ENTIRE_FILE


def test_openssl_agrees_on_the_seals_value(exported: Exported, tmp_path: Path) -> None:
    from ledger.seal import signed_ranges

    first, second, padded = signed_ranges(exported.made.pdf)
    (tmp_path / "cms").write_bytes(padded)
    (tmp_path / "content").write_bytes(exported.made.pdf[:first] + exported.made.pdf[second:])
    (tmp_path / "certificate.der").write_bytes(bundle.read(exported.made.bundle)["seal.der"])
    subprocess.run(
        ["openssl", "x509", "-inform", "DER", "-in", "certificate.der", "-out", "c.pem"], cwd=tmp_path, check=True
    )
    subprocess.run(
        ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", "cms", "-content", "content", "-CAfile", "c.pem",
         "-partial_chain", "-purpose", "any", "-out", os.devnull],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip


def test_the_pdf_is_an_archive_file_with_one_attachment_and_no_script(pdf_file: Path) -> None:
    with pikepdf.open(pdf_file) as pdf:
        metadata = pdf.open_metadata()
        assert (metadata["pdfaid:part"], metadata["pdfaid:conformance"]) == ("3", "A")
        assert pdf.Root.MarkInfo.Marked
        assert str(pdf.Root.Lang) == "en"
        assert pdf.Root.OutputIntents[0].S == "/GTS_PDFA1"
        assert len(pdf.Root.AF) == 1
        assert list(pdf.attachments) == ["bundle.zip"]
        assert "/JavaScript" not in str(pdf.Root.get("/Names", ""))


def test_the_bundle_inside_is_the_one_beside_and_any_unzip_reads_it(exported: Exported) -> None:
    inside = embedded_file(exported.made.pdf)
    assert inside == exported.made.bundle
    with zipfile.ZipFile(io.BytesIO(inside)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert names[:7] == [name for name in bundle.ORDER if name != "consistency"]
        assert names[7:] == sorted(exported.made.said["report"])
        assert {"report/calls.csv", "report/duties.json", "report/law-data.json"} <= set(names[7:])


def test_every_single_changed_byte_of_the_bundle_is_refused(exported: Exported) -> None:
    archive = exported.made.bundle
    refused = 0
    for position in range(len(archive)):
        assert exported.check(tampering.flip(archive, position)).failed, position
        refused += 1
    print(f"{refused} single-byte changes of a bundle of {len(archive)} bytes refused")
    assert refused == len(archive)


def test_every_changed_byte_of_the_pdf_is_refused_by_the_seal(exported: Exported) -> None:
    pdf, certificate = exported.made.pdf, bundle.read(exported.made.bundle)["seal.der"]
    verify_seal(pdf, certificate)
    for position in range(0, len(pdf), 31):
        with pytest.raises(SealInvalid):
            verify_seal(tampering.flip(pdf, position), certificate)


def test_amounts_edited_with_chain_and_root_recomputed_are_refused(exported: Exported) -> None:
    forged = tampering.rewrite(exported.made.bundle, tampering.cheaper, signer=None)
    assert failed_at(exported.check(forged)) == "tree"


def test_a_rewrite_signed_by_another_key_is_refused(exported: Exported) -> None:
    stranger = Signer.from_seed(exported.signer.name, bytes(32))
    forged = tampering.rewrite(exported.made.bundle, tampering.cheaper, signer=stranger)
    assert failed_at(exported.check(forged)) == "pinned key"
    assert failed_at(verify_pack(forged, vkeys=[])) == "signer"  # and the log itself binds another key


def test_a_rewrite_with_the_real_key_shows_against_a_held_head_and_is_not_checked_without_one(
    exported: Exported,
) -> None:
    def nothing_to_the_first_five(value: dict[str, Any]) -> None:
        tampering.cheaper(value)
        if value["kind"] == "person.enrolled":
            value["facts"]["assurance"] = "token"

    forged = tampering.rewrite(exported.made.bundle, nothing_to_the_first_five, signer=exported.signer)
    without = exported.check(forged)
    assert without.level == "L1"  # the limit, stated: nothing inside can show it
    (held_step,) = [step for step in without.steps if step.name == "held head"]
    assert held_step.result == "NOT CHECKED"
    assert {step.result for step in without.steps if step.name in ("outside time", "witnesses")} == {"NOT CHECKED"}
    assert failed_at(exported.check(forged, held=[_first_checkpoint(exported)])) == "held head"
    assert failed_at(exported.check(forged, held=[exported.head])) == "held head"


def test_a_cut_tail_shows_against_a_held_head(exported: Exported) -> None:
    def shorter(archive: bytes) -> bytes:
        files = bundle.read(archive)
        lines = bundle.split_lines(files["entries.jsonl"])[:-4]
        files["entries.jsonl"] = b"".join(line + b"\n" for line in lines)
        files["disclosures.jsonl"] = b"".join(
            line + b"\n"
            for line in bundle.split_lines(files["disclosures.jsonl"])
            if json.loads(line)["seq"] < len(lines)
        )
        return tampering.rewrite(bundle.write(files), lambda value: None, signer=exported.signer)

    cut = shorter(exported.made.bundle)
    assert exported.check(cut).level == "L1"
    assert failed_at(exported.check(cut, held=[exported.head])) == "held head"


def test_the_pdf_of_one_pack_with_the_bundle_of_another_is_refused(exported: Exported) -> None:
    with opened(exported.settings) as installation:
        other = compose(installation, replace(ALWAYS, seed="another")).bundle
    report = exported.check(exported.made.pdf, beside=other)
    assert failed_at(report) == "bundle beside"
    spliced = exported.made.pdf.replace(b"/Type /EmbeddedFile", b"/Type /EmbeddedFil2")
    assert exported.check(spliced).failed


def test_a_removed_or_second_seal_is_refused(exported: Exported) -> None:
    assert failed_at(exported.check(tampering.without_seal(exported.made.pdf))) == "seal"
    assert failed_at(exported.check(exported.made.pdf + b"\n%%EOF\n")) == "container"
    doubled = exported.made.pdf + b"/ByteRange [0 1 2 3]"
    assert failed_at(exported.check(doubled)) == "container"


def test_a_seal_with_the_right_digest_and_another_signature_is_refused(exported: Exported) -> None:
    import hashlib

    from cryptography import x509

    from ledger.seal import build_cms, signed_attributes, signed_ranges

    der = bundle.read(exported.made.bundle)["seal.der"]
    certificate = x509.load_der_x509_certificate(der)
    forged = tampering.flip(exported.made.pdf, 3000)
    first, second, padded = signed_ranges(forged)
    old = padded.rstrip(b"\0")
    signature = old[old.rfind(b"\x04", 0, -60) + 2 :]
    digest = hashlib.sha256(forged[:first] + forged[second:]).digest()
    cms = build_cms(certificate, der, signed_attributes(certificate, der, digest), signature)
    value = cms.hex().upper().encode().ljust(second - first - 2, b"0")
    forged = forged[: first + 1] + value + forged[second - 1 :]
    with pytest.raises(SealInvalid, match="does not verify"):
        verify_seal(forged, der)


def test_an_invented_count_is_refused(exported: Exported) -> None:
    files = bundle.read(exported.made.bundle)
    said = json.loads(files["pack.json"])
    for change in (
        {"counts": said["counts"] | {"refused": 0}},
        {"examples": []},
        {"seed": "other"},
        {"at": "x"},
        {"more": 1},
    ):
        from ledger.canonical import canonicalize

        files["pack.json"] = canonicalize(said | change)
        assert failed_at(exported.check(bundle.write(files))) == "statements"


def test_a_monthly_pack_proves_the_people_it_quotes_from_before_the_month(exported: Exported) -> None:
    with opened(exported.settings) as installation:
        reader = installation.reader
        entries = [decode(data) for data in reader.raw(0, reader.head().size)]
        first_call = next(entry for entry in entries if entry.kind == "call.opened")
        composed = compose(installation, replace(ALWAYS, start=first_call.at, workflow="support-agent"))
    report = exported.check(composed.bundle)
    assert report.level == "L1", report
    files = bundle.read(composed.bundle)
    assert composed.said["range"][0] == first_call.seq
    context = bundle.parse_context(files["context.jsonl"])
    kinds = {decode(one.data).kind for one in context}
    assert {"signer.added", "config.activated", "person.enrolled", "workflow.released"} <= kinds
    for position in range(0, len(composed.bundle), 13):
        assert exported.check(tampering.flip(composed.bundle, position)).failed, position


def test_a_range_that_leaves_out_entries_of_its_period_is_refused(
    exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scope says the whole period, the range is cut short at either end: what a dishonest operator would hand out."""
    from ledger.store.reader import Reader

    real = Reader.first_at_or_after
    for edge, shift in (("from", 3), ("to", -3)):

        def cut(self: Reader, instant: str, size: int, edge: str = edge, shift: int = shift) -> int:
            found = real(self, instant, size)
            return found + shift if (found == 0) == (edge == "from") else found

        monkeypatch.setattr(Reader, "first_at_or_after", cut)
        with opened(exported.settings) as installation:
            forged = compose(installation, ALWAYS).bundle
        monkeypatch.setattr(Reader, "first_at_or_after", real)
        assert failed_at(exported.check(forged)) == "completeness"
        with pytest.raises(second_verifier.Refused):
            second_verifier.verify(forged, [exported.vkey])


def test_examples_drawn_with_another_seed_than_the_auditors_are_refused(exported: Exported) -> None:
    assert exported.check(exported.made.bundle, seed=ALWAYS.seed).level == "L1"
    assert failed_at(exported.check(exported.made.bundle, seed="mine")) == "auditor's seed"


def test_a_consistency_proof_is_added_for_the_head_the_auditor_holds(exported: Exported) -> None:
    held = _first_checkpoint(exported)
    with opened(exported.settings) as installation:
        entries = [decode(data) for data in installation.reader.raw(0, installation.reader.head().size)]
        request = replace(ALWAYS, start=_after_head(entries))
        without = compose(installation, request).bundle
        with_proof = compose(installation, replace(request, since_head=held)).bundle
    assert result_of(exported.check(without, held=[held]), "held head") == "NOT CHECKED"
    assert exported.check(with_proof, held=[held]).level == "L2"


def test_a_period_that_is_not_over_is_not_called_complete(exported: Exported) -> None:
    with opened(exported.settings) as installation:
        early = compose(installation, replace(ALWAYS, start="2020-01-01", end="2090-01-01"))
    assert result_of(exported.check(early.bundle), "completeness") == "NOT CHECKED"
    assert "The period was not over when this was made" in early.html


def test_a_period_that_is_over_gets_an_entry_after_it_and_is_complete(exported: Exported) -> None:
    with opened(exported.settings) as installation:
        end = format_time(installation.clock())  # later than every entry so far
        over = compose(installation, replace(ALWAYS, end=end))
        last = installation.reader.entry(over.said["range"][1])
        again = compose(installation, replace(ALWAYS, end=end))
    assert (last.kind, last.facts["to"]) == ("period.ended", end)
    assert result_of(exported.check(over.bundle), "completeness") == "PASS"
    assert again.said["range"] == over.said["range"], "one entry is enough"


def test_a_workflow_that_nobody_registered_is_refused_with_the_names_there_are(exported: Exported) -> None:
    with opened(exported.settings) as installation, pytest.raises(ActRefused, match=r"no workflow nosuch.*support"):
        compose(installation, replace(ALWAYS, workflow="nosuch"))


def test_a_pack_cannot_be_made_before_its_last_entry(exported: Exported) -> None:
    with opened(exported.settings) as installation, pytest.raises(ActRefused, match="before the last entry"):
        compose(installation, replace(ALWAYS, at="2020-01-01T00:00:00Z"))


def test_the_verifier_writes_out_what_it_checked_and_nothing_else(
    exported: Exported, pdf_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = exported.vkey[:20] + "\n  " + exported.vkey[20:] + " "  # as copied from two lines of a page
    assert main(["extract", str(pdf_file), "-o", str(tmp_path / "out"), "--key", broken]) == 0
    assert (tmp_path / "out" / "bundle.zip").read_bytes() == exported.made.bundle
    assert (tmp_path / "out" / "pack.json").is_file()
    assert (tmp_path / "out" / "report" / "calls.csv").is_file()
    forged = tmp_path / "forged.pdf"
    forged.write_bytes(tampering.flip(exported.made.pdf, 3000))
    assert main(["extract", str(forged), "-o", str(tmp_path / "not"), "--key", exported.vkey]) == 1
    assert not (tmp_path / "not").exists()
    capsys.readouterr()
    assert main(["verify", str(pdf_file), "--key", exported.vkey[:-4]]) == 3
    assert "copy the whole key" in capsys.readouterr().err


def test_what_is_withheld_and_what_cannot_be_opened_is_listed_apart(
    exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ledger.store.vault import Vault

    def damaged(*_args: Any, **_more: Any) -> dict[str, str]:
        return {}

    with opened(exported.settings) as installation:
        withheld = compose(installation, ALWAYS).html
        monkeypatch.setattr(Vault, "unseal", damaged)
        lacking = compose(installation, replace(ALWAYS, contents=True)).html
    title = "What is withheld, and what could not be opened"
    assert title in withheld
    assert "withheld from this pack" in withheld.partition(title)[2]
    assert "it does not match its commitment" in lacking.partition(title)[2]
    assert "name was erased" not in lacking, "nothing was erased"


def test_true_is_no_number_of_an_entry(exported: Exported) -> None:
    files = bundle.read(exported.made.bundle)
    opened_ones = files["disclosures.jsonl"]
    assert opened_ones.count(b'"seq":1}') == 1
    report = exported.check(
        bundle.write(files | {"disclosures.jsonl": opened_ones.replace(b'"seq":1}', b'"seq":true}')})
    )
    assert failed_at(report) == "disclosures"


def test_a_held_head_without_a_pinned_key_is_not_checked(exported: Exported) -> None:
    report = verify_pack(exported.made.bundle, vkeys=[], held=[exported.head])
    assert result_of(report, "held head") == "NOT CHECKED"


@pytest.mark.parametrize(("start", "end"), [("2020-01-01", "2020-02-01"), ("2090-01-01", "2090-02-01")])
def test_a_period_without_entries_is_proved_to_have_none(exported: Exported, start: str, end: str) -> None:
    with opened(exported.settings) as installation:
        composed = compose(installation, replace(ALWAYS, start=start, end=end))
    report = exported.check(composed.bundle)
    assert report.level == "L1", report
    assert composed.said["counts"]["entries"] == 0
    second_verifier.verify(composed.bundle, [exported.vkey])


@pytest.mark.parametrize(("start", "end"), [("2026-12-01", "2026-11-01"), ("yesterday", "2026-11-01")])
def test_an_impossible_period_is_refused(exported: Exported, start: str, end: str) -> None:
    with opened(exported.settings) as installation, pytest.raises(ActRefused):
        compose(installation, replace(ALWAYS, start=start, end=end))


def test_equal_inputs_give_an_equal_bundle_and_the_export_is_on_record(exported: Exported) -> None:
    with opened(exported.settings) as installation:
        reader = installation.reader
        exports = [decode(data) for data in reader.raw(0, reader.head().size) if b"pack.exported" in data]
        assert exports[0].facts["pack_ref"] == exported.made.pack_id
        size = exported.made.said["size"]
        same = compose(installation, replace(ALWAYS, end=decode(next(reader.raw(size, size + 1))).at))
        again = compose(installation, replace(ALWAYS, end=decode(next(reader.raw(size, size + 1))).at))
    assert same.bundle == again.bundle


def test_prompts_are_withheld_unless_asked_for(exported: Exported) -> None:
    with opened(exported.settings) as installation:
        opened_up = compose(installation, replace(ALWAYS, contents=True))
    assert b"coffee machine" not in exported.made.bundle
    names = {
        json.loads(line)["name"] for line in bundle.split_lines(bundle.read(exported.made.bundle)["disclosures.jsonl"])
    }
    assert names == {"name", "reason"}
    files = bundle.read(opened_up.bundle)
    assert "prompt" in {json.loads(line)["name"] for line in bundle.split_lines(files["disclosures.jsonl"])}
    assert exported.check(opened_up.bundle).level == "L1"


def test_an_export_by_somebody_without_the_role_is_refused(exported: Exported) -> None:
    with opened(exported.settings) as installation, pytest.raises(ActRefused):
        export(installation, replace(ALWAYS, person=APPROVER))
    with opened(exported.settings) as installation:
        assert export(installation, replace(ALWAYS, person=COMPLIANCE)).entries > 0


def test_hostile_text_in_a_prompt_is_text_in_the_document(exported: Exported) -> None:
    from reports.pack.document import as_html
    from reports.pack.facts import gather
    from reports.pack.report import Watch, report_of

    class Nothing:
        def find(self, kind: str, value: str) -> list[Any]:
            return []

    facts = replace(gather([], None, Nothing()), gaps=("<script>alert(1)</script><img src=file:///etc/passwd>",))  # type: ignore[arg-type]
    report = report_of(Watch(None, []), None, end="2026-12-01T00:00:00Z", made="2026-12-01T00:00:00Z")  # type: ignore[arg-type]
    html = as_html(exported.made.said, facts, report, [], organisation="<b>x</b>", vkey="k", certificate="c")
    assert "<script>" not in html
    assert "<img" not in html
    assert "<b>x</b>" not in html


def test_the_one_file_verifier_runs_isolated_and_agrees(exported: Exported, pdf_file: Path, tmp_path: Path) -> None:
    program = tmp_path / "whyledger-verify.pyz"
    build_verifier(program)
    tampered = tmp_path / "tampered.pdf"
    tampered.write_bytes(tampering.flip(exported.made.pdf, 5000))

    def run(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-I", str(program), "verify", *arguments], capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr

    assert run(str(pdf_file), "--key", exported.vkey)[0] == 0
    assert run(str(pdf_file))[0] == 2
    assert run(str(pdf_file), "--key", exported.vkey, "--require", "L2")[0] == 2
    assert run(str(tampered), "--key", exported.vkey)[0] == 1
    assert run()[0] == 3
    assert run("nowhere.pdf")[0] == 3
    code, said = run(str(exported.settings.log_database), "--key", exported.vkey, "--json")
    assert (code, json.loads(said)["level"]) == (0, "L1")


def test_the_one_file_verifier_without_cryptography_says_so_and_accuses_nobody(tmp_path: Path) -> None:
    program = tmp_path / "whyledger-verify.pyz"
    build_verifier(program)
    command = [sys.executable, "-I", "-S", str(program), "verify", "pack.pdf"]  # -S: without installed packages
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
    assert "pip install cryptography" in done.stderr


def test_a_head_that_nothing_leads_to_is_incomplete_and_no_accusation(
    exported: Exported, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held, pack = tmp_path / "held", tmp_path / "pack.zip"
    held.write_bytes(_first_checkpoint(exported))
    with opened(exported.settings) as installation:
        start = _after_head([decode(data) for data in installation.reader.raw(0, installation.reader.head().size)])
        pack.write_bytes(compose(installation, replace(ALWAYS, start=start)).bundle)
    assert main(["verify", str(pack), "--key", exported.vkey, "--head", str(held)]) == 2
    said = capsys.readouterr().out
    assert "ask for a pack made with --since-head" in said
    assert "INCOMPLETE" in said
    assert "INVALID" not in said


def test_a_pack_names_its_maker_and_one_that_nobody_asks_for_is_not_made(exported: Exported) -> None:
    with opened(exported.settings) as installation:
        size = installation.reader.head().size
        assert f"<dt>Made by</dt><dd>{COMPLIANCE}</dd>" in compose(installation, ALWAYS).html
        assert f"made by {COMPLIANCE}, made at" in compose(installation, replace(ALWAYS, brief=True)).html
        with pytest.raises(ActRefused, match="say who exports"):
            export(installation, replace(ALWAYS, person=None))
        assert installation.reader.head().size == size


def test_a_missing_system_library_skips_with_the_line_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reports.pack.pdf.find_library", lambda name: None)
    with pytest.raises(PdfUnavailable, match="apt-get install"):
        require_renderer()


def test_no_page_prints_what_we_never_say(pdf_file: Path) -> None:
    text = subprocess.run(
        [judge("pdftotext"), str(pdf_file), "-"], capture_output=True, text=True, check=True
    ).stdout.lower()
    assert "no audit opinion" in text
    for word in ("compliant", "immutable", "tamper-proof", "court-proof", "anonymous", "qualified", "exact cost"):
        assert word not in text


def test_the_second_verifier_agrees_on_every_pack_and_every_mutant(exported: Exported) -> None:
    def refused(data: bytes, **more: Any) -> bool:
        try:
            second_verifier.verify(data, [exported.vkey], **more)
        except second_verifier.Refused:
            return True
        return False

    archive = exported.made.bundle
    assert not refused(archive)
    assert not refused(exported.made.pdf)
    assert not refused(archive, held=[_first_checkpoint(exported)])
    forged = tampering.rewrite(archive, tampering.cheaper, signer=exported.signer)
    mutants = [tampering.flip(archive, position) for position in range(0, len(archive), max(5, len(archive) // 1200))]
    mutants += [
        tampering.rewrite(archive, tampering.cheaper, signer=None),
        tampering.rewrite(archive, tampering.cheaper, signer=Signer.from_seed(exported.signer.name, bytes(32))),
        tampering.reorder(archive), tampering.without_seal(exported.made.pdf), exported.made.pdf + b"\n",
    ]  # fmt: skip
    mutants += [
        tampering.flip(exported.made.pdf, position)
        for position in range(0, len(exported.made.pdf), len(exported.made.pdf) // 30)
    ]
    for number, mutant in enumerate(mutants):
        assert exported.check(mutant).failed, number
        assert refused(mutant), number
    assert refused(forged) == exported.check(forged).failed
    assert refused(forged, held=[exported.head]) == exported.check(forged, held=[exported.head]).failed is True


def test_a_vkey_that_is_malformed_is_an_error_and_never_a_skip(exported: Exported) -> None:
    assert failed_at(verify_pack(exported.made.bundle, vkeys=["nonsense"])) == "pinned key"
    assert note.VerifierKey.parse(exported.vkey).name == exported.signer.name
