"""How a policy says which members a method's calls are for."""

import pytest

from connpool_gen.config.request import MethodPolicy
from connpool_gen.config.route import roles
from connpool_gen.errors import RequestError
from connpool_runtime import Method


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("replica", ("replica",)),
        ("replica,primary", ("replica", "primary")),
        (" replica ,  any ", ("replica", "any")),
        ("replica, none", ("replica", "none")),
        ("any", ("any",)),
    ],
)
def test_roles_stand_in_the_order_of_preference(text: str, read: tuple[str, ...]) -> None:
    """The runtime reads what the generator takes for a route."""
    assert roles(text) == read
    assert Method("get", lambda client, _: client, route=text).route is not None


@pytest.mark.parametrize(
    "text", ["", ",", "replica,", "any, replica", "none", "none, any", "replica, replica"]
)
def test_what_is_no_route_is_refused(text: str) -> None:
    """The message names the key of the policy, the value, and what is allowed; the runtime refuses it, too."""
    assert roles(text) is None
    with pytest.raises(RequestError, match=r'methods\."get": route is .* must be ROLE'):
        MethodPolicy(pattern="get", route=text)
    with pytest.raises(ValueError, match="route"):
        Method("get", lambda client, _: client, route=text)
