"""The records that the steps of a move pass on: files, references, decisions."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from connpool_gen.config.request import GenerateRequest


@dataclass(frozen=True, slots=True)
class Imported:
    """A name as a from-import takes it: `from module import name`."""

    module: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveTarget:
    """A client and the wrapper that replaces it.

    `wrapper` is the generated class, `annotation` the name that annotations get: the wrapper or, in
    protocol mode, the Protocol. `members` are all that the ledger lists. `lacking` says why the wrapper has no such member, `lifecycle` what a
    member does to the pool, `pinned` names members whose result keeps a lease. `factories` are the
    functions that take the place of a construction, by the class method called; "" is the class itself.
    """

    request: GenerateRequest
    wrapper: Imported
    annotation: Imported
    members: frozenset[str]
    lacking: Mapping[str, str]
    lifecycle: Mapping[str, str]
    pinned: frozenset[str]
    factories: Mapping[str, Imported] = field(default_factory=dict[str, Imported])

    @property
    def client(self) -> str:
        """The client as the manifest names it: `module:Class`."""
        return self.request.client

    @property
    def class_name(self) -> str:
        """The client's class without its module."""
        return self.request.qualname.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of the code to move: its path as the user wrote it, its bytes and its text."""

    path: Path
    data: bytes
    text: str


class Role(Enum):
    """What a reference to the client class is for; the values are the words of messages."""

    ANNOTATION = "annotation"
    TYPE_ARGUMENT = "type argument"
    CAST = "cast"
    BOUND = "bound of a type variable"
    ALIAS = "type alias"
    SPEC = "spec of a mock"
    CONSTRUCTION = "construction"
    CLASS_CALL = "call of a class method"
    FACTORY_VALUE = "default factory"
    PATCH = "patch by path"
    SUBCLASS = "subclass"
    INSTANCE_CHECK = "instance check"
    CLASS_OBJECT = "annotation of the class itself"
    EXCEPT = "except clause"
    CLASS_ATTRIBUTE = "class attribute"
    VALUE = "class as a value"


# Places that name a type get the wrapper's name.
TYPES = frozenset(
    {Role.ANNOTATION, Role.TYPE_ARGUMENT, Role.CAST, Role.BOUND, Role.ALIAS, Role.SPEC}
)
# Places that create a client get a factory's name.
MAKERS = frozenset({Role.CONSTRUCTION, Role.CLASS_CALL, Role.FACTORY_VALUE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One place that names the client class; `key` identifies it within a run.

    `root` is the first part of the dotted name, `scope` the function that binds it (0: the module).
    `function_line` is the line of the `def` whose signature holds it, `parameter` which of its
    parameters, "return" for its result. `evaluated` says whether Python runs the name at import.
    `member` is the attribute taken of the class, `alias` the type alias by which it is named,
    `binds` the alias that it defines.
    """

    key: int
    path: Path
    line: int
    column: int
    target: int
    role: Role
    root: str
    scope: int = 0
    function_line: int | None = None
    parameter: str = ""
    evaluated: bool = False
    quoted: bool = False
    member: str = ""
    alias: str = ""
    binds: str = ""
    patched: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Left:
    """A place that a person has to look at: where it is, why, and what to do."""

    path: str
    line: int
    what: str
    reason: str
    advice: str


@dataclass(frozen=True, slots=True, order=True)
class Kept:
    """A place that rightly stays as it is."""

    path: str
    line: int
    what: str


@dataclass(frozen=True, slots=True)
class Move:
    """The renaming of a reference; with `stands_in`, only for the type checker."""

    reference: Reference
    to: Imported
    stands_in: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One error of the type checker."""

    path: Path
    line: int
    message: str
    code: str

    def told(self) -> str:
        """Return the error as one line."""
        return f"{self.message} [{self.code}]" if self.code else self.message
