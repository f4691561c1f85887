"""Sleeping without waiting."""

import asyncio
from collections.abc import Awaitable

from tests.runtime.faces import Face


class Naps:
    """Sleeps without waiting, and remembers for how long."""

    def __init__(self, face: Face, *, moves_clock: bool = True) -> None:
        self.taken: list[float] = []
        self._clock = face.clock
        self._later = face.kind == "tasks"
        self._moves_clock = moves_clock

    def __call__(self, delay: float) -> "Awaitable[None] | None":
        self.taken.append(delay)
        if self._moves_clock:
            self._clock.sleep(delay)
        return asyncio.sleep(0) if self._later else None
