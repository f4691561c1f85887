"""Names and who makes what is missing: decisions only."""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from connpool_runtime import AlreadyExists, NotFound, PoolClosed
from connpool_runtime._concurrency.single_flight import AttemptState
from connpool_runtime.registry.names import NameEntry, NameTable
from tests.thorough import examples

NAMES = st.sampled_from(["a", "b", "c"])


class Gate:
    def __init__(self) -> None:
        self.is_open = False

    def open(self) -> None:
        assert not self.is_open
        self.is_open = True


class Names(RuleBasedStateMachine):
    """A names beside a plain dict of what it should hold."""

    def __init__(self) -> None:
        super().__init__()
        self.names: NameTable[int] = NameTable("test")
        self.known: dict[str, int] = {}
        self.making: dict[str, NameEntry[int]] = {}
        self.count = 0
        self.closed = False

    @rule(name=NAMES)
    def claim(self, name: str) -> None:
        if self.closed:
            with pytest.raises(PoolClosed):
                self.names.claim(NameEntry(name, None, Gate()))
            return
        own: NameEntry[int] = NameEntry(name, None, Gate())
        entry = self.names.claim(own)
        ours = entry is own
        assert ours == (name not in self.known and name not in self.making)
        if ours:
            self.making[name] = entry
        elif name in self.making:
            assert entry is self.making[name]
        else:
            assert entry.value == self.known[name]

    @rule(data=st.data(), fails=st.booleans(), error=st.sampled_from([OSError(), None]))
    def finish(self, data: st.DataObject, fails: bool, error: Any) -> None:
        if not self.making:
            return
        name = data.draw(st.sampled_from(sorted(self.making)))
        entry = self.making.pop(name)
        self.count += 1
        if self.closed:
            with pytest.raises(PoolClosed):
                self.names.ready(entry, self.count)
            fails = True
        if fails:
            self.names.failed(entry, error)
            self.names.failed(entry, error)
            expected = AttemptState.ABANDONED if error is None else AttemptState.FAILED
            assert entry.state is expected
        else:
            self.names.ready(entry, self.count)
            self.known[name] = self.count
        assert entry.gate.is_open

    @rule(name=NAMES)
    def add(self, name: str) -> None:
        self.count += 1
        if self.closed:
            with pytest.raises(PoolClosed):
                self.names.add(name, self.count, None)
        elif name in self.known or name in self.making:
            with pytest.raises(AlreadyExists):
                self.names.add(name, self.count, None)
        else:
            self.names.add(name, self.count, None)
            self.known[name] = self.count

    @rule(name=NAMES)
    def remove(self, name: str) -> None:
        if self.closed:
            with pytest.raises(PoolClosed):
                self.names.remove(name)
        elif name in self.known:
            assert self.names.remove(name).value == self.known.pop(name)
        else:
            with pytest.raises(NotFound):
                self.names.remove(name)

    @rule()
    def close(self) -> None:
        left = self.names.close()
        assert {entry.name: entry.value for entry in left} == self.known
        self.known.clear()
        self.closed = True

    @invariant()
    def names_are_sorted_and_ready(self) -> None:
        """Only what is ready has a name, and names come sorted."""
        assert self.names.names() == sorted(self.known)


TestNames = Names.TestCase
TestNames.settings = settings(max_examples=examples(100), stateful_step_count=30, deadline=None)
