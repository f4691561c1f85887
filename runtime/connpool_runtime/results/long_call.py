"""The base of leases, streams and contexts: a call that goes on after it was made."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Generic, TypeVar
from weakref import WeakMethod

from connpool_runtime.calls.call import Call
from connpool_runtime.calls.lease import AnyLease, Lease
from connpool_runtime.calls.middleware_chain import Proceed, around
from connpool_runtime.checkout.acquire import acquire
from connpool_runtime.checkout.async_acquire import acquire as acquire_async
from connpool_runtime.checkout.checkout import Checkout
from connpool_runtime.classifiers.verdict import Verdict, neutral
from connpool_runtime.deadlines import DeadlineBlock, current_deadline
from connpool_runtime.members.member import Member

__all__ = ["DROPPED", "LongCall", "is_in_memory"]

C = TypeVar("C")
DROPPED = neutral("dropped before its end")


class LongCall(Generic[C]):
    """Holds a member from its opening to its end, which is accounted for exactly once."""

    # On the class, for finalizers: at interpreter shutdown the names of modules may be gone already. Nothing
    # is given back then, since the code for it is gone.
    _interpreter_ends = staticmethod(sys.is_finalizing)
    _lease: AnyLease = Lease()  # never held: for the finalizer after an interrupted __init__
    _deadline: DeadlineBlock | None = None  # the caller's deadline, if it was passed to the client

    def __init__(self, checkout: Checkout[C], call: Call) -> None:
        self._checkout = checkout
        self._call = call
        call.held = True
        self._started = checkout.state.clock()
        self._lease = Lease()

    @property
    def member(self) -> Member[C]:
        """The member that is held; readable even after the end."""
        return self._lease.member

    def _start(self) -> None:
        """Note when the call begins, which may be long after its result was requested.

        Raises:
            RuntimeError: it has begun already.
        """
        if self._call.attempt or self._lease.open:
            raise RuntimeError(
                f"{type(self).__name__} can be used only once: ask the pool for another one"
            )
        self._started = self._checkout.state.clock()

    def _through_middleware(self, attempt: Callable[[Call], Any]) -> Any:
        """Run an attempt through all middleware, which refer to this object only weakly.

        A `Retry` stores in the call the attempt that it would run again. If that kept this object alive,
        which refers to the call, there would be a reference cycle, and the member of a dropped object would
        be held until the next garbage collection.
        """
        middleware = self._checkout.state.middleware
        innermost = _weakly(attempt) if middleware else attempt
        return around(innermost, middleware)(self._call)

    def _take(self) -> C:
        """Take a member for one attempt and return its client."""
        # Stored before it is filled, so that it is found after an interrupt in between.
        self._lease = Lease()
        self._note_deadline()
        if self._checkout.state.blocking:
            client: C = acquire(self._checkout, self._lease, self._call)
        else:
            client = self._checkout.acquire_now(self._lease, self._call)
        if self._checkout.state.loans is not None:
            self._note_loan()
        return client

    async def _take_async(self) -> C:
        """Do the same in a task, which may wait."""
        self._lease = Lease()
        self._note_deadline()
        client: C = await acquire_async(self._checkout, self._lease, self._call)
        if self._checkout.state.loans is not None:
            self._note_loan()
        return client

    def _note_deadline(self) -> None:
        if self._call.method.deadline_parameter is not None:
            self._deadline = current_deadline()

    def _in_time(self, error: BaseException) -> BaseException:
        """Return the error that ended the call: `DeadlineExceeded` if the client gave up at its caller's deadline.

        As for calls that end at once, see `run_within`, but by the deadline under which the call was opened.
        """
        if self._deadline is None or not isinstance(error, Exception):
            return error
        # few clients have a deadline parameter
        from connpool_runtime.calls.deadline_parameter import in_time

        return in_time(self._call.method, self._deadline, error)

    def _note_loan(self) -> None:
        """Record who holds a client that others may wait for, and where it was taken."""
        state, lease = self._checkout.state, self._lease
        if lease.member.is_unlimited:
            return
        # Few pools look for leaks.
        from connpool_runtime.calls.loan import Loan, stack_outside_runtime

        loan = Loan(self._call.method.name, state.clock(), stack_outside_runtime())
        with state.after_lock, state.lock:
            if state.loans is not None and lease.held:
                state.loans[lease] = loan

    def _give_back(self, error: BaseException) -> None:
        """End an attempt, but not the call."""
        self._checkout.settle(self._lease, self._call, error)

    def _refused(self, error: BaseException) -> None:
        """End a call none of whose attempts succeeded."""
        try:
            self._give_back(error)  # done already, unless an interrupt struck in between
            self._checkout.recorder.record_call(self._call, self._started, error)
        finally:
            self._call.close()

    def _answered(self) -> None:
        """End a call that a middleware answered; it holds no member."""
        try:
            self._checkout.recorder.record_call(self._call, self._started)
        finally:
            self._call.close()

    def _end(self, error: BaseException | None, verdict: Verdict | None = None) -> None:
        """End the call and its last attempt; without a verdict, the error is judged."""
        try:
            self._checkout.end_use(self._lease, self._call, self._started, error, verdict)
        finally:
            self._call.close()

    def end_as(self, verdict: Verdict) -> None:
        """End the call on behalf of an object that handed its end over to this one."""
        self._end(None, verdict)

    def end_broken_off(self) -> None:
        """End such a call in the middle of its conversation with the server."""
        self._lease.broken_off = True
        self._end(None, DROPPED)

    def _verdict_if_dropped(self) -> Verdict:
        return DROPPED

    def __del__(self) -> None:
        if self._interpreter_ends():
            return
        if self._lease.open:
            verdict = self._verdict_if_dropped()
            self._checkout.give_up(self._lease, self._call, self._started, verdict)
        call: Call | None = getattr(self, "_call", None)
        if call is not None:  # also after the end, which an interrupt may have cut short
            call.close()


def _weakly(attempt: Callable[[Call], Any]) -> Proceed:
    """Return an attempt of a long call that does not keep it alive."""
    reference = WeakMethod(attempt)

    def run(call: Call) -> Any:
        there = reference()
        if there is None:
            raise RuntimeError(f"the caller of {call.method.name!r} has dropped what it would get")
        return there(call)

    return run


def is_in_memory(source: object) -> bool:
    """Return whether an iterator has all its items in memory: those of lists, tuples and the like know their number."""
    return hasattr(source, "__length_hint__")
