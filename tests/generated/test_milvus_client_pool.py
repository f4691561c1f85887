"""The committed wrapper of a client that is annotated and ships no `py.typed`."""

import inspect
from collections.abc import Iterator
from typing import Any

from pymilvus import MilvusClient

from generated.milvus_client_pool import MilvusClientPool

# What its author annotates with a class of a package that ships no types either.
UNKNOWN = {"Any", "typing.Any"}


def annotations() -> Iterator[tuple[str, object, object]]:
    """Each annotation of the client's methods, by method and parameter, with the wrapper's."""
    for name, method in inspect.getmembers(MilvusClient, inspect.isfunction):
        if not name.startswith("_"):
            theirs, ours = inspect.signature(method), inspect.signature(
                getattr(MilvusClientPool, name)
            )
            for param in theirs.parameters.values():
                if param.annotation is not param.empty:
                    known = ours.parameters[param.name].annotation
                    yield f"{name}: {param.name}", param.annotation, known
            if theirs.return_annotation is not theirs.empty:
                yield f"{name}: return", theirs.return_annotation, ours.return_annotation


def is_any(annotation: object) -> bool:
    return annotation is Any or annotation in UNKNOWN


def test_no_annotation_is_lost() -> None:
    """Whatever a method of the client annotates, the wrapper annotates, and not with Any in its place."""
    found = list(annotations())
    assert len(found) > 400
    assert [name for name, theirs, ours in found if is_any(ours) and not is_any(theirs)] == []


def test_the_types_are_the_clients() -> None:
    """Builtin types, classes of the client and optional ones stand as its source has them."""
    ours = {name: annotation for name, _, annotation in annotations()}
    assert ours["insert: collection_name"] == "str"
    assert ours["insert: data"] == "dict[Any, Any] | list[dict[Any, Any]]"
    assert ours["insert: timeout"] == "float | None"
    assert ours["create_collection: schema"] == "CollectionSchema | None"
    assert ours["list_partitions: return"] == "list[str]"
