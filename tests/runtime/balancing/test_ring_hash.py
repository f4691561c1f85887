"""Consistent hashing: who a key belongs to, what moves when members change, and the bound on load."""

import uuid
from collections import Counter
from contextlib import nullcontext
from math import ceil, inf
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connpool_runtime import Call, Method
from connpool_runtime._hashing import bytes_of, point_of, text_of
from connpool_runtime.balancing.base import BalancerContext
from connpool_runtime.balancing.ring_hash import ByHash
from connpool_runtime.members.member import Member
from tests.runtime.members.groups import group_of

GET: Method[str, None] = Method("get", lambda client, args: None, hash_key=0)
KEYS = [f"user:{number}" for number in range(2000)]

names = st.lists(st.text(min_size=1, max_size=8), min_size=2, max_size=12, unique=True)


def members(of: list[str], weight: int = 1) -> list[Member[str]]:
    return [Member(name, "client", weight) for name in of]


class Ring:
    """A picker and its members; takes the member of each call when told to."""

    def __init__(self, candidates: list[Member[str]], load_factor: float = 1.25) -> None:
        self.members = candidates
        self.group = group_of(candidates)
        context = BalancerContext(Random(1).random, nullcontext(), load_factor)
        self.picker = self.group.pickers["consistent_hash"] = ByHash(self.group, context)

    def pick(self, key: object, tried: tuple[Member[str], ...] = ()) -> Member[str]:
        call = Call("test", GET, (key,))
        return self.picker.pick(call, tried)

    def owners(self) -> dict[str, str]:
        return {key: self.pick(key).name for key in KEYS}


def test_a_key_stays_with_its_member() -> None:
    """The same key, the same member, also on a ring made anew from members in another order."""
    owners = Ring(members(["a", "b", "c"])).owners()
    assert owners == Ring(members(["c", "a", "b"])).owners()


def test_keys_are_the_same_in_every_process() -> None:
    """Python's own hash of text differs between processes; this one is a constant of the format."""
    assert point_of("user:42") == 9417771961093400537
    ring = Ring(members(["a", "b", "c"]))
    assert "".join(ring.pick(key).name for key in KEYS[:12]) == "caaabcbcacab"


def test_members_have_about_equal_shares() -> None:
    """No member is further than a quarter from its share."""
    shares = Counter(Ring(members(list("abcde"))).owners().values())
    assert all(abs(share / len(KEYS) - 1 / 5) < 1 / 20 for share in shares.values())


def test_weights_are_shares() -> None:
    """A member of weight 3 has about three times the keys of one of weight 1."""
    heavy, light = members(["a"], 3), members(["b"])
    shares = Counter(Ring([*heavy, *light]).owners().values())
    assert 0.68 < shares["a"] / len(KEYS) < 0.82


def test_a_weight_that_is_too_large_for_the_ring_counts_as_the_largest() -> None:
    """A call may ask for the ring in a pool of another balancer, whose weights may be millions."""
    ring = Ring([*members(["a"], 1000), *members(["b"], 300)])
    larger = Ring([*members(["a"], 1500), *members(["b"], 300)])
    assert larger.owners() == ring.owners()
    for one in (ring, larger):
        for member in one.members:
            member.taken += 100
    assert larger.owners() == ring.owners()


@given(names, st.data())
def test_when_a_member_goes_only_its_keys_move(of: list[str], data: st.DataObject) -> None:
    """Minimal movement: every other key stays where it was."""
    gone = data.draw(st.sampled_from(of))
    before, after = Ring(members(of)), Ring(members([name for name in of if name != gone]))
    for key in KEYS[:50]:
        owner = before.pick(key).name
        assert owner == gone or after.pick(key).name == owner


@given(names)
def test_when_a_member_comes_keys_move_to_it_only(of: list[str]) -> None:
    """Minimal movement, the other way round."""
    *old, new = of
    before, after = Ring(members(old)), Ring(members(of))
    for key in KEYS[:50]:
        assert after.pick(key).name in {before.pick(key).name, new}


