"""Formats documents as tables for a terminal."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any, cast

from rich.table import Table
from rich.text import Text

from connpool_runtime.admin.client import Document
from connpool_runtime.admin.quantiles import quantile

__all__ = [
    "STYLES",
    "members_table",
    "methods_table",
    "plain_labels",
    "sentence",
    "services_table",
    "state_of",
]

OUTCOMES = ("successes", "failures", "answers", "overloads", "unknowns", "neutrals")
ERRORS = ("failures", "overloads", "unknowns")
STYLES = {"closed": "green", "half_open": "yellow", "open": "red", "unreachable": "red"}


def state_of(member: Document) -> str:
    """Return the state of a member in one word."""
    if member["leaving"]:
        return "leaving"
    if member["ejected"]:
        return "ejected"
    return str(member["state"]) if member["healthy"] else "unreachable"


def services_table(document: Document, rates: dict[str, float] | None = None) -> Table:
    """Return a table with a line for each service.

    Arguments:
        document: what `/stats` has answered.
        rates: calls per second by service, where they are known.
    """
    table = _table(
        "service", "members ready", "calls", "errors", "p50", "p99", "in flight", "waiting"
    )
    if rates is not None:
        table.add_column("calls/s", justify="right")
    for name, service in document["services"].items():
        calls = sum(one[outcome] for one in service["methods"] for outcome in OUTCOMES)
        errors = sum(one[outcome] for one in service["methods"] for outcome in ERRORS)
        ready = sum(state_of(member) == "closed" for member in service["members"])
        buckets = _all_buckets(service["methods"])
        whole = ready == len(service["members"])
        row = [
            name,
            Text(f"{ready} of {len(service['members'])}", style="green" if whole else "yellow"),
            f"{calls:,}",
            Text(f"{errors:,}", style="red" if errors else ""),
            seconds(quantile(buckets, 0.5)),
            seconds(quantile(buckets, 0.99)),
            str(service["in_flight"]),
            str(service["waiting"]),
        ]
        if rates is not None:
            row.append(f"{rates.get(name, 0.0):,.1f}")
        table.add_row(*row)
    return table


def _all_buckets(methods: list[Document]) -> list[tuple[float, int]]:
    """Add up the durations of methods of one pool, whose bounds are the same."""
    columns: zip[Any] = zip(*(one["latency"]["buckets"] for one in methods), strict=True)
    return [
        (math.inf if column[0][0] is None else column[0][0], sum(count for _, count in column))
        for column in columns
    ]


def members_table(document: Document, state: str | None = None, most: int | None = None) -> Table:
    """Return a table with a line for each member, unhealthy ones first.

    Arguments:
        document: what `/stats` has answered.
        state: only members that are in it.
        most: how many lines at most; all if not given.
    """
    lines = [
        (name, member)
        for name, service in document["services"].items()
        for member in service["members"]
        if state is None or state_of(member) == state
    ]
    lines.sort(key=lambda line: state_of(line[1]) == "closed")
    # A worker of an older version sends no labels.
    roles = [member.get("labels", {}).get("role", "") for _, member in lines]
    told = ["role"] if any(roles) else []
    table = _table(
        *("service", "member", "state", *told, "weight", "calls"),
        *("errors", "in flight", "last error"),
    )
    for (name, member), role in zip(lines[:most], roles, strict=False):
        shown, errors = state_of(member), sum(member[outcome] for outcome in ERRORS)
        error = member["last_error"]
        table.add_row(
            name,
            member["name"],
            Text(shown, style=STYLES.get(shown, "dim")),
            *([role] if told else []),
            str(member["weight"]),
            f"{sum(member[outcome] for outcome in OUTCOMES):,}",
            Text(f"{errors:,}", style="red" if errors else ""),
            str(member["in_flight"]),
            "" if error is None else f"{error['type']}, {error['reason']}",
        )
    if most is not None and len(lines) > most:
        table.caption = f"{len(lines) - most} more"
    return table


def methods_table(document: Document) -> Table:
    """Return a table with a line for each method that was called."""
    table = _table("service", "method", "calls", "errors", "p50", "p99")
    for name, service in document["services"].items():
        for method in service["methods"]:
            errors = sum(method[outcome] for outcome in ERRORS)
            table.add_row(
                name,
                method["name"],
                f"{sum(method[outcome] for outcome in OUTCOMES):,}",
                Text(f"{errors:,}", style="red" if errors else ""),
                seconds(method["latency"]["p50"]),
                seconds(method["latency"]["p99"]),
            )
    return table


def seconds(value: float | None) -> str:
    """Format a duration for people."""
    if value is None:
        return ""
    if value < 0.001:
        return f"{value * 1e6:.0f} µs"
    return f"{value * 1000:.3g} ms" if value < 1 else f"{value:.3g} s"


def sentence(event: Document) -> str:
    """Format an event as a line of text."""
    if "id" not in event:
        return f"{event['count']} events were lost"
    known = ("id", "time", "type", "service", "member", "by_hand")
    rest = " ".join(f"{key}={_plain(value)}" for key, value in event.items() if key not in known)
    when = datetime.fromtimestamp(event["time"]).strftime("%H:%M:%S")  # the reader's local time
    who = "/".join(filter(None, (event["service"], event["member"])))
    hand = " by hand" if event.get("by_hand") else ""
    return f"{when} {who} {event['type']}{hand} {rest}".rstrip()


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return plain_labels(cast("Document", value))
    return (
        ",".join(map(str, cast("list[object]", value))) if isinstance(value, list) else str(value)
    )


def plain_labels(labels: Document) -> str:
    """Format labels as they are given on the command line."""
    return ",".join(f"{name}={value}" for name, value in labels.items()) or "none"


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    numbers = {"calls", "errors", "p50", "p99", "in flight", "waiting", "weight"}
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    return table
