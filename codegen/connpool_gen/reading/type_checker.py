"""Holds the build of mypy in which clients are read and their wrappers verified."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from connpool_gen.config.request import SearchPath
    from connpool_gen.reading.mypy_build import IncrementalBuild
    from connpool_gen.reading.mypy_options import MakeOptions

__all__ = ["TypeChecker"]


class TypeChecker:
    """The type checker for the wrappers of a run. Not safe for threads; use it as a context manager.

    A client, its namespaces, and the wrapper are checked in one build one after another, and so is the next client
    that is looked for in the same folders. `mypy` is imported when it is first needed, for an output that is up to
    date needs none.

    Arguments:
        cache_dir: the folder for mypy's caches; None remembers nothing.
    """

    def __init__(self, cache_dir: Path | None) -> None:
        self._cache_dir = cache_dir
        self._build: IncrementalBuild | None = None
        self._kind: tuple[str, SearchPath] | None = None
        self._is_of_another = False
        self.reads_reexports = False
        """Whether types of the client depend on what its modules import and do not export."""

    def begin(self) -> None:
        """Begin with a client; the modules that another client left in the build must not affect its wrapper."""
        self.reads_reexports = False
        self._is_of_another = self._build is not None

    def build(self, search: SearchPath, *, reexporting: bool = False) -> IncrementalBuild:
        """Return the build for reading; one of another kind is closed, as mypy can go on with the last one only.

        Arguments:
            search: where modules are found.
            reexporting: every module exports all that it imports, which strict code may not rely on.
        """
        from connpool_gen.reading.mypy_options import check_options, reexporting_options

        kind = "read-reexports" if reexporting else "read"
        make = reexporting_options if reexporting else check_options
        return self._opened(kind, search, make)

    def build_for_verifying(self, search: SearchPath) -> IncrementalBuild:
        """Return the build in which the client was read, if it was read strictly, or else another one.

        The other build has a cache of its own: verifying leaves out packages, which would invalidate the
        cache of reading.
        """
        from connpool_gen.reading.mypy_options import check_options

        kind = "read" if self._kind == ("read", _without_output(search)) else "verify"
        return self._opened(kind, search, check_options)

    def _opened(self, kind: str, search: SearchPath, make: MakeOptions) -> IncrementalBuild:
        from connpool_gen.reading.mypy_build import IncrementalBuild

        wanted = (kind, _without_output(search))
        options = partial(make, search, self._cache_dir and self._cache_dir / kind)
        if self._build is None or self._kind != wanted:
            self.close()
            self._build = IncrementalBuild(options())
            self._kind = wanted
        elif self._is_of_another:
            self._build.begin_another(options())
        self._is_of_another = False
        return self._build

    def close(self) -> None:
        """Close the build; calling it again does nothing."""
        if self._build is not None:
            self._build.close()
            self._build = self._kind = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _without_output(search: SearchPath) -> SearchPath:
    """Return what holds for other outputs too."""
    return replace(search, output=Path())
