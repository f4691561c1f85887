"""Asks an interpreter for its version, its environment, and what is installed there."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connpool_gen.environment.runtime import InstalledRuntime, nearest_runtime
from connpool_gen.errors import ReadError, RequestError
from connpool_gen.probe import interpreter as description

if TYPE_CHECKING:
    from connpool_gen.config.request import GenerateRequest

OLDEST = (3, 11)
SCRIPT = Path(description.__file__)
# Seconds that an interpreter may take to start, unless the request sets another limit.
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Interpreter:
    """An interpreter that reads clients.

    `executable` is the path that it is run by, `prefix` the folder of its environment, `installed`
    what the metadata of each installed distribution is called, `runtime` the connpool-runtime there.
    """

    executable: str
    version: tuple[int, int, int]
    build: str
    prefix: str
    installed: tuple[str, ...] = ()
    runtime: InstalledRuntime | None = None
    found: tuple[str, ...] = ()

    @property
    def is_own(self) -> bool:
        """Return whether the tool itself runs in this environment."""
        here = Path(self.prefix).resolve() == Path(sys.prefix).resolve()
        # a system may have several interpreters in one folder
        return here and self.build == sys.version

    @property
    def environment(self) -> tuple[str, str]:
        """A key shared by interpreters of the same environment under other paths."""
        return self.prefix, self.build

    @property
    def number(self) -> str:
        """The version as text."""
        return ".".join(map(str, self.version))

    @property
    def label(self) -> str:
        """The name in messages: `Python 3.12.1 of /srv/app/.venv`."""
        return f"Python {self.number} of {shown(Path(self.prefix))}"

    def identity(self) -> str:
        """An identity that differs for other environments, and for this one after a change."""
        return repr((self.executable, self.build, self.prefix, self.installed, self.runtime))


def shown(path: Path) -> str:
    """Return a path as a user would write it: relative below the working directory."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path != here and path.is_relative_to(here) else str(path)


def python_of(request: GenerateRequest) -> Interpreter:
    """Return the interpreter that reads the client of a request."""
    return interpreter_at(request.python, request.import_timeout)


def runtime_of(request: GenerateRequest) -> InstalledRuntime | None:
    """Return the connpool-runtime that the client's program uses."""
    return nearest_runtime(request.search.paths) or python_of(request).runtime


def interpreter_at(python: Path | None, patience: float = PATIENCE) -> Interpreter:
    """Return the interpreter at a path, or the tool's own for None; each is asked once.

    Raises RequestError for one that wrappers cannot run on, ReadError where there is no answer within
    `patience` seconds.
    """
    if python is None:
        return own()
    interpreter = asked(str(python), patience)
    if interpreter.version[:2] < OLDEST:
        raise RequestError(
            f"{python} is Python {interpreter.number}; wrappers need Python 3.11 or newer: make an "
            "environment of a newer one and name it with --python"
        )
    return interpreter


@functools.cache
def own() -> Interpreter:
    """Return the interpreter that runs the tool."""
    return read_answer(sys.executable, description.description([]))


ANSWERS: dict[tuple[str, tuple[str, ...]], Interpreter] = {}


def asked(python: str, patience: float, modules: tuple[str, ...] = ()) -> Interpreter:
    """Let an interpreter describe itself, once per run; `found` are the modules that it has."""
    key = (python, modules)
    if key not in ANSWERS:
        ANSWERS[key] = ask(python, patience, modules)
    return ANSWERS[key]


def ask(python: str, patience: float, modules: tuple[str, ...]) -> Interpreter:
    """Run an interpreter and let it describe itself.

    Raises ReadError where it cannot run, hangs, or prints: the type checker asks the interpreter too, and
    takes for the answer whatever is printed.
    """
    with tempfile.TemporaryDirectory(prefix="connpool-gen-") as folder:
        answer = Path(folder, "answer.json")
        said = run_script([python, str(SCRIPT), str(answer), *modules], patience)
        try:
            data: dict[str, Any] = json.loads(answer.read_text("utf-8"))
        except (OSError, ValueError):
            raise ReadError(
                f"{python} does not answer as Python 3.11 or newer does; {said}"
            ) from None
    return read_answer(python, data)


def run_script(command: list[str], patience: float) -> str:
    """Run the script, and describe how it ended if there is no answer."""
    python = command[0]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=patience, check=False
        )
    except subprocess.TimeoutExpired:
        raise ReadError(
            f"{python} did not start within {patience:g} s; raise --import-timeout if it is only slow"
        ) from None
    except OSError as error:
        raise ReadError(f"{python} cannot be run: {error.strerror}") from None
    if done.stdout.strip():
        first = done.stdout.decode("utf-8", "replace").strip().splitlines()[0]
        raise ReadError(
            f"{python} prints {first!r} whenever it starts, which the type checker would take for its "
            "answer: silence its sitecustomize, usercustomize or .pth file"
        )
    last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["nothing"]
    return f"it ended with exit code {done.returncode}; its last words: {last[0]}"


def read_answer(executable: str, data: dict[str, Any]) -> Interpreter:
    """Convert an interpreter's answer."""
    major, minor, micro = data["version"]
    place = data["runtime"]
    return Interpreter(
        executable=executable,
        version=(major, minor, micro),
        build=data["build"],
        prefix=data["prefix"],
        installed=tuple(data["installed"]),
        runtime=InstalledRuntime.at(Path(place).parent) if place is not None else None,
        found=tuple(data["found"]),
    )
