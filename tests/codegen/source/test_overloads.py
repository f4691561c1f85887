"""One list of parameters for all overloads of a stub."""

from pathlib import Path
from typing import Any

import pytest

from tests.codegen.source.both_ways import member, read, write

HIDDEN = {"hidden": True}


def params(tmp_path: Path, *signatures: str) -> list[tuple[str, str, Any]] | None:
    lines = [f"    @overload\n    def get({signature}) -> int: ...\n" for signature in signatures]
    stub = "from typing import overload\nclass Client:\n" + "".join(lines)
    found = member(read([tmp_path], write(tmp_path, stub, ".pyi")), "get")["params"]
    if found is None:
        return None
    return [(param["name"], param["kind"], param.get("default")) for param in found]


PLACED, NAMED = "POSITIONAL_OR_KEYWORD", "KEYWORD_ONLY"


@pytest.mark.parametrize(
    ("signatures", "joined"),
    [
        (("self, a: int", "self, a: str"), [("a", PLACED, None)]),
        (("self, a: int", "self, a: str, b: int"), [("a", PLACED, None), ("b", PLACED, HIDDEN)]),
        (("self, a: int = 1", "self, a: str = 2"), [("a", PLACED, HIDDEN)]),
        (("self, a: int = 1", "self, a: str = 1"), [("a", PLACED, {"text": "1"})]),
        (
            ("self, a: int, *, b: int", "self, a: int, *, c: int = ..."),
            [("a", PLACED, None), ("b", NAMED, HIDDEN), ("c", NAMED, HIDDEN)],
        ),
        (("self, a: int", "self, *, a: str"), [("a", PLACED, HIDDEN)]),
        (
            ("self, __a: int", "self, __a: str, *rest: int"),
            [("a", "POSITIONAL_ONLY", None), ("rest", "VAR_POSITIONAL", None)],
        ),
        (("self, a: int", "self, b: int"), None),
        (("self, a: int, b: int", "self, b: int"), None),
    ],
)
def test_together(
    tmp_path: Path, signatures: tuple[str, ...], joined: list[tuple[str, str, Any]] | None
) -> None:
    """A parameter that some overload lacks is left out unless it is given; without an order in common all are passed on."""
    assert params(tmp_path, *signatures) == joined
