"""Routes: which members a call may use, by role, and which serve it when none of those may be called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, cast

from connpool_runtime.members.labels import ANY_MEMBER, ROLE, Selector, checked_labels, shown

__all__ = ["UNROUTED", "Route", "Routing", "routing_of"]

ANY, NONE = "any", "none"
PRIMARY = "primary"


class Route(NamedTuple):
    """States which members a call is given to: the first of these that may be called, in their order.

    A member that is only busy is waited for. Made by `Route.read` and `Route.of`.

    Attributes:
        selectors: the labels of the members that are wanted, those that are preferred first.
        fallback: which members serve the call when none of these may be called: None for the pool's
            default route, "any" for any member, "none" for no member.
    """

    selectors: tuple[Selector, ...]
    fallback: str | None = None

    @classmethod
    def read(cls, text: object) -> Route:
        """Parse roles in order of preference: `replica`, `replica, analytics`, `replica, any`, `replica, none`.

        Raises:
            TypeError: the route is not a string.
            ValueError: a role is left out or there twice, or `any` or `none` is not the last word.
        """
        if not isinstance(text, str):
            raise TypeError(
                f'a route must be a string such as "replica" or "replica, any", not {text!r}'
            )
        words = [word.strip() for word in text.split(",")]
        last = words.pop() if words[-1] in (ANY, NONE) else None
        if last == NONE and not words:
            raise ValueError(f"route {text!r} allows no member: name a role first")
        if "" in words or ANY in words or NONE in words or len(set(words)) != len(words):
            raise ValueError(
                f"route {text!r} must list each role once, separated by commas; {ANY!r} and {NONE!r} may only be"
                ' the last word, as in "replica" or "replica, any"'
            )
        return cls(tuple(frozenset({(ROLE, word)}) for word in words), last)

    @classmethod
    def of(cls, label: object) -> Route:
        """Return the route of a caller who names labels: other members are used only if the text allows it.

        Arguments:
            label: a role or several, as `read` has them; or a mapping of labels that a member must have, all of them.

        Raises:
            TypeError: `label` is neither a string nor a mapping.
            ValueError: the string is not a valid route, or the mapping is empty.
        """
        if not isinstance(label, Mapping):
            route = cls.read(label)
            return route if route.fallback else cls(route.selectors, NONE)
        labels = checked_labels(cast("object", label))
        if not labels:
            raise ValueError("label must name labels, as {'zone': 'a'}; {} fits every member")
        return cls((frozenset(labels.items()),), NONE)

    def __str__(self) -> str:
        words = [shown(selector) for selector in self.selectors]
        return ", ".join([*words, *([self.fallback] if self.fallback else [])])


class Routing:
    """The steps of each route, and the default route of methods that name none.

    Arguments:
        default: the route of these.
    """

    def __init__(self, default: Route) -> None:
        self._last = (*default.selectors, *([ANY_MEMBER] if default.fallback == ANY else []))

    def steps(self, route: Route | None) -> tuple[Selector, ...]:
        """Return the labels of the wanted members, preferred ones first."""
        if route is None:
            return self._last
        if route.fallback == ANY:
            return (*route.selectors, ANY_MEMBER)
        if route.fallback == NONE:
            return route.selectors
        return tuple(dict.fromkeys([*route.selectors, *self._last]))


UNROUTED = Routing(Route((), ANY))
"""Of a pool whose methods have no routes."""


def routing_of(default_route: str | None, *, has_routes: bool) -> Routing | None:
    """Return the routing of a pool; None if its calls are not routed.

    Arguments:
        default_route: the setting; None if its owner has not said anything.
        has_routes: whether any method has a route, so that calls of the others must not go anywhere.
    """
    if default_route is None and not has_routes:
        return None
    return Routing(Route.read(PRIMARY if default_route is None else default_route))
