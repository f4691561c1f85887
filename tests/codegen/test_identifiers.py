"""Names in the output: natural where free, private where not, never a parameter's or a method's."""

import builtins

from hypothesis import given
from hypothesis import strategies as st

from connpool_gen.identifiers import Names, aliases, distinct
from connpool_gen.reading.facts import Expression, Ref
from tests.codegen.strategies import identifiers

USER = Ref("app.models", "User")
OTHER = Ref("lib.models", "User")


def settled(*refs: Ref, reserved: tuple[str, ...] = (), at_runtime: bool = True) -> Names:
    names = Names(reserved)
    names.need(*refs, at_runtime=at_runtime)
    names.settle()
    return names


def test_a_free_name_is_taken_as_it_is() -> None:
    """What collides with nothing is imported under its own name."""
    names = settled(USER)
    assert names.spell(USER) == "User"
    assert names.imports(at_runtime=True) == [("app.models", "User", "User")]


def test_two_things_of_one_name_get_two_names() -> None:
    """A name means one thing in the module: the second import gets an alias."""
    names = settled(USER, OTHER)
    assert {names.spell(USER), names.spell(OTHER)} == {"User", "_User"}


def test_an_import_steps_aside_for_the_client() -> None:
    """An import that has the name of a member or a parameter is the one that is renamed."""
    names = settled(USER, reserved=("User", "_User"))
    assert names.spell(USER) == "_User_2"


def test_an_import_never_hides_a_builtin() -> None:
    """A class called `list` or `print` is imported under an alias."""
    assert settled(Ref("app", "list")).spell(Ref("app", "list")) == "_list"


def test_a_hidden_builtin_is_reached_through_its_module() -> None:
    """Where a member hides `set`, the builtin is spelled `_builtins.set`."""
    ref = Ref("builtins", "set")
    hidden = settled(ref, reserved=("set",))
    assert hidden.spell(ref) == "_builtins.set"
    assert hidden.hidden_builtins()
    plain = settled(ref)
    assert plain.spell(ref) == "set"
    assert not plain.hidden_builtins()


def test_builtins_are_not_imported() -> None:
    """Names that Python gives everybody need no import line."""
    assert settled(Ref("builtins", "int")).imports(at_runtime=True) == []


def test_nested_classes_are_imported_by_their_outermost() -> None:
    """`Outer.Inner` imports `Outer` and follows its alias."""
    inner = Ref("app", "Outer.Inner")
    names = settled(inner, reserved=("Outer",))
    assert names.spell(inner) == "_Outer.Inner"
    assert names.imports(at_runtime=True) == [("app", "Outer", "_Outer")]


def test_what_runs_is_not_imported_for_type_checkers_only() -> None:
    """A name that both annotations and the running module use is imported once, at run time."""
    names = Names(())
    names.need(USER)
    names.need(Expression.of(USER, ".x"), at_runtime=True)
    names.need(OTHER)
    names.settle()
    assert [line[0] for line in names.imports(at_runtime=True)] == ["app.models"]
    assert [line[0] for line in names.imports(at_runtime=False)] == ["lib.models"]


@given(
    st.lists(st.builds(Ref, st.sampled_from(["a", "b", "builtins"]), identifiers()), max_size=8),
    st.frozensets(identifiers(), max_size=8),
)
def test_names_are_collision_free_and_stable(refs: list[Ref], reserved: frozenset[str]) -> None:
    """Different things get different names that nobody reserved, whatever the order of asking."""
    known = [ref for ref in refs if ref.module != "builtins" or hasattr(builtins, ref.qualname)]
    names = settled(*known, reserved=tuple(reserved))
    spelled = {ref: names.spell(ref) for ref in known}
    assert len(set(spelled.values())) == len(spelled)
    roots = {text.partition(".")[0] for text in spelled.values()}
    assert roots & reserved == set()
    again = settled(*reversed(known), reserved=tuple(sorted(reserved, reverse=True)))
    assert {ref: again.spell(ref) for ref in known} == spelled


def test_aliases_are_private() -> None:
    """The second choice is `_name`, then numbers."""
    chosen = iter(aliases("User"))
    assert [next(chosen) for _ in range(4)] == ["User", "_User", "_User_2", "_User_3"]


def test_distinct_records_its_choice() -> None:
    """Two askers of one name never get the same."""
    taken = {"_GET"}
    assert [distinct("_GET", taken), distinct("_GET", taken)] == ["_GET_2", "_GET_3"]
