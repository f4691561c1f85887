"""Client and wrapper side by side for a type checker: each member revealed on both."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mypy import api


@dataclass(frozen=True)
class Pair:
    """A client and its wrapper, as `module:name` with type arguments, and the members to look at."""

    client: str
    wrapper: str
    members: Sequence[str]


@dataclass(frozen=True)
class Look:
    """One member, revealed on the client and on the line after it on the wrapper."""

    name: str
    line: int


@dataclass(frozen=True)
class Bench:
    """A module that reveals the members of pairs."""

    file: Path
    looks: list[Look]

    def unequal(self, revealed: dict[int, str]) -> dict[str, tuple[str, str]]:
        """The members whose type on the wrapper is not that on the client."""
        pairs = {look.name: (revealed[look.line], revealed[look.line + 1]) for look in self.looks}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def set_up(file: Path, pairs: Sequence[Pair]) -> Bench:
    """Write the module that reveals all members of all pairs."""
    modules = {name.partition(":")[0] for pair in pairs for name in (pair.client, pair.wrapper)}
    lines = [f"import {module}" for module in sorted(modules)]
    looks: list[Look] = []
    for number, pair in enumerate(pairs):
        client, wrapper = pair.client.replace(":", "."), pair.wrapper.replace(":", ".")
        lines.append(f"def look_{number}(client: {client}, wrapper: {wrapper}) -> None:")
        short = pair.client.partition(":")[2].partition("[")[0]
        for member in pair.members:
            looks.append(Look(f"{short}.{member}", len(lines) + 1))
            lines += [f"    reveal_type({owner}.{member})" for owner in ("client", "wrapper")]
    file.write_text("\n".join([*lines, ""]), "utf-8")
    return Bench(file, looks)


def ask_mypy(
    bench: Bench, files: Sequence[Path], search: Sequence[Path], cache: Path
) -> tuple[list[str], dict[int, str]]:
    """Run mypy --strict over the bench and other files: its findings, and what it revealed by line."""
    options = ["--strict", "--config-file=", "--explicit-package-bases", "--no-error-summary"]
    options += ["--no-pretty", "--hide-error-context", f"--cache-dir={cache}"]
    with mypy_path(search):
        report, crash, _ = api.run([*options, *map(str, files), str(bench.file)])
    assert crash == ""
    note = re.compile(rf'\S*{bench.file.name}:(\d+): note: Revealed type is "(.*)"')
    lines = report.splitlines()
    found = [match for line in lines if (match := note.fullmatch(line))]
    faults = [line for line in lines if not note.fullmatch(line)]
    return faults, {int(match[1]): without_numbers(match[2]) for match in found}


@contextmanager
def mypy_path(folders: Sequence[Path]) -> Iterator[None]:
    """Let mypy look for modules in folders."""
    before = os.environ.get("MYPYPATH")
    os.environ["MYPYPATH"] = os.pathsep.join(map(str, folders))
    try:
        yield
    finally:
        os.environ.pop("MYPYPATH")
        if before is not None:
            os.environ["MYPYPATH"] = before


def without_numbers(revealed: str) -> str:
    """A type without mypy's numbers of type variables."""
    return re.sub(r"`-?\d+", "", revealed)
