"""Folders of servers that outlive nothing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from local_servers.folders import ServerFolder
from tests.servers.test_redis_server import has_ended
from tests.waiting import eventually

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_cleaning_up_removes_the_folder() -> None:
    """With all that is in it; again does nothing."""
    folder = ServerFolder("test-")
    (Path(folder.name) / "file").write_text("x")
    folder.cleanup()
    folder.cleanup()
    assert not Path(folder.name).exists()


@pytest.mark.servers
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a child to its parent's life")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_neither_server_nor_folder_outlives_a_crash(end: signal.Signals) -> None:
    """However the process ends that started the servers, they are gone, and so is what they wrote."""
    program = (
        "from local_servers import EtcdCluster, MilvusServer\n"
        "cluster, milvus = EtcdCluster(1), MilvusServer()\n"
        "for server in (*cluster.servers, milvus):\n"
        "    print(server.pid, server._folder.name, flush=True)\n"
        "input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(EXAMPLES)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as crashing:
        assert crashing.stdout is not None
        started = [crashing.stdout.readline().split() for _ in range(2)]
        assert all(Path(folder).is_dir() and not has_ended(int(pid)) for pid, folder in started)
        crashing.send_signal(end)
    assert eventually(lambda: all(has_ended(int(pid)) for pid, _ in started))
    assert eventually(lambda: not any(Path(folder).exists() for _, folder in started))
