"""Members that only so many calls may use at a time, and the line of those who wait for one."""

import asyncio
import gc
import logging
from collections.abc import Callable
from typing import Any

import pytest

from connpool_runtime import (
    AllMembersOpen,
    NoMembers,
    PoolClosed,
    PoolExhausted,
    PoolTimeout,
    Rejected,
    TooManyWaiting,
    deadline,
)
from connpool_runtime._concurrency import threads
from connpool_runtime._concurrency.threads import FREE_THREADED, Signal
from connpool_runtime.balancing.balancers import BALANCERS, BY_CALL
from connpool_runtime.clients.source import UseBrokenOff
from connpool_runtime.middleware import Retry
from tests.runtime.faces import SEEN, Client, Face, TaskFace, ThreadFace, makers_of, until

NewFace = Callable[..., Face]


new_face = makers_of(SEEN)


def exclusive(new_face: NewFace, *names: str, **options: Any) -> Face:
    return new_face(*names, **{"max_concurrency": 1, **options})


def waiting(face: Face) -> int:
    return face.stats().waiting


async def busy(face: Face) -> "list[asyncio.Future[Any]]":
    """Start a call that hangs on each member."""
    for client in face.clients.values():
        client.hold()
    running = [face.start() for _ in face.clients]
    await until(lambda: face.in_flight() == len(face.clients))
    return running


async def in_line(face: Face, count: int) -> "list[asyncio.Future[Any]]":
    """Start so many calls that have to wait, one behind the other."""
    ahead = waiting(face)
    found = []
    for number in range(1, count + 1):
        found.append(face.start())
        await until(lambda number=number: waiting(face) == ahead + number)  # type: ignore[misc]
    return found


def release(face: Face) -> None:
    for client in face.clients.values():
        client.release()


@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_no_more_calls_than_the_limit_run_at_a_time(new_face: NewFace, limit: int) -> None:
    """Any number of callers, never more than the limit on one member (E5)."""
    face = new_face("a", "b", max_concurrency=limit)
    for client in face.clients.values():
        client.hold()
    running = [face.start() for _ in range(10)]
    await until(lambda: waiting(face) == 10 - 2 * limit)
    assert [member.in_flight for member in face.stats().members] == [limit, limit]
    release(face)
    assert len(await asyncio.gather(*running)) == 10
    assert face.in_flight() == waiting(face) == 0


async def test_a_member_may_have_a_limit_of_its_own(new_face: NewFace) -> None:
    """`add_client` goes before the setting; a member without a limit takes what others cannot."""
    face = new_face()
    for name in "ab":
        face.clients[name] = Client(name)
    face.pool.add_client(face.clients["a"], "a", max_concurrency=1)
    face.pool.add_client(face.clients["b"], "b")
    for client in face.clients.values():
        client.hold()
    running = [face.start() for _ in range(6)]
    await until(lambda: face.in_flight() == 6)
    assert [member.in_flight for member in face.stats().members] == [1, 5]
    release(face)
    await asyncio.gather(*running)


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "1"])
async def test_a_limit_is_a_whole_number_of_at_least_one(new_face: NewFace, wrong: object) -> None:
    """Anything else is refused by name with the value."""
    with pytest.raises(ValueError, match="max_concurrency must be a whole number of at least 1"):
        new_face().pool.add_client(Client(), max_concurrency=wrong)


async def test_the_one_who_waits_longest_is_served_first(new_face: NewFace) -> None:
    """First come, first served, over all members."""
    face = exclusive(new_face, "a", "b")
    if FREE_THREADED and face.kind == "threads":
        pytest.skip("threads that are woken in turn may arrive in another order")
    running = await busy(face)
    order: list[int] = []
    line = await in_line(face, 5)
    for number, caller in enumerate(line):
        caller.add_done_callback(lambda _, number=number: order.append(number))
    face.clients["a"].release()
    await asyncio.gather(*line)
    assert order == [0, 1, 2, 3, 4]
    release(face)
    await asyncio.gather(*running)


