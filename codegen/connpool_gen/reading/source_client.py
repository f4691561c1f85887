"""Read the target from its source or stub, with the answers that the probe process gives.

Nothing of the target is imported, neither here nor in a process of its own.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from connpool_gen.environment.interpreter import python_of
from connpool_gen.errors import TargetError
from connpool_gen.reading.facts import RuntimeClass, runtime_class
from connpool_gen.source.errors import NotFound, Unreadable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connpool_gen.config.request import GenerateRequest
    from connpool_gen.reading.facts import Ref
    from connpool_gen.source.read import SourceReader


def read_source(request: GenerateRequest) -> RuntimeClass:
    """Describe the target from its text.

    Raises TargetError when neither a source nor a stub of the class can be found or parsed.
    """
    reader = reader_for(request)
    try:
        answer = reader.target(request.module, request.qualname)
    except NotFound as reason:
        looked = ", ".join(request.search.paths)
        raise TargetError(
            f"{request.client}: {reason} (--static looked for its source or stub in {looked} and the packages of {python_of(request).label})"
        ) from None
    except Unreadable as reason:
        raise TargetError(f"{request.client}: --static cannot read {reason}") from None
    return replace(
        runtime_class(answer["class"]),
        from_text=True,
        loaded=frozenset(answer["loaded"]),
        place=answer["place"],
        ahead=tuple(
            replace(runtime_class(raw), from_text=True)
            for raw in answer["ahead"]
            if raw is not None
        ),
        unread=tuple(answer["unread"]),
    )


def read_source_classes(request: GenerateRequest, refs: Sequence[Ref]) -> list[RuntimeClass | None]:
    """Describe further classes of the client's package; None for one that is not found."""
    reader = reader_for(request)
    found = reader.classes([(ref.module, ref.qualname) for ref in refs])
    return [
        replace(runtime_class(raw), from_text=True) if raw is not None else None for raw in found
    ]


def without_importing(request: GenerateRequest) -> str:
    """Return the hint for a target that cannot be imported, if its text can still be read."""
    try:
        reader_for(request).target(request.module, request.qualname)
    except (NotFound, Unreadable):
        return ""
    return "; --static reads it from its source or stub, without importing it"


def folders(request: GenerateRequest) -> tuple[str, ...]:
    """List the folders in which modules are looked for, in the order in which imports would."""
    found = (*request.search.paths, *request.search.inherited, *installed_folders(request))
    return tuple(dict.fromkeys(folder for folder in found if folder))


def installed_folders(request: GenerateRequest) -> Sequence[str]:
    """List the folders in which the interpreter of the project looks for modules."""
    python = python_of(request)
    if python.is_own:
        return sys.path
    from connpool_gen.reading.mypy_reader import folders_of

    return folders_of(python.executable)


def reader_for(request: GenerateRequest) -> SourceReader:
    """Return the reader for the folders and the Python of a project."""
    return reader_of(folders(request), python_of(request).version)


@lru_cache(maxsize=1)
def reader_of(searched: tuple[str, ...], version: tuple[int, int, int]) -> SourceReader:
    """Return the reader for some folders, which remembers what it has parsed for one target."""
    from connpool_gen.source.read import SourceReader  # loads libcst, which most runs do without

    return SourceReader(searched, version)
