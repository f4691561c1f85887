"""Explains in words how a committed module differs from a fresh one (`--check`)."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connpool_gen.output.write import CONFLICT, has_conflict, same_code
from connpool_gen.rendering.header import formatter_of, is_edited, version_of, without_version
from connpool_gen.verifying.blame import label_of, table

if TYPE_CHECKING:
    from collections.abc import Iterator

MISSING = "the file does not exist yet"
EDITED = "the file was changed since connpool-gen made it"
UNREADABLE = "the committed file is not valid Python"
CONFLICTING = f"the committed file {CONFLICT}"


@dataclass(frozen=True, slots=True)
class Drift:
    """One line per difference; `only_tool` if only the tool's version differs."""

    lines: tuple[str, ...]
    only_tool: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """A function of the method table, and the call that decorates it with label and policy."""

    function: ast.FunctionDef
    decorator: ast.Call


@dataclass(frozen=True, slots=True)
class Parts:
    """A parsed module: methods and functions of the table by name."""

    methods: dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]]
    entries: dict[str, Entry]
    wrapper: str


def explain(old: str | None, new: str) -> Drift:
    """Describe the differences, the most important first."""
    if old is None:
        return Drift((MISSING,))
    if without_version(old) == without_version(new):
        return Drift((tool_line(old, new),), only_tool=True)
    if is_made_by_another_version(old, new):
        return Drift(
            ("another version of connpool-gen made it; the code is the same",), only_tool=True
        )
    try:
        was, now = ast.parse(old), ast.parse(new)
    except SyntaxError:
        return Drift((CONFLICTING if has_conflict(old) else UNREADABLE,))
    before, after = parts(was), parts(now)
    laid_out = layout_lines(old, new)
    if laid_out and not is_edited(old) and ast.dump(was) == ast.dump(now):
        return Drift(("only the layout differs", *laid_out), only_tool=True)
    lines = [
        *wrapper_lines(before, after),
        *method_lines(before, after),
        *entry_lines(before, after),
    ]
    edited = [EDITED] if is_edited(old) else []
    return Drift((*edited, *(lines or ["only comments, imports or layout differ"]), *laid_out))


def tool_line(old: str, new: str) -> str:
    """Say which program's version differs, if nothing else does."""
    if not layout_lines(old, new):
        return "only the version of connpool-gen differs"
    formatter = (formatter_of(new) or "").partition(" ")[0]
    if old.partition("\n")[0] == new.partition("\n")[0]:
        return f"only the version of {formatter} differs"
    return f"only the versions of connpool-gen and {formatter} differ"


def layout_lines(old: str, new: str) -> list[str]:
    """Say whether another version of the formatter laid the file out."""
    was, now = formatter_of(old), formatter_of(new)
    return [f"{was} has laid it out, {now} does now"] if was and was != now else []


def is_made_by_another_version(old: str, new: str) -> bool:
    """Return whether only the tool differs, which writes the same code with other comments or layout."""
    other = version_of(old) != version_of(new)
    return other and not is_edited(old) and same_code(old, new)


