"""Evaluates expressions of literals: defaults, conditions, `__all__`."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, cast

import libcst as cst
from libcst.helpers import get_full_name_for_node

Lookup = Callable[[str], object]
SIMPLE = (int, float, str, bytes, bool, type(None), complex)
# Larger results are no defaults that anyone reads, and some would take for ever to compute.
LARGEST = 10_000


def split(text: str, *given: Any) -> tuple[str, ...]:
    """Split a text into a tuple: a list is no literal."""
    return tuple(text.split(*given))


BINARY: dict[type[cst.BaseBinaryOp], Callable[[Any, Any], Any]] = {
    cst.Add: lambda left, right: left + right,
    cst.Subtract: lambda left, right: left - right,
    cst.Multiply: lambda left, right: left * right,
    cst.Divide: lambda left, right: left / right,
    cst.FloorDivide: lambda left, right: left // right,
    cst.Modulo: lambda left, right: left % right,
    cst.Power: lambda left, right: left**right,
    cst.LeftShift: lambda left, right: left << right,
    cst.RightShift: lambda left, right: left >> right,
    cst.BitOr: lambda left, right: left | right,
    cst.BitAnd: lambda left, right: left & right,
    cst.BitXor: lambda left, right: left ^ right,
}
UNARY: dict[type[cst.BaseUnaryOp], Callable[[Any], Any]] = {
    cst.Minus: operator.neg,
    cst.Plus: operator.pos,
    cst.BitInvert: operator.invert,
    cst.Not: operator.not_,
}
COMPARED: dict[type[cst.BaseCompOp], Callable[[Any, Any], Any]] = {
    cst.LessThan: operator.lt,
    cst.LessThanEqual: operator.le,
    cst.GreaterThan: operator.gt,
    cst.GreaterThanEqual: operator.ge,
    cst.Equal: operator.eq,
    cst.NotEqual: operator.ne,
    cst.Is: operator.is_,
    cst.IsNot: operator.is_not,
    cst.In: lambda item, held: item in held,
    cst.NotIn: lambda item, held: item not in held,
}


# Functions that read the environment: conditions are decided as if no variable were set.
ENVIRONMENT = ("os.getenv", "os.environ.get")
METHODS: dict[str, Callable[..., Any]] = {
    "startswith": str.startswith,
    "split": split,
}


class NotConstant(Exception):
    """The text alone does not determine an expression's value."""


def constant(node: cst.BaseExpression, lookup: Lookup) -> Any:
    """Evaluate an expression; `lookup` returns the value of a dotted name. Raises NotConstant."""
    try:
        found = worked_out(node, lookup)
    except (ArithmeticError, TypeError, ValueError, LookupError, RecursionError):
        raise NotConstant from None
    if hasattr(found, "__len__") and len(found) > LARGEST:
        raise NotConstant
    return found


def worked_out(node: cst.BaseExpression, lookup: Lookup) -> Any:
    """Evaluate one node, whatever its operations raise."""
    if isinstance(node, (cst.Integer, cst.Float, cst.Imaginary, cst.SimpleString)):
        return node.evaluated_value
    if isinstance(node, cst.ConcatenatedString):
        return joined(node, lookup)
    if isinstance(node, cst.Ellipsis):
        return ...
    if isinstance(node, (cst.Name, cst.Attribute)):
        return named(node, lookup)
    if isinstance(node, (cst.Tuple, cst.List, cst.Set)):
        return collected(node, lookup)
    if isinstance(node, (cst.Call, cst.Subscript, cst.IfExp)):
        return derived(node, lookup)
    return operated(node, lookup)


def joined(node: cst.ConcatenatedString, lookup: Lookup) -> Any:
    """Join adjacent texts."""
    parts = [constant(part, lookup) for part in (node.left, node.right)]
    return parts[0] + parts[1]


def named(node: cst.Name | cst.Attribute, lookup: Lookup) -> object:
    """Return the value of a name."""
    dotted = get_full_name_for_node(node)
    words = {"True": True, "False": False, "None": None, "Ellipsis": ...}
    if dotted in words:
        return words[dotted]
    if dotted is None or not is_dotted(node):
        raise NotConstant
    return lookup(dotted)


def is_dotted(node: cst.CSTNode) -> bool:
    """Return whether a node is a dotted name and nothing else."""
    while isinstance(node, cst.Attribute):
        node = node.value
    return isinstance(node, cst.Name)


