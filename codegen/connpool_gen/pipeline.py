"""generate(): the steps from a request to a finished module, one call each."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from connpool_gen import __version__
from connpool_gen.build import Built, build
from connpool_gen.errors import VerifyError
from connpool_gen.header import header
from connpool_gen.reading import read
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connpool_gen.request import GenerateRequest
    from connpool_gen.ledger import Ledger
    from connpool_gen.facts import ClassFacts
    from pathlib import Path

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class GeneratedModule:
    """A finished module: where it belongs, its text and its ledger."""

    path: Path
    text: str
    ledger: Ledger


def generate(request: GenerateRequest, progress: Progress = lambda step: None) -> GeneratedModule:
    """Read, build, render, format and verify one wrapper; nothing is written.

    `progress` is told the name of each step before it starts. Raises a GenerationError.
    """
    progress("reading")
    facts = read(request)
    built, text = make_text(facts, request, frozenset(), progress)
    if request.verify:
        built, text = verified(facts, request, built, text, progress)
    return GeneratedModule(request.output_path, text, built.ledger)


def make_text(
    facts: ClassFacts, request: GenerateRequest, inherit: frozenset[str], progress: Progress
) -> tuple[Built, str]:
    """Facts -> formatted text with its header."""
    from connpool_gen.format import format_source
    from connpool_gen.render import render

    progress("building")
    built = build(facts, request, inherit)
    progress("formatting")
    body = format_source(render(built.module))
    return built, header(request, body, __version__) + body


def verified(
    facts: ClassFacts, request: GenerateRequest, built: Built, text: str, progress: Progress
) -> tuple[Built, str]:
    """Mypy --strict on the text; members that fail take their static view from the client."""
    from connpool_gen.reading.checker import verify_text

    progress("verifying")
    module = request.output_path.stem
    findings = verify_text(text, module, request.search, request.cache_dir)
    inherit = frozenset(failing_members(text, findings))
    if inherit:
        built, text = make_text(facts, request, inherit, progress)
        progress("verifying")
        findings = verify_text(text, module, request.search, request.cache_dir)
    if findings:
        raise VerifyError(
            f"{request.client}: the generated module does not pass mypy --strict:\n  "
            + "\n  ".join(findings[:10])
        )
    return built, text


def failing_members(text: str, findings: Sequence[str]) -> set[str]:
    """The methods in whose lines the findings lie."""
    lines = {int(found[1]) for f in findings if (found := re.match(r"[^:]+:(\d+)", f))}
    names: set[str] = set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef):
            names |= {
                name for name, first, last in spans(node) if lines & set(range(first, last + 1))
            }
    return names


def spans(node: ast.ClassDef) -> list[tuple[str, int, int]]:
    """Name, first and last line of each method, decorators included."""
    return [
        (
            child.name,
            min([child.lineno, *(d.lineno for d in child.decorator_list)]),
            child.end_lineno or child.lineno,
        )
        for child in ast.walk(node)
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
