"""What it costs to import the runtime."""

import os
import statistics
import subprocess
import sys

from benchmarks.measurement import Bar, Measurement

IMPORTS = 15
PROGRAM = """
import sys, time
before = set(sys.modules)
started = time.perf_counter()
import connpool_runtime
print((time.perf_counter() - started) * 1e3)
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(len(new - sys.stdlib_module_names - {"connpool_runtime"}))
"""

BARS = {
    "import": Bar("import connpool_runtime, in a fresh process", 40, 25, unit="ms"),
    "third-party": Bar("third-party packages that it imports", 0, 0, better="exact", unit=""),
}


def measure() -> Measurement:
    """Import in fresh processes, after one that leaves compiled files behind."""
    runs = [_import() for _ in range(IMPORTS + 1)][1:]
    return Measurement(
        {
            "import": statistics.median(milliseconds for milliseconds, _ in runs),
            "third-party": max(foreign for _, foreign in runs),
        }
    )


def _import() -> tuple[float, int]:
    command = [sys.executable, "-c", PROGRAM]
    # With compiled files, as everywhere that an import is made twice.
    surroundings = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    run = subprocess.run(command, check=True, capture_output=True, text=True, env=surroundings)
    printed = run.stdout.split()
    return float(printed[0]), int(printed[1])
