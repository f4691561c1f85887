"""The model of the output: names that clash with nothing, policies in one visible table, honest refusals."""

import ast
import re

import pytest

from connpool_gen.config.request import MethodPolicy
from connpool_gen.errors import RequestError, TargetError
from connpool_gen.planning.ledger import Fate
from tests.codegen.made import Maker

PLAIN = """
class Client:
    def get(self, key: str, ttl: int = 1) -> str:
        return key

    def get_all(self) -> int:
        return 1
"""


def entry(text: str, label: str) -> str:
    """The function of one method in the table, with its decorator, on one line."""
    (found,) = [n for n in ast.parse(text).body if re.match(rf"@method\('{label}'", ast.unparse(n))]
    return " ".join(ast.unparse(found).split())


def test_what_stands_in_the_module(maker: Maker) -> None:
    """A reader sees the client's import, one table, one class; names stand for arguments in both."""
    text = maker.text(PLAIN)
    assert (
        "    def get(self, key: str, ttl: int = 1) -> str:\n        return self.pool.call(_get, (key, ttl))\n"
        in text
    )
    assert entry(text, "get") == (
        "@method('get') def _get(client: Client, packed: tuple[str, int]) -> str:"
        " key, ttl = packed return client.get(key=key, ttl=ttl)"
    )
    assert entry(text, "get_all") == (
        "@method('get_all') def _get_all(client: Client, _: object) -> int: return client.get_all()"
    )
    assert '__all__ = ["ClientPool"]' in text


def test_no_policy_is_no_word(maker: Maker) -> None:
    """A method without a policy has an entry without one."""
    assert "idempotent" not in maker.text(PLAIN)


def test_policies_stand_in_the_table(maker: Maker) -> None:
    """What was asked for a method is baked into its entry, and only into its."""
    policy = MethodPolicy(
        pattern="get",
        idempotent=True,
        timeout=2.5,
        expected=("builtins:KeyError", "json:JSONDecodeError"),
        ignored=("builtins:TimeoutError",),
        judge="math:isfinite",
        hash_key="ttl",
    )
    made = maker.make(PLAIN, policies=(policy,))
    methods = {m.name: m for m in vars(made.module).values() if type(m).__name__ == "Method"}
    get = methods["get"]
    import json

    assert (get.idempotent, get.timeout, get.hash_key) == (True, 2.5, 1)
    assert (get.expected, get.ignored) == ((KeyError, json.JSONDecodeError), (TimeoutError,))
    other = methods["get_all"]
    import math

    assert (get.judge, other.judge) == (math.isfinite, None)
    assert (other.idempotent, other.timeout, other.expected) == (False, None, ())


def test_idempotent_globs(maker: Maker) -> None:
    """`--idempotent` marks the methods that its glob matches."""
    text = maker.text(PLAIN, idempotent=("*_all",))
    assert "idempotent=True" in entry(text, "get_all")
    assert "idempotent=True" not in entry(text, "get")


def test_an_affinity_key_must_be_a_parameter(maker: Maker) -> None:
    """A hash key that no parameter has is refused, with the method and the key."""
    with pytest.raises(RequestError, match=r"'user'.*get"):
        maker.text(PLAIN, policies=(MethodPolicy(pattern="get", hash_key="user"),))


@pytest.mark.parametrize(
    ("said", "args", "keys"),
    [
        ("*names", (("a", "b"),), ("a", "b")),
        ("dest, *names", ("d", ("a",)), ("d", ("a",))),
        ("*names[:count]", (1, ("a", "b")), ("a",)),
        ("dest, *names[:count]", ("d", 1, ("a", "b")), ("d", ("a",))),
    ],
)
def test_a_method_may_have_several_keys(
    maker: Maker, said: str, args: tuple[object, ...], keys: object
) -> None:
    """The entry finds them among the packed arguments, wherever the parameters stand."""
    held = ", ".join(name for name in ("dest", "count", "*names") if name.strip("*") in said)
    source = f"class Client:\n    def take(self, {held}): ...\n"
    made = maker.make(source, policies=(MethodPolicy(pattern="take", hash_key=said),))
    (take,) = [m for m in vars(made.module).values() if type(m).__name__ == "Method"]
    assert take.hash_key is None
    assert take.hash_keys(args) == keys


def test_a_wrapper_begins_with_the_balancer_of_its_target(maker: Maker) -> None:
    """The wrapper says so in `__init__`; who makes a pool may name another."""
    made = maker.make(PLAIN, balancer="consistent_hash")
    assert 'options.setdefault("balancer", "consistent_hash")' in made.text
    assert made.wrapper().pool.settings.balancer == "consistent_hash"
    assert made.wrapper(balancer="random").pool.settings.balancer == "random"
    assert "setdefault" not in maker.text(PLAIN)


@pytest.mark.parametrize(
    "source",
    [
        "class Client:\n    def get(self): ...\n    def GET(self): ...\n    def get_(self): ...\n",
        "class Client:\n    def get(self, _get): ...\n    def put(self, _put, _put_2): ...\n",
        "class Client:\n    def get(self, client): ...\n    def put(self, packed, _packed, result): ...\n",
        "class Client:\n    def getAll(self): ...\n    def get_all(self): ...\n    def GetAll(self): ...\n",
    ],
)
def test_functions_are_distinct(maker: Maker, source: str) -> None:
    """Methods whose names differ only in case or underscores have functions of their own."""
    made = maker.make(source)
    labels = re.findall(r'@method\(\s*"(\w+)"', made.text)
    assert sorted(labels) == sorted(made.names)
    assert len(set(re.findall(r"^def (_\w+)\(", made.text, re.MULTILINE))) == len(labels)


