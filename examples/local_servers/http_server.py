"""An in-process HTTP server that answers every GET, and has nothing below one path."""

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from local_servers.ports import HOST

MISSING = "/missing"  # what the servers do not have: 404


class HttpServer:
    """An HTTP server on a loopback port of its own, running once constructed; end it with `stop` or `with`.

    Args:
        name: what it answers.
        token: the bearer token that it wants; None wants nothing.
        tls: serves HTTPS with this context.
        port: where it listens; 0 for any free port.

    Attributes:
        status: what it answers with; tests change it.
    """

    host = HOST

    def __init__(
        self,
        name: str = "http",
        *,
        token: str | None = None,
        tls: ssl.SSLContext | None = None,
        port: int = 0,
    ) -> None:
        self.name = name
        self.status = 200
        self._wanted = f"Bearer {token}" if token is not None else None
        self._server = ThreadingHTTPServer((HOST, port), _handler(self))
        self._server.daemon_threads = True
        self._scheme = "http"
        if tls is not None:
            self._scheme = "https"
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def port(self) -> int:
        """The port."""
        return int(self._server.server_address[1])

    @property
    def address(self) -> str:
        """The base URL."""
        return f"{self._scheme}://{HOST}:{self.port}"

    def status_of(self, path: str, authorization: str | None) -> int:
        """Return the status that a request is answered with."""
        if self._wanted is not None and authorization != self._wanted:
            return 401
        return 404 if path.startswith(MISSING) else self.status

    def stop(self) -> None:
        """End the server; again does nothing."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def _handler(owner: HttpServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = (
            True  # the body follows the head by itself, and must not wait for an ACK
        )

        def do_GET(self) -> None:
            body = owner.name.encode()
            self.send_response(owner.status_of(self.path, self.headers.get("Authorization")))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            del format, args

    return Handler
