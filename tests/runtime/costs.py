"""What something costs, on any machine and beside any load."""

import gc
import sys
from collections.abc import Callable


def functions_called(work: Callable[[], object]) -> int:
    """How many functions run while something is done: what it costs, on any machine."""
    count = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    gc.disable()  # what finalizers of other tests call would be counted
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
        gc.enable()
    return count
