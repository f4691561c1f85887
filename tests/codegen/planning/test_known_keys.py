"""The keys of known clients. What the table of Redis says is compared with a server in tests/generated/."""

import pytest

from connpool_gen.building.classifiers import CLASSIFIERS
from connpool_gen.config.hash_key import key_parts
from connpool_gen.config.options import TARGET_KEYS
from connpool_gen.config.request import MethodPolicy
from connpool_gen.planning.known_keys import KNOWN, REDIS, known_key
from connpool_runtime.balancing.balancers import BALANCERS, BY_CALL
from tests.codegen.made import Maker


def test_the_table_can_be_read() -> None:
    """Each value says which parameters hold keys, each method stands once, each library is known."""
    methods = [method for listed in REDIS.values() for method in listed.split()]
    assert len(methods) == len(set(methods)) == len(KNOWN["redis"])
    assert all(key_parts(key) for key in REDIS)
    assert KNOWN.keys() <= set(CLASSIFIERS.values())
    assert TARGET_KEYS["keys"].allowed == tuple(KNOWN)


def test_the_balancers_are_the_runtimes() -> None:
    """The generator does not import the runtime, so this holds its list to the runtime's."""
    assert set(TARGET_KEYS["balancer"].allowed) == {*BALANCERS, *BY_CALL}


def test_what_is_not_known_has_no_key() -> None:
    """Neither a method that is not listed nor another library's."""
    assert known_key("redis", "get") == "name"
    assert (
        known_key("redis", "dbsize") is known_key("grpc", "get") is known_key(None, "get") is None
    )


@pytest.mark.parametrize("client", ["redis:Redis", "redis.asyncio:Redis"])
def test_a_known_clients_keys_are_in_its_wrapper(maker: Maker, client: str) -> None:
    """Whatever its balancer, so that the one for keys can be chosen where a pool is made."""
    made = maker.of(client, include=("get", "delete", "eval", "ping"))
    found = [m for m in vars(made.module).values() if type(m).__name__ == "Method"]
    assert {m.name: m.hash_key for m in found if m.hash_keys is None} == {"get": 0, "ping": None}
    several = {m.name: m.hash_keys for m in found if m.hash_keys is not None}
    assert several["delete"]((("a", "b"),)) == ("a", "b")
    assert several["eval"](("script", 1, ("a", "x"))) == ("a",)
    assert 'hash_key="*keys_and_args[:numkeys]"' in made.text


OTHER = """
class Client:
    def get(self, name: str) -> bytes: ...
    def hget(self, hash: str, key: str) -> bytes: ...
    def load(self, name: str) -> bytes: ...
"""


def test_a_class_of_ones_own_may_have_the_keys_of_a_library(maker: Maker) -> None:
    """`keys` says so; methods with other parameters have none, and the user's own word goes first."""
    made = maker.make(
        OTHER, keys="redis", policies=(MethodPolicy(pattern="load", hash_key="name"),)
    )
    keys = {m.name: m.hash_key for m in vars(made.module).values() if type(m).__name__ == "Method"}
    assert keys == {"get": 0, "hget": None, "load": 0}
    assert made.wrapper().pool.settings.balancer == "consistent_hash"
    assert "hash_key" not in maker.text(OTHER)


@pytest.mark.parametrize(
    ("client", "asked", "balancer"),
    [
        ("redis:Redis", None, "consistent_hash"),
        ("redis.asyncio:Redis", None, "consistent_hash"),
        ("redis:Redis", "round_robin", "round_robin"),
        ("redis:RedisCluster", None, "round_robin"),  # finds the server of a key by itself
    ],
)
def test_a_known_clients_wrapper_balances_by_key(
    maker: Maker, client: str, asked: str | None, balancer: str
) -> None:
    """Servers that each hold other keys are right from the start; replicas are said to be some."""
    made = maker.of(client, include=("get",), balancer=asked)
    assert made.wrapper().pool.settings.balancer == balancer
