"""Finds the interpreter of a project: the requested one, the active environment's, or one beside the manifest."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from connpool_gen.errors import RequestError

# Where an environment has its interpreter: venv's location first, then conda's.
POSIX = ("bin/python", "bin/python3")
WINDOWS = ("Scripts/python.exe", "python.exe", "bin/python.exe")
# Names of environments beside a manifest, in the order of the search.
BESIDE = (".venv", "venv")
# The name of the environment that conda activates by default.
CONDA_BASE = ("base", "root")


@dataclass(frozen=True, slots=True)
class Place:
    """Where to look for a project's interpreter: its folder, environment variables, the tool's environment.

    `folder` is the manifest's. `own` is the folder of the environment that the tool runs in; `own_named`
    says that the user named its Python, as in `python -m connpool_gen`.
    """

    folder: Path
    environ: Mapping[str, str]
    own: Path
    own_named: bool = False
    windows: bool = False

    @staticmethod
    def here(folder: Path) -> Place:
        """Describe the current process, for the project in a folder."""
        started = tuple(sys.orig_argv[1:])
        named = ("-m", "connpool_gen") in itertools.pairwise(started)
        own = Path(sys.prefix)
        return Place(folder, os.environ, own, own_named=named, windows=os.name == "nt")


@dataclass(frozen=True, slots=True)
class Found:
    """The result: the interpreter, None for the tool's own; how it was found; what could not be used, and why."""

    python: Path | None
    found_by: str
    passed_over: tuple[str, ...] = ()


OWN = "the environment of connpool-gen itself"


def choose_python(asked: Path | None, place: Place) -> Found:
    """Return the requested interpreter, or else find one; raises RequestError for an unusable one."""
    if asked is None:
        return find_python(place)
    return Found(asked_for(asked, place), "asked for")


def find_python(place: Place) -> Found:
    """Find the interpreter of the project: the active environment's, the one beside the manifest, the tool's own.

    A tool that is installed in the environment beside the manifest stays there, whatever environment
    the shell has activated.
    """
    if place.own_named:
        return Found(None, "the one that runs connpool-gen")
    if any(is_same(place.folder / name, place.own) for name in BESIDE):
        return Found(None, OWN)
    passed_over: list[str] = []
    for folder, found_by in environments(place):
        if is_same(folder, place.own):
            return Found(None, OWN, tuple(passed_over))
        python = interpreter_in(folder, windows=place.windows)
        if python is not None:
            return Found(python, found_by, tuple(passed_over))
        passed_over.append(f"{folder} ({found_by}) has no Python that runs on this system")
    return Found(None, OWN, tuple(passed_over))


def environments(place: Place) -> Iterator[tuple[Path, str]]:
    """Yield environments that may be the project's, the most likely first, with how each was found."""
    yield from active(place)
    for name in BESIDE:
        if (place.folder / name / "pyvenv.cfg").is_file():
            yield place.folder / name, "beside the project"


def active(place: Place) -> Iterator[tuple[Path, str]]:
    """Yield the environments that the shell has activated.

    pre-commit activates its own environment for the time of a hook. The user's is then the next one
    on the PATH.
    """
    environ = place.environ
    named = environ.get("VIRTUAL_ENV", "")
    if named and is_same(Path(named), place.own) and "PRE_COMMIT" in environ:
        yield from on_path(place)
    elif named and Path(named).is_dir():
        yield Path(named), "the active environment"
    conda = environ.get("CONDA_PREFIX", "")
    if conda and Path(conda).is_dir() and environ.get("CONDA_DEFAULT_ENV") not in CONDA_BASE:
        yield Path(conda), "the active conda environment"


def on_path(place: Place) -> Iterator[tuple[Path, str]]:
    """Yield the virtual environments whose commands are on the PATH, without the tool's own."""
    for entry in place.environ.get("PATH", "").split(os.pathsep):
        folder = Path(entry).parent
        if entry and (folder / "pyvenv.cfg").is_file() and not is_same(folder, place.own):
            yield folder, "the active environment"


def interpreter_in(folder: Path, *, windows: bool) -> Path | None:
    """Find the interpreter of an environment; None if it has none that this system runs."""
    for name in WINDOWS if windows else POSIX:
        if is_executable(folder / name):
            return folder / name
    return None


def is_executable(path: Path) -> bool:
    """Return whether a path is a program; a dangling link is none."""
    return path.is_file() and os.access(path, os.X_OK)


def is_same(folder: Path, other: Path) -> bool:
    """Return whether two paths are the same folder."""
    return folder.is_dir() and folder.resolve() == other.resolve()


def asked_for(python: Path, place: Place) -> Path:
    """Find the interpreter that `--python` names: a program, a name on the PATH, or an environment's folder.

    Raises RequestError where there is none. Links are not followed: an interpreter knows its
    environment by the path that it is run by.
    """
    path = python.expanduser()
    if path.name != str(path) or (place.folder / path).exists():
        path = place.folder / path
    if path.is_dir():
        inside = interpreter_in(path, windows=place.windows)
        if inside is None:
            names = " nor ".join(WINDOWS if place.windows else POSIX)
            raise RequestError(f"--python {python}: the folder has no {names}")
        return absolute(inside)
    if not os.path.lexists(path) and path.name == str(path):
        named = shutil.which(path.name, path=place.environ.get("PATH"))
        if named is None:
            raise RequestError(
                f"--python {python}: there is no such file, and no such command on the PATH"
            )
        return absolute(Path(named))
    if not path.exists():
        more = ", it links to what is gone" if path.is_symlink() else ""
        raise RequestError(f"--python {python}: there is no such file{more}")
    if not is_executable(path):
        raise RequestError(f"--python {python}: the file is not executable")
    return absolute(path)


def absolute(path: Path) -> Path:
    """Return an absolute path without resolving links."""
    return Path(os.path.abspath(path))  # noqa: PTH100 # `resolve` follows links
