"""A lifecycle method on every member."""

from typing import Any

import pytest

from connpool_runtime import AsyncPool, Method, NoMembers, Pool, PoolClosed


class Client:
    """Connects, or fails to."""

    def __init__(self, name: str, error: Exception | None = None) -> None:
        self.name = name
        self.error = error
        self.connected = 0

    def connect(self) -> str:
        self.connected += 1
        if self.error is not None:
            raise self.error
        return self.name

    async def connect_later(self) -> str:
        return self.connect()


CONNECT: Method[Client, Any] = Method("connect", lambda client, args: client.connect())
LATER: Method[Client, Any] = Method("connect", lambda client, args: client.connect_later())


def pool_of(*clients: Client) -> Pool[Client]:
    """A pool of these clients."""
    pool = Pool[Client]("test")
    for client in clients:
        pool.add_client(client, name=client.name)
    return pool


def test_every_member_is_reached_and_the_first_answers() -> None:
    """All members run it once, in the order in which they joined."""
    clients = [Client("a"), Client("b"), Client("c")]
    assert pool_of(*clients).broadcast(CONNECT) == "a"
    assert [client.connected for client in clients] == [1, 1, 1]


def test_one_failure_is_raised_as_it_is_after_all_were_tried() -> None:
    """The members behind a failing one are reached too."""
    clients = [Client("a", OSError("down")), Client("b")]
    with pytest.raises(OSError, match="down"):
        pool_of(*clients).broadcast(CONNECT)
    assert clients[1].connected == 1


def test_several_failures_come_together() -> None:
    """No failure hides another."""
    with pytest.raises(ExceptionGroup) as caught:
        pool_of(Client("a", OSError()), Client("b", OSError())).broadcast(CONNECT)
    assert len(caught.value.exceptions) == 2


def test_nobody_to_reach_is_an_error() -> None:
    """An empty pool and a closed one say so."""
    pool = pool_of()
    with pytest.raises(NoMembers):
        pool.broadcast(CONNECT)
    pool.close()
    with pytest.raises(PoolClosed):
        pool.broadcast(CONNECT)


async def test_coroutines_are_awaited() -> None:
    """The same for asynchronous clients."""
    pool = AsyncPool[Client]("test")
    clients = [Client("a"), Client("b")]
    for client in clients:
        pool.add_client(client)
    assert await pool.broadcast(LATER) == "a"
    assert [client.connected for client in clients] == [1, 1]
