"""A text that does not type-check: the user is told of members and code, not of lines that no file has."""

from connpool_gen.verifying.refusal import refusal

TEXT = """
@Method("get")
def _get(client: C, args: tuple[()]) -> int:
    return client.get(1)
class Pool:
    def get(self) -> int:
        return "no"
    def put(self) -> int: ...
other = 1
"""


def test_members_reasons_and_texts() -> None:
    """Each finding names its member, what is wrong and the code; then what can be done."""
    told = refusal(
        TEXT,
        [
            "w.py:4: error: Too many arguments  [call-arg]",
            'w.py:7: error: Incompatible return value type (got "str", expected "int")  [return-value]',
            "w.py:9: error: Odd  [misc]",
        ],
    ).splitlines()
    assert "w.py" not in "".join(told)
    assert "so it was not written; --exclude leaves out what you do not need (get)" in told[0]
    assert "--no-verify writes it anyway" in told[0]
    assert told[1].startswith("  get: Too many arguments  [call-arg], in `return client.get(1)`")
    assert told[2].endswith('[return-value], in `return "no"`')
    assert told[3] == "  the module: Odd  [misc], in `other = 1`"


def test_a_finding_of_another_form() -> None:
    """What is no line with a place is told as it is, also of a text that does not parse."""
    told = refusal("def (:", ["mypy: cannot read it", "w.py:1: error: Invalid syntax  [syntax]"])
    assert "  the module: mypy: cannot read it" in told
    assert "  the module: Invalid syntax  [syntax], in `def (:`" in told
    assert "--exclude" not in told


def test_many_findings() -> None:
    """A flood is cut after ten, one and the same is told once."""
    many = refusal(TEXT, [f"w.py:9: error: number {i}" for i in range(15)]).splitlines()
    assert (len(many), many[-1]) == (12, "  and 5 more")
    assert len(refusal(TEXT, ["w.py:9: error: x"] * 15).splitlines()) == 2
