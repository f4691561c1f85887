"""Read the source of a client: single functions and imports, never whole files.

The modules of large clients are tens of thousands of lines, and parsing them takes longer than
everything else here.
"""

from __future__ import annotations

import ast
import functools
import inspect
import re
import tokenize

Function = ast.FunctionDef | ast.AsyncFunctionDef
IMPORT = re.compile(
    r"^[ \t]*(from[ \t]+[.\w]+[ \t]+import[ \t]*"
    r"(?:\((?:[\w\s,]|#[^\n]*)*\)|(?:[^\n\\]|\\\n)*))",
    re.MULTILINE,
)


def function_at(function: object) -> Function | None:
    """Parse the definition of a function, if its source is there; no lambda, no class."""
    code = getattr(function, "__code__", None)
    if code is None:
        return None
    return _function_at(code.co_filename, code.co_firstlineno, code.co_name)


@functools.cache
def _function_at(file: str, line: int, name: str) -> Function | None:
    block = "".join(inspect.getblock(_lines(file)[line - 1 :]))
    try:
        # Below an `if`, any indentation is allowed; taking it away would change texts in the block.
        outer = ast.parse("if True:\n" + block if block[:1].isspace() else block).body
    except (SyntaxError, ValueError):  # the file is not what was loaded
        return None
    body = outer[0].body if outer and isinstance(outer[0], ast.If) else outer
    found = body[0] if body else None
    if isinstance(found, (ast.FunctionDef, ast.AsyncFunctionDef)) and found.name == name:
        return found
    return None


def looks_at_keywords(node: Function) -> bool:
    """Return whether a function does more with its `**kwargs` than pass them on: it may take some for itself."""
    if node.args.kwarg is None:
        return False
    calls = (child for child in ast.walk(node) if isinstance(child, ast.Call))
    handed_on = {id(word.value) for call in calls for word in call.keywords if word.arg is None}
    return any(
        isinstance(child, ast.Name)
        and child.id == node.args.kwarg.arg
        and id(child) not in handed_on
        for child in ast.walk(node)
    )


def returns_its_receiver(node: Function) -> bool:
    """Return whether a method does nothing but return the object it is called on; it has no decorators."""
    first = [*node.args.posonlyargs, *node.args.args][:1]
    described = isinstance(node.body[0], ast.Expr) and isinstance(node.body[0].value, ast.Constant)
    body = node.body[1:] if described else node.body
    if node.decorator_list or len(body) != 1 or not isinstance(body[0], ast.Return):
        return False
    returned = body[0].value
    return isinstance(returned, ast.Name) and [returned.id] == [param.arg for param in first]


def only_refuses(node: Function) -> bool:
    """Return whether a function does nothing but raise in the end, as a `__getattr__` that explains why there is no such name."""
    gives = any(isinstance(child, ast.Return) for child in ast.walk(node))
    return isinstance(node.body[-1], ast.Raise) and not gives


def imports_in(file: str) -> list[ast.ImportFrom]:
    """Yield each `from ... import ...` of a file; perhaps also one that stands in a string."""
    found: list[ast.ImportFrom] = []
    for match in IMPORT.finditer("".join(_lines(file))):
        try:
            found += (n for n in ast.parse(match[1]).body if isinstance(n, ast.ImportFrom))
        except (SyntaxError, ValueError):
            continue
    return found


@functools.cache
def _lines(file: str) -> list[str]:
    try:
        with tokenize.open(file) as source:
            return list(source)
    except (OSError, SyntaxError, UnicodeError):
        return []
