"""One document of several workers."""

import json
from importlib.resources import files
from typing import Any

import jsonschema
import pytest

from connpool_runtime import Pool
from connpool_runtime.admin.aggregation import as_ended, merged
from connpool_runtime.admin.stats_document import document_of, service_document
from connpool_runtime.admin.stats_from_document import pool_stats_of
from connpool_runtime.middleware import Retry
from tests.runtime.admin.pools import GET, Shop, break_member, shop_pool


def document(pool: Pool[Shop], pid: int, name: str = "shop") -> dict[str, Any]:
    process = {
        "name": "web",
        "pid": pid,
        "host": "h",
        "python": "3",
        "started": float(pid),
        "stopped": False,
        "services": [name],
    }
    return document_of({name: service_document(pool, pool.stats())}, process, 1.0)


@pytest.fixture
def pools() -> list[Pool[Shop]]:
    pools = [shop_pool(), shop_pool(), shop_pool()]
    for number, pool in enumerate(pools, 1):
        pool.register_middleware(Retry())
        for _ in range(3 * number):
            pool.call(GET)
    return pools


def test_counters_are_added(pools: list[Pool[Shop]]) -> None:
    """Of several workers counters are added, by member, by method, by bucket; the form stays the same."""
    whole = merged([document(pool, 10 + number) for number, pool in enumerate(pools)])
    assert whole["process"]["workers"] == [10, 11, 12]
    shop = pool_stats_of("shop", whole["services"]["shop"])
    assert [member.successes for member in shop.members] == [6, 6, 6]
    assert shop.methods[0].successes == 18
    assert shop.methods[0].latency.count == shop.methods[0].latency.buckets[-1][1] == 18
    assert shop.joined == 9
    schema = (files("connpool_runtime.admin") / "stats.schema.json").read_text()
    jsonschema.validate(whole, json.loads(schema))


def test_a_member_is_as_bad_as_its_worst(pools: list[Pool[Shop]]) -> None:
    """A member that one worker has cut off is cut off in the whole, and its latest error is told."""
    break_member(pools[1], "m1")
    pools[2].eject("m2")
    whole = merged([document(pool, number) for number, pool in enumerate(pools)])
    members = {one["name"]: one for one in whole["services"]["shop"]["members"]}
    assert [members[name]["state"] for name in ("m0", "m1", "m2")] == ["closed", "open", "open"]
    assert members["m1"]["last_error"]["type"] == "ConnectionResetError"
    assert [members[name]["ejected"] for name in ("m0", "m1", "m2")] == [False, False, True]


def test_services_that_only_some_have(pools: list[Pool[Shop]]) -> None:
    """A service that only some workers have is in the whole."""
    whole = merged([document(pools[0], 1), document(pools[1], 2, "other")])
    assert list(whole["services"]) == ["other", "shop"]
    assert whole["process"]["services"] == ["other", "shop"]


def test_what_has_ended_still_counts(pools: list[Pool[Shop]]) -> None:
    """Counters of workers that have ended stay in the sums; what they had open, cut off or left out does not."""
    break_member(pools[0], "m1")
    pools[0].add_client(Shop(), "gone")
    documents = [document(pool, number) for number, pool in enumerate(pools)]
    before = merged(documents)["services"]["shop"]
    ended = as_ended(documents[1], as_ended(documents[0], None))
    after = merged(documents[2:], ended)["services"]["shop"]
    names = ("successes", "failures", "trips")
    for one in after["members"]:
        same = next(other for other in before["members"] if other["name"] == one["name"])
        assert [one[name] for name in names] == [same[name] for name in names]
        assert one["state"] == "closed"
    assert [one["name"] for one in after["members"]] == ["m0", "m1", "m2"]
    assert after["methods"] == before["methods"]
    assert after["in_flight"] == 0


def test_other_bounds(pools: list[Pool[Shop]]) -> None:
    """Of histograms with other bounds the common ones are exact, and no others are told."""
    other = shop_pool(buckets=(0.001, 0.7, 1.0))
    for _ in range(5):
        other.call(GET)
    whole = merged([document(other, 1), document(pools[0], 2)])
    buckets = whole["services"]["shop"]["methods"][0]["latency"]["buckets"]
    assert [bound for bound, _ in buckets] == [0.001, 1.0, None]
    assert buckets[-1][1] == 8
