"""Ports for servers that are killed and brought back on the same port."""

import random
import socket
from collections import deque

HOST = "127.0.0.1"

# Below the range from which the kernel takes the ports of outgoing connections: nobody else is given the port of
# a server that is down, and a client that knocks at the dead port cannot be connected to itself.
_PORTS = range(20_000, 32_000)
# Not given twice: who asks for several ports uses them later than the last one is found.
_given: deque[int] = deque(maxlen=1_000)


def free_port() -> int:
    """Return a loopback port that was free a moment ago; the caller tries again if somebody was faster.

    Raises:
        RuntimeError: none of a hundred ports tried was free.
    """
    for port in random.sample(_PORTS, 100):
        if port in _given:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            _given.append(port)
            return port
    raise RuntimeError(f"no free port between {_PORTS.start} and {_PORTS.stop}")
