"""Methods of etcd3gw that change nothing in etcd.

A watch is none of them: starting it again misses the events in between.
"""

from __future__ import annotations

METHODS = "get get_all get_prefix members status"
