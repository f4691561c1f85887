"""Who may do what: addresses, origins, tokens, sizes, times, and that no answer holds a secret."""

import logging
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from starlette.applications import Starlette

from connpool_runtime import Pool
from connpool_runtime.admin import ServerTLS, admin_app, serve_admin
from tests.runtime.admin.pools import (
    GET,
    READ_TOKEN,
    SECRET,
    TOKEN,
    Shop,
    break_member,
    served,
    shop_pool,
)
from tests.thorough import examples

READS = ["/stats", "/metrics", "/health", "/health/live", "/health/ready", "/events?follow=false"]
WRITES = {
    "/eject": {"member": "m0"},
    "/uneject": {"member": "m0"},
    "/drain": {"member": "m0"},
    "/weight": {"member": "m0", "weight": 1},
    "/labels": {"member": "m0", "labels": {"role": "primary"}},
    "/metrics-only": {"on": True},
    "/reload": {},
}
PAGE = ["/", "/admin.js", "/admin.css", "/icon.svg", "/schema/stats.json"]
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def pool() -> Pool[Shop]:
    return shop_pool()


@pytest.fixture(scope="module")
def quiet() -> Pool[Shop]:
    """A pool that no test of this module changes, or else one of them fails."""
    return shop_pool()


@pytest.fixture(scope="module")
def anybody(quiet: Pool[Shop]) -> Iterator[httpx.Client]:
    """A client without a token on this machine."""
    rates: Any = {"reads_per_second": 1e6, "writes_per_second": 1e6}
    with (
        served({"shop": quiet}, read_token=READ_TOKEN, **rates) as (server, _),
        httpx.Client(base_url=server.url) as client,
    ):
        yield client


def from_afar(app: Starlette, **headers: str) -> httpx.AsyncClient:
    """Return a client on another machine."""
    transport = httpx.ASGITransport(app, client=("192.0.2.7", 4711))
    return httpx.AsyncClient(transport=transport, base_url="http://192.0.2.1", headers=headers)


@pytest.mark.parametrize("path", WRITES)
def test_every_change_takes_the_token(quiet: Pool[Shop], anybody: httpx.Client, path: str) -> None:
    """Without the token, with a wrong one and with one that only reads nothing is changed, here too."""
    before = repr(quiet)
    for headers, status in (
        ({}, 401),
        ({"Authorization": "Bearer wrong-wrong-wrong-wrong"}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, 401),
        ({"Authorization": "Bearer"}, 401),
        ({"Authorization": f"Bearer {TOKEN}x"}, 401),
        ({"Authorization": f"Bearer {READ_TOKEN}"}, 403),
    ):
        answer = anybody.post(path, json=WRITES[path], headers=headers)
        assert answer.status_code == status, headers
        assert TOKEN not in answer.text
    assert repr(quiet) == before
    assert not quiet.metrics_only


def test_without_a_token_nothing_can_be_changed(pool: Pool[Shop]) -> None:
    """An application that was made without a token shows, and changes nothing, whatever is sent."""
    with served({"shop": pool}, token=None) as (_, admin):
        assert admin.get("/stats").status_code == 200
        for headers in ({}, BEARER, {"Authorization": "Bearer None"}, {"Authorization": "Bearer"}):
            answer = admin.post("/eject", json={"member": "m0"}, headers=headers)
            assert answer.status_code in (401, 403)
    assert all(member.ready for member in pool.members)


async def test_reads_from_afar_take_a_token(pool: Pool[Shop]) -> None:
    """From another machine everything but the page itself takes a token."""
    app = admin_app({"shop": pool}, token=TOKEN, read_token=READ_TOKEN)
    async with (
        from_afar(app) as stranger,
        from_afar(app, Authorization=f"Bearer {READ_TOKEN}") as known,
    ):
        for path in [*READS, "/config"]:
            answer = await stranger.get(path)
            assert (answer.status_code, answer.headers["WWW-Authenticate"][:6]) == (401, "Bearer")
            assert "shop" not in answer.text
            assert (await known.get(path)).status_code in (200, 404)
        for path in PAGE:
            assert (await stranger.get(path)).status_code == 200


async def test_health_may_be_open_without_its_reasons(pool: Pool[Shop]) -> None:
    """With `health_without_token` a stranger gets the status, and no word about what there is."""
    pool.eject("m0")
    app = admin_app({"shop": pool}, token=TOKEN, health_without_token=True)
    async with from_afar(app) as stranger:
        assert (await stranger.get("/health")).json() == {"status": "degraded"}
        assert (await stranger.get("/stats")).status_code == 401


