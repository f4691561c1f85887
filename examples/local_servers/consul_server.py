"""A real Consul agent, where there is one: Debian's package, unpacked, or any other `consul` program."""

import http.client
import json
import os
import shutil
from pathlib import Path
from typing import Any

from local_servers.ports import HOST, free_port
from local_servers.process import LocalProcess
from local_servers.server import ProcessServer

ROOT = Path(__file__).parents[2]
UNPACKED = ROOT / "build" / "consul" / "usr" / "bin" / "consul"


def consul_program() -> str | None:
    """Return the path of Consul: `CONSUL`, one in the path, or what `.ci/consul` has brought; None if there is none."""
    given = os.environ.get("CONSUL") or shutil.which("consul")
    return given or (str(UNPACKED) if UNPACKED.is_file() else None)


class ConsulServer(ProcessServer):
    """A development agent of its own, with a leader and an empty catalogue once constructed.

    Args:
        config: what else its configuration is to have, such as `{"acl": ...}`.

    Raises:
        RuntimeError: there is no Consul, or it does not come up.
    """

    program = "consul"

    def __init__(self, config: dict[str, Any] | None = None) -> None:
        self._config = config or {}
        self._headers: dict[str, str] = {}
        super().__init__()

    def command(self, port: int, folder: str) -> list[str]:
        """Return the program and its arguments; all ports are its own, and it tells nobody that it runs."""
        program = consul_program()
        if program is None:
            raise RuntimeError("there is no Consul here: .ci/consul brings one where apt can")
        others = {name: free_port() for name in ("dns", "serf_lan", "serf_wan", "server")}
        config: dict[str, Any] = {
            "ports": {"http": port, "grpc": -1, **others},
            "bind_addr": HOST,
            "client_addr": HOST,
            "disable_update_check": True,
            "disable_host_node_id": True,
            "node_name": "node",
            "log_level": "WARN",
            **self._config,
        }
        file = Path(folder) / "consul.json"
        file.write_text(json.dumps(config))
        return [program, "agent", "-dev", "-config-file", str(file)]

    def answers(self, process: LocalProcess, port: int) -> bool:
        """Whether this very process has a leader, and knows its own node."""
        leader = self._ask(port, "GET", "/v1/status/leader")
        ready = bool(leader) and (bool(self._config.get("acl")) or self._knows_its_node(port))
        return ready and process.is_running

    def _knows_its_node(self, port: int) -> bool:
        return bool(self._ask(port, "GET", "/v1/catalog/nodes"))

    def register(self, identity: str, address: str, service: str = "web", **more: Any) -> None:
        """Register an instance of a service; without checks it is healthy.

        Args:
            identity: its id.
            address: `host:port`.
            service: the name of the service.
            more: other fields of Consul's, such as `Tags`, `Meta` and `Weights`.
        """
        host, _, port = address.rpartition(":")
        body = {"ID": identity, "Name": service, "Address": host, "Port": int(port), **more}
        self.ask("PUT", "/v1/agent/service/register", body)

    def deregister(self, identity: str) -> None:
        """Take an instance out."""
        self.ask("PUT", f"/v1/agent/service/deregister/{identity}")

    def set_check(self, identity: str, status: str) -> None:
        """Say how a TTL check is: "pass", "warn" or "fail"."""
        self.ask("PUT", f"/v1/agent/check/{status}/{identity}")

    def ask(self, method: str, path: str, body: object = None, *, token: str = "") -> Any:
        """Ask the HTTP interface; return the JSON in its answer, None if there is none.

        Raises:
            RuntimeError: the status is not 200.
        """
        return self._ask(self.port, method, path, body, token=token, strict=True)

    def _ask(
        self,
        port: int,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str = "",
        strict: bool = False,
    ) -> Any:
        connection = http.client.HTTPConnection(HOST, port, timeout=5.0)
        headers = {"X-Consul-Token": token} if token else {}
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            if strict:
                raise
            return None
        finally:
            connection.close()
        if answer.status != 200:
            if strict:
                raise RuntimeError(f"{method} {path}: {answer.status} {content.decode()}")
            return None
        return json.loads(content) if content else None
