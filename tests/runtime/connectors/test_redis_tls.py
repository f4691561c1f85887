"""A Redis that speaks TLS itself and wants our certificate; needs a redis-server built with TLS on the path."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import trustme

from connpool_runtime.connectors import CertificateRejected, ConnectRefused
from connpool_runtime.connectors.redis import AsyncRedisConnector, RedisConfig, RedisConnector
from local_servers import RedisServer, free_port
from tests.runtime.connectors.kinds import Face

BINARY = shutil.which("redis-server")


def speaks_tls() -> bool:
    """Ask for an option that only a server with TLS knows."""
    if BINARY is None:
        return False
    asked = [BINARY, "--tls-port", "0", "--port", "0", "--save", "", "--maxclients", "none"]
    return "tls-port" not in subprocess.run(asked, capture_output=True, text=True).stderr


pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(
        not speaks_tls(),
        reason="NO TEST OF A REDIS WITH TLS OF ITS OWN: no redis-server with TLS on the path"
        " (Debian: apt install redis-server); a proxy stands in for it in test_connectors.py",
    ),
]


@pytest.mark.parametrize("connector", [RedisConnector, AsyncRedisConnector])
async def test_mutual_tls(
    connector: Any, authority: trustme.CA, ca_file: Path, tmp_path: Path
) -> None:
    """With our certificate we are let in, without it we are not."""
    files = {}
    for name in ("server", "client"):
        cert = authority.issue_cert("127.0.0.1")
        files[name] = (str(tmp_path / f"{name}.pem"), str(tmp_path / f"{name}.key"))
        cert.cert_chain_pems[0].write_to_path(files[name][0])
        cert.private_key_pem.write_to_path(files[name][1])
    port = free_port()
    options = ["--tls-port", str(port), "--tls-ca-cert-file", str(ca_file)]
    options += ["--tls-cert-file", files["server"][0], "--tls-key-file", files["server"][1]]
    with RedisServer(*options, binary=BINARY):
        endpoint = f"127.0.0.1:{port}"
        pair = {"cert_file": files["client"][0], "key_file": files["client"][1]}
        one = Face(connector(RedisConfig(endpoints=endpoint, tls={"ca_file": ca_file, **pair})))
        await one.connect()
        await one.close()
        other = Face(connector(RedisConfig(endpoints=endpoint, tls={"ca_file": ca_file})))
        # With TLS 1.3 the server's alert comes after the handshake; a reset may overtake the alert.
        with pytest.raises((CertificateRejected, ConnectRefused)):
            await other.connect()
