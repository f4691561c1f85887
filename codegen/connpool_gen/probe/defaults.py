"""Defaults of parameters: a literal's text, or a name that leads to the very same object."""

from __future__ import annotations

import ast
import enum
import functools
import inspect
import keyword
import math
import sys
import types
from collections.abc import Iterator
from typing import Any, cast

from connpool_gen.probe.source import function_at, imports_in

Json = dict[str, Any]
PLATFORM = ("nt", "ntpath", "posix", "posixpath")
SIMPLE = (int, float, str, bytes, bool, type(None))


def describe_default(function: object, param: inspect.Parameter) -> Json:
    """Describe a default: a literal by its text, anything else by a name of the very same object."""
    value = param.default
    try:
        literal = literal_text(value)
    except (ValueError, RecursionError):  # an integer or a nesting too large to write
        literal = None
    if literal is not None:
        return {"text": literal}
    try:
        for hidden in (False, True):  # names that every machine has and types, then the others
            for module, qualname in candidate_names(function, param, value):
                if is_hidden(module) is hidden and resolves_to(module, qualname, value):
                    return {"ref": list(shortest_path(module, qualname, value))}
    except (
        Exception
    ):  # the value's own __getattr__ may raise anything; then the default has no name
        return {}
    return {}


def is_hidden(module: str) -> bool:
    """Return whether a module is one of an extension (`_collections`) or of one platform (`posixpath`)."""
    return module.startswith("_") or module in PLATFORM


def literal_text(value: Any) -> str | None:
    """Write a value that is exactly a literal; None for others, such as those of subclasses (IntEnum, ...)."""
    if value is Ellipsis:
        return "..."
    if type(value) in SIMPLE:
        finite = not isinstance(value, float) or math.isfinite(value)
        return repr(value) if finite else None
    if type(value) is tuple:
        parts = [literal_text(item) for item in cast("tuple[object, ...]", value)]
        if None in parts:
            return None
        joined = ", ".join(cast("list[str]", parts))
        return f"({joined},)" if len(parts) == 1 else f"({joined})"
    return None


def candidate_names(
    function: object, param: inspect.Parameter, value: object
) -> Iterator[tuple[str, str]]:
    """Yield dotted names that may refer to a default, the most likely first."""
    if isinstance(value, enum.Enum) and value.name not in ("name", "value"):
        yield type(value).__module__, f"{type(value).__qualname__}.{value.name}"
    inner = innermost(function)
    module = getattr(inner, "__module__", None)
    written = written_default(inner, param.name)
    if module and written:
        yield from imported_from(module, written)
    own = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    home = getattr(value, "__module__", None)
    if isinstance(own, str) and isinstance(home, str):
        yield home, own
    if module:
        names = vars(sys.modules[module]) if module in sys.modules else {}
        yield from ((module, key) for key, held in list(names.items()) if held is value)


def imported_from(
    module: str, written: str, seen: frozenset[str] = frozenset()
) -> Iterator[tuple[str, str]]:
    """Yield where a name may be defined: the module from which it was imported, before the importing module.

    `seen` ends the walk where modules import from each other.
    """
    first, dot, rest = written.partition(".")
    held = vars(sys.modules[module]).get(first) if module in sys.modules else None
    if isinstance(held, types.ModuleType) and rest:
        yield from imported_from(held.__name__, rest, seen | {module})
        yield module, written
        return
    for home, name in import_lines(
        getattr(sys.modules.get(module), "__file__", None) or "", module
    ):
        if name[0] == first and home not in seen:
            yield from imported_from(home, name[1] + dot + rest, seen | {module})
    yield module, written


@functools.cache
def import_lines(file: str, module: str) -> tuple[tuple[str, tuple[str, str]], ...]:
    """(source module, (name here, name there)) of each `from ... import ...` in a file."""
    package = getattr(sys.modules.get(module), "__package__", None) or ""
    found: list[tuple[str, tuple[str, str]]] = []
    for node in imports_in(file):
        base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
        home = ".".join([*base, *([node.module] if node.module else [])])
        found += [(home, (a.asname or a.name, a.name)) for a in node.names if home != module]
    return tuple(found)


def innermost(function: Any) -> Any:
    """Find the function as it was written, without decorators and unbound."""
    inner = inspect.unwrap(function)
    return inspect.unwrap(getattr(inner, "__func__", inner))


def resolves_to(module: str, qualname: str, value: object) -> bool:
    """Return whether a dotted name leads to the very object."""
    found: object = sys.modules.get(module)
    parts = [*module.split("."), *qualname.split(".")]
    if found is None or not all(p.isidentifier() and not keyword.iskeyword(p) for p in parts):
        return False
    for part in qualname.split("."):
        try:
            found = inspect.getattr_static(found, part) if part in dir(found) else None
        except AttributeError:
            return False
    return found is value or same_attribute(module, qualname, value)


def same_attribute(module: str, qualname: str, value: object) -> bool:
    """Return whether plain attribute access leads to the very object, whatever that access raises."""
    try:
        found: object = functools.reduce(getattr, qualname.split("."), sys.modules[module])
        return found is value
    except Exception:
        return False


def shortest_path(module: str, qualname: str, value: object) -> tuple[str, str]:
    """Prefer the public package that re-exports a name over the private module that defines it."""
    parts = module.split(".")
    for length in range(1, len(parts)):
        package = ".".join(parts[:length])
        exported = getattr(sys.modules.get(package), "__all__", ())
        if qualname.partition(".")[0] in exported and same_attribute(package, qualname, value):
            return package, qualname
    return module, qualname


def written_default(function: object, name: str) -> str | None:
    """Read the dotted name that the source gives as the default, if it is one."""
    found = function_at(function)
    if found is None:
        return None
    args = found.args
    positional = [*args.posonlyargs, *args.args]
    pairs = list(zip(reversed(positional), reversed(args.defaults), strict=False))
    pairs += [(a, d) for a, d in zip(args.kwonlyargs, args.kw_defaults, strict=True) if d]
    for arg, default in pairs:
        if arg.arg == name or name.endswith("__" + arg.arg.lstrip("_")):
            text = ast.unparse(default)
            return text if text.replace(".", "").isidentifier() else None
    return None
