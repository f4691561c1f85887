"""Tells whether types of a client depend on names that a module imports and does not export.

Strict code finds such a name by `from a import name` alone; not by `a.name` in an annotation, and not after
`from a import *`. Packages that are not strict with themselves use both.
"""

from __future__ import annotations

import re
from importlib.util import resolve_name
from pathlib import Path
from typing import TYPE_CHECKING

from mypy.nodes import MypyFile, TypeAlias, TypeInfo, TypeVarLikeExpr, Var

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from connpool_gen.reading.mypy_build import BuildPart

_STAR = re.compile(r"^[ \t]*from[ \t]*(\.*)([\w.]*)[ \t]+import[ \t]*\*", re.MULTILINE)
_ANY_STAR = re.compile(r"import[ \t]*\*")


def depends_on_reexports(part: BuildPart) -> bool:
    """Return whether a module of a part of a strict build uses what another one imports and does not export.

    A word in a comment counts as a use, so the answer may be True without need.
    """
    return _Reexports(part).are_needed()


class _Reexports:
    def __init__(self, part: BuildPart) -> None:
        paths = {name: state.path for name, state in part.states.items()}
        self._modules: Mapping[str, MypyFile] = {
            name: tree
            for name, tree in part.modules.items()
            if not tree.is_stub and Path(paths.get(name) or "").suffix == ".py"
        }
        self._texts: dict[str, str] = {}

    def are_needed(self) -> bool:
        return any(map(self._uses_a_hidden_attribute, self._modules)) or self._misses_a_star()

    def _text(self, module: str) -> str:
        if module not in self._texts:
            try:
                # Names in other alphabets are read wrong, in all files in the same way.
                text = Path(self._modules[module].path).read_text("latin-1")
            except OSError:  # mypy has read it; it was removed since
                text = ""
            self._texts[module] = text
        return self._texts[module]

    # ------------------------------------------------------------ a.name

    def _uses_a_hidden_attribute(self, module: str) -> bool:
        """Return whether a module follows the name of a module to something that is hidden there."""
        aliases = {
            name: symbol.node
            for name, symbol in self._modules[module].names.items()
            if isinstance(symbol.node, MypyFile) and symbol.node.fullname in self._modules
        }
        if not aliases:
            return False
        chains = re.compile(rf"\b(?:{'|'.join(map(re.escape, aliases))})(?:\.\w+)+")
        found = {chain.group() for chain in chains.finditer(self._text(module))}
        return any(self._is_hidden(aliases, chain.split(".")) for chain in found)

    def _is_hidden(self, aliases: Mapping[str, MypyFile], chain: list[str]) -> bool:
        """Return whether a chain leads to a type by a name that is hidden; mypy finds all but types nevertheless."""
        tree, hidden = aliases[chain[0]], False
        for part in chain[1:]:
            symbol = tree.names.get(part)
            node = self._modules.get(f"{tree.fullname}.{part}") if symbol is None else symbol.node
            hidden |= symbol is not None and symbol.module_hidden and tree.fullname in self._modules
            if not isinstance(node, MypyFile):
                return hidden and isinstance(node, (TypeInfo, TypeAlias, TypeVarLikeExpr))
            tree = node
        return False

    # ------------------------------------------------------------ from a import *

    def _misses_a_star(self) -> bool:
        """Return whether a name is used that `from a import *` does not bring."""
        missing = self._missing()
        everywhere = {name for names in missing.values() for name in names}
        if not everywhere:
            return False
        if any(self._has_word(module, names) for module, names in missing.items()):
            return True
        return any(not everywhere.isdisjoint(self._not_found(module)) for module in self._modules)

    def _not_found(self, module: str) -> Iterator[str]:
        """Yield the names that a module imports and that are not found, as they are called where they come from."""
        for name, symbol in self._modules[module].names.items():
            if isinstance(symbol.node, Var) and symbol.node.is_suppressed_import:
                yield name
                text = self._text(module)
                # A search that begins with letters takes no time; one that begins with any word looks at all of them.
                if re.search(rf"as\s+{name}\b", text) is not None:
                    yield from re.findall(rf"(\w+)\s+as\s+{name}\b", text)

    def _missing(self) -> dict[str, set[str]]:
        """Collect by module the names that it would have if the modules that it imports all of exported all."""
        stars = {m: [f for f in self._stars(m) if f in self._modules] for m in self._modules}
        missing: dict[str, set[str]] = {module: set() for module, found in stars.items() if found}
        changed = True
        while changed:  # until what is missing has gone all the way along `import *` of `import *`
            before = dict(missing)
            for module in missing:
                offered = [self._hidden_in(one) | missing.get(one, set()) for one in stars[module]]
                missing[module] = set().union(*offered) - self._modules[module].names.keys()
            changed = missing != before
        return missing

    def _stars(self, module: str) -> Iterator[str]:
        """Yield the modules of which a module imports all names."""
        text = self._text(module)
        if _ANY_STAR.search(text) is None:  # tells of most files in no time
            return
        tree = self._modules[module]
        package = module if tree.is_package_init_file() else module.rpartition(".")[0]
        for dots, name in _STAR.findall(text):
            try:
                yield resolve_name(dots + name, package)
            except ImportError:  # beyond the top: it does not run
                continue

    def _hidden_in(self, module: str) -> set[str]:
        names = self._modules[module].names
        if "__all__" in names:
            return set()
        return {n for n, found in names.items() if found.module_hidden and not n.startswith("_")}

    def _has_word(self, module: str, names: set[str]) -> bool:
        if not names:
            return False
        words = re.compile(rf"\b(?:{'|'.join(map(re.escape, names))})\b")
        return words.search(self._text(module)) is not None