def dotted_name(node: cst.CSTNode | None) -> str | None:
    """Write a dotted name; None for any other expression."""
    return get_full_name_for_node(node) if node is not None and is_dotted(node) else None


def collected(node: cst.Tuple | cst.List | cst.Set, lookup: Lookup) -> Any:
    """Evaluate a tuple; a list or a set is no literal, but may be an `__all__`."""
    if not isinstance(node, cst.Tuple):
        raise NotConstant
    if any(isinstance(element, cst.StarredElement) for element in node.elements):
        raise NotConstant
    return tuple(constant(element.value, lookup) for element in node.elements)


def derived(node: cst.Call | cst.Subscript | cst.IfExp, lookup: Lookup) -> Any:
    """Evaluate `sys.platform.startswith("linux")`, `sys.version_info[:2]` and `a if b else c`."""
    if isinstance(node, cst.IfExp):
        chosen = node.body if constant(node.test, lookup) else node.orelse
        return constant(chosen, lookup)
    if isinstance(node, cst.Call):
        asked = dotted_name(node.func)
        if asked in ENVIRONMENT:
            lookup(f"{asked}()")
            return constant(node.args[1].value, lookup) if len(node.args) > 1 else None
        if asked == "bool" and len(node.args) == 1:
            return bool(constant(node.args[0].value, lookup))
        if not isinstance(node.func, cst.Attribute) or node.func.attr.value not in METHODS:
            raise NotConstant
        owner = constant(node.func.value, lookup)
        given = tuple(constant(argument.value, lookup) for argument in node.args)
        return METHODS[node.func.attr.value](owner, *given)
    held: Any = constant(node.value, lookup)
    if len(node.slice) != 1:
        raise NotConstant
    return held[index_of(node.slice[0].slice, lookup)]


def index_of(node: cst.BaseSlice, lookup: Lookup) -> Any:
    """Evaluate an index or a slice."""
    if isinstance(node, cst.Index):
        return constant(node.value, lookup)
    if not isinstance(node, cst.Slice):
        raise NotConstant
    parts = [node.lower, node.upper, node.step]
    return slice(*(constant(part, lookup) if part is not None else None for part in parts))


def operated(node: cst.BaseExpression, lookup: Lookup) -> Any:
    """Apply an operator to literals."""
    if isinstance(node, cst.UnaryOperation):
        return UNARY[type(node.operator)](constant(node.expression, lookup))
    if isinstance(node, cst.BinaryOperation):
        return operated_on_two(node, lookup)
    if isinstance(node, cst.BooleanOperation):
        return either(node, lookup)
    if isinstance(node, cst.Comparison) and len(node.comparisons) == 1:
        only = node.comparisons[0]
        sides = constant(node.left, lookup), constant(only.comparator, lookup)
        return COMPARED[type(only.operator)](*sides)
    raise NotConstant


def operated_on_two(node: cst.BinaryOperation, lookup: Lookup) -> Any:
    """Evaluate `60 * 60`, unless the result would be huge."""
    left, right = constant(node.left, lookup), constant(node.right, lookup)
    if isinstance(node.operator, (cst.Power, cst.LeftShift, cst.Multiply)):
        for side in (left, right):
            if isinstance(side, (int, float)) and abs(side) > LARGEST**3:
                raise NotConstant
    if isinstance(node.operator, (cst.Power, cst.LeftShift)) and abs(right) > LARGEST:
        raise NotConstant
    return BINARY[type(node.operator)](left, right)


def either(node: cst.BooleanOperation, lookup: Lookup) -> Any:
    """Evaluate `a and b` and `a or b`, where one side may be enough."""
    decides = isinstance(node.operator, cst.Or)
    unknown = False
    last: Any = None
    for side in (node.left, node.right):
        try:
            last = constant(side, lookup)
        except NotConstant:
            unknown = True
            continue
        if bool(last) is decides:
            return last
    if unknown:
        raise NotConstant
    return last


def literal_text(value: object) -> str | None:
    """Write a value that is exactly a literal, as the run-time reader does; None for any other."""
    if value is Ellipsis:
        return "..."
    if type(value) is tuple:
        parts = [literal_text(item) for item in cast("tuple[object, ...]", value)]
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        joined_parts = ", ".join(known)
        return f"({joined_parts},)" if len(parts) == 1 else f"({joined_parts})"
    if not isinstance(value, SIMPLE) or isinstance(value, complex):
        return None
    return repr(value) if not isinstance(value, float) or math.isfinite(value) else None
