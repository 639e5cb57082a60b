"""The command line as an operator types it: a process for each command, in an environment without settings."""

import os
import subprocess
import sys
from pathlib import Path

PLAYBOOK = Path(__file__).parent / "gateway" / "test_configuration.py"


class Shell:
    def __init__(self, home: Path) -> None:
        self.home = home

    def __call__(self, *arguments: str, token: str | None = None) -> tuple[int, str, str]:
        environment = self._environment() | ({"WHYLEDGER_TOKEN": token} if token else {})
        command = [sys.executable, "-m", "gateway", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout, done.stderr

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command that goes on until it is ended."""
        command = [sys.executable, "-m", "gateway", *arguments]
        return subprocess.Popen(command, env=self._environment(), stdout=subprocess.PIPE, text=True)

    def _environment(self) -> dict[str, str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("WHYLEDGER_")}
        return environment | {"WHYLEDGER_HOME": str(self.home)}

    def ok(self, *arguments: str, token: str | None = None) -> str:
        code, said, wrong = self(*arguments, token=token)
        assert code == 0, said + wrong
        return said

    def init(self, admin: str = "admin") -> str:
        return self.ok("init", "--admin", admin, "--origin", "ledger.example/main")


def playbook(folder: Path) -> Path:
    text = PLAYBOOK.read_text("utf-8").partition('PLAYBOOK = """\\\n')[2].partition('"""')[0]
    path = folder / "playbook.yaml"
    path.write_text(text, "utf-8")
    return path
