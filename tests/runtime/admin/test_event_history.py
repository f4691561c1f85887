"""Events, for readers of any speed."""

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from connpool_runtime import Pool
from connpool_runtime.admin.event_history import EventFeed, EventRing
from connpool_runtime.admin.pool_owners import OwnedPools
from tests.runtime.admin.pools import Shop, break_member, served, shop_pool


def events_in(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the kinds and data of the events in a text of server-sent events."""
    found = []
    for part in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in part.splitlines() if ": " in line)
        if "data" in fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


def kinds(text: str) -> list[str]:
    return [data.get("type", kind) for kind, data in events_in(text)]


@pytest.fixture
def pool() -> Pool[Shop]:
    return shop_pool()


def test_history_is_told_first(pool: Pool[Shop]) -> None:
    """A reader gets what has happened so far, in order, each with its time, its service and its number."""
    with served({"shop": pool}) as (_, admin):
        before = time.time()
        break_member(pool, "m1")
        admin.post("/uneject", json={"member": "m1"})
        text = admin.get("/events?follow=false").text
        told = [data for _, data in events_in(text)]
        assert kinds(text) == ["breaker_changed", "breaker_changed", "unejected"]
        assert [one["id"] for one in told] == [1, 2, 3]
        assert (told[0]["before"], told[0]["after"]) == ("closed", "open")
        assert (told[0]["cause"], told[0]["service"]) == ("ConnectionResetError", "shop")
        assert before <= told[0]["time"] <= time.time()
        assert told[2]["by_hand"] is True
        later = admin.get("/events?follow=false", headers={"Last-Event-ID": "2"})
        assert kinds(later.text) == ["unejected"]
        assert kinds(admin.get("/events?follow=false&after=3").text) == []
        # A number of a process that was here before stands for everything.
        assert len(kinds(admin.get("/events?follow=false&after=99").text)) == 3
        assert admin.get("/events?after=x").status_code == 422


def test_events_arrive_while_one_waits(pool: Pool[Shop]) -> None:
    """A reader who stays gets each event as it comes, those of pools that come later as well."""
    pools: dict[str, Pool[Shop]] = {"shop": pool}
    with served(pools) as (_, admin), admin.stream("GET", "/events") as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        pool.eject("m0")
        assert next_event(lines)["member"] == "m0"
        pools["other"] = shop_pool(1, "other")
        while not pools["other"]._state.events.has_listeners:
            time.sleep(0.005)
        pools["other"].eject("m0")
        assert next_event(lines)["service"] == "other"


def next_event(lines: Iterator[str]) -> dict[str, Any]:
    for line in lines:
        if line.startswith("data: "):
            found: dict[str, Any] = json.loads(line.removeprefix("data: "))
            return found
    raise AssertionError("the stream has ended")


def test_who_is_slow_loses_events_and_is_told(pool: Pool[Shop]) -> None:
    """Of more events than are kept the oldest are lost, and a reader who missed them learns how many."""
    with served({"shop": pool}, event_history=16) as (_, admin):
        pool.eject("m0")
        known = 1
        for _ in range(20):
            pool.uneject("m0")
            pool.eject("m0")
        found = events_in(admin.get(f"/events?follow=false&after={known}").text)
        assert found[0] == ("lost", {"count": 24})
        assert [data["id"] for _, data in found[1:]] == list(range(26, 42))
        # Who knows nothing has missed nothing.
        assert kinds(admin.get("/events?follow=false").text)[0] == "breaker_changed"


def test_a_reader_that_does_not_read_stops_nobody(pool: Pool[Shop]) -> None:
    """While a reader reads nothing, calls and other readers go on, and what is kept for it is bounded."""
    with served({"shop": pool}, event_history=64) as (server, admin):
        address = ("127.0.0.1", server.port)
        with socket.create_connection(address) as deaf:
            deaf.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            for _ in range(3000):
                pool.eject("m0")
                pool.uneject("m0")
            assert len(kinds(admin.get("/events?follow=false").text)) == 64


def test_readers_are_bounded(pool: Pool[Shop]) -> None:
    """More readers than are allowed are refused; the place of one that has left is free again."""
    with served({"shop": pool}, max_streams=1) as (_, admin):
        assert admin.get("/events?follow=false").status_code == 200
        with admin.stream("GET", "/events") as answer:
            lines = answer.iter_lines()
            next(lines)
            refused = admin.get("/events")
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        while admin.get("/events?follow=false").status_code != 200:
            time.sleep(0.01)


def test_closing_ends_streams(pool: Pool[Shop]) -> None:
    """When the server is closed its streams end, so that nobody waits for them."""
    with served({"shop": pool}) as (server, admin), admin.stream("GET", "/events") as answer:
        lines = answer.iter_lines()
        next(lines)
        server.close()
        assert [line for line in lines if line.startswith("data")] == []
    assert not pool._state.events.has_listeners


def test_a_pool_that_was_replaced_is_not_listened_to(pool: Pool[Shop]) -> None:
    """Of a pool that another one replaced under its name nothing is told any more."""
    pools = {"shop": pool}
    feed = EventFeed(OwnedPools(pools), 16)
    feed.follow()
    pools["shop"] = shop_pool()
    feed.follow()
    pool.eject("m0")
    assert feed.after(0) == (0, [])
    pools["shop"].eject("m1")
    assert [one["member"] for one in feed.after(0)[1]] == ["m1"]
    feed.close()


def test_httpx_sees_no_stream_without_end(pool: Pool[Shop]) -> None:
    """`follow=false` ends after what there is, for those who only want to look."""
    with served({"shop": pool}) as (server, _):
        assert httpx.get(server.url + "/events?follow=false", timeout=5).status_code == 200


def test_a_ring_numbers_what_it_keeps_by_itself() -> None:
    """Events of several workers have numbers of their own, which do not count; what was dropped is told."""
    ring = EventRing(2)
    for worker in (7, 8, 9):
        ring.add({"event": "E", "id": worker})
    assert ring.last == 3
    assert ring.after(1) == (0, [{"id": 2, "event": "E"}, {"id": 3, "event": "E"}])
    assert ring.after(0)[1] == ring.after(1)[1]
    for _ in range(2):
        ring.add({"event": "E"})
    assert ring.after(1) == (2, [{"id": 4, "event": "E"}, {"id": 5, "event": "E"}])
