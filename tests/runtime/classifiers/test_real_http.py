"""What HTTP clients make of a real server's statuses, and of one that is gone, hangs or breaks off."""

import socket
import ssl
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from connpool_runtime.breaker.outcome import Outcome
from connpool_runtime.classifiers.verdict import MayRetry
from local_servers import FaultProxy, HttpServer, free_port
from tests.runtime.classifiers.library import library, raised_by, retry_of, verdict_of

pytestmark = pytest.mark.servers

TIMEOUT = 30.0  # seconds, also of connecting; on a busy machine an answer may take a while
SHORT = 0.2  # the same, for what never answers


async def by_httpx(url: str) -> None:
    httpx = library("httpx")
    with httpx.Client(timeout=TIMEOUT, trust_env=False) as client:
        client.get(url).raise_for_status()


async def by_httpx_async(url: str) -> None:
    httpx = library("httpx")
    async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=False) as client:
        (await client.get(url)).raise_for_status()


async def by_requests(url: str) -> None:
    requests = library("requests")
    with requests.Session() as session:
        session.trust_env = False
        session.get(url, timeout=TIMEOUT).raise_for_status()


async def by_urllib3(url: str) -> None:
    urllib3 = library("urllib3")
    with urllib3.PoolManager(timeout=TIMEOUT, retries=False) as pool:
        answer = pool.request("GET", url)
        if answer.status >= 400:
            error = RuntimeError("failed")
            error.response = answer  # type: ignore[attr-defined]  # urllib3 raises nothing for a status
            raise error


async def by_aiohttp(url: str) -> None:
    aiohttp = library("aiohttp")
    limits = aiohttp.ClientTimeout(total=TIMEOUT)
    async with aiohttp.ClientSession(timeout=limits, raise_for_status=True) as session:
        await (await session.get(url)).read()


async def by_urllib(url: str) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(url, timeout=TIMEOUT).close()
    except urllib.error.HTTPError as error:
        error.close()
        raise


CLIENTS = [by_httpx, by_httpx_async, by_requests, by_urllib3, by_aiohttp, by_urllib]
every_client = pytest.mark.parametrize("get", CLIENTS, ids=lambda get: get.__name__)
Get = Callable[[str], Any]


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    """A server whose status the tests change."""
    with HttpServer() as server:
        yield server


@every_client
@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 410, 412, 422, 501])
async def test_answers(server: HttpServer, get: Get, status: int) -> None:
    """A status about the request is an answer, whatever the client."""
    server.status = status
    verdict = verdict_of(await raised_by(get(server.address)))
    assert (verdict.outcome, verdict.reason) == (Outcome.SUCCESS, f"HTTP {status}")


@every_client
@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_failures(server: HttpServer, get: Get, status: int) -> None:
    """A status about the server is a failure, whatever the client."""
    server.status = status
    verdict = verdict_of(await raised_by(get(server.address)))
    assert (verdict.outcome, verdict.retry) == (Outcome.FAILURE, MayRetry.YES)


@every_client
async def test_too_many_requests_are_push_back(server: HttpServer, get: Get) -> None:
    """429 is no failure of the server."""
    server.status = 429
    assert retry_of(await raised_by(get(server.address))) is MayRetry.PUSHED_BACK


@every_client
async def test_a_server_that_is_gone_was_not_reached(get: Get) -> None:
    """With nobody at the port nothing was sent."""
    verdict = verdict_of(await raised_by(get(f"http://127.0.0.1:{free_port()}")))
    assert (verdict.outcome, verdict.retry) == (Outcome.FAILURE, MayRetry.NOT_SENT)
    assert verdict.reason in ("connection refused", "connect failed")  # httpx keeps no number


@every_client
async def test_a_name_that_is_not_found_was_not_reached(get: Get) -> None:
    """Without an address nothing was sent."""
    verdict = verdict_of(await raised_by(get("http://no-such-host.invalid/")))
    assert verdict.outcome is Outcome.FAILURE


@every_client
async def test_a_server_that_hangs_may_have_been_sent(
    server: HttpServer, get: Get, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No answer in time leaves it open whether the request was carried out."""
    monkeypatch.setattr(f"{__name__}.TIMEOUT", SHORT)
    with FaultProxy(server.port) as proxy:
        proxy.black_hole()
        verdict = verdict_of(await raised_by(get(f"http://{proxy.address}/")))
    assert (verdict.outcome, verdict.retry) == (Outcome.FAILURE, MayRetry.YES)


def saying(answer: bytes) -> int:
    """Return the port of a server that says this to each of two requests, and hangs up; aiohttp asks twice."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        listener.settimeout(1.0)
        with listener, suppress(TimeoutError):
            for _ in range(2):
                with listener.accept()[0] as connection:
                    connection.recv(65536)
                    connection.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    return int(listener.getsockname()[1])


@every_client
@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", b"junk\r\n\r\n"],
    ids=["nothing", "cut off", "junk"],
)
async def test_a_server_that_breaks_off_may_have_been_sent(get: Get, answer: bytes) -> None:
    """An answer that ends too early, or is none, is a failure after sending."""
    if get is by_urllib and answer:
        pytest.skip("urllib reads no body here, and takes junk for an answer of HTTP 0.9")
    verdict = verdict_of(await raised_by(get(f"http://127.0.0.1:{saying(answer)}/")))
    assert (verdict.outcome, verdict.retry) == (Outcome.FAILURE, MayRetry.YES)


@every_client
async def test_a_certificate_that_is_not_trusted_is_a_failure(get: Get) -> None:
    """Who cannot show that it is the server gets no request."""
    trustme = pytest.importorskip(
        "trustme", reason="NO TEST OF TLS: trustme is not installed; `make test` has it"
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with HttpServer(tls=context) as server:
        verdict = verdict_of(await raised_by(get(server.address)))
    assert verdict.outcome is Outcome.FAILURE
