"""Reads types and descriptions of a method's parameters from its docstring.

The keys of `**kwargs` are often known from there alone. The usual styles are read: fields of Sphinx
(`:param float timeout: ...`, `:keyword`, `:type`), sections of Google (`timeout (float): ...`), and of NumPy
(`timeout : float` with the description below).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from dataclasses import dataclass

NAME = r"\*{0,2}(?P<name>[^\W\d]\w*)"
FIELD = re.compile(
    rf":(?:param|parameter|arg|argument|key|keyword|kwarg)[ \t]+(?:(?P<type>[^:\n]*?)[ \t]+)?{NAME}[ \t]*:"
)
TYPE = re.compile(rf":(?:type|kwtype)[ \t]+{NAME}[ \t]*:(?P<type>.*)")
# A title that is underlined, or ends in a colon.
TITLE = re.compile(
    r"(?:args|arguments|parameters|other parameters|keyword args|keyword arguments|kwargs)\s*:?",
    re.IGNORECASE,
)
ENTRY = re.compile(rf"{NAME}[ \t]*(?:\((?P<google>[^)]*)\)[ \t]*)?:(?P<rest>.*)")
WORD = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True, slots=True)
class Documented:
    """The documentation of one parameter: the words of its type, and its description on one line."""

    types: frozenset[str] = frozenset()
    text: str = ""


def documented_parameters(doc: str) -> dict[str, Documented]:
    """Parse a docstring; the first description of each parameter counts."""
    lines = inspect.cleandoc(doc).splitlines()
    found: dict[str, Documented] = {}
    for name, types, text in (*fields(lines), *entries(lines)):
        found.setdefault(name, Documented(types, text))
    for line in lines:
        typed = TYPE.match(line.strip())
        if typed is not None and typed["name"] in found:
            before = found[typed["name"]]
            found[typed["name"]] = Documented(before.types | words(typed["type"]), before.text)
    return found


def fields(lines: list[str]) -> Iterable[tuple[str, frozenset[str], str]]:
    """Yield name, type and description of each Sphinx field."""
    for at, line in enumerate(lines):
        found = FIELD.match(line.strip())
        if found is not None:
            rest = [line.strip()[found.end() :], *deeper(lines, at)]
            yield found["name"], words(found["type"] or ""), one_line(rest)


def entries(lines: list[str]) -> Iterable[tuple[str, frozenset[str], str]]:
    """Yield name, type and description of each entry of a Google or NumPy section."""
    for at, line in enumerate(lines):
        if TITLE.fullmatch(line.strip()) is None:
            continue
        underlined = at + 1 < len(lines) and set(lines[at + 1].strip()) == {"-"}
        if not underlined and not line.rstrip().endswith(":"):
            continue
        body = section(lines, at + 2) if underlined else deeper(lines, at)
        margin = min((indent(one) for one in body if one.strip()), default=0)
        for inner, entry in enumerate(body):
            found = ENTRY.fullmatch(entry.strip()) if indent(entry) == margin else None
            if found is None:
                continue
            below = deeper(body, inner)
            typed = found["rest"] if underlined else found["google"] or ""
            said = below if underlined else [found["rest"], *below]
            yield found["name"], words(typed), one_line(said)


def deeper(lines: list[str], at: int) -> list[str]:
    """Return the lines below one that are indented deeper, including blank ones."""
    found: list[str] = []
    for line in lines[at + 1 :]:
        if line.strip() and indent(line) <= indent(lines[at]):
            break
        found.append(line)
    return found


def section(lines: list[str], start: int) -> list[str]:
    """Return the lines of an underlined section, up to the next underlined title."""
    for at in range(start, len(lines) - 1):
        if lines[at].strip() and lines[at + 1].strip() and set(lines[at + 1].strip()) == {"-"}:
            return lines[start:at]
    return lines[start:]


def indent(line: str) -> int:
    """Count the spaces at the beginning of a line."""
    return len(line) - len(line.lstrip())


def words(text: str) -> frozenset[str]:
    """List the words of a type: `int or None`, `Optional[float]`."""
    return frozenset(WORD.findall(text))


def one_line(lines: Iterable[str]) -> str:
    """Join lines with single spaces."""
    return " ".join(" ".join(lines).split())
