"""Finds and parses the text of a module, source or stub, without importing anything."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from dataclasses import dataclass
from functools import cached_property
from importlib.machinery import EXTENSION_SUFFIXES, BuiltinImporter, FrozenImporter, PathFinder
from pathlib import Path
from typing import TYPE_CHECKING

import libcst as cst

from connpool_gen.source.errors import Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

STANDARD_FINDERS: tuple[object, ...] = (BuiltinImporter, FrozenImporter, PathFinder)
STUBS = "-stubs"
YIELD_INSIDE = re.compile(rb"[(\[,]\s*yield\b")


@dataclass(frozen=True, eq=False)
class ModuleText:
    """A module: the file with its text, and whether there is something to import at run time.

    `file` is None for a package without an `__init__` file. `is_stub`: the text is a stub.
    """

    name: str
    file: Path | None
    is_package: bool
    is_stub: bool
    runs: bool

    @cached_property
    def tree(self) -> cst.Module:
        """The parsed text. Raises Unreadable."""
        if self.file is None:
            return cst.parse_module("")
        try:
            return cst.parse_module(self.file.read_bytes())
        except cst.ParserSyntaxError:
            raise Unreadable(why_unparsed(self.file)) from None
        except (OSError, ValueError) as error:
            raise Unreadable(f"{self.file}: {error}") from None

    @cached_property
    def yields_inside(self) -> bool:
        """Return whether `yield` may be inside an expression somewhere."""
        return self.file is not None and YIELD_INSIDE.search(self.file.read_bytes()) is not None

    @property
    def package(self) -> str:
        """The package to which relative imports of the module refer."""
        return self.name if self.is_package else self.name.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class Located:
    """The location of a module: its file, and the folders of its submodules if it is a package."""

    file: Path | None
    folders: tuple[Path, ...] = ()
    is_package: bool = False


class Texts:
    """All modules that can be found from some folders, each parsed at its first use.

    `read` are the files that were parsed.
    """

    def __init__(self, folders: Sequence[str]) -> None:
        self.folders = tuple(dict.fromkeys(Path(folder) for folder in folders))
        self.read: set[str] = set()
        self._sources: dict[str, Located | None] = {}
        self._stubs: dict[str, Located | None] = {}
        self._modules: dict[tuple[str, bool], ModuleText | None] = {}

    def module(self, name: str) -> ModuleText | None:
        """Find a module by its source, or by its stub if it has no source; None for an unknown one."""
        if (name, False) not in self._modules:
            self._modules[name, False] = self._noted(self._source_text(name) or self._stub(name))
        return self._modules[name, False]

    def stub(self, name: str) -> ModuleText | None:
        """Find the stub of a module, even if it has a source."""
        if (name, True) not in self._modules:
            self._modules[name, True] = self._noted(self._stub(name))
        return self._modules[name, True]

    def runs(self, name: str) -> bool:
        """Return whether there is a module to import at run time."""
        return name in sys.builtin_module_names or self._source(name) is not None

    def hooked_place(self, package: str) -> str | None:
        """Find the location of a package that only an import hook finds; None if a folder contains it."""
        source = self._source(package)
        if source is None or source.file is None:
            return None
        place = source.file.parent if source.is_package else source.file
        return None if place.parent in self.folders else str(place)

    def submodules(self, name: str) -> list[str]:
        """List the names of submodules, or of all top-level modules for ''."""
        folders: Iterable[Path] = self.folders
        if name:
            found = [located for located in (self._source(name), self._stub_place(name)) if located]
            folders = [folder for located in found for folder in located.folders]
        files = [path for folder in folders if folder.is_dir() for path in folder.iterdir()]
        names = {
            path.name.partition(".")[0] for path in files if path.suffix in ("", ".py", ".pyi")
        }
        return sorted(n for n in names if n.isidentifier())

    def _noted(self, text: ModuleText | None) -> ModuleText | None:
        if text is not None and text.file is not None:
            self.read.add(str(text.file))
        return text

    # ------------------------------------------------------------ sources

    def _source_text(self, name: str) -> ModuleText | None:
        located = self._source(name)
        if located is None or (located.file is not None and located.file.suffix != ".py"):
            return None
        if located.file is None and self._stub_place(name) is not None:
            return None  # a folder, in which there may be stubs, or parts of a namespace package
        return ModuleText(name, located.file, located.is_package, is_stub=False, runs=True)

    def _source(self, name: str) -> Located | None:
        if name not in self._sources:
            parent, _, leaf = name.rpartition(".")
            above = self._source(parent) if parent else None
            folders = above.folders if above is not None else () if parent else self.folders
            found = located(folders, leaf, (".py", *EXTENSION_SUFFIXES))
            self._sources[name] = found or (None if parent else hooked(name))
        return self._sources[name]

    # ------------------------------------------------------------ stubs

    def _stub(self, name: str) -> ModuleText | None:
        place = self._stub_place(name)
        if place is None:
            return None
        return ModuleText(name, place.file, place.is_package, is_stub=True, runs=self.runs(name))

    def _stub_place(self, name: str) -> Located | None:
        if name not in self._stubs:
            self._stubs[name] = self._find_stub(name)
        return self._stubs[name]

    def _find_stub(self, name: str) -> Located | None:
        """Search where a type checker does: in `foo-stubs`, beside the source, in the standard library's stubs."""
        parent, _, leaf = name.rpartition(".")
        if not parent:
            typeshed = standard_stubs()
            in_package = located(self.folders, leaf + STUBS, (".pyi",))
            beside = located(self.folders, leaf, (".pyi",))
            if in_package is not None and beside is not None:
                return Located(in_package.file, (*in_package.folders, *beside.folders), True)
            return (
                in_package or beside or (located([typeshed], leaf, (".pyi",)) if typeshed else None)
            )
        above = [place for place in (self._stub_place(parent), self._source(parent)) if place]
        return located([folder for place in above for folder in place.folders], leaf, (".pyi",))


