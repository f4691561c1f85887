"""What the client calls deprecated, the wrapper does: for type checkers, and in the line that calls."""

import inspect
import warnings
from collections.abc import Iterator
from textwrap import dedent
from typing import Any

import pytest
from mypy import api

from tests.codegen.made import ROOT, Made, Maker

SOURCE = '''
from __future__ import annotations
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, overload
from typing_extensions import deprecated


class Tired(UserWarning): ...


class Client:
    @deprecated("""use "fetch"
        instead""")
    def get(self, key: str) -> str:
        return key
    @deprecated("tired", category=Tired)
    def tired(self) -> int:
        return 1
    @deprecated("for checkers", category=None)
    def silent(self) -> int:
        return 1
    @overload
    @deprecated("use text")
    def two(self, key: int) -> int: ...
    @overload
    def two(self, key: str) -> str: ...
    def two(self, key: Any) -> Any:
        return key
    @property
    @deprecated("no host")
    def host(self) -> str:
        return "h"
    @classmethod
    @deprecated("no make")
    def make(cls) -> int:
        return 1
    @deprecated("no lines")
    @contextmanager
    def lines(self) -> Iterator[int]:
        yield 1
    def fresh(self) -> int:
        return 1


class AsyncClient:
    @deprecated("use fetch")
    async def get(self, key: str) -> str:
        return key
'''


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, checker_cache: Any) -> Made:
    """The wrapper of a client that calls most of its members deprecated."""
    return Maker(tmp_path_factory.mktemp("deprecated"), checker_cache).make(SOURCE, verify=True)


@pytest.fixture
def said() -> Iterator[list[warnings.WarningMessage]]:
    """All warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught


def of_this_file(said: list[warnings.WarningMessage]) -> list[tuple[str, str]]:
    """Class and text of the warnings that name a line of this file."""
    return [(w.category.__name__, str(w.message)) for w in said if w.filename == __file__]


@pytest.mark.parametrize(
    ("use", "expected"),
    [
        (lambda w: w.get("k"), ("DeprecationWarning", 'use "fetch"\n        instead')),
        (lambda w: w.tired(), ("Tired", "tired")),
        (lambda w: w.host, ("DeprecationWarning", "no host")),
        (lambda w: w.make(), ("DeprecationWarning", "no make")),
        (lambda w: w.lines(), ("DeprecationWarning", "no lines")),
    ],
)
def test_a_call_warns_in_the_line_that_calls(
    made: Made, said: list[warnings.WarningMessage], use: Any, expected: tuple[str, str]
) -> None:
    """The warning has the client's class and text, and names the user's line, not the wrapper's."""
    use(made.over(made.client()))
    assert of_this_file(said) == [expected]


def test_a_call_warns_only_where_the_clients_does(
    made: Made, said: list[warnings.WarningMessage]
) -> None:
    """What only type checkers say of the client, only they say of the wrapper."""
    wrapper = made.over(made.client())
    assert (wrapper.silent(), wrapper.two(1), wrapper.fresh()) == (1, 1, 1)
    assert said == []


@pytest.mark.parametrize("mode", ["pool", "drop-in", "protocol"])
def test_type_checkers_warn(maker: Maker, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each use of a deprecated member is reported, each overload on its own, and nothing in the wrapper."""
    made = maker.make(SOURCE, mode=mode, verify=True)
    folder = maker.folder / "typed"
    folder.mkdir()
    stem = made.request.output_path.stem
    (folder / f"{stem}.py").write_text(made.text, "utf-8")
    kind = "ClientProtocol" if mode == "protocol" else "ClientPool"
    use = dedent(f"""
        from {stem} import *
        def look(w: {kind}) -> None:
            w.get("k")
            w.tired()
            w.silent()
            w.two(1)
            w.two("k")
            w.host
            w.lines()
            w.fresh()
        """)
    (folder / "use.py").write_text(use, "utf-8")
    monkeypatch.setenv("MYPYPATH", f"{maker.folder}:{folder}:{ROOT / 'runtime'}")
    options = ["--strict", "--config-file=", "--explicit-package-bases", "--no-error-summary"]
    options += ["--enable-error-code=deprecated", f"--cache-dir={maker.cache_dir / 'modes'}"]
    report, crash, _ = api.run([*options, str(folder)])
    assert crash == ""
    lines = [line.split(":")[1] for line in report.splitlines() if ".py:" in line]
    assert (lines, "[deprecated]" in report) == (["4", "5", "6", "7", "9", "10"], True)


def test_a_deprecated_coroutine_stays_one(
    maker: Maker, said: list[warnings.WarningMessage]
) -> None:
    """The call warns, not the task that awaits it, and what it gives can be awaited."""
    made = maker.make(SOURCE, client="AsyncClient", verify=True)
    coroutine = made.wrapper().get("k")
    assert inspect.iscoroutine(coroutine)
    coroutine.close()
    assert of_this_file(said) == [("DeprecationWarning", "use fetch")]
