"""pyproject.toml is edited without touching what stands there."""

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connpool_gen.editing.manifest_text import introduced, keeps, with_defaults, with_target
from connpool_gen.errors import RequestError

HEAD = '[project]\nname = "x"   # ours\n\n[tool.black]\nline-length = 100\n'
ONE = '\n[[tool.connpool-gen.target]]\nclient = "a:C"\n'
TAIL = "\n[tool.mypy]\nstrict = true # yes\n"
VALUES = {"client": "b:D", "metrics": False, "import-timeout": 0.5, "idempotent": ["get*", "put"]}


def targets(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads(text)["tool"]["connpool-gen"]["target"]
    return found


@pytest.mark.parametrize(
    "before",
    [
        "",
        HEAD,
        HEAD.rstrip(),
        HEAD + ONE,
        HEAD + ONE + TAIL,
        ONE + "methods.get = {timeout = 1}\n" + HEAD + ONE.replace("a:C", "z:C") + TAIL,
    ],
)
def test_a_target_is_added(before: str) -> None:
    """The last target is the new one, all else means what it meant, and no line of it has changed."""
    after = with_target(before, VALUES)
    added = tomllib.loads(after)
    assert added["tool"]["connpool-gen"]["target"].pop() == VALUES
    expected = tomllib.loads(before)
    expected.setdefault("tool", {}).setdefault("connpool-gen", {}).setdefault("target", [])
    assert added == expected
    assert keeps(before, after)


@pytest.mark.parametrize(
    "before",
    [
        '[tool]\nconnpool-gen = {target = [{client = "a:C"}]}\n',
        '[tool.connpool-gen]\ntarget = [\n  {client = "a:C"}, # one\n]\n',
    ],
)
def test_targets_in_one_line(before: str) -> None:
    """TOML can add no table to them: the user is given what to write."""
    with pytest.raises(
        RequestError, match=r"below them:\n\[\[tool\.connpool-gen\.target\]\]\nclient = \"b:D\""
    ):
        with_target(before, VALUES)


def test_it_stands_with_the_others() -> None:
    """Below the last target, with an empty line on both sides; at the end where there is none."""
    new = '\n[[tool.connpool-gen.target]]\nclient = "b:D"\n'
    assert with_target(HEAD + ONE + TAIL, {"client": "b:D"}) == HEAD + ONE + new + TAIL
    assert with_target(HEAD + ONE, {"client": "b:D"}) == HEAD + ONE + new
    assert with_target(HEAD, {"client": "b:D"}) == HEAD + new
    assert with_target("", {"client": "b:D"}) == new.lstrip()


def test_a_long_list_has_a_line_for_each_item() -> None:
    """Nobody has to scroll, and the short one stays on its line."""
    text = with_target("", {"client": "a:C", "include": [f"some_method_{i}" for i in range(9)]})
    assert max(map(len, text.splitlines())) < 80
    assert 'idempotent = ["get*", "put"]\n' in with_target("", VALUES)


def test_the_comment_stays_with_the_table() -> None:
    """The first table of ours is introduced, without a gap."""
    text = with_defaults(introduced(HEAD), {"output": "pools"})
    lines = text.removeprefix(HEAD).splitlines()
    assert lines[0] == ""
    assert lines[1].startswith("# The pool wrappers of this project")
    assert lines[2:] == ["[tool.connpool-gen.defaults]", 'output = "pools"']
    assert targets(with_target(text, VALUES)) == [VALUES]


@settings(max_examples=30)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\r")))
def test_any_value(text: str) -> None:
    """Whatever a value holds, it is read back as it was given."""
    values = {"client": text, "include": [text, text]}
    assert targets(with_target(HEAD + ONE + TAIL, values))[-1] == values
