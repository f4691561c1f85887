"""What workers had counted stays in the sums when they end, however they end."""

import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from connpool_runtime import Pool
from connpool_runtime.admin.ended_workers import (
    FORGET_AFTER,
    EndedWorkers,
    identity_of,
    keep_counts,
)
from connpool_runtime.admin.run_folder import RunningProcess, open_run_folder, running
from connpool_runtime.admin.stats_document import document_of, service_document
from connpool_runtime.admin.workers import WorkerNumbers, Workers
from tests.runtime.admin.pools import GET, Shop, shop_pool
from tests.waiting import eventually

NOBODY = 2**22 + 1  # a process id beyond the largest that Linux gives

# A worker that calls so often, says so, and ends as it is told.
WORKER = """
import sys, time
from connpool_runtime import Method, Pool
from connpool_runtime.admin import serve_admin

pool = Pool("shop")
pool.add_client(object(), "a")
admin = serve_admin({"shop": pool}, run_folder=sys.argv[1], name="web", stats_age=0.0, counts_every=float(sys.argv[2]))
for line in sys.stdin:
    if line == "close\\n":
        admin.close()
    for _ in range(int(line) if line.strip().isdigit() else 0):
        pool.call(Method("get", lambda client, args: None))
    print("done", flush=True)
"""


