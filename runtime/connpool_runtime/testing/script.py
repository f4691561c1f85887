"""A client that follows a test's script, in place of one that talks to a server."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Self, TypeVar, cast

from connpool_runtime.testing.clock import FakeClock
from connpool_runtime.testing.steps import Fails, Hangs, Late, Slow

__all__ = ["Played", "Script"]

C = TypeVar("C")

PATIENCE = 10.0  # seconds after which a call that was not released fails its test
LOOK = 0.001  # seconds between two checks whether an asynchronous call was released


@dataclass(frozen=True, slots=True)
class Played:
    """A call that a scripted client received."""

    method: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Script:
    """What the calls of one client do, and a record of them. Safe for threads.

    Arguments:
        name: what a client answers as long as the script says nothing else.
        clock: what `Slow` steps move on; a clock of its own if not given.
    """

    def __init__(self, name: str = "client", *, clock: FakeClock | None = None) -> None:
        self.name = name
        self.clock = clock or FakeClock()
        self.calls: list[Played] = []
        """All calls so far, oldest first."""
        self.cancelled = 0
        """How many calls were cancelled while they hung."""
        self.closed = 0
        """How often the client was closed."""
        self._steps: deque[Any] = deque()
        self._always: Any = name
        self._released = threading.Event()

    def then(self, *steps: Any) -> Self:
        """Add what the next calls do, one step each: a value, an exception, or a step object."""
        self._steps.extend(steps)
        return self

    def always(self, step: Any) -> Self:
        """Set what calls do when no step is left."""
        self._always = step
        return self

    def release(self) -> None:
        """Let hanging calls return their answers, and later ones not hang at all."""
        self._released.set()

    def hold(self) -> None:
        """Let later calls hang again, after a `release`."""
        self._released.clear()

    def client(self, kind: type[C]) -> C:
        """Return a client with the methods of a class, none of whose code runs.

        A coroutine function of the class is one here as well, a generator gives the items of its
        answer. `close` and `aclose` are counted and follow no script.
        """
        return cast("C", _Client(self, kind))

    # For the clients:

    def next(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Record a call and return its step."""
        self.calls.append(Played(method, args, kwargs))
        try:
            return self._steps.popleft()
        except IndexError:
            return self._always

    def play(self, step: Any) -> Any:
        """Carry out a step in a thread."""
        if isinstance(step, (Hangs, Late)):
            if not self._released.wait(PATIENCE):
                raise AssertionError(f"no release() came for the client {self.name!r}")
            return step.answer
        return self._answer(step)

    async def play_async(self, step: Any) -> Any:
        """Carry out a step in a task."""
        if isinstance(step, (Hangs, Late)):
            await self._hang(deaf=isinstance(step, Late))
            return step.answer
        await asyncio.sleep(0)  # like a real call, it lets other tasks run
        return self._answer(step)

    async def _hang(self, *, deaf: bool) -> None:
        given_up_at = asyncio.get_running_loop().time() + PATIENCE
        while not self._released.is_set():
            if asyncio.get_running_loop().time() > given_up_at:
                raise AssertionError(f"no release() came for the client {self.name!r}")
            try:
                await asyncio.sleep(LOOK)
            except asyncio.CancelledError:
                self.cancelled += 1
                if not deaf:
                    raise

    def _answer(self, step: Any) -> Any:
        if isinstance(step, Fails):
            raise step.error
        if isinstance(step, BaseException):
            raise step
        if isinstance(step, Slow):
            self.clock.sleep(step.seconds)
            return step.answer
        return step


class _Client:
    """A stand-in for a client, with the methods of its class."""

    def __init__(self, script: Script, kind: type[Any]) -> None:
        self._script = script
        self._kind = kind

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._kind, name)  # the AttributeError then names the class
        script = self._script
        if name in ("close", "aclose"):
            return _closing(script, inspect.iscoroutinefunction(method))
        play = _form(script, method)

        def call(*args: Any, **kwargs: Any) -> Any:
            return play(script.next(name, args, kwargs))

        return call

    def __repr__(self) -> str:
        return f"<scripted {self._kind.__name__} {self._script.name!r}>"


def _form(script: Script, method: Any) -> Callable[[Any], Any]:
    """Return a function that carries out a step in the form of a method."""
    if inspect.isasyncgenfunction(method):
        return lambda step: _items_async(script, step)
    if inspect.isgeneratorfunction(method):
        return lambda step: _items(script, step)
    return script.play_async if inspect.iscoroutinefunction(method) else script.play


def _items(script: Script, step: Any) -> Iterator[Any]:
    yield from cast("Iterable[Any]", script.play(step))


async def _items_async(script: Script, step: Any) -> AsyncIterator[Any]:
    for item in cast("Iterable[Any]", await script.play_async(step)):
        yield item


def _closing(script: Script, asynchronous: bool) -> Callable[[], Any]:
    def close() -> None:
        script.closed += 1

    async def aclose() -> None:
        script.closed += 1

    return aclose if asynchronous else close
