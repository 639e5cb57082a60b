"""The rules of the house that a machine can hold."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("ledger", "classifiers", "reports", "gateway", "migrations")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
VAGUE = {"utils", "util", "helper", "helpers", "manager", "data", "info", "common", "misc"}
SHADOWING = {"secrets", "types", "http", "random", "json", "logging", "token", "queue", "time", "email", "select"}


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_is_described_short_and_holds_short_functions(path: Path) -> None:
    source = path.read_text("utf-8")
    tree = ast.parse(source)
    if source.strip():
        assert ast.get_docstring(tree), "no module docstring"
    assert len(source.splitlines()) <= 400, "more than 400 lines"
    for function in functions(tree):
        assert function.end_lineno is not None
        assert function.end_lineno - function.lineno < 50, f"{function.name} has more than 50 lines"
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Global)], "global"


def test_names_say_what_a_module_is() -> None:
    assert not [name(path) for path in MODULES if path.stem in VAGUE]
    assert not [name(path) for path in MODULES if path.stem in SHADOWING]


def test_what_decides_on_a_call_stays_thin() -> None:
    folders = [ROOT / "gateway" / one for one in ("pipeline", "rules")]
    inside = [path for path in MODULES if any(path.is_relative_to(one) for one in folders)]
    assert sum(len(path.read_text("utf-8").splitlines()) for path in inside) <= 3000


def test_no_code_branches_on_the_name_of_a_provider() -> None:
    """Names of providers are data: they may stand in built-in configuration, never in a comparison."""
    names = {"sandbox", "openai", "anthropic", "gemini", "google", "mistral", "ollama"}
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            compared: list[ast.expr] = []
            if isinstance(node, ast.Compare):
                compared = [node.left, *node.comparators]
            elif isinstance(node, ast.MatchValue):
                compared = [node.value]
            for part in compared:
                for leaf in ast.walk(part):
                    assert not (isinstance(leaf, ast.Constant) and leaf.value in names), f"{name(path)}:{node.lineno}"  # type: ignore[attr-defined]


def test_words_we_never_print_stand_in_no_product_file() -> None:
    forbidden = ("compliant", "immutable", "tamper-proof", "court-proof")
    files = [*MODULES, *(path for package in PACKAGES for path in (ROOT / package).rglob("*.j2"))]
    for path in files:
        text = path.read_text("utf-8").lower()
        assert not [word for word in forbidden if word in text], name(path)


def loaded_by(module: str) -> set[str]:
    code = f"import sys, {module}; print('\\n'.join(sys.modules))"
    output = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return {line.split(".")[0] for line in output.stdout.splitlines()}


@pytest.mark.parametrize("module", ["ledger", "ledger.verify", "ledger.__main__"])
def test_the_verifier_loads_the_standard_library_and_cryptography_alone(module: str) -> None:
    allowed = set(sys.stdlib_module_names) | {"cryptography", "ledger", "_cffi_backend", "_openssl", "__main__"}
    allowed |= {"orjson"}  # faster where it is installed; the next test does without
    # whatever site start-up itself loads (editable-install finders) is not ours
    start_up = loaded_by("os")
    assert loaded_by(module) - start_up - allowed == set()


def test_the_verifier_works_without_orjson() -> None:
    code = (
        "import sys; sys.modules['orjson'] = None\n"
        "from ledger import canonical, verify, __main__\n"
        "assert canonical._DUMP is canonical._dump_with_standard_library and canonical._LOAD is canonical._load_with_standard_library"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_importing_has_no_side_effect_on_files_or_sockets(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    calls = {
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for statement in tree.body
        if isinstance(statement, ast.Expr | ast.Assign | ast.AnnAssign)
        for node in ast.walk(statement)
        if isinstance(node, ast.Call)
    }
    assert not calls & {"open", "socket", "connect", "read_text", "write_text", "mkdir", "urlopen", "create_engine"}
