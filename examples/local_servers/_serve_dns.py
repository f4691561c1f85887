"""Runs a DNS server as a program of its own, until it is killed. It reads its zone anew for each question.

Usage: python _serve_dns.py PORT ZONE_FILE
"""

import os
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
dnslib: Any = import_module("dnslib")  # has no types
server_module: Any = import_module("dnslib.server")


class ZoneFile:
    """Answers what stands in a file; the name `pid.` is the process that answers.

    Args:
        path: a zone, in the text form that all DNS servers read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def resolve(self, request: Any, handler: object) -> Any:
        """Answer one question."""
        del handler
        reply, asked = request.reply(), request.q
        if str(asked.qname) == "pid.":
            found = dnslib.TXT(str(os.getpid()))
            reply.add_answer(dnslib.RR("pid.", dnslib.QTYPE.TXT, rdata=found))
            return reply
        zone = dnslib.RR.fromZone(self._path.read_text())
        records = [record for record in zone if record.rname == asked.qname]
        if not records:
            reply.header.rcode = dnslib.RCODE.NXDOMAIN
        reply.add_answer(*(record for record in records if record.rtype == asked.qtype))
        return reply


def main() -> None:
    """Serve over UDP and TCP for ever."""
    port, zone = int(sys.argv[1]), ZoneFile(Path(sys.argv[2]))
    quiet = server_module.DNSLogger(log="-request,-reply,-truncated,-error")
    for tcp in (False, True):
        server = server_module.DNSServer(zone, address=HOST, port=port, tcp=tcp, logger=quiet)
        threading.Thread(target=server.server.serve_forever, daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
