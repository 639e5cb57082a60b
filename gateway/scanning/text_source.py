"""Other languages read by patterns: comments are set aside, the rest is searched line by line."""

import re
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from gateway.scanning.catalogue import Catalogue, Library, begun, is_placeholder
from gateway.scanning.finding import Finding, Kind, Status
from gateway.scanning.through import BASE_URL, Gateways, Made, status_of

SLASHES, HASH = "//", "#"
_STRINGS = r"\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
_COMMENTS = {
    SLASHES: re.compile(rf"(?P<kept>{_STRINGS}|`(?:\\.|[^`\\])*`)|//[^\n]*|/\*.*?\*/", re.S),
    HASH: re.compile(rf"(?P<kept>{_STRINGS})|(?<![^\s;])\#[^\n]*"),
}
_IMPORTS = {
    "python": (r"^[ \t]*(?:from|import)[ \t]+([\w.]+)",),
    "javascript": (
        r"(?<!\w)(?:import|export)\s(?!\s*type\b)[^'\";()]{0,2000}?\bfrom\s*['\"]([@\w./-]+)['\"]",
        r"(?:\brequire\s*\(\s*|\bimport\s*\(?\s*)['\"]([@\w./-]+)['\"]",
    ),
    "go": (r"\"([a-z0-9.-]+\.[a-z]+/[\w./-]+)\"",),
    "java": (r"\bimport\s+(?:static\s+)?([\w.]+)",),
    "ruby": (r"\brequire\s*\(?\s*['\"]([\w/-]+)['\"]",),
    "csharp": (r"\busing\s+([\w.]+)\s*;",),
    "php": (r"\buse\s+([\w\\]+)",),
    "rust": (r"\buse\s+([\w:]+)",),
}
_DEPENDENCIES = {
    "requirements": ("python", r"^[ \t]*([A-Za-z0-9._-]+)"),
    "toml": ("python", r"[\"']([A-Za-z0-9._-]+)(?=[\[<>=~!; \"'])|^([A-Za-z0-9._-]+)[ \t]*=(?=[ \t]*[\"{])"),
    "package": ("javascript", r"\"(@?[\w./-]+)\"\s*:\s*\"[^\"]*\d"),
    "go.mod": ("go", r"^\s*(?:require\s+)?([\w./-]+)\s+v\d"),
    "gem": ("ruby", r"\bgem\s+['\"]([\w-]+)['\"]"),
    "pom": ("java", r"<artifactId>([\w.-]+)</artifactId>"),
    "gradle": ("java", r"['\"][\w.-]+:([\w.-]+):"),
    "cargo": ("rust", r"^([\w-]+)\s*="),
    "composer": ("php", r"\"([\w-]+/[\w-]+)\"\s*:"),
}
_ALIAS = re.compile(r"\bimport\s+(\w+)\s*(?:,\s*\{[^}]{0,2000}\}\s*)?from\s*['\"]([@\w./-]+)['\"]")
_VALUE = re.compile(
    r"(?P<quote>[\"'`])(?P<quoted>[^\"'`\s]{3,120})(?P=quote)"
    r"|(?:^|[:=]\s*|-\s+)(?P<bare>[A-Za-z][\w.:@/-]{3,120})\s*(?:$|[,;}\s])",
    re.M,
)
"""What may be a name: between quotes, or a bare value of YAML and the like."""
_LOOKED_AT = re.compile(r"(?:[=!]=|\bcase\s|\b(?:startsWith|endsWith|includes|indexOf|HasPrefix)\(|(?<!\|)\|)\s*$")
_TYPE_GOES_ON = re.compile(r"\s*\|(?!\|)")
"""What a name of a model is held against, or a type that lists names: neither asks for one."""
_WORD = re.compile(r"[A-Z][A-Z0-9_]{5,}")
_GIVEN = re.compile(r"(?P<name>[A-Z][A-Z0-9_]{5,})[\"']?\s*(?:=>|[:=])\s*[\"']?(?P<value>[A-Za-z0-9_+/=.-]{16,})")
_PAIR = re.compile(r"[\"']?(?P<name>[A-Za-z_]\w*)[\"']?\s*(?:=>|[:=(])\s*(?P<value>[^\n]{1,200})")
_MOST = 2000
"""Characters of a call that are looked at."""


