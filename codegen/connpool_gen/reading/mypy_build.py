"""Runs mypy inside this process, and leaves the process as it was."""

from __future__ import annotations

import gc
import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TextIO

from mypy import build
from mypy.errors import CompileError
from mypy.modules_state import modules_state
from mypy.typestate import type_state

from connpool_gen.errors import ReadError

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable, Mapping

    from mypy.build import SCC, BuildManager, BuildResult, Graph, State
    from mypy.modulefinder import BuildSource
    from mypy.nodes import MypyFile
    from mypy.options import Options

__all__ = ["BuildPart", "IncrementalBuild", "ends_told", "run_mypy"]

# Objects made since the last collection, after which what earlier builds left behind is collected.
_MANY_OBJECTS = 3_000_000


def run_mypy(
    sources: list[BuildSource],
    options: Options,
    stderr: TextIO | None = None,
    *,
    load_all: bool = False,
) -> BuildResult:
    """Run a build of mypy.

    Arguments:
        sources: what to check.
        options: mypy's.
        stderr: where mypy reports why it cannot continue; its own if not given.
        load_all: the result has all modules of the build, see `_load`.

    Raises:
        CompileError: mypy cannot continue.
        ReadError: its cache cannot be used, or it has ended the process.
    """
    with ends_told(options), _garbage_collector_off(options):
        result = build.build(sources, options, stderr=stderr)
        if load_all:
            _load(result.graph.keys(), result)
        # mypy leaves its cache open until exit; Python 3.13 warns about databases that are not closed.
        result.manager.metastore.close()
        return result


@contextmanager
def ends_told(options: Options) -> Generator[None]:
    """Raise a ReadError where mypy fails on its cache, or ends the process after it has printed the reason."""
    try:
        yield
    except sqlite3.Error as error:
        raise ReadError(
            f"the type checker cannot use its cache in {options.cache_dir}: {error}; delete that folder, or name "
            "another one with CONNPOOL_GEN_CACHE"
        ) from error
    except SystemExit as error:
        raise ReadError("the type checker stopped, for the reason that it printed") from error


@contextmanager
def _garbage_collector_off(options: Options) -> Generator[None]:
    """Turn the garbage collector off for a build, and set it back as it was.

    Nearly all objects of a build live until its end, and each collection would go through all that are new. mypy
    itself has the collector off in parts of a build, and all but off from then on, since it expects its process
    to end soon. A program that calls the generator goes on, and would never free reference cycles.
    """
    enabled, thresholds = gc.isenabled(), gc.get_threshold()
    if not enabled and gc.get_count()[0] > _MANY_OBJECTS:
        gc.collect()  # the caller has it off, but an earlier build is one large cycle
    gc.disable()
    # Without this flag mypy turns the collector on in the midst of a build. Besides that it has mypy skip errors
    # in the standard library, which are ignored anyway.
    options.test_env = True
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        if enabled:
            gc.enable()


@dataclass(frozen=True, slots=True)
class BuildPart:
    """The part of a build that some texts import, directly or not; what other texts brought is left out."""

    result: BuildResult
    modules: Mapping[str, MypyFile]
    states: Mapping[str, State]

    @staticmethod
    def of(result: BuildResult, names: Iterable[str]) -> BuildPart:
        """Return the part that consists of these modules, in the order of the build."""
        wanted = frozenset(names)
        return BuildPart(
            result,
            {name: tree for name, tree in result.manager.modules.items() if name in wanted},
            {name: state for name, state in result.graph.items() if name in wanted},
        )

    @staticmethod
    def whole(result: BuildResult) -> BuildPart:
        """Return all of a build."""
        return BuildPart(result, result.manager.modules, result.graph)


