"""The description of a client that is to become a member."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, NamedTuple, TypeVar

__all__ = ["NewClient"]

C_co = TypeVar("C_co", covariant=True)


class NewClient(NamedTuple, Generic[C_co]):
    """A client for `add_clients`.

    Arguments:
        client: what the methods of the pool are called on.
        name: unique in the pool; m1, m2, ... if not given.
        weight: share of the calls, for balancers that know weights; from 1 to 1,000,000,000, with
            "consistent_hash" to 1,000.
        close: closes the client when its member leaves; default is the pool's way.
        validate: checks whether a client of one call at a time may be used again after a call that
            failed or was broken off, as in `add_client`.
        max_concurrency: calls at a time on this member; the setting of that name if not given.
        priority: members of a higher number are called when too few of the lower ones are healthy.
        zone: where the member is; those of the pool's own zone are preferred.
        labels: what is known about the member, as {"role": "replica"}, for routes of methods and `calling`.
    """

    client: C_co
    name: str | None = None
    weight: int = 1
    close: Callable[[], object] | None = None
    validate: Callable[[], object] | None = None
    max_concurrency: int | None = None
    priority: int = 0
    zone: str | None = None
    labels: Mapping[str, str] | None = None
