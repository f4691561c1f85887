"""Reads annotations of packages that have no `py.typed` to declare them.

mypy takes all of such a package for Any. Editors and pyright read it all the same, so a wrapper without
its types would know less than the client. mypy can be told to follow imports into a package; a module
there that it cannot even parse would stop it, and is left out by itself.
"""

from __future__ import annotations

import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mypy import build
from mypy.errors import CompileError
from mypy.modulefinder import FindModuleCache, ModuleNotFoundReason, compute_search_paths
from mypy.version import __version__ as mypy_version

from connpool_gen.errors import ReadError
from connpool_gen.reading.mypy_build import ends_told, run_mypy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mypy.modulefinder import BuildSource
    from mypy.options import Options

# Modules that are left out before the package is given up: the first run restarts mypy for each.
MOST_LEFT_OUT = 40
UNTYPED = (
    ModuleNotFoundReason.FOUND_WITHOUT_TYPE_HINTS,
    # Stubs exist on the package index, but are not installed.
    ModuleNotFoundReason.APPROVED_STUBS_NOT_INSTALLED,
)
# Untyped authors write `timeout: float = None` for an optional float.
FOLLOWED = {"follow_untyped_imports": True, "implicit_optional": True}
SKIPPED = {"follow_imports": "skip", "follow_imports_for_stubs": True}


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A module that mypy cannot parse: its name and file."""

    module: str
    file: str


def is_inside(module: str, packages: Iterable[str]) -> bool:
    """Return whether a module is one of these packages, or inside one."""
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def untyped_modules(modules: Iterable[str], options: Options) -> frozenset[str]:
    """Find the modules that mypy finds and does not read, because they ship no types."""
    finder = module_finder(options)
    return frozenset(module for module in modules if finder.find_module(module) in UNTYPED)


def module_finder(options: Options) -> FindModuleCache:
    """Create a finder that finds modules as mypy does."""
    with ends_told(options):
        paths = compute_search_paths([], options, build.default_data_dir())
    return FindModuleCache(paths, None, options)


class FollowingBuild:
    """Runs mypy into packages without `py.typed`, leaving out modules that it cannot parse.

    `make_options` gives fresh options for each run. `memory` is a folder that remembers the modules
    left out, so that only the first run has to find them; None remembers nothing.
    """

    def __init__(
        self, packages: Iterable[str], make_options: Callable[[], Options], memory: Path | None
    ) -> None:
        self.packages = tuple(sorted(packages))
        self._make_options = make_options
        name = "+".join(self.packages)[:100]
        self._memory = memory / f"{name}.json" if memory is not None else None
        self.left_out = remembered(self._memory)

    def run(self, sources: list[BuildSource]) -> build.BuildResult:
        """Run mypy, again without each module that stops it.

        Raises:
            ReadError: what stops mypy is no module of the packages, or there are too many.
        """
        while True:
            options = self._options()
            try:
                return run_mypy(sources, options, stderr=io.StringIO(), load_all=True)
            except CompileError as error:
                culprit = error.module_with_blocker
                file = self._file_of(culprit, options)
                if culprit is None or file is None or len(self.left_out) >= MOST_LEFT_OUT:
                    said = "; ".join(error.messages[:3])
                    raise ReadError(f"the type checker stopped: {said}") from None
                self.left_out = (*self.left_out, Unreadable(culprit, file))
                remember(self._memory, self.left_out)
            except SystemExit:  # how mypy exits after an internal error
                raise ReadError("the type checker broke down") from None

    def _options(self) -> Options:
        options = self._make_options()
        followed: dict[str, dict[str, object]] = {f"{p}.*": dict(FOLLOWED) for p in self.packages}
        skipped: dict[str, dict[str, object]] = {o.module: dict(SKIPPED) for o in self.left_out}
        options.per_module_options = {**followed, **skipped}
        return options

    def _file_of(self, module: str | None, options: Options) -> str | None:
        """Find the file of a module that can be left out: one of the packages, and not left out yet."""
        known = {one.module for one in self.left_out}
        if module is None or module in known or not is_inside(module, self.packages):
            return None
        found = module_finder(options).find_module(module)
        return found if isinstance(found, str) else None


def remembered(memory: Path | None) -> tuple[Unreadable, ...]:
    """Read which modules stopped mypy before, as far as their files are unchanged."""
    if memory is None:
        return ()
    try:
        data: Any = json.loads(memory.read_text("utf-8"))
        if data["checker"] != checker():
            return ()
        entries = cast("dict[str, Any]", data["modules"])
        found = [(Unreadable(m, e["file"]), e["stamp"]) for m, e in entries.items()]
        return tuple(one for one, seen in found if stamp(one.file) == seen)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ()


def remember(memory: Path | None, left_out: Iterable[Unreadable]) -> None:
    """Record the modules that stopped mypy, each with a stamp of its file."""
    if memory is None:
        return
    modules = {one.module: {"file": one.file, "stamp": stamp(one.file)} for one in left_out}
    scratch = memory.with_suffix(".new")
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_text(json.dumps({"checker": checker(), "modules": modules}), "utf-8")
        scratch.replace(memory)
    except OSError:
        return  # an unwritable record only costs time


def checker() -> str:
    """Name the parser: another version may parse what this one cannot."""
    return f"mypy {mypy_version}, Python {sys.version_info.major}.{sys.version_info.minor}"


def stamp(file: str) -> list[int] | None:
    """Return size and modification time (nanoseconds) of a file; None for a file that is gone."""
    try:
        status = Path(file).stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]
