"""`--runtime-annotations`: what FastAPI, pydantic and injectors ask of a method can be evaluated."""

import inspect
import typing
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any

import pytest

from connpool_gen.probe.usable import is_usable
from tests.codegen.made import SAMPLES, Made, Maker

SOURCE = """
from __future__ import annotations
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Generic, TypeVar, Union, overload

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, SupportsKeysAndGetItem
    from nowhere import Missing  # type: ignore[import-not-found]

T = TypeVar("T")
OfAnother = Union["Late", int]


class Late: ...


class Box(Generic[T]):
    class Lid: ...


class Part:
    def __init__(self, client: Client) -> None: ...
    def run(self, what: Decimal) -> Decimal: ...


class Client:
    limit: Decimal = Decimal(1)

    def __init__(self) -> None:
        self.part = Part(self)

    def get(self, key: str, box: Box[int] | None = None) -> Box.Lid: ...
    def put(self, data: ReadableBuffer, rows: SupportsKeysAndGetItem[str, int]) -> None: ...
    def miss(self, missing: Missing | None) -> Missing: ...
    def late(self, late: OfAnother) -> OfAnother: ...
    def map(self, each: Callable[[T], Decimal], *of: T, **more: Decimal) -> Iterator[T]: ...
    @property
    def size(self) -> Decimal: ...
    @classmethod
    def make(cls, of: Decimal) -> Box[Decimal]: ...
    @overload
    def pick(self, one: int) -> Decimal: ...
    @overload
    def pick(self, one: str) -> Box[str]: ...
    def pick(self, one: int | str) -> Decimal | Box[str]: ...
"""


def functions(module: ModuleType) -> Iterator[FunctionType]:
    """Yield every function that a wrapper's module defines in a class."""
    classes = [v for v in vars(module).values() if isinstance(v, type)]
    for cls in (cls for cls in classes if cls.__module__ == module.__name__):
        for value in vars(cls).values():
            held = getattr(value, "__func__", value)
            for found in (held.fget, held.fset) if isinstance(held, property) else (held,):
                if isinstance(found, FunctionType):
                    yield found


def evaluated(made: Made) -> dict[str, dict[str, Any]]:
    """Evaluate the annotations of every member, in both ways that frameworks do it."""
    found = {f.__name__: typing.get_type_hints(f) for f in functions(made.module)}
    for function in functions(made.module):
        inspect.signature(function, eval_str=True)
    return found


def test_every_annotation_can_be_evaluated(maker: Maker) -> None:
    """Names that are there at run time mean what they mean, those that only checkers know are Any."""
    made = maker.make(SOURCE, runtime_annotations=True)
    hints = evaluated(made)
    module = inspect.getmodule(made.client)
    assert module is not None
    box: Any = vars(module)["Box"]
    assert hints["get"] == {"key": str, "box": box[int] | None, "return": box.Lid}
    assert hints["put"]["rows"] == Any
    assert (hints["size"]["return"].__name__, hints["make"]["return"]) == (
        "Decimal",
        box[hints["size"]["return"]],
    )
    assert hints["late"]["late"] in (Any, vars(module)["Late"] | int)


def test_without_it_names_are_for_type_checkers(maker: Maker) -> None:
    """The default imports nothing for annotations, so an optional dependency is no trouble."""
    made = maker.make(SOURCE)
    with pytest.raises(NameError):
        evaluated(made)
    assert "stand_ins" not in made.text
    assert "Unknown" not in made.text


def test_what_it_writes_passes_the_type_checker(maker: Maker) -> None:
    """The module still passes mypy --strict, with a name that only stubs know and a namespace in it."""
    unknown = "from nowhere import Missing  # type: ignore[import-not-found]"
    maker.make(SOURCE.replace(unknown, "Missing = Late"), runtime_annotations=True, verify=True)


def test_a_namespace_alone(maker: Maker) -> None:
    """With nothing left to import for type checkers alone, a namespace is still known to them."""
    source = """
    class Part:
        def __init__(self, client: "Client") -> None: ...
        def run(self) -> int:
            return 1
    class Client:
        def __init__(self) -> None:
            self.part = Part(self)
        def get(self) -> int:
            return 1
    """
    made = maker.make(source, runtime_annotations=True, verify=True)
    assert made.over(made.client()).part.run() == 1


@pytest.mark.parametrize(
    "client", ["Commands", "Overloaded", "AsyncStreams", "Inherited", "Attributes"]
)
def test_the_samples(maker: Maker, client: str) -> None:
    """All members of clients of many kinds can be evaluated."""
    assert len(evaluated(maker.of(f"{SAMPLES}:{client}", runtime_annotations=True))) > 3


@pytest.mark.parametrize(
    ("module", "name", "subscripted", "usable"),
    [
        ("decimal", "Decimal", False, True),
        ("decimal", "Decimal", True, False),
        ("collections", "OrderedDict", True, True),
        ("typing", "Literal", True, True),
        ("typing", "Any", False, True),
        ("_typeshed", "ReadableBuffer", False, False),
        ("decimal", "Nothing", False, False),
        ("enum", "Enum.name", False, False),
        ("math", "pi", False, False),
        ("inspect", "_ParameterKind.POSITIONAL_ONLY", False, True),
    ],
)
def test_what_works_as_a_type(module: str, name: str, subscripted: bool, usable: bool) -> None:
    """A name is usable if it exists, and as a type: with arguments only if the running class takes some."""
    assert is_usable(module, name, subscripted) is usable
