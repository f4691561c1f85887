"""`@reads` of a gRPC stub: the levels in the descriptor of its service."""

from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, MethodOptions

from connpool_gen import generate
from tests.codegen.made import ROOT, Maker
from tests.codegen.planning.reads.test_known_reads import refusal, repeatable

LEVELS = {"Count": "NO_SIDE_EFFECTS", "Watch": "NO_SIDE_EFFECTS", "Put": "IDEMPOTENT", "Take": None}
MESSAGES = """
from google.protobuf import descriptor_pool, message_factory
DESCRIPTOR = descriptor_pool.Default().AddSerializedFile({file!r})
Thing = message_factory.GetMessageClass(DESCRIPTOR.message_types_by_name["Thing"])
"""
STUB = """
import grpc
import {module}_pb2 as stock__pb2


class StockStub(object):
    def __init__(self, channel):
"""
CALLABLE = """
        self.{name} = channel.{kind}(
                '/{service}/{name}',
                request_serializer=stock__pb2.Thing.SerializeToString,
                response_deserializer=stock__pb2.Thing.FromString,
                _registered_method=True)
"""


def described(levels: dict[str, str | None]) -> FileDescriptorProto:
    """Describe a service as protoc does, with the level of each method."""
    file = FileDescriptorProto(name="stock.proto", package="stock.v1", syntax="proto3")
    file.message_type.add(name="Thing")
    service = file.service.add(name="Stock")
    for name, level in levels.items():
        thing = ".stock.v1.Thing"
        method = service.method.add(name=name, input_type=thing, output_type=thing)
        method.server_streaming = name == "Watch"
        if level is not None:
            method.options.idempotency_level = MethodOptions.IdempotencyLevel.Value(level)
    return file


def stub(folder: Path, levels: dict[str, str | None], service: str = "stock.v1.Stock") -> str:
    """Write the two modules that protoc makes of a service; `MODULE:CLASS` of the stub."""
    module = "stock"
    file = described(levels).SerializeToString()
    (folder / f"{module}_pb2.py").write_text(MESSAGES.format(file=file))
    calls = [
        CALLABLE.format(
            name=name, service=service, kind="unary_stream" if name == "Watch" else "unary_unary"
        )
        for name in levels
    ]
    (folder / f"{module}_pb2_grpc.py").write_text(STUB.format(module=module) + "".join(calls))
    return f"{module}_pb2_grpc:StockStub"


def test_the_descriptor_says_what_may_be_repeated(maker: Maker) -> None:
    """Methods without side effects and those that are idempotent, as the `.proto` has it; no others."""
    request = maker.request(stub(maker.folder, LEVELS), idempotent=("@reads",))
    assert repeatable(generate(request).text) == {"Count", "Watch", "Put"}


def test_without_the_word_the_levels_mean_nothing(maker: Maker) -> None:
    """Nothing is retried that nobody has asked for."""
    assert repeatable(generate(maker.request(stub(maker.folder, LEVELS))).text) == set()


@pytest.mark.parametrize(
    ("levels", "service", "options", "why"),
    [
        (dict.fromkeys(LEVELS), "stock.v1.Stock", {}, "set it in the .proto, or name the methods"),
        (
            LEVELS,
            "stock.v2.Stock",
            {},
            "no module that the stub imports describes its gRPC service",
        ),
        (
            LEVELS,
            "stock.v1.Stock",
            {"static": True},
            "with --static a gRPC service's descriptor is",
        ),
    ],
)
def test_a_stub_without_levels_is_refused(
    maker: Maker, levels: dict[str, str | None], service: str, options: dict[str, bool], why: str
) -> None:
    """The error says why none is known: not marked, not described, or not read."""
    assert why in refusal(maker, stub(maker.folder, levels, service), **options)


def test_a_stub_made_by_protoc_for_type_checkers_alone(maker: Maker) -> None:
    """The descriptor is found for the asynchronous stub too, which only type checkers know."""
    said = refusal(
        maker, "greeter.greeter_pb2_grpc:GreeterAsyncStub", app_dirs=(ROOT / "examples", ROOT)
    )
    assert "no method of the service has the idempotency_level" in said
