"""Groups of members for tests, as a pool would make them."""

from collections.abc import Iterable
from typing import Any

from connpool_runtime.members.group import Group
from connpool_runtime.members.member import Member


def number(members: Iterable[Member[Any]]) -> None:
    """Number members in the order in which they are given, as joining a pool does."""
    for place, member in enumerate(members):
        member.number = place


def group_of(members: Iterable[Member[Any]]) -> Group:
    """Return a group of these members."""
    members = list(members)
    number(members)
    group = Group()
    for member in members:
        group.add(member)
    return group