async def test_nobody_is_overtaken(new_face: NewFace) -> None:
    """A member that becomes free is in the hands of the first in line before a newcomer looks."""
    face = exclusive(new_face, "a")
    lease = face.pool.lease()
    await enter(lease)
    (first,) = await in_line(face, 1)
    await leave(lease)
    if face.kind == "tasks":  # its task has not run yet, and still it holds the member
        assert not first.done()
        assert face.in_flight() == 1
    newcomer = face.start()
    await asyncio.wait([first, newcomer], return_when=asyncio.FIRST_COMPLETED)
    assert first.done()
    await newcomer


async def enter(lease: Any) -> Any:
    if hasattr(lease, "__aenter__"):
        return await lease.__aenter__()
    return await asyncio.to_thread(lease.__enter__)


async def leave(lease: Any) -> None:
    if hasattr(lease, "__aexit__"):
        await lease.__aexit__(None, None, None)
    else:
        lease.__exit__(None, None, None)


async def test_waiting_has_an_end(new_face: NewFace) -> None:
    """After checkout_timeout the call is refused, with the pool's name and the numbers (B20)."""
    face = exclusive(new_face, "a", checkout_timeout=0.01)
    running = await busy(face)
    with pytest.raises(PoolTimeout) as caught:
        await face.start()
    assert str(caught.value) == (
        "all 1 available members of pool 'test' are busy with 1 calls, and none became free"
        " within 0.01 s; 0 other callers wait"
    )
    assert caught.value.pool == "test"
    assert isinstance(caught.value, TimeoutError)
    assert dict(face.stats().rejections) == {"PoolTimeout": 1}
    release(face)
    await asyncio.gather(*running)
    assert face.in_flight() == waiting(face) == 0
    assert await face.call() == "a"


async def test_a_deadline_shortens_the_waiting(new_face: NewFace) -> None:
    """Nobody waits longer than their caller does."""
    face = exclusive(new_face, "a", checkout_timeout=60.0)
    running = await busy(face)
    with deadline(0.5):  # which has not passed yet when the waiting begins
        waiter = asyncio.create_task(to_refusal(face))
    assert isinstance(await waiter, PoolTimeout)
    with deadline(0.0):
        waiter = asyncio.create_task(to_refusal(face))
    assert isinstance(await waiter, PoolExhausted)
    release(face)
    await asyncio.gather(*running)


async def to_refusal(face: Face) -> Exception:
    call = asyncio.to_thread(face.pool.call, face.method())
    with pytest.raises(Rejected) as caught:
        await (call if face.kind == "threads" else face.call())
    call.close()
    return caught.value


async def test_the_line_has_an_end(new_face: NewFace) -> None:
    """One more than max_waiting is refused at once; those in line stay."""
    face = exclusive(new_face, "a", max_waiting=2)
    running = await busy(face)
    line = await in_line(face, 2)
    with pytest.raises(TooManyWaiting, match="2 callers wait already, which is max_waiting"):
        await face.start()
    assert waiting(face) == 2
    release(face)
    assert await asyncio.gather(*running, *line) == ["a"] * 3


@pytest.mark.parametrize("option", ["max_waiting", "checkout_timeout"])
async def test_zero_lets_nobody_wait(new_face: NewFace, option: str) -> None:
    """Then a call that finds all members busy is refused at once."""
    face = exclusive(new_face, "a", **{option: 0})
    running = await busy(face)
    with pytest.raises(PoolExhausted, match="and the call may not wait") as caught:
        await face.start()
    assert type(caught.value) is PoolExhausted
    release(face)
    await asyncio.gather(*running)


async def test_closing_refuses_those_who_wait(new_face: NewFace) -> None:
    """They get PoolClosed at once; the call that runs ends well."""
    face = exclusive(new_face, "a")
    running = await busy(face)
    line = await in_line(face, 3)
    closing = asyncio.ensure_future(face.close())
    refused = await asyncio.gather(*line, return_exceptions=True)
    assert [type(error) for error in refused] == [PoolClosed] * 3
    release(face)
    assert await asyncio.gather(*running) == ["a"]
    await closing


