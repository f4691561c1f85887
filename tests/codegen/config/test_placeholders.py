"""Where outputs go: names of the target fill a template in."""

from pathlib import Path

import pytest

from connpool_gen.config.request import GenerateRequest
from connpool_gen.errors import RequestError


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("pools/{module}_{name}_pool.py", "pools/shop_api_order_client_pool.py"),
        ("{path}/{class}.py", "shop/api/OrderClient.py"),
        ("src/{package}/pools", "src/shop/pools/order_client_pool.py"),
        ("{name}", "order_client/order_client_pool.py"),
        ("{{odd}}.py", "{odd}.py"),
    ],
)
def test_placeholders(output: str, expected: str) -> None:
    """Each placeholder is a name of the target; what is no file is a folder for it."""
    request = GenerateRequest(client="shop.api:Outer.OrderClient", output=Path(output))
    assert request.output_path == Path(expected)


def test_the_name_is_the_wrapper_s() -> None:
    """`{name}` is what the file would be called anyway, so that two wrappers of a class differ."""
    request = GenerateRequest(client="a:C", wrapper="FastPool", output=Path("x/{name}.py"))
    assert request.output_path == Path("x/fast.py")
    assert "--output 'x/{name}.py'" in request.command()


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("{modul}.py", "'{modul}'; did you mean 'module'?"),
        ("{}.py", "'{}'; one of module, package, path, class, name"),
        ("{module.x}.py", "'{module.x}'"),
        ("{name!r}.py", "'{name}'"),
        ("{name:>9}.py", "'{name}'"),
        ("{name.py", "'{name.py'"),
    ],
)
def test_what_is_no_placeholder(output: str, words: str) -> None:
    """Anything else in braces is refused with the names that there are."""
    with pytest.raises(RequestError) as caught:
        GenerateRequest(client="a:C", output=Path(output))
    assert words in str(caught.value)
