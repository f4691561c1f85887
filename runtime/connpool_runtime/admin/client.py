"""An HTTP client for one running process, by its address or its socket."""

from __future__ import annotations

import json
import ssl
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx

__all__ = ["Document", "NotReached", "Process", "Refused", "import_all_of_httpx"]

Document = dict[str, Any]

_TIMEOUT = 10.0  # seconds to wait for an answer; a drain has a timeout of its own


def import_all_of_httpx() -> None:
    """Import what httpx puts off until its first client is made."""
    httpx.HTTPTransport(verify=False).close()


class NotReached(Exception):  # named after what happened
    """No process answers at the address."""


class Refused(Exception):  # named after what happened
    """The process refused the request.

    Arguments:
        status: of the answer.
        detail: why.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Process:
    """A running process that can be queried.

    Arguments:
        label: what it is called in answers: its address, or its name and number.
        url: where it is; of a socket only the path below it matters.
        socket: its Unix socket, if it has one.
        token: lets us in.
        ca_file: certificates that the process' own must come from; None is what the system trusts.
    """

    label: str
    url: str
    socket: Path | None = None
    token: str | None = None
    ca_file: Path | None = None

    def get(self, path: str) -> Document:
        """Return the answer of a path.

        Raises:
            NotReached: no process answers.
            Refused: the answer is a refusal.
        """
        return _document(self._ask("GET", path))

    def health(self) -> tuple[bool, Document]:
        """Return whether the process is healthy, and its health document."""
        answer = self._ask("GET", "/health")
        if answer.status_code not in (200, 503):
            _document(answer)
        return answer.status_code == 200, cast("Document", answer.json())

    def post(self, path: str, body: Document, timeout: float = _TIMEOUT) -> Document:
        """Carry out a change.

        Raises:
            NotReached: no process answers.
            Refused: it was not done.
        """
        return _document(self._ask("POST", path, body, timeout))

    def events(self, follow: bool, after: int = 0) -> Iterator[Document]:
        """Return past events and, with `follow`, new ones until the process ends."""
        with self._talking() as client:
            params = {"follow": str(follow).lower(), "after": str(after)}
            timeout = httpx.Timeout(_TIMEOUT, read=60.0)
            with client.stream("GET", "/events", params=params, timeout=timeout) as answer:
                if answer.status_code != 200:
                    answer.read()
                    _document(answer)
                for line in answer.iter_lines():
                    if line.startswith("data: "):
                        yield cast("Document", json.loads(line.removeprefix("data: ")))

    def _ask(
        self, method: str, path: str, body: Document | None = None, timeout: float = _TIMEOUT
    ) -> httpx.Response:
        with self._talking() as client:
            return client.request(method, path, json=body, timeout=timeout)

    def _verify(self) -> ssl.SSLContext | bool:
        if not self.url.startswith("https:"):
            # there is nothing to verify, and loading the system's certificates is slow
            return False
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise NotReached(f"{self.ca_file}: {error}") from error

    @contextmanager
    def _talking(self) -> Generator[httpx.Client]:
        uds = None if self.socket is None else str(self.socket)
        headers = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        # Proxies of the environment are not for processes that we operate ourselves.
        transport = httpx.HTTPTransport(uds=uds, verify=self._verify())
        with httpx.Client(base_url=self.url, transport=transport, headers=headers) as client:
            try:
                yield client
            except (httpx.TransportError, httpx.InvalidURL) as error:
                reason = str(error) or type(error).__name__
                raise NotReached(f"{self.label} does not answer: {reason}") from error


def _document(answer: httpx.Response) -> Document:
    try:
        found: object = answer.json()
    except ValueError:
        found = None
    if answer.is_success and isinstance(found, dict):
        return cast("Document", found)
    told = cast("Document", found) if isinstance(found, dict) else {}
    errors = "; ".join(told.get("errors", ()))
    detail = (
        told.get("detail")
        or errors
        or f"this is not a connpool admin endpoint: it answered {answer.status_code}"
    )
    raise Refused(answer.status_code, str(detail))
