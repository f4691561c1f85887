"""Runs five circuit breakers through the situations that matter and records what they do.

`python -m benchmarks.breakers` writes docs/breakers.md.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path

from benchmarks.breaker_peers import BREAKERS, COOLDOWN, FAILURES, Breaker, Excluded, Work

PAGE = Path(__file__).parents[1] / "docs" / "breakers.md"
PATIENCE = 1.0  # seconds after which a call hangs
MANY = 20
NEVER = "cannot be: one call at a time"
CANNOT = "made for threads: no cancellation"


class Server:
    """Answers, fails, or hangs until `go` is set; counts calls in flight."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.inside = 0
        self.most_inside = 0

    async def answer(self) -> str:
        """Answer at once."""
        return "answer"

    async def fail(self) -> str:
        """Fail at once."""
        raise ConnectionError("the server's own error")

    async def hang(self) -> str:
        """Answer late, when `go` is set."""
        self.inside += 1
        self.most_inside = max(self.inside, self.most_inside)
        try:
            while not self.go.is_set():  # noqa: ASYNC110 - set from other event loops
                await asyncio.sleep(0.001)
        finally:
            self.inside -= 1
        return "late answer"

    async def hang_and_fail(self) -> str:
        """Fail late, when `go` is set."""
        await self.hang()
        raise ConnectionError("the server's own late error")

    async def exclude(self) -> str:
        """Raise the error that breakers are told not to count."""
        raise Excluded


async def error_of(call: Awaitable[object]) -> BaseException | None:
    """Return the error of a call, a time-out if it hangs; None if it succeeds."""
    try:
        await asyncio.wait_for(call, PATIENCE)
    except (Exception, asyncio.CancelledError) as error:
        return error
    return None


async def fail(breaker: Breaker, server: Server, times: int) -> None:
    """So many failures in a row."""
    for _ in range(times):
        await error_of(breaker.call(server.fail))


async def state(breaker: Breaker, server: Server) -> str:
    """Return whether a call gets through now."""
    error = await error_of(breaker.call(server.answer))
    if isinstance(error, TimeoutError) and not isinstance(error, ConnectionError):
        return "every call hangs"
    return "closed" if error is None else "open"


async def start(breaker: Breaker, work: Work) -> "asyncio.Task[object]":
    """Begin a call, and let it get to the server."""
    task = asyncio.ensure_future(error_of(breaker.call(work)))
    await asyncio.sleep(COOLDOWN / 20)
    return task


async def side_by_side(breaker: Breaker, server: Server) -> str:
    """5 calls at a time, all well."""
    running = [await start(breaker, server.hang) for _ in range(5)]
    server.go.set()
    await asyncio.gather(*running)
    return f"{server.most_inside} inside at a time"


async def tripping(breaker: Breaker, server: Server) -> str:
    """Error of the call that opens it."""
    await fail(breaker, server, FAILURES - 1)
    error = await error_of(breaker.call(server.fail))
    return "the server's" if isinstance(error, ConnectionError) else "the breaker's"


async def excluded(breaker: Breaker, server: Server) -> str:
    """An error that shall not count, between failures."""
    await fail(breaker, server, FAILURES - 1)
    await error_of(breaker.call(server.exclude))
    if await state_after_one_more(breaker, server) == "open":
        return "is ignored"
    return "counts as a success"


async def state_after_one_more(breaker: Breaker, server: Server) -> str:
    """The state after a further failure."""
    await fail(breaker, server, 1)
    return await state(breaker, server)


async def cancelled(breaker: Breaker, server: Server) -> str:
    """A cancelled call, between failures."""
    if not breaker.tasks:
        return CANNOT
    await fail(breaker, server, FAILURES - 1)
    await cancel(breaker, server)
    if await state(breaker, server) == "open":
        return "counts as a failure"
    # The look at the state was a success; so once more, without it.
    return "is ignored" if await still_counting(breaker, server) else "counts as a success"


async def still_counting(breaker: Breaker, server: Server) -> bool:
    """Return whether failures before a cancelled call still count after it."""
    await fail(breaker, server, FAILURES - 1)
    await cancel(breaker, server)
    return await state_after_one_more(breaker, server) == "open"


