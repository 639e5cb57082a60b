"""Registered prompts: which version a call gets, and its text once the variables stand in it. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import orjson

from gateway.call import Call, PromptUse
from gateway.errors import Refused

VARIABLE = re.compile(r"\{\{\s*([A-Za-z][A-Za-z0-9_]{0,63})\s*\}\}")
"""As the prompts of the OpenAI API write them: `{{name}}`."""
_MEMBERS = {"id", "version", "variables"}
SYSTEM_BYTES = 100
"""What a message of the system has around its text, in any dialect."""


class PromptVersion(NamedTuple):
    """A text under a number that never changes."""

    number: int
    digest: str
    text: str

    @property
    def variables(self) -> frozenset[str]:
        return frozenset(VARIABLE.findall(self.text))


@dataclass(frozen=True, slots=True)
class Prompt:
    """The versions of a prompt, from number 1 on, and which one is promoted in which environment."""

    versions: tuple[PromptVersion, ...]
    promoted: Mapping[str, int]


@dataclass(frozen=True)
class PromptBook:
    """Every registered prompt by name."""

    prompts: Mapping[str, Prompt]

    @cached_property
    def by_text(self) -> Mapping[str, tuple[str, PromptVersion]]:
        """The texts that a caller may send as they are: of two equal ones the last version."""
        every = [(name, one) for name, prompt in sorted(self.prompts.items()) for one in prompt.versions]
        return {one.text: (name, one) for name, one in every if not one.variables}


NO_PROMPTS = PromptBook({})


def with_prompt(call: Call, environment: str, book: PromptBook) -> Call:
    """Return a call with the text of the prompt that it names, or with the version whose text it sends.

    Raises:
        Refused: `prompt_invalid`, naming what is wrong with `prompt`.
    """
    asked = call.asked.fields.get("prompt")
    if not isinstance(asked, dict):
        found = book.by_text.get(call.asked.instructions) if call.asked.instructions else None
        if found is None:
            return call
        return call._replace(prompt=PromptUse(found[0], found[1].number, "text", found[1].digest, None))
    name, one, by = _chosen(asked, environment, book)
    given = asked.get("variables")
    text = _rendered(name, one, {} if given is None else given)
    fields = call.dialect.with_instructions(
        {key: value for key, value in call.asked.fields.items() if key != "prompt"}, text
    )
    bound = call.asked.input_bound + len(orjson.dumps(text)) + SYSTEM_BYTES
    return call._replace(
        asked=call.asked._replace(fields=fields, input_bound=bound),
        prompt=PromptUse(name, one.number, by, one.digest, text),
    )


def _chosen(asked: Mapping[str, Any], environment: str, book: PromptBook) -> tuple[str, PromptVersion, str]:
    if strange := sorted(set(asked) - _MEMBERS):
        raise _invalid(f"`prompt` has id, version and variables, not {', '.join(map(str, strange))[:100]}")
    name, version = asked.get("id"), asked.get("version")
    prompt = book.prompts.get(name) if isinstance(name, str) else None
    if not isinstance(name, str) or prompt is None:
        raise _invalid("`prompt.id` is no registered prompt: whyledger prompt register NAME FILE")
    if version is None:
        number = prompt.promoted.get(environment)
        if number is None:
            raise _invalid(
                f"no version of prompt {name} is promoted in {environment}: whyledger prompt promote {name} VERSION"
            )
        return name, prompt.versions[number - 1], "promoted"
    written = str(version) if isinstance(version, int | str) and not isinstance(version, bool) else ""
    found = next((one for one in prompt.versions if str(one.number) == written), None)
    if found is None:
        raise _invalid(f"prompt {name} has the versions 1 to {len(prompt.versions)}")
    return name, found, "asked"


def _rendered(name: str, one: PromptVersion, variables: Any) -> str:
    if not isinstance(variables, dict) or not all(isinstance(value, str) for value in variables.values()):
        raise _invalid("`prompt.variables` must be an object of texts")
    wanted = one.variables
    if set(variables) != wanted:
        takes = f"the variables {', '.join(sorted(wanted))}" if wanted else "no variables"
        raise _invalid(f"version {one.number} of prompt {name} takes {takes}")
    return VARIABLE.sub(lambda found: str(variables[found[1]]), one.text)  # once: no value is looked through again


def _invalid(message: str) -> Refused:
    return Refused("prompt_invalid", message, stage=3)