def test_a_proxy_is_not_this_machine(anybody: httpx.Client) -> None:
    """Who comes through a proxy on this machine, or asks for another name, has to bring a token."""
    assert anybody.get("/stats").status_code == 200
    for header in ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"):
        assert anybody.get("/stats", headers={header: "127.0.0.1"}).status_code == 401
    assert anybody.get("/stats", headers={"Host": "192.0.2.1"}).status_code == 401


def test_tokens_may_be_asked_for_everywhere(pool: Pool[Shop]) -> None:
    """With `token_for_reads` this machine needs a token to read, too."""
    with served({"shop": pool}, token_for_reads=True) as (_, admin):
        assert admin.get("/stats").status_code == 200
        assert admin.get("/stats", headers={"Authorization": ""}).status_code == 401
        del admin.headers["Authorization"]
        assert admin.get("/stats").status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
    ],
)
def test_pages_of_other_sites_are_refused(anybody: httpx.Client, headers: dict[str, str]) -> None:
    """What another site's page has a browser send is refused, even with the token."""
    assert anybody.get("/stats", headers=headers).status_code == 403
    answer = anybody.post("/eject", json={"member": "m0"}, headers={**headers, **BEARER})
    assert answer.status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "localhost.evil"])
def test_names_that_are_not_ours_are_refused(anybody: httpx.Client, host: str) -> None:
    """A name that anybody could have made mean this machine is refused, for the page as well."""
    for path in ("/stats", "/"):
        assert anybody.get(path, headers={"Host": host, **BEARER}).status_code in (400, 421)


def test_allowed_hosts(pool: Pool[Shop]) -> None:
    """A name is served when it is allowed; its port does not matter."""
    with served({"shop": pool}, allowed_hosts=["admin.example"]) as (_, admin):
        assert admin.get("/stats", headers={"Host": "Admin.Example:81"}).status_code == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_changes_are_json_only(quiet: Pool[Shop], anybody: httpx.Client, kind: str) -> None:
    """What a form can send without asking is refused, even with the token."""
    headers = {**BEARER, "Content-Type": kind}
    answer = anybody.post("/eject", content='{"member": "m0"}', headers=headers)
    assert answer.status_code == 415
    assert quiet.members[0].ready


def test_long_bodies_are_refused(anybody: httpx.Client) -> None:
    """A body that is too long is refused by its stated length, and where none is stated, when it is."""
    headers = {**BEARER, "Content-Type": "application/json"}

    def parts() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 1024

    for content in (b" " * 100_000, parts()):
        assert anybody.post("/eject", content=content, headers=headers).status_code == 413


def test_slow_clients_are_cut_off(pool: Pool[Shop]) -> None:
    """A head or a body that does not arrive in time ends its connection, and nobody else waits for it."""
    with served({"shop": pool}, body_timeout=0.3) as (server, admin):
        head = f"POST /eject HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
        body = "Content-Type: application/json\r\nContent-Length: 40\r\n\r\n{"
        slow = [talk(server.port, text) for text in ("", "GET /st", head, head + body)]
        assert admin.get("/stats").status_code == 200
        answers = [all_of(one) for one in slow]
    assert answers[:3] == [b"", b"", b""]
    assert answers[3].startswith(b"HTTP/1.1 408 ")
    assert all(member.ready for member in pool.members)


def test_a_body_without_end_is_cut_off(pool: Pool[Shop]) -> None:
    """Who goes on sending after a refusal is cut off in time."""
    with served({"shop": pool}, body_timeout=0.3) as (server, _):
        head = f"POST /eject HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
        one = talk(
            server.port, head + "Content-Type: application/json\r\nContent-Length: 99999999\r\n\r\n"
        )
        with pytest.raises(OSError), one:
            send_for_ever(one)


def send_for_ever(connection: socket.socket) -> None:
    while True:
        connection.sendall(b" " * 1000)


def test_a_second_request_may_not_be_slow_either(pool: Pool[Shop]) -> None:
    """A connection on which a request was answered is ended when the next one does not arrive in time."""
    with served({"shop": pool}, body_timeout=0.3) as (server, _):
        one = talk(server.port, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert one.recv(65_536).startswith(b"HTTP/1.1 200 ")
        one.sendall(b"GET /hea")
        assert b"HTTP/" not in all_of(one)


def talk(port: int, text: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), 20)
    connection.sendall(text.encode())
    return connection


