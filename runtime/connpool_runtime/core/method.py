"""What generated code states about one method of a client: its name, its call, its policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

__all__ = ["Method"]

C_contra = TypeVar("C_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


class Method(Generic[C_contra, R_co]):
    """One method of a client class, made once per module and never changed.

    Arguments:
        name: the label of this method in stats and metrics.
        invoke: runs the method on a client with the arguments packed by the wrapper.
        idempotent: whether running it twice does no harm; `Retry` retries only such methods.
        timeout: seconds that `Timeout` gives to one attempt; None for its own limit.
        expected: errors that are answers: the member is well, the call counts as a success.
        ignored: errors that say nothing about the member: the call counts as neutral.
        hash_key: index into the packed arguments of the key for consistent hashing.

    Safe to share between threads, tasks and pools.
    """

    __slots__ = ("expected", "hash_key", "idempotent", "ignored", "invoke", "name", "timeout")

    def __init__(
        self,
        name: str,
        invoke: Callable[[C_contra, Any], R_co],
        *,
        idempotent: bool = False,
        timeout: float | None = None,
        expected: tuple[type[BaseException], ...] = (),
        ignored: tuple[type[BaseException], ...] = (),
        hash_key: int | None = None,
    ) -> None:
        self.name = name
        self.invoke = invoke
        self.idempotent = idempotent
        self.timeout = timeout
        self.expected = expected
        self.ignored = ignored
        self.hash_key = hash_key

    def __repr__(self) -> str:
        return f"Method({self.name!r})"
