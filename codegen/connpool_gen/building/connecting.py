"""How a wrapper opens its own members: two class methods, through a connector of the runtime."""

from __future__ import annotations

from dataclasses import dataclass

from connpool_gen.building.model import ConnectModel
from connpool_gen.identifiers import Names, distinct
from connpool_gen.reading.facts import Expression, Ref

ROOM = "connpool_runtime.connectors"


@dataclass(frozen=True, slots=True)
class Connectors:
    """The connectors of one kind and colour."""

    kind: str
    asynchronous: bool

    @property
    def connector(self) -> Ref:
        """The class that connects."""
        colour = "Async" if self.asynchronous else ""
        return Ref(f"{ROOM}.{self.kind}", f"{colour}{self.kind.title()}Connector")

    @property
    def config(self) -> Ref:
        """What it is made from."""
        return Ref(f"{ROOM}.{self.kind}", f"{self.kind.title()}Config")

    @property
    def contract(self) -> Ref:
        """What all connectors of this colour are."""
        return Ref(ROOM, "AsyncConnector" if self.asynchronous else "Connector")

    def needs(self) -> tuple[Ref, ...]:
        """The names that annotations use."""
        return self.config, self.contract, Ref("collections.abc", "Iterable")

    def model(self, names: Names, client: Ref, held: Expression, members: set[str]) -> ConnectModel:
        """The strings of both class methods, which step aside for members of the same name.

        A gRPC client is a stub around the channel that is connected, so its connector is given the
        stub's class. `held` is the client's type as the pool holds it.
        """
        made = self.connector.qualname
        return ConnectModel(
            from_config=distinct("from_config", members),
            from_connector=distinct("from_connector", members),
            config=names.spell(self.config),
            annotation=names.spell(Expression.of(self.contract, "[", held, "]")),
            endpoints=names.spell(
                Expression.of(Ref("collections.abc", "Iterable"), "[str] | None")
            ),
            imported=f"from {self.connector.module} import {made}",
            made=(
                f"{made}(config, {names.spell(client)})"
                if self.kind == "grpc"
                else f"{made}(config)"
            ),
        )
