"""The rules of this repository that a tool can check: who imports whom, sizes, names, docstrings."""

import ast
import functools
import gc
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from connpool_gen.rendering.format import format_source
from connpool_runtime import Pool

ROOT = Path(__file__).parents[1]
CODEGEN = ROOT / "codegen" / "connpool_gen"
RUNTIME = ROOT / "runtime" / "connpool_runtime"
# Integrations: folders and modules that may import a library, in the file that is about it.
INTEGRATIONS = (
    "middleware",
    "metrics",
    "connectors",
    "discovery",
    "admin",
    "ctl",
    "grpc",
    "grpc_aio",
    "testing",
)
OURS = {"connpool_gen", "connpool_runtime"}
PROBE = ["connpool_gen", "probe"]

# Folders and modules that only decide: time, randomness, locks and I/O are arguments of theirs.
PURE = (
    "_tracebacks.py",
    "options/validation.py",
    "admin/health.py",
    "connectors/config/masking.py",
    "connectors/config/service_links.py",
    "connectors/config/urls.py",
    "admin/aggregation.py",
    "admin/quantiles.py",
    "admin/stats_from_document.py",
    "backoff.py",
    "_concurrency/deferred_work.py",
    "_concurrency/fifo.py",
    "_concurrency/single_flight.py",
    "balancing",
    "breaker",
    "calls",
    "classifiers",
    "clients",
    "config/validation.py",
    "config/differences.py",
    "config/layers.py",
    "config/line_numbers.py",
    "config/problems.py",
    "config/schema.py",
    "config/effective.py",
    "config/tables.py",
    "discovery/endpoint.py",
    "discovery/errors.py",
    "discovery/metadata_keys.py",
    "discovery/connector_endpoint.py",
    "discovery/reconcile.py",
    "discovery/tracker.py",
    "events/types.py",
    "health/schedule.py",
    "members",
    "middleware/gradient.py",
    "options/__init__.py",
    "options/durations.py",
    "options/schema.py",
    "registry/names.py",
    "sharing/reference_counts.py",
    "sharing/index.py",
    "sharing/table.py",
    "stats/counters.py",
    "stats/histogram.py",
    "stats/types.py",
)

# The only files of the generator that may import a heavy library, so that it can be replaced in one place.
ONE_PLACE = {
    "ruff": ["rendering/format.py"],
    "jinja2": ["rendering/render.py"],
    # Reading with it, and verifying with it.
    # ... and moving code by what it knows of every expression.
    "mypy": [
        "adopting/blame.py",
        "adopting/checking.py",
        "adopting/symbols.py",
        "adopting/uses.py",
        "reading/annotations.py",
        "reading/mypy_build.py",
        "reading/mypy_options.py",
        "reading/mypy_reader.py",
        "reading/public_names.py",
        "reading/reexports.py",
        "reading/result_kinds.py",
        "reading/untyped_packages.py",
        "verifying/follow_imports.py",
        "verifying/verify.py",
    ],
    "tomlkit": ["editing/manifest_text.py"],
    "typer": ["cli.py"],
}
IMPURE = {
    "asyncio",
    "concurrent",
    "logging",
    "os",
    "queue",
    "random",
    "select",
    "socket",
    "subprocess",
}
IMPURE |= {"threading", "time", "warnings"}
MACHINE_PATH = re.compile(rb"(^|[^.\w])/(work|farm|root|home/\w+)/")


@dataclass(frozen=True)
class Import:
    """One import statement: `module` is absolute, `names` are what a from-import takes."""

    module: str
    names: tuple[str, ...] = ()

    @property
    def package(self) -> str:
        return self.module.partition(".")[0]


