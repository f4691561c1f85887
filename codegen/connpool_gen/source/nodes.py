"""Facts about single functions in their text: generators, docstrings, stored attributes.

The statements are walked by hand: visiting every expression of a large client takes a minute.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import libcst as cst

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connpool_gen.source.values import Function

FOR_TOOLS = re.compile(
    r"#\W*(type:|noqa|pyright|pylint|mypy|fmt:|ruff|yapf|isort|pragma)", re.IGNORECASE
)
FunctionNode = cst.FunctionDef | cst.Lambda | None


def body_of(node: cst.ClassDef | cst.FunctionDef | cst.BaseSuite) -> Sequence[cst.CSTNode]:
    """Return the statements of a block, also those on the line that begins it."""
    body = node.body
    if isinstance(body, cst.BaseSuite):
        return body_of(body)
    if isinstance(node, cst.SimpleStatementSuite):
        return [cst.SimpleStatementLine(body=node.body)]
    return body


@dataclass(slots=True)
class Seen:
    """What a function's own statements do, without those of inner functions."""

    yields: bool = False
    stored: list[str] = field(default_factory=list[str])

    def look(self, body: Sequence[cst.CSTNode], *, deep: bool) -> None:
        """Examine statements; with `deep`, some `yield` of the file is inside an expression."""
        for statement in body:
            if isinstance(statement, (cst.FunctionDef, cst.ClassDef)):
                continue
            if isinstance(statement, cst.SimpleStatementLine):
                for small in statement.body:
                    self._small(small, deep=deep)
                continue
            if isinstance(statement, cst.For):
                self._store(statement.target)
            if isinstance(statement, cst.With):
                for item in statement.items:
                    self._store(item.asname.name if item.asname is not None else None)
            for inner in blocks(statement):
                self.look(inner, deep=deep)

    def _small(self, small: cst.CSTNode, *, deep: bool) -> None:
        value = getattr(small, "value", None)
        if isinstance(small, cst.Assign):
            for target in small.targets:
                self._store(target.target)
        elif isinstance(small, cst.AugAssign) or (
            isinstance(small, cst.AnnAssign) and value is not None
        ):
            self._store(small.target)
        self.yields = self.yields or isinstance(value, cst.Yield) or (deep and holds_yield(small))

    def _store(self, target: cst.CSTNode | None) -> None:
        if isinstance(target, cst.Attribute):
            self.stored.append(target.attr.value)
        elif isinstance(target, (cst.Tuple, cst.List)):
            for element in target.elements:
                self._store(element.value)


def blocks(statement: cst.CSTNode) -> Iterator[Sequence[cst.CSTNode]]:
    """Yield the bodies of a compound statement."""
    if isinstance(statement, cst.Match):
        yield from (body_of(case.body) for case in statement.cases)
        return
    body = getattr(statement, "body", None)
    if isinstance(body, cst.BaseSuite):
        yield body_of(body)
    for handler in getattr(statement, "handlers", ()):
        yield body_of(handler.body)
    for name in ("orelse", "finalbody"):
        more = getattr(statement, name, None)
        if isinstance(more, cst.If):
            yield [more]
        elif more is not None:
            yield body_of(more.body)


class YieldFinder(cst.CSTVisitor):
    """Looks for `yield` in an expression."""

    def __init__(self) -> None:
        super().__init__()
        self.found = False

    def visit_Lambda(self, node: cst.Lambda) -> bool:  # noqa: N802 # the name is libcst's
        """Skip lambdas."""
        return False

    def visit_Yield(self, node: cst.Yield) -> None:  # noqa: N802 # the name is libcst's
        """Record a `yield`."""
        self.found = True


def holds_yield(node: cst.CSTNode) -> bool:
    """Return whether `yield` is somewhere inside a statement."""
    finder = YieldFinder()
    node.visit(finder)
    return finder.found


@functools.cache
def seen_in(node: cst.FunctionDef, deep: bool) -> Seen:
    """Examine a function, once."""
    found = Seen()
    found.look(body_of(node), deep=deep)
    return found


def yields(function: Function) -> bool:
    """Return whether a function has `yield` in its own body."""
    node = function.node
    if not isinstance(node, cst.FunctionDef):
        return False
    return seen_in(node, function.scope.text.yields_inside).yields


def is_async(function: Function) -> bool:
    """Return whether a function is `async def`."""
    return isinstance(function.node, cst.FunctionDef) and function.node.asynchronous is not None


def is_coroutine(function: Function) -> bool:
    """Return whether a function is `async def` without `yield`."""
    return is_async(function) and not yields(function)


def is_async_generator(function: Function) -> bool:
    """Return whether a function is `async def` with `yield`."""
    return is_async(function) and yields(function)


def is_generator(function: Function) -> bool:
    """Return whether a function is `def` with `yield`."""
    return yields(function) and not is_async(function)


def stored_in(function: Function) -> list[str]:
    """List the attributes that a function's own statements store, on any object; each as often as it is stored."""
    node = function.node
    if not isinstance(node, cst.FunctionDef):
        return []
    return seen_in(node, function.scope.text.yields_inside).stored


def docstring(node: FunctionNode | cst.ClassDef) -> str | None:
    """Return the docstring as written; f-strings are none."""
    if isinstance(node, (cst.FunctionDef, cst.ClassDef)):
        found = node.get_docstring(clean=False)
        return found if isinstance(found, str) else None
    return None


def comments(node: FunctionNode) -> list[str]:
    """List the comments right above a function, without those for tools."""
    if not isinstance(node, cst.FunctionDef):
        return []
    found: list[str] = []
    for line in node.leading_lines:
        if line.comment is None:
            found.clear()  # what is above an empty line is about more than this function
        elif not FOR_TOOLS.match(line.comment.value):
            found.append(line.comment.value)
    return found


def every_param(params: cst.Parameters) -> list[cst.Param]:
    """List all parameters in order."""
    found = [*params.posonly_params, *params.params]
    found += [params.star_arg] if isinstance(params.star_arg, cst.Param) else []
    found += params.kwonly_params
    found += [params.star_kwarg] if params.star_kwarg is not None else []
    return found


def is_annotated(function: Function) -> bool:
    """Return whether a function has any annotation."""
    node = function.node
    if not isinstance(node, cst.FunctionDef):
        return False
    annotated = any(param.annotation is not None for param in every_param(node.params))
    return node.returns is not None or annotated


def does_nothing(node: cst.FunctionDef) -> bool:
    """Return whether a function's body is a docstring, `...` or `pass`, as in a stub."""
    return all(
        isinstance(line, cst.SimpleStatementLine) and all(map(says_nothing, line.body))
        for line in body_of(node)
    )


def says_nothing(small: cst.CSTNode) -> bool:
    """Return whether a statement is a text, `...` or `pass`."""
    if isinstance(small, cst.Pass):
        return True
    texts = (cst.SimpleString, cst.ConcatenatedString, cst.Ellipsis)
    return isinstance(small, cst.Expr) and isinstance(small.value, texts)
