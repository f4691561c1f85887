"""The client's own timeout gets the caller's time: by real libraries, against a server that never answers."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import pytest

from connpool_runtime import (
    AsyncPool,
    AttemptTimeout,
    DeadlineExceeded,
    Outcome,
    Pool,
    calling,
    deadline,
    method,
)
from connpool_runtime.calls.deadline_parameter import DeadlineParameter
from connpool_runtime.middleware import Deadline, Retry, Timeout
from tests.runtime.faces import counted

LONG = 30.0  # seconds that no test waits


@pytest.fixture
def silent() -> Iterator[str]:
    """The URL of a server that takes connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"


@method("get", deadline_parameter="timeout", idempotent=True)
def get(client: Any, packed: Any) -> Any:
    url, timeout = packed
    return client.get(url, timeout=timeout)


@method("get", deadline_parameter="timeout", timeout=0.1)
def get_soon(client: Any, packed: Any) -> Any:
    url, timeout = packed
    return client.get(url, timeout=timeout)


@pytest.fixture
def pool() -> Iterator[Pool[httpx.Client]]:
    with httpx.Client(timeout=LONG) as client, Pool[httpx.Client]("web") as pool:
        pool.add_client(client, "a")
        yield pool


GIVEN = [LONG, httpx.USE_CLIENT_DEFAULT, httpx.Timeout(LONG), None]


@pytest.mark.parametrize("given", GIVEN)
def test_a_blocking_call_ends_at_the_deadline(
    pool: Pool[httpx.Client], silent: str, given: object
) -> None:
    """Whatever the caller gave; it is nobody's fault, and the client's own error is the cause."""
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded, match="get did not end") as caught, deadline(0.1):
        pool.call(get, (silent, given))
    assert 0.1 <= time.monotonic() - began < LONG / 2
    assert isinstance(caught.value.cause, httpx.ReadTimeout)
    assert counted(pool.stats())[Outcome.NEUTRAL] == 1


def test_nothing_is_sent_after_the_deadline(pool: Pool[httpx.Client], silent: str) -> None:
    """A limit of zero seconds would mean something else to many clients."""
    with pytest.raises(DeadlineExceeded, match="before get was sent"), deadline(0.0):
        pool.call(get, (silent, LONG))


def test_the_least_holds(pool: Pool[httpx.Client], silent: str) -> None:
    """What the caller gave, or the policy, if that is shorter; then the member has failed."""
    with pytest.raises(httpx.ReadTimeout), deadline(LONG):
        pool.call(get, (silent, 0.05))
    with pytest.raises(httpx.ReadTimeout), deadline(LONG):
        pool.call(get_soon, (silent, LONG))
    with pytest.raises(httpx.ReadTimeout):
        pool.call(get_soon, (silent, httpx.USE_CLIENT_DEFAULT))
    with pytest.raises(httpx.ReadTimeout), calling(timeout=0.05):
        pool.call(get, (silent, LONG))
    assert pool.stats().members[0].failures == 4


def test_timeout_tells_the_client_of_a_pool(pool: Pool[httpx.Client], silent: str) -> None:
    """`Timeout` raises its own error and blames the member, as it does for tasks; a deadline blames nobody."""
    pool.register_middleware(Timeout(0.05))
    with pytest.raises(AttemptTimeout, match=r"web.get took longer than 0.05 s"):
        pool.call(get, (silent, LONG))
    assert pool.stats().members[0].failures == 1
    with pytest.raises(DeadlineExceeded), deadline(0.02):
        pool.call(get, (silent, LONG))
    assert pool.stats().members[0].failures == 1


def test_a_member_with_a_limit_is_blamed_too(silent: str) -> None:
    """What `Timeout` ends is the member's failure on every path of a call, and what a deadline ends is nobody's."""
    limited: Pool[httpx.Client] = Pool("web", max_concurrency=4)
    limited.register_middleware(Timeout(0.05))
    with httpx.Client(trust_env=False) as client:
        limited.add_client(client, name="a")
        with pytest.raises(AttemptTimeout):
            limited.call(get, (silent, LONG))
        assert limited.stats().members[0].failures == 1
        with pytest.raises(DeadlineExceeded), deadline(0.02):
            limited.call(get, (silent, LONG))
        assert limited.stats().members[0].failures == 1
        limited.close()


