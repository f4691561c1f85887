"""Remembers that an output was up to date, so that a check need not read the client again.

The key is everything that shapes an output: the request, the tool, its interpreter and the project's, and what is
installed beside each of them, such as mypy and packages with hooks. The proof is a stamp of every file that was read then: the
modules the target loaded and the sources the type checker looked at; and of the folders they lie in,
where a new file could hide one of them. Any doubt means no.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from connpool_gen._version import __version__
from connpool_gen.environment.interpreter import own, python_of
from connpool_gen.planning.ledger import Ledger
from connpool_gen.rendering.templates import template_folder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connpool_gen.config.request import GenerateRequest
    from connpool_gen.generated_module import GeneratedModule

Stamp = list[int]


class OutputCache:
    """What is known about one request; a file per request in the cache folder."""

    def __init__(self, request: GenerateRequest) -> None:
        self._request = request
        self._file = (
            request.cache_dir / "fresh" / f"{key(request)}.json"
            if request.cache_dir is not None
            else None
        )

    def confirmed(self, old: str | None) -> Ledger | None:
        """Return the ledger of an output that is certainly up to date; None if it has to be made again."""
        known = self._load()
        if old is None or known is None or known["text"] != digest(old):
            return None
        seen_then = {**known["sources"], **known["folders"]}
        unchanged = all(stamp(path) == seen for path, seen in seen_then.items())
        return Ledger.from_data(known["ledger"]) if unchanged else None

    def remember(self, made: GeneratedModule) -> None:
        """Record the files that this output was made from."""
        if self._file is None:
            return
        output = str(made.path.resolve())  # changed after it was read, if it was read at all
        data = {
            "text": digest(made.text),
            "ledger": made.ledger.as_data(),
            "sources": stamps(
                {*made.sources, *template_files(self._request), *hook_files()} - {output}
            ),
            "folders": stamps(folders(made.sources, self._request)),
        }
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            scratch = self._file.with_suffix(".new")
            scratch.write_text(json.dumps(data), "utf-8")
            scratch.replace(self._file)
        except OSError:
            return  # an unwritable cache only costs time

    def _load(self) -> dict[str, Any] | None:
        if self._file is None:
            return None
        try:
            data: dict[str, Any] = json.loads(self._file.read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return data if is_an_entry(data) else None


def is_an_entry(data: object) -> bool:
    """Return whether the cache file has the form that `remember` writes."""
    shape = {"text": str, "ledger": list, "sources": dict, "folders": dict}
    if not isinstance(data, dict):
        return False
    found = cast("dict[str, object]", data)
    return all(isinstance(found.get(key), kind) for key, kind in shape.items())


def folders(sources: Iterable[str], request: GenerateRequest) -> set[str]:
    """List the folders where a new file could shadow one that was read."""
    searched = {*request.search.paths, *request.search.inherited}
    return searched | {str(Path(source).parent) for source in sources}


def key(request: GenerateRequest) -> str:
    """Return a digest of everything except the sources that determines an output."""
    parts = [__version__, own().identity(), python_of(request).identity(), repr(request)]
    return digest("\n".join(parts))[:32]


def digest(text: str) -> str:
    """Return the SHA-256 of a text."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def stamps(paths: Iterable[str]) -> dict[str, Stamp]:
    """Return size and modification time of each file that exists."""
    found = {path: stamp(path) for path in sorted(set(paths))}
    return {path: seen for path, seen in found.items() if seen is not None}


def stamp(path: str) -> Stamp | None:
    """Return size and modification time (nanoseconds) of a file; None for a file that is gone."""
    try:
        # Not by a Path, which takes twice as long: there are thousands.
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def template_files(request: GenerateRequest) -> list[str]:
    """List the templates in use, ours and the user's, and the tool's own code."""
    folders = [template_folder(), Path(__file__).parents[1]]
    folders += [request.templates] if request.templates is not None else []
    return [str(path) for folder in folders for path in folder.rglob("*") if path.is_file()]


def hook_files() -> list[str]:
    """List the files that name the hooks of the packages beside the tool; reading them takes longer than a check."""
    places = map(Path, sys.path)
    return [str(file) for place in places for file in place.glob("*-info/entry_points.txt")]
