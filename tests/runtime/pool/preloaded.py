"""A service that was loaded before its workers were forked, and the server that it calls.

The server notes who opened each connection and who speaks on it: every line begins with the number of the
process that sends it.
"""

import json
import os
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from connpool_runtime import Pool
from connpool_runtime.connectors.config.base import ConnectorConfig
from connpool_runtime.connectors.custom import CustomConnector
from connpool_runtime.discovery import CallbackSource
from connpool_runtime.middleware import AdaptiveLimit, Bulkhead, MethodBreaker, RateLimit, Retry
from connpool_runtime.registry.registry import Registry
from connpool_runtime.sharing.shared_clients import SharedClients


class Line:
    """A client: a connection that asks by lines."""

    def __init__(self, address: str) -> None:
        host, _, port = address.partition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=10)
        self._answers = self._socket.makefile("r")
        self._lock = threading.Lock()

    def ask(self, word: str) -> int:
        """Send a word and return the number of the process that opened the connection."""
        with self._lock:
            self._socket.sendall(f"{os.getpid()} {word}\n".encode())
            return int(self._answers.readline())

    def check(self) -> None:
        self.ask("check")

    def close(self) -> None:
        self.ask("bye")
        self._socket.close()


class Seen:
    """What the server saw: words by process, and processes that spoke on a connection of another one."""

    def __init__(self) -> None:
        self.words: Counter[tuple[int, str]] = Counter()
        self.strangers: list[tuple[int, int]] = []

    def serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection, connection.makefile("rw") as lines:
            opener = None
            for line in lines:
                process, word = int(line.split()[0]), line.split()[1]
                opener = opener or process
                self.words[process, word] += 1
                if process != opener:
                    self.strangers.append((opener, process))
                lines.write(f"{opener}\n")
                lines.flush()

    def of(self, process: int, word: str) -> int:
        return self.words[process, word]


@contextmanager
def line_server() -> Iterator[tuple[str, Seen]]:
    """Run the server; gives its address and what it sees."""
    seen, server = Seen(), socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=seen.serve, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.getsockname()[1]}", seen
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(10)


class Service:
    """Everything of the runtime that may hold connections, threads and locks; used once before the fork."""

    def __init__(self, address: str) -> None:
        config = ConnectorConfig(endpoints=address, health_interval=0.05, reconnect_interval=0.05)

        def connector(config: ConnectorConfig) -> CustomConnector[Line]:
            return CustomConnector(Line, config, check=Line.check, close=Line.close)

        self.connected = Pool[Line]("connected")
        self.connected.add_connector(connector(config))
        for one in (RateLimit(1e9), Bulkhead(8), AdaptiveLimit(), Retry(), MethodBreaker()):
            self.connected.register_middleware(one)
        self.made = Pool[Line]("made")
        self.made.add_endpoint(lambda: Line(address), max_size=2, close=Line.close)
        self.followed = Pool[Line]("followed")
        self.followed.discover(CallbackSource(lambda: [address], interval=0.05), self._follow)
        self.named: Registry[Pool[Line]] = Registry()
        self.config = config
        self.shared: SharedClients[ConnectorConfig, Line] = SharedClients(connector)
        self.ask()

    def _follow(self, endpoint: Any) -> Line:
        return Line(endpoint.id)

    def _named(self) -> Pool[Line]:
        pool = Pool[Line]("named")
        pool.add_endpoint(lambda: Line(self.config.endpoints[0]), close=Line.close)
        return pool

    def ask(self) -> dict[str, int]:
        """Ask over each of them once; return by whom the connections were opened that answered."""
        ask: Callable[[Line], int] = lambda client: client.ask("call")  # noqa: E731
        with self.shared.acquire(self.config) as client:
            shared = client.ask("call")
        return {
            "connected": self.connected.execute(ask),
            "made": self.made.execute(ask),
            "followed": self.followed.execute(ask),
            "named": self.named.get_or_create("named", self._named).execute(ask),
            "shared": shared,
        }

    def answer(self, _number: int = 0) -> tuple[int, dict[str, int]]:
        """Return this process and whose connections answered it."""
        return os.getpid(), self.ask()

    def application(
        self, _environ: dict[str, Any], start_response: Callable[..., object]
    ) -> Iterable[bytes]:
        """Answer over WSGI."""
        body = json.dumps(self.answer()).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]
