"""What the pages of a pack say, read as its reader gets them: through pdfinfo, pdftotext and the objects of the file."""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pikepdf
import pytest
from judges import judge

from gateway.demo.stories import STORIES
from gateway.demo.world import APPROVER, running
from gateway.oversight.acts import override
from gateway.oversight.people import by_name
from gateway.packing import Composed, MadePack, PackRequest, compose, sealed
from gateway.settings import read_settings
from gateway.store.evidence import LiveEvidence
from gateway.store.installation import Installation, opened
from ledger.entry import Entry, decode
from ledger.ids import new_id
from ledger.note import Signer
from ledger.seal import verify_seal
from reports.pack.document import as_html
from reports.pack.facts import gather
from reports.pack.fonts import fonts_said
from reports.pack.glyphs import PLACE, written_out
from reports.pack.pdf import PdfUnavailable, render, require_renderer
from reports.pack.report import Watch, report_of
from reports.pack.words import hexadecimal

ALWAYS = PackRequest(start="2020-01-01", end="2100-01-01", seed="it's mine", at="2100-01-01T00:00:00Z")
REASON = "顧客の要求 مرحبا 😀\x07\u202e end"
ORIGIN = "ledger.of-a-company-with-a-long-name.example/2026/production"


@dataclass(frozen=True)
class Home:
    installation: Installation
    call: str

    def compose(self, **changes: Any) -> Composed:
        return compose(self.installation, replace(ALWAYS, **changes))

    def made(self, **changes: Any) -> MadePack:
        return sealed(self.installation, self.compose(**changes))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    require_renderer()
    path = tmp_path_factory.mktemp("pages") / "home"
    with running(path, environment=os.environ) as world:
        for story in STORIES:
            if story.task in ("doc:onboarding", "ticket:4711"):
                story.tell(world, story.task)
    with opened(read_settings(path, environment={})) as installation:
        call = next(entry.call for entry in entries(installation) if entry.kind == "call.closed") or ""
        actor = by_name(installation, APPROVER, None)
        override(
            installation, actor, call, action="modify", reason_code="R01", reason=REASON,
            presented="what was on the screen", before="the first text", after="the second text",
        )  # fmt: skip
        yield Home(installation, call)


@pytest.fixture(scope="module")
def made(home: Home) -> MadePack:
    return home.made()


def entries(installation: Installation) -> list[Entry]:
    reader = installation.reader
    return [decode(data) for data in reader.raw(0, reader.head().size)]


