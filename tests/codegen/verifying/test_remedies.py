"""What becomes of members and names that strict type checking of the output refuses at first."""

from connpool_gen import generate
from connpool_gen.planning.ledger import Fate
from connpool_gen.verifying.remedies import Remedy, next_remedy
from tests.codegen.made import Maker

FOR_OTHERS = """
    class Client:
        def get(self, key: str) -> int:
            return len(key)

        def only_for_others(self: "Other", key: str) -> int:
            return len(key)

    class Other(Client):
        pass
    """


def test_a_method_that_the_type_checker_forbids_on_this_class_is_wrapped(maker: Maker) -> None:
    """A `self` of another class is an error in strict code, but no reason to lose the method."""
    made = maker.make(FOR_OTHERS, verify=True)
    assert made.names["only_for_others"].fate is Fate.WRAPPED
    assert "def only_for_others(self, key: str) -> int:" in made.text
    assert made.over(made.client()).only_for_others("abc") == 3


def test_an_error_in_reading_does_not_stumble_over_an_old_output(maker: Maker) -> None:
    """With the output in place already, a member that the checker forbids is read all the same."""
    request = maker.request(f"{maker.write(FOR_OTHERS)}:Client", output=maker.folder / "old.py")
    assert request.output is not None
    request.output.write_text("old = 1\n")
    assert "only_for_others" in generate(request).text


def test_what_no_remedy_helps_is_skipped_with_a_reason(maker: Maker) -> None:
    """A member that cannot be written in any way is left out, and the rest is made."""
    made = maker.make(
        """
        from __future__ import annotations

        class Base: ...

        class Client:
            def get(self, key: str) -> int:
                return len(key)

            def bad(self: Base, key: list[int] = 3, *args: Unknown[int]) -> int[str]:
                return key
        """,
        verify=True,
    )
    assert made.names["get"].fate is Fate.WRAPPED
    assert made.names["bad"].fate is Fate.SKIPPED
    assert made.names["bad"].reason == "no way to write it passes the type checker"


def test_names_come_from_where_strict_code_may_import_them(maker: Maker) -> None:
    """A public module that merely imports a private module's class does not export it."""
    inner = maker.write("class Answer: ...")
    private = f"_{inner}"
    (maker.folder / f"{inner}.py").rename(maker.folder / f"{private}.py")
    source = f"""
        from {private} import Answer

        class Client:
            def get(self) -> Answer:
                return Answer()
        """
    assert f"from {private} import Answer" in maker.text(source, verify=True)
    exported = source.replace("import Answer", "import Answer as Answer")
    assert f"from {private} import" not in maker.text(exported, verify=True)


def test_untyped_managers_are_known_by_what_runs(maker: Maker) -> None:
    """Where the type checker says nothing, the function that `contextlib` made tells what a call gives."""
    source = """
        from contextlib import asynccontextmanager, contextmanager
        from {other} import mark

        @mark
        class Client:
            async def certainly(self): ...

            @contextmanager
            def plain(self):
                yield 1

            @asynccontextmanager
            async def awaited(self):
                yield 1
        """
    other = maker.write("def mark(cls): return cls")
    text = maker.text(source.format(other=other))
    assert "self.pool.context_sync(_plain)" in text
    assert "self.pool.context(_awaited)" in text


def test_defaults_that_stubs_leave_out_are_taken_from_the_client(maker: Maker) -> None:
    """A private sentinel that the stubs do not name cannot be imported in strict code; it is the same object."""
    client = maker.write("""
        _UNSET = object()

        class Client:
            def get(self, key: str, fallback: object = _UNSET) -> bool:
                return fallback is _UNSET
        """)
    stub = "class Client:\n    def get(self, key: str, fallback: object = ...) -> bool: ...\n"
    (maker.folder / f"{client}.pyi").write_text(stub)
    made = generate(maker.request(f"{client}:Client", verify=True))
    assert "_UNSET" not in made.text
    assert "default_of(" in made.text


def test_the_order_of_remedies() -> None:
    """A static view that fails is inherited first; where only the call fails, the call is loosened first."""
    assert next_remedy((), only_the_call=False) is Remedy.INHERIT
    assert next_remedy((Remedy.INHERIT,), only_the_call=True) is Remedy.UNTYPED_CALL
    assert next_remedy((), only_the_call=True) is Remedy.UNTYPED_CALL
    assert next_remedy((Remedy.UNTYPED_CALL,), only_the_call=True) is Remedy.INHERIT
    assert next_remedy(tuple(Remedy), only_the_call=False) is Remedy.SKIP