class Worker:
    """A process of its own, which does as it is told."""

    def __init__(self, folder: Path, counts_every: float) -> None:
        command = [sys.executable, "-c", WORKER, str(folder), str(counts_every)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.file = folder / f"web.{self.process.pid}.counts"

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        self.process.send_signal(number)
        self.process.communicate(timeout=20)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return open_run_folder(tmp_path / "run")


def numbers(folder: Path) -> WorkerNumbers:
    return WorkerNumbers(Workers(folder, "web"), 0.0)


def calls(document: dict[str, Any]) -> int:
    return sum(one["successes"] for one in document["services"]["shop"]["methods"])


def kept(file: Path) -> int:
    return calls(json.loads(file.read_bytes())) if file.exists() else 0


@pytest.mark.servers
def test_no_count_is_lost_with_its_worker(folder: Path) -> None:
    """Killed between two looks, killed right after one, or closed: what was kept or told stays, counted once, for
    whoever looks; also in a process that begins to look only then.
    """
    lasting, killed = Worker(folder, 60.0), Worker(folder, 0.05)
    told, closed = Worker(folder, 60.0), Worker(folder, 60.0)
    try:
        lasting.tell("1")
        killed.tell("10")
        assert eventually(lambda: kept(killed.file) == 10)
        killed.end()  # nobody has ever asked it
        told.tell("100")
        looking = numbers(folder)
        assert calls(looking.document()) == 111
        told.end()  # right after it was asked
        closed.tell("1000")
        closed.tell("close")
        for one in (looking, looking, numbers(folder)):
            assert calls(one.document()) == 1111
        assert looking.document()["process"]["workers"] == [lasting.process.pid]
        closed.end()
        assert calls(looking.document()) == 1111
        assert sorted(folder.glob("*.counts")) == [lasting.file]
        assert all(file.stat().st_mode & 0o077 == 0 for file in folder.glob("web.*[!k]"))
        lasting.tell("1")
        assert calls(looking.document()) == 1112
    finally:
        for worker in (lasting, killed, told, closed):
            if worker.process.returncode is None:
                worker.end()


def leave(folder: Path, pool: Pool[Shop], pid: int = NOBODY, started: float = 1.0) -> Path:
    """Leave what a worker keeps."""
    process = {"pid": pid, "started": started, "services": ["shop"], "stopped": False}
    document = document_of({"shop": service_document(pool, pool.stats())}, process, 1.0)
    keep_counts(
        RunningProcess("web", pid, folder / f"web.{pid}.sock"), json.dumps(document).encode()
    )
    return folder / f"web.{pid}.counts"


@pytest.fixture
def pool() -> Pool[Shop]:
    pool = shop_pool()
    for _ in range(3):
        pool.call(GET)
    return pool


def test_a_worker_is_added_once(folder: Path, pool: Pool[Shop]) -> None:
    """Also if whoever added it was killed before it could remove the file; another one of this id is another one."""
    left = leave(folder, pool)
    text = left.read_bytes()
    ended = EndedWorkers(folder, "web")
    document, known = ended.look()
    assert document is not None
    assert (calls(document), known) == (3, {f"{NOBODY}@1.0"})
    left.write_bytes(text)
    assert ended.look() == (document, known)
    leave(folder, pool, started=2.0)
    document, known = ended.look()
    assert document is not None
    assert (calls(document), len(known)) == (6, 2)
    assert not left.exists()


def test_who_is_there_is_not_added(folder: Path, pool: Pool[Shop]) -> None:
    """The counts of a process that does not answer now are told, and its file stays for it to go on; one of another
    name is not looked at.
    """
    left = leave(folder, pool, os.getpid())
    leave(folder, pool).rename(folder / f"web.api.{NOBODY}.counts")
    assert EndedWorkers(folder, "web").look(frozenset({os.getpid()})) == (None, frozenset())
    for _ in range(2):
        document, known = EndedWorkers(folder, "web").look()
        assert document is not None
        assert (calls(document), known) == (3, frozenset())
    assert left.exists()
    document, _ = EndedWorkers(folder, "web.api").look()
    assert document is not None


def test_a_process_id_may_be_given_again(folder: Path, pool: Pool[Shop]) -> None:
    """A file that nobody writes any more is of a worker that has ended, though there is a process of that id."""
    left = leave(folder, pool, os.getpid())
    os.utime(left, (1.0, 1.0))
    assert EndedWorkers(folder, "web").look(frozenset({os.getpid()}))[0] is None
    assert EndedWorkers(folder, "web").look()[1] != frozenset()
    assert not left.exists()


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"process": {}}'])
def test_a_damaged_file_is_told_and_left_out(
    folder: Path, pool: Pool[Shop], damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """The sums go on without it, and it is not complained about again; the same of the file of those that have ended."""
    leave(folder, pool)
    leave(folder, pool, NOBODY + 1).write_bytes(damage)
    ended = EndedWorkers(folder, "web")
    with caplog.at_level(logging.ERROR, "connpool_runtime"):
        document, _ = ended.look()
        ended.look()
    assert document is not None
    assert calls(document) == 3
    (record,) = caplog.records
    assert vars(record)["event_name"] == "counts_failed"
    (folder / "web.ended").write_bytes(damage)
    assert ended.look() == (None, frozenset())


def test_a_service_that_was_stopped_for_long_begins_anew(folder: Path, pool: Pool[Shop]) -> None:
    """A restart keeps the sums; the first worker after an hour without any finds none."""
    leave(folder, pool)
    ended = EndedWorkers(folder, "web")
    ended.begin()
    assert ended.look()[0] is not None
    old = (folder / "web.ended").stat().st_mtime - FORGET_AFTER - 60
    os.utime(folder / "web.ended", (old, old))
    ended.begin()
    assert ended.look() == (None, frozenset())


def test_a_full_disk_loses_nothing_that_is_there(
    folder: Path, pool: Pool[Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the sums cannot be written they are told all the same, and the worker's own file stays."""
    left = leave(folder, pool)

    def full(*_given: object) -> None:
        raise OSError(28, "No space left on device")

    ended = EndedWorkers(folder, "web")
    with monkeypatch.context() as broken:
        broken.setattr("connpool_runtime.admin.ended_workers._write", full)
        assert ended.look()[0] is not None
    assert left.exists()
    document, _ = ended.look()
    assert document is not None
    assert calls(document) == 3


def test_who_ends_after_it_has_answered_is_counted_once(folder: Path, pool: Pool[Shop]) -> None:
    """Somebody else may have added it up between its answer and the sum."""
    left = leave(folder, pool)
    ended = json.loads(left.read_bytes())
    EndedWorkers(folder, "web").look()
    lasting = json.loads(leave(folder, pool, NOBODY + 1).read_bytes())

    class Answering(Workers):
        def ask(self, question: Any) -> Any:
            return {NOBODY: ended, NOBODY + 1: lasting}

    looking = WorkerNumbers(Answering(folder, "web"), 0.0)
    assert calls(looking.document()) == 6
    assert looking.document()["process"]["workers"] == [NOBODY + 1]


def test_workers_are_told_apart() -> None:
    """By process id and beginning."""
    assert identity_of({"process": {"pid": 7, "started": 1.5}}) == "7@1.5"


def test_nobody_leaves_what_nobody_looks_for(folder: Path, pool: Pool[Shop]) -> None:
    """Restarts without anybody who looks leave one file, not one for each; looking finds what is registered only."""
    for number in range(5):
        leave(folder, pool, NOBODY + number)
        EndedWorkers(folder, "web").begin()
    assert sorted(file.name for file in folder.iterdir()) == ["web.ended", "web.lock"]
    assert running(folder) == []
    with pytest.raises(Exception, match="no worker 'web'"):
        numbers(folder).document()
