"""Runs one of the in-process servers as a program of its own, until it is killed.

Usage: python _serve.py greeter|http NAME PORT
"""

import sys
import threading
from pathlib import Path


def main() -> None:
    """Serve for ever."""
    # Run as a script, Python looks in this very folder; the package is found from the one above.
    sys.path[0] = str(Path(__file__).parents[1])
    from local_servers.greeter_server import GreeterServer
    from local_servers.http_server import HttpServer

    kind, name, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with GreeterServer(name, port=port) if kind == "greeter" else HttpServer(name, port=port):
        threading.Event().wait()


if __name__ == "__main__":
    main()
