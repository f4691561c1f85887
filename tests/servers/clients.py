"""Clients that show faults as they are."""

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry


def plain_redis(port: int, *, timeout: float = 5.0) -> redis.Redis:
    """Return a client of a loopback port that never tries again by itself; `timeout` in seconds."""
    return redis.Redis(port=port, socket_timeout=timeout, retry=Retry(NoBackoff(), 0))
