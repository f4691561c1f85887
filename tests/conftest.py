"""Fixtures for tests that talk to real servers."""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import pytest

from connpool_runtime._concurrency.random_numbers import generator
from local_servers import FaultProxy, RedisServer
from tests.left_out import is_left_out
from tests.thorough import examples

if TYPE_CHECKING:  # not every Python that the tests run on has a grpcio
    from local_servers import GreeterServer

# What is left out where one of these libraries is; single tests ask `left_out.need`.
_NEED = {
    "cryptography": [
        "runtime/admin/test_security.py",
        "runtime/connectors",
        "runtime/discovery/test_consul.py",
        "runtime/discovery/test_kubeconfig.py",
    ],
    "grpc": [
        "codegen/planning/reads/test_grpc.py",
        "generated/test_connected.py",
        "generated/test_greeter_async_stub.py",
        "generated/test_greeter_stub_pool.py",
        "runtime/classifiers/test_etcd3aio.py",
        "runtime/classifiers/test_grpc.py",
        "runtime/classifiers/test_pymilvus.py",
        "runtime/classifiers/test_real_grpc.py",
        "runtime/classifiers/test_real_milvus.py",
        "runtime/config/test_open_configs.py",
        "runtime/connectors",
        "runtime/health/test_monitor.py",
    ],
    "pymilvus": ["generated/test_milvus_client_pool.py"],
}
_MISSING = [name for name in _NEED if is_left_out(name)]
collect_ignore = [path for name in _MISSING for path in _NEED[name]]


def pytest_report_header() -> list[str]:
    """Say what is left out."""
    return [f"WITHOUT {name}: {', '.join(_NEED[name])} left out" for name in _MISSING]


# The environment of whoever runs the tests is not that of the projects that they make.
for variable in ("VIRTUAL_ENV", "CONDA_PREFIX", "PRE_COMMIT"):
    os.environ.pop(variable, None)

with suppress(ImportError):  # the environment of the corpus does without
    from hypothesis import register_random, settings

    # An example is the same each time, whatever pools drew before.
    register_random(generator)
    # No rule of a test is about how long an example takes on a busy machine.
    settings.register_profile("unhurried", deadline=None, max_examples=examples(100))
    settings.load_profile("unhurried")


def _collect_channels() -> None:
    """Collect what earlier tests have left of gRPC: a child that collects a channel of an event loop waits for ever.

    Its finalizer waits for the thread that polls, and that thread is only in the parent.
    """
    if "grpc.aio" in sys.modules:
        gc.collect()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_collect_channels)


@pytest.fixture(autouse=True)
def collecting() -> Iterator[None]:
    """Garbage is collected as before: mypy.api all but stops that, and forks of a process of gigabytes take long."""
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """One Redis server."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def redis_servers() -> Iterator[list[RedisServer]]:
    """Three Redis servers."""
    with ExitStack() as stack:
        yield [stack.enter_context(RedisServer()) for _ in range(3)]


@pytest.fixture
def greeter_servers() -> "Iterator[list[GreeterServer]]":
    """Three gRPC servers, named a, b and c."""
    from local_servers import GreeterServer

    with ExitStack() as stack:
        yield [stack.enter_context(GreeterServer(name)) for name in "abc"]


@pytest.fixture
def fault_proxy(redis_server: RedisServer) -> Iterator[FaultProxy]:
    """A proxy in front of `redis_server`, without a fault so far."""
    with FaultProxy(redis_server.port) as proxy:
        yield proxy
