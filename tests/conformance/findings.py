"""What a check found wrong, and the list of what is known to be wrong."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

import pytest

from tests.conformance.corpus import HERE, Client

Found = tuple[str, str]
SHOWN = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """An expected failure: `member` may be a glob, `text` is a part of the message."""

    client: str
    check: str
    member: str
    text: str
    reason: str

    def covers(self, found: Found) -> bool:
        """Whether this is the failure that was expected."""
        member, text = found
        return fnmatchcase(member, self.member) and self.text in text


def read_pins() -> tuple[Pin, ...]:
    """The list of expected failures. A pin without a reason is an error."""
    pins = tomllib.loads((HERE / "pins.toml").read_text()).get("pin", [])
    return tuple(Pin(**pin) for pin in pins)


PINS = read_pins()


def judge(client: Client, check: str, found: Iterable[Found]) -> None:
    """Fail for what no pin covers, and for a pin that covers nothing."""
    pins = [pin for pin in PINS if (pin.client, pin.check) == (client.path, check)]
    faults = [one for one in found if not any(pin.covers(one) for pin in pins)]
    lines = [f"{member}: {text}" if member else text for member, text in faults]
    lines += [
        f"unused pin: {pin.member}: {pin.text}"
        for pin in pins
        if not any(pin.covers(one) for one in found)
    ]
    if lines:
        more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
        text = "\n  ".join([f"{client}: {len(lines)} findings", *lines[:SHOWN], *more])
        pytest.fail(text, pytrace=False)
