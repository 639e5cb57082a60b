"""A scan of a tree: each file by its kind, then what only the whole file or the whole tree can tell."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from gateway.scanning.catalogue import Catalogue, catalogue
from gateway.scanning.finding import Finding, Report, Skipped, Status
from gateway.scanning.notebook import read_notebook
from gateway.scanning.python_source import PythonFile
from gateway.scanning.text_source import HASH, SLASHES, TextFile, Written
from gateway.scanning.through import Gateways
from gateway.scanning.tree import Tree

_BY_SUFFIX = {
    **dict.fromkeys((".js", ".jsx", ".ts", ".tsx", ".mjs", ".cjs", ".mts", ".cts", ".vue", ".svelte", ".astro"),
                    Written("javascript", SLASHES)),
    ".go": Written("go", SLASHES), ".rb": Written("ruby"), ".cs": Written("csharp", SLASHES),
    ".php": Written("php", SLASHES), ".rs": Written("rust", SLASHES), ".swift": Written("", SLASHES),
    **dict.fromkeys((".java", ".kt", ".kts", ".scala", ".groovy"), Written("java", SLASHES)),
    **dict.fromkeys((".json", ".json5", ".ipynb"), Written("", "")), ".jsonc": Written("", SLASHES),
    **dict.fromkeys((".yaml", ".yml", ".toml", ".ini", ".cfg", ".conf", ".env", ".sh", ".bash", ".zsh", ".tf",
                     ".tfvars", ".properties", ".nix", ".ex", ".exs", ".pl", ".r", ".ps1"), Written()),
    ".gradle": Written(dependencies="gradle", comments=SLASHES),
}  # fmt: skip
_BY_NAME = {
    "package.json": Written(dependencies="package", comments=""), "setup.cfg": Written(dependencies="requirements"),
    "go.mod": Written(dependencies="go.mod", comments=SLASHES), "Gemfile": Written(dependencies="gem"),
    "pyproject.toml": Written(dependencies="toml"), "Pipfile": Written(dependencies="toml"),
    "pom.xml": Written(dependencies="pom", comments=""), "Cargo.toml": Written(dependencies="cargo"),
    "build.gradle.kts": Written(dependencies="gradle", comments=SLASHES),
    "composer.json": Written(dependencies="composer", comments=""), "Procfile": Written(), "Makefile": Written(),
}  # fmt: skip
_LOCKED = {"package-lock.json", "composer.lock", "poetry.lock", "uv.lock", "Pipfile.lock", "yarn.lock", "go.sum",
           "pnpm-lock.yaml", "Cargo.lock", "Gemfile.lock"}  # fmt: skip
"""Written by tools from other files: searched for keys alone."""
_DECLARED = (".d.ts", ".d.mts", ".d.cts")
"""Declarations of types: searched for keys alone."""
_PYTHON = {".py", ".pyi", ".pyw"}
_UNPARSED = (SyntaxError, ValueError, RecursionError, MemoryError)


def scan(root: Path, *, gateways: Sequence[str] = (), exclude: Sequence[str] = ()) -> Report:
    """Search a tree for direct calls of providers.

    Args:
        gateways: hosts of the gateway, and names of variables that hold its address or its keys.
        exclude: patterns of names or of relative paths that are not looked at.

    Raises:
        ScanRefused: there is no such file or folder.
    """
    tree, found, as_text, files = Tree(root, exclude), list[Finding](), list[Skipped](), 0
    known, through, own = catalogue(), Gateways.of(gateways), _shadowing(tree)
    for name, text in tree.texts():
        files += 1
        if known.may_hold(text):
            one = _Source(name, known, through, own)
            found += one.findings(text)
            as_text += [Skipped(name, why) for why in one.unparsed]

    def named(left_out: Iterable[Skipped]) -> tuple[Skipped, ...]:
        return tuple(sorted(replace(one, path=known.without_keys(one.path)) for one in left_out))

    findings = {replace(one, path=known.without_keys(one.path)) for one in _by_tree(found)}
    return Report(
        files, tuple(sorted(findings)), named(tree.skipped), named(as_text), named(tree.unread), tuple(sorted(own))
    )


def _shadowing(tree: Tree) -> frozenset[str]:
    """Return the packages of the tree that are called as a library is: there its name means the tree's own."""
    libraries = {one.package.partition(".")[0] for one in catalogue().libraries("python")}
    return tree.packages() & libraries


