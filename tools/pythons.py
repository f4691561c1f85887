"""Runs the tests on every Python of this machine, and says loudly which are not here: `make pythons`.

Pythons are looked for in pyenv and on the PATH; `PYTHONS=/path/to/python:/another` adds others. Each gets an environment
of its own in `build/pythons`. On a build without the interpreter lock the tests do without the libraries that have no package
for it (`NOT_PACKAGED`); on 3.13 there are so many of these that only the runtime is tested (`requirements/free-threaded.in`).
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
WANTED = ("3.11", "3.12", "3.13", "3.13t", "3.14", "3.14t", "3.15", "3.15t")
ASK = (
    "import sys; free = not getattr(sys, '_is_gil_enabled', lambda: True)();"
    " print('%d.%d%s' % (*sys.version_info[:2], 't' * free), '%d.%d.%d' % sys.version_info[:3])"
)
QUIET = ("-m", "pip", "--disable-pip-version-check", "--quiet", "install")
TESTS = ("tests/runtime", "tests/codegen", "tests/generated")
TESTS_OF_RUNTIME = ("tests/runtime",)
_OF_GRPC = ("grpcio", "grpcio-health-checking", "faiss-cpu", "milvus-lite", "orjson", "pymilvus")
# What has no package for a build without the interpreter lock, or needs what has none.
NOT_PACKAGED = {
    "3.14t": (*_OF_GRPC, "pyyaml-ft"),
    "3.15t": (*_OF_GRPC, "pyyaml-ft", "numpy", "watchfiles"),
}


class Python(NamedTuple):
    """An interpreter: what it is ("3.13", "3.13t"), its whole version, and where it is."""

    kind: str
    version: str
    path: Path

    @property
    def is_runtime_only(self) -> bool:
        """Whether too many libraries have no package for it to test more than the runtime."""
        return self.kind == "3.13t"


class Run(NamedTuple):
    """How the tests went on a Python."""

    python: Python
    passed: bool
    summary: str
    seconds: float


def candidates() -> Iterator[Path]:
    """Yield paths that may be interpreters: named ones, then those of pyenv, newest first, then the PATH's."""
    for named in filter(None, os.environ.get("PYTHONS", "").split(os.pathsep)):
        yield Path(named)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    versions = sorted((pyenv / "versions").glob("3.*"), key=_numbers, reverse=True)
    for folder in versions:
        yield from folder.glob("bin/python3.*t")
        yield folder / "bin" / "python"
    for kind in WANTED:
        if (found := shutil.which(f"python{kind}")) is not None:
            yield Path(found)


def _numbers(folder: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", folder.name)]


def ask(path: Path) -> Python | None:
    """Ask an interpreter what it is; None if it does not answer."""
    try:
        done = subprocess.run(
            [path, "-c", ASK], capture_output=True, encoding="utf-8", check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return None
    kind, version = done.stdout.split()
    return Python(kind, version, path)


def find(paths: Iterator[Path]) -> dict[str, Python]:
    """Return the first interpreter of each kind that is wanted, in the order of `WANTED`."""
    found: dict[str, Python] = {}
    for path in paths:
        python = ask(path) if path.exists() else None
        if python is not None:
            found.setdefault(python.kind, python)
    return {kind: found[kind] for kind in WANTED if kind in found}


def pinned_without(pinned: str, names: Collection[str]) -> str:
    """Return exported requirements, whose hashes stand in indented lines below each, without some packages."""
    entries = re.split(r"\n(?=\w)", pinned)
    return "\n".join(entry for entry in entries if entry.partition("==")[0] not in names)


def environment(python: Python) -> Path:
    """Make the environment of a Python, unless it is there; return its interpreter."""
    folder = ROOT / "build" / "pythons" / f"{python.kind}-{python.version}"
    stamp, inside = folder / ".installed", folder / "bin" / "python"
    runtime_only = python.is_runtime_only
    requirements = ROOT / "requirements" / ("free-threaded.in" if runtime_only else "dev.txt")
    if stamp.exists() and stamp.stat().st_mtime > requirements.stat().st_mtime:
        return inside
    subprocess.run([python.path, "-m", "venv", "--clear", folder], check=True)
    how = ["--prefer-binary"] if runtime_only else ["--require-hashes"]
    if (without := NOT_PACKAGED.get(python.kind)) is not None:
        how += ["--no-deps"]  # what needs a library that is left out would ask for it
        pinned = pinned_without(requirements.read_text("utf-8"), without)
        requirements = folder / "requirements.txt"
        requirements.write_text(pinned, "utf-8")
    subprocess.run([inside, *QUIET, *how, "-r", requirements], check=True)
    own = ["-e", str(ROOT / "runtime")]
    if not runtime_only:
        own += ["-e", str(ROOT)]
    subprocess.run([inside, *QUIET, "--no-deps", "--no-build-isolation", *own], check=True)
    stamp.touch()
    return inside


def run(python: Python, jobs: str, selection: list[str]) -> Run:
    """Run the tests on a Python."""
    began = time.monotonic()
    try:
        inside = environment(python)
    except subprocess.CalledProcessError as error:
        return Run(python, False, f"no environment: {error}", time.monotonic() - began)
    tests = selection or (TESTS_OF_RUNTIME if python.is_runtime_only else TESTS)
    command = [inside, "-m", "pytest", "-q", "-n", jobs, "-p", "no:cacheprovider", *tests]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, encoding="utf-8") as tested:
        last = ""
        for line in tested.stdout or ():
            print(line, end="", flush=True)
            last = line.strip() or last
    return Run(python, tested.returncode == 0, last, time.monotonic() - began)


def report(runs: list[Run], found: Collection[str]) -> str:
    """Say how it went on each Python, and which were not here."""
    lines = ["", "Pythons:"]
    for python, passed, summary, seconds in runs:
        word = "passed" if passed else "FAILED"
        lines.append(f"  {python.version:<9} {python.kind:<6} {word} in {seconds:.0f} s: {summary}")
    lines += [
        f"  {kind:<16} NOT RUN: it is neither in pyenv nor on the PATH nor in PYTHONS"
        for kind in WANTED
        if kind not in found
    ]
    return "\n".join(lines)


def main() -> int:
    """Run the tests on every Python; 1 if they failed on one of them, or if there is none."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--jobs", default="2", help="tests at a time")
    parser.add_argument("--only", action="append", choices=WANTED, help="this Python only")
    parser.add_argument("tests", nargs="*", help="other tests than all of the two packages'")
    given = parser.parse_args()
    found = find(candidates())
    runs = [
        run(python, given.jobs, given.tests)
        for kind, python in found.items()
        if not given.only or kind in given.only
    ]
    print(report(runs, found))
    return 0 if runs and all(one.passed for one in runs) else 1


if __name__ == "__main__":
    sys.exit(main())
