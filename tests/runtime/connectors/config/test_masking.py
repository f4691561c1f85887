"""User and password of URLs are shown to nobody."""

import pytest

from connpool_runtime.connectors.config.masking import masked


def test_masking() -> None:
    """User and password of URLs are masked, wherever they stand; other text stays."""
    text = "no redis://u:p@h:1/0, postgres://x@h or mail me@example.org at 10.0.0.1:1"
    assert (
        masked(text)
        == "no redis://***@h:1/0, postgres://***@h or mail me@example.org at 10.0.0.1:1"
    )


@pytest.mark.parametrize("password", ["p@ss", "p/w", "a?b", "a#b", "@"])
def test_a_password_that_is_not_quoted(password: str) -> None:
    """A password is masked as a whole, whatever signs it holds, for people do not quote them."""
    assert masked(f"at redis://user:{password}@host:1/0 now") == "at redis://***@host:1/0 now"


def test_credentials_in_a_query() -> None:
    """What a URL says by a name that means a secret is masked; other names stay."""
    text = "redis://h:1/0?password=a%20b&db=1&ssl_password=x&health_check_interval=3, next"
    assert masked(text) == (
        "redis://h:1/0?password=***&db=1&ssl_password=***&health_check_interval=3, next"
    )
