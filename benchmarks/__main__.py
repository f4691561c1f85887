"""Runs every group in several fresh processes, prints the table and writes it into README.md."""

import json
import statistics
import subprocess
import sys
from collections import defaultdict
from types import ModuleType

from benchmarks import (
    async_calls,
    calls,
    exclusive,
    generation,
    imports,
    members,
    middleware,
    report,
    threads,
    unused,
)
from benchmarks.measurement import Measurement

# Several, because where a process puts its objects in memory changes the figures by some per cent.
PROCESSES = 5
GROUPS = (
    calls,
    unused,
    middleware,
    async_calls,
    exclusive,
    members,
    threads,
    imports,
    generation,
)


def measure_in_fresh_process(group: str) -> Measurement:
    """Run one group in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.worker", group]
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return Measurement(**json.loads(run.stdout))


def processes_of(group: ModuleType) -> int:
    """How many processes measure a group: fewer for one that runs whole commands."""
    return int(getattr(group, "PROCESSES", PROCESSES))


def main() -> int:
    """Measure, report, and return 1 if a bar is missed."""
    figures: dict[tuple[str, str], list[float]] = defaultdict(list)  # by group and key
    costs: dict[str, list[float]] = defaultdict(list)
    for number in range(PROCESSES):
        for group in (g for g in GROUPS if number < processes_of(g)):
            name = group.__name__.rpartition(".")[2]
            print(f"run {number + 1} of {PROCESSES}: {name}", file=sys.stderr)
            measurement = measure_in_fresh_process(name)
            for key, figure in measurement.figures.items():
                figures[group.__name__, key].append(figure)
            for key, cost in measurement.nanoseconds.items():
                costs[key].append(cost)
    rows = [
        report.Row(bar, figures[group.__name__, key])
        for group in GROUPS
        for key, bar in group.BARS.items()
    ]
    medians = {key: statistics.median(values) for key, values in costs.items()}
    report.show(rows, medians)
    report.write(rows, medians)
    return 0 if all(row.is_met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
