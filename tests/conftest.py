"""Fixtures for tests that talk to real servers."""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from local_servers import FaultProxy, RedisServer
from tests.thorough import examples

if TYPE_CHECKING:  # not every Python that the tests run on has a grpcio
    from local_servers import GreeterServer

# A build without the interpreter lock lacks libraries that have no package for it; nowhere else may one be missing.
_WITHOUT_LOCK = not getattr(sys, "_is_gil_enabled", lambda: True)()
_NEED = {
    "grpc": [
        "classifiers/test_etcd3aio.py",
        "classifiers/test_grpc.py",
        "classifiers/test_pymilvus.py",
        "classifiers/test_real_grpc.py",
        "classifiers/test_real_milvus.py",
        "config/test_open_configs.py",
        "connectors",
        "health/test_monitor.py",
    ],
    "cryptography": [
        "admin/test_security.py",
        "connectors",
        "discovery/test_consul.py",
        "discovery/test_kubeconfig.py",
    ],
}
_MISSING = [name for name in _NEED if _WITHOUT_LOCK and find_spec(name) is None]
collect_ignore = [f"runtime/{path}" for name in _MISSING for path in _NEED[name]]


def pytest_report_header() -> list[str]:
    """Say what is left out."""
    return [f"WITHOUT {name}: {', '.join(_NEED[name])} left out" for name in _MISSING]


# The environment of whoever runs the tests is not that of the projects that they make.
for variable in ("VIRTUAL_ENV", "CONDA_PREFIX", "PRE_COMMIT"):
    os.environ.pop(variable, None)

with suppress(ImportError):  # the environment of the corpus does without
    from hypothesis import settings

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
