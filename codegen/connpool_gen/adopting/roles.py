"""Finds what a reference to a class is used for, from the enclosing nodes of the tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import libcst as cst

from connpool_gen.adopting.records import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

CASTS = ("typing.cast", "typing.assert_type", "typing_extensions.assert_type")
VARIABLES = ("typing.TypeVar", "typing_extensions.TypeVar")
MOCKS = ("Mock", "MagicMock", "AsyncMock", "NonCallableMock", "NonCallableMagicMock")
SPECS = ("spec", "spec_set")
CLASS_OF = ("type", "Type")
TYPE_ALIAS = (("TypeAlias",), ("typing", "TypeAlias"), ("typing_extensions", "TypeAlias"))


class Names(Protocol):
    """What the names of a file stand for."""

    def stands_for(self, node: cst.CSTNode | None) -> str:
        """Return the full name of an expression, or an empty text."""
        ...

    def is_class(self, node: cst.CSTNode | None) -> bool:
        """Return whether an expression names a class, so that what follows in brackets are types."""
        ...

    def is_alias(self, name: str) -> bool:
        """Return whether a name at the top of the module is a type alias."""
        ...


def dotted_name(node: cst.CSTNode | None) -> tuple[str, ...] | None:
    """Return `a.b.c` as text; None for any other expression."""
    parts: list[str] = []
    while isinstance(node, cst.Attribute):
        parts.append(node.attr.value)
        node = node.value
    if not isinstance(node, cst.Name):
        return None
    return (node.value, *reversed(parts))


@dataclass(frozen=True, slots=True)
class Use:
    """What a reference is used for: its role and the node that a new name replaces."""

    role: Role
    node: cst.CSTNode
    member: str = ""
    binds: str = ""


def use_of(node: cst.CSTNode, path: Sequence[cst.CSTNode], names: Names) -> Use | None:
    """Classify a reference by its enclosing nodes, from the inside; None for what is no use, such as a target."""
    inner = node
    types_only = False
    for index in range(len(path) - 1, -1, -1):
        outer, around = path[index], path[:index]
        if isinstance(outer, PASSED):
            inner = outer
        elif isinstance(outer, cst.SubscriptElement | cst.Index):
            subscript = next(n for n in reversed(around) if isinstance(n, cst.Subscript))
            role = role_in_brackets(subscript, inner, outer, in_annotation(around), names)
            if role is not None:
                return Use(role, node) if role is not Role.EXCEPT else None
            types_only = True
        elif isinstance(outer, cst.Arg):
            return argument_use(node, outer, path[index - 1], names, types_only=types_only)
        elif isinstance(outer, cst.Attribute):
            return attribute_use(outer, around) if inner is node else Use(Role.VALUE, node)
        elif isinstance(outer, cst.Assign | cst.AnnAssign | cst.TypeAlias) and outer.value is inner:
            return assigned_use(node, outer, names, types_only=types_only)
        else:
            return plain_use(node, inner, outer, types_only=types_only)
    return None


# Nodes that combine types without changing what they are used for.
PASSED = (cst.Subscript, cst.BinaryOperation, cst.List, cst.Element, cst.Tuple)
# Nodes where a name is set rather than used.
TARGETS = (cst.AssignTarget, cst.AsName, cst.Del, cst.NameItem)
SETTING = (cst.AnnAssign, cst.AugAssign, cst.NamedExpr, cst.For)
ROLES: tuple[tuple[tuple[type[cst.CSTNode], ...], Role], ...] = (
    ((cst.Annotation,), Role.ANNOTATION),
    ((cst.TypeVar,), Role.BOUND),
    ((cst.ExceptHandler, cst.ExceptStarHandler), Role.EXCEPT),
    ((cst.MatchClass,), Role.INSTANCE_CHECK),
)


def plain_use(
    node: cst.CSTNode, inner: cst.CSTNode, outer: cst.CSTNode, *, types_only: bool
) -> Use | None:
    """Classify a reference by the single enclosing node that determines its use."""
    for kinds, role in ROLES:
        if isinstance(outer, kinds):
            return Use(role, node)
    is_set = isinstance(outer, SETTING) and outer.target is inner
    if is_set or isinstance(outer, TARGETS) or isinstance(node, cst.SimpleString):
        return None
    if types_only:
        return Use(Role.TYPE_ARGUMENT, node)
    called = isinstance(outer, cst.Call) and outer.func is inner
    return Use(Role.CONSTRUCTION if called else Role.VALUE, node)


def role_in_brackets(
    subscript: cst.Subscript, inner: cst.CSTNode, outer: cst.CSTNode, annotated: bool, names: Names
) -> Role | None:
    """Classify what is in brackets; None for a type among types, EXCEPT for what is no reference."""
    name = (dotted_name(subscript.value) or ("",))[-1]
    if name in CLASS_OF:
        return Role.CLASS_OBJECT
    if name == "Literal":
        return Role.EXCEPT
    if annotated_extra(name, subscript, inner, outer):
        return Role.VALUE
    return None if annotated or names.is_class(subscript.value) else Role.VALUE


def attribute_use(attribute: cst.Attribute, path: Sequence[cst.CSTNode]) -> Use:
    """Classify `Client.name`: a class method that is called, an error that is caught, an attribute."""
    outer = path[-1]
    around = next((n for n in reversed(path) if not isinstance(n, cst.Tuple | cst.Element)), outer)
    if isinstance(around, cst.ExceptHandler | cst.ExceptStarHandler):
        return Use(Role.EXCEPT, attribute, member=attribute.attr.value)
    called = isinstance(outer, cst.Call) and outer.func is attribute
    role = Role.CLASS_CALL if called else Role.CLASS_ATTRIBUTE
    return Use(role, attribute, member=attribute.attr.value)


def annotated_extra(
    name: str, subscript: cst.Subscript, inner: cst.CSTNode, outer: cst.CSTNode
) -> bool:
    """Return whether a reference is in the extra arguments of `Annotated`."""
    if name != "Annotated":
        return False
    element = outer if isinstance(outer, cst.SubscriptElement) else None
    first = subscript.slice[0]
    return not (
        first is element or first.slice is outer or getattr(first.slice, "value", None) is inner
    )


def in_annotation(path: Sequence[cst.CSTNode]) -> bool:
    """Return whether nodes are in an annotation."""
    return any(isinstance(node, cst.Annotation) for node in path)


def argument_use(
    node: cst.CSTNode, arg: cst.Arg, call: cst.CSTNode, names: Names, *, types_only: bool
) -> Use | None:
    """Classify an argument by the called function and the argument's position."""
    if not isinstance(call, cst.Call):  # the bases of a class
        return Use(Role.TYPE_ARGUMENT if types_only else Role.SUBCLASS, node)
    keyword = arg.keyword.value if arg.keyword is not None else ""
    index = next(i for i, a in enumerate(call.args) if a is arg)
    callee = names.stands_for(call.func)
    quoted = isinstance(node, cst.SimpleString)
    if callee in CASTS and index == (0 if callee == CASTS[0] else 1):
        return Use(Role.CAST, node)
    if callee in VARIABLES and (keyword in ("bound", "default") or (index > 0 and not keyword)):
        return Use(Role.BOUND, node)
    if types_only:
        return Use(Role.TYPE_ARGUMENT, node)
    return None if quoted else Use(class_argument(call, keyword, index), node)


