"""The run-time reader: a script for a process of its own that imports the target and describes it.

It runs apart so that whatever the target does while it is imported (prints, threads, `sys.exit`,
a hang) cannot harm the run. Standard library only; the answer is one JSON file:
`python -P probe.py REQUEST.json ANSWER.json`.
"""

from __future__ import annotations

import ast
import contextlib
import difflib
import enum
import functools
import importlib
import importlib.abc
import importlib.machinery
import inspect
import json
import math
import os
import pkgutil
import sys
import types
import typing
from pathlib import Path

Json = dict[str, typing.Any]

DUNDERS = (
    "__call__",
    "__contains__",
    "__delitem__",
    "__getitem__",
    "__iter__",
    "__len__",
    "__setitem__",
    "__aiter__",
    "__enter__",
    "__exit__",
    "__aenter__",
    "__aexit__",
)
CLIENT_PARAMETERS = (
    "client",
    "agent",
    "api_client",
    "requestor",
    "adapter",
    "transport",
    "parent",
)
SIMPLE = (int, float, str, bytes, bool, type(None))


class Refusal(Exception):
    """The target cannot be described; the text is for the user."""


# ---------------------------------------------------------------- finding the class


def import_target(name: str) -> types.ModuleType:
    """Import the module, telling apart what is missing from what broke inside it."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name == missing or name.startswith(missing + "."):
            raise Refusal(f"no module named {missing!r}{nearest_module(missing)}") from None
        raise Refusal(f"importing {name!r} raised {describe(error)}") from None
    except BaseException as error:  # also SystemExit: the user's module must not end the run
        raise Refusal(f"importing {name!r} raised {describe(error)}") from None


def describe(error: BaseException) -> str:
    """Name the exception and the line of the user's file that raised it."""
    text = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")
    place = ""
    if isinstance(error, SyntaxError) and error.filename:
        place = f" ({error.filename}, line {error.lineno})"
    else:
        frame = error.__traceback__
        while frame is not None:
            file = frame.tb_frame.f_code.co_filename
            if file != __file__ and not file.startswith("<frozen"):
                place = f" ({file}, line {frame.tb_lineno})"
            frame = frame.tb_next
    return text + place


def nearest_module(name: str) -> str:
    parent, _, leaf = name.rpartition(".")
    paths = getattr(sys.modules.get(parent), "__path__", None) if parent else None
    known = [info.name for info in pkgutil.iter_modules(paths if parent else None)]
    return nearest(leaf, known)


def nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    return f"; nearest: {', '.join(close)}" if close else ""


def find_class(module: types.ModuleType, path: str) -> type:
    found: object = module
    seen = module.__name__
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            names = [n for n in dir(found) if isinstance(getattr(found, n, None), type)]
            raise Refusal(f"{seen} has no class {part!r}{nearest(part, names)}") from None
        seen = f"{seen}.{part}"
    if not isinstance(found, type):
        what = "a function" if callable(found) else f"of type {type(found).__name__}"
        names = [n for n in dir(module) if isinstance(getattr(module, n, None), type)]
        raise Refusal(f"it is {what}, not a class{nearest(path, names)}")
    return found


