"""Plays all scenarios on all kinds of servers, prints the figures and writes them into docs/chaos.md."""

from __future__ import annotations

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor

from benchmarks.chaos import network, page
from benchmarks.chaos.services import SERVICES
from benchmarks.chaos.suite import play_kind, play_service, reasons_to_skip

AT_ONCE = 2  # kinds of servers: there is more waiting than work


def main() -> int:
    """Take about three minutes; return 1 if a bound was not kept, and write nothing then."""
    skipped = reasons_to_skip()
    for name, reason in skipped.items():
        print(f"SKIPPED, {name}: {reason}", file=sys.stderr)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(AT_ONCE, mp_context=spawn) as workers:
        played = [part for found in workers.map(play_kind, range(len(SERVICES))) for part in found]
    if network.SCENARIOS[0].name not in skipped:
        poor = [] if network.POOR_NETWORK.name in skipped else [network.POOR_NETWORK]
        played += play_service(network.DistantRedis(), [*network.SCENARIOS, *poor])
    figures = [figure for figure, _ in played]
    print(page.table(figures))
    broken = [text for _, texts in played for text in texts]
    for text in broken:
        print(f"NOT KEPT, {text}", file=sys.stderr)
    if broken:
        return 1
    page.write(figures, skipped)
    return 0


if __name__ == "__main__":
    sys.exit(main())
