"""Which parameter gets the caller's deadline: a table, a rule that rather leaves one alone, and the user's word."""

from types import SimpleNamespace
from typing import Any

import pytest

from connpool_gen.building.classifiers import CLASSIFIERS
from connpool_gen.config.request import MethodPolicy
from connpool_gen.config.retry import RetrySettings
from connpool_gen.errors import RequestError
from connpool_gen.planning.deadline_parameters import OTHER_MEANING, as_said
from connpool_gen.planning.ledger import Fate
from connpool_gen.planning.plan import Form, Plan
from connpool_gen.planning.signature import Param
from connpool_gen.reading.facts import Kind, MemberForm, RuntimeMember, RuntimeParam
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
    def two(self, timeout: float = 1.0, timeout_s: float = 2.0) -> str: ...
    def list_lease(self, timeout_s: float = 1.0, _request_timeout: float | None = None) -> str: ...
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
        # What speaks of the request leaves no doubt, whatever the method is called and else takes.
        "list_lease": ("_request_timeout", 1.0, False),
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


KEYWORDS = '''
from typing import Any, Self, TypedDict, Unpack

class Options(TypedDict, total=False):
    timeout: float | None
    retries: int

class Must(TypedDict):
    timeout: float

class Client:
    def declared(self, key: str, **options: Unpack[Options]) -> str: ...
    def must(self, **options: Unpack[Must]) -> str: ...
    def sphinx(self, key: str, **kwargs: Any) -> str:
        """Get it.

        :param key: of it
        :param _request_timeout: timeout setting for this request. If one
                                 number provided, it will be total request
                                 timeout.
        """
    def typed(self, **kwargs: Any) -> str:
        """Get it.

        :keyword timeout: How long to wait for the answer.
        :type timeout: int or None
        """
    def google(self, **kwargs: Any) -> str:
        """Get it.

        Keyword Args:
            retries (int): of the call
            timeout (float): seconds that it may take,
                in all
        """
    def numpy(self, **kwargs: Any) -> str:
        """Get it.

        Other Parameters
        ----------------
        timeout : float, optional
            How long it may take, in milliseconds.
        """
    def server_side(self, **kwargs: Any) -> str:
        """Get it.

        :keyword int timeout:
            Sets the server-side timeout for the operation in seconds.
        """
    def vague(self, **kwargs: Any) -> str:
        """Get it.

        :param timeout: of the thing
        """
    def silent(self, **kwargs: Any) -> str:
        """Get it; nothing here says what timeout is."""
    def again(self, *, limit: float = 1.0) -> Self: ...
    def closed(self, key: str) -> str:
        """Get it.

        :param float timeout: which it has not got
        """
'''


def test_a_key_of_kwargs_has_to_be_declared_or_documented(maker: Maker) -> None:
    """By a TypedDict, or by a docstring that tells what it is; a word of doubt leaves it alone."""
    made = maker.make(KEYWORDS)
    assert taken(made) == {
        "declared": ("timeout", 1.0, False),
        "sphinx": ("_request_timeout", 1.0, True),  # a number, and perhaps no fraction
        "typed": ("timeout", 1.0, True),
        "google": ("timeout", 1.0, False),
        "numpy": ("timeout", 0.001, True),
    }
    assert '@method("declared", deadline_parameter="options[timeout]")' in made.text
    assert (
        '@method("sphinx", deadline_parameter="kwargs[_request_timeout] in whole seconds")'
        in made.text
    )
    reasons = {name: made.names[name].reason for name in ("must", "server_side", "vague")}
    assert {name: reason.partition(": ")[2] for name, reason in reasons.items()} == {
        "must": "it has to be given",
        "server_side": "'server-side' in its description says that it may be something else",
        "vague": "its type is not known to be a number",
    }
    assert made.names["silent"].reason == made.names["closed"].reason == ""


def test_keys_and_options_by_the_users_word(maker: Maker) -> None:
    """A bare name is a key where the method takes any; an option is that of a method of the client; false is none."""
    said = {"silent": "limit in ms", "closed": "key[limit]", "must": "client.again(limit)"}
    policies = [MethodPolicy(pattern=name, deadline_parameter=text) for name, text in said.items()]
    none = MethodPolicy(pattern="s*", deadline_parameter=False)
    made = maker.make(KEYWORDS, policies=(*policies, none))
    found = taken(made)
    assert found["silent"] == ("limit", 0.001, True)
    assert found["closed"] == found["must"] == ("limit", 1.0, False)
    assert found.keys().isdisjoint({"sphinx", "server_side"})
    assert '@method("silent", deadline_parameter="kwargs[limit] in ms")' in made.text
    assert '@method("must", deadline_parameter="client.again(limit)")' in made.text


@pytest.mark.parametrize(
    "said", ["limit", "other[limit]", "client.again(key)", "client.other(limit)"]
)
def test_what_there_is_not_is_refused(said: str) -> None:
    """A parameter, what holds a key, a method of the client, and its option."""
    key = RuntimeParam(name="limit", kind=Kind.KEYWORD_ONLY)
    again = RuntimeMember(name="again", form=MemberForm.FUNCTION, params=(key,))
    facts: Any = SimpleNamespace(runtime=SimpleNamespace(members=(again,)))
    param = Param(name="key", kind=Kind.POSITIONAL_OR_KEYWORD, annotation=None, default=None)
    plan = Plan(name="get", label="get", fate=Fate.WRAPPED, form=Form.CALL, params=[param])
    assert as_said(plan, "client.again(limit)", facts)
    with pytest.raises(RequestError, match="deadline-parameter"):
        as_said(plan, said, facts)


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
