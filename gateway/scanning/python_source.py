"""Python read by its syntax: what is imported under which name, which clients are made, which strings name what."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gateway.scanning.catalogue import Catalogue, Library, begun, is_placeholder
from gateway.scanning.finding import Finding, Kind, Status
from gateway.scanning.through import BASE_URL, Gateways, Made, status_of

_LOOKS_AT_NAMES = {"startswith", "endswith", "removeprefix", "removesuffix", "replace", "split", "count", "index"}
_NO_CALL = ("types", "Error", "Exception", "Warning", "_exceptions", "errors")
_LONGEST_NAME = 120


@dataclass(slots=True)
class _Names:
    """What names of a module stand for."""

    imported: dict[str, str] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    aside: set[int] = field(default_factory=set)
    """Nodes of strings that ask for nothing: documentation, and what other strings are compared with."""

    def dotted(self, node: ast.expr) -> str:
        """Return the full name of an expression like `o.OpenAI`, or nothing."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id not in self.imported:
            return ""
        return ".".join([self.imported[node.id], *reversed(parts)])

    def text(self, node: ast.expr) -> str:
        """Return what an expression says: a constant, also by the name of one, or its source."""
        if isinstance(node, ast.Name) and node.id in self.constants:
            return f"{node.id} {self.constants[node.id]}"
        return str(node.value) if isinstance(node, ast.Constant) else ast.unparse(node)


@dataclass(frozen=True, slots=True)
class PythonFile:
    """A module and what to look for in it."""

    path: str
    catalogue: Catalogue
    gateways: Gateways
    own: frozenset[str] = frozenset()
    """Packages of the tree itself: what is imported from them is none of a library's."""

    def findings(self, source: str) -> Iterator[Finding]:
        """Yield what the code of a module says.

        Raises:
            SyntaxError, ValueError, RecursionError, MemoryError: it cannot be parsed.
        """
        nodes = list(ast.walk(ast.parse(source)))
        names = _names(nodes, self.own)
        for node in nodes:
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield from self._import(node, names)
            elif isinstance(node, ast.Call):
                yield from self._call(node, names)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in names.aside:
                yield from self._string(node, node.value)
            elif isinstance(node, ast.Name | ast.Attribute):
                name = node.id if isinstance(node, ast.Name) else node.attr
                yield from self._variable(node.lineno, name)
            yield from self._given(node)

    def _import(self, node: ast.Import | ast.ImportFrom, names: _Names) -> Iterator[Finding]:
        found: dict[Library, str] = {}
        for full in _imported(node):
            library = self.catalogue.library("python", full)
            if library and not library.only_clients and id(node) not in names.aside and not _no_call(library, full):
                found.setdefault(library, library.package)
        for library, package in found.items():
            change = self.catalogue.change("import")
            yield self._one(node.lineno, "import", library.provider, package, "unclear", change, library.package)

    def _call(self, node: ast.Call, names: _Names) -> Iterator[Finding]:
        dotted = names.dotted(node.func)
        if dotted.rpartition(".")[2] == "import_module" or (
            isinstance(node.func, ast.Name) and node.func.id == "__import__"
        ):
            yield from self._loaded(node)
        found = self.catalogue.client("python", dotted) or self._handed_on(dotted)
        if not found:
            return
        library, client = found
        status = status_of(_made(node, names), library, self.gateways, self.catalogue)
        change = "" if status == "gateway" else self.catalogue.change(library.change, client)
        one = self._one(node.lineno, "client", library.provider, dotted, status, change, library.package)
        yield _until(one, node.end_lineno or node.lineno)

    def _handed_on(self, dotted: str) -> tuple[Library, str] | None:
        """Return what a name is that a module of the tree hands on: `from app.llm import litellm`."""
        for at, part in enumerate(dotted.split(".")):
            if at and self.catalogue.library("python", part) and part not in self.own:
                return self.catalogue.client("python", ".".join(dotted.split(".")[at:]))
        return None

    def _loaded(self, node: ast.Call) -> Iterator[Finding]:
        """Yield a package that is imported by its name as a string."""
        first = node.args[0] if node.args else None
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            library = self.catalogue.library("python", first.value)
            if library and not library.only_clients:
                change = self.catalogue.change("import")
                yield self._one(node.lineno, "import", library.provider, library.package, "unclear", change,
                                library.package)  # fmt: skip

    def _string(self, node: ast.Constant, text: str) -> Iterator[Finding]:
        for hit in self.catalogue.urls(text):
            line = node.lineno + text.count("\n", 0, hit.start)
            yield self._one(line, "url", hit.provider, hit.shown, "direct", self.catalogue.change("url"))
        if provider := self.catalogue.service(text):
            yield self._one(node.lineno, "url", provider, text, "direct", self.catalogue.change("url"))
        if len(text) <= _LONGEST_NAME:
            if provider := self.catalogue.model(text):
                yield self._one(node.lineno, "model", provider, text, "unclear", self.catalogue.change("model"))
            yield from self._variable(node.lineno, text)

    def _variable(self, line: int, name: str) -> Iterator[Finding]:
        if provider := self.catalogue.variable(name):
            status: Status = "gateway" if self.gateways.meant_by(name) else "unclear"
            change = "" if status == "gateway" else self.catalogue.change("key_variable")
            yield self._one(line, "key variable", provider, name, status, change)

    def _given(self, node: ast.AST) -> Iterator[Finding]:
        """Yield a literal that is given to a key variable and has no shape by which keys are known."""
        for name, value in _pairs(node):
            provider = self.catalogue.variable(name)
            if provider and isinstance(value, ast.Constant) and isinstance(value.value, str):
                text = value.value
                if not is_placeholder(text) and not any(True for _ in self.catalogue.keys(text)):
                    change = self.catalogue.change("key")
                    yield self._one(value.lineno, "key", provider, f"{name} = {begun(text)}", "direct", change)

    def _one(
        self, line: int, kind: Kind, provider: str, found: str, status: Status, change: str, library: str = ""
    ) -> Finding:
        shown = self.catalogue.without_keys(found)
        return Finding(self.path, line, kind, self.catalogue.name_of(provider), shown, status, change, library)


