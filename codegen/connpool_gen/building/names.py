"""The names that the output imports: chosen when all of its text is known.

A parameter is never renamed and a method never moved; when an import would collide with one of
them, the import gets a private alias. While the text is made, each reference stands in it as a
placeholder. Which names the module needs is then read off the text, so nothing can be written
that was not imported, and nothing imported that is not written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from connpool_gen.identifiers import aliases, usable
from connpool_gen.reading.facts import Expression, OwnVariable, Ref, RunningRef

# A placeholder with what follows the reference: `.Inner`, and whether there are arguments, as in `Row[int]`.
USE = re.compile(r"\0t(?P<number>\d+)\0(?P<path>(?:\.\w+)*)(?P<subscript>\[?)")
# Source text never contains a NUL, and our literals escape it.
PLACEHOLDER = re.compile(r"\0(?P<use>[rt])(?P<number>\d+)\0")
RUNNING, TYPING_ONLY = "r", "t"
NO_TYPES = "its package ships no types"
NEVER_BROKEN = 80  # columns of a line that no formatter breaks, even inside a block


@dataclass(frozen=True, slots=True, order=True)
class NameUse:
    """How an annotation uses a name of a module: by this dotted name, with or without arguments."""

    module: str
    qualname: str
    subscripted: bool = False


@dataclass(frozen=True, slots=True)
class ImportedName:
    """One name of an import line."""

    module: str
    name: str
    alias: str


class Names:
    """Writes references as placeholders and chooses a name for each that the text uses.

    `reserved` are names that no import may take; `always` is imported when the module runs, whether
    the text names it or not.
    """

    def __init__(self, reserved: Iterable[str], always: Iterable[Ref] = ()) -> None:
        self._reserved = frozenset(reserved)
        self._always = frozenset(ref.root for ref in always)
        self._numbers: dict[Ref, int] = {}

    def spell(self, expression: Expression | Ref) -> str:
        """Write an annotation: its names are for type checkers only, except for marked ones."""
        parts = (expression,) if isinstance(expression, Ref) else expression.parts
        return "".join(part if isinstance(part, str) else self._placeholder(part) for part in parts)

    def spell_running(self, expression: Expression | Ref) -> str:
        """Write an expression that is evaluated when the module runs."""
        return self.spell(Expression.of(expression).running())

    def _placeholder(self, ref: Ref) -> str:
        number = self._numbers.setdefault(ref.root, len(self._numbers))
        use = RUNNING if isinstance(ref, RunningRef | OwnVariable) else TYPING_ONLY
        return f"\0{use}{number}\0" + ref.qualname.removeprefix(ref.root.qualname)

    def declarations(self, texts: Iterable[str]) -> tuple[str, ...]:
        """Write the declarations of the type variables that these texts use, and of those in their defaults."""
        lines: dict[OwnVariable, str] = {}
        while more := [v for v in self._variables(texts) if v not in lines]:
            lines.update((variable, self._declaration(variable)) for variable in more)
            texts = list(lines.values())
        return tuple(lines[variable] for variable in sorted(lines, key=in_order))

    def _variables(self, texts: Iterable[str]) -> list[OwnVariable]:
        """List the output's own type variables that these texts use."""
        found = {ref for ref, _ in self._uses(texts) if isinstance(ref, OwnVariable)}
        return sorted(found, key=in_order)

    def _declaration(self, variable: OwnVariable) -> str:
        """Write `T = TypeVar("T", bound="Row")`."""
        kind, name = self.spell_running(variable.kind), self.spell(variable)
        return f'{name} = {kind}("{name}"{self.spell(variable.arguments)})'

    def _uses(self, texts: Iterable[str]) -> set[tuple[Ref, str]]:
        """List the references in these texts, with how they are used."""
        known = list(self._numbers)
        return {
            (known[int(found["number"])], found["use"])
            for text in texts
            for found in PLACEHOLDER.finditer(text)
        }

    def annotation_uses(self, texts: Iterable[str]) -> dict[Ref, list[NameUse]]:
        """List how annotations use names that are for type checkers only, unless requested at run time."""
        known = list(self._numbers)
        found: dict[Ref, set[NameUse]] = {}
        for use in (use for text in texts for use in USE.finditer(text)):
            ref = known[int(use["number"])]
            if ref.module == "builtins":
                continue
            dotted = ref.qualname + use["path"]
            found.setdefault(ref, set()).add(NameUse(ref.module, dotted, bool(use["subscript"])))
        return {ref: sorted(found[ref]) for ref in sorted(found, key=in_order)}

    def settle(self, texts: Iterable[str], at_runtime: Iterable[Ref] = ()) -> Spelling:
        """Choose the names of all references in these texts.

        The natural name where it is free, else `_name`, `_name_2`, ... What is in `at_runtime` is imported
        when the module runs, even where only annotations use it.
        """
        known = list(self._numbers)
        uses = self._uses(texts)
        running = self._always | {ref for ref, use in uses if use == RUNNING}
        running |= frozenset(at_runtime)
        typing_only = {ref for ref, _ in uses} - running
        chosen = self._choose(running | typing_only)
        return Spelling(tuple(known), chosen, running, frozenset(typing_only))

    def _choose(self, refs: frozenset[Ref]) -> dict[Ref, str]:
        """Give each reference a name that is unique in the module."""
        taken = set(self._reserved)
        chosen: dict[Ref, str] = {}
        for ref in sorted(refs, key=in_order):
            if ref.module == "builtins":
                chosen[ref] = builtin_name(ref, taken)
            else:
                chosen[ref] = next(n for n in aliases(ref.qualname) if usable(n, taken))
                taken.add(chosen[ref])
        return chosen


