"""A DNS server in a process of its own, whose zone changes while it runs."""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from local_servers.ports import HOST
from local_servers.process import LocalProcess
from local_servers.server import ProcessServer

_SERVE = Path(__file__).with_name("_serve_dns.py")


class DnsServer(ProcessServer):
    """A DNS server, over UDP and TCP, with a zone that `say` replaces; end it with `stop` or `with`.

    Args:
        records: of the zone at first, as lines of a zone file: `"web.test. 1 IN A 10.0.0.1"`.

    Raises:
        RuntimeError: the server ended or did not answer; the text holds what it printed.
    """

    program = "dns"

    def __init__(self, *records: str) -> None:
        self._records = records
        super().__init__()

    def command(self, port: int, folder: str) -> list[str]:
        """Return the program and its arguments."""
        self._write(folder)
        return [sys.executable, str(_SERVE), str(port), str(self._zone(folder))]

    def answers(self, process: LocalProcess, port: int) -> bool:
        """Ask whoever listens at the port for its process id, both ways."""
        return all(_answering_pid(port, tcp=tcp) == str(process.pid) for tcp in (False, True))

    def say(self, *records: str) -> None:
        """Replace the zone at once, also that of a server which is down."""
        self._records = records
        self._write(self._folder.name)

    def _write(self, folder: str) -> None:
        zone = self._zone(folder)
        part = zone.with_suffix(".new")
        part.write_text("".join(f"{record}\n" for record in self._records))
        part.replace(zone)

    @staticmethod
    def _zone(folder: str) -> Path:
        return Path(folder) / "zone.txt"


def _answering_pid(port: int, *, tcp: bool) -> str | None:
    dnslib: Any = import_module("dnslib")  # has no types
    try:
        packet = dnslib.DNSRecord.question("pid.", "TXT").send(HOST, port, tcp=tcp, timeout=1.0)
        return str(dnslib.DNSRecord.parse(packet).short()).strip('"')
    except (OSError, dnslib.DNSError):
        return None