def test_a_client_that_gave_up_at_the_deadline_is_validated(silent: str) -> None:
    """Nobody is blamed for the caller's deadline, but the client's answer may still come, so it is in doubt."""
    validated: list[httpx.Client] = []
    pool: Pool[httpx.Client] = Pool("web")
    pool.add_endpoint(
        partial(httpx.Client, trust_env=False),
        "a",
        close=httpx.Client.close,
        validate=validated.append,
    )
    for _ in range(2):
        with pytest.raises(DeadlineExceeded), deadline(0.3):
            pool.call(get, (silent, LONG))
    assert len(validated) == 1
    assert pool.stats().members[0].failures == 0
    pool.close()


def test_each_attempt_has_the_time_that_is_left(pool: Pool[httpx.Client], silent: str) -> None:
    """With `Deadline` and `Retry`, attempts together do not outlast the caller."""
    pool.register_middleware(Deadline(0.2))
    pool.register_middleware(Retry(3, base=0.0))
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        pool.call(get, (silent, 0.15))
    assert 0.2 <= time.monotonic() - began < LONG / 2


@pytest.mark.parametrize("given", GIVEN)
async def test_tasks_too(silent: str, given: object) -> None:
    """The client of an `AsyncPool` ends the call itself, also without middleware."""
    async with httpx.AsyncClient(timeout=LONG) as client, AsyncPool[Any]("web") as pool:
        pool.add_client(client, "a")
        with pytest.raises(DeadlineExceeded) as caught, deadline(0.1):
            await pool.call(get, (silent, given))
        assert isinstance(caught.value.cause, httpx.ReadTimeout)
        assert counted(pool.stats())[Outcome.NEUTRAL] == 1


@pytest.mark.parametrize("kind", ["given", "none", "default"])
async def test_aiohttp_gets_a_timeout_of_its_own_kind(silent: str, kind: str) -> None:
    """A number would be refused; the other parts of a timeout stay as they are."""
    aiohttp: Any = pytest.importorskip("aiohttp")
    default = aiohttp.client._SENTINEL.sentinel
    given = {"given": aiohttp.ClientTimeout(LONG), "none": None, "default": default}[kind]
    timeout = aiohttp.ClientTimeout(total=LONG, sock_connect=LONG)
    async with aiohttp.ClientSession(timeout=timeout) as session, AsyncPool[Any]("web") as pool:
        pool.add_client(session, "a")
        with pytest.raises(TimeoutError), deadline(0.1):
            async with pool.context(get, (silent, given)):
                pass


@method("get_code", deadline_parameter="kwargs[_request_timeout] in whole seconds")
def get_code(client: Any, packed: Any) -> Any:
    (kwargs,) = packed
    return client.get_code(**kwargs)


def test_kubernetes_gets_it_among_its_keywords(silent: str) -> None:
    """By the key that its docstrings tell of; in whole seconds, since older versions take no others and wait for ever."""
    kubernetes: Any = pytest.importorskip("kubernetes")
    config = kubernetes.client.Configuration(host=silent.rstrip("/"))
    config.retries = False  # of its own, each of which would have the whole time again
    with kubernetes.client.ApiClient(config) as api, Pool[Any]("k8s") as pool:
        pool.add_client(kubernetes.client.VersionApi(api), "a")
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded), deadline(1.0):
            pool.call(get_code, ({},))
        assert time.monotonic() - began < LONG / 2
        assert counted(pool.stats())[Outcome.NEUTRAL] == 1


@method("info", deadline_parameter="client.options(request_timeout)")
def info(client: Any, _: object) -> Any:
    return client.info()


def test_elasticsearch_gets_it_as_an_option(silent: str) -> None:
    """It has it for whole clients only, so the call runs on one that is made for it; its own limit holds if less."""
    elasticsearch: Any = pytest.importorskip("elasticsearch")
    with elasticsearch.Elasticsearch(silent) as client, Pool[Any]("search") as pool:
        pool.add_client(client, "a")
        with pytest.raises(DeadlineExceeded), deadline(0.1):
            pool.call(info)
        assert counted(pool.stats())[Outcome.NEUTRAL] == 1
        pool.add_client(client.options(request_timeout=0.1), "b")
        with deadline(LONG), calling(member="b"), pytest.raises(elasticsearch.ConnectionTimeout):
            pool.call(info)
        assert counted(pool.stats())[Outcome.FAILURE] == 1


