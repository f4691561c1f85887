"""Endpoints from DNS: the addresses of a name, or its SRV records, queried again when they expire (extra `dns`)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from connpool_runtime._concurrency.is_async import ASYNC
from connpool_runtime._extras import need
from connpool_runtime.connectors.config.addresses import host_and_port
from connpool_runtime.connectors.config.errors import InvalidConfig
from connpool_runtime.connectors.config.fields import (
    Choice,
    Count,
    Duration,
    Flag,
    Refused,
    Text,
    Texts,
)
from connpool_runtime.connectors.config.record import Record
from connpool_runtime.discovery.endpoint import Endpoint, fitting_weights
from connpool_runtime.discovery.errors import SourceFailed
from connpool_runtime.discovery.source import AsyncSource, Source, refuse_other

__all__ = ["AsyncDnsSource", "DnsSource", "DnsSourceConfig"]

_TYPES = {"any": ("A", "AAAA"), "ipv4": ("A",), "ipv6": ("AAAA",)}
LONGEST_NAME = 253


@dataclass(kw_only=True)
class DnsSourceConfig(Record):
    """Which name is queried.

    Arguments:
        name: a host, or the name of SRV records such as `_redis._tcp.example.org`.
        port: of every address of the host; None: the name has SRV records, which give ports, weights and
            priorities.
        family: whether addresses of IPv4, IPv6 or both are asked for.
        resolve: whether the hosts in SRV records are resolved here; if not, the endpoint has the host, as
            TLS wants it, and the client resolves it.
        nameservers: `address:port` of the servers that are asked, in turn; none are those of the system.
        shortest_interval: between two questions, however short the time is that the records live.
        longest_interval: the same, however long that is; and where there is no record.

    Raises:
        InvalidConfig: a value is not allowed.
    """

    name: Text = Text()
    port: Count = Count(0)
    family: Choice = Choice("any", "ipv4", "ipv6")
    resolve: Flag = Flag(False)
    nameservers: Texts = Texts()
    shortest_interval: Duration = Duration(1.0, reloadable=True)
    longest_interval: Duration = Duration(30.0, reloadable=True)

    def __post_init__(self) -> None:
        if self.name is None or len(self.name) > LONGEST_NAME or "//" in self.name:
            raise InvalidConfig("name", repr(self.name), "a name that DNS may know")
        if self.port > 65535:
            raise InvalidConfig("port", repr(self.port), "between 1 and 65535, or left out for SRV")
        if self.shortest_interval > self.longest_interval:
            allowed = f"at least shortest_interval, {self.shortest_interval:g}"
            raise InvalidConfig("longest_interval", f"{self.longest_interval:g}", allowed)
        for server in self.nameservers:
            _nameserver(server)


def _nameserver(text: str) -> tuple[str, int]:
    try:
        host, port = host_and_port(text if text.count(":") == 1 or "]" in text else f"[{text}]:53")
    except Refused:
        try:
            host, port = host_and_port(f"{text}:53")
        except Refused:
            allowed = "an IP address, or one with a port"
            raise InvalidConfig("nameservers", repr(text), allowed) from None
    return host.strip("[]"), port


def _resolver(config: DnsSourceConfig, made: Any) -> Any:
    """Return a resolver of dnspython.

    Arguments:
        config: which servers it asks.
        made: its class.
    """
    if not config.nameservers:
        return made()
    resolver = made(configure=False)
    servers = [_nameserver(text) for text in config.nameservers]
    from dns.nameserver import Do53Nameserver

    resolver.nameservers = [Do53Nameserver(host, port) for host, port in servers]
    return resolver


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _failure(error: Exception, name: str) -> SourceFailed:
    import dns.exception
    import dns.resolver

    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, dns.exception.Timeout):
        reason = "timeout"
    elif isinstance(error, (dns.resolver.NoNameservers, OSError)):
        reason = "unreachable"
    else:
        reason = "answer" if isinstance(error, dns.exception.DNSException) else "error"
    return SourceFailed(f"{name}: {text}", reason=reason, source=name, cause=error)


class AsyncDnsSource(AsyncSource):
    """Queries DNS, and again when the first of its records has expired. For the tasks of one event loop.

    A name that does not exist, or has no record, is an answer without endpoints; a server that fails or
    does not answer is a failure.

    Arguments:
        config: which name is asked for.
    """

    def __init__(self, config: DnsSourceConfig) -> None:
        refuse_other(config, DnsSourceConfig, 'name="web.example.org", port=80')
        need("dns", "dns")
        self._config = config
        self.interval = config.shortest_interval

    @property
    def name(self) -> str:
        """The name of this source in errors, events and metrics."""
        port = f":{self._config.port}" if self._config.port else ""
        return f"dns {self._config.name}{port}"

    async def fetch(self, timeout: float) -> Iterable[Endpoint]:
        """Return an endpoint for each address, or for each SRV record."""
        config, name = self._config, cast("str", self._config.name)
        if ASYNC:
            from dns.asyncresolver import Resolver as ResolverClass
        else:
            from dns.resolver import Resolver as ResolverClass
        resolver = _resolver(config, ResolverClass)
        self.interval = config.longest_interval
        if not config.port:
            return await self._services(resolver, name, timeout)
        hosts = await self._hosts(resolver, name, timeout)
        return [Endpoint(_address(host, int(config.port))) for host in hosts]

    async def _services(self, resolver: Any, name: str, timeout: float) -> list[Endpoint]:
        records = [
            record
            for record in await self._records(resolver, name, "SRV", timeout)
            # a single root target means that the service is not available
            if record.target.to_text() != "."
        ]
        weights = fitting_weights(record.weight for record in records)
        found: dict[str, Endpoint] = {}
        for record, weight in zip(records, weights, strict=True):
            target = record.target.to_text(omit_final_dot=True)
            hosts = [target]
            if self._config.resolve:
                hosts = await self._hosts(resolver, target, timeout)
            for host in hosts:
                endpoint = Endpoint(
                    _address(host, record.port),
                    weight=weight,
                    priority=record.priority,
                    metadata={"host": target},
                )
                found.setdefault(endpoint.id, endpoint)
        return list(found.values())

    async def _hosts(self, resolver: Any, name: str, timeout: float) -> list[str]:
        return [
            record.address
            for kind in _TYPES[self._config.family]
            for record in await self._records(resolver, name, kind, timeout)
        ]

    async def _records(self, resolver: Any, name: str, kind: str, timeout: float) -> list[Any]:
        import dns.resolver

        try:
            # A name with a trailing dot is not searched in the domains of this machine.
            answer = await resolver.resolve(
                name, kind, lifetime=timeout, raise_on_no_answer=False, search=not name.count(".")
            )
        except dns.resolver.NXDOMAIN:
            return []
        except Exception as error:
            raise _failure(error, self.name) from None
        lives = answer.rrset.ttl if answer.rrset is not None else math.inf
        longest, shortest = self._config.longest_interval, self._config.shortest_interval
        self.interval = max(shortest, min(self.interval, longest, lives))
        return sorted(answer.rrset or (), key=str)


# Made by tools/derive_sync.py from the definitions above; edit those.


class DnsSource(Source):
    """Queries DNS, and again when the first of its records has expired. Safe for threads.

    A name that does not exist, or has no record, is an answer without endpoints; a server that fails or
    does not answer is a failure.

    Arguments:
        config: which name is asked for.
    """

    def __init__(self, config: DnsSourceConfig) -> None:
        refuse_other(config, DnsSourceConfig, 'name="web.example.org", port=80')
        need("dns", "dns")
        self._config = config
        self.interval = config.shortest_interval

    @property
    def name(self) -> str:
        """The name of this source in errors, events and metrics."""
        port = f":{self._config.port}" if self._config.port else ""
        return f"dns {self._config.name}{port}"

    def fetch(self, timeout: float) -> Iterable[Endpoint]:
        """Return an endpoint for each address, or for each SRV record."""
        config, name = self._config, cast("str", self._config.name)
        from dns.resolver import Resolver as ResolverClass

        resolver = _resolver(config, ResolverClass)
        self.interval = config.longest_interval
        if not config.port:
            return self._services(resolver, name, timeout)
        hosts = self._hosts(resolver, name, timeout)
        return [Endpoint(_address(host, int(config.port))) for host in hosts]

    def _services(self, resolver: Any, name: str, timeout: float) -> list[Endpoint]:
        records = [
            record
            for record in self._records(resolver, name, "SRV", timeout)
            # a single root target means that the service is not available
            if record.target.to_text() != "."
        ]
        weights = fitting_weights(record.weight for record in records)
        found: dict[str, Endpoint] = {}
        for record, weight in zip(records, weights, strict=True):
            target = record.target.to_text(omit_final_dot=True)
            hosts = [target]
            if self._config.resolve:
                hosts = self._hosts(resolver, target, timeout)
            for host in hosts:
                endpoint = Endpoint(
                    _address(host, record.port),
                    weight=weight,
                    priority=record.priority,
                    metadata={"host": target},
                )
                found.setdefault(endpoint.id, endpoint)
        return list(found.values())

    def _hosts(self, resolver: Any, name: str, timeout: float) -> list[str]:
        return [
            record.address
            for kind in _TYPES[self._config.family]
            for record in self._records(resolver, name, kind, timeout)
        ]

    def _records(self, resolver: Any, name: str, kind: str, timeout: float) -> list[Any]:
        import dns.resolver

        try:
            # A name with a trailing dot is not searched in the domains of this machine.
            answer = resolver.resolve(
                name, kind, lifetime=timeout, raise_on_no_answer=False, search=not name.count(".")
            )
        except dns.resolver.NXDOMAIN:
            return []
        except Exception as error:
            raise _failure(error, self.name) from None
        lives = answer.rrset.ttl if answer.rrset is not None else math.inf
        longest, shortest = self._config.longest_interval, self._config.shortest_interval
        self.interval = max(shortest, min(self.interval, longest, lives))
        return sorted(answer.rrset or (), key=str)