def _until(one: Finding, end: int) -> Finding:
    return Finding(one.path, one.line, one.kind, one.provider, one.found, one.status, one.change, one.library, end)


def _names(nodes: Sequence[ast.AST], own: frozenset[str]) -> _Names:
    names, given = _Names(), dict[str, list[ast.expr]]()
    for node in nodes:
        if isinstance(node, ast.Import):
            for one in node.names:
                whole = one.name if one.asname else one.name.partition(".")[0]
                names.imported[one.asname or whole] = whole
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.imported |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
        elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            given.setdefault(node.targets[0].id, []).append(node.value)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            names.aside |= {id(one) for part in node.body for one in ast.walk(part)}
        if isinstance(node, ast.Import | ast.ImportFrom) and any(
            one.partition(".")[0] in own for one in _imported(node)
        ):
            names.aside.add(id(node))
        names.aside |= {id(one) for one in _compared(node)}
    names.imported = {name: full for name, full in names.imported.items() if full.partition(".")[0] not in own}
    for name, values in given.items():
        if len(values) == 1 and (text := _literal(values[0], names)):
            names.constants[name] = text
    return names


def _literal(node: ast.expr, names: _Names) -> str:
    """Return what a name is given that stands for one thing: a string, or the reading of a variable."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    read = node.func if isinstance(node, ast.Call) else node.value if isinstance(node, ast.Subscript) else node
    return ast.unparse(node) if names.dotted(read).startswith("os.") else ""


def _compared(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the strings that ask for nothing: what stands alone as documentation, and what names are held against."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        yield node.value
    elif isinstance(node, ast.Compare):
        for part in (node.left, *node.comparators):
            yield from ast.walk(part)
    elif isinstance(node, ast.MatchValue) or _is_literal_type(node):
        yield from ast.walk(node)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _LOOKS_AT_NAMES:
        for part in node.args:
            yield from ast.walk(part)


def _is_literal_type(node: ast.AST) -> bool:
    """Tell `Literal["gpt-4o"]`, which says what may be asked for."""
    return isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("Literal")


def _imported(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (one.name for one in node.names)
    elif node.module and not node.level:
        yield from (f"{node.module}.{one.name}" for one in node.names)


def _no_call(library: Library, full: str) -> bool:
    """Tell whether an imported name only describes: types and errors."""
    rest = full[len(library.package) :].split(".")
    return any(one.startswith("types") or one.endswith(_NO_CALL) for one in rest if one)


def _made(call: ast.Call, names: _Names) -> Made:
    """Return how a client is made: base URLs are looked for in everything that it is given."""
    urls: list[str] = []
    for node in ast.walk(call):
        urls += [names.text(value) for name, value in _pairs(node) if BASE_URL.match(name)]
    hidden = any(one.arg is None for one in call.keywords) or any(isinstance(one, ast.Starred) for one in call.args)
    return Made(tuple(urls), " ".join(_strings(call)), hidden)


def _pairs(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield names and what they are given: keywords, dictionaries, assignments to a variable, a member or an item."""
    if isinstance(node, ast.keyword) and node.arg:
        yield node.arg, node.value
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value, value
    elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Name | ast.Attribute):
                yield (target.id if isinstance(target, ast.Name) else target.attr), node.value
            elif isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
                yield str(target.slice.value), node.value


def _strings(node: ast.AST) -> Iterator[str]:
    return (one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str))
