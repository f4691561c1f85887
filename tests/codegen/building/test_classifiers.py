"""Which classifier a wrapper's pool begins with."""

import pytest

from connpool_gen.building.classifiers import CLASSIFIERS, classifier_of
from connpool_runtime.classifiers.registry import LIBRARIES, library_of_package
from tests.codegen.made import Maker


def test_the_table_is_the_runtimes() -> None:
    """The generator does not import the runtime, so this holds its table to the runtime's, both ways."""
    known = {package for packages in LIBRARIES.values() for package in packages}
    assert known <= CLASSIFIERS.keys()
    assert {package: library_of_package(package) for package in CLASSIFIERS} == CLASSIFIERS


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("redis.asyncio.client", "redis"),
        ("google.api_core.operations_v1", "google"),
        ("mypy_boto3_s3.client", "botocore"),
        ("psycopg_pool", "psycopg"),
        ("rediscluster", None),
    ],
)
def test_the_nearest_package_decides(module: str, name: str | None) -> None:
    """A module belongs to the library of the nearest package above it, as in the runtime."""
    assert classifier_of(module) == name == library_of_package(module)


def test_a_wrapper_says_which_classifier_it_begins_with(maker: Maker) -> None:
    """The wrapper of a known library's client names the classifier; an option of the user's wins."""
    made = maker.of("redis:Redis", include=("get",))
    assert 'options.setdefault("classifier", "redis")' in made.text
    assert made.wrapper().pool.settings.classifier == "redis"
    assert made.wrapper(classifier="grpc").pool.settings.classifier == "grpc"


def test_another_client_has_no_classifier(maker: Maker) -> None:
    """The wrapper of a client whose library nobody knows does not speak of classifiers."""
    assert "classifier" not in maker.text("class Client:\n    def get(self) -> int: ...\n")
