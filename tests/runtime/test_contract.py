"""A wrapper runs only on a runtime that keeps the contract that it was made for."""

import subprocess
import sys
import timeit
from pathlib import Path

import pytest

from connpool_runtime import __version__, contract
from connpool_runtime.contract import require_contract

ROOT = Path(__file__).parents[2]
WRAPPER = ROOT / "generated" / "redis_pool.py"


def test_the_current_one_is_kept() -> None:
    """The numbers are in order, and each between them is accepted."""
    assert 1 <= contract.OLDEST <= contract.CONTRACT
    for number in range(contract.OLDEST, contract.CONTRACT + 1):
        require_contract(number, "made.shop_pool")


def test_a_wrapper_of_a_newer_generator() -> None:
    """A wrapper that needs what this runtime lacks is refused, with both ways out."""
    number = contract.CONTRACT + 1
    with pytest.raises(ImportError) as refused:
        require_contract(number, "made.shop_pool")
    assert refused.value.name == "made.shop_pool"
    assert str(refused.value) == (
        f"made.shop_pool was made for contract {number} of connpool-runtime, but connpool-runtime "
        f"{__version__} supports contract {contract.CONTRACT}: install a newer connpool-runtime, or make "
        "the wrapper again with an older connpool-gen"
    )


def test_a_wrapper_of_long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrapper of a contract that is no longer kept is refused, and the contracts that are are named."""
    monkeypatch.setattr(contract, "OLDEST", 3)
    monkeypatch.setattr(contract, "CONTRACT", 5)
    with pytest.raises(
        ImportError, match="supports contracts 3 to 5: install an older connpool-runtime"
    ):
        require_contract(2, "made.shop_pool")


def test_it_is_refused_before_a_name_is_missing(tmp_path: Path) -> None:
    """On another runtime the user reads of contracts, not of a name that could not be imported."""
    text = WRAPPER.read_text().replace("require_contract(1,", "require_contract(99,")
    text = text.replace("import Method, Pool", "import Method, Pool, NameOfLater")
    (tmp_path / "newer_pool.py").write_text(text)
    command = [sys.executable, "-c", "import newer_pool"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    [*_, last] = done.stderr.strip().splitlines()
    assert last.startswith("ImportError: newer_pool was made for contract 99 of connpool-runtime")


def test_it_costs_next_to_nothing() -> None:
    """To say the contract takes a thousandth of the time that importing a wrapper takes, at most."""
    one = min(timeit.repeat(lambda: require_contract(1, "made"), number=1000)) / 1000
    source = compile(WRAPPER.read_text(), "redis_pool.py", "exec")
    whole = min(timeit.repeat(lambda: exec(source, {"__name__": "redis_pool"}), number=1, repeat=3))
    assert one < whole / 1000
