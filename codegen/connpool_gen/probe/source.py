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
INNER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
RUNNER = re.compile(r"(^|_)(run|sync)(_|$)")  # `run_until_complete`, `async_to_sync`
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


def called_on_receiver(node: Function) -> list[str]:
    """List the methods that a method calls on the object that it is called on, as `self.shutdown()`."""
    first = [param.arg for param in [*node.args.posonlyargs, *node.args.args][:1]]
    called = [child.func for child in own_nodes(node) if isinstance(child, ast.Call)]
    return [
        one.attr
        for one in called
        if isinstance(one, ast.Attribute)
        and isinstance(one.value, ast.Name)
        and [one.value.id] == first
    ]


def runs_coroutines(node: Function) -> bool:
    """Return whether a decorator's function runs the coroutine that it gets to its end, as `asyncio.run(f(*args))` does.

    A function that returns the call of the wrapped function, with all its own arguments, leaves running it to
    the caller.
    """
    nodes = own_nodes(node)
    got = {
        target.id
        for child in nodes
        if isinstance(child, ast.Assign) and is_call_of_wrapped(child.value)
        for target in child.targets
        if isinstance(target, ast.Name)
    }
    returned = [child.value for child in nodes if isinstance(child, ast.Return)]
    handed_on = any(
        is_call_of_wrapped(value) or (isinstance(value, ast.Name) and value.id in got)
        for value in returned
    )
    runs = any(RUNNER.search(called_name(child)) for child in nodes if isinstance(child, ast.Call))
    return isinstance(node, ast.FunctionDef) and runs and not handed_on


def is_call_of_wrapped(call: ast.expr | None) -> bool:
    """Return whether an expression is `f(*args)` for an `f` that is no runner by its name."""
    return (
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and any(isinstance(argument, ast.Starred) for argument in call.args)
        and RUNNER.search(call.func.id) is None
    )


def called_name(call: ast.Call) -> str:
    """Return the last name of what is called: `run` of `asyncio.run(...)`."""
    called = call.func
    if isinstance(called, ast.Attribute):
        return called.attr
    return called.id if isinstance(called, ast.Name) else ""


def gives_a_value(node: Function) -> bool:
    """Return whether a function yields, or returns something that is neither a constant nor its receiver."""
    first = [param.arg for param in [*node.args.posonlyargs, *node.args.args][:1]]
    return any(
        isinstance(child, (ast.Yield, ast.YieldFrom)) or is_a_value(child, first)
        for child in own_nodes(node)
    )


def is_a_value(node: ast.AST, receiver: list[str]) -> bool:
    """Return whether a statement returns something that is neither a constant nor the receiver."""
    returned = node.value if isinstance(node, ast.Return) else None
    itself = isinstance(returned, ast.Name) and [returned.id] == receiver
    return returned is not None and not isinstance(returned, ast.Constant) and not itself


def own_nodes(node: ast.AST) -> list[ast.AST]:
    """List what is inside a function, but not inside functions and classes that it defines."""
    found: list[ast.AST] = []
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, INNER):
            found += [child, *own_nodes(child)]
    return found


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
