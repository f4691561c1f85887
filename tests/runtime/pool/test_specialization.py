"""What a call looks up is found at once: CPython 3.11 has specialized each access to an attribute.

An access that it cannot specialize costs some hundredths of a call of a pool. Among those are defaults on the class,
functions in attributes of an instance that are called like methods, and methods of a class that has had an
attribute of that name in any instance, even by a `del` of what was not there.
"""

import subprocess
import sys
from textwrap import dedent

import pytest

pytestmark = pytest.mark.skipif(
    sys.implementation.name != "cpython" or sys.version_info[:2] != (3, 11),
    reason="how an access is specialized is read from the bytecode of CPython 3.11",
)

# Which accesses were looked up anew in the latest calls is told by their counters. Those of `wrapped` to `pool.call`
# are left out where middleware has replaced that: Python 3.11 cannot specialize it then.
PROGRAM = """
    import dis
    import sys
    from connpool_runtime import Pool, deadline, method
    from connpool_runtime.middleware import *

    class Client:
        def get(self, number):
            return None

    @method("get", idempotent=True, hash_key="number")
    def get(client, packed):
        (number,) = packed
        return client.get(number)

    class Wrapper:
        def __init__(self, pool):
            self.pool = pool

        def wrapped(self, number):
            return self.pool.call(get, (number,))

    def functions_run():
        found = set()

        def trace(frame, event, arg):
            if "connpool_runtime" in frame.f_code.co_filename or frame.f_code.co_name == "wrapped":
                found.add(frame.f_code)

        sys.settrace(trace)
        wrapper.wrapped(1)
        sys.settrace(None)
        return found

    def counters(functions):
        found = {}
        for code in functions:
            access = None
            for one in dis.get_instructions(code, show_caches=True, adaptive=True):
                if one.opname != "CACHE":
                    access = one
                elif one.argrepr.startswith("counter") and access.opname in GENERIC:
                    found[code.co_qualname, access.offset, access.argval] = one.argrepr
        return found

    GENERIC = {"LOAD_ATTR_ADAPTIVE", "LOAD_METHOD_ADAPTIVE", "STORE_ATTR_ADAPTIVE", "LOAD_GLOBAL_ADAPTIVE"}
    pool = Pool(**OPTIONS)
    for middleware in MIDDLEWARE:
        pool.register_middleware(middleware)
    ADD
    wrapper = Wrapper(pool)
    with deadline(1e6):
        for _ in range(5_000):
            wrapper.wrapped(1)
        functions = functions_run()
        for _ in range(2_000):
            wrapper.wrapped(1)
        before = counters(functions)
        for _ in range(3):
            wrapper.wrapped(1)
    for place, counter in counters(functions).items():
        if before.get(place) != counter and not ("call" in vars(pool) and place[2] == "call"):
            print(place[0], "looks up", place[2])
    print(len(functions), "functions")
"""
SHARED = "for n in range(3): pool.add_client(Client(), str(n))"


@pytest.mark.parametrize(
    ("middleware", "options", "add"),
    [
        ("", "", SHARED),
        ("Retry()", "", SHARED),
        ("Retry(), Deadline(5.0)", "", SHARED),
        ("Retry(), ErrorLog(), Deadline(5.0)", "", SHARED),
        ("Bulkhead(100)", "", SHARED),
        ("AdaptiveLimit()", "", SHARED),
        ("MethodBreaker(3)", "", SHARED),
        ("RateLimit(1e9)", "", SHARED),
        ("lambda call, proceed: proceed(call)", "", SHARED),
        ("", "balancer='least_request'", SHARED),
        ("", "balancer='consistent_hash'", SHARED),
        ("", "balancer='weighted_round_robin'", SHARED),
        ("", "max_concurrency=1", SHARED),
        ("", "", "pool.add_endpoint(Client, 'a', max_size=2)"),
    ],
    ids=lambda value: value.split("(")[0] or "-",
)
def test_nothing_is_looked_up_anew(middleware: str, options: str, add: str) -> None:
    """In a call that succeeds no attribute and no global name is searched for, in the set-ups that people run."""
    program = (
        dedent(PROGRAM)
        .replace("MIDDLEWARE", f"[{middleware}]")
        .replace("**OPTIONS", options)
        .replace("ADD", add)
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *looked_up, functions = done.stdout.splitlines()
    assert looked_up == []
    assert int(functions.split()[0]) > 1
