"""Removes folders when the process that made them ends, however it ends.

Reads names from its standard input, `+NAME` to watch and `-NAME` to forget; at the end of the input it
removes those still watched.
"""

import shutil
import sys
import time
from pathlib import Path

ATTEMPTS = 50  # a server that is being killed may still write


def main() -> None:
    """Watch until nobody writes to us any more, then clean up."""
    watched: set[str] = set()
    for line in sys.stdin:
        name = line.rstrip("\n")
        (watched.add if name[0] == "+" else watched.discard)(name[1:])
    for _ in range(ATTEMPTS):
        for name in watched:
            shutil.rmtree(name, ignore_errors=True)
        if not any(Path(name).exists() for name in watched):
            return
        time.sleep(0.1)


if __name__ == "__main__":
    main()
