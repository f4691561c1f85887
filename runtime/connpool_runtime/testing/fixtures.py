"""Fixtures for pytest.

A suite opts in by one line in its conftest.py:

    pytest_plugins = ["connpool_runtime.testing.fixtures"]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pytest

from connpool_runtime.testing.clock import FakeClock
from connpool_runtime.testing.script import Script

__all__ = ["FillPool", "fake_clock", "fill_pool"]

FillPool: TypeAlias = Callable[..., dict[str, Script]]


@pytest.fixture
def fake_clock() -> FakeClock:
    """A clock that stands still until it is moved."""
    return FakeClock()


@pytest.fixture
def fill_pool(fake_clock: FakeClock) -> Iterator[FillPool]:
    """Fill a pool with scripted clients: `fill_pool(pool, Client, "a", "b")` returns their scripts.

    At the end of the test all clients are released, and no call may still hold a member: it would
    never be given back in production either.
    """
    filled: list[tuple[Any, dict[str, Script]]] = []

    def fill(pool: Any, kind: type[Any], *names: str) -> dict[str, Script]:
        scripts = {name: Script(name, clock=fake_clock) for name in names}
        filled.append((pool, scripts))
        for name, script in scripts.items():
            pool.add_client(script.client(kind), name=name)
        return scripts

    yield fill
    for pool, scripts in filled:
        for script in scripts.values():
            script.release()
        assert pool.stats().in_flight == 0, f"a call was never given back: {pool!r}"
