"""Methods of etcd3gw that change nothing in etcd.

A watch is none of them: whoever begins it anew misses what happened in between.
"""

from __future__ import annotations

METHODS = "get get_all get_prefix members status"
