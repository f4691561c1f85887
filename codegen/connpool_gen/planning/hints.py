"""Hints about the client's own errors that no policy mentions.

The runtime judges an error that it does not know by comparing members. A domain error, such as an
article that is sold out, is an answer; only the client's author can say so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connpool_gen.config.request import GenerateRequest

Hints = dict[str, tuple[str, ...]]

# What the runtime takes for a failure of the network, also where it is the base of a client's own error.
FAILURES = frozenset(
    {
        "builtins:ConnectionError",
        "builtins:EOFError",
        "builtins:TimeoutError",
        "http.client:BadStatusLine",
        "http.client:IncompleteRead",
        "socket:gaierror",
        "socket:herror",
        "ssl:SSLError",
    }
)


def undecided(
    request: GenerateRequest,
    raised: Mapping[str, tuple[str, ...]],
    lineages: Mapping[str, Sequence[str]],
) -> Hints:
    """Return the errors of each wanted method that no policy names, directly or by a base class.

    Errors that are failures of the network by a base class are left out: nothing has to be said of them.
    `lineages` has for each error the names of itself and its bases. Names are compared without their
    modules: the user may import an error from elsewhere than the client does.
    """
    left: Hints = {}
    for method, errors in raised.items():
        policy = request.policy(method)
        wanted = request.wants_leaf(method) if "." in method else request.wants(method)
        if not wanted or policy.judge is not None:
            continue
        said = [*(policy.expected or ()), *(policy.ignored or ()), *(policy.failures or ())]
        decided = set(map(bare, said))
        open_errors = tuple(
            error
            for error in errors
            if decided.isdisjoint(map(bare, (error, *lineages.get(error, ()))))
            and FAILURES.isdisjoint(lineages.get(error, ()))
        )
        if open_errors:
            left[method] = open_errors
    return left


def bare(name: str) -> str:
    """Return the class of `module:Class`."""
    return name.rpartition(":")[2]


def policy_lines(hints: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return policies to paste below `[tool.connpool-gen.target.methods]`, as if each error were an answer."""
    quoted = {method: ", ".join(f'"{error}"' for error in found) for method, found in hints.items()}
    keys = {method: f'"{method}"' if "." in method else method for method in hints}
    return [f"{keys[method]} = {{ expected = [{errors}] }}" for method, errors in quoted.items()]
