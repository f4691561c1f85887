"""Makes packages visible to the type checker that it would not find: those of import hooks, and a runtime that fits.

An editable install may map a package's name to a folder by an import hook. Python asks the hook; a type
checker does not, and would treat the package as untyped.
"""

from __future__ import annotations

import atexit
import hashlib
import shutil
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from connpool_gen.environment.interpreter import interpreter_at, own
from connpool_gen.environment.runtime import PACKAGE, nearest_runtime

if TYPE_CHECKING:
    from connpool_gen.config.request import SearchPath


def with_hooked_package(
    search: SearchPath, package: str, place: str | None, cache_dir: Path | None
) -> SearchPath:
    """Add a folder with a link to the place where an import hook found the package.

    `place` is the package's folder or file, None where a folder of the path holds it.
    """
    if place is None or not Path(place).exists():  # it is in an archive
        return search
    folder = linked(package, Path(place), cache_dir)
    return search if folder is None else replace(search, inherited=(*search.inherited, str(folder)))


def with_runtime(search: SearchPath, cache_dir: Path | None) -> SearchPath:
    """Let the type checker find a runtime that the text is written for: the project's, or else our own."""
    python = interpreter_at(search.python)
    there, ours = nearest_runtime(search.paths) or python.runtime, own().runtime
    fits = there is not None and there.fits
    place = there if fits else ours
    if place is None or (fits and python.is_own):
        return search
    folder = Path(place.folder)
    alone = linked(PACKAGE, folder, cache_dir) or copied(PACKAGE, folder)
    return replace(search, inherited=(str(alone), *search.inherited))


def linked(package: str, place: Path, cache_dir: Path | None) -> Path | None:
    """Create a folder with nothing but a link to a package; None if links cannot be created."""
    name = hashlib.sha256(str(place).encode()).hexdigest()[:16]
    folder = (cache_dir or own_folder()) / "linked" / name
    link = folder / (package if place.is_dir() else f"{package}.py")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(place)
    except OSError:
        return None
    return folder


def copied(package: str, place: Path) -> Path:
    """Create a folder with nothing but a copy of a package, for this run only."""
    folder = own_folder() / "copied"
    shutil.copytree(place, folder / package, dirs_exist_ok=True)
    return folder


@cache
def own_folder() -> Path:
    """Create a folder for this run if there is no cache folder."""
    folder = tempfile.mkdtemp(prefix="connpool-gen-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def why_untyped(module: str, place: str | None) -> str:
    """Return why the type checker cannot see a module, and the next step."""
    if place is not None:
        return (
            f"{module} is found by an import hook or in an archive ({place}), where the type checker "
            "does not look; --app-dir with the folder of its sources would show it"
        )
    return f"{module} ships no types: no py.typed, no stubs"
