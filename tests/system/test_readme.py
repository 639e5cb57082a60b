"""The README shows what the demo really prints; the guides' commands and tables are the program's."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.web.problems import IN_FORMAT, RETRYABLE, STATUS

ROOT = Path(__file__).parents[2]


def masked(line: str) -> str:
    """Forget what differs between runs: numbers and spacing."""
    return re.sub(r"\s+", " ", re.sub(r"\d+", "#", line)).strip()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("empty")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WHYLEDGER_")}
    command = [sys.executable, "-m", "gateway", "demo"]
    return folder, subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_demo_ends_by_itself_with_everything_it_promises(
    demo: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = demo
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path.name for path in (folder / "whyledger-demo").iterdir()} >= {
        "pack.pdf",
        "bundle.zip",
        "why.html",
        "head.note",
    }
    assert "NOT REFUSED" not in done.stdout
    assert "http://127.0.0.1:8080/why/ticket:4711" in done.stdout


def test_every_line_of_output_in_the_readme_is_printed_by_the_demo(
    demo: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    block = text.partition("test_readme.py -->\n```\n")[2].partition("```")[0]
    printed = masked(demo[1].stdout)
    lines = [masked(line) for line in block.splitlines() if line.strip()]
    assert len(lines) > 15
    for line in lines:
        assert line in printed, line


def test_without_pango_the_demo_skips_the_pdf_alone_and_its_exit_code_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from gateway.demo.run import PDF_SKIPPED, run_demo

    monkeypatch.setattr("reports.pack.pdf.find_library", lambda name: None)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WHYLEDGER_")}
    home = tmp_path / "demo"
    assert run_demo(home, live=False, environment=environment) == PDF_SKIPPED
    said = capsys.readouterr().out
    assert "apt-get install" in said
    assert "VALID to level L2" in said
    assert (home / "bundle.zip").exists()
    assert not (home / "pack.pdf").exists()
    assert run_demo(tmp_path, live=False, environment=environment) == 1  # a folder that is not the demo's is left alone
    assert home.exists()


def test_every_command_that_the_pages_name_exists() -> None:
    import typer
    from typer.main import get_command

    from gateway.cli import app

    root = get_command(app)
    known = {name: command for name, command in root.commands.items()}  # type: ignore[attr-defined]
    assert isinstance(app, typer.Typer)
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    named = {
        match for page in pages for match in re.findall(r"whyledger ([a-z]+)(?: ([a-z]+))?", page.read_text("utf-8"))
    }
    groups = {name for name, command in known.items() if hasattr(command, "commands")}
    for first, second in named:
        assert first in known, first
        if first in groups:
            assert second in known[first].commands, f"{first} {second}"


def test_the_error_table_of_the_guide_is_the_program_s() -> None:
    text = (ROOT / "docs" / "guides" / "first-call.md").read_text("utf-8")
    rows = re.findall(r"^\| ([\d, ]+) \| (.+?) \|", text, flags=re.M)
    documented = {
        code: set(map(int, statuses.split(", "))) for statuses, codes in rows for code in re.findall(r"`(\w+)`", codes)
    }
    assert documented.keys() == STATUS.keys()
    for code, status in STATUS.items():
        assert status in documented[code], code
    for (_, code), status in IN_FORMAT.items():
        assert status in documented[code], code
    for code in RETRYABLE:
        assert f"`{code}`" in text.splitlines()[-1]


def test_every_kind_and_every_fact_is_in_the_format_page(demo: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    import json
    import sqlite3

    from reports.registers import by_kind

    page = (ROOT / "docs" / "formats" / "kinds.md").read_text("utf-8")
    source = "\n".join(path.read_text("utf-8") for path in (ROOT / "gateway").rglob("*.py"))
    kinds = set(re.findall(r'kind="([a-z_]+\.[a-z_]+)"', source)) | set(
        re.findall(r'\bact\(\s*installation, "([a-z.]+)"', source)
    )
    kinds |= set(by_kind())
    assert len(kinds) >= 15
    for kind in kinds:
        assert f"**`{kind}`**" in page, kind
    connection = sqlite3.connect(demo[0] / "whyledger-demo" / "installation" / "log.db")
    for (data,) in connection.execute("SELECT bytes FROM entry"):
        entry = json.loads(data)
        for name in (*entry["facts"], *entry["refs"], *entry["c"]):
            assert f"`{re.sub(r'_[0-9]+$', '_0', name)}`" in page, f"{entry['kind']}: {name}"
    connection.close()
