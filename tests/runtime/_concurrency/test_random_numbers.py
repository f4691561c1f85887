"""What pools draw is apart from what a program draws."""

import ast
import random
from pathlib import Path

import pytest

import connpool_runtime
from connpool_runtime import Method, Pool
from connpool_runtime._concurrency.random_numbers import draw, generator
from connpool_runtime.middleware import Retry
from tests.runtime.forking import forks, in_child

pytestmark = forks  # one test forks, and none minds

OWN = "random_numbers.py"


def draws() -> list[float]:
    return [draw() for _ in range(4)]


def test_a_seed_of_the_program_does_not_reach_pools() -> None:
    """Processes that seed `random` alike draw different jitter."""
    random.seed(1)
    first = draws()
    random.seed(1)
    assert draws() != first


def test_pools_take_nothing_of_what_the_program_draws() -> None:
    """A program that seeds `random` draws the same numbers, whatever its pools do meanwhile."""
    random.seed(1)
    before = random.getstate()
    pool = Pool[str]("test", balancer="random", max_fails=1)
    pool.register_middleware(Retry(base=0.0))
    for name in "abc":
        pool.add_client(name, name)

    def fail(_client: str, _call: object) -> None:
        raise ConnectionRefusedError

    with pytest.raises(ConnectionRefusedError):
        pool.call(Method("fail", fail, idempotent=True))
    pool.close()
    assert random.getstate() == before


def test_no_module_draws_from_the_program() -> None:
    """Only one module of the runtime imports `random`."""
    folder = Path(connpool_runtime.__file__).parent
    found = {path.name for path in folder.rglob("*.py") if "random" in imported(path)}
    assert found == {OWN}


def imported(path: Path) -> set[str]:
    """Return the names of modules that a file imports, wherever in it."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    whole = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    return whole | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


def test_children_draw_other_numbers() -> None:
    """Two children of the same parent draw different numbers, and so does the parent."""
    state = generator.getstate()
    children = [in_child(draws) for _ in range(2)]
    assert generator.getstate() == state
    assert len({*children, str(draws())}) == 3
