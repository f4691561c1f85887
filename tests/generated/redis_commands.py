"""What the methods of a Redis client send: arguments for each of them, and a client that only notes."""

import inspect
from collections.abc import Iterable
from typing import Any

import redis
from redis import Redis

NUMBERS = {
    "amount",
    "bit",
    "count",
    "cursor",
    "db",
    "destination_db",
    "end",
    "idle",
    "index",
    "latitude",
    "limit",
    "longitude",
    "max",
    "milliseconds",
    "min",
    "min_idle_time",
    "num",
    "num_keys",
    "num_local",
    "num_replicas",
    "numkeys",
    "offset",
    "port",
    "quorum",
    "radius",
    "seconds",
    "start",
    "time",
    "time_ms",
    "timeout",
    "ttl",
    "unix_time_milliseconds",
    "unix_time_seconds",
    "when",
}
VALUES = {
    "fields": {"field": "value"},
    "first": 1,
    "keys": ["k:1", "k:2"],
    "mapping": {"k:1": 1, "k:2": 2},
    "members": ["member"],
    "message_ids": ["1-1"],
    "second": 2,
    "streams": {"k:1": 0, "k:2": 0},
    "unit": "m",
}
# Where arguments made from the names of parameters would not do.
GIVEN: dict[str, tuple[Any, ...]] = {
    "ardelrange": ("k", (0, 1)),
    "bitpos": ("k", 1),
    "client_kill_filter": (),
    "object": ("encoding", "k"),
    "geoadd": ("k", [1.0, 2.0, "place"]),
    "hset": ("k", "field", "value"),
    "xreadgroup": ("group", "consumer", {"k:1": 0, "k:2": 0}),
    "zadd": ("k", {"member": 1}),
    "zmpop": (2, ["k:1", "k:2"]),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "bzmpop": {"min": True},
    "geosearch": {"member": "place", "radius": 1},
    "geosearchstore": {"member": "place", "radius": 1},
    "georadius": {"store": "to:1"},
    "georadiusbymember": {"store_dist": "to:2"},
    "hsetex": {"key": "field", "value": "value"},
    "sort": {"store": "to"},
    "xnack": {"mode": "FAIL"},
    "xtrim": {"maxlen": 1},
    "zmpop": {"min": True},
    "blmpop": {"direction": "LEFT"},
    "lmpop": {"direction": "LEFT"},
}
# What is no command of its own: a lock, a builder of one command, several commands, a connection.
WITHOUT_COMMAND = {"bitfield", "lock", "monitor", "transaction", "watch"}


class Noting(Redis):
    """A client that notes commands and sends none."""

    def __init__(self) -> None:
        super().__init__()
        self.command: tuple[Any, ...] | None = None

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Note the command; the answer is an end of everything, also of walks."""
        self.command = args
        raise redis.ResponseError("noted")


def sample(name: str, signature: inspect.Signature) -> tuple[list[Any], dict[str, Any]]:
    """Make arguments for a method: a text of its own for each parameter that must be given."""
    if name in GIVEN:
        return list(GIVEN[name]), OPTIONS.get(name, {})
    args: list[Any] = []
    for parameter in list(signature.parameters.values())[1:]:
        if parameter.kind is parameter.KEYWORD_ONLY:
            continue
        if parameter.kind is parameter.VAR_POSITIONAL:
            args += [f"{parameter.name}:1", f"{parameter.name}:2"]
        elif parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD:
            plain = 2 if parameter.name in NUMBERS else f"{parameter.name}:"
            args.append(VALUES.get(parameter.name, plain))
    return args, OPTIONS.get(name, {})


def words(command: Iterable[Any]) -> list[Any]:
    """Part `XGROUP CREATE` as the client does before it sends it."""
    first, *rest = command
    return [*str(first).split(), *rest]
