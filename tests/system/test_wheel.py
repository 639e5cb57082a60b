"""A wheel built from this source installs into an empty environment and runs the demo from an empty directory."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_the_five_packages_their_files_and_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"ledger", "classifiers", "reports", "gateway", "migrations"}
    for needed in ("gateway/demo/demo.yaml", "gateway/configuration/builtin.yaml",
                   "gateway/configuration/example.yaml", "gateway/configuration/litellm.yaml",
                   "gateway/scanning/providers.yaml", "reports/pack/templates/pack.html.j2",
                   "gateway/console/templates/why.html.j2", "migrations/log/0001_log.py", "migrations/script.py.mako"):  # fmt: skip
        assert needed in names


def test_it_installs_into_an_empty_environment_and_runs_the_demo_from_an_empty_directory(
    wheel: Path, tmp_path: Path
) -> None:
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", str(wheel)], check=True, capture_output=True)
    assert subprocess.run([python, "-c", "import openai"], capture_output=True, check=False).returncode != 0
    empty = tmp_path / "empty"
    empty.mkdir()
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("WHYLEDGER_", "PYTHON"))}
    done = subprocess.run(
        [environment / "bin" / "whyledger", "demo"],
        cwd=empty,
        env=clean,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (empty / "whyledger-demo" / "pack.pdf").stat().st_size > 10_000


def test_no_file_of_the_source_names_a_registry_or_a_path_of_a_machine() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    files = [ROOT / name for name in tracked] or [
        path for path in ROOT.rglob("*") if path.suffix in (".py", ".toml", ".md")
    ]
    for path in files:
        text = path.read_text("utf-8", errors="ignore")
        for host in ("pypi" + ".org", "pythonhosted" + ".org", "registry" + ".npmjs", "/" + "work/", "/" + "root/"):
            assert host not in text, f"{path}: {host}"