def python_files(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


def source_files() -> list[Path]:
    made_by_protoc = (ROOT / "examples" / "greeter").glob("greeter_pb2*")
    folders = (CODEGEN, RUNTIME, ROOT / "benchmarks", ROOT / "examples")
    return sorted(set(python_files(*folders)) - set(made_by_protoc))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def each(paths: list[Path]) -> pytest.MarkDecorator:
    assert paths, "a rule about no file is no rule"
    return pytest.mark.parametrize("path", paths, ids=name_of)


@functools.cache
def parsed(path: Path) -> ast.Module:
    """Return the tree of a source file; many rules look at each of them."""
    # CPython 3.11 loses count of its depth if a collection runs other code in the middle of parsing.
    gc.disable()
    try:
        return ast.parse(path.read_text())
    finally:
        gc.enable()


def imports_of(path: Path) -> Iterator[Import]:
    """All imports, also those inside functions and under TYPE_CHECKING."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names)
            yield Import("." * node.level + (node.module or ""), names)


def test_no_relative_imports() -> None:
    """Imports are absolute, so that the rules below see every one of them."""
    relative = [
        (name_of(path), found.module)
        for path in source_files()
        for found in imports_of(path)
        if found.module.startswith(".")
    ]
    assert relative == []


@each(python_files(ROOT / "generated"))
def test_generated_code_needs_only_the_runtime(path: Path) -> None:
    """A wrapper imports of this repository nothing but connpool_runtime."""
    assert {found.package for found in imports_of(path)} & OURS <= {"connpool_runtime"}


@each(python_files(ROOT / "generated"))
def test_generated_code_is_laid_out_by_ruff(path: Path) -> None:
    """A wrapper is what `ruff format` makes of it, if the line that keeps formatters off is not there."""
    text = path.read_text()
    assert text.count("# fmt: off\n") == 1
    text = text.replace("# fmt: off\n", "")
    assert format_source(text) == text


@each(python_files(CODEGEN))
def test_the_generator_does_not_use_the_runtime(path: Path) -> None:
    """connpool_gen imports connpool_runtime only to state its version."""
    taken = {found.names for found in imports_of(path) if found.package == "connpool_runtime"}
    assert taken <= {("__version__",)}


@each(python_files(CODEGEN))
def test_one_heavy_import_one_file(path: Path) -> None:
    """Each heavy library is imported by the one file that stands for it; mypy by those that read types."""
    place = str(path.relative_to(CODEGEN))
    foreign = {
        found.package
        for found in imports_of(path)
        if place not in ONE_PLACE.get(found.package, [place])
    }
    assert foreign == set()


@each(python_files(RUNTIME))
def test_the_runtime_does_not_know_the_generator(path: Path) -> None:
    """connpool_runtime never imports connpool_gen."""
    assert "connpool_gen" not in {found.package for found in imports_of(path)}


def pure_files() -> list[Path]:
    files = [path for name in PURE for path in (python_files(RUNTIME / name) or [RUNTIME / name])]
    return sorted(files)


@each(pure_files())
def test_decisions_are_pure(path: Path) -> None:
    """What only decides has no clock, randomness, threads, event loop, logging or I/O."""
    assert {found.package for found in imports_of(path)} & IMPURE == set()


@each(python_files(RUNTIME))
def test_what_is_collected_under_the_lock_is_done_after_it(path: Path) -> None:
    """A block with `state.lock` stands in one with `state.after_lock`, which acts on leaving."""
    assert list(bare_locks(parsed(path))) == []


# The primitives of `_concurrency`, and the one lock under which listeners run, who may fork.
OWN_LOCKS = (
    "_concurrency/forks.py",
    "_concurrency/locks.py",
    "_concurrency/threads.py",
    "events/dispatcher.py",
)


@each(python_files(RUNTIME))
def test_every_lock_is_free_in_a_child_process(path: Path) -> None:
    """Locks are made by `new_lock`, which knows of forks."""
    made = {
        ast.unparse(node.func).rpartition(".")[2]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and not ast.unparse(node.func).startswith("asyncio.")
    }
    locks = made & {
        "Lock",
        "RLock",
        "Condition",
        "Semaphore",
        "BoundedSemaphore",
        "allocate_lock",
        "plain_lock",
    }
    assert not locks or str(path.relative_to(RUNTIME)) in OWN_LOCKS


# What `after_lock` itself runs, until nothing is left to do.
ACTS = {"_hand_over"}


def bare_locks(node: ast.AST, *, acts: bool = False) -> Iterator[str]:
    """Name the places where the lock of a pool's state is taken without acting after it."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        acts = node.name in ACTS
    if isinstance(node, ast.With):
        for item in node.items:
            managed = ast.unparse(item.context_expr)
            acts = acts or managed.endswith("state.after_lock")
            if managed.endswith("state.lock") and not acts:
                yield f"line {node.lineno}: with {managed}"
    for child in ast.iter_child_nodes(node):
        yield from bare_locks(child, acts=acts)


# Type checkers have the names of this package in their own stubs, so under TYPE_CHECKING it is no
# dependency; that it is imported nowhere else shows wherever the runtime is imported without it.
BROUGHT_BY_CHECKERS = {"typing_extensions"}


@each(python_files(RUNTIME))
def test_libraries_stay_in_their_integrations(path: Path) -> None:
    """Outside the integrations the runtime imports the standard library only, even inside functions."""
    place = path.relative_to(RUNTIME).parts[0].removesuffix(".py")
    own = sys.stdlib_module_names | OURS | BROUGHT_BY_CHECKERS
    foreign = {found.package for found in imports_of(path)} - own
    assert place in INTEGRATIONS or foreign == set()


def test_importing_the_runtime_loads_nothing_else() -> None:
    """`import connpool_runtime` loads the standard library and itself, whatever is installed."""
    packages = {name.partition(".")[0] for name in loaded_by("import connpool_runtime")}
    assert packages - sys.stdlib_module_names - {"__main__"} == {"connpool_runtime"}


def test_the_command_starts_without_heavy_libraries() -> None:
    """What only some runs need is loaded by those: a check that finds all up to date needs none of it."""
    heavy = ("jinja2", "libcst", "mypy", "tomlkit")
    code = (
        f"import sys, connpool_gen.cli; print(*[name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_importing_the_runtime_is_quick() -> None:
    """What calls do not need is loaded when it is first asked for; then it is there under its name."""
    late = {
        "asyncio",
        "connpool_runtime.clients.settings",
        "connpool_runtime.events.types",
        "connpool_runtime.stats.types",
    }
    unasked = {"ast", "dataclasses", "difflib", "inspect", "textwrap"}  # for messages and help()
    if sys.version_info >= (3, 14):
        unasked.remove("ast")  # `typing` itself imports it for the first protocol
    assert not (late | unasked) & loaded_by("import connpool_runtime; connpool_runtime.Pool()")
    asked = "import connpool_runtime as c; [getattr(c, name) for name in c.__all__]"
    assert loaded_by(asked) >= late - {"asyncio"}
    with pytest.raises(ImportError, match="MemberAded"):
        exec("from connpool_runtime import MemberAded")


def loaded_by(program: str) -> set[str]:
    """Return the modules that a program loads in a process without installed packages."""
    setting = f"import sys; sys.path[:0] = [{str(RUNTIME.parent)!r}]"
    command = [sys.executable, "-S", "-c", f"{setting}; {program}; print(*sys.modules)"]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def module_name(path: Path, source: Path) -> str:
    """The name under which a file of a source folder is imported."""
    parts = path.relative_to(source).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def import_graph(package: Path) -> dict[str, set[str]]:
    """Each module of a package with those of its modules that it imports, wherever it does so."""
    files = {module_name(path, package.parent): path for path in python_files(package)}
    graph: dict[str, set[str]] = {name: set() for name in files}
    for name, path in files.items():
        for found in imports_of(path):
            named = {f"{found.module}.{taken}" for taken in found.names}
            submodules = named & files.keys()
            graph[name] |= submodules
            if (named - submodules or not named) and found.module in files:
                graph[name].add(found.module)
    return graph


def reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    """All that a module imports, and what that imports."""
    seen: set[str] = set()
    ahead = [*graph[start]]
    while ahead:
        name = ahead.pop()
        if name not in seen:
            seen.add(name)
            ahead += graph[name]
    return seen


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The groups of modules that import each other, directly or by way of others."""
    below = {name: reachable(graph, name) for name in graph}
    groups = {
        tuple(sorted(other for other in below[name] if name in below[other]))
        for name in graph
        if name in below[name]
    }
    return [list(group) for group in sorted(groups)]


@pytest.mark.parametrize("package", [CODEGEN, RUNTIME], ids=lambda package: package.name)
def test_no_import_circles(package: Path) -> None:
    """No module is imported by what it imports, counting imports in functions and under TYPE_CHECKING."""
    graph = import_graph(package)
    assert sum(map(len, graph.values())) > 10, "a graph without arrows has no circles"
    assert circles(graph) == []


def test_circles_are_found() -> None:
    """The search finds a circle over several modules, and one of a module with itself."""
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"d"}, "e": {"a"}}
    assert circles(graph) == [["a", "b", "c"], ["d"]]


def test_the_generator_has_few_modules_at_its_root() -> None:
    """What is about one step of the pipeline stands in that step's folder."""
    assert len([path for path in CODEGEN.glob("*.py") if path.name != "__init__.py"]) <= 8


def test_the_runtime_has_few_modules_at_its_root() -> None:
    """A concern is a folder; at the root stands what generated code imports, and the ground."""
    assert len([path for path in RUNTIME.glob("*.py") if path.name != "__init__.py"]) <= 14


def test_a_pool_inherits_from_one_class_of_ours() -> None:
    """What a pool consists of it holds: it has three classes of the project in its order of resolution at most."""
    ours = [cls for cls in Pool.__mro__ if cls.__module__.startswith("connpool_runtime")]
    assert len(ours) <= 3


# The folders of the runtime from bottom to top; what stands on one line may not import each other.
LAYERS = (
    {"_tracebacks"},
    {
        "errors",
        "_extras",
        "_log",
        "backoff",
        "defaults",
        "typing",
        "_hashing",
    },
    {"options"},
    {"_concurrency", "deadlines"},
    {"breaker"},
    {"classifiers", "clients"},
    {"members", "stats"},
    {"calls", "events"},
    {"balancing"},
    {"settings"},
    {"checkout"},
    {"results", "middleware", "connectors"},
    {"health", "sharing"},
    {"discovery"},
    {"pool"},
    {"registry", "config"},
    {"manager"},
    {"metrics", "testing", "grpc", "grpc_aio"},
    {"admin"},
    {"ctl"},
)


def test_imports_only_go_down() -> None:
    """A folder of the runtime imports from those below it, and from itself."""
    layer = {name: level for level, names in enumerate(LAYERS) for name in names}
    prefix = f"{RUNTIME.name}."
    rising = {
        (module, target)
        for module, targets in import_graph(RUNTIME).items()
        for target in targets
        if module.startswith(prefix) and target.startswith(prefix)
        for above, below in [(module.split(".")[1], target.split(".")[1])]
        if above != below and layer[above] <= layer[below]
    }
    assert rising == set()


@each(sorted((ROOT / "templates").glob("*.j2")))
def test_templates_only_arrange(path: Path) -> None:
    """A template computes nothing: it sets no variable, and no filter changes a string but its indentation."""
    text = path.read_text()
    assert re.findall(r"{%-? *(set|call|filter)\b", text) == []
    assert set(re.findall(r"\| *(\w+)", text)) <= {"indent"}


@each(python_files(CODEGEN / "probe"))
def test_the_probe_stands_alone(path: Path) -> None:
    """The process that imports the client has the standard library only, so it disturbs no client."""
    taken = [found for found in imports_of(path) if found.module.split(".")[:2] != PROBE]
    assert {found.package for found in taken} <= sys.stdlib_module_names


# What reads or writes text, and from which argument on its encoding may stand without its name.
PROCESSES = {"run", "Popen", "check_output"}
TEXT_FILES = {"open": 3, "fdopen": 3, "read_text": 0, "write_text": 1, "NamedTemporaryFile": 4}


def test_text_has_an_encoding() -> None:
    """No text is read or written in the encoding of the system, which is another on Windows."""
    found = [
        f"{name_of(path)}:{line}"
        for path in python_files(CODEGEN, RUNTIME, ROOT / "tools")
        for line in without_encoding(parsed(path))
    ]
    assert found == []


def test_text_without_an_encoding_is_found() -> None:
    """The rule sees methods and functions, text as a mode, and pipes of other processes; bytes need none."""
    code = """
open(name), path.open("w"), path.read_text(), path.write_text(text), run(command, text=True)
open(name, "rb"), path.open("wb"), path.read_text("utf-8"), run(command, text=True, encoding="utf-8")
path.write_text(text, encoding="utf-8"), os.open(name, flags), opener.open()
"""
    assert [*without_encoding(ast.parse(code))] == [2, 2, 2, 2, 2]


def without_encoding(tree: ast.Module) -> Iterator[int]:
    """The lines with calls that leave the encoding of a text to the system."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        named = {keyword.arg for keyword in node.keywords}
        called = ast.unparse(node.func)
        name = called.rpartition(".")[2]
        if name in PROCESSES and "text" in named and "encoding" not in named:
            yield node.lineno
        if name not in TEXT_FILES or called == "os.open" or "encoding" in named:
            continue
        place = 0 if called.endswith(".open") else 1
        mode = str(getattr(next(iter(node.args[place:]), None), "value", ""))
        is_ours = called.endswith(".open") and not (mode and set(mode) <= set("rwxab+t"))
        if is_ours or "b" in mode or len(node.args) > TEXT_FILES[name]:
            continue
        yield node.lineno


@each(python_files(ROOT / "tests"))
def test_every_test_states_its_rule(path: Path) -> None:
    """Every test has a docstring that says what must be true."""
    silent = [
        node.name
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert silent == []


@pytest.mark.parametrize("package", sorted(OURS))
def test_all_is_true(package: str) -> None:
    """`__all__` of a package's root names what the root imports from its own modules, all of it, each once."""
    module = importlib.import_module(package)
    assert module.__file__ is not None
    offered = {
        name
        for found in imports_of(Path(module.__file__))
        if found.package == package
        for name in found.names
        if not name.startswith("_")
    }
    listed = [name for name in module.__all__ if name != "__version__"]
    assert len(listed) == len(set(listed))
    assert set(listed) == offered
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


def test_both_packages_are_typed() -> None:
    """Each import package carries the marker that makes type checkers read it."""
    assert (CODEGEN / "py.typed").is_file()
    assert (RUNTIME / "py.typed").is_file()


def test_no_path_of_one_machine() -> None:
    """No committed file names a folder that only one machine has."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True
    ).stdout
    files = [ROOT / name.decode() for name in listed.split(b"\0") if name]
    assert files
    assert [
        name_of(path) for path in files if path.exists() and MACHINE_PATH.search(path.read_bytes())
    ] == []


def test_requirements_name_no_host() -> None:
    """The exported requirements hold versions and hashes, and leave the index to the machine."""
    for path in (ROOT / "requirements").glob("*.txt"):
        assert re.findall(r"https?:|file:|--index|--find-links| @ ", path.read_text()) == []
