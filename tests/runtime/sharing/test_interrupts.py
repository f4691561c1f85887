"""Interrupts at every line of acquiring, releasing and making: nothing stays taken, nothing stays open."""

import gc
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from connpool_runtime import ClientsExhausted, PoolError
from connpool_runtime.connectors import ConnectFailed, ConnectorConfig
from connpool_runtime.registry import Registry
from connpool_runtime.sharing.shared_clients import SharedClients
from tests.runtime.pool.test_interrupts import Interrupter, lines_to_strike
from tests.runtime.sharing.faces import Client, ThreadConnector, World, config_of
from tests.waiting import eventually

Clients = SharedClients[ConnectorConfig, Client]


def interrupted(work: Callable[[], Any], at: int) -> str | None:
    """Run work with an interrupt at one of its lines; tell which, if it came."""
    interrupter = Interrupter(at)
    before = sys.gettrace()
    sys.settrace(interrupter)
    try:
        work()
    except (KeyboardInterrupt, PoolError):
        pass
    finally:
        sys.settrace(before)
    return interrupter.fired


def use(clients: Clients, world: World) -> None:
    with clients.acquire(config_of()) as client:
        client.use()


def use_twice(clients: Clients, world: World) -> None:
    with clients.acquire(config_of()), clients.acquire(config_of()) as client:
        client.use()


def fail(clients: Clients, world: World) -> None:
    world.script.append(ConnectFailed("down"))
    try:
        use(clients, world)
    finally:
        world.script.clear()


def evict(clients: Clients, world: World) -> None:
    for name in "abc":
        clients.acquire(config_of(name)).release()


def exhaust(clients: Clients, world: World) -> None:
    with (
        clients.acquire(config_of("a")),
        clients.acquire(config_of("b")),
        pytest.raises(ClientsExhausted),
    ):
        clients.acquire(config_of("c"), 0.0)


def remove(clients: Clients, world: World) -> None:
    with clients.acquire(config_of()):
        clients.remove(config_of())


@pytest.mark.stress
@pytest.mark.parametrize(
    ("work", "idle_ttl"),
    [
        (use, 0.0),
        (use, 60.0),
        (use_twice, 0.0),
        (fail, 0.0),
        (evict, 60.0),
        (exhaust, 0.0),
        (remove, 60.0),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_an_interrupt_at_any_line_leaks_nothing(
    work: Callable[[Clients, World], None], idle_ttl: float
) -> None:
    """Wherever the interrupt comes, all references are given back, and closing closes every client."""
    for at in lines_to_strike():
        if not look_at_line(work, idle_ttl, at):
            break
    assert at > 50


def look_at_line(work: Callable[[Clients, World], None], idle_ttl: float, at: int) -> bool:
    """Interrupt at one line; tell whether there was such a line."""
    world = World()
    clients: Clients = SharedClients(
        lambda config: ThreadConnector(world, config),
        idle_ttl=idle_ttl,
        max_clients=2,
        acquire_timeout=1.0,
    )
    fired = interrupted(lambda: work(clients, world), at)
    if any(one.references for one in clients.stats()):
        assert eventually(lambda: all_given_back(clients)), fired
    try:
        use(clients, world)
        clients.close(1.0)
    except PoolError as error:
        raise AssertionError(fired) from error
    assert world.open_clients == 0, fired
    return fired is not None


def all_given_back(clients: Clients) -> bool:
    """Collect garbage, more than once without the interpreter lock; tell whether no handle is left."""
    gc.collect()
    return not any(one.references for one in clients.stats())


def test_an_interrupt_at_any_line_of_making_leaks_nothing() -> None:
    """Wherever the interrupt comes, the name is free or well, and what was made is closed in the end."""
    for at in lines_to_strike():
        made: list[Any] = []

        class Thing:
            closed = 0

            def close(self) -> None:
                self.closed += 1

        def make(made: list[Any] = made, kind: type[Any] = Thing) -> Any:
            made.append(kind())
            return made[-1]

        registry: Registry[Any] = Registry()
        fired = interrupted(partial(registry.get_or_create, "a", make), at)
        assert registry.get_or_create("a", make) is registry.get("a")
        registry.close()
        assert [thing.closed for thing in made] == [1] * len(made), fired
        if not fired:
            break
    assert at > 10