async def test_removing_the_last_member_refuses_those_who_wait(new_face: NewFace) -> None:
    """There is nobody left to wait for."""
    face = exclusive(new_face, "a")
    running = await busy(face)
    line = await in_line(face, 2)
    removing = asyncio.ensure_future(face.remove("a"))
    refused = await asyncio.gather(*line, return_exceptions=True)
    assert [type(error) for error in refused] == [NoMembers] * 2
    release(face)
    await asyncio.gather(*running, removing)


async def test_those_who_wait_hear_that_all_breakers_opened(new_face: NewFace) -> None:
    """A waiting caller is refused as a newcomer would be, with the error that opened the last."""
    face = exclusive(new_face, "a", max_fails=1)
    face.clients["a"].always = OSError("down")
    (running,) = await busy(face)
    line = await in_line(face, 2)
    release(face)
    refused = await asyncio.gather(running, *line, return_exceptions=True)
    assert [type(error) for error in refused] == [OSError, AllMembersOpen, AllMembersOpen]
    assert isinstance(refused[1], AllMembersOpen)
    assert isinstance(refused[1].cause, OSError)
    assert face.in_flight() == waiting(face) == 0


async def test_a_member_that_joins_serves_those_who_wait(new_face: NewFace) -> None:
    """As many of them as it can take."""
    face = exclusive(new_face, "a")
    running = await busy(face)
    line = await in_line(face, 3)
    face.clients["b"] = Client("b")
    face.pool.add_client(face.clients["b"], "b", max_concurrency=2)
    assert await asyncio.gather(*line) == ["b"] * 3
    release(face)
    await asyncio.gather(*running)


async def test_a_breaker_that_closes_serves_those_who_wait(new_face: NewFace) -> None:
    """A member that is available again is given to the first in line."""
    face = exclusive(new_face, "a", "b")
    face.pool.eject("b")
    face.clients["a"].hold()
    running = face.start()
    await until(lambda: face.in_flight() == 1)
    line = await in_line(face, 2)
    face.pool.uneject("b")
    assert await asyncio.gather(*line) == ["b", "b"]
    release(face)
    await running


async def test_those_who_wait_probe_a_member_whose_cooldown_is_over(new_face: NewFace) -> None:
    """Time alone makes it available: nobody else has to call (half-open)."""
    face = exclusive(new_face, "a", "b", max_fails=1, cooldown=10.0)
    await face.trip("b")
    face.clients["a"].hold()
    running = face.start()
    await until(lambda: face.in_flight() == 1)
    face.clock.sleep(9.99)  # so that a hundredth of a second is left, by the real clock
    (waiter,) = await in_line(face, 1)
    face.clock.sleep(0.01)
    assert await waiter == "b"
    release(face)
    await running


async def test_a_half_open_member_is_given_to_one_of_those_who_wait(new_face: NewFace) -> None:
    """The hand-off asks the breaker, as a newcomer does: one probe at a time."""
    face = new_face("a", "b", max_concurrency=2, max_fails=1, cooldown=10.0)
    await face.trip("b")
    for client in face.clients.values():
        client.hold()
    running = [face.start() for _ in range(2)]
    await until(lambda: face.in_flight() == 2)
    line = await in_line(face, 3)
    face.clock.sleep(10)
    line += await in_line_after(face)
    await until(lambda: face.member("b").in_flight == 1)
    assert waiting(face) == 3
    release(face)
    await asyncio.gather(*running, *line)
    assert face.member("b").breaker.state.value == "closed"


async def in_line_after(face: Face) -> "list[asyncio.Future[Any]]":
    """One more caller, who finds that time has passed."""
    caller = face.start()
    await face.sleep()
    return [caller]


async def test_a_retry_gives_its_member_back_first(new_face: NewFace) -> None:
    """The next attempt finds the only member free, and can take it."""
    face = exclusive(new_face, "a", checkout_timeout=0.5)
    face.pool.register_middleware(Retry(3, base=0.0))
    face.fail("a", 2)
    assert await face.call(face.method(idempotent=True)) == "a"
    assert face.member("a").failed == 2


