"""Finds what is still taken from any pool of the process, for tests that must give everything back."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from connpool_runtime._concurrency.forks import all_renewables
from connpool_runtime.checkout.checkout import AnyCheckout, Checkout

__all__ = ["LeakWatch", "Taken"]

_LOOK = 0.005  # seconds between two looks


class Taken(NamedTuple):
    """Calls, leases and streams that hold a member.

    Attributes:
        pool: its name.
        member: its name.
        holders: how many hold it.
        stacks: where they were taken, if that is known: in pools with a `leak_threshold`.
    """

    pool: str
    member: str
    holders: int
    stacks: tuple[str, ...]

    def __str__(self) -> str:
        told = f"{self.holders} of member {self.member!r} of pool {self.pool!r}"
        return told + "".join(f", taken by\n{stack}" for stack in self.stacks)


class LeakWatch:
    """Reports what was taken from pools since it was created, and was not given back.

    Pools that are closed are looked at too: a call that holds a client keeps its connection.
    """

    def __init__(self) -> None:
        self._before = dict(_counts())

    def taken(self, patience: float = 1.0) -> list[Taken]:
        """Return what is still taken.

        Arguments:
            patience: seconds to wait for calls that are about to end, in threads of their own.
        """
        until = time.monotonic() + patience
        while (found := self._look()) and time.monotonic() < until:
            time.sleep(_LOOK)
        return found

    def _look(self) -> list[Taken]:
        return [
            Taken(checkout.state.name, member.name, more, _stacks(checkout, member))
            for (checkout, member), count in _counts().items()
            if (more := count - self._before.get((checkout, member), 0)) > 0
        ]


def _counts() -> dict[tuple[AnyCheckout, Any], int]:
    everything: list[Any] = [*all_renewables()]
    checkouts: list[AnyCheckout] = [one for one in everything if isinstance(one, Checkout)]
    return {
        (one, member): member.in_flight
        for one in checkouts
        for member in one.state.membership.members
    }


def _stacks(checkout: AnyCheckout, member: Any) -> tuple[str, ...]:
    loans = checkout.state.loans or {}
    return tuple(
        "\n".join(loan.lines()) for lease, loan in list(loans.items()) if lease.taken_from is member
    )
