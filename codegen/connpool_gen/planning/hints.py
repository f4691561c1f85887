"""Hints: errors of the client's own that nobody has said anything about.

The runtime judges an error that it does not know by comparing members. A domain error, such as an
article that is sold out, is an answer; only the client's author can say so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connpool_gen.config.request import GenerateRequest

Hints = dict[str, tuple[str, ...]]


def undecided(request: GenerateRequest, raised: Mapping[str, tuple[str, ...]]) -> Hints:
    """Leave the errors of each wanted method that no policy names, by their class's name."""
    left: Hints = {}
    for method, errors in raised.items():
        policy = request.policy(method)
        if not request.wants(method) or policy.judge is not None:
            continue
        said = [*(policy.expected or ()), *(policy.ignored or ()), *(policy.failures or ())]
        decided = {error.rpartition(":")[2] for error in said}
        open_errors = tuple(e for e in errors if e.rpartition(":")[2] not in decided)
        if open_errors:
            left[method] = open_errors
    return left


def policy_lines(hints: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Write policies to paste below `[tool.connpool-gen.target.methods]`, as if each error were an answer."""
    quoted = {method: ", ".join(f'"{error}"' for error in found) for method, found in hints.items()}
    return [f"{method} = {{ expected = [{errors}] }}" for method, errors in quoted.items()]
