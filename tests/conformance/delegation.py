"""Whether each method of the wrapper reaches the client as it should, and its lease ends with its result."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import warnings
from collections.abc import AsyncIterator, Callable
from typing import Any

from tests.conformance import async_scenarios, scenarios
from tests.conformance.accepted import accepted_signature
from tests.conformance.arguments import Given, required_only, ways_to_call
from tests.conformance.corpus import Client
from tests.conformance.findings import Found
from tests.conformance.generation import generated
from tests.conformance.ground import Ground, Wrong, fail
from tests.conformance.kinds import Kind, kind_of
from tests.conformance.loading import load_wrapper
from tests.conformance.places import Place, place
from tests.conformance.recorder import Sentinel
from tests.conformance.runtime_twin import own_signature
from tests.conformance.workshop import Workshop


class Promised(Exception):
    """What a method raises that is declared never to return."""


REPLIES: dict[Kind, Callable[[], Any]] = {
    Kind.COROUTINE: lambda: async_scenarios.answer(1),
    Kind.AWAITED_BOUND: lambda: async_scenarios.answer(1),
    Kind.AWAITED_CLIENT: lambda: async_scenarios.answer(1),
    Kind.AWAITABLE: lambda: async_scenarios.answer(1),
    Kind.AWAITABLE_BOUND: lambda: async_scenarios.answer(1),
    Kind.MAYBE: lambda: async_scenarios.answer(1),
    Kind.AWAITED_OR_ITERATED: lambda: async_scenarios.answer(1),
    Kind.GENERATOR: lambda: scenarios.Items([1]),
    Kind.RETURNING_GENERATOR: lambda: scenarios.Items([1]),
    Kind.ITERATOR: lambda: scenarios.Items([1]),
    Kind.ASYNC_GENERATOR: lambda: async_scenarios.produce(1, []),
    Kind.ASYNC_ITERATOR: lambda: async_scenarios.produce(1, []),
    Kind.CONTEXT: lambda: scenarios.Manager(1),
    Kind.ASYNC_CONTEXT: lambda: async_scenarios.Manager(1),
    Kind.NEVER: lambda: fail(Promised()),
    Kind.AWAITED_OR_ENTERED: lambda: async_scenarios.Manager(1),
    Kind.BOUND_OR_ENTERED: lambda: async_scenarios.Manager(1),
}
ITERATED = (Kind.GENERATOR, Kind.RETURNING_GENERATOR, Kind.ITERATOR)


class Trial:
    """One method on trial: what the client accepts, what the wrapper shows, what a call gives."""

    def __init__(self, wrapper: type, ground: Ground, member: Place) -> None:
        self.wrapper = wrapper
        self.ground = ground
        self.path = member.path
        self.ours = own_signature(ground.wrapper, member.path)
        self.theirs = accepted_signature(member.owner, member.name, member.revealed) or self.ours
        kind = kind_of(member.owner, member.name, member.revealed, of_part="." in member.path)
        # A client for threads never gives what it says an event loop could await.
        waits = ground.asynchronous or kind not in (Kind.MAYBE, Kind.ANYTHING)
        self.kind = kind if waits else Kind.VALUE

    def failed(self, rule: Callable[..., Any], error: Exception) -> str:
        """The rule that was broken, and how; what it left behind must not disturb the next one."""
        self.ground = Ground(self.wrapper)
        self.ground.enter(self.path, required_only(self.ours or inspect.Signature()))
        how = str(error) if isinstance(error, Wrong) else f"{type(error).__name__}: {error}"
        return f"[{rule.__name__}] {rule.__doc__} But {how}"


def check_delegation(workshop: Workshop, client: Client) -> list[Found]:
    """Try every method that the ledger calls wrapped."""
    wrapper = load_wrapper(workshop, client)
    found: list[Found] = []
    with asyncio.Runner() as runner, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ground = Ground(wrapper)
        for entry in generated(workshop, client).ledger:
            if entry.fate != "wrapped":
                continue
            member = place(workshop, client, entry.name)
            if member.is_method:
                trial = Trial(wrapper, ground, member)
                found += [(entry.name, text) for text in runner.run(faults(trial))]
                ground = trial.ground
    return found


async def faults(trial: Trial) -> list[str]:
    """All that is wrong with one method."""
    if trial.ours is None:
        return ["the wrapper has no such method"]
    found = [text async for text in arguments_lost(trial, trial.ours)]
    trial.ground.enter(trial.path, required_only(trial.ours))
    for scenario in scenarios.SCENARIOS.get(plain_kind(trial.kind), ()):
        try:
            scenario(trial.ground)
        except Exception as error:
            found.append(trial.failed(scenario, error))
    for async_scenario in async_scenarios.ASYNC_SCENARIOS.get(trial.kind, ()):
        try:
            await asyncio.wait_for(async_scenario(trial.ground), 10)
        except Exception as error:
            found.append(trial.failed(async_scenario, error))
    return found


def plain_kind(kind: Kind) -> Kind:
    """What may have to be awaited may also be a plain value."""
    return Kind.VALUE if kind is Kind.MAYBE else kind


async def arguments_lost(trial: Trial, ours: inspect.Signature) -> AsyncIterator[str]:
    """Call in every way and compare what arrives with what was given."""
    ground = trial.ground
    for call in ways_to_call(ours):
        ground.path, ground.given = trial.path, call
        ground.start(REPLIES.get(trial.kind, lambda: Sentinel("value")))
        try:
            with contextlib.suppress(Promised):
                await finish(ground.call(), trial.kind)
            difference = compare(trial, call, ground.record.calls)
        except Exception as error:
            difference = f"{type(error).__name__}: {error}"
        if difference:
            yield f"called with {call.words}: {difference}"


async def finish(result: Any, kind: Kind) -> None:
    """Bring the result of a call to its end."""
    if kind in ITERATED:
        list(result)
    elif kind in (Kind.ASYNC_GENERATOR, Kind.ASYNC_ITERATOR):
        [item async for item in result]
    elif kind is Kind.CONTEXT:
        with result:
            pass
    elif kind in (Kind.ASYNC_CONTEXT, Kind.AWAITED_OR_ENTERED, Kind.BOUND_OR_ENTERED):
        async with result:
            pass
    elif kind in REPLIES:
        await result


def compare(
    trial: Trial, call: Given, calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]]
) -> str:
    """How the client was called, against how it would have been called without a wrapper."""
    if len(calls) != 1:
        return f"the client was called {len(calls)} times"
    name, args, kwargs = calls[0]
    if name != (trial.path.removesuffix(".__call__") or "__call__"):  # `client.files(...)`
        return f"the client's {name} was called"
    assert trial.theirs is not None
    wanted = bound(trial.theirs, tuple(call.args), call.kwargs)
    got = bound(trial.theirs, args, kwargs)
    wrong = [key for key in {**wanted, **got} if not identical(got.get(key), wanted.get(key))]
    return ", ".join(f"{key} is {got.get(key)!r}, not {wanted.get(key)!r}" for key in wrong)


def bound(
    signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """The arguments by parameter, defaults included."""
    found = signature.bind(*args, **kwargs)
    found.apply_defaults()
    return dict(found.arguments)


def identical(got: Any, wanted: Any) -> bool:
    """The same objects; the containers of `*args` and `**kwargs` are made anew for each call."""
    if isinstance(got, tuple) and isinstance(wanted, tuple):
        return len(got) == len(wanted) and all(map(identical, got, wanted))
    if isinstance(got, dict) and isinstance(wanted, dict) and got and wanted:
        return got.keys() == wanted.keys() and all(identical(got[k], wanted[k]) for k in got)
    return got is wanted or (type(got) is type(wanted) and got == wanted)