def test_units_and_kinds() -> None:
    """Whole numbers are rounded down and never to zero; tuples by their parts; what is unknown stays."""
    seconds = DeadlineParameter.read("timeout", ["key", "timeout"])
    assert (seconds.place, seconds.least(None, 0.5), seconds.least(0.2, 0.5)) == (1, 0.5, 0.2)
    assert seconds.least((0.2, None), 0.5) == (0.2, 0.5)
    assert seconds.least("10s", 0.5) == "10s"
    milliseconds = DeadlineParameter.read("timeout_ms in ms", ["timeout_ms"])
    assert milliseconds.least(None, 0.5) == 500
    assert milliseconds.least(20, 0.5) == 20
    whole = DeadlineParameter.read("timeout in whole seconds", ["timeout"])
    assert [whole.least(None, left) for left in (0.5, 1.9, 3.0)] == [1, 1, 3]
    assert isinstance(whole.least(None, 3.0), int)


KEYED = "kwargs[_request_timeout]"


@method("get", deadline_parameter=KEYED)
def keyed(client: Any, packed: Any) -> Any:
    url, kwargs = packed
    return client(url, **kwargs)


def test_a_key_of_kwargs_gets_the_time_that_is_left() -> None:
    """Beside what the caller gave, whose own dictionary stays as it is; nothing is added without a limit."""
    pool: Pool[Any] = Pool("web")
    pool.add_client(lambda url, **kwargs: kwargs, "a")
    given = {"limit": 5, "_request_timeout": LONG}
    with deadline(1.0):
        found = pool.call(keyed, ("/", given))
        assert 0.5 < pool.call(keyed, ("/", {}))["_request_timeout"] <= 1.0
        assert pool.call(keyed, ("/", {"_request_timeout": 0.1})) == {"_request_timeout": 0.1}
    assert found["limit"] == 5
    assert found["_request_timeout"] <= 1.0
    assert given == {"limit": 5, "_request_timeout": LONG}
    assert pool.call(keyed, ("/", {})) == {}


class WithOptions:
    """A client whose limit is an option of a client that it makes, as Elasticsearch's is."""

    def __init__(self, request_timeout: float | None = None) -> None:
        self._request_timeout = request_timeout

    def options(self, *, request_timeout: float) -> "WithOptions":
        return WithOptions(request_timeout)

    def get(self, key: str) -> tuple[str, float | None]:
        return key, self._request_timeout


@method("get", deadline_parameter="client.options(request_timeout)")
def with_options(client: Any, packed: Any) -> Any:
    (key,) = packed
    return client.get(key)


def test_a_client_with_the_option_runs_the_call() -> None:
    """What the client has itself holds if it is less; without a limit nothing is made."""
    pool: Pool[WithOptions] = Pool("search")
    pool.add_client(WithOptions(), "a")
    with deadline(1.0):
        key, limit = pool.call(with_options, ("k",))
    assert key == "k"
    assert limit is not None
    assert 0.5 < limit <= 1.0
    assert pool.call(with_options, ("k",)) == ("k", None)
    with Pool[WithOptions]("search") as other, deadline(LONG):
        other.add_client(WithOptions(0.2), "a")
        assert other.call(with_options, ("k",)) == ("k", 0.2)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "kwargs[]",
        "client.options()",
        "timeout in hours",
        "timeout,",
        "1",
        "other",
        "other(timeout)",
    ],
)
def test_what_cannot_be_meant_is_refused(text: str) -> None:
    """Another text, and what is not packed."""
    with pytest.raises(ValueError, match=r"^deadline_parameter"):
        DeadlineParameter.read(text, ["run", "timeout"])


UNUSED = """
from connpool_runtime import Pool, deadline, method

@method("get", deadline_parameter="timeout")
def get(client, packed):
    (timeout,) = packed
    return timeout

assert get.invoke is get.raw
pool = Pool()
pool.add_client(object())
assert pool.call(get, (None,)) is None
with deadline(5.0):
    assert 4.0 < pool.call(get, (None,)) <= 5.0
assert pool.call(get, (None,)) is None
"""


def test_nothing_is_passed_and_nothing_runs_where_nobody_sets_a_limit() -> None:
    """Until the first deadline of a program its methods are called as they are."""
    subprocess.run([sys.executable, "-c", UNUSED], check=True, timeout=60)


async def test_a_thread_that_a_task_waits_for_has_its_deadline(silent: str) -> None:
    """`asyncio.to_thread` hands the deadline on, so that a blocking client ends with its task."""
    with httpx.Client(timeout=LONG) as client, Pool[httpx.Client]("web") as pool:
        pool.add_client(client, "a")
        with pytest.raises(DeadlineExceeded), deadline(0.1):
            await asyncio.to_thread(pool.call, get, (silent, None))