@given(names, st.data())
def test_a_ring_that_changed_is_the_ring_made_anew(of: list[str], data: st.DataObject) -> None:
    """Whoever came and went before: keys belong to the same members, on both paths of a call."""
    everybody = members(of)
    ring = Ring(everybody)
    for _ in range(6):
        one = data.draw(st.sampled_from(everybody))
        there = one in ring.group.members
        if not there or ring.group.size > 1:
            (ring.group.remove if there else ring.group.add)(one)
    anew = Ring(members([member.name for member in ring.group.members]))
    pick = ring.picker.for_calls()
    for key in [*KEYS[:50], b"k", 7]:
        assert ring.pick(key).name == anew.pick(key).name == pick(GET, (key,)).name


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=8),
    st.floats(1, 3),
    st.lists(st.integers(0, 3), min_size=1, max_size=80),
)
def test_nobody_is_loaded_above_the_bound(
    weights: list[int], factor: float, keys: list[int]
) -> None:
    """However hot a key is, a member has at most its share of the load times the factor, rounded up."""
    candidates = [Member(f"m{i}", "client", weight) for i, weight in enumerate(weights)]
    ring, total = Ring(candidates, factor), sum(weights)
    for number, key in enumerate(keys, 1):
        member = ring.pick(key)
        member.taken += 1
        assert member.in_flight <= max(1, ceil(factor * number * member.weight / total))


def test_a_hot_key_heats_more_than_one_member() -> None:
    """Calls beyond the bound go on to the next member on the ring, always the same one."""
    ring = Ring(members(list("abcd")), load_factor=2.0)
    for _ in range(40):
        ring.pick("hot").taken += 1
    loads = sorted(member.in_flight for member in ring.members)
    assert loads == [0, 0, 20, 20]


def test_without_a_bound_a_key_never_leaves_home() -> None:
    """An infinite factor is plain consistent hashing."""
    ring = Ring(members(list("abcd")), load_factor=inf)
    for _ in range(40):
        ring.pick("hot").taken += 1
    assert sorted(member.in_flight for member in ring.members) == [0, 0, 0, 40]


def test_a_retry_goes_to_the_next_member_on_the_ring() -> None:
    """Members tried before are passed over; when all were tried, the key goes home."""
    ring = Ring(members(list("abc")))
    home = ring.pick("k")
    second = ring.pick("k", (home,))
    third = ring.pick("k", (home, second))
    assert {home.name, second.name, third.name} == {"a", "b", "c"}
    assert ring.pick("k", (home, second, third)) is home


def test_calls_without_a_key_go_where_least_is_done() -> None:
    """None is no key; members to be passed over are passed over all the same."""
    ring = Ring(members(["a", "b"]))
    ring.members[0].taken = 5
    assert {ring.pick(None).name for _ in range(20)} == {"b"}
    assert ring.pick(None, (ring.members[1],)) is ring.members[0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("7", 7),
        ("7", b"7"),
        (b"k", bytearray(b"k")),
        ("k", memoryview(b"k")),
        (1.5, "1.5"),
        (("a", 1), ("a", "1")),
    ],
)
def test_what_servers_take_for_the_same_key_is_one(one: object, other: object) -> None:
    """Text, its bytes and a number written the same way belong together."""
    assert point_of(one) == point_of(other)


@pytest.mark.parametrize(
    ("key", "tag"),
    [
        ("{user:1}:name", "user:1"),
        (b"orders:{user:1}", b"user:1"),
        ("a{b}{c}", "b"),
        ("{{a}}", "{a"),
        ("{}a", "{}a"),
        ("}a{", "}a{"),
        ("{a", "{a"),
    ],
)
def test_what_stands_in_braces_is_the_key(key: str | bytes, tag: str | bytes) -> None:
    """The first braces that hold something decide, as in Redis Cluster, on both paths of a call."""
    ring = Ring(members(list("abcdefgh")))
    assert text_of(key) == bytes_of(tag)
    assert ring.picker.for_calls()(GET, (key,)) is ring.pick(key)


@given(st.lists(st.text(max_size=3), min_size=1, max_size=3).map(tuple), st.text(max_size=6))
def test_tuples_are_told_apart_by_their_parts(parts: tuple[str, ...], text: str) -> None:
    """("ab", "c") is not ("a", "bc"), nor the text of both."""
    joined = ("".join(parts),)
    assert (point_of(parts) == point_of(joined)) is (parts == joined)


def test_what_has_a_text_of_its_own_is_a_key() -> None:
    """A UUID stands for its text."""
    key = uuid.uuid5(uuid.NAMESPACE_DNS, "example.org")
    assert point_of(key) == point_of(str(key))


@pytest.mark.parametrize("key", [object(), {"a": 1}, {1, 2}, [1], Ring])
def test_what_has_no_stable_text_is_refused(key: object) -> None:
    """An address in the text would make another key of it in each process."""
    with pytest.raises(TypeError, match="the key for consistent hashing is"):
        point_of(key)
