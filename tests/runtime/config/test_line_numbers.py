"""The line of every key of a file."""

import json
import tomllib
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connpool_runtime.config.line_numbers import lines_of_json, lines_of_toml, lines_of_yaml

TOML = """\
# A comment with "quotes" and [brackets]
top = "a # no comment"  # one

[a.b]
key = \"\"\"
two lines, and key = 3
\"\"\"
"quoted \\u00e9" = 'x'
d.e = { f = 1, g = [1, { h = 2 }] }
list = [
    1,  # one
    { i = 2 },
]

[[many]]
name = 1
[many.inner]
x = 1
[[many]]
name = 2
[many.inner]
x = 2
"""


def test_lines_of_toml() -> None:
    """Headers, dotted and quoted keys, inline tables, arrays over lines and arrays of tables have their lines."""
    lines = lines_of_toml(TOML)
    assert lines["top",] == 2
    assert (lines["a", "b"], lines["a", "b", "key"]) == (4, 5)
    assert lines["a", "b", "quoted é"] == 8
    assert lines["a", "b", "d", "e", "f"] == 9
    assert lines["a", "b", "d", "e", "g", 1, "h"] == 9
    assert (lines["a", "b", "list", 0], lines["a", "b", "list", 1, "i"]) == (11, 12)
    assert (lines["many", 0, "name"], lines["many", 0, "inner", "x"]) == (16, 18)
    assert (lines["many", 1, "name"], lines["many", 1, "inner", "x"]) == (20, 22)


def test_lines_of_yaml() -> None:
    """Keys, lists, anchors and what is merged in have the lines that they stand in."""
    text = "base: &base\n  a: 1\n  b: 2\nuse:\n  <<: *base\n  b: 3\nlist:\n  - x\n  - y: 1\n"
    lines = lines_of_yaml(text)
    assert lines["base", "a"] == 2
    assert (lines["use", "a"], lines["use", "b"]) == (2, 6)
    assert lines["list", 1, "y"] == 9
    assert lines_of_yaml("") == {}


yaml: Any = import_module("yaml")  # has no types of its own

keys = st.text(alphabet="abé\"'.-# ", min_size=1, max_size=4)
values = st.recursive(
    st.integers() | st.booleans() | st.text(alphabet="a\"#]}\n\\ '", max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=12,
)


def paths(data: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    pairs: list[tuple[Any, Any]] = []
    if isinstance(data, Mapping):
        pairs = list(data.items())
    elif isinstance(data, list):
        pairs = list(enumerate(data))
    found = []
    for key, value in pairs:
        found += [(*path, key), *paths(value, (*path, key))]
    return found


def as_toml(data: Any) -> str:
    if isinstance(data, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {as_toml(v)}" for k, v in data.items()) + "}"
    if isinstance(data, list):
        return "[" + ",\n".join(map(as_toml, data)) + "]"
    return json.dumps(data)


@pytest.mark.parametrize(
    ("dump", "load", "lines"),
    [
        (lambda data: json.dumps(data, indent=1), json.loads, lines_of_json),
        (lambda data: yaml.safe_dump(data), yaml.safe_load, lines_of_yaml),
        (
            lambda data: "\n".join(f"{json.dumps(k)} = {as_toml(v)}" for k, v in data.items()),
            tomllib.loads,
            lines_of_toml,
        ),
    ],
    ids=["json", "yaml", "toml"],
)
@settings(max_examples=60, deadline=None)
@given(data=st.dictionaries(keys, values, max_size=4))
def test_every_key_has_a_line(
    dump: Callable[[Any], str],
    load: Callable[[str], Any],
    lines: Callable[[str], dict[Any, int]],
    data: dict[str, Any],
) -> None:
    """Whatever a file holds, the keys that have lines are those that it has."""
    text = dump(data)
    assert load(text) == data
    assert sorted(map(str, lines(text))) == sorted(map(str, paths(data)))
