"""Clusters by kubeconfig: who we are there, and what is refused."""

import base64
import json
import os
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from connpool_runtime.connectors import InvalidConfig
from connpool_runtime.discovery import (
    AsyncKubernetesSource,
    KubernetesSource,
    KubernetesSourceConfig,
)
from connpool_runtime.discovery import kubernetes as module
from connpool_runtime.discovery.kinds import source_of
from connpool_runtime.discovery.kubeconfig import Trust
from tests.runtime.discovery.asking import asking
from tests.runtime.discovery.interfaces import Answer, Interface, Request, json_answer

both = pytest.mark.parametrize("kind", [KubernetesSource, AsyncKubernetesSource])


def data(content: bytes) -> str:
    """As kubeconfigs hold certificates."""
    return base64.b64encode(content).decode()


def written(folder: Path, server: str, user: dict[str, Any], **cluster: Any) -> Path:
    """A kubeconfig of two contexts, in the form that kubectl writes."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "preferences": {},
        "current-context": "work",
        "clusters": [
            {"name": "office", "cluster": {"server": server, **cluster}},
            {"name": "home", "cluster": {"server": "https://home:6443/"}},
        ],
        "users": [{"name": "ann", "user": user}, {"name": "bob", "user": {"token": "of-bob"}}],
        "contexts": [
            {"name": "work", "context": {"cluster": "office", "user": "ann", "namespace": "shop"}},
            {"name": "private", "context": {"cluster": "home", "user": "bob"}},
        ],
    }
    path = folder / "config"
    path.write_text(yaml.safe_dump(content))
    return path


def empty(_request: Request, _write: Any) -> Answer:
    return json_answer({"metadata": {"resourceVersion": "1"}, "items": []})


@both
@pytest.mark.parametrize("inside", [True, False], ids=["data", "files"])
def test_certificates_of_both_sides(kind: Any, inside: bool, tmp_path: Path) -> None:
    """Ours is shown and the server's verified, whether they stand in the kubeconfig or in files beside it."""
    authority = trustme.CA()
    theirs, ours = authority.issue_cert("127.0.0.1"), authority.issue_cert("ann@example.org")
    parts = {
        "certificate-authority": authority.cert_pem.bytes(),
        "client-certificate": b"".join(blob.bytes() for blob in ours.cert_chain_pems),
        "client-key": ours.private_key_pem.bytes(),
    }
    if inside:
        fields = {f"{name}-data": data(content) for name, content in parts.items()}
    else:
        fields = {name: f"{name}.pem" for name in parts}
        for name, content in parts.items():
            (tmp_path / fields[name]).write_bytes(content)
    cluster = {name: text for name, text in fields.items() if name.startswith("certificate")}
    user = {name: text for name, text in fields.items() if name.startswith("client")}
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.configure_cert(tls)
    authority.configure_trust(tls)
    tls.verify_mode = ssl.CERT_REQUIRED
    with Interface(empty, tls) as server:
        path = written(tmp_path, f"https://{server.address}", user, **cluster)
        config = KubernetesSourceConfig(service="web", kubeconfig=path)
        with asking(kind(config)) as asker:
            assert asker.ask() == {}
        assert [one.path for one in server.requests] == [
            "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"
        ]


@both
def test_a_token_is_sent_and_shown_nowhere(kind: Any, tmp_path: Path) -> None:
    """It is read for each request, in the kubeconfig or in the file that it names; errors mask it."""

    def refuse(request: Request, _write: Any) -> Answer:
        return json_answer(f"no: {request.headers.get('authorization')}", 401)

    with Interface(refuse) as server:
        (tmp_path / "token").write_text("first-secret\n")
        path = written(tmp_path, f"http://{server.address}", {"tokenFile": "token"})
        config = KubernetesSourceConfig(service="web", kubeconfig=path)
        with asking(kind(config)) as asker:
            for secret in ("first-secret", "second-secret"):
                (tmp_path / "token").write_text(secret)
                with pytest.raises(Exception, match="answers 401") as caught:
                    asker.ask()
                assert secret not in str(caught.value) + repr(config) + repr(config.cluster)
        sent = [request.headers["authorization"] for request in server.requests]
        assert sent == ["Bearer first-secret", "Bearer second-secret"]


def test_contexts_and_what_goes_before_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The current context holds unless another is named; fields given beside it go first; inside of a pod, too."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setattr(module, "ACCOUNT", tmp_path)
    (tmp_path / "namespace").write_text("of-the-pod")
    path = written(tmp_path, "https://office:6443", {"token": "of-ann"})
    work = KubernetesSourceConfig(service="web", kubeconfig=path)
    assert (work.server, work.space, work.bearer) == ("https://office:6443", "shop", "of-ann")
    private = KubernetesSourceConfig(service="web", kubeconfig=path, context="private")
    assert (private.server, private.space, private.bearer) == (
        "https://home:6443",
        "default",
        "of-bob",
    )
    given = {"api_server": "https://other:1", "namespace": "mine", "token": "my-own"}
    mixed = KubernetesSourceConfig(service="web", kubeconfig=path, **given)
    assert (mixed.server, mixed.space, mixed.bearer) == ("https://other:1", "mine", "my-own")
    url = f"kubernetes:///web?kubeconfig={path}&context=work"
    assert source_of(url).name == "kubernetes shop/web"


