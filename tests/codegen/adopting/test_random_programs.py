"""What is written for random programs is Python, type-checks as before and does the same."""

import itertools
import subprocess
import sys
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from connpool_gen.adopting.checking import Checker
from connpool_gen.adopting.files import read_files
from tests.codegen.adopting.programs import Program, programs
from tests.codegen.adopting.projects import Project, inside
from tests.thorough import thorough

# Programs are type-checked together: one run over many costs little more than one over few.
TOGETHER = 24
RUN = """
import importlib, sys
for name in sys.argv[1:]:
    print(name, importlib.import_module(name).main())
"""
_numbers = itertools.count()


def what_they_do(project: Project, names: list[str]) -> list[str]:
    """Run the programs in a process of their own; what each gives."""
    command = [sys.executable, "-c", RUN, *names]
    done = subprocess.run(command, cwd=project.folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def errors(project: Project, folder: str) -> Counter[str]:
    """Type-check the programs; the errors of each, with one name for client and wrapper."""
    with inside(project.folder):
        files, unread = read_files([Path(folder)])
        assert unread == []
        checker = Checker(files, project.targets(), project.cache)
        found = checker.check([], {}).findings
    return Counter(f"{e.path} {e.message.replace('ShopPool', 'Shop')}" for e in found)


@thorough
@settings(
    max_examples=2,  # the first one is as simple as can be
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    database=None,
)
@given(st.lists(programs(), min_size=TOGETHER, max_size=TOGETHER))
def test_random_programs_are_moved(shops: Project, drawn: list[Program]) -> None:
    """Random programs parse, type-check as before and do the same after the move."""
    folder = f"programs_{next(_numbers)}"
    names = [f"{folder}.p{number}" for number in range(len(drawn))]
    shops.write({f"{folder}/p{i}.py": p.text.encode() for i, p in enumerate(drawn)})
    shops.write({f"{folder}/__init__.py": b""})
    did, said = what_they_do(shops, names), errors(shops, folder)
    adoption = shops.adopt(folder)
    assert len(adoption.files) > len(drawn) / 2
    shops.write_moved(adoption)
    assert what_they_do(shops, names) == did
    assert errors(shops, folder) - said == Counter()