async def test_every_form_of_call_obeys_the_limit(new_face: NewFace) -> None:
    """Leases, streams, contexts, pinned calls and functions hold a member, and wait for one."""
    face = exclusive(new_face, "a", checkout_timeout=0.005)

    async def exhausted() -> bool:
        return isinstance(await to_refusal(face), PoolTimeout)

    async with face.lease():
        assert await exhausted()
    stream = await face.stream(2)
    await stream.next()
    assert await exhausted()
    await stream.close()
    async with face.session():
        assert await exhausted()
    pinned = face.pool.pinned(Boxed.method(face))
    box = await pinned if asyncio.iscoroutine(pinned) else pinned
    assert await exhausted()
    del box, pinned
    gc.collect()
    assert await face.execute() == "a"
    assert face.in_flight() == waiting(face) == 0


class Boxed:
    """A result that lives on its client's connection."""

    @staticmethod
    def method(face: Face) -> Any:
        method = face.method()

        async def boxed() -> Boxed:
            return Boxed()

        return type(method)(
            "box", lambda client, args: boxed() if face.kind == "tasks" else Boxed()
        )


async def test_calls_that_cannot_wait_are_refused_at_once(new_face: NewFace) -> None:
    """An ordinary method of an asynchronous client must not block the event loop."""
    face = exclusive(new_face, "a")
    if face.kind == "threads":
        return
    async with face.lease():
        with pytest.raises(PoolExhausted, match="this form of call cannot wait"):
            face.pool.call_sync(face.method())
        with pytest.raises(PoolExhausted, match="this form of call cannot wait"):
            face.pool.hold(face.method()).begin()
    assert face.in_flight() == 0


async def test_a_dropped_lease_serves_the_next_in_line(new_face: NewFace) -> None:
    """Garbage collection gives back what was forgotten, and hands it on."""
    face = exclusive(new_face, "a")
    lease = face.pool.lease()
    await enter(lease)
    (waiter,) = await in_line(face, 1)
    with pytest.warns(ResourceWarning, match="dropped without being given back"):  # noqa: PT031
        del lease
        gc.collect()
    assert await waiter == "a"


async def test_a_lease_that_waits_cannot_be_entered_again(new_face: NewFace) -> None:
    """It is for one use, from the moment it joins the line."""
    face = exclusive(new_face, "a")
    running = await busy(face)
    lease = face.pool.lease()
    entering = asyncio.ensure_future(enter(lease))
    await until(lambda: waiting(face) == 1)
    with pytest.raises(RuntimeError, match="used only once"):
        lease.begin()
    release(face)
    await entering
    await leave(lease)
    await asyncio.gather(*running)
    assert face.in_flight() == 0


@pytest.mark.parametrize("balancer", [*BALANCERS, *BY_CALL])
async def test_any_balancer_finds_the_free_member(new_face: NewFace, balancer: str) -> None:
    """A balancer that picks a busy member is asked again, and in the end any free one will do."""
    face = exclusive(new_face, *map(str, range(20)), balancer=balancer, checkout_timeout=0.01)
    leases = [face.pool.lease() for _ in range(19)]
    for lease in leases:
        await enter(lease)
    assert face.in_flight() == 19
    free = next(name for name in face.clients if not face.member(name).in_flight)
    assert await face.calls(5) == [free] * 5
    for lease in leases:
        await leave(lease)


async def test_a_balancer_function_sees_the_free_members_only(new_face: NewFace) -> None:
    """Its candidates are those that can take one more call."""
    seen: list[str] = []

    def first(candidates: Any, call: Any) -> Any:
        seen.append("".join(candidate.name for candidate in candidates))
        return candidates[0]

    face = exclusive(new_face, "a", "b", "c", balancer=first)
    async with face.lease(), face.lease():
        assert await face.call() == "c"
    assert seen == ["abc", "bc", "c"]


