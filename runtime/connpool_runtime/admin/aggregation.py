"""Combines the documents of several workers into one: counters are added, gauges kept by member. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from connpool_runtime.admin.quantiles import quantile

__all__ = ["as_ended", "merged"]

Document = dict[str, Any]

_OUTCOMES = ("successes", "failures", "neutrals", "answers", "overloads", "unknowns")
# For a worker of an older version.
_NO_TIMES: Document = {"count": 0, "total": 0.0, "buckets": []}
_STATES = ("closed", "half_open", "open")  # the worst last


def merged(documents: Sequence[Document], ended: Document | None = None) -> Document:
    """Return one document for all workers.

    Fields about the process, and fields that cannot be combined, are those of the first worker.

    Arguments:
        documents: those of the workers, at least one.
        ended: the counters of workers that have ended, see `as_ended`. Without them, counters would
            decrease when a worker ends, which looks like a restart of everything.
    """
    first = documents[0]
    process = {
        **first["process"],
        "started": min(one["process"]["started"] for one in documents),
        "stopped": all(one["process"]["stopped"] for one in documents),
        "services": _names(one["process"]["services"] for one in documents),
        "workers": sorted(_workers(documents)),
    }
    services = _by_name([one["services"] for one in documents])
    old: Document = {} if ended is None else ended["services"]
    return {
        **first,
        "time": max(one["time"] for one in documents),
        "process": process,
        "services": {
            name: _with_ended(_service(same), old.get(name)) for name, same in services.items()
        },
    }


def _workers(documents: Iterable[Document]) -> set[int]:
    return {
        pid for one in documents for pid in one["process"].get("workers", [one["process"]["pid"]])
    }


def as_ended(document: Document, before: Document | None) -> Document:
    """Return the counters that a worker leaves behind when it ends, added to those of workers that ended before.

    Arguments:
        document: the last document of the worker.
        before: the counters of workers that ended before; None if
            there are none.
    """
    services = {name: _still(service) for name, service in document["services"].items()}
    left = {**document, "services": services}
    return left if before is None else merged([before, left])


def _still(service: Document) -> Document:
    """Return a service with its counters only."""
    quiet = {"in_flight": 0, "state": "closed", "ejected": False, "healthy": True, "retry_in": None}
    members = [
        {**one, **quiet, "consecutive_failures": 0, "limit": None, "clients": _gone(one["clients"])}
        for one in service["members"]
    ]
    counters = [one for one in service["middleware"] if one["kind"] == "counter"]
    return {
        **service,
        "in_flight": 0,
        "waiting": 0,
        "members": members,
        "middleware": counters,
        "discovery": [],
        "exemplars": [],
    }


def _gone(clients: Document | None) -> Document | None:
    none = dict.fromkeys(("size", "idle", "connecting", "min_size", "max_size"), 0)
    return None if clients is None else {**clients, **none}


def _with_ended(service: Document, old: Document | None) -> Document:
    """Add the counters of ended workers to those of running ones."""
    if old is None:
        return service
    there = {one["name"] for one in service["members"]}
    limits = {one["name"]: one["limit"] for one in service["members"]}
    leaving = {one["name"]: one["leaving"] for one in service["members"]}
    both = _service([service, {**old, "closed": service["closed"]}])
    members = [one for one in both["members"] if one["name"] in there]
    for one in members:
        one["limit"], one["leaving"] = limits[one["name"]], leaving[one["name"]]
    own = {key: service[key] for key in ("metrics_only", "suspended")}
    return {**both, **own, "members": members}


def _service(same: Sequence[Document]) -> Document:
    return {
        **same[0],
        "closed": all(one["closed"] for one in same),
        "metrics_only": any(one["metrics_only"] for one in same),
        "suspended": any(one["suspended"] for one in same),
        **_sums(same, "in_flight", "waiting", "joined", "left", "leaks"),
        **{
            key: _counts([one[key] for one in same])
            for key in ("rejections", "transitions", "outlier_ejections", "health_checks")
        },
        "waits": _latency([one["waits"] for one in same]),
        "openings": _latency([one["openings"] for one in same]),
        "uses": _latency([one.get("uses", _NO_TIMES) for one in same]),
        "members": _each(same, "members", _name, _member),
        "methods": _each(same, "methods", _name, _method),
        "middleware": _each(same, "middleware", _name_and_labels, _number),
        "exemplars": [one for service in same for one in service.get("exemplars", ())],
        "discovery": _each(same, "discovery", lambda one: one["source"], _source),
    }


def _member(same: Sequence[Document]) -> Document:
    limits = [one["limit"] for one in same]
    clients = [one["clients"] for one in same if one["clients"] is not None]
    waits = [one["retry_in"] for one in same if one["retry_in"] is not None]
    return {
        **same[0],
        **_sums(same, *_OUTCOMES, "in_flight", "trips", "spared"),
        "limit": None if None in limits else sum(limits),
        "state": max((one["state"] for one in same), key=_STATES.index),
        "ejected": any(one["ejected"] for one in same),
        "leaving": all(one["leaving"] for one in same),
        "healthy": all(one["healthy"] for one in same),
        "last_error": next((one["last_error"] for one in same if one["last_error"]), None),
        "consecutive_failures": max(one["consecutive_failures"] for one in same),
        "retry_in": max(waits) if waits else None,
        "clients": _counts(clients) if clients else None,
    }


def _method(same: Sequence[Document]) -> Document:
    return {
        **same[0],
        **_sums(same, *_OUTCOMES),
        "latency": _latency([one["latency"] for one in same]),
    }


def _number(same: Sequence[Document]) -> Document:
    return {**same[0], "value": sum(one["value"] for one in same)}


def _source(same: Sequence[Document]) -> Document:
    """Return one source as seen by all workers: they follow the same endpoints, so the worst state is shown."""
    most = ("endpoints", "joined", "opening", "failed", "leaving", "stale")
    return {
        **same[0],
        **{key: max(one[key] for one in same) for key in most},
        **_sums(same, "updates"),
        "errors": _counts([one["errors"] for one in same]),
        "last_success": min(one["last_success"] for one in same),
        "last_error": next((one["last_error"] for one in same if one["last_error"]), None),
    }


def _latency(same: Sequence[Document]) -> Document:
    """Add histograms; buckets are left out if their bounds differ between workers."""
    tables = [dict(one["buckets"]) for one in same]
    bounds = [bound for bound, _ in same[0]["buckets"] if all(bound in table for table in tables)]
    buckets = [[bound, sum(table[bound] for table in tables)] for bound in bounds]
    upto = [(math.inf if bound is None else bound, count) for bound, count in buckets]
    return {
        **_sums(same, "count", "total"),
        "p50": quantile(upto, 0.5),
        "p99": quantile(upto, 0.99),
        "buckets": buckets,
    }


def _sums(same: Sequence[Document], *keys: str) -> Document:
    return {key: sum(one[key] for one in same) for key in keys}


def _counts(same: Sequence[dict[str, int]]) -> dict[str, int]:
    return {key: sum(one.get(key, 0) for one in same) for key in _names(same)}


def _names(groups: Iterable[Iterable[str]]) -> list[str]:
    return sorted({name for group in groups for name in group})


def _by_name(groups: Sequence[Document]) -> dict[str, list[Document]]:
    return {name: [group[name] for group in groups if name in group] for name in _names(groups)}


def _each(
    same: Sequence[Document],
    key: str,
    identity: Callable[[Document], object],
    merge: Callable[[Sequence[Document]], Document],
) -> list[Document]:
    """Merge the entries of several documents that have the same key, in the order in which they appear."""
    found: dict[object, list[Document]] = {}
    for document in same:
        for one in document[key]:
            found.setdefault(identity(one), []).append(one)
    return [merge(group) for group in found.values()]


def _name(one: Document) -> object:
    return one["name"]


def _name_and_labels(one: Document) -> object:
    return one["name"], tuple(sorted(one["labels"].items()))
