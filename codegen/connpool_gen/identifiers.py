"""Names in the output: which imports it needs and what each imported thing is called there.

A parameter is never renamed and a method never moved; when an import would collide with one of
them, the import gets a private alias.
"""

from __future__ import annotations

import builtins
import keyword
import unicodedata
from typing import TYPE_CHECKING

from connpool_gen.reading.facts import Expression, Ref

if TYPE_CHECKING:
    from collections.abc import Iterable

BUILTINS = frozenset(dir(builtins))


class Names:
    """Collects references, then gives each a name that means nothing else in the module."""

    def __init__(self, reserved: Iterable[str]) -> None:
        self._reserved = frozenset(reserved)
        self._runtime: set[Ref] = set()
        self._typing: set[Ref] = set()
        self._spelled: dict[Ref, str] = {}

    def need(self, *expressions: Expression | Ref | None, at_runtime: bool = False) -> None:
        """Note that the output uses these names, in annotations only or when it runs."""
        into = self._runtime if at_runtime else self._typing
        for expression in expressions:
            if isinstance(expression, Ref):
                into.add(expression.root)
            elif expression is not None:
                into.update(ref.root for ref in expression.refs())

    def settle(self) -> None:
        """Choose the names; the natural one where it is free, else `_name`, `_name_2`, ..."""
        taken: set[str] = set(self._reserved)
        for ref in sorted(self._runtime | self._typing, key=lambda r: (r.qualname, r.module)):
            free = self._builtin(ref, taken) if ref.module == "builtins" else None
            name = free or next(n for n in aliases(ref.qualname) if usable(n, taken))
            if ref.module != "builtins":
                taken.add(name)
            self._spelled[ref] = name

    def _builtin(self, ref: Ref, taken: set[str]) -> str:
        """A builtin needs no import unless something in the module hides it."""
        return f"_builtins.{ref.qualname}" if ref.qualname in taken else ref.qualname

    def spell(self, expression: Expression | Ref) -> str:
        """The source text of an expression, with the chosen names."""
        parts = (expression,) if isinstance(expression, Ref) else expression.parts
        return "".join(part if isinstance(part, str) else self._name(part) for part in parts)

    def _name(self, ref: Ref) -> str:
        first, dot, rest = ref.qualname.partition(".")
        return self._spelled[Ref(ref.module, first)] + dot + rest

    def imports(self, *, at_runtime: bool) -> list[tuple[str, str, str]]:
        """(module, name, alias) for one of the two import blocks, sorted."""
        refs = self._runtime if at_runtime else self._typing - self._runtime
        lines = {
            (ref.module, ref.qualname, self._spelled[ref])
            for ref in refs
            if ref.module != "builtins"
        }
        return sorted(lines)

    def hidden_builtins(self) -> bool:
        """Whether some builtin is spelled through the module `builtins`."""
        return any(name.startswith("_builtins.") for name in self._spelled.values())


def is_writable(name: str) -> bool:
    """Whether source can spell it: an identifier, no keyword, and the same after normalisation."""
    plain = name.isidentifier() and not keyword.iskeyword(name)
    return plain and unicodedata.normalize("NFKC", name) == name


def aliases(name: str) -> Iterable[str]:
    """`Name`, `_Name`, `_Name_2`, ..."""
    yield name
    private = name if name.startswith("_") else f"_{name}"
    yield private
    number = 2
    while True:
        yield f"{private}_{number}"
        number += 1


def usable(name: str, taken: set[str]) -> bool:
    """A name that is free and hides no builtin."""
    return name not in taken and name not in BUILTINS and not keyword.iskeyword(name)


def distinct(name: str, taken: set[str]) -> str:
    """`name`, or `name_2`, `name_3`, ... whichever is free; the choice is recorded in `taken`."""
    candidate, number = name, 2
    while candidate in taken:
        candidate, number = f"{name}_{number}", number + 1
    taken.add(candidate)
    return candidate
