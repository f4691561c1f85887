"""For type checkers the wrapper is the client's twin: one run of mypy and one of pyright over all samples."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from connpool_gen.planning.ledger import Fate
from connpool_gen.reading.alias_definitions import defined_twice
from tests.codegen.made import ROOT, SAMPLES, Made, Maker
from tests.codegen.sample_clients import CLIENTS
from tests.codegen.twins import Bench, Pair, ask_mypy, set_up

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


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, sample: Callable[[str], Made]) -> Bench:
    """All wrappers of the samples in one folder, with what reveals client and wrapper side by side."""
    folder = tmp_path_factory.mktemp("twins")
    pairs: list[Pair] = []
    for name in CLIENTS:
        made = sample(name)
        stem, arguments = made.request.output_path.stem, ARGUMENTS.get(name, "")
        (folder / f"{stem}.py").write_text(made.text, "utf-8")
        members = [e.name for e in made.ledger.entries if e.fate is not Fate.SKIPPED]
        wrapper = f"{stem}:{made.request.wrapper_name}{arguments}"
        pairs.append(Pair(f"{SAMPLES}:{name}{arguments}", wrapper, members))
    return set_up(folder / "look.py", pairs)


def test_mypy_sees_twins(bench: Bench, checker_cache: Path) -> None:
    """mypy --strict finds no fault in any wrapper, and shows each member as it shows the client's."""
    folder = bench.file.parent
    search = (folder, ROOT, ROOT / "runtime")
    wrappers = sorted(folder.glob("*_pool.py"))
    faults, revealed = ask_mypy(bench, wrappers, search, checker_cache / "twins")
    assert faults == []
    differing = bench.unequal(revealed)
    assert differing.keys() == MYPY_DIFFERS.keys(), differing


def test_pyright_sees_twins(bench: Bench) -> None:
    """pyright in strict mode finds no fault either, and shows the same members."""
    folder = bench.file.parent
    config = {"extraPaths": [str(ROOT), str(ROOT / "runtime")], "strict": ["."], "include": ["."]}
    (folder / "pyrightconfig.json").write_text(json.dumps(config), "utf-8")
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
    done = subprocess.run(
        [*command, "--project", str(folder)], capture_output=True, text=True, check=False
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
    assert SAMPLES in (bench.file.parent / "parameters_pool.py").read_text("utf-8")


UNTYPED_STREAMS = """
import functools
def plainly(f):
    @functools.wraps(f)
    async def inner(*args, **kwargs):
        async for item in f(*args, **kwargs):
            yield item
    return inner
class Client:
    async def lines(self, count=1):
        yield "line"
    @plainly
    async def rows(self, count: int):
        yield 1
    async def get(self):
        return 1
"""
READS = """
from {wrapper} import ClientPool
async def read(clients: ClientPool) -> None:
    async for line in clients.lines(count=2):
        print(line)
    async for row in clients.rows(3):
        print(row)
    print(await clients.get())
"""


def test_pyright_lets_streams_without_types_be_read(maker: Maker) -> None:
    """Where an async generator of the client has no type, pyright sees no coroutine in the wrapper's."""
    made = maker.make(UNTYPED_STREAMS, verify=True)
    wrapper = maker.folder / f"{made.client.__module__}_pool.py"
    wrapper.write_text(made.text, "utf-8")
    (maker.folder / "reads.py").write_text(READS.format(wrapper=wrapper.stem), "utf-8")
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "reads.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=maker.folder)
    assert "0 errors" in done.stdout, done.stdout


TWO_WAYS = """
import sys
from typing import Union

class _Default: ...

try:
    OptionalRetry = Union[int, _Default, None]
except AttributeError:
    OptionalRetry = Union[int, object, None]  # type: ignore[misc]
if sys.version_info >= (3, 8):
    Key = Union[int, str]
else:
    Key = Union[int, str, None]

class Client:
    def get(self, key: Key, *, retry: OptionalRetry = None) -> OptionalRetry: ...
"""


def test_an_alias_that_is_a_variable_for_pyright_is_spelled_out(maker: Maker) -> None:
    """An alias with a way out (`except AttributeError`) stands for what mypy takes it for, which pyright allows; others keep their name."""
    made = maker.make(TWO_WAYS, verify=True)
    wrapper = maker.folder / f"{made.client.__module__}_pool.py"
    wrapper.write_text(made.text, "utf-8")
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, wrapper.name]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=maker.folder)
    assert "0 errors" in done.stdout, done.stdout
    text = " ".join(made.text.split())
    assert "def get( self, key: Key, *, retry: int | _Default | None = None ) ->" in text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("X = int", set()),
        ("X = int\nX = str", {"X"}),
        ("try:\n    X = int\nexcept NameError:\n    X = str", {"X"}),
        ("try:\n    X = int\nfinally:\n    Y = str", set()),
        ("if a:\n    X = int\nelif b:\n    X = str\nelse:\n    X = bytes", set()),
        ("if a:\n    X = int\nX = str", {"X"}),
        ("def f():\n    X = int\nX = str\nclass C:\n    X = int", set()),
        ("X: type = int\nX = Y = str", {"X"}),
        ("X = (", set()),
    ],
)
def test_which_names_are_defined_twice(tmp_path: Path, text: str, found: set[str]) -> None:
    """Assignments one after the other count, also on the way out of an error; branches of an `if` do not."""
    path = tmp_path / "module.py"
    path.write_text(text, "utf-8")
    assert defined_twice(str(path)) == found
