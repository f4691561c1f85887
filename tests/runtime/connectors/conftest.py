"""A real server of each kind, behind a proxy that can break its connections, and certificates."""

import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import trustme

from local_servers import FaultProxy
from tests.runtime.connectors.kinds import KINDS, Face, Kind


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each kind of connector in turn."""
    found: Kind = request.param
    return found


@pytest.fixture(scope="module")
def server(kind: Kind) -> Iterator[Any]:
    """A real server of the kind; tests break the proxy, not the server."""
    with kind.start() as started:
        yield started


@pytest.fixture
def proxy(server: Any) -> Iterator[FaultProxy]:
    """The way to the server."""
    with FaultProxy(server.port) as found:
        yield found


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Who signs the certificates of our servers."""
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that makes a client trust our servers."""
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(file)
    return file


@pytest.fixture(scope="session")
def stranger_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificate of somebody who signed nothing of ours."""
    file = tmp_path_factory.mktemp("stranger") / "ca.pem"
    trustme.CA().cert_pem.write_to_path(file)
    return file


@pytest.fixture
def tls_proxy(server: Any, authority: trustme.CA) -> Iterator[FaultProxy]:
    """The way to the server, over TLS."""
    with FaultProxy(server.port, tls=server_context(authority)) as found:
        yield found


@pytest.fixture
def named_proxy(server: Any, authority: trustme.CA) -> Iterator[FaultProxy]:
    """The way to the server, over TLS; its certificate has another name than the address."""
    with FaultProxy(server.port, tls=server_context(authority, "server.test")) as found:
        yield found


def server_context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or ("127.0.0.1", "localhost"))).configure_cert(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


@pytest.fixture(params=["sync", "aio"])
async def face(kind: Kind, request: pytest.FixtureRequest) -> AsyncIterator[Callable[..., Face]]:
    """Makes connectors of the kind, for threads and for tasks, and closes them at the end."""
    make = getattr(kind, request.param)
    made: list[Face] = []

    def connector(**config: Any) -> Face:
        made.append(Face(make(kind.config(**config))))
        return made[-1]

    yield connector
    for each in made:
        await each.close()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Ends what a test started."""
    with ExitStack() as found:
        yield found
