"""Finds the classifier for a package, and judges errors by all classifiers."""

from __future__ import annotations

from importlib import import_module

from connpool_runtime._log import warn
from connpool_runtime.classifiers.error_chain import first_known, stands_alone
from connpool_runtime.classifiers.local import local
from connpool_runtime.classifiers.status import status
from connpool_runtime.classifiers.table import ErrorTable
from connpool_runtime.classifiers.transport import CONNECTION_ERROR, network, transport
from connpool_runtime.classifiers.verdict import Classifier, Verdict, wrong_field
from connpool_runtime.options.validation import closest

__all__ = [
    "LIBRARIES",
    "Judge",
    "classifier",
    "classifier_for_package",
    "judge",
    "known_libraries",
    "library_of_package",
    "register_classifier",
]

LIBRARIES: dict[str, tuple[str, ...]] = {
    "aiohttp": ("aiohttp",),
    "asyncpg": ("asyncpg",),
    "azure": ("azure.core",),
    "botocore": ("botocore", "aiobotocore"),
    "cassandra": ("cassandra",),
    "elasticsearch": ("elasticsearch", "elastic_transport"),
    "etcd3aio": ("etcd3aio",),
    "etcd3gw": ("etcd3gw",),
    "google": ("google.api_core", "google.auth"),
    "grpc": ("grpc",),
    "httpx": ("httpx", "httpx2", "httpcore", "httpcore2"),
    "kafka": ("kafka", "aiokafka"),
    "kubernetes": ("kubernetes", "kubernetes_asyncio"),
    "nats": ("nats",),
    "neo4j": ("neo4j",),
    "openai": ("openai", "anthropic"),
    "opensearch": ("opensearchpy",),
    "pika": ("pika",),
    "psycopg": ("psycopg", "psycopg_pool", "psycopg2"),
    "pymilvus": ("pymilvus",),
    "pymongo": ("pymongo", "bson"),
    "qdrant": ("qdrant_client",),
    "redis": ("redis", "valkey"),
    "requests": ("requests",),
    "sqlalchemy": ("sqlalchemy",),
    "urllib3": ("urllib3",),
}
"""The libraries that are known, and the packages whose errors each is about.

A classifier's file is imported when the first of such errors is met; a test holds this list to the files.
"""

# Clients whose errors belong to another package.
_CLIENTS = {
    "azure": "azure",
    "boto3": "botocore",
    "google": "google",
    "grpc_health": "grpc",
    "gridfs": "pymongo",
    "mypy_boto3": "botocore",
}

_registered: dict[str, Classifier] = {}
_packages: dict[str, str] = {
    package: name for name, packages in LIBRARIES.items() for package in packages
}


def known_libraries() -> list[str]:
    """Return the names of all classifiers."""
    return sorted({*LIBRARIES, *_registered})


def classifier(name: str) -> Classifier:
    """Return the classifier of a library, or the one registered in its place.

    Raises:
        ValueError: there is none of that name; the text has the nearest ones.
    """
    found = _registered.get(name)
    if found is None:
        if name not in LIBRARIES:
            near = closest(name, known_libraries(), 3) or known_libraries()
            raise ValueError(f"no classifier {name!r}; nearest: {', '.join(near)}")
        table: Classifier = getattr(import_module(f"connpool_runtime.classifiers.{name}"), name)
        found = _registered.setdefault(name, table)
    return found


def library_of_package(package: str) -> str | None:
    """Return the name of the classifier for a client of a package; None if its library is not known.

    Arguments:
        package: an import package or a module below one, such as `redis.asyncio`.
    """
    found = _library_of_errors(package)
    if found is None:
        top = package.partition(".")[0]
        found = _CLIENTS.get(top) or ("botocore" if top.startswith("mypy_boto3") else None)
    return found


def classifier_for_package(package: str) -> Classifier | None:
    """Return the classifier for a client of a package; None if its library is not known."""
    name = library_of_package(package)
    return None if name is None else classifier(name)


