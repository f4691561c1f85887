"""Reads a kubeconfig, YAML or JSON (extra `yaml`): where a cluster is, and our credentials."""

from __future__ import annotations

import base64
import binascii
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from connpool_runtime._extras import install
from connpool_runtime.connectors.config.errors import InvalidConfig
from connpool_runtime.options.validation import nearest

if TYPE_CHECKING:
    import ssl

__all__ = ["Cluster", "Trust", "read_kubeconfig"]

PROGRAMS = ("exec", "auth-provider")
INSTEAD = "; `kubectl create token ACCOUNT` makes one for `token` or `token_file`"


@dataclass(frozen=True, slots=True, repr=False)
class Trust:
    """The certificates of both sides, from files or from the kubeconfig itself.

    Attributes:
        ca: PEM that the server's certificate must come from; None is what the system trusts.
        cert: PEM of our certificate; None is none.
        key: PEM of its private key.
        server_name: the name in the server's certificate, when it is not the host.
        verify: whether the server's certificate is checked.
    """

    ca: str | None
    cert: str | None
    key: str | None
    server_name: str | None
    verify: bool

    def context(self) -> ssl.SSLContext:
        """Return a context for clients.

        Raises:
            InvalidConfig: a certificate or its key cannot be read.
        """
        import ssl

        try:
            context = ssl.create_default_context(cadata=self.ca)
        except ssl.SSLError:
            raise _refused("its certificate-authority", "that is none", "PEM") from None
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.cert is not None and self.key is not None:
            # OpenSSL reads our certificate only from a file. The folder is readable by us only, and is deleted
            # at once; Windows could not read a temporary file that is still open.
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder, "own.pem")
                file.write_text(f"{self.cert}\n{self.key}\n", "utf-8")
                try:
                    context.load_cert_chain(file, password="")
                except (ssl.SSLError, OSError):
                    allowed = "a certificate with the key that belongs to it"
                    raise _refused("its client-certificate", "another", allowed) from None
        return context


@dataclass(frozen=True, slots=True, repr=False)
class Cluster:
    """One context of a kubeconfig. Its `repr` shows nothing, since it holds secrets.

    Attributes:
        server: the URL of the API server.
        namespace: of the context; None if it names none.
        token: of the user; None if there is none.
        trust: the certificates of both sides.
    """

    server: str
    namespace: str | None
    token: str | None
    trust: Trust


def read_kubeconfig(path: str, context: str | None) -> Cluster:
    """Return a context of a kubeconfig.

    Arguments:
        path: of the file; paths in it start from its folder.
        context: its name; None is the file's own `current-context`.

    Raises:
        InvalidConfig: the file is not a kubeconfig, has no such context, or names a program that would give
            the credentials.
    """
    found = _parsed(path)
    name = context or _text(found, "current-context")
    if name is None:
        raise _refused("its current-context", "left out", "there, or `context` given")
    chosen = _named(found, "contexts", "context", name, "context")
    cluster_name, user_name = _text(chosen, "cluster") or "", _text(chosen, "user")
    cluster = _named(found, "clusters", "cluster", cluster_name, "kubeconfig")
    user = _named(found, "users", "user", user_name, "kubeconfig") if user_name else _mapping(None)
    _refuse_programs(user, user_name or "")
    if cluster.get("proxy-url"):
        raise _refused(f"its cluster {cluster_name!r}", "with a proxy-url", "reached directly")
    server = _text(cluster, "server")
    if server is None or "://" not in server:
        raise _refused(f"server of cluster {cluster_name!r}", repr(server), "https://host:port")
    folder = Path(path).resolve().parent
    return Cluster(
        server.rstrip("/"),
        _text(chosen, "namespace"),
        _text(user, "token") or _content(user, "tokenFile", folder),
        Trust(
            _content(cluster, "certificate-authority", folder),
            _content(user, "client-certificate", folder),
            _content(user, "client-key", folder),
            _text(cluster, "tls-server-name"),
            cluster.get("insecure-skip-tls-verify") is not True,
        ),
    )


def _parsed(path: str) -> Mapping[str, Any]:
    try:
        yaml: Any = import_module("yaml")  # PyYAML ships no types
    except ImportError:
        allowed = f"JSON or YAML, which the extra `yaml` reads: {install('yaml')}"
        raise InvalidConfig("kubeconfig", f"{path!r} without it", allowed) from None
    try:
        found: object = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        # Without the rest of the error, which quotes the text with its secrets.
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        raise InvalidConfig("kubeconfig", f"{path!r}{line}", "a file of YAML") from None
    if not isinstance(found, Mapping):
        raise InvalidConfig("kubeconfig", repr(path), "a file with clusters, users and contexts")
    return cast("Mapping[str, Any]", found)


def _named(
    found: Mapping[str, Any], many: str, one: str, name: str, field: str
) -> Mapping[str, Any]:
    """Return the entry with a name from one of the lists."""
    listed = isinstance(found.get(many), list)
    entries = cast("list[Any]", found[many]) if listed else []
    known = {str(entry.get("name")): _mapping(entry.get(one)) for entry in map(_mapping, entries)}
    if name not in known:
        shown = f"{name!r}; {nearest(name, list(known))}" if known else repr(name)
        raise InvalidConfig(field, shown, f"a {one} that the kubeconfig has")
    return known[name]


def _refuse_programs(user: Mapping[str, Any], name: str) -> None:
    for way in PROGRAMS:
        if user.get(way):
            program = _mapping(user[way]).get("command") or _mapping(user[way]).get("name")
            shown = f"known by {way} only ({program!r}), and no program is run here{INSTEAD}"
            raise _refused(f"user {name!r}", shown, "known by a token or a client certificate")
    if user.get("username"):
        shown = f"known by a password, which Kubernetes takes no longer{INSTEAD}"
        raise _refused(f"user {name!r}", shown, "known by a token or a client certificate")


def _content(values: Mapping[str, Any], key: str, folder: Path) -> str | None:
    """Return the content of a field: base64 in the field itself, or the file that it names."""
    inside, file = values.get(f"{key}-data"), _text(values, key)
    try:
        if inside:
            return base64.b64decode(str(inside), validate=True).decode()
        return (folder / file).read_text(encoding="utf-8").strip() if file else None
    except (binascii.Error, UnicodeDecodeError):
        raise _refused(f"its {key}-data", "something else", "base64 of PEM") from None
    except OSError as error:
        raise _refused(f"its {key}", f"{file!r} ({error.strerror})", "a readable file") from None


def _mapping(given: Any) -> Mapping[str, Any]:
    """Return a mapping as it is, anything else as an empty one: missing fields are reported by name."""
    return cast("Mapping[str, Any]", given) if isinstance(given, Mapping) else {}


def _text(values: Mapping[str, Any], key: str) -> str | None:
    found = values.get(key)
    return str(found) if found else None


def _refused(what: str, shown: str, allowed: str) -> InvalidConfig:
    return InvalidConfig(f"kubeconfig: {what}", shown, allowed)
