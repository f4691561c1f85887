"""Tells which type aliases of a module are defined in two ways, one of which is a way out of an error.

    try:
        OptionalRetry = Union[Retry, _MethodDefault, None]
    except AttributeError:
        OptionalRetry = Union[Retry, object, None]

mypy goes by the first definition. For pyright the name is then a variable, which no annotation may use.
"""

from __future__ import annotations

import ast
from collections import Counter
from functools import lru_cache
from pathlib import Path

__all__ = ["defined_twice"]


@lru_cache(maxsize=256)
def defined_twice(path: str) -> frozenset[str]:
    """Return the names that a module's own code assigns more than once on one way through it; none if it cannot be read.

    The branches of an `if` are different ways: type checkers decide between them by version or platform.
    """
    try:
        tree = ast.parse(Path(path).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return frozenset()
    return frozenset(name for name, times in assignments(tree.body).items() if times > 1)


def assignments(statements: list[ast.stmt]) -> Counter[str]:
    """Count how often each name is assigned, at most, outside of functions and classes."""
    found: Counter[str] = Counter()
    for statement in statements:
        if isinstance(statement, ast.If):
            found += assignments(statement.body) | assignments(statement.orelse)
        elif isinstance(statement, (ast.Try, ast.TryStar)):
            handled = [line for handler in statement.handlers for line in handler.body]
            for part in (statement.body, handled, statement.orelse, statement.finalbody):
                found += assignments(part)
        else:
            found.update(assigned_names(statement))
    return found


def assigned_names(statement: ast.stmt) -> list[str]:
    """List the names that one statement assigns."""
    if isinstance(statement, ast.Assign):
        return [target.id for target in statement.targets if isinstance(target, ast.Name)]
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return [statement.target.id]
    return []
