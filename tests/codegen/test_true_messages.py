"""What a run says of a client is true of it: of aliases, of attributes, of clients without types."""

import sys
from pathlib import Path

import pytest

from connpool_gen.errors import TargetError, VerifyError
from connpool_gen.output.changes import explain
from tests.codegen.made import Maker

SOURCE = """
from __future__ import annotations
from typing import List, NewType, TypeAlias, TypeVar, Union

Either = Union[int, str]
Perhaps = int | None
T = TypeVar("T")
Number = NewType("Number", int)


def function() -> None: ...


class Client:
    encoding = None
    Inner: TypeAlias = dict[str, int]
    Plain = dict[str, int]
    ln = len

    def __init__(self) -> None:
        self._open("h")

    def _open(self, host: str) -> None:
        self.host = host

    def get(self) -> str:
        return self.host
"""

# Since Python 3.14 there is one kind of union, and one way to write it.
EITHER = "int | str" if sys.version_info >= (3, 14) else "typing.Union[int, str]"


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory, checker_cache: Path) -> Maker:
    """One folder for the wrappers of this module."""
    return Maker(tmp_path_factory.mktemp("messages"), checker_cache)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Either", f"it is an alias of {EITHER}, not a class"),
        ("Perhaps", "it is an alias of int | None, not a class"),
        ("T", "it is of type TypeVar, not a class"),
        ("Number", "it is of type NewType, not a class"),
        ("function", "it is a function, not a class"),
        ("Clint", "has no class 'Clint'; nearest: Client"),
    ],
)
def test_what_is_no_class_is_called_what_it_is(workshop: Maker, name: str, said: str) -> None:
    """A union is an alias and no function, and neither is whatever else can be called."""
    with pytest.raises(TargetError) as raised:
        workshop.text(SOURCE, client=name)
    assert said in str(raised.value)


def test_each_value_of_the_class_is_there(workshop: Maker) -> None:
    """None, aliases and builtins as values of the class are read from it."""
    made = workshop.make(SOURCE, verify=True)
    for name in ("encoding", "Inner", "Plain", "ln"):
        assert made.names[name].reason == "class attribute, read from the client class"
        assert getattr(made.wrapper(), name) == getattr(made.client, name)


def test_any_method_can_make_an_attribute(workshop: Maker) -> None:
    """What `__init__` leaves to another method to set is read from a member too."""
    made = workshop.make(SOURCE, verify=True)
    assert made.over(made.client()).host == "h"


def test_a_text_that_does_not_pass_is_not_said_to_be_there(
    workshop: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says that nothing was written, and how to see what was made."""
    monkeypatch.setattr(
        "connpool_gen.verifying.verify.verify_text", lambda *_: ["w.py:1: error: no  [misc]"]
    )
    with pytest.raises(VerifyError, match=r"so it was not written; --no-verify writes it"):
        workshop.text(SOURCE, verify=True)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("client: Any", "client: C", "type in the table of get changed: "),
        ("client.get(key)", "client.get(key=key)", "call of get changed: client.get(key)"),
        ("@old\n    ", "", "decorators of get changed: @old -> none"),
    ],
)
def test_a_stale_wrapper_says_what_differs(old: str, new: str, said: str) -> None:
    """A type in the table, what an entry runs and a decorator are named, not called layout."""
    text = (
        '@method("get")\ndef _get(client: Any, packed: Any) -> str:\n'
        "    key, = packed\n    return client.get(key)\n"
        "class W:\n    @old\n    def get(self): ...\n"
    )
    [line] = explain(text, text.replace(old, new)).lines
    assert line.startswith(said)
