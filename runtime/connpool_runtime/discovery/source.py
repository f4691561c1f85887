"""The protocol of sources of endpoints. A source of your own is one class with one method, `fetch`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import Protocol

__all__ = ["AsyncSource", "Source", "refuse_other"]


def refuse_other(config: object, wanted: type, example: str) -> None:
    """Refuse anything but a source's config, which would only fail when used.

    Raises:
        TypeError: so it is; the message shows how one is made.
    """
    if not isinstance(config, wanted):
        raise TypeError(
            f"the source is made from a config, such as {wanted.__name__}({example}), not from {config!r}"
        )


class AsyncSource(Protocol):
    """Provides endpoints. Belongs to one event loop.

    Subclass it and write `fetch`; everything else has a default. One that is asked again and again
    says how often by `interval`; one that is told of changes waits for the next in `fetch`, for up to
    `wait` seconds, and says 0 as its interval. Both may change from answer to answer.

    Attributes:
        interval: seconds from one answer to the next question; `inf` if it will never change.
        wait: seconds for which `fetch` may wait for a change.
    """

    interval: float = 10.0
    wait: float = 0.0

    @property
    def name(self) -> str:
        """The name of this source in errors, events and metrics; without secrets."""
        return type(self).__name__

    @abstractmethod
    async def fetch(self, timeout: float) -> Iterable[object]:
        """Return all endpoints that exist now, not only the changes.

        No two calls run at a time. After an error it is asked again, with growing waits.

        Arguments:
            timeout: seconds for the answer, beyond `wait`; what takes longer is given up.

        Returns:
            Endpoints; an address, or a mapping of the fields of `Endpoint`, is read as one.

        Raises:
            Exception: the source cannot be asked; what is known is kept.
        """
        ...

    async def close(self) -> None:
        """Release what the source holds; `fetch` is not called after that."""
        return  # type checkers take a protocol method without a statement for abstract


# Made by tools/derive_sync.py from the definitions above; edit those.


class Source(Protocol):
    """Provides endpoints. Safe for threads.

    Subclass it and write `fetch`; everything else has a default. One that is asked again and again
    says how often by `interval`; one that is told of changes waits for the next in `fetch`, for up to
    `wait` seconds, and says 0 as its interval. Both may change from answer to answer.

    Attributes:
        interval: seconds from one answer to the next question; `inf` if it will never change.
        wait: seconds for which `fetch` may wait for a change.
    """

    interval: float = 10.0
    wait: float = 0.0

    @property
    def name(self) -> str:
        """The name of this source in errors, events and metrics; without secrets."""
        return type(self).__name__

    @abstractmethod
    def fetch(self, timeout: float) -> Iterable[object]:
        """Return all endpoints that exist now, not only the changes.

        No two calls run at a time. After an error it is asked again, with growing waits.

        Arguments:
            timeout: seconds for the answer, beyond `wait`; what takes longer is given up.

        Returns:
            Endpoints; an address, or a mapping of the fields of `Endpoint`, is read as one.

        Raises:
            Exception: the source cannot be asked; what is known is kept.
        """
        ...

    def close(self) -> None:
        """Release what the source holds; `fetch` is not called after that."""
        return  # type checkers take a protocol method without a statement for abstract