class PlaceholderFinder(importlib.abc.MetaPathFinder):
    """Serves an empty stand-in for the output file, so that a broken old output blocks nothing."""

    def __init__(self, output: Path) -> None:
        self.output = output

    def find_spec(
        self, fullname: str, path: typing.Any = None, target: typing.Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.rpartition(".")[2] != self.output.stem:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.origin is None or Path(spec.origin).resolve() != self.output:
            return None
        return importlib.machinery.ModuleSpec(fullname, PlaceholderLoader(), origin=spec.origin)


class PlaceholderLoader(importlib.abc.Loader):
    def exec_module(self, module: types.ModuleType) -> None:
        def stand_in(name: str) -> type:
            if name.startswith("__"):
                raise AttributeError(name)
            return type(name, (), {})

        module.__dict__["__getattr__"] = stand_in


# ---------------------------------------------------------------- describing members


def describe_class(cls: type, module: str, path: str) -> Json:
    members = [describe_member(cls, name, raw) for name, raw in public_members(cls)]
    known = {member["name"] for member in members}
    members += [
        {"name": name, "form": "instance", "value_class": value_class}
        for name, value_class in instance_attributes(cls).items()
        if name not in known and not name.startswith("_")
    ]
    return {
        "module": module,
        "qualname": path,
        "doc": cls.__doc__ if isinstance(cls.__doc__, str) else None,
        "protocol": bool(getattr(cls, "_is_protocol", False)),
        "resource": is_resource(cls),
        "dynamic": any("__getattr__" in vars(base) for base in cls.__mro__[:-1]),
        "type_params": [type_param(cls, p) for p in getattr(cls, "__parameters__", ())],
        "members": members,
        "sources": sorted(source_files(cls)),
    }


def public_members(cls: type) -> list[tuple[str, object]]:
    """Public names with what the class that defines them holds, own names first, source order."""
    found: dict[str, object] = {}
    for base in cls.__mro__:
        if base in (object, typing.Protocol, typing.Generic):
            continue
        for name, raw in vars(base).items():
            if name in found or not (not name.startswith("_") or name in DUNDERS):
                continue
            found[name] = raw
    return [(name, raw) for name, raw in found.items() if raw is not None]


def describe_member(cls: type, name: str, raw: typing.Any) -> Json:
    if isinstance(raw, functools.cached_property):
        return {"name": name, "form": "cached_property", "doc": text_or_none(raw.__doc__)}
    if isinstance(raw, property):
        return describe_property(name, raw)
    if isinstance(raw, (types.GetSetDescriptorType, types.MemberDescriptorType)):
        return {"name": name, "form": "property", "doc": text_or_none(raw.__doc__)}
    if isinstance(raw, (classmethod, staticmethod)):
        form = "classmethod" if isinstance(raw, classmethod) else "staticmethod"
        return {**describe_function(cls, name, getattr(cls, name)), "name": name, "form": form}
    if isinstance(raw, type):
        return {"name": name, "form": "class"}
    if hasattr(raw, "__get__") and (callable(raw) or hasattr(raw, "func")):
        return {"name": name, **describe_function(cls, name, raw)}
    return {"name": name, "form": "data"}


def describe_property(name: str, raw: property) -> Json:
    return {
        "name": name,
        "form": "property",
        "doc": text_or_none(raw.__doc__),
        "settable": raw.fset is not None,
        "async_getter": inspect.iscoroutinefunction(raw.fget),
    }


def text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


def describe_function(cls: type, name: str, raw: typing.Any) -> Json:
    function = getattr(cls, name) if hasattr(raw, "func") else raw  # a partialmethod
    inner = inspect.unwrap(function) if callable(function) else function
    described: Json = {"form": function_form(function, inner), "doc": text_or_none(raw.__doc__)}
    described["context_manager"] = is_context_manager(function)
    described["receiver_alone"] = is_receiver_alone(function)
    bound = inspect.ismethod(function)
    shown = read_parameters(cls, name, function, drop_first=not bound, follow=True)
    outer = read_parameters(cls, name, function, drop_first=not bound, follow=False)
    described["params"] = shown
    if outer != shown:
        described["outer"] = outer
    return described


def function_form(function: object, inner: object) -> str:
    for candidate in (function, inner):
        if inspect.iscoroutinefunction(candidate):
            return "coroutine"
        if inspect.isasyncgenfunction(candidate) and candidate is function:
            return "asyncgen"
        if inspect.isgeneratorfunction(candidate) and candidate is function:
            return "generator"
    return "function"


def is_context_manager(function: object) -> bool:
    code = getattr(function, "__code__", None)
    return code is not None and code.co_filename == contextlib.__file__


def read_parameters(
    cls: type, name: str, function: object, *, drop_first: bool, follow: bool
) -> list[Json] | None:
    """The parameters after the receiver; None where C code shows no signature."""
    static = isinstance(inspect.getattr_static(cls, name), staticmethod)
    try:
        signature = inspect.signature(function, follow_wrapped=follow)  # type: ignore[arg-type] # callable, checked by the caller
    except (ValueError, TypeError):
        return None
    params = list(signature.parameters.values())
    if drop_first and not static and params and is_positional(params[0]):
        params = params[1:]
    return [
        {"name": p.name, "kind": p.kind.name}
        | ({} if p.default is p.empty else {"default": describe_default(function, p)})
        for p in params
    ]


def is_receiver_alone(function: typing.Any) -> bool:
    """Whether `**kwargs` may hold the receiver's own name: `def update(self, /, **fields)`."""
    try:
        params = list(inspect.signature(function).parameters.values())
    except (ValueError, TypeError):
        return False
    catches = any(p.kind is p.VAR_KEYWORD for p in params)
    second = params[1].kind if len(params) > 1 else None
    first_only = bool(params) and params[0].kind is params[0].POSITIONAL_ONLY
    return catches and first_only and second is not inspect.Parameter.POSITIONAL_ONLY


def is_positional(param: inspect.Parameter) -> bool:
    return param.kind in (param.POSITIONAL_ONLY, param.POSITIONAL_OR_KEYWORD)


# ---------------------------------------------------------------- defaults


def describe_default(function: object, param: inspect.Parameter) -> Json:
    """A literal by its text; anything else by a name that leads to the very same object."""
    value = param.default
    literal = literal_text(value)
    if literal is not None:
        return {"text": literal}
    try:
        for module, qualname in candidate_names(function, param, value):
            if resolves_to(module, qualname, value):
                return {"ref": list(shortest_path(module, qualname, value))}
    except Exception:  # the value's own __getattr__ may raise anything; it has no name then
        return {}
    return {}


def literal_text(value: typing.Any) -> str | None:
    """Text of a value that is exactly a literal: subclasses (IntEnum, ...) are not."""
    if value is Ellipsis:
        return "..."
    if type(value) in SIMPLE:
        finite = not isinstance(value, float) or math.isfinite(value)
        return repr(value) if finite else None
    if type(value) is tuple:
        parts = [literal_text(item) for item in typing.cast("tuple[object, ...]", value)]
        if None in parts:
            return None
        joined = ", ".join(typing.cast("list[str]", parts))
        return f"({joined},)" if len(parts) == 1 else f"({joined})"
    return None


def candidate_names(
    function: object, param: inspect.Parameter, value: object
) -> typing.Iterator[tuple[str, str]]:
    if isinstance(value, enum.Enum):
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
) -> typing.Iterator[tuple[str, str]]:
    """Where a name written in a module really lives: its own module before the one that imported it.

    `seen` ends the walk where modules import from each other.
    """
    first, dot, rest = written.partition(".")
    held = vars(sys.modules[module]).get(first) if module in sys.modules else None
    if isinstance(held, types.ModuleType) and rest:
        yield from imported_from(held.__name__, rest, seen | {module})
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
    try:
        tree = ast.parse(Path(file).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ()
    package = getattr(sys.modules.get(module), "__package__", None) or ""
    found: list[tuple[str, tuple[str, str]]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            base = (
                package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            )
            home = ".".join([*base, *([node.module] if node.module else [])])
            found += [(home, (a.asname or a.name, a.name)) for a in node.names if home != module]
    return tuple(found)


def innermost(function: typing.Any) -> typing.Any:
    """The function as written: out of its decorators, and unbound."""
    inner = inspect.unwrap(function)
    return inspect.unwrap(getattr(inner, "__func__", inner))


def resolves_to(module: str, qualname: str, value: object) -> bool:
    found: object = sys.modules.get(module)
    if found is None or not all(part.isidentifier() for part in qualname.split(".")):
        return False
    for part in qualname.split("."):
        try:
            found = inspect.getattr_static(found, part) if part in dir(found) else None
        except AttributeError:
            return False
    return found is value or same_attribute(module, qualname, value)


def same_attribute(module: str, qualname: str, value: object) -> bool:
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


@functools.cache
def parsed(file: str) -> dict[int, list[ast.arguments]]:
    """Each function's arguments by the first line of its definition or decorators."""
    try:
        tree = ast.parse(Path(file).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return {}
    found: dict[int, list[ast.arguments]] = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            found.setdefault(first, []).append(node.args)
    return found


def written_default(function: object, name: str) -> str | None:
    """The dotted name that the source gives as the default, if it is one."""
    code = getattr(function, "__code__", None)
    if code is None:
        return None
    for args in parsed(code.co_filename).get(code.co_firstlineno, ()):
        positional = [*args.posonlyargs, *args.args]
        pairs = list(zip(reversed(positional), reversed(args.defaults), strict=False))
        pairs += [(a, d) for a, d in zip(args.kwonlyargs, args.kw_defaults, strict=True) if d]
        for arg, default in pairs:
            if arg.arg == name or name.endswith("__" + arg.arg.lstrip("_")):
                text = ast.unparse(default)
                return text if text.replace(".", "").isidentifier() else None
    return None


# ---------------------------------------------------------------- the class itself


def instance_attributes(cls: type) -> dict[str, tuple[str, str] | None]:
    """Names that `__init__` puts on `self` or the class only annotates, with the class put there."""
    names: dict[str, tuple[str, str] | None] = {}
    for base in cls.__mro__:
        for name in inspect.get_annotations(base) if base is not object else ():
            names.setdefault(name)
        init = vars(base).get("__init__")
        function = inspect.unwrap(init) if callable(init) else None
        code = getattr(function, "__code__", None)
        if code is not None:
            for name, made_by in assigned_on_self(code.co_filename, code.co_firstlineno):
                found = class_named(made_by, getattr(function, "__globals__", {}))
                names[name] = names.get(name) or found
    return names


@functools.cache
def assigned_on_self(file: str, line: int) -> tuple[tuple[str, str], ...]:
    """(attribute, dotted name of what is called for its value) of the `__init__` at a line."""
    try:
        tree = ast.parse(Path(file).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            if first == line and node.args.args:
                return tuple(self_targets(node, node.args.args[0].arg))
    return ()


def self_targets(node: ast.FunctionDef, receiver: str) -> typing.Iterator[tuple[str, str]]:
    """`self.kv = api.KV(self)` -> `kv`, `api.KV`; an empty name where no call makes the value."""
    made_by = {
        id(target): ast.unparse(child.value.func)
        for child in ast.walk(node)
        if isinstance(child, ast.Assign) and isinstance(child.value, ast.Call)
        for target in child.targets
    }
    for child in ast.walk(node):
        if isinstance(child, ast.Attribute) and is_stored_on(child, receiver):
            yield child.attr, made_by.get(id(child), "")


def is_stored_on(node: ast.Attribute, receiver: str) -> bool:
    """Whether it is `self.x` on the left of an assignment."""
    held = node.value
    return isinstance(node.ctx, ast.Store) and isinstance(held, ast.Name) and held.id == receiver


def class_named(dotted: str, names: dict[str, typing.Any]) -> tuple[str, str] | None:
    """The importable class that a dotted name means among a module's globals."""
    first, _, rest = dotted.partition(".")
    found: object = names.get(first)
    for part in rest.split(".") if rest else ():
        found = getattr(found, part, None)
    if not isinstance(found, type) or "<" in found.__qualname__:
        return None
    return found.__module__, found.__qualname__


def is_resource(cls: type) -> bool:
    """Whether instances stand for a part of a client (`chat`, `indices`): they are made from it."""
    init = inspect.getattr_static(cls, "__init__")
    try:
        params = list(inspect.signature(init).parameters.values())[1:]
    except (ValueError, TypeError):
        return False
    return bool(params) and params[0].name.lstrip("_") in CLIENT_PARAMETERS


def type_param(cls: type, param: typing.Any) -> tuple[str, str]:
    """Where a class's own type parameter can be imported from; empty module if nowhere."""
    name = param.__name__
    homes = [param.__module__, *(base.__module__ for base in cls.__mro__)]
    for module in homes:
        if getattr(sys.modules.get(module), name, None) is param:
            return module, name
    return "", name


def source_files(cls: type) -> set[str]:
    """The files that define the class and its bases, for the cache key."""
    files = {getattr(sys.modules.get(base.__module__), "__file__", None) for base in cls.__mro__}
    return {file for file in files if file}


def described(module: str, qualname: str) -> Json | None:
    """A class of the client's package, or None where it cannot be had."""
    try:
        return describe_class(find_class(import_target(module), qualname), module, qualname)
    except Refusal:
        return None


def main(request_file: str, answer_file: str) -> None:
    request = json.loads(Path(request_file).read_text("utf-8"))
    sys.path[:0] = [p for p in request["path"] if p not in sys.path]
    if request["output"]:
        sys.meta_path.insert(0, PlaceholderFinder(Path(request["output"]).resolve()))
    try:
        module = import_target(request["module"])
        if request.get("classes"):
            answer: Json = {"classes": [described(*pair) for pair in request["classes"]]}
        else:
            cls = find_class(module, request["qualname"])
            answer = {"class": describe_class(cls, request["module"], request["qualname"])}
    except Refusal as refusal:
        answer = {"refusal": str(refusal)}
    Path(answer_file).write_text(json.dumps(answer), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
    # Threads that the target started, and its atexit handlers, must not keep the run waiting.
    sys.stdout.flush()
    os._exit(0)
