"""For type checkers the wrapper is the client's twin: one run of mypy and one of pyright over all samples."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from mypy import api

from connpool_gen.ledger import Fate
from tests.codegen.made import ROOT, SAMPLES, Made
from tests.codegen.sample_clients import CLIENTS

# The type arguments with which a generic client is looked at.
ARGUMENTS = {"Box": "[int, str]"}
# Members whose type one checker shows in another way than the client's, each for its reason.
MYPY_DIFFERS = {
    "Outer.Inner.Answer": "a class that a property gives is a type[...], no longer a constructor",
}
PYRIGHT_DIFFERS = {
    "AsyncStreams.later": "the wrapper is an `async def`, whose coroutine pyright knows more closely",
    "AsyncStreams.hidden": "the wrapper is an `async def`, whose coroutine pyright knows more closely",
    "Receivers.mangled": "parameters that cannot be named are shown with other names",
}


@dataclass(frozen=True)
class Look:
    """One member, revealed on the client and on the wrapper, on two lines of a module."""

    name: str
    line: int


@dataclass(frozen=True)
class Bench:
    """A folder with all wrappers of the samples and a module that reveals their members."""

    folder: Path
    looks: list[Look]

    def unequal(self, revealed: dict[int, str]) -> dict[str, tuple[str, str]]:
        """The members whose type on the wrapper is not that on the client."""
        pairs = {look.name: (revealed[look.line], revealed[look.line + 1]) for look in self.looks}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, sample: Callable[[str], Made]) -> Bench:
    """Write every sample's wrapper, and what reveals client and wrapper side by side."""
    folder = tmp_path_factory.mktemp("twins")
    lines = ["from tests.codegen import sample_clients"]
    looks: list[Look] = []
    for name in CLIENTS:
        made = sample(name)
        stem = made.request.output_path.stem
        (folder / f"{stem}.py").write_text(made.text, "utf-8")
        lines += [
            f"from {stem} import {made.request.wrapper_name}",
            f"def look_{stem}(client: sample_clients.{name}{ARGUMENTS.get(name, '')},",
            f"    wrapper: {made.request.wrapper_name}{ARGUMENTS.get(name, '')}) -> None:",
        ]
        for entry in made.ledger.entries:
            if entry.fate is not Fate.SKIPPED:
                looks.append(Look(f"{name}.{entry.name}", len(lines) + 1))
                lines += [
                    f"    reveal_type({owner}.{entry.name})" for owner in ("client", "wrapper")
                ]
    (folder / "look.py").write_text("\n".join([*lines, ""]), "utf-8")
    return Bench(folder, looks)


def test_mypy_sees_twins(
    bench: Bench, checker_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """mypy --strict finds no fault in any wrapper, and shows each member as it shows the client's."""
    monkeypatch.setenv("MYPYPATH", f"{bench.folder}:{ROOT}:{ROOT / 'runtime'}")
    files = sorted(str(path) for path in bench.folder.glob("*.py"))
    options = ["--strict", "--config-file=", "--explicit-package-bases", "--no-error-summary"]
    options += ["--no-pretty", "--hide-error-context", f"--cache-dir={checker_cache / 'twins'}"]
    report, crash, _ = api.run([*options, *files])
    assert crash == ""
    faults = [line for line in report.splitlines() if ": note: Revealed type" not in line]
    assert faults == []
    found = re.findall(r'look\.py:(\d+): note: Revealed type is "(.*)"', report)
    differing = bench.unequal({int(line): comparable(text) for line, text in found})
    assert differing.keys() == MYPY_DIFFERS.keys(), differing


def test_pyright_sees_twins(bench: Bench) -> None:
    """pyright in strict mode finds no fault either, and shows the same members."""
    config = {"extraPaths": [str(ROOT), str(ROOT / "runtime")], "strict": ["."], "include": ["."]}
    (bench.folder / "pyrightconfig.json").write_text(json.dumps(config), "utf-8")
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
    done = subprocess.run(
        [*command, "--project", str(bench.folder)], capture_output=True, text=True, check=False
    )
    diagnostics = json.loads(done.stdout)["generalDiagnostics"]
    faults = [
        f"{Path(d['file']).name}:{d['range']['start']['line'] + 1}: {d['message']}"
        for d in diagnostics
        if d["severity"] in ("error", "warning")
    ]
    assert faults == []
    revealed = {
        d["range"]["start"]["line"] + 1: found[1]
        for d in diagnostics
        if (found := re.fullmatch(r'Type of "[\w.]+" is "(.*)"', d["message"], re.DOTALL))
    }
    differing = bench.unequal({line: without_defaults(text) for line, text in revealed.items()})
    assert differing.keys() == PYRIGHT_DIFFERS.keys(), differing


def comparable(revealed: str) -> str:
    """A type without mypy's numbers of type variables."""
    return re.sub(r"`-?\d+", "", revealed)


def without_defaults(revealed: str) -> str:
    """A type as pyright shows it, without the source of default values."""
    shown = ""
    depth, hidden, quote = 0, None, ""
    for index, char in enumerate(revealed):
        if quote:
            escaped = revealed[index - 1] == "\\" != revealed[index - 2]
            quote = quote if char != quote or escaped else ""
        elif char in "'\"" and hidden is not None:
            quote = char
        elif char in "([{":
            depth += 1
        elif hidden == depth and char in ",)":
            hidden = None
        if char in ")]}" and not quote:
            depth -= 1
        if hidden is None and revealed.startswith(" = ", index):
            hidden = depth
            shown += " = ..."
        shown += char if hidden is None else ""
    return shown


@pytest.mark.parametrize(
    ("revealed", "expected"),
    [
        ("(a: int = 1, *, b: str) -> None", "(a: int = ..., *, b: str) -> None"),
        ("(a: (x: int = f(1, [2])) -> int = g(')', \"(\"), b: int)", "(a: (x: int = ...) -> int = ..., b: int)"),
        ("(a: str = '\\\\', b: str = 'it\\'s, (', c: int = {1: (2,)}) -> int", "(a: str = ..., b: str = ..., c: int = ...) -> int"),
    ],
)  # fmt: skip
def test_defaults_are_left_out_of_the_comparison(revealed: str, expected: str) -> None:
    """Only the text of a default is dropped: that there is one still counts."""
    assert without_defaults(revealed) == expected


def test_every_sample_is_looked_at(bench: Bench) -> None:
    """The twins above are all members of all samples, not those that happened to be found."""
    assert {look.name.partition(".")[0] for look in bench.looks} == {
        name.partition(".")[0] for name in CLIENTS
    }
    assert len(bench.looks) > 100
    assert SAMPLES in (bench.folder / "parameters_pool.py").read_text("utf-8")
