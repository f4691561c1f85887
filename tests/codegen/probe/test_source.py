"""What the probe takes from source files without parsing them whole."""

import ast
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connpool_gen.probe.source import function_at, imports_in, runs_coroutines

SOURCE = '''
class Client:
    def __init__(self, kv=len):
        """Text
that stands further left than the code."""
        self.kv = kv

    @staticmethod
    @(lambda f: f)
    async def get(key=(
        max
    )): return key

    both = lambda self, x=min: x; other = 1


def changed(a=1): ...
'''


@pytest.fixture
def module(tmp_path: Path) -> Any:
    file = tmp_path / "source_of_a_client.py"
    file.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.mark.parametrize(
    ("get", "default"),
    [(lambda m: m.Client.__init__, "len"), (lambda m: m.Client.get, "max")],
)
def test_a_function_is_found_as_written(
    module: Any, get: Callable[[Any], object], default: str
) -> None:
    """However it is indented and decorated, with its defaults as they stand there."""
    found = function_at(get(module))
    assert found is not None
    assert ast.unparse(found.args.defaults[0]) == default


def test_what_is_no_definition_is_not_found(module: Any) -> None:
    """Lambdas, classes, and functions without source have none."""
    for one in (module.Client.both, module.Client, len, None):
        assert function_at(one) is None


def test_a_file_that_changed_tells_nothing(module: Any, tmp_path: Path) -> None:
    """What stands at the line of the function is another one, or nothing that parses."""
    file = tmp_path / "source_of_a_client.py"
    file.write_text(SOURCE.replace("changed", "renamed"))
    assert function_at(module.changed) is None


def test_imports_are_found_wherever_they_stand(tmp_path: Path) -> None:
    """Over several lines, relative, in functions; what only looks like one does no harm."""
    file = tmp_path / "imports.py"
    file.write_text(
        "from .a import (\n    b,  # (why)\n    c as d,\n)\nfrom x import y, \\\n    z\n"
        "def f():\n    from ..deep.er import q\ntext = '''\nfrom here import (it is\n'''\n"
        "from last import thing"
    )
    found = [
        (node.level, node.module, [(alias.name, alias.asname) for alias in node.names])
        for node in imports_in(str(file))
    ]
    assert found == [
        (1, "a", [("b", None), ("c", "d")]),
        (0, "x", [("y", None), ("z", None)]),
        (2, "deep.er", [("q", None)]),
        (0, "last", [("thing", None)]),
    ]


@pytest.mark.parametrize(
    ("body", "runs"),
    [
        ("return asyncio.run(f(*a))", True),
        ("return run(f, *a)", True),
        ("return async_to_sync(f)(*a)", True),
        ("return run_coroutine_threadsafe(f(*a), loop).result()", True),
        ("coroutine = f(*a); return self._loop.run_until_complete(coroutine)", True),
        ("return f(*a)", False),
        ("self.run_hooks(); return f(*a)", False),
        ("coroutine = f(*a); self.sync_state(); return coroutine", False),
        ("result = asyncio.run(f(*a)); return result", True),
        ("return asyncio.ensure_future(f(*a))", False),
        ("def inner(): return asyncio.run(f(*a))\n    return f", False),
    ],
)
def test_a_decorator_that_runs_coroutines_is_known_by_what_it_calls(body: str, runs: bool) -> None:
    """A function that returns what it wraps leaves the coroutine to its caller, whatever else it runs."""
    [node] = ast.parse(f"def outer(self, *a):\n    {body}").body
    assert isinstance(node, ast.FunctionDef)
    assert runs_coroutines(node) is runs