def class_argument(call: cst.Call, keyword: str, index: int) -> Role:
    """Classify a class that is passed to a call."""
    name = (dotted_name(call.func) or ("",))[-1]
    if name in ("isinstance", "issubclass") and index == 1:
        return Role.INSTANCE_CHECK
    if name == "NewType":
        return Role.SUBCLASS
    if is_spec(call, name, keyword, index):
        return Role.SPEC
    if keyword == "default_factory":
        return Role.FACTORY_VALUE
    # `patch.object(Client, "get")` and `setattr(Client, "get", ...)` use the client's members.
    reaches = name in ("object", "setattr") and index == 0 and isinstance(call.func, cst.Attribute)
    return Role.CLASS_ATTRIBUTE if reaches else Role.VALUE


def is_spec(call: cst.Call, name: str, keyword: str, index: int) -> bool:
    """Return whether an argument is the spec of a mock."""
    if name in MOCKS:
        return keyword in SPECS or (index == 0 and not keyword)
    if name == "create_autospec":
        instance = (a for a in call.args if a.keyword is not None and a.keyword.value == "instance")
        made = next(instance, None)
        true = made is not None and isinstance(made.value, cst.Name) and made.value.value == "True"
        return true and (keyword == "spec" or (index == 0 and not keyword))
    return False


def assigned_use(
    node: cst.CSTNode,
    assign: cst.Assign | cst.AnnAssign | cst.TypeAlias,
    names: Names,
    *,
    types_only: bool,
) -> Use | None:
    """Classify what is assigned: the right side of a type alias, or a value."""
    alias = alias_defined(assign, names)
    if alias:
        return Use(Role.ALIAS, node, binds=alias)
    if isinstance(node, cst.SimpleString):
        return None
    return Use(Role.TYPE_ARGUMENT if types_only else Role.VALUE, node)


def alias_defined(assign: cst.Assign | cst.AnnAssign | cst.TypeAlias, names: Names) -> str:
    """Return the name of the type alias that a statement defines; an empty text if it defines none."""
    if isinstance(assign, cst.TypeAlias):
        return assign.name.value
    target = assign.targets[0].target if isinstance(assign, cst.Assign) else assign.target
    if not isinstance(target, cst.Name):
        return ""
    if isinstance(assign, cst.AnnAssign):
        return target.value if dotted_name(assign.annotation.annotation) in TYPE_ALIAS else ""
    return target.value if len(assign.targets) == 1 and names.is_alias(target.value) else ""
