"""Random small programs that use a client: how it is imported, annotated, made and passed on varies."""

from hypothesis import strategies as st

ONE = (
    "{0}",
    '"{0}"',
    "{0} | None",
    "Optional[{0}]",
    '"Optional[{0}]"',
    "Union[{0}, None]",
    '"{0} | None"',
)
MANY = ("list[{0}]", '"list[{0}]"', 'list["{0}"]', "Sequence[{0}]", "tuple[{0}, ...]")
IMPORTS = {
    "from shop import Shop": "Shop",
    "import shop": "shop.Shop",
    "from shop import Shop as S, SoldOut": "S",
    "import shop as market": "market.Shop",
    "from shop import (\n    SoldOut,\n    Shop,  # sells\n)": "Shop",
    "from shop import *": "Shop",
}


class Program:
    """The text of a module with a function `main`, which returns what happened."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        """Say little: a run has many, and a failure names the file."""
        return "Program"


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Draw a program; annotations that Python evaluates are those that it can."""
    pick = lambda values: draw(st.sampled_from(tuple(values)))  # noqa: E731
    line, name = pick(IMPORTS.items())
    lines = ["from __future__ import annotations"] if draw(st.booleans()) else []
    lines += ["from collections.abc import Sequence", "from dataclasses import dataclass, field"]
    lines += ["from typing import Optional, Union, cast", line, ""]
    annotated = pick([name, pick(ONE).format(name)])
    many = pick(MANY).format(name)
    town = draw(st.sampled_from(["here", "there", "Shop"]))
    made = pick(
        [f'{name}("{town}")', f'{name}(town="{town}")', f'{name}.at("{town}")', f"{name}()"]
    )
    if draw(st.booleans()):
        lines += [f"Alias = {name}", ""]
        annotated = pick([annotated, "Alias"])
    lines += part_holder(draw, name, annotated)
    lines += part_functions(draw, name, annotated, many)
    lines += [
        "def main() -> list[object]:",
        "    log: list[object] = []",
        f"    one{pick(['', f': {name}'])} = {made}",
        f"    held = Holder({pick(['one', 'shop=one'])})",
        "    log.append(held.price('bread'))",
        "    log.append(price(one, 'tea'))",
        (
            f"    log.append(total({pick(['[one, one]', '[one]', '[]'])}))"
            if "tuple" not in many
            else "    log.append(total((one,)))"
        ),
    ]
    lines += draw(st.sampled_from(ENDS)).format(name=name).splitlines()
    lines += ["    return log", ""]
    return Program("\n".join(lines))


ENDS = (
    "",
    "    log.append({name}.tax(50))\n    log.append({name}.currency)",
    "    log.append(cast({name}, one).price('x'))",
    '    log.append(cast("{name}", one).price("x"))  # {name} is cast',
    "    try:\n        log.append(one.buy('x', count=2))\n    except {name}.Closed:\n        log.append('closed')",
    "    make = lambda: {name}('late')\n    log.append(make().price('late'))",
    "    log.extend(sorted(one.things()))\n    one.close()",
    "    class Kiosk({name}):\n        pass\n    log.append(Kiosk('corner').town)",
    "    log.append([s.price('q') for s in (one, {name}('w'))])",
    "    two = None  # type: Optional[{name}]\n    log.append(two is None)",
    "    kinds = {{'shop': {name}}}\n    log.append(sorted(kinds))",
)


def part_holder(draw: st.DrawFn, name: str, annotated: str) -> list[str]:
    """Draw a class that holds a client, in a field or in an attribute."""
    body = [
        "    def price(self, thing: str) -> int:",
        "        return self.shop.price(thing) if self.shop is not None else 0  # of the shop",
        "",
    ]
    if draw(st.booleans()):
        spare = draw(st.sampled_from([f"field(default_factory={name})", f"{name}('spare')"]))
        if "field" not in spare:
            spare = f"field(default_factory=lambda: {spare})"
        return [
            "@dataclass",
            "class Holder:",
            f"    shop: {annotated}",
            f"    spare: {name} = {spare}",
            "",
            *body,
        ]
    return [
        "class Holder:",
        f"    def __init__(self, shop: {annotated}) -> None:",
        "        self.shop = shop",
        "",
        *body,
    ]


def part_functions(draw: st.DrawFn, name: str, annotated: str, many: str) -> list[str]:
    """Draw functions that take a client, or several."""
    check = draw(st.sampled_from(["item is None", f"not isinstance(item, {name})"]))
    quoted = draw(st.booleans())
    result = f"'{name} | None'" if quoted else "object"
    return [
        f"def price(item: {annotated}, thing: str = 'tea') -> int:",
        f"    if {check}:",
        "        return -1",
        "    return item.price(thing)",
        "",
        f"def total(items: {many}) -> int:",
        "    return sum(item.price('tea') for item in items)",
        "",
        f"def last(items: {many}) -> {result}:",
        "    return items[-1] if items else None",
        "",
    ]
