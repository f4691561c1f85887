"""Finds the members and imports that caused errors of the type checker."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from connpool_gen.reading.facts import Ref

PLACE = re.compile(r"[^:]+:(?P<line>\d+): .*?(?:\[(?P<code>[a-z-]+)\])?\s*$")

# mypy's messages about members that keep a class from satisfying a Protocol.
CONFLICTS = (
    re.compile(r"note: +(?:async )?def (?:\[.*?\] )?(?P<names>\w+)\("),
    re.compile(r"note: +(?P<names>\w+): expected "),
    re.compile(r"note: Protocol member \w+\.(?P<names>\w+) expected "),
    re.compile(r"note: {5}(?P<names>\w+(?:, \w+)*)$"),
)
HIDDEN = re.compile(
    r'Module "(?P<module>[\w.]+)" does not explicitly export attribute "(?P<name>\w+)"'
)
UNKNOWN = re.compile(r'Module "(?P<module>[\w.]+)" has no attribute "(?P<name>\w+)"')


@dataclass(frozen=True, slots=True)
class Blame:
    """What caused the errors; `unknown` are names that stubs leave out.

    `calls` are the members of which only the function in the table has errors.
    """

    members: frozenset[str]
    calls: frozenset[str]
    untyped_modules: frozenset[str]
    hidden: frozenset[Ref]
    unknown: frozenset[Ref]


def blame(text: str, findings: Sequence[str]) -> Blame:
    """Look up each error's line: a method, a function of the table, or an import of an untyped module."""
    found = [match for finding in findings if (match := PLACE.match(finding))]
    tree = ast.parse(text)
    in_table, spans = list(table_spans(tree)), list(member_spans(tree))
    lines = {int(match["line"]) for match in found}
    proofs = {
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and is_proof(node)
    }
    about_proofs = [f for f in findings if (m := PLACE.match(f)) and int(m["line"]) - 1 in proofs]
    conflicts = {name for finding in about_proofs for name in conflicting(finding)}
    untyped = {int(m["line"]) for m in found if m["code"] in ("import-untyped", "import-not-found")}
    called = {name for name, first, last in in_table if lines & set(range(first, last + 1))}
    members = {name for name, first, last in spans if lines & set(range(first, last + 1))}
    return Blame(
        hidden=named_in(findings, HIDDEN),
        unknown=named_in(findings, UNKNOWN),
        members=frozenset(called | members | conflicts),
        calls=frozenset(called - members - conflicts),
        untyped_modules=frozenset(
            node.module
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.lineno in untyped and node.module
        ),
    )


def is_proof(node: ast.FunctionDef) -> bool:
    """Return whether a function is one of those that prove that a class satisfies the Protocol."""
    return node.name.startswith("_satisfies")


def conflicting(finding: str) -> list[str]:
    """Return the members that an error about a Protocol names."""
    found = [match for pattern in CONFLICTS if (match := pattern.search(finding))]
    return [name for match in found for name in match["names"].split(", ")]


def named_in(findings: Sequence[str], pattern: re.Pattern[str]) -> frozenset[Ref]:
    """Collect the names that errors of one kind are about."""
    found = [match for finding in findings if (match := pattern.search(finding))]
    return frozenset(Ref(match["module"], match["name"]) for match in found)


def table_spans(tree: ast.Module) -> Iterator[tuple[str, int, int]]:
    """Yield label, first and last line of each function of the method table."""
    for node, call in table(tree):
        yield label_of(call), call.lineno, node.end_lineno or node.lineno


def table(tree: ast.Module) -> Iterator[tuple[ast.FunctionDef, ast.Call]]:
    """Yield each function of the method table, with the call that decorates it."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.decorator_list:
            call = node.decorator_list[0]
            if isinstance(call, ast.Call) and call.args and isinstance(call.args[0], ast.Constant):
                yield node, call


def label_of(call: ast.Call) -> str:
    """Return the label of a function in the table."""
    first = call.args[0]
    return str(first.value) if isinstance(first, ast.Constant) else ast.unparse(first)


def member_spans(tree: ast.Module) -> Iterator[tuple[str, int, int]]:
    """Yield name, first and last line of each method and inherited view."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            for child in ast.walk(node):
                if isinstance(child, ast.Assign) and isinstance(child.targets[0], ast.Name):
                    yield child.targets[0].id, child.lineno, child.end_lineno or child.lineno
                elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    first = min([child.lineno, *(d.lineno for d in child.decorator_list)])
                    yield child.name, first, child.end_lineno or child.lineno
