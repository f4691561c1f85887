"""Derives the synchronous half of the runtime from the asynchronous half.

What exists for threads and for tasks is written once, for tasks, and the text for threads is made
from that, committed, and compared by `make lint`:

    python tools/derive_sync.py             write what is out of date
    python tools/derive_sync.py --check     show the differences; exit code 1 if there are any
    python tools/derive_sync.py PATH ...    only these sources

A source is one of two things:

- a module `async_x.py`, from which `x.py` beside it is made as a whole;
- a module with a line `# Made by tools/derive_sync.py from the definitions above; edit those.`:
  whatever follows that line is made from the classes and functions above it whose names say that
  they are for tasks (`AsyncX`, `x_async`).

How the text is changed:

- the grammar: `async def`, `async with`, `async for` and `await` lose their keyword; `Awaitable[T]` and
  `Coroutine[Any, Any, T]` become `T`; `T | T` becomes `T`, also at the end of a longer union; `await resolve(x)` becomes `x`; an alias that
  would name itself (`aclose = close`) goes; imports that are not needed any more go;
- `NAMES`, in code and in prose, and `PHRASES`, in docstrings, messages and comments only. A rule
  that no source needs is an error, so that the tables describe what there is;
- forks: of `if ASYNC: ... else: ...` the synchronous text has what stands under `else:`, without
  the question. The asynchronous module asks at run time, so forks belong where calls do not pass.

Whatever differs by nature stands behind equal names in `_concurrency/tasks.py` and
`_concurrency/threads.py`. Comments and layout survive; black and ruff have the last word.

What stays written by hand, and why, is `BY_HAND` below and this list of twins inside one file:

- the runtime's middleware (`around` and `around_async`): two short methods of one class that share
  all their decisions; they would have to become two classes before one could be derived;
- `connectors/{etcd,grpc,http,milvus,redis}.py`: the two clients of a kind come from different
  libraries, or have different arguments;
- `results/{context,pinned,lease,broadcast}.py`: short twins in one file, of
  which the asynchronous pool uses both, because some methods of an asynchronous client do not wait.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import libcst as cst
from black import format_str
from black.mode import Mode, TargetVersion
from libcst import matchers as m

ROOT = Path(__file__).parents[1]
RUNTIME = ROOT / "runtime" / "connpool_runtime"

# Modules that look like sources but are not, with the reason.
BY_HAND = {
    "_concurrency/tasks.py": "the primitives of asyncio; `threads.py` has those of threads",
    "grpc_aio.py": "gRPC's asynchronous callables are other classes with other members",
    "results/async_stream.py": "a generator is opened eagerly, and has `send` and `throw`",
}

# Identifiers: pattern and replacement. They are looked for in code, and in the words of prose.
NAMES = {
    r"^(_*)Async(?=[A-Z])": r"\1",
    r"(^|_)async_(?=[a-z])": r"\1",
    r"^__aenter__$": "__enter__",
    r"^__aexit__$": "__exit__",
    r"^aclose$": "close",
    r"^AbstractAsyncContextManager$": "AbstractContextManager",
    r"^around_async$": "around",
    r"^broadcast_async$": "broadcast",
    r"^tasks$": "threads",
    r"^Acquiring$": "Handle",
    r"^aclosing$": "closing",
    r"^aiter_lines$": "iter_lines",
    r"^aread$": "read",
}

# Words of docstrings, messages and comments, replaced in this order.
PHRASES = {
    "The pool for tasks": "The pool for threads",
    "For the tasks of one event loop": "Safe for threads",
    ", the one that makes it": "",
    "Belongs to one event loop": "Safe for threads",
    "a task": "a thread",
    "; running checks are cancelled": "; callable from any thread",
    "; may be a coroutine function": "",
    "coroutine function": "function",
    "a cancelled `close`": "an interrupted `close`",
    "cancelled": "interrupted",
    "async with": "with",
    "await ": "",
}

FILE_HEADER = "# Made by tools/derive_sync.py from {}; edit that.\n"
REGION_HEADER = "# Made by tools/derive_sync.py from the definitions above; edit those.\n"
_IN_REGION = re.compile(r"Async[A-Z]|\w+_async$")


class DeriveError(Exception):
    """A source cannot be derived, or a rule is not needed."""


@dataclass
class Rules:
    """The tables of one run, and which of their rules were needed."""

    names: dict[str, str]
    phrases: dict[str, str]
    used: set[str] = field(default_factory=set[str])

    def name(self, identifier: str) -> str:
        """Return what an identifier is called in synchronous code."""
        for pattern, replacement in self.names.items():
            identifier, count = re.subn(pattern, replacement, identifier)
            self._note(pattern, count)
        return identifier

    def prose(self, text: str) -> str:
        """Return what a docstring, message or comment says in synchronous code."""
        for phrase, replacement in self.phrases.items():
            pattern = re.escape(phrase).replace(r"\ ", r"\s+")
            start = r"\b" if phrase[0].isalnum() else ""
            text, count = re.subn(start + pattern, partial(_laid_out, replacement), text)
            self._note(phrase, count)
        return re.sub(r"\w+", lambda found: self.name(found[0]), text)

    def unused(self) -> list[str]:
        """Return the rules that no source needed."""
        return [rule for rule in (*self.names, *self.phrases) if rule not in self.used]

    def _note(self, rule: str, count: int) -> None:
        if count:
            self.used.add(rule)


def _laid_out(replacement: str, replaced: re.Match[str]) -> str:
    """Break the replacement at its first gap if the phrase was broken over two lines."""
    gap = re.search(r"\s*\n\s*", replaced[0])
    return replacement.replace(" ", gap[0], 1) if gap else replacement


_AWAITABLE = m.Subscript(value=m.Name("Awaitable") | m.Name("Coroutine"))
# In classes that users see, `TYPE_CHECKING or ASYNC`: every type checker knows the first of them.
_IS_ASYNC = m.Name("ASYNC") | m.BooleanOperation(
    left=m.Name("TYPE_CHECKING"), operator=m.Or(), right=m.Name("ASYNC")
)
_FORK = m.If(test=_IS_ASYNC | m.UnaryOperation(operator=m.Not(), expression=m.Name("ASYNC")))


class _ToSync(cst.CSTTransformer):
    """Turns the tree of asynchronous code into that of synchronous code."""

    def __init__(self, rules: Rules) -> None:
        super().__init__()
        self._rules = rules

    # Grammar

    def leave_FunctionDef(
        self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef
    ) -> cst.FunctionDef:
        return updated_node.with_changes(asynchronous=None)

    def leave_With(self, original_node: cst.With, updated_node: cst.With) -> cst.With:
        return updated_node.with_changes(asynchronous=None)

    def leave_For(self, original_node: cst.For, updated_node: cst.For) -> cst.For:
        return updated_node.with_changes(asynchronous=None)

    def leave_CompFor(self, original_node: cst.CompFor, updated_node: cst.CompFor) -> cst.CompFor:
        return updated_node.with_changes(asynchronous=None)

    def leave_Await(self, original_node: cst.Await, updated_node: cst.Await) -> cst.BaseExpression:
        inner = updated_node.expression
        if m.matches(inner, m.Call(func=m.Name("resolve"), args=[m.Arg()])):
            inner = cst.ensure_type(inner, cst.Call).args[0].value
        # Parentheses around `await x` are still needed around operators, but not around `x()`.
        if updated_node.lpar and not isinstance(inner, cst.Call | cst.Name | cst.Attribute):
            inner = inner.with_changes(lpar=updated_node.lpar, rpar=updated_node.rpar)
        return inner

    # Types

    def leave_Subscript(
        self, original_node: cst.Subscript, updated_node: cst.Subscript
    ) -> cst.BaseExpression:
        if not m.matches(updated_node, _AWAITABLE):
            return updated_node
        result = updated_node.slice[-1].slice
        return cst.ensure_type(result, cst.Index).value

    def leave_BinaryOperation(
        self, original_node: cst.BinaryOperation, updated_node: cst.BinaryOperation
    ) -> cst.BaseExpression:
        if not m.matches(updated_node.operator, m.BitOr()):
            return updated_node
        left, right = updated_node.left, updated_node.right
        if left.deep_equals(right):
            return left
        # `X | T | T` is `(X | T) | T`
        if m.matches(left, m.BinaryOperation(operator=m.BitOr())):
            last = cst.ensure_type(left, cst.BinaryOperation).right
            return left if last.deep_equals(right) else updated_node
        return updated_node

    # Names and prose

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.Name:
        return updated_node.with_changes(value=self._rules.name(updated_node.value))

    def leave_Comment(self, original_node: cst.Comment, updated_node: cst.Comment) -> cst.Comment:
        return updated_node.with_changes(value=self._rules.prose(updated_node.value))

    def leave_SimpleString(
        self, original_node: cst.SimpleString, updated_node: cst.SimpleString
    ) -> cst.SimpleString:
        return updated_node.with_changes(value=self._rules.prose(updated_node.value))

    def leave_FormattedStringText(
        self, original_node: cst.FormattedStringText, updated_node: cst.FormattedStringText
    ) -> cst.FormattedStringText:
        return updated_node.with_changes(value=self._rules.prose(updated_node.value))

    def leave_Assign(
        self, original_node: cst.Assign, updated_node: cst.Assign
    ) -> cst.Assign | cst.RemovalSentinel:
        """Drop the targets of an alias that have become the same: `close = aclose = stop`."""
        if not isinstance(updated_node.value, cst.Name):
            return updated_node
        seen, kept = {updated_node.value.value}, list[cst.AssignTarget]()
        for target in updated_node.targets:
            name = target.target.value if isinstance(target.target, cst.Name) else None
            if name is None or name not in seen:
                kept.append(target)
            if name is not None:
                seen.add(name)
        return updated_node.with_changes(targets=kept) if kept else cst.RemoveFromParent()

    # Forks

    def leave_If(
        self, original_node: cst.If, updated_node: cst.If
    ) -> cst.If | cst.FlattenSentinel[cst.BaseStatement] | cst.RemovalSentinel:
        if not m.matches(original_node, _FORK):
            return updated_node
        if isinstance(updated_node.orelse, cst.If):
            raise DeriveError("`if ASYNC:` has no `elif`")
        lines: list[cst.BaseStatement] = []
        if isinstance(original_node.test, cst.UnaryOperation):
            lines += _statements(updated_node.body)
        elif updated_node.orelse is not None:
            lines += _statements(updated_node.orelse.body)
        if not lines:
            return cst.RemoveFromParent()
        # A comment above the fork goes with what is left of it.
        first: Any = lines[0]
        leading = (*updated_node.leading_lines, *first.leading_lines)
        return cst.FlattenSentinel([first.with_changes(leading_lines=leading), *lines[1:]])

    def leave_IfExp(self, original_node: cst.IfExp, updated_node: cst.IfExp) -> cst.BaseExpression:
        fork = m.matches(original_node.test, _IS_ASYNC)
        return updated_node.orelse if fork else updated_node


def _statements(suite: cst.BaseSuite) -> list[cst.BaseStatement]:
    if isinstance(suite, cst.IndentedBlock):
        return list(suite.body)
    raise DeriveError("the branches of `if ASYNC:` stand on lines of their own")


@dataclass(frozen=True)
class Source:
    """One asynchronous text, and the file that its synchronous text is in."""

    path: Path

    @property
    def target(self) -> Path:
        """The file to write; that of the source itself if the text is a part of it."""
        return self.path.with_name(self.path.name.removeprefix("async_"))

    def derive(self, rules: Rules) -> str:
        """Return what the target has to contain.

        Raises:
            DeriveError: something asynchronous is left that no rule is about.
        """
        text = self.path.read_text("utf-8")
        if self.target == self.path:
            head = text.partition(REGION_HEADER)[0] + REGION_HEADER + "\n\n"
            derived = _to_sync(_for_tasks(text.partition(REGION_HEADER)[0]), rules)
        else:
            head = FILE_HEADER.format(self.path.name)
            derived = _to_sync(text, rules)
        _refuse_leftovers(derived, self.path)
        return _formatted(head + derived, self.target)


def _to_sync(text: str, rules: Rules) -> str:
    return cst.parse_module(text).visit(_ToSync(rules)).code


def _for_tasks(text: str) -> str:
    """Return the definitions of a module whose names say that they are for tasks."""
    module = cst.parse_module(text)
    chosen = [
        one
        for one in module.body
        if isinstance(one, cst.FunctionDef | cst.ClassDef) and _IN_REGION.match(one.name.value)
    ]
    return cst.Module(body=chosen).code.lstrip("\n")


def _refuse_leftovers(text: str, source: Path) -> None:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Name):
            named = (
                [node.id] if isinstance(node, ast.Name) else [alias.name for alias in node.names]
            )
            if "asyncio" in named:
                raise DeriveError(
                    f"{source}: asyncio is left in the synchronous text; see _concurrency/"
                )


def _formatted(text: str, path: Path) -> str:
    """Return a text as `make format` would leave it, without the imports that nothing needs any more."""
    command = [sys.executable, "-m", "ruff", "check", "--quiet", "--fix-only", "--select", "F401,I"]
    command += ["--stdin-filename", str(path), "-"]
    sorted_text = subprocess.run(
        command, input=text, capture_output=True, encoding="utf-8", check=True
    ).stdout
    return format_str(
        sorted_text, mode=Mode(line_length=100, target_versions={TargetVersion.PY311})
    )


def sources_in(folder: Path, by_hand: Iterable[str]) -> list[Source]:
    """Return all sources below a folder but those that are written by hand.

    Raises:
        DeriveError: the list of what is written by hand names a module that is not there.
    """
    gone = [name for name in by_hand if not (folder / name).is_file()]
    if gone:
        raise DeriveError(f"BY_HAND names what is not there: {', '.join(gone)}")
    return [
        Source(path)
        for path in sorted(folder.rglob("*.py"))
        if str(path.relative_to(folder)) not in by_hand
        and (path.name.startswith("async_") or REGION_HEADER in path.read_text("utf-8"))
    ]


def differences(sources: Iterable[Source], rules: Rules) -> dict[Path, tuple[str, str]]:
    """Return the targets that are not as they should be: what they contain, and what they should."""
    found: dict[Path, tuple[str, str]] = {}
    for source in sources:
        target = source.target
        present = target.read_text("utf-8") if target.exists() else ""
        derived = source.derive(rules)
        if present != derived:
            found[target] = present, derived
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or compare the synchronous modules; return the exit code: 0 done, 1 different, 2 impossible."""
    parser = argparse.ArgumentParser(
        description="Derive synchronous modules from asynchronous ones."
    )
    parser.add_argument(
        "paths", nargs="*", type=Path, help="sources; all of the runtime if none is given"
    )
    parser.add_argument("--check", action="store_true", help="write nothing, show the differences")
    options = parser.parse_args(arguments)
    rules = Rules(NAMES, PHRASES)
    try:
        sources = [Source(path.resolve()) for path in options.paths] or sources_in(RUNTIME, BY_HAND)
        found = differences(sources, rules)
        if not options.paths and rules.unused():
            raise DeriveError(f"no source needs these rules: {', '.join(rules.unused())}")
    except DeriveError as error:
        print(f"derive_sync: {error}", file=sys.stderr)
        return 2
    for target, (present, derived) in found.items():
        name = str(target.relative_to(ROOT) if target.is_relative_to(ROOT) else target)
        if options.check:
            lines = present.splitlines(keepends=True), derived.splitlines(keepends=True)
            sys.stdout.writelines(difflib.unified_diff(*lines, name, f"{name} (derived)"))
        else:
            target.write_text(derived, "utf-8")
            print(f"derived {name}")
    return 1 if options.check and found else 0


if __name__ == "__main__":
    sys.exit(main())