class IncrementalBuild:
    """A build of mypy that texts are added to: what they have in common is analyzed, or loaded, once.

    A build of its own for each text would load what is known of a client's modules each time, of which there
    may be thousands. mypy's daemon adds modules in the same way, by `load_graph` with the graph that it has; its
    own interface keeps track of all dependences of changed files, which takes longer than a build. Files are taken
    as they were when the build began.

    Clients may share a build: `begin_another` stands between them, and `imported` is what the texts of one import.

    Not safe for threads. `close` it, or use it as a context manager: its cache stays open meanwhile.

    Arguments:
        options: mypy's. They may be changed between checks, for modules that are not part of the build yet.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self._result: BuildResult | None = None
        self._messages: list[str] = []
        self._texts: set[str] = set()  # the modules that were given as texts since the client began
        self._imported: set[str] = set()  # these, and what they import
        self._is_shared = False

    def check(self, sources: list[BuildSource]) -> BuildResult:
        """Check texts, together with all modules that they import.

        A module that was checked before is checked anew. The result tells of all modules of all checks;
        its errors are those of this check.

        Raises:
            CompileError: mypy cannot continue; the next check begins a new build.
            ReadError: its cache cannot be used, or it has ended the process.
        """
        self._messages = []
        last = self._result
        self._result = None  # what an exception leaves half done is not used again
        texts = {source.module for source in sources}
        self._texts |= texts
        self.options.build_per_module_cache()  # they may have been changed
        try:
            with ends_told(self.options), _garbage_collector_off(self.options):
                if last is None or not self._add(last, sources):
                    last = build.build(sources, self.options, flush_errors=self._flush)
        except CompileError as error:
            error.messages = self._messages
            raise
        self._result = last
        self._imported |= _imported_by(texts, last.graph)
        last.errors = self._messages
        return last

    def begin_another(self, options: Options) -> None:
        """Begin with the next client: the texts of the last one are forgotten, what they import is kept.

        Where a module of the build imports such a text, all of it is let go: the text may be a file by now.

        Arguments:
            options: mypy's; those that hold for all modules must be those of the build.
        """
        last = self._result
        if last is not None:
            others = [state for name, state in last.graph.items() if name not in self._texts]
            if any(not self._texts.isdisjoint(state.dependencies_set) for state in others):
                self.close()
            else:
                _forget(self._texts, last)
                _look_anew(last)
                self._is_shared = True
        self._texts, self._imported = set(), set()
        # mypy's build holds on to the object.
        self.options.export_types = options.export_types
        self.options.preserve_asts = options.preserve_asts
        self.options.per_module_options = options.per_module_options

    @property
    def imported(self) -> BuildPart:
        """What the texts of this client import, after a check that mypy did not stop."""
        _load(self._imported, self.result)
        return BuildPart.of(self.result, self._imported)

    @property
    def result(self) -> BuildResult:
        """The result of the last check; there must have been one that mypy did not stop."""
        assert self._result is not None
        return self._result

    def close(self) -> None:
        """Close mypy's cache and let go of the build; calling it again does nothing."""
        last, self._result = self._result, None
        self._is_shared = False
        if last is not None:
            last.manager.metastore.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _flush(self, _path: str | None, messages: list[str], _is_serious: bool) -> None:
        self._messages += messages

    def _add(self, last: BuildResult, sources: list[BuildSource]) -> bool:
        """Add modules to a build; return False, with the build closed, where that cannot be done.

        A module of the build that depends on an added one would have to be analyzed again. And mypy keeps some
        of what belongs to a build in globals, which another build since has made its own.
        """
        manager = last.manager
        done = False
        try:
            if modules_state.modules is manager.modules:
                manager.errors.reset()
                _forget({source.module for source in sources}, last)
                done = _load_and_process(sources, last.graph, manager)
        except CompileError as error:
            # Another client may have the same file under another name.
            if not self._is_shared:
                self._messages += error.messages
                raise
            self._messages.clear()
        except (Exception, SystemExit):  # mypy exits after an internal error
            # What is used here of mypy is not promised. A build of its own does the same, and takes longer.
            self._messages.clear()
        finally:
            if not done:
                manager.metastore.close()
        self._is_shared &= done
        return done


def _forget(modules: Collection[str], last: BuildResult) -> None:
    """Remove modules that are to be checked again."""
    for module in modules:
        last.graph.pop(module, None)
        last.manager.modules.pop(module, None)
        last.manager.ast_cache.pop(module, None)


def _load(modules: Collection[str], result: BuildResult) -> None:
    """Load those of these modules from mypy's cache that mypy itself did not need, as it does with what it needs.

    An example is a package of which only a module is imported. Otherwise the content of the cache would
    decide whether the package is loaded, and with it the names under which a wrapper imports the package's
    exports. With a module all that it imports must be among `modules`.
    """
    manager = result.manager
    missing = {name for name in modules if name not in manager.modules}
    if not missing:
        return
    for component in map(manager.scc_by_id.__getitem__, manager.top_order):  # dependences first
        if not missing.isdisjoint(component.mod_ids):
            manager.done_sccs.add(component.id)
            build.process_fresh_modules(result.graph, sorted(component.mod_ids), manager)


def _look_anew(last: BuildResult) -> None:
    """Have mypy look for modules as if for the first time: files may have been written since."""
    manager = last.manager
    manager.fscache.flush()
    manager.find_module_cache.clear()
    missed = {name for state in last.graph.values() for name in state.suppressed_set}
    for name in manager.missing_modules.keys() - missed:
        del manager.missing_modules[name]


def _imported_by(modules: Collection[str], graph: Graph) -> set[str]:
    """List these modules and all that they import, directly or not, with the packages that these lie in."""
    found: set[str] = set()
    open_ends = list(modules)
    while open_ends:
        name = open_ends.pop()
        state = graph.get(name)
        if state is not None and name not in found:
            found.add(name)
            open_ends += [*state.dependencies, *(state.ancestors or ())]
    return found


def _load_and_process(sources: list[BuildSource], graph: Graph, manager: BuildManager) -> bool:
    """Add modules with all that they import to a graph; return False if a module that was there imports them."""
    old = set(graph)
    added: list[State] = []
    build.load_graph(sources, manager, graph, added)
    names = {state.id for state in added}
    if any(not names.isdisjoint(graph[module].dependencies_set) for module in old):
        return False
    for state in added:
        manager.import_map[state.id] = state.dependencies_set
    for component in _in_order(graph, manager):
        if component.mod_ids <= names:
            _process(component, graph, manager)
    type_state.reset_all_subtype_caches()  # as mypy does after a build
    return True


def _in_order(graph: Graph, manager: BuildManager) -> list[SCC]:
    """Return the import cycles of a graph, dependences first, and have the manager know them."""
    components = build.sorted_components(graph)
    manager.scc_by_id = {one.id: one for one in components}
    manager.top_order = [one.id for one in components]
    manager.scc_by_mod_id = {module: one for one in components for module in one.mod_ids}
    # Those that are not loaded are loaded when a new module needs them.
    manager.done_sccs = {one.id for one in components if one.mod_ids <= manager.modules.keys()}
    return components


def _process(component: SCC, graph: Graph, manager: BuildManager) -> None:
    """Analyze the modules of an import cycle, unless the cache has them as they are."""
    stale, _ = build.find_stale_sccs([component], graph, manager)
    if stale:
        for module in component.mod_ids:
            graph[module].mark_as_rechecked()
        build.process_stale_scc(graph, component, manager)
