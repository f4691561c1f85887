"""What Kubernetes writes into the environment, and what people do."""

import pytest

from connpool_runtime.connectors.config.service_links import is_service_link

# Of a service `shop-db` with two ports, as a pod has them.
WRITTEN = {
    "SHOP_DB_SERVICE_HOST": "10.43.0.17",
    "SHOP_DB_SERVICE_PORT": "6379",
    "SHOP_DB_SERVICE_PORT_REDIS": "6379",
    "SHOP_DB_SERVICE_PORT_HTTP_METRICS": "9121",
    "SHOP_DB_PORT": "tcp://10.43.0.17:6379",
    "SHOP_DB_PORT_6379_TCP": "tcp://10.43.0.17:6379",
    "SHOP_DB_PORT_6379_TCP_PROTO": "tcp",
    "SHOP_DB_PORT_6379_TCP_PORT": "6379",
    "SHOP_DB_PORT_6379_TCP_ADDR": "10.43.0.17",
    "SHOP_DB_PORT_53_UDP": "udp://[fd00::1]:53",
    "SHOP_DB_PORT_53_UDP_ADDR": "fd00::1",
    "SHOP_DB_PORT_36412_SCTP_PROTO": "sctp",
}


@pytest.mark.parametrize(("name", "value"), WRITTEN.items())
def test_what_kubernetes_writes(name: str, value: str) -> None:
    """Each variable of a service is known by its name and its value together."""
    assert is_service_link(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SHOP_SERVICE_HOST", "redis.shop.svc"),
        ("SHOP_SERVICE_HOST", ""),
        ("SHOP_SERVICE_PORT", "6379s"),
        ("SHOP_SERVICE_PORT", "70000"),
        ("SHOP_PORT", "6379"),
        ("SHOP_PORT", "redis://10.0.0.1:6379"),
        ("SHOP_PORT", "tcp://redis:6379"),
        ("SHOP_PORT_6379_TCP", "10.0.0.1:6379"),
        ("SHOP_PORT_6379_TCP_PROTO", "http"),
        ("SHOP_PORT_6379_TCP_ADRR", "10.0.0.1"),
        ("SHOP_SERVICE_HOSTS", "10.0.0.1"),
        ("SHOP_SERVICE", "10.0.0.1"),
        ("SHOP_CONNECT_TIMEOUT", "3"),
        ("shop_SERVICE_HOST", "10.0.0.1"),
    ],
)
def test_what_people_write(name: str, value: str) -> None:
    """Another name, or a value that Kubernetes does not write, is none."""
    assert not is_service_link(name, value)