def why_unparsed(file: Path) -> str:
    """Return why a file does not parse, in Python's own words if Python rejects it, too."""
    try:
        ast.parse(file.read_bytes())
    except SyntaxError as error:
        return f"{file}, line {error.lineno}: {error.msg}"
    return f"{file}: libcst does not know its syntax; a newer libcst may"


def located(folders: Iterable[Path], leaf: str, suffixes: Sequence[str]) -> Located | None:
    """Find a module in the first of the folders that has it; folders without `__init__` are joined."""
    portions: list[Path] = []
    for folder in folders:
        for file in candidates(folder, leaf, suffixes):
            if file.is_file():
                is_package = file.parent != folder
                return Located(file, (file.parent,) if is_package else (), is_package)
        if (folder / leaf).is_dir():
            portions.append(folder / leaf)
    holds = any(portion for portion in portions if ".pyi" not in suffixes or holds_stubs(portion))
    return Located(None, tuple(portions), True) if holds else None


def candidates(folder: Path, leaf: str, suffixes: Sequence[str]) -> Iterator[Path]:
    """Yield the files that may be a module: a source before its compiled form."""
    yield from (folder / leaf / f"__init__{suffix}" for suffix in suffixes)
    yield from (folder / f"{leaf}{suffix}" for suffix in suffixes)


def holds_stubs(folder: Path) -> bool:
    """Return whether a folder without `__init__` has stubs somewhere below it."""
    return next(folder.rglob("*.pyi"), None) is not None


def hooked(name: str) -> Located | None:
    """Find a package through an import hook, as that of an editable install; the hook imports nothing."""
    for finder in sys.meta_path:
        if any(finder is standard for standard in STANDARD_FINDERS):
            continue
        try:
            spec = finder.find_spec(name, None)
        except Exception:  # a foreign hook may raise anything
            continue
        if spec is not None and spec.origin is not None and spec.origin.endswith(".py"):
            folders = tuple(map(Path, spec.submodule_search_locations or ()))
            return Located(Path(spec.origin), folders, bool(folders))
    return None


def standard_stubs() -> Path | None:
    """Find the stubs of the standard library that come with the type checker."""
    spec = importlib.util.find_spec("mypy")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "typeshed" / "stdlib"