async def test_the_time_in_line_is_measured(new_face: NewFace) -> None:
    """Stats tell how many waited for a member and how long."""
    face = exclusive(new_face, "a")
    running = await busy(face)
    line = await in_line(face, 1)
    face.clock.sleep(0.3)
    assert face.stats().waiting == 1
    release(face)
    await asyncio.gather(*running, *line)
    waits = face.stats().waits
    assert (waits.count, waits.total) == (1, pytest.approx(0.3))


def test_a_waiter_of_a_closed_loop_does_not_block_the_line() -> None:
    """What it is handed goes on to the next; nothing is lost with its event loop."""
    face = exclusive(TaskFace, "a")

    async def enter_and_leave_behind() -> Any:
        lease = face.pool.lease()
        await lease.__aenter__()
        stuck = face.pool.call(face.method())
        stuck.send(None)  # it waits on this loop, which will never run it again
        return lease, stuck

    lease, stuck = asyncio.run(enter_and_leave_behind())
    assert waiting(face) == 1

    async def next_in_line() -> Any:
        waiter = asyncio.ensure_future(face.call())
        await until(lambda: waiting(face) == 2)
        lease.end(None)
        return await waiter

    assert asyncio.run(next_in_line()) == "a"
    stuck.close()
    assert face.in_flight() == waiting(face) == 0


@pytest.mark.parametrize("handed", [False, True], ids=["waiting", "handed over"])
async def test_a_cancelled_waiter_takes_nothing_with_it(handed: bool) -> None:
    """Cancelled in line, or when it has the member and does not know it yet: the next one gets it."""
    face = exclusive(TaskFace, "a")
    lease = face.pool.lease()
    await enter(lease)
    first, second = await in_line(face, 2)
    if handed:
        lease.end(None)
        assert face.in_flight() == 1
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    lease.end(None)
    assert await second == "a"
    assert face.in_flight() == waiting(face) == 0
    assert face.member("a").neutral == int(handed)


def test_a_member_handed_over_in_the_last_moment_is_not_lost() -> None:
    """Between the end of the waiting and the refusal: the call goes on with the member."""
    face = exclusive(ThreadFace, "a", checkout_timeout=0.02)
    lease = face.pool.lease()
    lease.begin()

    class Late(Signal):
        """Tells that no signal came, when the member has just been given back."""

        def wait(self, seconds: float) -> bool:
            lease.end(None)
            return False

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(threads, "Signal", Late)
        assert face.pool.call(face.method()) == "a"
    assert dict(face.stats().rejections) == {}
    assert face.in_flight() == waiting(face) == 0


class Line:
    """An exclusive connection of both kinds: answers come in the order of the questions."""

    def __init__(self) -> None:
        self.answers: list[str] = []
        self.checked = 0
        self.closed = 0
        self.fit = True

    async def aask(self, text: str) -> str:
        self.answers.append(text)
        if text == "slow":
            await asyncio.sleep(60)
        return self.answers.pop(0)

    def ask(self, text: str) -> str:
        self.answers.append(text)
        if text == "slow":
            raise KeyboardInterrupt
        return self.answers.pop(0)

    def validate(self) -> bool:
        self.checked += 1
        self.answers.clear()
        return self.fit


async def ask(face: Face, text: str) -> Any:
    """Ask; a slow question is cancelled by its caller, or by Ctrl-C."""
    method = face.method("ask")
    if face.kind == "threads":
        return face.pool.call(method, (text,))
    asking = asyncio.ensure_future(face.pool.call(method, (text,)))
    await asyncio.sleep(0)
    if text == "slow":
        await asyncio.sleep(0)
        asking.cancel()
    return await asking


async def break_off(face: Face) -> None:
    with pytest.raises((asyncio.CancelledError, KeyboardInterrupt)):
        await ask(face, "slow")


def with_line(new_face: NewFace, **options: Any) -> tuple[Face, Line]:
    face, line = new_face(), Line()
    if options.pop("checked", False):
        options["validate"] = line.validate
    face.pool.add_client(line, "a", close=lambda: None, **options)
    return face, line