class _Source:
    """One file, and why it could not be read by its syntax."""

    def __init__(self, name: str, known: Catalogue, gateways: Gateways, own: frozenset[str]) -> None:
        self._name, self._known, self._gateways, self._own = name, known, gateways, own
        self.unparsed: list[str] = []

    def findings(self, text: str) -> list[Finding]:
        """Return what a file holds."""
        found = _by_file(self._of_kind(text))
        return found + list(self._as(Written()).keys(text))

    def _of_kind(self, text: str) -> list[Finding]:
        path = PurePosixPath(self._name)
        if path.suffix in _PYTHON or text.startswith("#!") and "python" in text.partition("\n")[0]:
            return self._python(text)
        if path.suffix == ".ipynb" and (notebook := read_notebook(text)):
            return [_placed(one, notebook.lines) for one in self._python(notebook.code)]
        written = _written(path)
        return list(self._as(written).findings(text)) if written else []

    def _python(self, text: str) -> list[Finding]:
        try:
            return list(PythonFile(self._name, self._known, self._gateways, self._own).findings(text))
        except _UNPARSED:
            self.unparsed.append("cannot be parsed as Python")
            return list(self._as(Written("python")).findings(text))

    def _as(self, written: Written) -> TextFile:
        return TextFile(self._name, self._known, self._gateways, written)


def _placed(one: Finding, lines: Sequence[int]) -> Finding:
    """Put a finding in a notebook's code on its line of the file."""
    at, end = (lines[min(max(line, 1), len(lines)) - 1] for line in (one.line, one.end))
    return replace(one, line=at, end=end if one.end else 0)


def _written(path: PurePosixPath) -> Written | None:
    """Return how a file is written; nothing for prose and for what tools write, which are searched for keys alone."""
    if path.name in _LOCKED or path.name.endswith(_DECLARED):
        return None
    if path.name in _BY_NAME:
        return _BY_NAME[path.name]
    if path.name.startswith("requirements") and path.suffix in (".txt", ".in"):
        return Written(dependencies="requirements")
    if path.name.startswith((".env", "Dockerfile", "Containerfile")) or path.name.endswith(".Dockerfile"):
        return Written(comments=HASH)
    return _BY_SUFFIX.get(path.suffix.lower())


def _by_file(found: list[Finding]) -> list[Finding]:
    """Say of imports, names of models and key variables what the clients of their file say."""
    clients = [one for one in found if one.kind == "client"]
    inside = {line for one in clients if not one.leaks for line in range(one.line, one.end + 1)}
    all_through = bool(clients) and not any(one.leaks for one in clients)

    def settled(one: Finding) -> Finding:
        if one.kind == "import" and (own := [client for client in clients if client.library == one.library]):
            status = _worst(own)
            return replace(one, status=status, change="" if status == "gateway" else one.change)
        through = all_through and one.kind == "model"
        through = through or (one.kind in ("model", "key variable") and one.line in inside)
        return replace(one, status="gateway", change="") if through else one

    return [settled(one) for one in found]


def _by_tree(found: list[Finding]) -> Iterable[Finding]:
    """Say of dependencies what the clients of the whole tree say."""
    clients: dict[str, list[Finding]] = {}
    for one in found:
        if one.kind == "client":
            clients.setdefault(one.library, []).append(one)
    for one in found:
        if one.kind == "dependency" and one.library in clients:
            status = _worst(clients[one.library])
            one = replace(one, status=status, change="" if status == "gateway" else one.change)
        yield replace(one, end=0)


def _worst(clients: Sequence[Finding]) -> Status:
    statuses = {one.status for one in clients}
    return "direct" if "direct" in statuses else "unclear" if "unclear" in statuses else "gateway"
