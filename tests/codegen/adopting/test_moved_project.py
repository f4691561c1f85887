"""A project with a test suite over a real server: the suite passes before and after the move."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from connpool_gen.adopting.adopt import AdoptRequest, adopt
from local_servers import RedisServer
from tests.codegen.adopting.projects import Project, inside

FILES = {
    "pyproject.toml": """
        [[tool.connpool-gen.target]]
        client = "redis:Redis"
        include = ["delete", "get", "incr", "mget", "pipeline", "set"]
        verify = false

        [tool.pytest.ini_options]
        pythonpath = ["."]
    """,
    "app/__init__.py": "",
    "app/pools.py": '''
        """What makes clients."""

        from typing import Any

        from generated.redis_pool import RedisPool
        from redis import Redis


        def make_redis(**options: Any) -> RedisPool:
            """Make a pool over one server."""
            wrapper = RedisPool()
            wrapper.pool.add_client(Redis(**options), name="only")
            return wrapper
    ''',
    "app/users.py": '''
        """Users, kept in Redis."""

        from __future__ import annotations

        from dataclasses import dataclass
        from typing import Optional

        import redis
        from redis import Redis, ResponseError  # the client and its errors


        @dataclass
        class Users:
            """All users."""

            client: Redis
            prefix: str = "user:"

            def save(self, name: str, mail: str) -> int:
                with self.client.pipeline() as pipe:  # both or none
                    pipe.set(self.prefix + name, mail)
                    pipe.incr("saved")
                    return int(pipe.execute()[1])

            def mail(self, name: str) -> Optional[str]:
                found = self.client.get(self.prefix + name)
                return str(found) if found is not None else None

            def count(self, name: str) -> int:
                try:
                    return int(self.client.incr(self.prefix + name))
                except ResponseError:
                    return -1


        def connect(port: int, client: "redis.Redis | None" = None) -> Redis:
            """Connect, unless somebody has."""
            return client or redis.Redis(host="127.0.0.1", port=port, decode_responses=True)
    ''',
    "tests/test_users.py": """
        import os
        from collections.abc import Iterator
        from unittest import mock

        import pytest
        from app import users
        from app.users import Users, connect
        from redis import Redis

        PORT = int(os.environ["STORE_PORT"])


        @pytest.fixture
        def client() -> Iterator[Redis]:
            found = connect(PORT)
            yield found
            found.close()


        def test_mail(client: Redis) -> None:
            everybody = Users(client)
            before = everybody.save("ann", "ann@example.org")
            assert everybody.save("bob", "bob@example.org") == before + 1
            assert everybody.mail("ann") == "ann@example.org"
            assert everybody.mail("nobody") is None
            assert everybody.count("ann") == -1


        def test_connects_once() -> None:
            with mock.patch("app.users.redis.Redis") as made:
                known = mock.MagicMock(spec=Redis)
                assert connect(1, known) is known
                made.assert_not_called()
    """,
}


def suite_passes(folder: Path, server: RedisServer) -> bool:
    """Run the project's own tests as its authors would."""
    environment = {**os.environ, "STORE_PORT": str(server.port)}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "tests",
    ]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return "2 passed" in done.stdout


@pytest.mark.servers
def test_a_project_works_after_its_move(
    tmp_path: Path, checker_cache: Path, redis_server: RedisServer
) -> None:
    """The suite of a project passes over a real server before and after; nothing is left but a client's end."""
    project = Project.of(tmp_path, checker_cache, FILES)
    assert suite_passes(tmp_path, redis_server)
    with inside(tmp_path):
        request = AdoptRequest(
            targets=project.targets(),
            paths=[Path("app"), Path("tests")],
            factories=["app.pools:make_redis"],
            cache_dir=checker_cache,
        )
        adoption = adopt(request)
    project.write_moved(adoption)
    assert suite_passes(tmp_path, redis_server)
    users = (tmp_path / "app" / "users.py").read_text()
    assert "    client: RedisPool\n" in users
    assert "from redis import ResponseError  # the client and its errors\n" in users
    assert 'client or make_redis(host="127.0.0.1", port=port, decode_responses=True)' in users
    assert [one.what for one in adoption.left] == [
        "result of pipeline",
        "lifecycle close",
        "patch by path",
    ]
