"""The reference of the configuration file, written from the model itself: every key, what it takes, its default."""

import ast
import inspect
from collections.abc import Iterator
from types import ModuleType

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from gateway.configuration import alerts, approvals, evaluation, incidents, model, outcomes, policies, tools

HEAD = (
    "# Every key of the configuration file\n\nWritten by `whyledger config reference`. Unknown keys, keys that stand "
    "twice and values of another type are errors with their line. Amounts are EUR, prices USD per million tokens, days "
    "those of the organisation's time zone.\n\nA file takes effect by `whyledger config activate FILE --as PERSON "
    "--reason TEXT`; `whyledger config check FILE` says before what is wrong and what could not be served. "
    "`whyledger config example` prints a small file to begin with. `whyledger config show` prints what is in force and "
    "the built-in providers under it; `whyledger config history` lists who activated what, when and why, and "
    "`whyledger config diff` says what changed.\n"
)
_PLACES = (
    ("", model.Configuration), ("routes[]", model.Route), ("routes[].similar", model.Similar),
    ("organisation", model.Organisation),
    ("providers.NAME", model.Provider), ("providers.NAME.price, .prices.MODEL[]", model.Price),
    ("environments.NAME", model.Environment), ("workflows.NAME", model.Workflow),
    ("workflows.NAME.tool_rules.TOOL", tools.ToolRule), ("workflows.NAME.approvals", approvals.Approvals),
    ("policies.NAME", policies.Policy), ("policies.NAME.when", policies.When),
    ("policies.NAME.says_that", policies.Says), ("policies.NAME.replaces", policies.Replaces),
    ("outcomes.NAME", outcomes.OutcomeType),
    ("outcome_sources.NAME", outcomes.OutcomeSource), ("evaluation", evaluation.Evaluation),
    ("evaluation.evaluators[]", evaluation.Evaluator), ("alerts", alerts.Alerts), ("alerts.webhook", alerts.Webhook),
    ("incidents.NAME", incidents.IncidentRule), ("packs[]", model.ScheduledPack), ("fx", model.Fx),
)  # fmt: skip
"""Where in the file each section stands."""
_SECTIONS = frozenset(section.__name__ for _, section in _PLACES)


def reference() -> str:
    """Return the page."""
    return HEAD + "".join(_section(place, section) for place, section in _PLACES)


def _section(place: str, section: type[BaseModel]) -> str:
    words = " ".join((inspect.getdoc(section) or "").split())
    rows = "".join(f"| `{name}` | {takes} | {default} | {said} |\n" for name, takes, default, said in _rows(section))
    title = f"`{place}`" if place else "The whole file"
    return f"\n## {title}\n\n{words}\n\n| key | takes | if left out | |\n|---|---|---|---|\n{rows}"


def _rows(section: type[BaseModel]) -> Iterator[tuple[str, str, str, str]]:
    module = inspect.getmodule(section)
    assert module is not None
    written = _written(module, section.__name__)
    for name, field in section.model_fields.items():
        takes, said = written[name]
        if field.is_required():
            default = "needed"
        elif field.default_factory is not None or isinstance(field.default, BaseModel):
            default = "nothing"
        else:
            default = _plain(field.default)
        yield field.alias or name, takes, default, said


def _plain(value: object) -> str:
    if value is None or value in ((), "", {}) or value is PydanticUndefined:
        return "nothing"
    if isinstance(value, tuple):
        return ", ".join(f"`{one}`" for one in value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _written(module: ModuleType, name: str) -> dict[str, tuple[str, str]]:
    """Return the type and the words of each field of a section, as its source has them.

    pydantic can collect the words (`use_attribute_docstrings`), but would read the sources at every start.
    """
    tree = ast.parse(inspect.getsource(module))
    body = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name).body
    found: dict[str, tuple[str, str]] = {}
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            docs = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            said = " ".join(str(after.value.value).split()) if docs else ""  # type: ignore[union-attr]
            found[node.target.id] = (_type(node.annotation), said)
    return found


_TYPES = {
    "Names": "a name or several", "GrantedTools": "a name or several, `begin*`", "Texts": "a text or several",
    "Amount": "an amount", "Share": "a share", "Name": "a name", "str": "a text", "int": "a whole number",
    "float": "seconds", "Cosine": "a number", "bool": "true or false", "PriceRows": "a price or several",
    "ModelName": "a name", "ModelNames": "a name or several", "DialectNames": "a format or several",
    "JsonSchema": "a JSON Schema", "Digests": "a digest or several", "Argument": "a name",
    "Score": "a number", "Hosts": "a host or several", "ToolEffects": ", ".join(f"`{one}`" for one in tools.EFFECTS),
    "Roles": "a role or several: " + ", ".join(f"`{one}`" for one in approvals.ROLES),
    "Effect": ", ".join(f"`{one}`" for one in tools.EFFECTS),
    "Component": ", ".join(f"`{one}`" for one in evaluation.COMPONENTS),
}  # fmt: skip


def _type(node: ast.expr) -> str:
    """Say in words what an annotation takes; sections are described where they stand."""
    if isinstance(node, ast.BinOp):
        parts = [node.left, node.right]
        return " or ".join(_type(one) for one in parts if not (isinstance(one, ast.Constant) and one.value is None))
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        if node.value.id == "Literal":
            options = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            return ", ".join(f"`{ast.literal_eval(one)}`" for one in options)
        if node.value.id == "Annotated" and isinstance(node.slice, ast.Tuple):
            return _type(node.slice.elts[0])
        return "several" if node.value.id == "tuple" else "by name"
    name = ast.unparse(node)
    return "a section" if name in _SECTIONS else _TYPES[name]
