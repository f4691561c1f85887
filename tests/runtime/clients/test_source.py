"""The one client that a user made: what is known of it outlives a fork."""

from connpool_runtime.clients.source import SingleClient


def test_a_client_in_doubt_is_in_doubt_in_the_child() -> None:
    """Whether its last use left an answer on its way does not depend on the process."""
    source = SingleClient("client", limit=1, validate=bool)
    assert not source.in_child().needs_validation
    source.needs_validation = True
    heir = source.in_child()
    assert (heir.needs_validation, heir.limit, heir.validate) == (True, 1, bool)
