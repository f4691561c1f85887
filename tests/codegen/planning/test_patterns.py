"""Names and globs of a request: each matches a member, or it is a slip."""

from typing import Any

import pytest

from connpool_gen.config.request import GenerateRequest, MethodPolicy
from connpool_gen.errors import RequestError
from connpool_gen.planning.patterns import refuse_unmatched

NAMES = {"get", "get_all", "set", "chat", "chat.completions.create"}


@pytest.mark.parametrize(
    "pattern", ["get", "get*", "*", "chat", "chat.*", "*.create", "chat.completions.create"]
)
def test_what_matches_is_accepted(pattern: str) -> None:
    """A member, a namespace, one of its methods and any glob over them mean something."""
    policy = MethodPolicy(pattern=pattern, idempotent=True)
    refuse_unmatched(GenerateRequest(client="a:C", include=(pattern,), policies=(policy,)), NAMES)


@pytest.mark.parametrize(
    ("pattern", "nearest"),
    [
        ("gett", "get"),
        ("gett*", "get"),
        ("chat.completion.create", "chat.completions.create"),
        ("GET", ""),
        ("get_", "get"),
    ],
)
@pytest.mark.parametrize("option", ["include", "exclude", "idempotent"])
def test_what_matches_nothing_is_refused(option: str, pattern: str, nearest: str) -> None:
    """The error names the client, the option, the pattern and the members it is most like."""
    given: dict[str, Any] = {option: ("get", pattern)}
    request = GenerateRequest(client="a:C", **given)
    with pytest.raises(RequestError) as caught:
        refuse_unmatched(request, NAMES)
    text = str(caught.value)
    assert text.startswith(f"a:C: --{option} {pattern!r} matches no public member")
    assert (f"; nearest: {nearest}" in text) if nearest else text.endswith("member")


def test_a_policy_without_a_method_is_refused() -> None:
    """The key of a policy is a pattern like the others."""
    request = GenerateRequest(client="a:C", policies=(MethodPolicy(pattern="gte", timeout=1.0),))
    with pytest.raises(RequestError, match="methods 'gte' matches no public member; nearest: get"):
        refuse_unmatched(request, NAMES)
