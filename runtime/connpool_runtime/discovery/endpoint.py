"""One endpoint as a source describes it, and the check of a whole answer."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Self, TypeGuard, cast

from connpool_runtime.balancing.weight_limits import MOST_WEIGHT
from connpool_runtime.connectors.config.addresses import host_and_port
from connpool_runtime.connectors.config.fields import Refused
from connpool_runtime.discovery.errors import InvalidEndpoint
from connpool_runtime.options.validation import is_text, nearest

__all__ = ["Endpoint", "fitting_weights", "snapshot_of"]

_NOTHING: Mapping[str, str] = MappingProxyType({})
_MOST = sys.float_info.max  # stats and metrics have numbers as floats
_KEYS = ("id", "address", "weight", "tags", "zone", "priority", "metadata")
# Larger weights are scaled down to this one: a balancer may have as many turns for a member.
MOST_SCALED = 100


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One server, as a source describes it. Immutable, and safe for threads.

    Two answers are about the same server if its id is the same.

    Arguments:
        address: `host:port`; an IPv6 host has brackets.
        id: what it is called, also as a member of the pool; the address if not given.
        weight: share of the calls, for balancers that know weights; from 1 to 1,000,000,000.
        tags: what it is marked with, in any order.
        zone: where it is; members of the pool's own zone are preferred.
        priority: those of a higher number are called when too few of the lower ones are healthy.
        metadata: whatever else the source says, texts by name: the labels of the member.

    Raises:
        InvalidEndpoint: a value is not allowed; the message names the field and the value.
    """

    address: str
    id: str = ""
    weight: int = 1
    tags: tuple[str, ...] = ()
    zone: str | None = None
    priority: int = 0
    metadata: Mapping[str, str] = field(default_factory=lambda: _NOTHING)

    def __post_init__(self) -> None:
        given: Any = self
        _put(self, "id", _id(given.id or given.address))
        _put(self, "address", _address(given.address, self.id))
        _whole("weight", given.weight, 1, self.id, most=MOST_WEIGHT)
        _whole("priority", given.priority, 0, self.id)
        if given.tags != ():
            _put(self, "tags", _tags(given.tags, self.id))
        if given.zone is not None and not (is_text(given.zone) and given.zone):
            raise InvalidEndpoint(
                "zone", repr(given.zone), "a non-empty string, or None", endpoint=self.id
            )
        if given.metadata is not _NOTHING:
            _put(self, "metadata", _metadata(given.metadata, self.id))

    @property
    def host(self) -> str:
        """The host of the address; an IPv6 one with its brackets."""
        return self.address.rpartition(":")[0]

    @property
    def port(self) -> int:
        """The port of the address."""
        return int(self.address.rpartition(":")[2])

    @classmethod
    def of(cls, given: object) -> Endpoint:
        """Return an endpoint: the given one, or one read from an address or from a mapping of fields.

        Raises:
            InvalidEndpoint: it is neither an address nor a mapping, a key is unknown, or a value is not
                allowed.
        """
        if isinstance(given, Endpoint):
            return given
        if isinstance(given, str):
            return cls(given)
        if not isinstance(given, Mapping):
            raise InvalidEndpoint("an endpoint", repr(given), "an address or a mapping of fields")
        fields = {str(key): value for key, value in cast("Mapping[object, Any]", given).items()}
        named = str(fields.get("id") or fields.get("address") or "")
        for key in fields:
            if key not in _KEYS:
                raise InvalidEndpoint(
                    "a key", f"{key!r}; {nearest(key, _KEYS)}", "a known one", endpoint=named
                )
        if "address" not in fields:
            raise InvalidEndpoint("address", "left out", "host:port", endpoint=named)
        return cls(**{key: value for key, value in fields.items() if value is not None})

    def plain(self) -> dict[str, Any]:
        """Return the endpoint as plain data that `of` reads."""
        return {
            "id": self.id,
            "address": self.address,
            "weight": self.weight,
            "tags": list(self.tags),
            "zone": self.zone,
            "priority": self.priority,
            "metadata": dict(self.metadata),
        }

    def __hash__(self) -> int:
        return hash((self.id, self.address))

    def __copy__(self) -> Self:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return _of_plain, (self.plain(),)


