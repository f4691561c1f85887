"""Methods of redis-py and valkey-py that send only commands a server flags `readonly`.

Tests compare the table with what a Redis server says of its commands (`COMMAND`). Left out are `scan`,
`hscan`, `sscan` and `zscan`: they read, but a cursor means something only to the server that gave it,
and a retry goes to another one. `sort_ro` sends `SORT`, which may write.
"""

from __future__ import annotations

METHODS = """
    bitcount bitfield_ro bitpos dbsize dump eval_ro evalsha_ro exists expiretime fcall_ro
    geodist geohash geopos geosearch get getbit getrange
    hexists hexpiretime hget hgetall hkeys hlen hmget hpexpiretime hpttl hrandfield hscan_iter hstrlen
    httl hvals
    keys lcs lindex llen lolwut lpos lrange memory_usage mget object pexpiretime pfcount pttl randomkey
    scan_iter scard sdiff sinter sintercard sismember smembers smismember srandmember sscan_iter
    strlen substr sunion touch ttl type
    xinfo_consumers xinfo_groups xinfo_stream xlen xpending xpending_range xrange xread xrevrange
    zcard zcount zdiff zinter zintercard zlexcount zmscore zrandmember zrange zrangebylex
    zrangebyscore zrank zrevrange zrevrangebylex zrevrangebyscore zrevrank zscan_iter zscore zunion
"""
