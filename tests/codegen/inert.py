"""What a generated module may consist of; anything else came out of the target's text."""

import ast
import re
from collections.abc import Iterator
from typing import TypeGuard

MODULE_LEVEL = (
    ast.Expr,
    ast.Import,
    ast.ImportFrom,
    ast.If,
    ast.Assign,
    ast.AnnAssign,
    ast.ClassDef,
)
CLASS_LEVEL = (ast.Expr, ast.FunctionDef, ast.AsyncFunctionDef, ast.If, ast.Assign)
TABLE_BODY = (ast.Assign, ast.AnnAssign, ast.Return)
BODY = (ast.Expr, ast.Return, ast.With, ast.AsyncWith, ast.AnnAssign)


def foreign_nodes(text: str, payload: str) -> list[str]:
    """Everything in a module that the templates do not write: its place and its code."""
    tree = ast.parse(text)
    table = [node for node in tree.body if is_of_the_table(node)]
    found = list(strangers([node for node in tree.body if node not in table], MODULE_LEVEL))
    for function in table:
        found += strangers(function.body, TABLE_BODY)
    for node in tree.body:
        if isinstance(node, ast.If):
            found += strangers([*node.body, *node.orelse], (*MODULE_LEVEL, ast.FunctionDef))
        if isinstance(node, ast.ClassDef):
            found += class_strangers(node)
    found += [place(node) for node in ast.walk(tree) if names(node) & {payload}]
    return found


def is_of_the_table(node: ast.stmt) -> TypeGuard[ast.FunctionDef]:
    """Whether a statement is a function of the method table, decorated with a literal label."""
    return (
        isinstance(node, ast.FunctionDef)
        and len(node.decorator_list) == 1
        and re.fullmatch(r"_?method\('.*?'(, .*)?\)", ast.unparse(node.decorator_list[0]))
        is not None
    )


def class_strangers(node: ast.ClassDef) -> Iterator[str]:
    yield from strangers(node.body, CLASS_LEVEL)
    for child in ast.walk(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from strangers(child.body, BODY)
        if isinstance(child, (ast.With, ast.AsyncWith)):
            yield from strangers(child.body, (ast.Expr, ast.AsyncFor))
        if isinstance(child, ast.AsyncFor):
            yield from strangers(child.body, (ast.Try,))
        if isinstance(child, ast.Try):
            yield from strangers([*child.body, *child.handlers[0].body], (ast.Expr,))


def strangers(nodes: list[ast.stmt], allowed: tuple[type[ast.stmt], ...]) -> Iterator[str]:
    for node in nodes:
        if not isinstance(node, allowed) or (isinstance(node, ast.Expr) and not is_quiet(node)):
            yield place(node)


def is_quiet(node: ast.Expr) -> bool:
    """A docstring, dots, something that is yielded or sent on, the pool's end, answers for missing names."""
    if isinstance(node.value, (ast.Constant, ast.Yield, ast.YieldFrom)):
        return True
    return (
        re.fullmatch(
            r"self\.\w+\.close\(\)|await self\.\w+\.aclose\(\)"
            r"|\w+\.send_next\(\(yield \w+\)\)|\w+\.throw_next\(\w+\)"
            r"|_?explain_missing\(\w+, \w+(, _ABSENT)?\)"
            r'|options\.setdefault\("\w+", .*\)',
            ast.unparse(node),
        )
        is not None
    )


def names(node: ast.AST) -> set[str | None]:
    """What a node calls something; strings are no names."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.keyword(arg=name):
            return {name}
        case ast.alias(name=name, asname=alias):
            return {name, alias}
    return set()


def place(node: ast.AST) -> str:
    """Line and code, for the message of an assertion."""
    return f"line {getattr(node, 'lineno', '?')}: {ast.unparse(node)[:80]}"
