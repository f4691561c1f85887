"""What happens around a process: its end, its children, and several event loops in it."""

import asyncio
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from textwrap import dedent
from typing import Any

import pytest

from connpool_runtime import AsyncPool, Method, Pool
from tests.runtime.faces import Client, TaskFace

GET: Method[Client, Any] = Method("get", lambda client, args: client.get())
AGET: Method[Client, Any] = Method("get", lambda client, args: client.aget())
ENOUGH = 30  # seconds, after which a process hangs

LEFT_OPEN = """
    import asyncio
    from connpool_runtime import AsyncPool, Method, Pool

    class Client:
        def get(self): return "fine"
        async def aget(self): return "fine"
        def items(self):
            yield 1
            yield 2
        def close(self): pass

    GET = Method("get", lambda client, args: client.get())
    AGET = Method("get", lambda client, args: client.aget())
    ITEMS = Method("items", lambda client, args: client.items())
"""


@pytest.mark.parametrize(
    "program",
    [
        """
        pool = Pool()
        pool.add_endpoint(Client, min_size=1)
        pool.add_client(Client())
        print([pool.call(GET) for _ in range(4)][-1])
        stream = pool.stream(ITEMS)
        next(stream)
        lease = pool.lease()
        lease.__enter__()
        """,
        """
        pool = Pool(max_concurrency=1)
        pool.add_client(Client())
        import threading
        lease = pool.lease()
        lease.__enter__()
        threading.Thread(target=pool.call, args=(GET,), daemon=True).start()
        print("fine")
        """,
        """
        pool = AsyncPool()
        async def main():
            pool.add_endpoint(Client, min_size=1)
            print(await pool.call(AGET))
            lease = pool.lease()
            await lease.__aenter__()
            return lease
        lease = asyncio.run(main())
        """,
    ],
    ids=["threads", "waiting", "tasks"],
)
def test_a_program_may_end_without_closing(program: str) -> None:
    """With clients, a stream, a lease, somebody in line and the upkeep: it ends at once, and silently."""
    text = dedent(LEFT_OPEN) + dedent(program)
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=ENOUGH
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "fine\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process")
def test_a_child_is_not_kept_by_a_lock_of_its_parent() -> None:
    """A fork while another thread holds the pool's lock: the child calls all the same, and counts anew."""
    pool = Pool[Client]("test", methods=[GET])
    pool.add_client(Client("a"))
    taken, done = threading.Event(), threading.Event()

    def hold() -> None:
        with pool._state.lock:
            taken.set()
            done.wait(ENOUGH)

    holder = threading.Thread(target=hold)
    holder.start()
    taken.wait(ENOUGH)
    child = os.fork()
    if child == 0:
        with pool.lease():
            answer = pool.call(GET)
            busy = pool.stats().in_flight
        os._exit(0 if (answer, busy, pool.stats().in_flight) == ("a", 1, 0) else 1)
    done.set()
    holder.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_one_pool_serves_one_loop_after_the_other() -> None:
    """Nothing of a pool belongs to the loop that used it first: neither its clients nor its upkeep."""
    pool = AsyncPool[Client]("test")
    pool.add_endpoint(lambda: Client("a"), "a", max_size=1, min_size=1)

    async def use() -> Any:
        return await asyncio.wait_for(pool.call(AGET), ENOUGH)

    assert [asyncio.run(use()) for _ in range(3)] == ["a"] * 3
    asyncio.run(pool.aclose())


def test_one_pool_serves_several_loops_at_a_time() -> None:
    """Tasks of four loops wait in one line for one member; each is woken on its own loop."""
    face = TaskFace("a", max_concurrency=1, checkout_timeout=ENOUGH)

    async def use() -> list[Any]:
        return await asyncio.gather(*(face.pool.call(face.method()) for _ in range(25)))

    with ThreadPoolExecutor(4) as threads:
        served = list(threads.map(lambda _: asyncio.run(use()), range(4)))
    assert served == [["a"] * 25] * 4
    assert face.stats().in_flight == face.stats().waiting == 0