def register_classifier(name: str, function: Classifier, packages: tuple[str, ...] = ()) -> None:
    """Register a user's classifier, in place of one of the library's or in addition to them.

    Call it before pools are made: what a judge has learned about a class of errors it keeps.

    Arguments:
        name: of the library; an existing name is replaced.
        function: judges one error by itself; the errors that led to it are asked about one after the other.
        packages: import packages whose errors it is about; may be left out when it replaces one.
    """
    _registered[name] = function
    _packages.update(dict.fromkeys(packages, name))
    judge.forget()


def _library_of_errors(module: str) -> str | None:
    """Return the library that the errors of a module belong to."""
    while module:
        found = _packages.get(module)
        if found is not None:
            return found
        module = module.rpartition(".")[0]
    return None


def _libraries_of(kind: type) -> list[Classifier]:
    """Return the classifiers for the libraries that an error class and its bases come from."""
    names = [_library_of_errors(base.__module__) for base in kind.__mro__]
    return [classifier(name) for name in dict.fromkeys(names) if name is not None]


class Judge:
    """Judges errors: by the declared classifier, by their library, by status, by network error.

    The outermost error that one of them knows decides; then come those that led to it. Within one error the
    order is: the classifiers given here, what is about this process, the error's library, statuses, the network.
    An unknown error has no verdict.

    What depends on the class of an error alone is remembered, so that it costs one look-up when it comes again.
    Safe to share between threads. A classifier that raises is reported by a warning
    and has no say.

    Arguments:
        declared: asked first, in this order.
    """

    __slots__ = ("_certain", "_classifiers", "_declared")

    def __init__(self, *declared: Classifier) -> None:
        self._declared = declared
        self._certain: dict[type, Verdict] = {}
        self._classifiers: dict[type, tuple[Classifier, ...]] = {}

    def __call__(self, error: BaseException) -> Verdict | None:
        """Return what an error says about the server; None if it is unknown."""
        certain = self._certain.get(type(error))
        # A plain ConnectionError is judged by the errors that led to it.
        if certain is not None and (certain is not CONNECTION_ERROR or stands_alone(error)):
            return certain
        verdict = first_known(error, self._judge_one)
        return transport(error) or verdict if verdict is CONNECTION_ERROR else verdict

    def forget(self) -> None:
        """Forget what was learned about error classes."""
        self._certain.clear()
        self._classifiers.clear()

    def _judge_one(self, error: BaseException) -> Verdict | None:
        """Judge an error by itself, without the errors that led to it."""
        for each in self._classifiers.get(type(error)) or self._learn(type(error)):
            try:
                verdict: object = each(error)
            except Exception as problem:
                warn(f"{each!r} failed to judge {type(error).__name__}: {problem!r}")
                continue
            if isinstance(verdict, Verdict):
                wrong = wrong_field(verdict)
                if wrong is None:
                    return verdict
                warn(
                    f"{each!r} has to return a Verdict or None, not a Verdict with a wrong {wrong}"
                )
            elif verdict is not None:  # of a user's function, which nobody has checked
                warn(f"{each!r} has to return a Verdict or None, not a {type(verdict).__name__}")
        return None

    def _learn(self, kind: type[BaseException]) -> tuple[Classifier, ...]:
        """Find the classifiers for an error class, and whether all its errors get the same verdict."""
        libraries = _libraries_of(kind)
        # Network errors of the standard library carry no status, so none is looked for.
        plain = network.is_about(kind) and network.decision(kind) is not None
        rest = (network,) if plain else (status, network)
        asked: tuple[Classifier, ...] = (*self._declared, local, *libraries, *rest)
        if len(self._classifiers) >= _MOST_TYPES:
            self.forget()
        self._classifiers[kind] = asked
        certain = _certain(asked, kind)
        if certain is not None:
            self._certain[kind] = certain
        return asked

    def __repr__(self) -> str:
        return f"Judge{self._declared!r}"


_MOST_TYPES = 512  # a program that keeps creating classes must not fill the memory


def _certain(asked: tuple[Classifier, ...], kind: type[BaseException]) -> Verdict | None:
    """Return the verdict that all errors of a class get; None if it depends on the error."""
    for each in asked:
        if not isinstance(each, ErrorTable):
            return None
        decision = each.decision(kind)
        if decision is not None:
            return decision if isinstance(decision, Verdict) else None
    return None


judge = Judge()
"""Judges errors of any library that is known, and of any other by status and network."""
