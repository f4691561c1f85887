"""A pool that follows a source, in a child process."""

import asyncio
import os
import time
from collections.abc import Callable
from typing import Any

from connpool_runtime import AsyncPool, Method, Pool
from connpool_runtime.discovery import AsyncCallbackSource, CallbackSource, Endpoint
from tests.runtime.faces import until
from tests.runtime.forking import forks, in_child
from tests.waiting import eventually

pytestmark = forks

NAME: Method[Any, Any] = Method("name", lambda client, _: client.name())


class Client:
    """Knows in which process it was opened."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.process = os.getpid()

    def name(self) -> str:
        return f"{self.endpoint.id} {'own' if self.process == os.getpid() else 'inherited'}"

    async def aname(self) -> str:
        return self.name()


def test_a_child_follows_with_clients_of_its_own() -> None:
    """The first call there gets a client of the child's, and what the source says from then on is followed."""
    answers = [["a:1"]]
    pool: Pool[Client] = Pool("p")
    pool.discover(CallbackSource(lambda: answers[-1], interval=0.01), Client)
    assert pool.call(NAME) == "a:1 own"

    def work() -> str:
        first = pool.call(NAME)
        answers.append(["b:1"])
        there = eventually(lambda: [one.name for one in pool.members] == ["b:1"])
        return f"{first}, {pool.call(NAME)}, {there}"

    assert in_child(work) == "a:1 own, b:1 own, True"
    assert pool.call(NAME) == "a:1 own", "the parent goes on"
    pool.close()


def test_a_fork_in_the_midst_of_opening() -> None:
    """What was being opened in the parent is opened in the child, too."""
    gate = [True]

    def connect(endpoint: Endpoint) -> Client:
        while endpoint.id == "b:1" and gate[0]:
            time.sleep(0.005)
        return Client(endpoint)

    pool: Pool[Client] = Pool("p")
    discovery = pool.discover(CallbackSource(lambda: ["a:1", "b:1"]), connect)

    def work() -> str:
        gate[0] = False
        pool.call(NAME)
        discovery.wait_ready(2, 10)
        return " ".join(sorted(pool.call(NAME) for _ in range(2)))

    assert in_child(work) == "a:1 own b:1 own"
    gate[0] = False
    discovery.wait_ready(2, 10)
    pool.close()


def test_a_child_with_an_event_loop_of_its_own() -> None:
    """The same for tasks: the child's loop follows the source."""
    answers = [["a:1"]]
    name: Method[Any, Any] = Method("name", lambda client, _: client.aname())

    async def begin() -> AsyncPool[Client]:
        pool: AsyncPool[Client] = AsyncPool("p")
        await pool.discover(AsyncCallbackSource(lambda: answers[-1], interval=0.01), Client)
        return pool

    async def work(pool: AsyncPool[Client]) -> str:
        first = await pool.call(name)
        answers.append(["b:1"])
        await until(lambda: [one.name for one in pool.members] == ["b:1"])
        return f"{first}, {await pool.call(name)}"

    pool = asyncio.run(begin())
    child: Callable[[], str] = lambda: asyncio.run(work(pool))  # noqa: E731
    assert in_child(child) == "a:1 own, b:1 own"
