"""The numbers of shared clients, in both exporters."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry, generate_latest

from connpool_runtime import Pool
from connpool_runtime.metrics.otel_shared_clients import observe_shared_clients
from connpool_runtime.metrics.shared_clients import SharedClientsCollector
from connpool_runtime.sharing.shared_clients import SharedClients
from tests.runtime.sharing.faces import ThreadConnector, World, config_of

Read = Callable[[], dict[tuple[str, str], float]]


def opened(name: str = "test", **options: Any) -> SharedClients[Any, Any]:
    world = World()
    return SharedClients(lambda config: ThreadConnector(world, config), name=name, **options)


@pytest.fixture
def shared() -> Iterator[SharedClients[Any, Any]]:
    shared = opened(max_clients=7)
    yield shared
    shared.close(drain_timeout=0)


@pytest.fixture(params=["prometheus", "opentelemetry"])
def exported(request: pytest.FixtureRequest) -> tuple[Callable[..., Any], Read]:
    """What exports more of them, and what reads the numbers, by short name and label."""
    if request.param == "prometheus":
        registry = CollectorRegistry()

        def read() -> dict[tuple[str, str], float]:
            return {
                (
                    sample.name.removeprefix("connpool_shared_"),
                    sample.labels.get("state", ""),
                ): sample.value
                for family in registry.collect()
                for sample in family.samples
            }

        return lambda *shared: SharedClientsCollector(*shared, registry=registry), read
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader]).get_meter("test")
    names = {"count": "clients", "reference.count": "client_references", "limit": "clients_limit"}

    def observed() -> dict[tuple[str, str], float]:
        data = reader.get_metrics_data()
        metrics = data.resource_metrics[0].scope_metrics[0].metrics if data else []
        return {
            (
                names[metric.name.removeprefix("connpool.shared_client.")],
                point.attributes.get("connpool.shared_client.state", ""),
            ): point.value
            for metric in metrics
            for point in metric.data.data_points
        }

    return lambda *shared: observe_shared_clients(*shared, meter=meter), observed


def test_clients_and_their_holders_are_counted(
    shared: SharedClients[Any, Any], exported: tuple[Callable[..., Any], Read]
) -> None:
    """By state, with the handles that are out and the limit, also of what is opened after exporting began."""
    export, read = exported
    export(shared)
    one, two = shared.acquire(config_of("a")), shared.acquire(config_of("a"))
    other = shared.acquire(config_of("b"))
    shared.remove(config_of("b"))
    assert read() == {
        ("clients", "healthy"): 1,
        ("clients", "unhealthy"): 0,
        ("clients", "retired"): 1,
        ("client_references", ""): 3,
        ("clients_limit", ""): 7,
    }
    for handle in (one, two, other):
        handle.release()
    assert read()["client_references", ""] == 0


def test_those_that_are_closed_are_forgotten(exported: tuple[Callable[..., Any], Read]) -> None:
    """Nothing is told of them any more, and their name is free; two that are open need two names."""
    export, read = exported
    first = opened()
    export(first)
    export(first)
    second = opened()
    with pytest.raises(ValueError, match="named 'test'"):
        export(second)
    first.close()
    assert ("client_references", "") not in read()
    export(second)
    assert read()["client_references", ""] == 0
    second.close()


def test_something_else_is_refused(exported: tuple[Callable[..., Any], Read]) -> None:
    """The error says what is expected."""
    with pytest.raises(TypeError, match="neither a SharedClients"):
        exported[0](Pool[object]("test"))


def test_the_text_is_valid() -> None:
    """A registry has one such collector, and its text names each series once."""
    registry = CollectorRegistry()
    eu, us = opened("eu"), opened("us")
    assert SharedClientsCollector(eu, registry=registry) is SharedClientsCollector(
        us, registry=registry
    )
    text = generate_latest(registry).decode()
    assert text.count("# TYPE connpool_shared_clients gauge") == 1
    assert 'connpool_shared_clients{shared="us",state="healthy"} 0.0' in text
    eu.close()
    us.close()
