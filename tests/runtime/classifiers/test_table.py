"""Tables of error classes: which rule is for which class."""

from connpool_runtime.classifiers.table import ByCode, ErrorTable
from connpool_runtime.classifiers.verdict import answer, failure

LOST, FOUND, OTHER = failure("lost"), answer("found"), answer("other")


def made(name: str, *bases: type[BaseException], module: str = "shop.errors") -> type[Exception]:
    """Make a class of errors that says it comes from a module."""
    found: type[Exception] = type(name, bases or (Exception,), {"__module__": module})
    return found


Base = made("ShopError")
Lost = made("Lost", Base)


def test_the_most_derived_class_wins() -> None:
    """The order of the rules does not matter, the order of the bases does."""
    table = ErrorTable("shop", ("shop",), {"ShopError": FOUND, "Lost": LOST})
    assert table(made("Derived", Lost)()) is LOST
    assert table(Base()) is FOUND


def test_only_classes_of_the_packages_are_known() -> None:
    """A class of the same name elsewhere is another class; a module below the package is the package's."""
    table = ErrorTable("shop", ("shop",), {"Lost": LOST})
    assert table(made("Lost", module="shopping")()) is None
    assert table(made("Lost", module="shop")()) is LOST
    assert table(made("Lost", module="shop.deep.down")()) is LOST


def test_a_derived_class_of_the_user_is_judged_as_its_base() -> None:
    """Users derive from a client's errors; the base tells."""
    table = ErrorTable("shop", ("shop",), {"Lost": LOST})
    assert table(made("Mine", Lost, module="app")()) is LOST


def test_one_class_of_several_of_a_name() -> None:
    """`module:Name` is about that class alone, and goes before the name."""
    table = ErrorTable("shop", ("shop",), {"shop.other:Lost": OTHER, "Lost": LOST})
    assert table(made("Lost", module="shop.other")()) is OTHER
    assert table(Lost()) is LOST


def test_a_rule_of_none_stops_the_search() -> None:
    """What is known to be unknown is not judged as its base."""
    table = ErrorTable("shop", ("shop",), {"ShopError": FOUND, "Lost": None})
    assert table(Lost()) is None


def test_rules_may_depend_on_the_error() -> None:
    """A code tells more than a class; an unknown code is judged as the rest."""

    def code(error: BaseException) -> object:
        return error.args[0] if error.args else None

    table = ErrorTable(
        "shop", ("shop",), {"Lost": ByCode("number", code, {1: LOST}, lambda _: OTHER)}
    )
    assert [table(Lost(1)), table(Lost(2)), table(Lost())] == [LOST, OTHER, OTHER]


def test_classes_without_end_do_not_fill_the_memory() -> None:
    """What is remembered per class has a bound."""
    table = ErrorTable("shop", ("shop",), {"Lost": LOST})
    for _ in range(2000):
        assert table(made("Derived", Lost)()) is LOST
    assert len(table._found) < 1000
