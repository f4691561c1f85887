"""The same done to several things at once, so that none waits for the slowest of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Thread
from typing import TypeVar

__all__ = ["together"]

T = TypeVar("T")


def together(work: Callable[[T], object], things: Iterable[T]) -> list[Exception | None]:
    """Do work on all things, each in a thread of its own; return how each of them failed, or None."""
    things = list(things)
    errors: list[Exception | None] = [None] * len(things)

    def run(index: int, thing: T) -> None:
        try:
            work(thing)
        except Exception as error:
            errors[index] = error

    threads = [Thread(target=run, args=pair, daemon=True) for pair in enumerate(things)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors
