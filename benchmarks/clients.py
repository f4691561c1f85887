"""Clients whose methods do nothing, so that only the pool's own cost is left."""

from collections.abc import Sequence


class NoopClient:
    """Answers at once."""

    def get(self, user_id: int, *, fields: Sequence[str] = ()) -> None:
        """Return nothing."""

    def close(self) -> None:
        """Do nothing."""


class AsyncNoopClient:
    """Answers at once, and without giving way to other tasks."""

    async def get(self, user_id: int, *, fields: Sequence[str] = ()) -> None:
        """Return nothing."""

    async def aclose(self) -> None:
        """Do nothing."""