def text_of(pdf: bytes, *options: str) -> str:
    with tempfile.NamedTemporaryFile(suffix=".pdf") as file:
        file.write(pdf)
        file.flush()
        command = [judge("pdftotext"), *options, file.name, "-"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def rendered(html: str) -> bytes:
    with tempfile.TemporaryFile() as bundle:
        bundle.write(b"PK")
        bundle.flush()
        return render(html, bundle, at=datetime(2026, 11, 28, tzinfo=UTC), identifier=bytes(16))


def document(*texts: str) -> str:
    body = "".join(f"<p>{escape(text)}</p>" for text in texts)
    head = '<meta charset="utf-8"><title>t</title><style>body { font: 10pt "DejaVu Sans" }</style>'
    return f'<html lang="en"><head>{head}</head><body>{PLACE}{body}</body></html>'


def page_of(home: Home, **changes: Any) -> str:
    """The document of a period without entries in it, with changes to what it is given."""
    composed = home.compose()
    given = {
        "organisation": "o",
        "vkey": home.installation.signer.vkey,
        "certificate": home.installation.seal_key.digest,
    }
    facts = changes.pop("facts", None) or gather([], None, None)  # type: ignore[arg-type]
    report = report_of(Watch(None, []), None, end="2026-12-01T00:00:00Z", made="2026-12-01T00:00:00Z")  # type: ignore[arg-type]
    return as_html(composed.said | changes.pop("said", {}), facts, report, [], **(given | changes))


def letters_without_glyph(pdf: bytes, folder: Path) -> list[str]:
    """WeasyPrint gives a font another encoding than Identity-H where it drew a .notdef of it."""
    path = folder / "glyphs.pdf"
    path.write_bytes(pdf)
    with pikepdf.open(path) as opened_pdf:
        fonts = [
            one for one in opened_pdf.objects if isinstance(one, pikepdf.Dictionary) and one.get("/Subtype") == "/Type0"
        ]
        assert fonts
        return [str(one.BaseFont) for one in fonts if one.Encoding != "/Identity-H"]


@pytest.fixture
def dejavu_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fonts this machine has: these tests see one family, which has no Chinese."""
    font = subprocess.run(
        [judge("fc-match"), "-f", "%{file}", "DejaVu Sans"], capture_output=True, text=True, check=True
    )
    folder = tmp_path / "fonts"
    folder.mkdir()
    for file in Path(font.stdout).parent.glob("DejaVuSans*.ttf"):
        (folder / file.name).symlink_to(file)
    config = f"<fontconfig><dir>{folder}</dir><cachedir>{tmp_path}/cache</cachedir></fontconfig>"
    (tmp_path / "fonts.conf").write_text(f'<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">{config}')
    monkeypatch.setenv("FONTCONFIG_FILE", str(tmp_path / "fonts.conf"))


def test_the_sealed_file_is_pdf_1_7_and_declares_pades_alone(home: Home, made: MadePack, tmp_path: Path) -> None:
    path = tmp_path / "pack.pdf"
    path.write_bytes(made.pdf)
    said = subprocess.run([judge("pdfinfo"), str(path)], capture_output=True, text=True, check=True).stdout
    assert re.search(r"PDF version: +1\.7$", said, re.MULTILINE)
    assert made.pdf.startswith(b"%PDF-1.7")
    with pikepdf.open(path) as pdf:
        assert pdf.pdf_version == "1.7"
        assert "/Version" not in pdf.Root
        assert list(pdf.Root.Extensions.keys()) == ["/ESIC"]
    verify_seal(made.pdf, home.installation.seal_key.certificate_der)


@pytest.mark.usefixtures("dejavu_alone")
def test_what_has_no_glyph_is_written_out_and_the_note_says_so(tmp_path: Path) -> None:
    hidden = "bell\x07 escape\x1b zero\x00 turned\u202e gap\u200b tag\U000e0041 own\ue000 half\ud800 filler\u3164"
    pdf = rendered(document("顧客の要求", "مرحبا", "\U0001f469\u200d\U0001f4bb", hidden, "می\u200cخواهم", "plain"))
    assert not letters_without_glyph(pdf, tmp_path)
    text = " ".join(text_of(pdf).split())
    for letter in "顧客の要求\U0001f469\u200d\U0001f4bb\x07\x1b\x00\u202e\u200b\U000e0041\ue000\ud800\u3164":
        assert f"U+{ord(letter):04X}" in text, letter
    assert "مرحبا" in text
    assert "U+200C" not in text  # it shapes the letter before it
    assert "fonts-noto-core and fonts-noto-cjk" in text
    assert "7 characters without a glyph" in text


@pytest.mark.usefixtures("dejavu_alone")
def test_a_reason_in_chinese_leaves_a_pack_archivable(home: Home, tmp_path: Path) -> None:
    made = home.made()
    assert not letters_without_glyph(made.pdf, tmp_path)
    text = text_of(made.pdf)
    for letter in "顧客の要求\x07\u202e":
        assert f"U+{ord(letter):04X}" in text
    verify_seal(made.pdf, home.installation.seal_key.certificate_der)


def test_a_document_in_which_all_is_seen_has_no_note() -> None:
    assert written_out(document("plain, and ü ß €")) == document("plain, and ü ß €")


def test_without_any_font_the_pack_is_refused_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "none").mkdir()
    config = f"<fontconfig><dir>{tmp_path}/none</dir><cachedir>{tmp_path}/cache</cachedir></fontconfig>"
    (tmp_path / "fonts.conf").write_text(f'<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">{config}')
    monkeypatch.setenv("FONTCONFIG_FILE", str(tmp_path / "fonts.conf"))
    with pytest.raises(PdfUnavailable, match="rendering failed"):
        rendered(document("plain"))
    assert fonts_said() == (
        False,
        "no font is installed: sudo apt-get install --no-install-recommends fonts-dejavu-core",
    )


@pytest.mark.usefixtures("dejavu_alone")
def test_doctor_says_which_scripts_no_font_has() -> None:
    judge("fc-list")
    good, said = fonts_said()
    assert good
    assert "no font for" in said
    assert "Chinese, Japanese, Korean" in said
    assert "fonts-noto-cjk" in said


def test_the_digest_of_the_certificate_is_printed_as_openssl_prints_it(
    home: Home, made: MadePack, tmp_path: Path
) -> None:
    (tmp_path / "seal.der").write_bytes(home.installation.seal_key.certificate_der)
    command = ["openssl", "x509", "-inform", "DER", "-in", "seal.der", "-noout", "-fingerprint", "-sha256"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    digits = said.partition("=")[2].strip().replace(":", "").lower()
    assert hexadecimal(home.installation.seal_key.digest).replace(" ", "") == digits
    assert digits in re.sub(r"\s", "", text_of(made.pdf))


@pytest.mark.parametrize("options", [(), ("-layout",)])
def test_the_key_survives_copying(home: Home, options: tuple[str, ...]) -> None:
    assert len(ORIGIN) == 60
    vkey = Signer.from_seed(ORIGIN, bytes(32)).vkey
    lines = text_of(rendered(page_of(home, vkey=vkey)), *options).splitlines()
    assert sum(vkey in line for line in lines) == 2
    assert any(line.strip() == vkey for line in lines if "--key" not in line) or options
    assert any(line.strip() == f"--key {vkey} \\" for line in lines)
    assert any(line.strip() == "--seed 'it'\"'\"'s mine'" for line in lines)


def test_the_cover_of_a_period_that_was_not_over_says_where_the_log_ends(home: Home) -> None:
    said = home.compose().said
    last = entries(home.installation)[said["size"] - 1]
    html = home.compose().html
    local = datetime.fromisoformat(last.at).astimezone(ZoneInfo("Europe/Berlin"))
    assert f"the log ends at entry {last.seq} ({local:%Y-%m-%d %H:%M:%S}" in html
    assert (
        "Europe/Berlin, the organisation&#39;s time zone" in html
        or "Europe/Berlin, the organisation's time zone" in html
    )
    over = home.compose(end=last.at)
    assert over.said["range"][1] == last.seq
    assert "not over" not in over.html


def test_an_empty_period_says_that_there_is_nothing(home: Home) -> None:
    html = home.compose(start="2020-01-01", end="2020-02-01").html
    assert "There is no entry at all in this period" in html
    assert "0 opened" not in html


def test_what_the_pages_do_not_claim(made: MadePack) -> None:
    text = " ".join(text_of(made.pdf).split())
    assert "as stated by the exporter" in text
    assert "it's mine, given at export" in text
    assert "given by the auditor" not in text
    assert "has everything" not in text
    assert "python whyledger-verify.pyz verify pack.pdf" in text
    assert "python whyledger-verify.pyz extract pack.pdf -o FOLDER" in text
    assert "Certificate issuer is unknown" in text
    assert "breaks the seal" in text


def _decided(action: str, code: str | None, seq: int) -> Entry:
    at = datetime(2026, 11, 28, tzinfo=UTC)
    return Entry(
        v=1, log="l", seq=seq, prev="", id=new_id("ent", at), at="2026-11-28T00:00:00.000000Z", kind="override.recorded",
        call=f"call_{seq}", task=None, workflow=None, sub=None, act=None,
        facts={"action": action, "reason_code_ref": code, "assurance": "token"}, refs={}, c={},
    )  # fmt: skip


def test_approvals_are_counted_apart_from_overrides(home: Home) -> None:
    facts = gather(
        [_decided("approve", None, 1), _decided("reverse", "R07", 2), _decided("modify", "R01", 3)],
        None,
        LiveEvidence(home.installation),
    )  # type: ignore[arg-type]
    assert (facts.number_of_approvals, facts.number_of_overrides) == (1, 2)
    assert [row["action"] for row in facts.approvals] == ["approved"]
    assert [row["action"] for row in facts.overrides] == ["reversed", "changed"]
    approvals, overrides = page_of(home, facts=facts).partition("<h3>Approvals")[2].split("<h3>Overrides")
    assert "approved" in approvals
    assert "reversed" not in approvals
    assert "approved" not in overrides.partition("<h2")[0]


def test_a_reversal_stands_nowhere_as_an_approval(home: Home) -> None:
    html = home.compose().html
    assert "What people decided about this call" in html
    assert "<th>Approval" not in html
    assert "No person recorded an approval" in html


def test_contents_are_printed_when_they_are_opened_and_named_when_not(home: Home) -> None:
    closed, opened_up = home.compose().html, home.compose(contents=True).html
    for words in ("what was on the screen", "the first text", "the second text"):
        assert words not in closed
        assert words in opened_up
    assert "shown to them:</span> withheld from this pack; its salted commitment is in the entry" in closed
    assert "The prompt is withheld from this pack; its salted commitment is in the entry." in closed
    assert '<p class="role">user</p>' in opened_up
    assert '<p class="role">answer</p>' in opened_up
    assert "The prompt is withheld" not in opened_up


def test_what_was_not_opened_is_listed_apart(home: Home) -> None:
    listed = [{"seq": 17, "name": "prompt", "why": "withheld"}, {"seq": 18, "name": "answer", "why": "erased"}]
    text = " ".join(text_of(rendered(page_of(home, unopened=listed)), "-layout").split())
    assert "What is withheld, and what could not be opened" in text
    assert re.search(r"prompt withheld from this pack; .* 1 17 ", text)
    assert re.search(r"answer kept once, and no longer readable: .* 1 18 ", text)


def _closed(result: str, state: str, reported: str | None, seq: int) -> Entry:
    flags = [{"id": "reported-model", "verdict": "flag"}] if reported == "other-model" else []
    served = {"provider": "p", "model": "asked-model", "reported_model": reported}
    facts = {
        "result": result, "cost_state": state, "cost_nano_eur": 1500, "served": served, "checks": flags, "cache": "off",
        "route": "r",
    }  # fmt: skip
    return _decided("approve", None, seq)._replace(kind="call.closed", facts=facts)


def test_who_answered_and_how_is_told_in_plain_words() -> None:
    ended = [
        _closed("answered", "provider_stated", "asked-model", 1), _closed("answered", "upper_bound", "other-model", 2),
        _closed("unreadable", "provider_reported", None, 3),
    ]  # fmt: skip
    facts = gather(ended, None, None)  # type: ignore[arg-type]
    assert [row[0] for row in facts.models] == [
        "asked-model (the answer names other-model, another model) at p", "asked-model at p",
    ]  # fmt: skip
    assert facts.results[0] == ("answered", 2)
    assert "could not be read" in facts.results[1][0]
    assert any("as stated by the provider" in words for words, _count, _sum in facts.costs)
    assert facts.calls[1]["cost"] == "0.000001500*"


def test_no_machine_word_and_no_word_broken_inside_stands_in_the_tables(made: MadePack) -> None:
    text = text_of(made.pdf)
    for word in ("client_gone", "upstream_cut", "provider_reported", "upper_bound"):
        assert word not in text
    assert "budget_exceede\n" not in text
