"""A project with a test suite over a real server: the suite passes before and after the move."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from connpool_gen.adopting.adopt import AdoptRequest, adopt
from local_servers import RedisServer
from tests.codegen.adopting.projects import Project, inside

# A client as small as can be, so that its types are read in a moment; the server is a real one.
FILES = {
    "pyproject.toml": """
        [[tool.connpool-gen.target]]
        client = "app.kv:KeyValues"
        verify = false
    """,
    "app/__init__.py": "",
    "app/kv.py": '''
        """A client of Redis."""

        from __future__ import annotations

        import socket


        class ServerError(Exception):
            """The server refuses."""


        class KeyValues:
            """Keys and values on one server."""

            def __init__(self, host: str = "127.0.0.1", *, port: int) -> None:
                self._file = socket.create_connection((host, port)).makefile("rwb")

            def _ask(self, *words: str) -> str | None:
                self._file.write((" ".join(words) + "\\r\\n").encode())
                self._file.flush()
                line = self._file.readline().decode().rstrip()
                if line.startswith("-"):
                    raise ServerError(line[1:])
                if not line.startswith("$"):
                    return line[1:]
                size = int(line[1:])
                return None if size < 0 else self._file.read(size + 2)[:-2].decode()

            def get(self, key: str) -> str | None:
                return self._ask("GET", key)

            def set(self, key: str, value: str) -> None:
                self._ask("SET", key, value)

            def incr(self, key: str) -> int:
                return int(self._ask("INCR", key) or 0)

            def close(self) -> None:
                self._file.close()
    ''',
    "app/pools.py": '''
        """What makes clients."""

        from app.kv import KeyValues
        from generated.key_values_pool import KeyValuesPool


        def make(host: str = "127.0.0.1", *, port: int) -> KeyValuesPool:
            """Make a pool of three connections."""
            wrapper = KeyValuesPool()
            for name in "abc":
                wrapper.pool.add_client(KeyValues(host, port=port), name=name)
            return wrapper
    ''',
    "app/users.py": '''
        """Users, kept on a server."""

        from __future__ import annotations

        from dataclasses import dataclass
        from typing import Optional

        from app import kv
        from app.kv import KeyValues, ServerError  # the client and its errors


        @dataclass
        class Users:
            """All users."""

            client: KeyValues
            prefix: str = "user:"

            def save(self, name: str, mail: str) -> int:
                self.client.set(self.prefix + name, mail)  # under its name
                return self.client.incr("saved")

            def mail(self, name: str) -> Optional[str]:
                return self.client.get(self.prefix + name)

            def count(self, name: str) -> int:
                try:
                    return self.client.incr(self.prefix + name)
                except ServerError:
                    return -1


        def connect(port: int, client: "kv.KeyValues | None" = None) -> KeyValues:
            """Connect, unless somebody has."""
            return client or KeyValues(port=port)
    ''',
    "tests/__init__.py": "",
    "tests/test_users.py": """
        import os
        import unittest
        from unittest import mock

        from app.kv import KeyValues
        from app.users import Users, connect


        class UsersTest(unittest.TestCase):
            client: KeyValues

            def setUp(self) -> None:
                self.client = connect(int(os.environ["STORE_PORT"]))
                self.addCleanup(self.client.close)

            def test_mail(self) -> None:
                everybody = Users(self.client)
                before = everybody.save("ann", "ann@example.org")
                self.assertEqual(everybody.save("bob", "bob@example.org"), before + 1)
                self.assertEqual(everybody.mail("ann"), "ann@example.org")
                self.assertIsNone(everybody.mail("nobody"))
                self.assertEqual(everybody.count("ann"), -1)

            def test_connects_once(self) -> None:
                with mock.patch("app.users.KeyValues") as made:
                    known = mock.MagicMock(spec=KeyValues)
                    self.assertIs(connect(1, known), known)
                    made.assert_not_called()
                    connect(1)
                    made.assert_called_once_with(port=1)
    """,
}


def suite_passes(folder: Path, server: RedisServer) -> bool:
    """Run the project's own tests as its authors would."""
    environment = {**os.environ, "STORE_PORT": str(server.port)}
    command = [sys.executable, "-m", "unittest", "discover", "-s", "tests", "-t", "."]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return "Ran 2 tests" in done.stderr


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
            factories=["app.pools:make"],
        )
        adoption = adopt(request)
    project.write_moved(adoption)
    assert suite_passes(tmp_path, redis_server)
    users = (tmp_path / "app" / "users.py").read_text()
    assert "    client: KeyValuesPool\n" in users
    assert "from app.kv import ServerError  # the client and its errors\n" in users
    assert "return client or make(port=port)" in users
    assert [(one.path, one.what) for one in adoption.left] == [
        ("tests/test_users.py", "lifecycle close")
    ]
