"""Pools to look at and to steer, and clients of their admin server."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from connpool_runtime import Method, Pool
from connpool_runtime.admin import AdminServer, serve_admin

TOKEN = "a-token-for-the-tests"
READ_TOKEN = "a-token-that-only-reads"
SECRET = "hunter2-hunter2"


class Shop:
    """A client that fails on demand, and whose errors hold a secret."""

    def __init__(self) -> None:
        self.broken = False

    def get(self, number: int = 0) -> int:
        if self.broken:
            raise ConnectionResetError(f"redis://user:{SECRET}@10.0.0.1 said no")
        return number


GET: Method[Shop, int] = Method("get", lambda client, args: client.get(*args))


def shop_pool(members: int = 3, name: str = "shop", **options: Any) -> Pool[Shop]:
    """A pool with members m0, m1, ...; a failure opens a breaker."""
    pool: Pool[Shop] = Pool(name, max_fails=1, **options)
    for number in range(members):
        pool.add_client(Shop(), f"m{number}")
    return pool


def break_member(pool: Pool[Shop], name: str) -> None:
    """Have a member fail until its breaker opens."""
    client = next(member.client for member in pool.members if member.name == name)
    client.broken = True
    for _ in range(len(pool.members)):
        try:
            pool.call(GET)
        except ConnectionResetError:
            return


@contextmanager
def served(target: Any, **options: Any) -> Iterator[tuple[AdminServer, httpx.Client]]:
    """An admin server of a target, and a client that has its token."""
    options = {"token": TOKEN, "stats_age": 0.0, **options}
    with serve_admin(target, **options) as server:
        headers = {"Authorization": f"Bearer {options['token']}"} if options["token"] else {}
        with httpx.Client(base_url=server.url, headers=headers, timeout=20) as client:
            yield server, client
