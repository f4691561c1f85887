"""Which parameter gets the caller's deadline: a table, a rule that rather leaves one alone, and the user's word."""

from typing import Any

import pytest

from connpool_gen.building.classifiers import CLASSIFIERS
from connpool_gen.config.request import MethodPolicy
from connpool_gen.config.retry import RetrySettings
from connpool_gen.errors import RequestError
from connpool_gen.planning.deadline_parameters import OTHER_MEANING
from connpool_runtime import RetryPolicy
from tests.codegen.made import Maker

CLIENT = """
class Busy(Exception):
    pass

class Client:
    def get(self, key: str, timeout: float | None = None) -> str: ...
    def count(self, *, timeout_ms: int = 500) -> int: ...
    def load(self, key: str, request_timeout: int | None = None) -> str: ...
    def lock(self, name: str, timeout: float | None = None) -> None: ...
    def pop(self, timeout: float = 0) -> str: ...
    def must(self, timeout: float) -> str: ...
    def words(self, timeout: str = "10s") -> str: ...
    def two(self, timeout: float = 1.0, request_timeout: float = 2.0) -> str: ...
    def put(self, key: str, patience: float = 3.0) -> None: ...
"""


def taken(made: Any) -> dict[str, tuple[str, float, bool]]:
    """The parameter of each method of a wrapper that has one, with its unit."""
    methods = [m for m in vars(made.module).values() if type(m).__name__ == "Method"]
    return {
        m.name: (m.deadline_parameter.name, m.deadline_parameter.unit, m.deadline_parameter.whole)
        for m in methods
        if m.deadline_parameter is not None
    }


def test_name_type_and_default_have_to_say_so(maker: Maker) -> None:
    """What may mean something else is left alone, and the ledger says why."""
    made = maker.make(CLIENT)
    assert taken(made) == {
        "get": ("timeout", 1.0, False),
        "count": ("timeout_ms", 0.001, True),
        "load": ("request_timeout", 1.0, True),
    }
    reasons = {name: made.names[name].reason for name in ("lock", "pop", "must", "words", "two")}
    assert {name: reason.partition(": ")[2] for name, reason in reasons.items()} == {
        "lock": "'lock' says that it may be something else",
        "pop": "its default is 0",
        "must": "it has to be given",
        "words": "its type is not known to be a number",
        "two": "several could be meant",
    }
    assert all(reason.startswith("the deadline does not reach") for reason in reasons.values())
    assert made.names["get"].reason == made.names["put"].reason == ""


def test_the_user_has_the_last_word(maker: Maker) -> None:
    """Another parameter, with its unit, or none at all; both leave nothing to say in the ledger."""
    policies = (
        MethodPolicy(pattern="get", deadline_parameter=False),
        MethodPolicy(pattern="put", deadline_parameter="patience in ms"),
        MethodPolicy(pattern="pop", deadline_parameter="timeout"),
    )
    made = maker.make(CLIENT, policies=policies)
    found = taken(made)
    assert "get" not in found
    assert (found["put"], found["pop"]) == (("patience", 0.001, True), ("timeout", 1.0, False))
    assert made.names["pop"].reason == ""
    assert '@method("put", deadline_parameter="patience in ms")' in made.text


def test_a_parameter_that_is_not_there_is_refused(maker: Maker) -> None:
    """The error names the method and the key."""
    policy = MethodPolicy(pattern="get", deadline_parameter="tiemout")
    with pytest.raises(
        RequestError, match="deadline-parameter 'tiemout': get has no such parameter"
    ):
        maker.text(CLIENT, policies=(policy,))


@pytest.mark.parametrize("said", ["a b", "timeout in hours", ""])
def test_another_text_is_refused(said: str) -> None:
    """The error says what may be written."""
    with pytest.raises(RequestError, match=r"deadline-parameter is .*PARAMETER in ms"):
        MethodPolicy(pattern="get", deadline_parameter=said)


def test_a_lock_of_redis_expires_when_it_was_asked_to(maker: Maker) -> None:
    """No parameter of redis bounds a call: it is a lease, or how long the server blocks."""
    made = maker.of("redis:Redis", include=("get", "lock", "blpop", "client_pause"))
    assert taken(made) == {}
    assert "in redis it is" in made.names["lock"].reason
    assert set(CLASSIFIERS.values()) >= OTHER_MEANING.keys()


def test_retries_of_a_method_stand_in_its_policy(maker: Maker) -> None:
    """Typed, with the client's own errors by reference; false means never."""
    name = maker.write(CLIENT)
    policies = (
        MethodPolicy(
            pattern="get",
            retry=RetrySettings(attempts=5, base=0.2, errors=(f"{name}:Busy",), unsent=True),
        ),
        MethodPolicy(pattern="put", retry=False),
    )
    made = maker.of(f"{name}:Client", policies=policies)
    get, put = made.module._get, made.module._put
    busy = made.module.Busy
    assert get.retry == RetryPolicy(attempts=5, base=0.2, errors=(busy,), unsent=True)
    assert put.retry == RetryPolicy(attempts=1)
    assert made.module._count.retry is None
