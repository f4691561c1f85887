"""Joins the overloads of a stub, which has no implementation, into one list of parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

Json = dict[str, Any]
HIDDEN: Json = {"hidden": True}
PLACED = ("POSITIONAL_ONLY", "POSITIONAL_OR_KEYWORD")


def together(overloads: Sequence[list[Json] | None]) -> list[Json] | None:
    """Join the parameters of all overloads, so that every call that one accepts is accepted.

    A parameter that some overload lacks is not given unless the caller gives it. None where they have
    no order or kind in common; then whatever is given is passed on.
    """
    known = [params for params in overloads if params is not None]
    if len(known) < len(overloads) or not known:
        return None
    by_place = placed(known)
    if by_place is None:
        return None
    names = {param["name"] for param in by_place}
    by_name = named(known, names)
    if by_name is None:
        return None
    star = next((p for ps in known for p in ps if p["kind"] == "VAR_POSITIONAL"), None)
    stars = next((p for ps in known for p in ps if p["kind"] == "VAR_KEYWORD"), None)
    joined = [*by_place, *([star] if star else []), *by_name, *([stars] if stars else [])]
    return in_python(joined)


def placed(overloads: Sequence[list[Json]]) -> list[Json] | None:
    """Join the positional parameters: each position must have the same name in all overloads."""
    found: list[Json] = []
    lists = [[p for p in params if p["kind"] in PLACED] for params in overloads]
    for place in range(max(map(len, lists))):
        here = [params[place] for params in lists if place < len(params)]
        if len({(param["name"], param["kind"]) for param in here}) > 1:
            return None
        name = here[0]["name"]
        elsewhere = [p for ps in overloads for p in ps if p["name"] == name and p not in here]
        if any(param["kind"] != "KEYWORD_ONLY" for param in elsewhere):
            return None
        found.append(one_of([*here, *elsewhere], everywhere=len(here) == len(lists)))
    return found


def named(overloads: Sequence[list[Json]], placed_names: set[str]) -> list[Json] | None:
    """Join the keyword-only parameters."""
    found: dict[str, list[Json]] = {}
    for params in overloads:
        for param in params:
            if param["kind"] == "KEYWORD_ONLY" and param["name"] not in placed_names:
                found.setdefault(param["name"], []).append(param)
    return [one_of(here, everywhere=len(here) == len(overloads)) for here in found.values()]


def one_of(here: Sequence[Json], *, everywhere: bool) -> Json:
    """Describe one parameter of several overloads: its default is the client's own if they differ."""
    first = {key: value for key, value in here[0].items() if key != "default"}
    defaults = [param.get("default") for param in here]
    if everywhere and all(default is None for default in defaults):
        return first
    alike = everywhere and all(default == defaults[0] for default in defaults)
    return {**first, "default": defaults[0] if alike else HIDDEN}


def in_python(params: list[Json]) -> list[Json]:
    """Give a default to each parameter after one that has a default, as Python requires."""
    found: list[Json] = []
    optional = False
    for param in params:
        if param["kind"] in PLACED:
            optional = optional or "default" in param
            if optional and "default" not in param:
                found.append({**param, "default": HIDDEN})
                continue
        found.append(param)
    return found
