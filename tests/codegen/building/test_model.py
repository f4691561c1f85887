"""Walking over a model: every string of it is seen, and can be changed."""

from connpool_gen.building.model import BodyForm, MethodModel, NamespaceModel, texts, with_texts

METHOD = MethodModel(
    name="get",
    form=BodyForm.RETURN,
    expression="expression",
    typed_local=None,
    local="result",
    each="item",
    error="error",
    decorators=("@one", "@two"),
    overloads=(),
    static=None,
    inherited=False,
    declaration="declaration",
    protocol=("line",),
    doc=None,
)
NAMESPACE = NamespaceModel(
    name="_Chat", doc="doc", outermost=True, inner=(("a", "_A"),), methods=(METHOD,)
)


def test_every_string_is_seen() -> None:
    """Strings in tuples and in models inside a model are found; a form is no text."""
    found = list(texts({"words": NAMESPACE}))
    assert found == [
        *("_Chat", "doc", "a", "_A", "get", "expression", "result", "item", "error", "@one"),
        *("@two", "declaration", "line"),
    ]


def test_every_string_is_changed() -> None:
    """What is seen is changed, and nothing else."""
    changed = with_texts(NAMESPACE, str.upper)
    assert list(texts(changed)) == [text.upper() for text in texts(NAMESPACE)]
    assert changed.methods[0].form is BodyForm.RETURN
    assert (changed.outermost, changed.methods[0].static) == (True, None)