@dataclass(frozen=True, slots=True)
class Written:
    """How a kind of file is written."""

    language: str = ""
    """Of its imports and clients; empty where there are none."""
    comments: str = HASH
    dependencies: str = ""


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file and what to look for in it."""

    path: str
    catalogue: Catalogue
    gateways: Gateways
    written: Written

    def findings(self, source: str) -> Iterator[Finding]:
        """Yield what the text says outside of comments."""
        text = _without_comments(source, self.written.comments)
        if self.written.dependencies:
            yield from self._dependencies(text)
            return
        yield from self._imports(text)
        yield from self._urls(text)
        yield from self._models(text)
        yield from self._variables(text)
        yield from self._given(text)

    def keys(self, source: str) -> Iterator[Finding]:
        """Yield what has the shape of a key, in comments too."""
        for hit in self.catalogue.keys(source):
            change = self.catalogue.change("own_key" if self.catalogue.is_own(hit.provider) else "key")
            yield self._one(source, hit.start, "key", hit.provider, hit.shown, "direct", change)

    def _imports(self, text: str) -> Iterator[Finding]:
        seen: set[Library] = set()
        for pattern in _IMPORTS.get(self.written.language, ()):
            for match in re.finditer(pattern, text, re.M):
                library = self.catalogue.library(self.written.language, match[1])
                if library and not library.only_clients:
                    seen.add(library)
                    change = self.catalogue.change("import")
                    yield self._one(text, match.start(1), "import", library.provider, library.package, "unclear",
                                    change, library.package)  # fmt: skip
        packages = {one.package for one in seen}
        aliases = {match[2]: match[1] for match in _ALIAS.finditer(text)}
        for library in self.catalogue.libraries(self.written.language):
            if library.package in packages:
                # What a package exports by default is made by the first library listed of it.
                yield from self._clients(text, library, aliases.pop(library.package, ""))

    def _clients(self, text: str, library: Library, alias: str) -> Iterator[Finding]:
        for client in dict.fromkeys((*library.clients, *([f"new {alias}"] if alias else []))):
            for match in re.finditer(_made_by(client, self.written.language), text, re.M):
                span = _span(text, match.end())
                status = status_of(_made(span), library, self.gateways, self.catalogue)
                change = "" if status == "gateway" else self.catalogue.change(library.change, match[0])
                one = self._one(text, match.start(), "client", library.provider, match[0], status, change,
                                library.package)  # fmt: skip
                end = one.line + span.count("\n")
                yield Finding(one.path, one.line, one.kind, one.provider, one.found, status, change, one.library, end)

    def _urls(self, text: str) -> Iterator[Finding]:
        for hit in self.catalogue.urls(text):
            yield self._one(text, hit.start, "url", hit.provider, hit.shown, "direct", self.catalogue.change("url"))
        for match in _VALUE.finditer(text):
            if provider := self.catalogue.service(match["quoted"] or ""):
                change = self.catalogue.change("url")
                yield self._one(text, match.start(), "url", provider, match["quoted"], "direct", change)

    def _models(self, text: str) -> Iterator[Finding]:
        for match in _VALUE.finditer(text):
            name = match["quoted"] or match["bare"]
            if _LOOKED_AT.search(text, max(0, match.start() - 30), match.start()):
                continue
            if match["quoted"] and _TYPE_GOES_ON.match(text, match.end()):
                continue
            if provider := self.catalogue.model(name):
                at = match.start("quoted" if match["quoted"] else "bare")
                yield self._one(text, at, "model", provider, name, "unclear", self.catalogue.change("model"))

    def _variables(self, text: str) -> Iterator[Finding]:
        for match in _WORD.finditer(text):
            provider = self.catalogue.variable(match[0])
            if provider and not (self.written.language and _is_in_prose(text, match)):
                status: Status = "gateway" if self.gateways.meant_by(match[0]) else "unclear"
                change = "" if status == "gateway" else self.catalogue.change("key_variable")
                yield self._one(text, match.start(), "key variable", provider, match[0], status, change)

    def _given(self, text: str) -> Iterator[Finding]:
        """Yield a literal that is given to a key variable and has no shape by which keys are known."""
        for match in _GIVEN.finditer(text):
            provider, value = self.catalogue.variable(match["name"]), match["value"]
            if provider and not is_placeholder(value) and not any(True for _ in self.catalogue.keys(value)):
                found, change = f"{match['name']} = {begun(value)}", self.catalogue.change("key")
                yield self._one(text, match.start(), "key", provider, found, "direct", change)

    def _dependencies(self, text: str) -> Iterator[Finding]:
        language, pattern = _DEPENDENCIES[self.written.dependencies]
        for match in re.finditer(pattern, text, re.M):
            name = next(one for one in match.groups() if one is not None)
            library = self.catalogue.dependency(language, name)
            if library:
                yield self._one(text, match.start(), "dependency", library.provider, name, "unclear",
                                self.catalogue.change("dependency"), library.package)  # fmt: skip

    def _one(
        self, text: str, at: int, kind: Kind, provider: str, found: str, status: Status, change: str, library: str = ""
    ) -> Finding:
        line, shown = bisect(_line_ends(text), at - 1) + 1, self.catalogue.without_keys(found)
        return Finding(self.path, line, kind, self.catalogue.name_of(provider), shown, status, change, library)


@lru_cache(maxsize=2)
def _line_ends(text: str) -> list[int]:
    """Return where the lines of a text end; kept, because a file may hold thousands of findings."""
    return [match.start() for match in re.finditer("\n", text)]


def _is_in_prose(text: str, match: re.Match[str]) -> bool:
    """Tell whether a word stands in a string of several words: a message that names it reads nothing."""
    start = text.rfind("\n", 0, match.start()) + 1
    line = text[start : text.find("\n", match.end()) if "\n" in text[match.end() :] else len(text)]
    at = match.start() - start
    return any(one.start() < at < one.end() and " " in one[0].strip() for one in re.finditer(_STRINGS, line))


def _without_comments(text: str, style: str) -> str:
    """Return a text whose comments are blanks, with every line where it was."""

    def blank(match: re.Match[str]) -> str:
        return match[0] if match["kept"] is not None else re.sub(r"[^\n]", " ", match[0])

    return _COMMENTS[style].sub(blank, text) if style else text


def _made_by(client: str, language: str) -> str:
    """Return the pattern of a client in a text; only Ruby calls without parentheses."""
    words = r"\s+(?:\w+\.)?".join(_pattern(one) for one in client.split())
    before = r"(?:\w+\.)*" if language == "python" else ""
    return rf"(?<![\w.]){before}{words}(?!\w)" + (r"(?=\s*(?:\(|$))" if language == "ruby" else r"(?=\s*\()")


def _pattern(word: str) -> str:
    return re.escape(word).replace(r"\*", r"\w*")


def _span(text: str, start: int) -> str:
    """Return what a call is given: its parentheses, and those of the calls chained to it; else the rest of the line."""
    at, end = start, min(len(text), start + _MOST)
    while at < end:
        opened = re.compile(r"\s*\(").match(text, at)
        if not opened:
            break
        at = _closed(text, opened.end(), end)
        chained = re.compile(r"\s*\.\w+(?=\s*\()").match(text, at)
        if not chained:
            break
        at = chained.end()
    return text[start:at] if at > start else text[start:end].partition("\n")[0]


def _closed(text: str, at: int, end: int) -> int:
    """Return where parentheses that are open at a place are closed."""
    depth = 1
    for match in re.compile(rf"{_STRINGS}|[()]").finditer(text, at, end):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if depth == 0:
            return match.end()
    return end


def _made(span: str) -> Made:
    """Return how a client is made, from the text of what it is given."""
    pairs = [(match["name"], match["value"]) for at in _starts(span) if (match := _PAIR.match(span, at))]
    urls = [value.partition(",")[0] for name, value in pairs if BASE_URL.match(name)]
    hidden = "..." in span or bool(re.fullmatch(r"\s*\(\s*[A-Za-z_]\w*\s*\)", span))
    return Made(tuple(urls), span, hidden)


def _starts(span: str) -> list[int]:
    return [match.start() for match in re.finditer(r"[\"']?\b[A-Za-z_]", span)]
