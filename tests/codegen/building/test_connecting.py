"""Wrappers that open their own members: three class methods, typed for one kind of connector."""

import dataclasses

import pytest

from connpool_gen.config.options import TARGET_KEYS
from connpool_gen.errors import RequestError
from connpool_runtime.connectors.kinds import KINDS
from tests.codegen.made import ROOT, Maker
from tests.left_out import need

EXAMPLES = ROOT / "examples"


def test_the_kinds_are_those_of_the_runtime() -> None:
    """Whatever the runtime connects to can be asked for, under the names of its classes."""
    assert {kind: kind.title() for kind in TARGET_KEYS["connector"].allowed} == dict(KINDS)


@pytest.mark.parametrize("mode", ["pool", "drop-in", "protocol"])
@pytest.mark.parametrize("client", ["redis:Redis", "redis.asyncio:Redis"])
def test_each_mode_type_checks_sync_and_async(maker: Maker, client: str, mode: str) -> None:
    """The class methods belong to the wrapper, also where type checkers take it for a client."""
    made = maker.of(client, connector="redis", mode=mode, include=("get",), verify=True)
    assert callable(made.wrapper.from_config)
    assert callable(made.wrapper.from_connector)
    assert callable(made.wrapper.from_discovery)


def test_members_of_the_same_name_come_first(maker: Maker) -> None:
    """A client's own `from_config` keeps its name; ours steps aside."""
    made = maker.make(
        """
        class Client:
            @classmethod
            def from_config(cls, config: int) -> str:
                return "the client's"
            def get(self) -> int:
                return 1
        """,
        connector="http",
    )
    assert made.wrapper.from_config(1) == "the client's"
    assert callable(made.wrapper.from_config_2)


def test_an_unknown_kind_is_refused(maker: Maker) -> None:
    """The error names the kinds there are."""
    with pytest.raises(RequestError, match="'ftp' is unknown; one of etcd, grpc, http"):
        dataclasses.replace(maker.request("redis:Redis"), connector="ftp")


def test_a_class_that_does_not_run_cannot_be_connected(maker: Maker) -> None:
    """The stub that only type checkers know gets a connector by hand."""
    need("grpc")
    with pytest.raises(RequestError, match="exists only for type checkers"):
        maker.of(
            "greeter.greeter_pb2_grpc:GreeterAsyncStub", connector="grpc", app_dirs=(EXAMPLES,)
        )
