"""Annotation printing: every kind of type that mypy has is spelled or refused on purpose."""

from collections.abc import Iterator

import pytest
from mypy import types
from mypy.types import DeletedType, ProperType

from connpool_gen.reading.annotations import AnnotationPrinter, Unprintable
from connpool_gen.reading.facts import Ref

# Kinds that stand for no finished type: mypy has them while it works, or as base classes.
NO_FINISHED_TYPE = {
    "CallableArgument",
    "DeletedType",
    "EllipsisType",
    "ErasedType",
    "FunctionLike",
    "PartialType",
    "PlaceholderType",
    "RawExpressionType",
    "TypeList",
    "TypeVarLikeType",
    "UnboundType",
}


class Names:
    """Finds every name where it says it is."""

    def ref(self, fullname: str) -> Ref:
        module, _, name = fullname.rpartition(".")
        return Ref(module, name)

    def is_target(self, fullname: str | None) -> bool:
        return False


def kinds(base: type[ProperType]) -> Iterator[type[ProperType]]:
    for kind in base.__subclasses__():
        yield kind
        yield from kinds(kind)


def test_every_kind_of_type_is_decided() -> None:
    """A kind of type that a new mypy adds is noticed here, not by a user."""
    printers = vars(AnnotationPrinter)["_print"].dispatcher
    unknown = printers.dispatch(object)
    refused = {k.__name__ for k in kinds(ProperType) if printers.dispatch(k) is unknown}
    assert refused == NO_FINISHED_TYPE
    assert refused <= set(vars(types))


def test_an_unknown_kind_of_type_is_refused_by_its_name() -> None:
    """What cannot be spelled is refused with mypy's name of it."""
    with pytest.raises(Unprintable, match="mypy's DeletedType has no spelling in source"):
        AnnotationPrinter(Names(), (3, 11)).annotation(DeletedType())