async def test_an_exclusive_client_is_not_lent_on_in_mid_conversation(new_face: NewFace) -> None:
    """After a call was broken off nobody gets its answer: the member has no calls until `uneject`."""
    face, line = with_line(new_face, max_concurrency=1)
    await break_off(face)
    with pytest.raises(AllMembersOpen) as caught:
        await ask(face, "fast")
    assert isinstance(caught.value.cause, UseBrokenOff)
    assert (face.events[-1].member, face.events[-1].healthy) == ("a", False)
    line.answers.clear()
    face.pool.uneject("a")
    assert await ask(face, "fast") == "fast"


async def test_a_member_that_is_cut_off_says_so(
    new_face: NewFace, caplog: pytest.LogCaptureFixture
) -> None:
    """Once for each time that it is cut off, by its name and with what helps; so does the refusal that follows."""
    face, _ = with_line(new_face, max_concurrency=1)
    face.pool.add_client(Line(), "b", close=lambda: None, max_concurrency=1)
    with caplog.at_level(logging.WARNING, "connpool_runtime"):
        for _ in range(2):
            for _ in "ab":
                await break_off(face)
            with pytest.raises(AllMembersOpen, match=r"unejected; .*broken off.*`validate`"):
                await ask(face, "fast")
            for name in "ab":
                face.pool.uneject(name)
    told = [vars(record) for record in caplog.records]
    assert [sorted(one["member"] for one in two) for two in (told[:2], told[2:])] == [
        ["a", "b"]
    ] * 2
    assert {(one["event_name"], one["pool"]) for one in told} == {("member_ejected", "test")}
    assert all("`validate`" in one["message"] for one in told)


async def test_a_member_that_is_validated_is_no_matter_for_a_warning(
    new_face: NewFace, caplog: pytest.LogCaptureFixture
) -> None:
    """It is not cut off, nor is one that calls share."""
    with caplog.at_level(logging.WARNING, "connpool_runtime"):
        for limit, checked in ((1, True), (2, False)):
            face, _ = with_line(new_face, max_concurrency=limit, checked=checked)
            await break_off(face)
    assert not caplog.records


async def test_those_who_wait_for_it_do_not_get_it_either(new_face: NewFace) -> None:
    """They are refused, or served by another member."""
    face, _ = with_line(new_face, max_concurrency=1)
    lease = face.pool.lease()
    await enter(lease)
    (waiter,) = await in_line(face, 1)
    lease.end(KeyboardInterrupt())
    with pytest.raises(AllMembersOpen):
        await waiter


async def test_an_exclusive_client_is_validated_after_it_was_broken_off(new_face: NewFace) -> None:
    """Once, before its next use, and the call goes on."""
    face, line = with_line(new_face, max_concurrency=1, checked=True)
    assert await ask(face, "fast") == "fast"
    assert line.checked == 0
    await break_off(face)
    assert [await ask(face, "fast") for _ in range(3)] == ["fast"] * 3
    assert line.checked == 1


async def test_a_client_that_is_not_fit_gets_no_calls(new_face: NewFace) -> None:
    """The call goes to another member, and the one that is not fit is unhealthy."""
    face, line = with_line(new_face, max_concurrency=1, checked=True)
    face.pool.add_client(other := Line(), "b", close=lambda: None, max_concurrency=1)
    line.fit = False
    await break_off(face)
    assert [await ask(face, "fast") for _ in range(3)] == ["fast"] * 3
    assert (line.checked, len(other.answers)) == (1, 0)
    assert face.member("a").unreachable is not None
    assert face.in_flight() == 0


async def test_a_client_that_calls_share_goes_on_when_one_is_broken_off(new_face: NewFace) -> None:
    """It keeps its conversations apart, or it could not be shared."""
    for limit in (None, 2):
        face, line = with_line(new_face, max_concurrency=limit)
        await break_off(face)
        line.answers.clear()
        assert await ask(face, "fast") == "fast"
