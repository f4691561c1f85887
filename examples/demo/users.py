"""A client of one server of a service, as anybody writes it, and what the wrapper of it is for type checkers."""

from __future__ import annotations

from typing import Protocol

import httpx

from connpool_runtime import Pool


class UserClient:
    """Asks one server about users.

    Args:
        address: the server's `host:port`.
    """

    def __init__(self, address: str) -> None:
        self._http = httpx.Client(base_url=f"http://{address}", timeout=1.0)

    def get_user(self, user_id: int) -> str:
        """Return what the server knows of a user.

        Raises:
            httpx.HTTPError: there was no answer, or an error.
        """
        return self._http.get(f"/users/{user_id}").raise_for_status().text

    def close(self) -> None:
        """Hang up."""
        self._http.close()


class UserClientPool(Protocol):
    """The wrapper that the demo generates."""

    pool: Pool[UserClient]

    def get_user(self, user_id: int) -> str:
        """Return what one of the servers knows of a user."""
        ...
