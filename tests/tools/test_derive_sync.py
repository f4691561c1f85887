"""The tool that makes synchronous modules from asynchronous ones."""

import textwrap
from pathlib import Path

import pytest

from tools import derive_sync
from tools.derive_sync import NAMES, PHRASES, REGION_HEADER, DeriveError, Rules, Source


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime of its own, with nothing written by hand."""
    monkeypatch.setattr(derive_sync, "RUNTIME", tmp_path)
    monkeypatch.setattr(derive_sync, "BY_HAND", {})
    monkeypatch.setattr(derive_sync, "NAMES", {})
    monkeypatch.setattr(derive_sync, "PHRASES", {})
    return tmp_path


def derived(text: str, tmp_path: Path, name: str = "async_x.py") -> str:
    """Return what is made of a source, without the header."""
    path = tmp_path / name
    path.write_text(textwrap.dedent(text))
    result = Source(path).derive(Rules(NAMES, PHRASES))
    return result.partition("\n")[2]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param("async def f(): pass", "def f():\n    pass\n", id="async def"),
        pytest.param("x = await f()", "x = f()\n", id="await"),
        pytest.param("x = (await f()).y", "x = f().y\n", id="await in parentheses"),
        pytest.param("x = (await a or b).y", "x = (a or b).y\n", id="other parentheses"),
        pytest.param("x = (await (a or b)).y", "x = (a or b).y\n", id="parentheses twice"),
        pytest.param("async with a as b: c", "with a as b:\n    c\n", id="async with"),
        pytest.param("async for a in b: c", "for a in b:\n    c\n", id="async for"),
        pytest.param("x = [a async for a in b]", "x = [a for a in b]\n", id="comprehension"),
        pytest.param("x: Awaitable[int]", "x: int\n", id="awaitable"),
        pytest.param("x: Callable[[], Awaitable[int] | int]", "x: Callable[[], int]\n", id="union"),
        pytest.param("x: str | int | Awaitable[int]", "x: str | int\n", id="longer union"),
        pytest.param("x: Coroutine[Any, Any, list[int]]", "x: list[int]\n", id="coroutine"),
        pytest.param("x = await resolve(f())", "x = f()\n", id="resolve"),
        pytest.param("aclose = close", "", id="alias of itself"),
        pytest.param("close = aclose = stop", "close = stop\n", id="alias twice"),
        pytest.param("class AsyncX(_AsyncY): pass", "class X(_Y):\n    pass\n", id="Async"),
        pytest.param("open_async_pool(async_of)", "open_pool(of)\n", id="async_"),
        pytest.param("x.__aenter__, x.__aexit__", "x.__enter__, x.__exit__\n", id="dunders"),
        pytest.param("x.aclose()", "x.close()\n", id="aclose"),
        pytest.param("tasks.Gate()", "threads.Gate()\n", id="tasks"),
        pytest.param("asynchronous = Asynchron", "asynchronous = Asynchron\n", id="no prefix"),
        pytest.param('x = "AsyncX of tasks"', 'x = "X of threads"\n', id="names in strings"),
        pytest.param('x = f"AsyncX {AsyncY}"', 'x = f"X {Y}"\n', id="names in f-strings"),
        pytest.param("x  # an `AsyncX`", "x  # an `X`\n", id="names in comments"),
        pytest.param(
            "# is cancelled\nx = 1  #   y", "# is interrupted\nx = 1  #   y\n", id="phrase"
        ),
        pytest.param("cancelled = 1", "cancelled = 1\n", id="a phrase is not for code"),
    ],
)
def test_each_rule(source: str, expected: str, tmp_path: Path) -> None:
    """The synchronous text says the same without an event loop."""
    assert derived(source, tmp_path) == expected


def test_a_phrase_may_be_broken_over_two_lines(tmp_path: Path) -> None:
    """A phrase is found across the end of a line, and what replaces it is broken there too."""
    source = '''
        """Summary. For the tasks
        of one event loop.
        """
    '''
    assert derived(source, tmp_path) == '\n"""Summary. Safe\nfor threads.\n"""\n'


def test_forks_are_resolved(tmp_path: Path) -> None:
    """Of a fork the synchronous text has only the second branch, with the comment above it."""
    source = """
        from connpool_runtime._concurrency.tasks import ASYNC, Gate

        gate = Gate()
        # Why they differ.
        if ASYNC:
            x = 1
        else:
            x = 2
            y = 3
        if not ASYNC:
            z = 4
        if ASYNC:
            only_async = 5
        w = 6 if ASYNC else 7
    """
    expected = """
        from connpool_runtime._concurrency.threads import Gate

        gate = Gate()
        # Why they differ.
        x = 2
        y = 3
        z = 4
        w = 7
    """
    assert derived(source, tmp_path).strip() == textwrap.dedent(expected).strip()


def test_forks_have_two_branches(tmp_path: Path) -> None:
    """A third branch is refused, since nobody could say which text has it."""
    with pytest.raises(DeriveError, match="elif"):
        derived("if ASYNC:\n    x = 1\nelif y:\n    x = 2\n", tmp_path)


def test_imports_that_nothing_needs_go(tmp_path: Path) -> None:
    """What only the asynchronous text needs is not imported, and the rest is sorted anew."""
    source = """
        from collections.abc import Awaitable, Callable

        from connpool_runtime._concurrency.tasks import resolve


        async def run(work: Callable[[], Awaitable[int] | int]) -> int:
            return await resolve(work())
    """
    expected = """
        from collections.abc import Callable


        def run(work: Callable[[], int]) -> int:
            return work()
    """
    assert derived(source, tmp_path).strip() == textwrap.dedent(expected).strip()


def test_what_is_left_of_asyncio_is_refused(tmp_path: Path) -> None:
    """A source that needs asyncio beyond `_concurrency/` cannot be derived."""
    with pytest.raises(DeriveError, match="asyncio"):
        derived("import asyncio\n\nasyncio.get_running_loop()\n", tmp_path)


def test_one_file_with_both_kinds(tmp_path: Path) -> None:
    """Below the marker stands what is made of the definitions for tasks above it, and of no other."""
    path = tmp_path / "x.py"
    path.write_text(
        "def shared():\n    pass\n\n\nasync def run_async():\n    await y_async()\n\n\n"
    )
    path.write_text(path.read_text() + REGION_HEADER + "\n\ndef stale():\n    pass\n")
    rules = Rules({**NAMES, r"_async$": ""}, PHRASES)
    text = Source(path).derive(rules)
    above, _, below = text.partition(REGION_HEADER)
    assert "async def run_async" in above
    assert below.strip() == "def run():\n    y()"
    path.write_text(text)
    assert Source(path).derive(rules) == text


def test_writing_and_checking(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run writes what is out of date; a check writes nothing, shows a diff, and ends with 1."""
    (folder / "async_x.py").write_text("async def f():\n    pass\n")
    target = folder / "x.py"
    assert derive_sync.main(["--check"]) == 1
    assert "+def f():" in capsys.readouterr().out
    assert not target.exists()
    assert derive_sync.main([]) == 0
    assert target.read_text() == (
        "# Made by tools/derive_sync.py from async_x.py; edit that.\ndef f():\n    pass\n"
    )
    capsys.readouterr()
    assert derive_sync.main(["--check"]) == 0
    assert derive_sync.main([]) == 0
    assert capsys.readouterr().out == ""
    target.write_text(target.read_text() + "edited = True\n")
    assert derive_sync.main(["--check", str(folder / "async_x.py")]) == 1
    assert "-edited = True" in capsys.readouterr().out


@pytest.mark.parametrize("table", ["NAMES", "PHRASES"])
def test_a_rule_that_is_not_needed_is_an_error(
    table: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule that no source needs stops the run, so that the tables describe what there is."""
    (folder / "async_x.py").write_text("x = 1  # needed\n")
    monkeypatch.setattr(derive_sync, table, {"needed": "used", "useless": "never"})
    assert derive_sync.main([]) == 2
    assert capsys.readouterr().err == "derive_sync: no source needs these rules: useless\n"
    assert not (folder / "x.py").exists()


def test_what_is_written_by_hand_must_exist(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list of exceptions names modules that are there, and they are left alone."""
    (folder / "async_x.py").write_text("x = 1\n")
    monkeypatch.setattr(derive_sync, "BY_HAND", {"async_x.py": "a reason"})
    assert derive_sync.main([]) == 0
    assert not (folder / "x.py").exists()
    monkeypatch.setattr(derive_sync, "BY_HAND", {"async_y.py": "a reason"})
    assert derive_sync.main([]) == 2
    assert "async_y.py" in capsys.readouterr().err


def test_the_runtime_is_derived() -> None:
    """All derived modules of the runtime are what the tool makes of their sources."""
    assert derive_sync.main(["--check"]) == 0
