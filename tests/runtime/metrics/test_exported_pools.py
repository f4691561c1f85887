"""Which pools an exporter reads."""

import pytest

from connpool_runtime import Pool
from connpool_runtime.metrics.exported_pools import FEW_POOLS, KEEP_CLOSED, ExportedPools
from connpool_runtime.testing import FakeClock
from tests.runtime.costs import functions_called


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def exported(clock: FakeClock) -> ExportedPools:
    return ExportedPools(clock)


def names(exported: ExportedPools) -> list[str]:
    """The names of the pools whose numbers are told."""
    return [stats.name for stats in exported.stats()]


def test_pools_come_and_go(exported: ExportedPools) -> None:
    """Pools are told in the order in which they came; adding twice and removing twice do nothing."""
    eu, us = Pool[object]("eu"), Pool[object]("us")
    exported.add(eu)
    exported.add(us, eu)
    assert names(exported) == ["eu", "us"]
    exported.remove(eu)
    exported.remove(eu)
    assert names(exported) == ["us"]
    exported.add(eu)
    assert names(exported) == ["us", "eu"]


def test_two_open_pools_of_one_name_are_refused(exported: ExportedPools) -> None:
    """The error says how to name a pool, and nothing was added."""
    exported.add(Pool[object]("eu"))
    with pytest.raises(ValueError, match=r"named 'eu' .* ShopPool\(name='eu'\)"):
        exported.add(Pool[object]("us"), Pool[object]("eu"))
    with pytest.raises(ValueError, match="named 'pool'"):
        exported.add(Pool[object](), Pool[object]())
    assert names(exported) == ["eu"]


def test_removing_a_pool_leaves_another_of_its_name(exported: ExportedPools) -> None:
    """A pool that was refused, or replaced, is not taken for the one that is exported."""
    exported.add(Pool[object]("eu"))
    exported.remove(Pool[object]("eu"))
    assert names(exported) == ["eu"]


def test_what_is_no_pool_is_refused(exported: ExportedPools) -> None:
    """A wrapper is the likeliest mistake, so the error tells where its pool is."""
    with pytest.raises(TypeError, match=r"object is not a pool.*wrapper\.pool"):
        exported.add(object())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_a_closed_pool_is_told_for_a_while(exported: ExportedPools, clock: FakeClock) -> None:
    """Long enough for every reader to see the last counts, and not for ever."""
    pool = Pool[object]("eu")
    exported.add(pool)
    clock.sleep(2 * KEEP_CLOSED)
    pool.close()
    for _ in range(3):
        assert names(exported) == ["eu"]
        clock.sleep(KEEP_CLOSED / 3)
    clock.sleep(1.0)
    assert names(exported) == []


def test_closed_pools_are_let_go_without_a_reader(
    exported: ExportedPools, clock: FakeClock
) -> None:
    """Where nobody ever asks, pools that come and go do not pile up."""
    for number in range(5 * FEW_POOLS):
        pool = Pool[object](f"p{number}")
        exported.add(pool)
        pool.close()
        clock.sleep(KEEP_CLOSED)
    assert len(exported._pools) <= 2 * FEW_POOLS


def test_adding_a_pool_costs_the_same_among_many(exported: ExportedPools) -> None:
    """A service with a pool for each tenant adds the thousandth as fast as the tenth."""

    def cost(there: int) -> int:
        many = [Pool[object](f"p{number}") for number in range(there)]
        exported.add(*many)
        few = [Pool[object](f"q{number}") for number in range(10)]
        called = functions_called(lambda: [exported.add(pool) for pool in few])
        exported.remove(*many, *few)
        return called

    cost(1000)  # the next look at all of them is due at two thousand
    assert cost(1000) == cost(10)


def test_a_pool_takes_the_name_of_a_closed_one(exported: ExportedPools, clock: FakeClock) -> None:
    """The new pool of a service replaces the old one at once, and stays when the old time is over."""
    old, new = Pool[object]("eu"), Pool[object]("eu")
    exported.add(old)
    old.close()
    assert exported.stats()[0].closed
    exported.add(new)
    assert [stats.closed for stats in exported.stats()] == [False]
    clock.sleep(KEEP_CLOSED + 1)
    new.close()
    assert names(exported) == ["eu"]