def all_of(connection: socket.socket) -> bytes:
    """Return what comes until the other side ends the connection."""
    with connection:
        found = b""
        while part := connection.recv(65_536):
            found += part
        return found


def test_too_many_requests(pool: Pool[Shop]) -> None:
    """Who asks too often is told when to come again; who has the token is not made to pay for others."""
    with served({"shop": pool}, reads_per_second=1.0) as (server, admin):
        with httpx.Client(base_url=server.url) as stranger:
            answers = [stranger.get("/health/live") for _ in range(8)]
        assert [answer.status_code for answer in answers[:4]] == [200] * 4
        assert answers[-1].status_code == 429
        assert int(answers[-1].headers["Retry-After"]) >= 1
        assert admin.get("/health/live").status_code == 200


def test_ten_thousand_requests(pool: Pool[Shop]) -> None:
    """Under thousands of hostile requests calls go on, nothing is changed, and memory stays bounded."""
    count = examples(10_000)
    with served({"shop": pool}) as (server, _):
        done, calls = threading.Event(), 0

        def call() -> None:
            nonlocal calls
            while not done.is_set():
                pool.call(GET)
                calls += 1
                time.sleep(0.001)

        caller = threading.Thread(target=call)
        caller.start()
        statuses, batches = list[bytes](), 0
        # On a machine that is short of time the caller gets its turns late.
        while batches < 10 or (calls <= 100 and batches < 100):
            statuses += hostile(server.port, count // 10)
            batches += 1
        done.set()
        caller.join()
    assert len(statuses) == count // 10 * batches
    assert set(statuses) == {b"401", b"429"}
    assert calls > 100
    assert all(member.ready for member in pool.members)


def hostile(port: int, count: int) -> list[bytes]:
    """Send requests without a token on one connection, all at once; return the statuses of the answers."""
    text = (
        "POST /eject HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        'Content-Length: 16\r\n\r\n{"member": "m0"}'
    )
    found = b""
    with talk(port, "") as connection:
        sender = threading.Thread(target=connection.sendall, args=((text * count).encode(),))
        sender.start()
        while len(re.findall(rb"HTTP/1.1 \d+", found)) < count or not found.endswith(b"}"):
            found += connection.recv(1 << 20)
        sender.join()
    return re.findall(rb"HTTP/1.1 (\d+)", found)


def test_no_answer_holds_a_secret(pool: Pool[Shop], caplog: pytest.LogCaptureFixture) -> None:
    """Neither the text of an error, nor a password in a member's name, nor a token is in any answer or log."""
    pool.add_client(Shop(), f"redis://user:{SECRET}@10.0.0.1")
    break_member(pool, "m1")
    headers = ["/stats", "/config", *READS, *PAGE]
    with caplog.at_level(logging.DEBUG), served({"shop": pool}) as (_, admin):
        name = "redis://***@10.0.0.1"
        answers = [admin.post("/eject", json={"member": name})]
        assert answers[0].json()["member"] == name
        assert answers[0].status_code == 200
        answers += [admin.post("/eject", json={"member": f"redis://user:{SECRET}@10.0.0.1"})]
        answers += [admin.post("/weight", json={"member": name, "weight": 0})]
        answers += [admin.get(path) for path in headers]
        answers += [
            admin.post(path, json={**body, "member": name}) for path, body in WRITES.items()
        ]
    texts = [answer.text + str(answer.headers) for answer in answers] + [caplog.text]
    assert [text for text in texts if SECRET in text or TOKEN in text] == []
    assert any("ConnectionResetError" in text for text in texts)


def test_members_that_are_shown_alike(pool: Pool[Shop]) -> None:
    """Of two members that differ only in what is masked none is taken for the other; its whole name tells them apart."""
    names = [f"redis://{user}:{SECRET}@10.0.0.1" for user in ("reader", "writer")]
    for name in names:
        pool.add_client(Shop(), name)
    with served({"shop": pool}) as (_, admin):
        alike = admin.post("/eject", json={"member": "redis://***@10.0.0.1"})
        assert alike.status_code == 409
        assert "2 members" in alike.json()["detail"]
        assert admin.post("/eject", json={"member": names[1]}).status_code == 200
    assert [one.name for one in pool.members if one.breaker.forced_open] == [names[1]]


def test_a_fault_of_ours_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """An unexpected error is logged, and its text is not told to whoever asks."""

    class Broken(dict[str, Any]):
        broken = False

        def items(self) -> Any:
            if self.broken:
                raise RuntimeError(SECRET)
            return super().items()

    target = Broken(shop=shop_pool())
    with served(target) as (_, admin):
        target.broken = True
        answer = admin.get("/stats")
        target.broken = False
    assert (answer.status_code, SECRET in answer.text) == (500, False)
    assert SECRET in caplog.text


@pytest.mark.parametrize("path", [*PAGE, "/stats", "/nothing"])
def test_answers_are_hardened(anybody: httpx.Client, path: str) -> None:
    """Every answer forbids code from elsewhere, frames, guessing of types, and keeping copies."""
    headers = anybody.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert "Server" not in headers
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize(
    "token", ["short", "with a blank in the middle of it", "", "ümlauts-are-no-header"]
)
def test_bad_tokens_are_refused(token: str) -> None:
    """A token that can be guessed, or that no header can carry, is refused without being shown."""
    with pytest.raises(ValueError, match="at least 16 characters") as caught:
        admin_app({"shop": shop_pool()}, token=token)
    assert not token or token not in str(caught.value)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_elsewhere_asks_for_a_token(host: str) -> None:
    """An address that others can reach is refused without a token, before anything listens."""
    with pytest.raises(ValueError, match="token="):
        serve_admin({"shop": shop_pool()}, host)


def test_all_interfaces_with_a_token(pool: Pool[Shop]) -> None:
    """With a token it listens on all interfaces, and says in the log that there is no TLS."""
    with served({"shop": pool}, host="0.0.0.0") as (server, admin):
        admin.base_url = httpx.URL(f"http://127.0.0.1:{server.port}")
        assert admin.get("/stats").status_code == 200


def test_tls(pool: Pool[Shop], tmp_path: Path) -> None:
    """With a certificate it speaks HTTPS only; with `client_ca_file` only to those who have one, too."""
    authority = trustme.CA()
    own, theirs = authority.issue_cert("127.0.0.1"), authority.issue_cert("reader@example.org")
    cert, key, ca = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "ca.pem"
    own.cert_chain_pems[0].write_to_path(cert)
    own.private_key_pem.write_to_path(key)
    authority.cert_pem.write_to_path(ca)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    for client_ca in (None, ca):
        tls = ServerTLS(cert_file=cert, key_file=key, client_ca_file=client_ca)
        with serve_admin({"shop": pool}, tls=tls) as server:
            assert server.url.startswith("https://127.0.0.1:")
            if client_ca:
                with pytest.raises(httpx.TransportError):
                    httpx.get(server.url + "/stats", verify=context)
                theirs.configure_cert(context)
            assert httpx.get(server.url + "/stats", verify=context).status_code == 200
            with pytest.raises(httpx.TransportError):
                httpx.get(f"http://127.0.0.1:{server.port}/stats")
    with pytest.raises(OSError, match="No such file"):
        serve_admin({"shop": pool}, tls=ServerTLS(cert_file="none.pem", key_file="none.pem"))


def test_tokens_take_equal_time(monkeypatch: pytest.MonkeyPatch, pool: Pool[Shop]) -> None:
    """Tokens are compared by `hmac.compare_digest`, each with both that there are, whatever comes."""
    import hmac

    compared: list[bytes] = []
    real = hmac.compare_digest

    def compare(given: bytes, expected: bytes) -> bool:
        compared.append(expected)
        return real(given, expected)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    with served({"shop": pool}, read_token=READ_TOKEN) as (_, admin):
        admin.get("/stats")
    assert compared == [TOKEN.encode(), READ_TOKEN.encode()]


def test_times_are_not_kept_for_ever(pool: Pool[Shop]) -> None:
    """How often an address may ask is known of a bounded number of addresses."""
    from connpool_runtime.admin.access_control import Guard
    from connpool_runtime.admin.settings import AdminSettings

    async def app(*_: Any) -> None:
        """Answer nothing."""

    guard = Guard(app, AdminSettings(), TOKEN, None, (), time.monotonic)
    for number in range(3000):
        guard._check_rate(f"192.0.2.{number}", None, False)
    assert len(guard._buckets) == 1024
