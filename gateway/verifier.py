"""Building the auditor's program: a zipapp of the modules that verification needs, and of nothing else."""

import zipapp
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory

import ledger

MODULES = (
    "__init__", "__main__", "amounts", "bundle", "canonical", "checkpoint", "disclosure", "entropy", "entry", "errors",
    "merkle", "note", "pack", "pdf", "seal", "steps", "verify", "verify_contents", "verify_log", "waiting",
    "store/__init__", "store/live",
)  # fmt: skip
_MAIN = """\
import sys
from importlib.util import find_spec

if find_spec("cryptography") is None:
    print("this program needs the package cryptography: python -m pip install cryptography", file=sys.stderr)
    sys.exit(3)

from ledger.__main__ import main

sys.exit(main())
"""


def build_verifier(output: Path) -> None:
    """Write `whyledger-verify.pyz`: runs on any Python >= 3.11 that has `cryptography`."""
    source = Path(ledger.__file__).parent
    with TemporaryDirectory() as folder:
        root = Path(folder)
        for module in MODULES:
            target = root / "ledger" / f"{module}.py"
            target.parent.mkdir(parents=True, exist_ok=True)
            copyfile(source / f"{module}.py", target)
        (root / "__main__.py").write_text(_MAIN, "utf-8")
        zipapp.create_archive(root, output, interpreter="/usr/bin/env python3")