def test_verification_may_be_off_and_names_differ(tmp_path: Path) -> None:
    """As the kubeconfig says, and by default certificates are verified."""
    path = written(tmp_path, "https://a:1", {}, **{"tls-server-name": "kube"})
    trust = KubernetesSourceConfig(service="web", kubeconfig=path).trusted
    assert trust is not None
    assert (trust.server_name, trust.context().verify_mode) == ("kube", ssl.CERT_REQUIRED)
    path = written(tmp_path, "https://a:1", {}, **{"insecure-skip-tls-verify": True})
    trust = KubernetesSourceConfig(service="web", kubeconfig=path).trusted
    assert trust is not None
    assert trust.context().verify_mode == ssl.CERT_NONE


@pytest.mark.parametrize(
    ("user", "cluster", "said"),
    [
        (
            {"exec": {"command": "aws"}},
            {},
            r"user 'ann'.*exec only \('aws'\).*kubectl create token",
        ),
        ({"auth-provider": {"name": "gcp"}}, {}, r"auth-provider only \('gcp'\)"),
        ({"username": "ann", "password": "hunter2"}, {}, "known by a password"),
        ({"client-certificate-data": "?"}, {}, "client-certificate-data must be base64 of PEM"),
        (
            {"tokenFile": "nowhere"},
            {},
            r"tokenFile must be a readable file, not 'nowhere' \(No such",
        ),
        ({}, {"proxy-url": "http://p"}, "cluster 'office' must be reached directly"),
        ({}, {"server": "office"}, "server of cluster 'office' must be https://host:port"),
    ],
)
def test_what_is_not_followed_is_refused(
    user: dict[str, Any], cluster: dict[str, Any], said: str, tmp_path: Path
) -> None:
    """A program that would be run, a password, a proxy, a file that is not there: the error names it and the way out."""
    path = written(tmp_path, **{"server": "https://a:1", **cluster}, user=user)
    with pytest.raises(InvalidConfig, match=said) as caught:
        KubernetesSourceConfig(service="web", kubeconfig=path)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "fields", "said"),
    [
        ("a: [", {}, "kubeconfig must be a file of YAML, not '.*config', line 1"),
        ("token: {secret", {}, "a file of YAML"),
        ("[]", {}, "with clusters, users and contexts"),
        ("{current-context: a, contexts: [7, {name: b}]}", {}, "context must be .* not 'a'"),
        (
            "{current-context: a, contexts: [{name: a, context: {cluster: c}}]}",
            {},
            "a cluster that",
        ),
        ("{}", {}, "current-context must be there, or `context` given"),
        (
            None,
            {"context": "wrk"},
            "context must be a context that the kubeconfig has, not 'wrk'.*'work'",
        ),
    ],
)
def test_what_is_no_kubeconfig_is_told(
    text: str | None, fields: dict[str, Any], said: str, tmp_path: Path
) -> None:
    """The error names the file, line or context and quotes none of its secrets."""
    path = written(tmp_path, "https://a:1", {})
    if text is not None:
        path.write_text(text)
    with pytest.raises(InvalidConfig, match=said) as caught:
        KubernetesSourceConfig(service="web", kubeconfig=path, **fields)
    assert "secret" not in str(caught.value)


def test_a_context_needs_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a kubeconfig there is nothing to choose from; and who has neither is told of both ways."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(InvalidConfig, match="context must be given together with kubeconfig"):
        KubernetesSourceConfig(service="web", context="work")
    with pytest.raises(
        InvalidConfig, match="api_server must be https://host:port, or kubeconfig given"
    ):
        KubernetesSourceConfig(service="web")


def test_json_is_yaml(tmp_path: Path) -> None:
    """A kubeconfig may be JSON, as programs write it."""
    path = written(tmp_path, "https://a:1", {})
    path.write_text(json.dumps(yaml.safe_load(path.read_text())))
    assert KubernetesSourceConfig(service="web", kubeconfig=path).server == "https://a:1"


def test_a_certificate_is_read_from_a_file_that_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file for OpenSSL is closed when it is read: Windows lets nobody read one that is open to be written."""
    pem = trustme.CA().issue_cert("it.example.org").private_key_and_cert_chain_pem.bytes().decode()
    key, _, cert = pem.partition("-----BEGIN CERTIFICATE")
    seen: list[Path] = []
    really = ssl.SSLContext.load_cert_chain

    def load(context: ssl.SSLContext, file: Path, **more: Any) -> None:
        opened = {os.path.realpath(link) for link in Path("/proc/self/fd").iterdir()}
        assert str(file.resolve()) not in opened
        seen.append(file)
        really(context, file, **more)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", load)
    Trust(None, f"-----BEGIN CERTIFICATE{cert}", key, None, True).context()
    [file] = seen
    assert not file.exists()
