"""How a wrapper opens its own members: three class methods, through a connector of the runtime."""

from __future__ import annotations

from dataclasses import dataclass

from connpool_gen.building.model import ConnectModel
from connpool_gen.building.names import Names
from connpool_gen.identifiers import distinct
from connpool_gen.reading.facts import Expression, Ref

PACKAGE = "connpool_runtime.connectors"
DISCOVERY = "connpool_runtime.discovery"


@dataclass(frozen=True, slots=True)
class Connectors:
    """The connectors of one kind, synchronous or asynchronous."""

    kind: str
    asynchronous: bool

    @property
    def connector(self) -> Ref:
        """The class that opens clients of this kind."""
        prefix = "Async" if self.asynchronous else ""
        return Ref(f"{PACKAGE}.{self.kind}", f"{prefix}{self.kind.title()}Connector")

    @property
    def config(self) -> Ref:
        """The class of the config that the connector is made from."""
        return Ref(f"{PACKAGE}.{self.kind}", f"{self.kind.title()}Config")

    @property
    def contract(self) -> Ref:
        """The protocol of all connectors that fit the pool."""
        return Ref(PACKAGE, "AsyncConnector" if self.asynchronous else "Connector")

    @property
    def source(self) -> Ref:
        """The protocol of all sources of endpoints that fit the pool."""
        return Ref(DISCOVERY, "AsyncSource" if self.asynchronous else "Source")

    def model(self, names: Names, client: Ref, held: Expression, members: set[str]) -> ConnectModel:
        """Write the class methods, whose names give way to members of the same name.

        A gRPC client is a stub around the channel that is connected, so its connector is given the
        stub's class. `held` is the client's type as the pool holds it.
        """
        made = self.connector.qualname
        return ConnectModel(
            from_config=distinct("from_config", members),
            from_connector=distinct("from_connector", members),
            from_discovery=distinct("from_discovery", members),
            config=names.spell(Expression.of(self.config, " | str")),
            annotation=names.spell(Expression.of(self.contract, "[", held, "]")),
            endpoints=names.spell(
                Expression.of(Ref("collections.abc", "Iterable"), "[str] | None")
            ),
            source=names.spell(self.source),
            discovery_options=names.spell(
                Expression.of(Ref(DISCOVERY, "DiscoveryOptions"), " | None")
            ),
            imported=f"from {self.connector.module} import {made}",
            made=(
                f"{made}(config, {names.spell_running(client)})"
                if self.kind == "grpc"
                else f"{made}(config)"
            ),
        )
