"""`--static` over real packages: clients that only type checkers know, used over the real thing; twins of importing."""

from __future__ import annotations

import importlib.abc
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from connpool_gen import GenerateRequest, generate
from tests.conformance.corpus import ALL
from tests.conformance.static_reading import REASONS, compared
from tests.conformance.workshop import Workshop

BY_PATH = {client.path: client for client in ALL}
# Small ones of many kinds: mixins, decorators, `__slots__`, generics, Protocols, generated code, the standard library.
TWINS = (
    "redis.client:PubSub",
    "consul.api.kv:KV",
    "nats.micro.service:EndpointManager",
    "corpusgen.calc.Calculator:Client",
    "corpusgen.greeter_pb2_grpc:GreeterStub",
    "smtplib:SMTP",
    "concurrent.futures:Executor",
    "azure.core.credentials:TokenCredential",
    "pymemcache.client.base:Client",
    "aiomcache:Client",
)


class NotInProduction(importlib.abc.MetaPathFinder):
    """Refuses to import the stub packages, which are installed for type checkers alone."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> None:
        """Refuse what is called like a stub package."""
        if fullname.partition(".")[0].startswith("mypy_boto3"):
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


@pytest.fixture
def without_stubs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An interpreter on which the stub packages are not installed."""
    for name in [name for name in sys.modules if name.startswith("mypy_boto3")]:
        monkeypatch.delitem(sys.modules, name)
    finder = NotInProduction()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def made(workshop: Workshop, path: str, folder: Path) -> ModuleType:
    """Make the wrapper of a stubbed client, checked by mypy, and import it."""
    output = folder / "stubbed_pool.py"
    request = GenerateRequest(client=path, output=output, static=True, cache_dir=workshop.cache)
    output.write_text(generate(request).text)
    spec = importlib.util.spec_from_file_location(f"static_{folder.name}", output)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def real_client(service: str, number: int) -> Any:
    """Make the client that botocore makes on the fly; it has no server to talk to."""
    import boto3

    return boto3.client(
        service,
        region_name="eu-north-1",
        endpoint_url=f"http://server-{number}.invalid",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )


def test_a_bucket_over_real_clients(
    workshop: Workshop, tmp_path: Path, without_stubs: None
) -> None:
    """A wrapper made of mypy_boto3_s3 drives the clients that botocore makes, where the stubs are not installed."""
    from botocore.stub import Stubber

    module = made(workshop, "mypy_boto3_s3.client:S3Client", tmp_path)
    pool = module.S3ClientPool()
    stubbers = [Stubber(real_client("s3", number)) for number in range(2)]
    for stubber in stubbers:
        asked = {"Bucket": "books", "Key": "one"}
        stubber.add_response("head_object", {"ContentLength": 3}, asked)
        stubber.add_client_error("get_object", "NoSuchKey", expected_params=asked)
        stubber.activate()
        pool.pool.add_client(stubber.client)
    assert [pool.head_object(Bucket="books", Key="one")["ContentLength"] for _ in stubbers] == [
        3,
        3,
    ]
    for _ in stubbers:
        with pytest.raises(stubbers[0].client.exceptions.NoSuchKey):
            pool.get_object(Bucket="books", Key="one")
    for stubber in stubbers:
        stubber.assert_no_pending_responses()
    # The stub hides the defaults of Params and HttpMethod; botocore refuses an `...` in their places.
    assert "server-" in pool.generate_presigned_url("list_buckets")
    assert "books" in pool.generate_presigned_url("head_bucket", Params={"Bucket": "books"})
    assert pool.meta.service_model.service_name == "s3"
    pool.close()


def test_a_table_over_real_clients(workshop: Workshop, tmp_path: Path, without_stubs: None) -> None:
    """A wrapper made of mypy_boto3_dynamodb does the same, and hands out paginators of one member."""
    from botocore.stub import Stubber

    module = made(workshop, "mypy_boto3_dynamodb.client:DynamoDBClient", tmp_path)
    pool = module.DynamoDBClientPool()
    stubber = Stubber(real_client("dynamodb", 0))
    key = {"id": {"S": "7"}}
    stubber.add_response("get_item", {"Item": key}, {"TableName": "books", "Key": key})
    stubber.add_response("list_tables", {"TableNames": ["books"]}, {})
    stubber.activate()
    pool.pool.add_client(stubber.client)
    assert pool.get_item(TableName="books", Key=key)["Item"] == key
    pages = list(pool.get_paginator("list_tables").paginate())
    assert [page["TableNames"] for page in pages] == [["books"]]
    assert pool.can_paginate("scan") is True
    stubber.assert_no_pending_responses()
    pool.close()


@pytest.mark.parametrize("path", TWINS)
def test_the_same_module(
    workshop: Workshop, path: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Read from its text, a client gives the module that it gives when it is imported, byte for byte."""
    monkeypatch.chdir(tmp_path)
    row = compared(BY_PATH[path], workshop.cache)
    assert row.error == ""
    assert row.differing == 0


def test_reasons_are_about_the_corpus() -> None:
    """A reason for a difference names a class of the corpus."""
    assert [path for path in REASONS if path not in BY_PATH] == []