def parts(tree: ast.Module) -> Parts:
    """Find the wrapper class and the method table."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    methods: dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]] = {}
    for node in (child for cls in classes for child in ast.walk(cls)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            methods.setdefault(node.name, []).append(node)
    entries = {label_of(call): Entry(node, call) for node, call in table(tree)}
    return Parts(methods, entries, classes[-1].name if classes else "")


def wrapper_lines(before: Parts, after: Parts) -> Iterator[str]:
    """Say whether the wrapper class has another name."""
    if before.wrapper != after.wrapper:
        yield f"wrapper renamed: {before.wrapper} -> {after.wrapper}"


def method_lines(before: Parts, after: Parts) -> Iterator[str]:
    """Say which methods were added, removed and changed."""
    for name in sorted(after.methods.keys() - before.methods.keys()):
        yield f"method added: {name}"
    for name in sorted(before.methods.keys() - after.methods.keys()):
        yield f"method removed: {name}"
    for name, new in after.methods.items():
        old = before.methods.get(name)
        if old is not None and is_changed(name, before, after):
            yield from (
                changed_method(name, old[-1], new[-1])
                if len(old) == len(new)
                else (f"overloads of {name} changed",)
            )


def is_changed(name: str, before: Parts, after: Parts) -> bool:
    """Return whether a method of both modules differs."""
    old, new = before.methods.get(name, []), after.methods.get(name, [])
    return [ast.dump(node) for node in old] != [ast.dump(node) for node in new]


def changed_method(
    name: str,
    old: ast.FunctionDef | ast.AsyncFunctionDef,
    new: ast.FunctionDef | ast.AsyncFunctionDef,
) -> Iterator[str]:
    """Say what changed in a method: its signature, its docstring, or else its body."""
    said = False
    was, now = decorators(old), decorators(new)
    if was != now:
        said = True
        yield f"decorators of {name} changed: {was or 'none'} -> {now or 'none'}"
    for line in (*signature_lines(name, old, new), *option_lines(old, new)):
        said = True
        yield line
    if ast.get_docstring(old) != ast.get_docstring(new):
        said = True
        yield f"docstring of {name} changed"
    if not said:
        yield f"body of {name} changed"


def signature_lines(
    name: str,
    old: ast.FunctionDef | ast.AsyncFunctionDef,
    new: ast.FunctionDef | ast.AsyncFunctionDef,
) -> Iterator[str]:
    """Say what differs between two signatures."""
    if type(old) is not type(new):
        yield f"{name} is now {'async' if isinstance(new, ast.AsyncFunctionDef) else 'sync'}"
    before, after = parameters(old), parameters(new)
    for param in sorted(after.keys() - before.keys()):
        yield f"parameter added: {name}({param})"
    for param in sorted(before.keys() - after.keys()):
        yield f"parameter removed: {name}({param})"
    for param in (p for p in after if p in before):
        kinds = zip(("kind", "annotation", "default"), before[param], after[param], strict=True)
        for what, was, now in kinds:
            if was != now:
                yield f"{what} of {name}.{param} changed: {was or 'none'} -> {now or 'none'}"
    if before.keys() == after.keys() and list(before) != list(after):
        yield f"order of the parameters of {name} changed"
    if text(old.returns) != text(new.returns):
        yield f"annotation of {name}'s result changed: {text(old.returns)} -> {text(new.returns)}"


def option_lines(old: ast.AST, new: ast.AST) -> Iterator[str]:
    """Say which default options of the pool changed."""
    before, after = begun_with(old), begun_with(new)
    for option in sorted(before.keys() | after.keys()):
        was, now = before.get(option, "none"), after.get(option, "none")
        if was != now:
            yield f"default of the pool's {option} changed: {was} -> {now}"


def begun_with(node: ast.AST) -> dict[str, str]:
    """List the options that a wrapper's `__init__` sets by default."""
    calls = (found for found in ast.walk(node) if isinstance(found, ast.Call))
    return {
        text(call.args[0]).strip("'"): text(call.args[1])
        for call in calls
        if text(call.func) == "options.setdefault" and len(call.args) == 2
    }


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> dict[str, tuple[str, str, str]]:
    """List kind, annotation and default of each parameter, as text."""
    args = node.args
    positional = [*args.posonlyargs, *args.args]
    padded = [*[None] * (len(positional) - len(args.defaults)), *args.defaults]
    found: dict[str, tuple[str, str, str]] = {}
    for arg, default in zip(positional, padded, strict=True):
        kind = "positional only" if arg in args.posonlyargs else "positional or keyword"
        found[arg.arg] = (kind, text(arg.annotation), text(default))
    for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        found[arg.arg] = ("keyword only", text(arg.annotation), text(default))
    for rest, kind in ((args.vararg, "*args"), (args.kwarg, "**kwargs")):
        if rest is not None:
            found[rest.arg] = (kind, text(rest.annotation), "")
    return found


def decorators(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """List the decorators of a method as text."""
    return " ".join(f"@{text(decorator)}" for decorator in node.decorator_list)


def text(node: ast.AST | None) -> str:
    """Write the source of a node; an empty text for None."""
    return ast.unparse(node) if node is not None else ""


def entry_lines(before: Parts, after: Parts) -> Iterator[str]:
    """Say which methods have another policy, another type in the table, or run something else."""
    for name, new in after.entries.items():
        old = before.entries.get(name)
        if old is None:
            continue
        for what, read in (("policy", policy), ("type in the table", type_of), ("call", run_by)):
            was, now = read(old), read(new)
            # The call follows from the method's parameters, whose changes are listed already.
            if was != now and not (read is run_by and is_changed(name, before, after)):
                yield f"{what} of {name} changed: {was or 'none'} -> {now or 'none'}"


def policy(entry: Entry) -> str:
    """Write the policy of a method as text."""
    return ", ".join(f"{k.arg}={text(k.value)}" for k in entry.decorator.keywords)


def type_of(entry: Entry) -> str:
    """Write the client's type and the result's in the table as text."""
    client = entry.function.args.args[0].annotation
    return f"{text(client)} -> {text(entry.function.returns)}"


def run_by(entry: Entry) -> str:
    """Write what the table runs on a member's client."""
    for node in entry.function.body:
        if isinstance(node, ast.AnnAssign):
            return text(node.value)
        if isinstance(node, ast.Return):
            return text(node.value)
    return ""
