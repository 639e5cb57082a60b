"""Clients of clients.toml: whether they are there, which they are, and one user call of one of them."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from argparse import Namespace
from pathlib import Path
from typing import Any

from bench.rig.measure import fill
from bench.rig.processes import start, stop
from bench.rig.selling import Stage

SCRIPTS = Path(__file__).parent / "clients"
Client = dict[str, Any]
SPEAKS = {
    "anthropic": {"ANTHROPIC_BASE_URL": "{ROOT}", "ANTHROPIC_API_KEY": "{KEY}"},
    "google": {
        "GOOGLE_GEMINI_BASE_URL": "{ROOT}", "GOOGLE_API_KEY": "{KEY}", "GEMINI_API_KEY": "{KEY}",
        "GOOGLE_GENERATIVE_AI_API_KEY": "{KEY}",
    },
}  # fmt: skip


def folder_of(name: str, client: Client, clients: Path) -> Path:
    return clients / str(client.get("folder", name))


def missing(name: str, client: Client, clients: Path) -> str | None:
    """How to install a client that is not there."""
    folder = folder_of(name, client, clients)
    if "pip" in client:
        return None if folder.exists() else f"python3 -m venv {folder} && {folder}/bin/pip install {client['pip']}"
    needed = [folder / "node_modules" / one for one in client["npm"].split()]
    return None if all(one.exists() for one in needed) else f"npm install --prefix {folder} {client['npm']}"


def versions(name: str, client: Client, clients: Path) -> str:
    if "npm" in client:
        code = "for (const n of process.argv.slice(1)) console.log(n, JSON.parse(fs.readFileSync(`node_modules/${n}/package.json`)).version)"
        asked = ["node", "-e", code, *client["npm"].split()]
    else:
        code = "import sys; from importlib.metadata import version as v; [print(n, v(n)) for n in sys.argv[1:]]"
        asked = ["bin/python", "-c", code, *[one.split("[")[0] for one in client["pip"].split()]]
    told = subprocess.run(asked, cwd=folder_of(name, client, clients), capture_output=True, text=True, check=True)
    return ", ".join(told.stdout.split("\n")).strip(", ")


def command_of(name: str, client: Client, mode: str, home: Path, folder: Path) -> list[str]:
    if "command" in client:
        return [str(folder / client["command"][0]), *client["command"][1:]]
    if "pip" in client:
        return [str(folder / "bin" / "python"), "-P", str(SCRIPTS / f"{client.get('script', name)}.py"), mode]
    shutil.copy(SCRIPTS / f"{client.get('script', name)}.mjs", home / "ask.mjs")
    (home / "node_modules").symlink_to(folder / "node_modules")
    return ["node", "ask.mjs", mode]


def end_daemons(home: Path) -> None:
    """End what a client left behind in a session of its own: it has the folder of this one call in its environment."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"HOME={home}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                os.kill(int(folder.name), signal.SIGKILL)


def run(name: str, client: Client, mode: str, key: str, on: Stage, chosen: Namespace) -> tuple[str, int | None]:
    """Make one user call; returns what the client printed, and its exit code, None if it was cut off."""
    home = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=chosen.folder))
    names = {"HOME": str(home), "ROOT": on.url, "URL": f"{on.url}/v1", "KEY": on.keys[key], "ASK": f"greet {home.name}"}
    wanted = {"OPENAI_BASE_URL": "{URL}", "OPENAI_API_KEY": "{KEY}", "HOME": "{HOME}", "ASK": "{ASK}", "ROOT": "{ROOT}"}
    wanted |= (
        SPEAKS.get(client.get("speaks", ""), {}) | client.get("env", {}) | {"PATH": os.environ["PATH"], "NO_COLOR": "1"}
    )
    environment = {one: fill(value, names) for one, value in wanted.items()}
    for file, text in client.get("files", {}).items():
        (home / file).parent.mkdir(parents=True, exist_ok=True)
        (home / file).write_text(fill(text, names), "utf-8")
    folder = folder_of(name, client, chosen.clients)
    if "before" in client:
        before = [fill(one, names) for one in client["before"]]
        before[0] = str(folder / before[0])
        subprocess.run(before, cwd=home, env=environment, timeout=60, check=True, capture_output=True)
    command = [fill(word, names) for word in command_of(name, client, mode, home, folder)]
    with (home / "log").open("wb") as log:
        process = start(command, f"0-{(os.cpu_count() or 1) - 1}", log, env=environment, cwd=home)
        try:
            code = process.wait(chosen.seconds)
        except subprocess.TimeoutExpired:
            code = None
        stop(process, 9)
    end_daemons(home)
    return (home / "log").read_text("utf-8", "replace"), code