async def cancel(breaker: Breaker, server: Server) -> None:
    """Begin a call that hangs and cancel it."""
    task = await start(breaker, server.hang)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def cool_down(breaker: Breaker, server: Server) -> None:
    """Open it and wait until it may be probed."""
    await fail(breaker, server, FAILURES)
    await asyncio.sleep(COOLDOWN * 1.2)


async def herd(breaker: Breaker, server: Server) -> str:
    """20 callers at once after the cooldown."""
    await cool_down(breaker, server)
    running = [asyncio.ensure_future(error_of(breaker.call(server.hang))) for _ in range(MANY)]
    await asyncio.sleep(COOLDOWN)
    inside = server.most_inside
    server.go.set()
    ends = await asyncio.gather(*running)
    waited = sum(end is None for end in ends) - inside
    return f"{inside} let in" + (f", {waited} made to wait for it" if waited > 0 else "")


async def cancelled_probe(breaker: Breaker, server: Server) -> str:
    """Its probe is cancelled."""
    if not breaker.tasks:
        return CANNOT
    await cool_down(breaker, server)
    await cancel(breaker, server)
    await fail(breaker, server, 1)
    if await state(breaker, server) == "closed":
        return "closes it"
    await cool_down(breaker, server)
    await asyncio.sleep(COOLDOWN * 1.2)
    await cancel(breaker, server)
    return "makes room for the next" if await state(breaker, server) == "closed" else "opens it"


async def hanging_probe(breaker: Breaker, server: Server) -> str:
    """Its probe hangs."""
    await cool_down(breaker, server)
    task = await start(breaker, server.hang)
    others = await state(breaker, server)
    server.go.set()
    await task
    texts = {"closed": "others are let in beside it", "open": "others are kept out for a time"}
    return texts.get(others, "others hang too")


async def late_success(breaker: Breaker, server: Server) -> str:
    """A success from before it opened."""
    if not await open_meanwhile(breaker, server, server.hang, 0.3):
        return NEVER
    return "closes it" if await state(breaker, server) == "closed" else "is ignored"


async def late_failure(breaker: Breaker, server: Server) -> str:
    """A failure from before it opened, late in the cooldown."""
    if not await open_meanwhile(breaker, server, server.hang_and_fail, 0.8):
        return NEVER
    await asyncio.sleep(COOLDOWN * 0.4)
    return "is ignored" if await state(breaker, server) == "closed" else "extends the cooldown"


async def open_meanwhile(breaker: Breaker, server: Server, work: Work, share: float) -> bool:
    """Open it while a call is inside, which ends in the cooldown; False if that cannot be."""
    task = await start(breaker, work)
    failing = asyncio.ensure_future(fail(breaker, server, FAILURES))
    await asyncio.sleep(COOLDOWN * share)
    could = failing.done()
    server.go.set()
    await asyncio.gather(task, failing)
    return could


SITUATIONS = (
    *(side_by_side, tripping, excluded, cancelled),
    *(herd, hanging_probe, cancelled_probe, late_success, late_failure),
)


async def try_out(situation: Callable[[Breaker, Server], Awaitable[str]], name: str) -> str:
    """One breaker in one situation."""
    server = Server()
    try:
        return await situation(BREAKERS[name](), server)
    finally:
        server.go.set()


def head(name: str) -> str:
    """A column's head; our own version is that of the repository."""
    return name if name == "connpool-runtime" else f"{name} {version(name)}"


def main() -> None:
    """Run all of them and write the page."""
    rows = [["", *map(head, BREAKERS)], ["---"] * (1 + len(BREAKERS))]
    for situation in SITUATIONS:
        found = [asyncio.run(try_out(situation, name)) for name in BREAKERS]
        rows.append([(situation.__doc__ or "").rstrip("."), *found])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    print(table)
    text = PAGE.read_text()
    before, _, rest = text.partition("<!-- table -->")
    after = rest.partition("<!-- /table -->")[2]
    PAGE.write_text(f"{before}<!-- table -->\n{table}\n<!-- /table -->{after}")


if __name__ == "__main__":
    main()
