"""Names in the output: natural where free, private where not, never a parameter's or a method's."""

import ast
import builtins

from hypothesis import given
from hypothesis import strategies as st

from connpool_gen.building.names import ImportedName, Names, Spelling, import_untyped
from connpool_gen.reading.facts import Expression, OwnVariable, Ref
from connpool_gen.rendering.format import format_source
from tests.codegen.strategies import identifiers

USER = Ref("app.models", "User")
OTHER = Ref("lib.models", "User")


class Written:
    """Text that refers to some names, and their spelling."""

    def __init__(self, *refs: Ref, reserved: tuple[str, ...] = ()) -> None:
        self._names = Names(reserved)
        self._texts = {ref: self._names.spell_running(ref) for ref in refs}
        self.spelling: Spelling = self._names.settle(self._texts.values())

    def spell(self, ref: Ref) -> str:
        """The finished text of one reference."""
        return self.spelling.finish(self._texts[ref])

    def imports(self) -> list[ImportedName]:
        """What is imported when the module runs."""
        return self.spelling.imports(at_runtime=True)


def test_a_free_name_is_taken_as_it_is() -> None:
    """What collides with nothing is imported under its own name."""
    names = Written(USER)
    assert names.spell(USER) == "User"
    assert names.imports() == [ImportedName("app.models", "User", "User")]


def test_two_things_of_one_name_get_two_names() -> None:
    """A name means one thing in the module: the second import gets an alias."""
    names = Written(USER, OTHER)
    assert {names.spell(USER), names.spell(OTHER)} == {"User", "_User"}


def test_an_import_steps_aside_for_the_client() -> None:
    """An import that has the name of a member or a parameter is the one that is renamed."""
    names = Written(USER, reserved=("User", "_User"))
    assert names.spell(USER) == "_User_2"


def test_an_import_never_hides_a_builtin() -> None:
    """A class called `list` or `print` is imported under an alias."""
    assert Written(Ref("app", "list")).spell(Ref("app", "list")) == "_list"


def test_a_hidden_builtin_is_reached_through_its_module() -> None:
    """Where a member hides `set`, the builtin is spelled `_builtins.set`."""
    ref = Ref("builtins", "set")
    hidden = Written(ref, reserved=("set",))
    assert hidden.spell(ref) == "_builtins.set"
    assert hidden.spelling.hides_a_builtin()
    plain = Written(ref)
    assert plain.spell(ref) == "set"
    assert not plain.spelling.hides_a_builtin()


def test_builtins_are_not_imported() -> None:
    """Names that Python gives everybody need no import line."""
    assert Written(Ref("builtins", "int")).imports() == []


def test_nested_classes_are_imported_by_their_outermost() -> None:
    """`Outer.Inner` imports `Outer` and follows its alias."""
    inner = Ref("app", "Outer.Inner")
    names = Written(inner, reserved=("Outer",))
    assert names.spell(inner) == "_Outer.Inner"
    assert names.imports() == [ImportedName("app", "Outer", "_Outer")]


def test_what_runs_is_not_imported_for_type_checkers_only() -> None:
    """A name that both annotations and the running module use is imported once, at run time."""
    names = Names(())
    texts = [names.spell(USER), names.spell_running(Expression.of(USER, ".x")), names.spell(OTHER)]
    spelling = names.settle(texts)
    assert [found.module for found in spelling.imports(at_runtime=True)] == ["app.models"]
    assert [found.module for found in spelling.imports(at_runtime=False)] == ["lib.models"]


def test_what_no_text_holds_is_not_imported() -> None:
    """Imports follow from the text that is written, not from what was ever asked for."""
    names = Names(())
    names.spell(USER)
    spelling = names.settle([names.spell(OTHER)])
    assert [found.module for found in spelling.imports(at_runtime=False)] == ["lib.models"]


def test_what_is_always_needed_is_imported_though_no_text_holds_it() -> None:
    """The client is imported when the module runs, also where only annotations name it."""
    names = Names((), always=[USER])
    spelling = names.settle([names.spell(USER)])
    assert [found.module for found in spelling.imports(at_runtime=True)] == ["app.models"]
    assert spelling.imports(at_runtime=False) == []


@given(
    st.lists(st.builds(Ref, st.sampled_from(["a", "b", "builtins"]), identifiers()), max_size=8),
    st.frozensets(identifiers(), max_size=8),
)
def test_names_are_collision_free_and_stable(refs: list[Ref], reserved: frozenset[str]) -> None:
    """Different things get different names that nobody reserved, whatever the order of asking."""
    known = [ref for ref in refs if ref.module != "builtins" or hasattr(builtins, ref.qualname)]
    names = Written(*known, reserved=tuple(reserved))
    spelled = {ref: names.spell(ref) for ref in known}
    assert len(set(spelled.values())) == len(spelled)
    roots = {text.partition(".")[0] for text in spelled.values()}
    assert roots & reserved == set()
    again = Written(*reversed(known), reserved=tuple(sorted(reserved, reverse=True)))
    assert {ref: again.spell(ref) for ref in known} == spelled


def test_a_type_variable_brings_those_that_its_default_names() -> None:
    """Each is declared once, and two of one name that differ get a name each."""
    second = OwnVariable("", "B", arguments=Expression.of(', default="int"'))
    first = OwnVariable("", "A", arguments=Expression.of(', default="', second, '"'))
    other = OwnVariable("", "A", arguments=Expression.of(', bound="str"'))
    names = Names(())
    text = names.spell(Expression.of(first, second, other))
    lines = names.declarations([text])
    spelling = names.settle([text, *lines])
    assert [spelling.finish(line) for line in lines] == [
        'A = TypeVar("A", bound="str")',
        '_A = TypeVar("_A", default="B")',
        'B = TypeVar("B", default="int")',
    ]
    assert [found.name for found in spelling.imports(at_runtime=True)] == ["TypeVar"]


@given(st.lists(identifiers(), min_size=1, max_size=12, unique=True))
def test_an_import_without_types_keeps_its_comment_on_the_first_line(names: list[str]) -> None:
    """Type checkers look for the comment there; however long the import is, laying it out leaves it there."""
    written = import_untyped("package.module_without_types", names)
    laid_out = format_source(f"if typing:\n    {written}\n")
    assert "# type: ignore[import-untyped" in laid_out.splitlines()[1]
    assert ast.unparse(ast.parse(laid_out)) == ast.unparse(
        ast.parse(f"if typing:\n    {written}\n")
    )
