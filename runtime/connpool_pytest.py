"""A plugin of pytest for code that uses pools; pytest loads it where connpool-runtime is installed.

It stands outside of the package, because every run of pytest imports it: the runtime is imported by the first
fixture that is used. Options of a suite, in pytest.ini or under `[tool.pytest.ini_options]`:

    connpool_testing = true         # no `Retry` of any test waits, or tries again
    connpool_attempts = 2           # but tries so often at most
    connpool_check_leaks = true     # each test is checked as if it asked for `connpool_leaks`

Needs pytest.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

if TYPE_CHECKING:
    from connpool_runtime.middleware import Chaos, Harm
    from connpool_runtime.testing import FakeClock, LeakWatch, Script

__all__ = [
    "MakeChaos",
    "MakePool",
    "MakeScripts",
    "connpool_chaos",
    "connpool_clock",
    "connpool_leaks",
    "connpool_pool",
    "connpool_scripts",
    "connpool_testing",
]

MakePool: TypeAlias = Callable[..., Any]
MakeScripts: TypeAlias = "Callable[..., dict[str, Script]]"
MakeChaos: TypeAlias = "Callable[[Any, Harm], Chaos]"

_TESTING, _ATTEMPTS, _LEAKS = "connpool_testing", "connpool_attempts", "connpool_check_leaks"


def pytest_addoption(parser: pytest.Parser) -> None:
    """State the options."""
    parser.addini(_TESTING, "let no Retry wait or try again, in the whole run", "bool", False)
    parser.addini(_ATTEMPTS, "how often calls are tried where connpool_testing is set", default="1")
    parser.addini(_LEAKS, "fail each test that leaves a client of a pool taken", "bool", False)


@pytest.fixture(scope="session", autouse=True)
def _connpool_testing_of_the_suite(pytestconfig: pytest.Config) -> Iterator[None]:
    """Set the testing mode for the whole run, if the suite says so."""
    if not pytestconfig.getini(_TESTING):
        yield
        return
    with _testing(pytestconfig):
        yield


@pytest.fixture(autouse=True)
def _connpool_leaks_of_the_suite(request: pytest.FixtureRequest) -> None:
    """Check each test for leaks, if the suite says so."""
    if request.config.getini(_LEAKS):
        request.getfixturevalue("connpool_leaks")


@pytest.fixture
def connpool_testing(pytestconfig: pytest.Config) -> Iterator[None]:
    """Let all `Retry` wait for nothing and try once, or `connpool_attempts` times, in this test."""
    with _testing(pytestconfig):
        yield


@pytest.fixture
def connpool_clock() -> FakeClock:
    """A clock that stands still until it is moved, by `sleep`."""
    from connpool_runtime.testing import FakeClock

    return FakeClock()


@pytest.fixture
def _connpool_made() -> Iterator[list[Any]]:
    """The pools that a test has made, which are closed once it has been checked for leaks."""
    made: list[Any] = []
    yield made
    for pool in made:
        _close(pool)


@pytest.fixture
def connpool_leaks(_connpool_made: list[Any]) -> Iterator[LeakWatch]:
    """Fail the test at its end if it left a client of any pool taken: by a call, a lease or a stream."""
    from connpool_runtime.testing import LeakWatch

    watch = LeakWatch()
    yield watch
    if left := watch.taken():
        pytest.fail(
            "the test left clients taken, which would never be given back in production either:\n"
            + "\n".join(map(str, left)),
            pytrace=False,
        )


@pytest.fixture
def connpool_pool(
    connpool_clock: FakeClock, connpool_leaks: LeakWatch, _connpool_made: list[Any]
) -> MakePool:
    """Make pools whose time is the test's: `connpool_pool(ShopPool, max_fails=1)`; `Pool` if no class is given.

    They go by `connpool_clock`, begin with the first member, and are closed when the test ends, those of
    asynchronous clients excepted, whose event loop has ended by then.
    """

    def make(factory: Callable[..., Any] | None = None, /, *args: Any, **options: Any) -> Any:
        from connpool_runtime import Pool

        options = {"clock": connpool_clock, "random": lambda: 0.0, **options}
        new: Callable[..., Any] = factory or Pool[Any]
        made = new(*args, **options)
        pool: object = getattr(made, "pool", made)
        if isinstance(pool, Pool):
            _connpool_made.append(pool)
        return made

    return make


@pytest.fixture
def connpool_scripts(connpool_clock: FakeClock) -> Iterator[MakeScripts]:
    """Fill a pool with clients that do what a script says: `connpool_scripts(shops, Shop, "a", "b")`.

    Returns the scripts by the names of the members. Calls that hang are released when the test ends.
    """
    from connpool_runtime.testing import Script

    made: list[Script] = []

    def fill(pool: Any, kind: type[Any], *names: str) -> dict[str, Script]:
        scripts = {name: Script(name, clock=connpool_clock) for name in names}
        made.extend(scripts.values())
        for name, script in scripts.items():
            getattr(pool, "pool", pool).add_client(script.client(kind), name=name)
        return scripts

    yield fill
    for script in made:
        script.release()


@pytest.fixture
def connpool_chaos() -> Iterator[MakeChaos]:
    """Harm the calls of a pool until the test ends: `connpool_chaos(shops, Harm(fault_rate=0.5))`.

    The course of events is the same in each run. What it returns has a switch, `chaos.on`.
    """
    from connpool_runtime.middleware import Chaos

    begun: list[Chaos] = []

    def begin(pool: Any, harm: Harm) -> Chaos:
        # The same course of events each time is what is wanted, and nothing is kept secret by it.
        chaos = Chaos(harm, switched_on=True, random=random.Random(0).random)
        getattr(pool, "pool", pool).register_middleware(chaos)
        begun.append(chaos)
        return chaos

    yield begin
    for chaos in begun:
        chaos.on = False


def _close(pool: Any) -> None:
    from connpool_runtime import DrainTimeout

    try:
        pool.close(drain_timeout=0.0)
    except* DrainTimeout:
        pass  # somebody holds a client still, of which the test has been told


def _testing(config: pytest.Config) -> Any:
    from connpool_runtime.testing import set_testing

    text = config.getini(_ATTEMPTS)
    try:
        return set_testing(attempts=int(text))
    except ValueError:
        raise pytest.UsageError(
            f"{_ATTEMPTS} must be a whole number of at least 1, not {text!r}"
        ) from None
