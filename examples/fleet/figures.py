"""What the metrics say of a service, read as a dashboard would: from a scrape."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client import CollectorRegistry


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Numbers of one pool, over its whole life.

    Args:
        retries: attempts beyond the first of each call.
        ejections: how often a member was ejected by its breaker.
        updates: answers of the registry that changed something.
        joined: members that came.
        left: members that went.
    """

    retries: int
    ejections: int
    updates: int
    joined: int
    left: int

    @classmethod
    def of(cls, metrics: CollectorRegistry, pool: str) -> Figures:
        """Read them."""

        def total(name: str, **labels: str) -> int:
            wanted = {"pool": pool, **labels}
            return int(
                sum(
                    sample.value
                    for family in metrics.collect()
                    for sample in family.samples
                    if sample.name == f"connpool_{name}" and wanted.items() <= sample.labels.items()
                )
            )

        # Not `trips`: a member takes its own numbers along when it leaves.
        return cls(
            retries=total("retries_total"),
            ejections=total("breaker_transitions_total", state="open"),
            updates=total("discovery_updates_total"),
            joined=total("members_joined_total"),
            left=total("members_left_total"),
        )
