"""Work that finalizers leave for the holder of a lock."""

import threading

from connpool_runtime._concurrency.deferred_work import DeferredWork


def test_work_is_done_at_once_when_the_lock_is_free() -> None:
    """Work runs under the lock, in the order in which it was added."""
    lock, deferred, done = threading.Lock(), DeferredWork(), list[tuple[int, bool]]()
    for number in range(3):
        deferred.add(lambda number=number: done.append((number, lock.locked())))  # type: ignore[misc]  # a default binds the number
    assert deferred
    deferred.run(lock)
    assert done == [(0, True), (1, True), (2, True)]
    assert not deferred
    assert not lock.locked()


def test_who_cannot_have_the_lock_does_not_wait() -> None:
    """While somebody holds the lock, work stays for that holder, who finds it after releasing."""
    lock, deferred, done = threading.Lock(), DeferredWork(), list[int]()
    with lock:
        deferred.add(lambda: done.append(1))
        deferred.run(lock)
        assert done == []
        assert deferred
    deferred.run(lock)
    assert done == [1]


def test_work_that_adds_work() -> None:
    """What is added while work is done, by a finalizer for example, is done in the same go."""
    lock, deferred, done = threading.Lock(), DeferredWork(), list[int]()

    def first() -> None:
        deferred.add(lambda: done.append(2))
        deferred.run(lock)  # the lock is held by this very thread
        done.append(1)

    deferred.add(first)
    deferred.run(lock)
    assert done == [1, 2]


def test_interrupted_work_is_done_again() -> None:
    """An interrupt releases the lock and leaves the work to be repeated."""
    lock, deferred, tries = threading.Lock(), DeferredWork(), list[int]()

    def work() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise KeyboardInterrupt

    deferred.add(work)
    try:
        deferred.run(lock)
    except KeyboardInterrupt:
        assert deferred
    deferred.run(lock)
    assert len(tries) == 2
    assert not deferred
