"""The largest weights: a balancer multiplies weights, and some keep something for each unit of one."""

from __future__ import annotations

__all__ = ["MOST_WEIGHT", "MOST_WEIGHT_ON_RING"]

# up to this weight, floats are exact enough to tell all turns of a member apart
MOST_WEIGHT = 1_000_000_000
# of `consistent_hash`, whose ring has points for each unit: 9 MB and half a second for this one
MOST_WEIGHT_ON_RING = 1000
