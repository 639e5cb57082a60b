"""docs/design/complaints.md names tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_each_kind_of_complaint_names_tests_that_exist() -> None:
    page = (ROOT / "docs" / "design" / "complaints.md").read_text("utf-8")
    rows = [line.split("|")[1:4] for line in page.splitlines() if line.startswith("| ")][1:]
    defined = set(re.findall(r"^(?:async )?def (test_\w+)", _all_tests(), re.MULTILINE))
    for kind, seen_in, tests in rows:
        named = re.findall(r"`(test_\w+)`", tests)
        assert named and seen_in.strip(), kind
        assert set(named) <= defined, f"{kind}: {sorted(set(named) - defined)}"
    assert len(rows) > 20


def _all_tests() -> str:
    return "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
