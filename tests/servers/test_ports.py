"""Ports of local servers."""

from local_servers import free_port


def test_no_port_is_given_twice() -> None:
    """Who asks for the ports of a cluster gets different ones, though none is in use yet."""
    ports = [free_port() for _ in range(900)]
    assert len(set(ports)) == len(ports)