def snapshot_of(answer: object, source: str) -> tuple[Endpoint, ...]:
    """Return the answer of a source, checked as a whole.

    Arguments:
        answer: endpoints, addresses or mappings of fields.
        source: its name, for errors.

    Raises:
        InvalidEndpoint: one of them is not as it must be, or an id is there twice.
    """
    if not _is_collection(answer):
        allowed = "endpoints, one after the other"
        raise InvalidEndpoint("the answer", _kind(answer), allowed, source=source)
    found: dict[str, Endpoint] = {}
    # Not collected first: an answer that pages in circles ends at the first repeated id.
    for number, given in enumerate(answer):
        try:
            endpoint = Endpoint.of(given)
        except InvalidEndpoint as error:
            raise error.told_by(source, f"#{number + 1}") from None
        there = found.get(endpoint.id)
        if there is not None:
            raise InvalidEndpoint(
                "id",
                f"that of {there.address} and of {endpoint.address}",
                "of one endpoint only",
                endpoint=endpoint.id,
                source=source,
            )
        found[endpoint.id] = endpoint
    return tuple(found.values())


def fitting_weights(weights: Iterable[int]) -> list[int]:
    """Return weights scaled down in proportion, each at least 1, if one is above `MOST_SCALED`; else unchanged.

    Sources that count in tens of thousands (SRV records may) would cost a balancer as many turns.
    """
    given = list(weights)
    most = max([MOST_SCALED, *given])
    # Whole numbers are divided, since a source may count higher than a float can.
    return [max(1, round(weight * MOST_SCALED / most)) for weight in given]


def _put(endpoint: Endpoint, name: str, value: object) -> None:
    object.__setattr__(endpoint, name, value)


def _id(given: object) -> str:
    if not is_text(given) or not given:
        raise InvalidEndpoint("id", repr(given), "a non-empty string")
    return given


def _address(given: object, endpoint: str) -> str:
    try:
        if not is_text(given):
            raise Refused("host:port")
        host, port = host_and_port(given)
    except Refused:
        raise InvalidEndpoint(
            "address",
            repr(given),
            "host:port with a port between 1 and 65535",
            endpoint="" if endpoint == given else endpoint,
        ) from None
    return f"{host}:{port}"


def _whole(name: str, given: object, least: int, endpoint: str, *, most: float = _MOST) -> None:
    if isinstance(given, bool) or not isinstance(given, int) or not least <= given <= most:
        allowed = f"a whole number of at least {least}"
        if most < _MOST:
            allowed += f" and at most {most:,}"
        raise InvalidEndpoint(name, repr(given), allowed, endpoint=endpoint)


def _kind(given: object) -> str:
    return "nothing" if given is None else f"a {type(given).__name__}"


def _is_collection(given: object) -> TypeGuard[Iterable[object]]:
    return isinstance(given, Iterable) and not isinstance(given, (str, bytes, Mapping))


def _tags(given: object, endpoint: str) -> tuple[str, ...]:
    tags = [given] if isinstance(given, str) else list(given) if _is_collection(given) else None
    texts = [tag for tag in tags or () if is_text(tag)]
    if tags is None or len(texts) != len(tags):
        raise InvalidEndpoint("tags", repr(given), "texts", endpoint=endpoint)
    return tuple(sorted(set(texts)))


def _metadata(given: object, endpoint: str) -> Mapping[str, str]:
    pairs = dict(cast("Mapping[object, object]", given)) if isinstance(given, Mapping) else None
    texts = {key: text for key, text in (pairs or {}).items() if is_text(key) and is_text(text)}
    if pairs is None or len(texts) != len(pairs):
        raise InvalidEndpoint("metadata", f"{given!r}", "texts by name", endpoint=endpoint)
    return MappingProxyType(texts)


def _of_plain(values: Mapping[str, Any]) -> Endpoint:
    return Endpoint.of(values)
