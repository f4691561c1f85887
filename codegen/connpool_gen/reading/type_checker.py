"""Holds the build of mypy in which a client is read and its wrapper verified."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

    from connpool_gen.config.request import SearchPath
    from connpool_gen.reading.mypy_build import IncrementalBuild
    from connpool_gen.reading.mypy_options import MakeOptions

__all__ = ["TypeChecker"]


class TypeChecker:
    """The type checker for one wrapper. Not safe for threads; use it as a context manager.

    The client, its namespaces, and the wrapper are checked in one build one after another. `mypy` is imported
    when it is first needed, for an output that is up to date needs none.

    Arguments:
        cache_dir: the folder for mypy's caches; None remembers nothing.
    """

    def __init__(self, cache_dir: Path | None) -> None:
        self._cache_dir = cache_dir
        self._build: IncrementalBuild | None = None
        self._kind: tuple[str, SearchPath] | None = None
        self.reads_reexports = False
        """Whether types of the client depend on what its modules import and do not export."""

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

        That has a cache of its own: what is left out to verify would undo what is remembered of reading.
        """
        from connpool_gen.reading.mypy_options import check_options

        kind = "read" if self._kind == ("read", search) else "verify"
        return self._opened(kind, search, check_options)

    def _opened(self, kind: str, search: SearchPath, make: MakeOptions) -> IncrementalBuild:
        from connpool_gen.reading.mypy_build import IncrementalBuild

        if self._build is None or self._kind != (kind, search):
            self.close()
            self._build = IncrementalBuild(make(search, self._cache_dir and self._cache_dir / kind))
            self._kind = (kind, search)
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
