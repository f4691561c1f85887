"""How a policy says which parameters hold keys."""

import pytest

from connpool_gen.config.hash_key import KeyPart, key_parts
from connpool_gen.config.request import MethodPolicy
from connpool_gen.errors import RequestError


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("name", (KeyPart("name"),)),
        ("*names", (KeyPart("names", several=True),)),
        ("dest,  *keys ", (KeyPart("dest"), KeyPart("keys", several=True))),
        ("*args[:numkeys]", (KeyPart("args", several=True, count="numkeys"),)),
    ],
)
def test_keys_are_named_as_in_python(text: str, parts: tuple[KeyPart, ...]) -> None:
    """A parameter, one that holds several, several of both, and the first so many of one."""
    assert key_parts(text) == parts


@pytest.mark.parametrize(
    "text", ["", "a b", "a,", "**a", "a[:n]", "*a[:2]", "*a[n]", "a.b", "1a", "*"]
)
def test_what_names_no_parameter_is_refused(text: str) -> None:
    """The message names the key of the policy, the value, and what is allowed."""
    assert key_parts(text) is None
    with pytest.raises(RequestError, match=r'methods\."get": hash-key is .* must be PARAMETER'):
        MethodPolicy(pattern="get", hash_key=text)
