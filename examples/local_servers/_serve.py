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
    import local_servers

    kind, name, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    server = local_servers.GreeterServer if kind == "greeter" else local_servers.HttpServer
    with server(name, port=port):
        threading.Event().wait()


if __name__ == "__main__":
    main()
