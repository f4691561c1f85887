"""What the admin costs the calls: calls per second of a pool of 1,000 members, with and without readers.

    python -m benchmarks.admin

Rounds with and without a server that is read alternate, and medians are compared, so that other load of
the machine affects both alike. The readers are another process, as in production.
"""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median

from connpool_runtime import Method, Pool
from connpool_runtime.admin import serve_admin

MEMBERS = 1000
ROUNDS = 5
SECONDS = 10.0

# As a Prometheus that scrapes every five seconds, and a page that looks every two and follows the events.
READER = """
import sys, threading, time, urllib.request
url = sys.argv[1]
def every(path, seconds):
    while True:
        urllib.request.urlopen(url + path).read()
        time.sleep(seconds)
def follow():
    for line in urllib.request.urlopen(url + "/events"):
        pass
for work in ((every, "/metrics", 5.0), (every, "/stats", 2.0), (follow,)):
    threading.Thread(target=work[0], args=work[1:], daemon=True).start()
print("reading", flush=True)
sys.stdin.read()
"""


class _Client:
    def get(self) -> int:
        return 1


_GET: Method[_Client, int] = Method("get", lambda client, _: client.get())


def _calls_per_second(pool: Pool[_Client]) -> tuple[float, float]:
    """Call for some time; return calls per second, and the 99.9th percentile of a call's seconds."""
    begun, clock, call = time.perf_counter(), time.perf_counter, pool.call
    took: list[float] = []
    while (now := clock()) - begun < SECONDS:
        for _ in range(10):
            call(_GET)
        took.append(clock() - now)
    rate = len(took) * 10 / (clock() - begun)
    took.sort()
    return rate, took[int(len(took) * 0.999)]


def main() -> None:
    """Print the ratio."""
    pool: Pool[_Client] = Pool("bench")
    for number in range(MEMBERS):
        pool.add_client(_Client(), f"m{number}")
    alone: list[tuple[float, float]] = []
    read: list[tuple[float, float]] = []
    for _ in range(ROUNDS):
        alone.append(_calls_per_second(pool))
        with serve_admin({"bench": pool}) as server:
            reader = subprocess.Popen(
                [sys.executable, "-c", READER, server.url],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            assert reader.stdout is not None
            reader.stdout.readline()
            read.append(_calls_per_second(pool))
            reader.kill()
            reader.communicate()
    for what, rounds in (("alone", alone), ("read", read)):
        rate, late = (median(one[place] for one in rounds) for place in (0, 1))
        print(f"{what}: {rate:,.0f} calls/s, 99.9 % of ten calls within {late * 1e6:,.0f} us")
    ratio = median(one[0] for one in read) / median(one[0] for one in alone)
    print(f"{MEMBERS} members, read against alone: {ratio:.3f}")


if __name__ == "__main__":
    main()
