"""Which arguments are keys of the server, for methods of known clients.

By the value of `hash-key` and the methods that it holds for. What is not listed has no key. Tests
compare the table with what a Redis server says of its commands (`COMMAND GETKEYS`).
"""

from __future__ import annotations

REDIS = {
    "name": """
        arcount ardel ardelrange arget argetrange argrep arinfo arinsert arlastitems arlen armget
        armset arnext arop arring arscan arseek arset
        decr decrby delex digest dump expire expireat
        geoadd geodist geohash geopos geosearch get getbit getdel getex getset
        hdel hexists hexpire hexpireat hget hgetall hgetdel hgetex hincrby hincrbyfloat hkeys hlen
        hmget hmset hpersist hpexpire hpexpireat hscan hscan_iter hset hsetex hsetnx hstrlen hvals
        incr incrby incrbyfloat increx
        lindex linsert llen lock lpop lpos lpush lpushx lrange lrem lset ltrim move
        persist pexpire pexpireat pfadd psetex pttl restore rpop rpush rpushx
        sadd scard set setbit setex setnx setrange sismember smembers smismember spop srandmember
        srem sscan sscan_iter strlen substr ttl type
        xack xackdel xadd xautoclaim xcfgset xclaim xdel xdelex xgroup_create xgroup_createconsumer
        xgroup_delconsumer xgroup_destroy xgroup_setid xinfo_consumers xinfo_groups xinfo_stream
        xlen xnack xpending xpending_range xrange xrevrange xtrim
        zadd zcard zcount zincrby zlexcount zpopmax zpopmin zrange zrangebylex zrangebyscore zrank
        zrem zremrangebylex zremrangebyrank zremrangebyscore zrevrange zrevrangebylex
        zrevrangebyscore zrevrank zscan zscan_iter zscore
    """,
    "key": """
        append bitcount bitfield bitfield_ro bitpos debug_object expiretime getrange hexpiretime
        himport_set hpexpiretime hpttl hrandfield httl memory_usage object pexpiretime sort_ro
        zmscore zrandmember
    """,
    "*names": "delete exists unlink watch",
    "*keys": """
        blpop brpop bzmpop bzpopmax bzpopmin migrate sdiffcard sintercard sunioncard
        zdiff zinter zintercard zmpop zunion
    """,
    "*args": "blmpop lmpop touch",
    "*keys, *args": "mget sdiff sinter sunion",
    "*mapping": "mset msetex msetnx",
    "*sources": "pfcount",
    "*streams": "xread xreadgroup",
    "*watches": "transaction",
    "*keys_and_args[:numkeys]": "eval eval_ro evalsha evalsha_ro fcall fcall_ro",
    "dest, *keys": "bitop zdiffstore zinterstore zunionstore",
    "dest, *keys, *args": "sdiffstore sinterstore sunionstore",
    "dest, *sources": "pfmerge",
    "dest, name": "geosearchstore zrangestore",
    "first_list, second_list": "blmove blmovem lmove lmovem",
    "key1, key2": "lcs",
    "name, store": "sort",
    "name, store, store_dist": "georadius georadiusbymember",
    "source, destination": "copy",
    "src, dst": "brpoplpush rename renamenx rpoplpush smove",
    # No keys for the server, but publishers have to meet the member of their subscribers.
    "channel": "publish",
    "shard_channel": "spublish",
}
# By the name of the library's classifier.
KNOWN = {
    "redis": {method: key for key, methods in REDIS.items() for method in methods.split()},
}


def known_key(library: str | None, method: str) -> str | None:
    """Find which parameters of a method hold its keys, in the syntax of `hash-key`."""
    return KNOWN.get(library or "", {}).get(method)


def known_balancer(library: str | None, client: str) -> str | None:
    """Find the default balancer for the wrapper of a known client, whose servers may hold different keys.

    Clients of a cluster find the server of a key by themselves.
    """
    return None if library not in KNOWN or client.endswith("Cluster") else "consistent_hash"