@dataclass(frozen=True, slots=True)
class Spelling:
    """The chosen names, and the imports they need."""

    _known: tuple[Ref, ...]
    _chosen: dict[Ref, str]
    _running: frozenset[Ref]
    _typing_only: frozenset[Ref]

    def finish(self, text: str) -> str:
        """Put the chosen names in place of the placeholders."""
        return PLACEHOLDER.sub(lambda m: self._chosen[self._known[int(m["number"])]], text)

    def imports(self, *, at_runtime: bool) -> list[ImportedName]:
        """List the names of one of the two import blocks, sorted."""
        refs = self._running if at_runtime else self._typing_only
        names = {
            (ref.module, ref.qualname, self._chosen[ref])
            for ref in refs
            if ref.module != "builtins" and not isinstance(ref, OwnVariable)
        }
        return [ImportedName(*name) for name in sorted(names)]

    def import_lines(self, untyped: frozenset[str], *, at_runtime: bool) -> tuple[str, ...]:
        """Write the lines of one of the two import blocks; `untyped` are modules without types."""
        by_module: dict[str, list[str]] = {}
        for found in self.imports(at_runtime=at_runtime):
            renamed = f"{found.name} as {found.alias}" if found.alias != found.name else found.name
            by_module.setdefault(found.module, []).append(renamed)
        lines = [
            (
                import_untyped(module, names)
                if module in untyped
                else f"from {module} import {', '.join(names)}"
            )
            for module, names in by_module.items()
        ]
        hidden = ["import builtins as _builtins"] if at_runtime and self.hides_a_builtin() else []
        return (*hidden, *lines)

    def hides_a_builtin(self) -> bool:
        """Return whether some builtin is written through the module `builtins`."""
        return any(name.startswith("_builtins.") for name in self._chosen.values())


def import_untyped(module: str, names: Sequence[str]) -> str:
    """Write an import of a module without types; type checkers look for the comment on its first line.

    A formatter that breaks a longer line would put the comment on the last.
    """
    ignore = f"  # type: ignore[import-untyped,import-not-found,unused-ignore] # {NO_TYPES}"
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= NEVER_BROKEN:
        return line + ignore
    return f"from {module} import ({ignore}\n    {', '.join(names)},\n)"


def in_order(ref: Ref) -> tuple[str, str, str]:
    """Return the sort key of references; variables of equal names sort by what they stand for."""
    declared = f"{ref.kind.module}{ref.arguments.plain}" if isinstance(ref, OwnVariable) else ""
    return ref.qualname, ref.module, declared


def builtin_name(ref: Ref, taken: set[str]) -> str:
    """Write a builtin; it needs an import only if the module hides it."""
    return f"_builtins.{ref.qualname}" if ref.qualname in taken else ref.qualname
