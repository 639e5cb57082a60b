"""The container files: linted, complete, and run as they say, as far as a machine without a container engine can."""

import fnmatch
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from environment import Hosted
from ruamel.yaml import YAML
from stage import prepare

from gateway.demo.world import free_port
from gateway.settings import KNOWN, read_settings

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
COMPOSE = YAML(typ="safe", pure=True).load((ROOT / "compose.yaml").read_text("utf-8"))


def settings() -> dict[str, str]:
    """Return the variables that the image sets."""
    (block,) = re.findall(r"^ENV ((?:.*\\\n)*.*)$", DOCKERFILE, re.MULTILINE)
    return dict(one.split("=", 1) for one in block.replace("\\\n", " ").split())


def test_the_dockerfile_is_clean_for_the_linter() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_nothing_runs_as_root_or_writes_outside_its_folder() -> None:
    assert re.search(r"^USER 10001:10001$", DOCKERFILE, re.MULTILINE) and "HEALTHCHECK" in DOCKERFILE
    gateway = COMPOSE["services"]["gateway"]
    assert gateway["read_only"] is True and gateway["cap_drop"] == ["ALL"]
    assert gateway["volumes"] == ["data:/data"] and settings()["WHYLEDGER_HOME"] == "/data"
    seconds = int(gateway["stop_grace_period"].removesuffix("s"))
    assert seconds > read_settings(environment={}).drain, "what is cut by the engine gets no error event"


def test_every_setting_is_one_of_ours_and_no_password_has_a_default() -> None:
    named = {*settings(), *COMPOSE["services"]["gateway"]["environment"]}
    ours = {name.removeprefix("WHYLEDGER_") for name in named if name.startswith("WHYLEDGER_")}
    assert ours <= KNOWN and {"HOME", "HOST", "DATABASE", "KEY_STORE"} <= ours
    text = (ROOT / "compose.yaml").read_text("utf-8")
    assert all(":?" in one for one in re.findall(r"\$\{\w*PASSWORD[^}]*\}", text))


@pytest.mark.slow
def test_the_image_is_built_of_all_that_the_package_needs(tmp_path: Path) -> None:
    """What `.dockerignore` lets through and the file copies is enough to build the wheel."""
    let = [line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")]
    for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE):
        *sources, _ = line.split()
        for source in sources:
            assert any(fnmatch.fnmatch(source, one) for one in let), f"{source} is not let through"
            place = ROOT / source
            if place.is_dir():
                shutil.copytree(place, tmp_path / source, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(place, tmp_path)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path / "out")]
    subprocess.run([*command, str(tmp_path)], check=True, capture_output=True)
    assert len(list((tmp_path / "out").glob("whyledger-*.whl"))) == 1


@pytest.mark.slow
def test_it_serves_with_the_settings_of_the_image_and_its_check_says_so(tmp_path: Path) -> None:
    made, _, _ = prepare(tmp_path / "home", port=free_port())
    image = {name: value for name, value in settings().items() if name.startswith("WHYLEDGER_")}
    server = Hosted(read_settings(made.home, environment={**image, "WHYLEDGER_HOME": str(made.home)}))
    try:
        (check,) = re.findall(r'CMD \["python", "-c", "(.*)"\]', DOCKERFILE)
        healthy = [sys.executable, "-c", check.replace(":8080/", f":{server.port}/")]
        assert subprocess.run(healthy, check=False, env=dict(os.environ)).returncode == 0
        sick = [sys.executable, "-c", check.replace(":8080/", f":{free_port()}/")]
        assert subprocess.run(sick, check=False, capture_output=True).returncode != 0
    finally:
        server.kill()
