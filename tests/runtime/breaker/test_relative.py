"""Which member an unknown error counts against."""

import random
from collections import Counter

import pytest

from connpool_runtime.breaker.relative import RelativeEvidence


class World:
    """Members whose calls end with or without an unknown error, in turn; one call a millisecond."""

    def __init__(self, names: str, least: int = 5, window: float = 10.0) -> None:
        self.names = names
        self.now = 0.0
        self.ended: Counter[str] = Counter(dict.fromkeys(names, 0))
        self.evidence = RelativeEvidence[str](window, least, lambda: dict(self.ended))
        self.turn = 0

    def call(self, fails: bool, name: str | None = None, kind: str = "odd") -> bool:
        """Tell whether the call's error counts against its member."""
        self.now += 0.001
        self.turn += 1
        member = name or self.names[self.turn % len(self.names)]
        self.ended[member] += 1
        return fails and self.evidence.is_outlier(member, self.ended[member], kind, self.now)

    def next_name(self) -> str:
        return self.names[(self.turn + 1) % len(self.names)]

    def calls_until_cut_off(self, culprit: str, limit: int = 1000) -> int:
        """Count the culprit's calls, all of which fail with an error of its own, until it is blamed."""
        for _ in range(limit * len(self.names)):
            name = self.next_name()
            if self.call(name == culprit):
                return self.ended[culprit]
        raise AssertionError(f"{culprit} was never blamed")


@pytest.mark.parametrize(("names", "most"), [("ab", 11), ("abc", 8), ("abcdefghij", 6)])
def test_an_error_that_only_one_member_gives_counts_soon(names: str, most: int) -> None:
    """A member that answers every call with an error of its own: as a fixed rule of 5, plus at most 6."""
    assert World(names).calls_until_cut_off("a") <= most


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("names", ["ab", "abc", "abcdefghij"])
def test_what_all_members_give_alike_counts_against_nobody(names: str, share: float) -> None:
    """Callers' mistakes, be they a tenth of the calls or all of them."""
    dice = random.Random(1)
    world = World(names)
    assert not any(world.call(dice.random() < share) for _ in range(50_000))


@pytest.mark.parametrize("names", ["ab", "abc", "abcdefghij"])
def test_members_that_are_picked_at_random_are_not_blamed_for_bad_luck(names: str) -> None:
    """Half of the calls are mistakes, and each member gets as many as chance gives it."""
    dice = random.Random(2)
    world = World(names)
    for _ in range(50_000):
        assert not world.call(dice.random() < 0.5, dice.choice(names))


def test_one_of_ten_that_fails_every_second_call_counts() -> None:
    """Though no two of its errors follow each other."""
    world = World("abcdefghij")
    blamed_after = None
    for _ in range(1000):
        name = world.next_name()
        if world.call(name == "a" and world.ended["a"] % 2 == 0):
            blamed_after = world.ended["a"]
            break
    assert blamed_after is not None
    assert blamed_after <= 12


def test_an_own_error_counts_though_all_members_give_another() -> None:
    """Errors are compared kind by kind: common mistakes do not hide the one that is private."""
    dice = random.Random(3)
    world = World("abc")
    for _ in range(3000):
        assert not world.call(dice.random() < 0.9)
    for _ in range(300):
        name = world.next_name()
        if world.call(name == "b", kind="private") and name == "b":
            break
    else:
        raise AssertionError("b was never blamed")


def test_one_member_alone_is_never_blamed() -> None:
    """There is nobody to compare it with."""
    world = World("a")
    assert not any(world.call(True) for _ in range(1000))


def test_a_cluster_of_rare_errors_is_no_reason() -> None:
    """Ten errors among thousands of calls fall on one member: its share is too small to lose it."""
    world = World("abc")
    for _ in range(3000):
        assert not world.call(False)
    for _ in range(10):
        assert not world.call(True, "a")
        for _ in range(60):
            world.call(False)


def test_errors_of_long_ago_are_forgotten() -> None:
    """Four errors, and four more when the window is over, are not eight."""
    world = World("abc", window=1.0)
    for _ in range(4):
        for name in "abc":
            assert not world.call(name == "a", name)
    world.now += 1.0
    for _ in range(4):
        for name in "abc":
            assert not world.call(name == "a", name)


def test_who_was_cut_off_begins_anew() -> None:
    """After `forget` it takes as many errors again."""
    world = World("abc")
    first = world.calls_until_cut_off("a")
    world.evidence.forget("a")
    assert not world.call(True, "a")
    assert world.calls_until_cut_off("a") >= first + 5


def test_kinds_are_bounded() -> None:
    """A client that makes a class for each error takes no more memory for it, and nobody is blamed."""
    world = World("abc")
    for number in range(10_000):
        assert not world.call(True, kind=f"odd {number}")
    assert sum(len(half.errors) for half in world.evidence._halves) <= 128


def test_who_was_cut_off_takes_nobody_along() -> None:
    """Half of all calls are mistakes; when the member that failed always is gone, the others stay."""
    dice = random.Random(4)
    world = World("abc")
    blamed: set[str] = set()
    for _ in range(6000):
        name = world.next_name()
        if name in blamed:
            world.turn += 1
            continue
        if world.call(name == "a" or dice.random() < 0.5, name):
            blamed.add(name)
            world.evidence.forget(name)
    assert blamed == {"a"}
