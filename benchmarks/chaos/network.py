"""Hosts of their own: Redis servers in network namespaces, each behind a virtual cable that can be broken.

A namespace lives as long as the process that holds it, and its cable as long as the namespace; so nothing
is left behind, even by a crash. It takes root, and the program `ip` (package iproute2).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType

import redis

from benchmarks.chaos.hosts import Host
from benchmarks.chaos.scenarios import Bounds, Scenario, hurting
from benchmarks.chaos.services import PATIENCE, Redis, named
from local_servers import RedisServer
from local_servers.process import LocalProcess

# A network of two addresses for each host, ours and its own, in the range that is kept for tests of networks.
NETWORK = "198.18.{number}.{host}"
BITS = 30
PROGRAMS = ("ip", "tc", "unshare", "nsenter", "sleep")
NETEM = ("loss", "10%", "delay", "20ms", "10ms")


class Cable:
    """A virtual cable from here to a namespace of its own.

    Arguments:
        number: of the host, from 0 to 255: its address and the names of the cable's ends follow from it.
    """

    def __init__(self, number: int) -> None:
        self.here = NETWORK.format(number=number, host=1)
        self.there = NETWORK.format(number=number, host=2)
        self.end = f"chaos{os.getpid() % 1_000_000}x{number}"  # at most 15 letters
        self._holder = LocalProcess(
            _program("unshare"), "--net", _program("sleep"), "infinity", folder="/"
        )
        try:
            self._lay()
        except BaseException:
            self.cut()
            raise

    def inside(self, *command: str) -> list[str]:
        """Return the command that runs a command in the namespace."""
        return [_program("nsenter"), f"--net=/proc/{self._holder.pid}/ns/net", *command]

    def unplug(self) -> None:
        """Drop all packets in both directions; neither side gets an error."""
        _run(*self.inside(_program("ip"), "link", "set", "eth0", "down"))

    def plug(self) -> None:
        """Stop dropping packets."""
        _run(*self.inside(_program("ip"), "link", "set", "eth0", "up"))
        _run(*self.inside(_program("ip"), "route", "flush", "type", "blackhole"))

    def lose_answers(self) -> None:
        """Deliver packets sent from here, and drop all answers."""
        _run(*self.inside(_program("ip"), "route", "add", "blackhole", f"{self.here}/32"))

    def worsen(self, *netem: str) -> None:
        """Lose, delay or reorder packets as `tc netem` does."""
        _run(_program("tc"), "qdisc", "replace", "dev", self.end, "root", "netem", *netem)

    def better(self) -> None:
        """End what `worsen` began."""
        _run(_program("tc"), "qdisc", "del", "dev", self.end, "root")

    def cut(self) -> None:
        """Remove the namespace and the cable; again does nothing."""
        self._holder.kill()
        # With the namespace the cable goes too, but some time later; its name may be wanted before.
        command = (_program("ip"), "link", "del", self.end)
        subprocess.run(command, check=False, capture_output=True, timeout=10.0)

    def _lay(self) -> None:
        ip = _program("ip")
        self._wait_for_namespace()
        peer = ("peer", "name", "eth0", "netns", str(self._holder.pid))
        _run(ip, "link", "add", self.end, "type", "veth", *peer)
        _run(ip, "addr", "add", f"{self.here}/{BITS}", "dev", self.end)
        _run(ip, "link", "set", self.end, "up")
        _run(*self.inside(ip, "addr", "add", f"{self.there}/{BITS}", "dev", "eth0"))
        _run(*self.inside(ip, "link", "set", "eth0", "up"))

    def _wait_for_namespace(self) -> None:
        """Wait until the process that holds the namespace has left ours."""
        ours = Path("/proc/self/ns/net").readlink()
        while Path(f"/proc/{self._holder.pid}/ns/net").readlink() == ours:
            if not self._holder.is_running:
                raise RuntimeError(f"no network namespace: {self._holder.kill()}")


class _DistantRedis(RedisServer):
    """A Redis server at the other end of a cable."""

    def __init__(self, cable: Cable) -> None:
        self._cable = cable
        self.host = cable.there
        super().__init__("--protected-mode", "no")

    def command(self, port: int, folder: str) -> list[str]:
        """Return the program and its arguments: it listens on all addresses of its namespace."""
        return self._cable.inside(*super().command(port, folder), "--bind", "0.0.0.0")

    def answers(self, process: LocalProcess, port: int) -> bool:
        """Ask for its process id, which is the same in all network namespaces."""
        try:
            with redis.Redis(host=self.host, port=port, socket_timeout=PATIENCE) as client:
                return bool(client.info("server")["process_id"] == process.pid)
        except redis.RedisError:
            return False


class DistantHost(Host):
    """A server at the other end of a cable; end it with `with`."""

    server: _DistantRedis

    def __init__(self, number: int, identity: str) -> None:
        self.cable = Cable(number)
        try:
            server = _DistantRedis(self.cable)
        except BaseException:
            self.cable.cut()
            raise
        super().__init__(server, identity, named(identity))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, traceback)
        self.cable.cut()


class DistantRedis(Redis):
    """Redis servers on hosts of their own."""

    name = "Redis, hosts"

    @contextmanager
    def hosts(self, count: int = 3) -> Iterator[list[Host]]:
        """Run some of them."""
        with ExitStack() as stack:
            yield [
                stack.enter_context(DistantHost(number, name))
                for number, name in enumerate("abcdefghij"[:count])
            ]


def _cable(host: Host) -> Cable:
    assert isinstance(host, DistantHost)
    return host.cable


def _plug(host: Host) -> None:
    _cable(host).plug()


SCENARIOS = (
    Scenario(
        "host unplugged",
        "the cable of its host is pulled: packets go nowhere, and nobody is told",
        hurting(lambda host: _cable(host).unplug(), _plug),
        proxied=False,
    ),
    Scenario(
        "host's answers lost",
        "its host has lost the way back: packets arrive, and no answer does",
        hurting(lambda host: _cable(host).lose_answers(), _plug),
        proxied=False,
    ),
)
POOR_NETWORK = Scenario(
    "poor network",
    f"`tc netem {' '.join(NETEM)}` towards its host",
    hurting(lambda host: _cable(host).worsen(*NETEM), lambda host: _cable(host).better()),
    proxied=False,
    # TCP sends again what was lost: calls are slower, and some time out.
    bounds=Bounds(ejected=None),
)


def reason_against_hosts() -> str | None:
    """Return why there can be no hosts of their own here; None if there can."""
    if sys.platform != "linux":
        return "network namespaces are a feature of Linux"
    if os.geteuid() != 0:
        return "network namespaces take root"
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"without the programs {', '.join(missing)} (packages iproute2 and util-linux)"
    try:
        Cable(255).cut()
    except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
        return f"this machine refuses a network namespace: {error}"
    return None


def reason_against_netem() -> str | None:
    """Return why packets can be neither lost nor delayed at random here; None if they can."""
    cable = Cable(255)
    try:
        cable.worsen(*NETEM)
    except subprocess.CalledProcessError as error:
        return f"the kernel has no netem: {error.stderr.strip()}"
    finally:
        cable.cut()
    return None


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise RuntimeError(f"the program {name} is missing")
    return path


def _run(*command: str) -> None:
    """Run a program that is done at once; raise with what it said if it failed."""
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=10.0)