def test_a_client_with_a_member_named_pool(maker: Maker) -> None:
    """The accessor of the pool steps aside for the client's own `pool`, and for `pool_` too."""
    made = maker.make("class Client:\n    def pool(self): return 1\n")
    wrapper = made.over(made.client())
    assert wrapper.pool() == 1
    assert wrapper.pool_.stats() is not None
    both = maker.text("class Client:\n    def pool(self): ...\n    def pool_(self): ...\n")
    assert "self.pool__2" in both or "self.pool_2" in both


def test_the_pool_field_can_be_chosen(maker: Maker) -> None:
    """`--pool-field` names the accessor; a name that the client has is refused."""
    made = maker.make(PLAIN, pool_field="members")
    wrapper = made.wrapper()
    wrapper.members.add_client(made.client())
    assert wrapper.get("x") == "x"
    assert not hasattr(wrapper, "pool")
    with pytest.raises(RequestError, match=r"'get'.*has a member of that name"):
        maker.text(PLAIN, pool_field="get")


@pytest.mark.parametrize(
    "wrapper", ["Client", "Method", "Pool", "print", "Any", "_get", "TYPE_CHECKING"]
)
def test_any_wrapper_name_works(maker: Maker, wrapper: str) -> None:
    """The wrapper may be called like its client, like something imported or like a builtin."""
    made = maker.make(PLAIN, wrapper=wrapper)
    assert made.over(made.client()).get("x") == "x"


def test_without_metrics(maker: Maker) -> None:
    """`--no-metrics` makes a pool that works and says so in its table of options."""
    made = maker.make(PLAIN, metrics=False)
    wrapper = made.over(made.client())
    assert wrapper.get("x") == "x"
    assert made.text != maker.text(PLAIN)


def test_the_ledger_lists_every_member_once(maker: Maker) -> None:
    """Each public member has one fate, and all that is not simply wrapped has a reason."""
    made = maker.make("""
        class Client:
            limit = 1
            def __init__(self):
                self.host = "h"
            def get(self): ...
            @property
            def name(self): ...
            @classmethod
            def create(cls): ...
            def connect(self): ...
            def open(self, host): ...
            def close(self): ...
            def __len__(self): ...
            def _private(self): ...
        """)
    fates = {name: entry.fate.value for name, entry in made.names.items()}
    assert len(fates) == len(made.ledger.entries)
    assert fates == {
        "limit": "passed through",
        "open": "skipped",
        "host": "passed through",
        "get": "wrapped",
        "name": "passed through",
        "create": "passed through",
        "connect": "broadcast",
        "close": "pool",
        "__len__": "wrapped",
    }
    assert all(entry.reason for entry in made.ledger.entries if entry.fate.value != "wrapped")
    assert made.ledger.summary() == "2 wrapped, 4 passed through, 1 broadcast, 1 pool, 1 skipped"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("class Client: ...\n", "no public method"),
        ("class Client:\n    x = 1\n    @staticmethod\n    def f(): ...\n", "no public method"),
        (
            "class Client:\n    def __getattribute__(self, name): ...\n    def __getattr__(self, name): ...\n",
            "dynamic attributes cannot be enumerated",
        ),
    ],
)
def test_nothing_to_wrap_is_refused(maker: Maker, source: str, words: str) -> None:
    """A wrapper without a method would be of no use, so none is made."""
    with pytest.raises(TargetError, match=words):
        maker.text(source)


def test_excluding_everything_is_refused(maker: Maker) -> None:
    """When the flags leave nothing, the flags are named as the cause."""
    with pytest.raises(RequestError, match="--include and --exclude leave no method"):
        maker.text(PLAIN, exclude=("*",))


def test_an_async_client_gets_an_async_pool(maker: Maker) -> None:
    """The pool is asynchronous if the client is."""
    asynchronous = "class Client:\n    async def get(self): ...\n    def host(self): ...\n"
    assert "AsyncPool(" in maker.text(asynchronous)
    assert "AsyncPool" not in maker.text(PLAIN)


def test_one_callback_helper_does_not_make_a_client_async(maker: Maker) -> None:
    """A synchronous client with one asynchronous extra stays synchronous; the extra is reported."""
    body = "".join(f"    def get_{n}(self): ...\n" for n in range(9))
    made = maker.make(f"class Client:\n{body}    async def extra(self): ...\n")
    assert "AsyncPool" not in made.text
    assert made.names["extra"].fate.value == "skipped"
    assert "asynchronous" in made.names["extra"].reason


def test_a_generic_client_gives_a_generic_wrapper(maker: Maker) -> None:
    """The wrapper of `Box[T]` is generic in the same variable."""
    made = maker.make("""
        from typing import Generic, TypeVar
        T = TypeVar("T")
        class Client(Generic[T]):
            def get(self, key: str) -> T: ...
        """)
    assert "class ClientPool(Generic[T]):" in made.text
    assert made.wrapper[int]() is not None
    assert "self.pool: Pool[Client[T]]" in made.text


def test_including_members_keeps_close(maker: Maker) -> None:
    """A wrapper of a few members can still be closed, unless its `close` is excluded by name."""
    source = """
        class Client:
            def get(self) -> int: ...
            def put(self) -> int: ...
            def close(self) -> None: ...
    """
    fates = {n: e.fate for n, e in maker.make(source, include=("get",)).names.items()}
    assert fates == {"get": Fate.WRAPPED, "put": Fate.SKIPPED, "close": Fate.POOL}
    without = maker.make(source, include=("get",), exclude=("close",))
    assert without.names["close"].fate is Fate.SKIPPED
