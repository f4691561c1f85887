"""Requests to the HTTP APIs of registries through httpx (extras `consul`, `etcd-discovery`, `kubernetes`)."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, cast

from connpool_runtime._concurrency.forks import keep, renew_after_fork
from connpool_runtime._tracebacks import without_traceback
from connpool_runtime.connectors.config.errors import FailureKind
from connpool_runtime.connectors.failures import kind_of
from connpool_runtime.discovery.errors import SourceFailed

if TYPE_CHECKING:
    import httpx

    from connpool_runtime.connectors.config.tls import TLS
    from connpool_runtime.discovery.kubeconfig import Trust

__all__ = ["Answer", "AsyncHttpApi", "HttpApi"]

LONGEST_TEXT = 200  # characters of an answer that an error shows

_REASONS = {
    FailureKind.REFUSED: "unreachable",
    FailureKind.TIMEOUT: "timeout",
    FailureKind.CERTIFICATE: "certificate",
    FailureKind.AUTHENTICATION: "credentials",
    FailureKind.OTHER: "unreachable",
}


class Answer(NamedTuple):
    """An answer with status 200: its headers and its JSON."""

    headers: Mapping[str, str]
    content: Any


def _failed(
    error: BaseException, where: str, name: str, masked: Callable[[str], str]
) -> SourceFailed:
    """Return the discovery error for an error of httpx, without secrets."""
    if isinstance(error, SourceFailed):
        return error
    kind = kind_of(error, _kind_of_httpx)
    text = masked(" ".join(str(error).split()) or type(error).__name__)
    # Without the original as its cause: that holds the request, whose headers hold the token.
    return SourceFailed(f"{name}: {where} {text}", reason=_REASONS[kind], source=name)


def _kind_of_httpx(error: BaseException) -> FailureKind | None:
    import httpx

    return FailureKind.TIMEOUT if isinstance(error, httpx.TimeoutException) else None


def _refuse_status(
    status: int, text: str, where: str, name: str, masked: Callable[[str], str]
) -> None:
    """Raise for every status but 200."""
    if status == 200:
        return
    reason = "credentials" if status in (401, 403) else "answer"
    said = masked(" ".join(text.split()))[:LONGEST_TEXT]
    hint = "; look at the token, or at what it may do" if reason == "credentials" else ""
    raise SourceFailed(
        f"{name}: {where} answers {status}{f' ({said})' if said else ''}{hint}",
        reason=reason,
        status=status,
        source=name,
    )


def _content_of(text: str, where: str, name: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        shown = " ".join(text.split())[:LONGEST_TEXT]
        raise SourceFailed(
            f"{name}: {where} answers with what is no JSON: {shown!r}", reason="answer", source=name
        ) from None


class AsyncHttpApi:
    """Sends requests to one HTTP API. For the tasks of one event loop.

    Arguments:
        name: of the source, for errors.
        tls: TLS settings; None is what the system trusts.
        masked: takes secrets out of a text.
    """

    def __init__(self, name: str, tls: TLS | Trust | None, masked: Callable[[str], str]) -> None:
        self._name = name
        self._tls = tls
        self._masked = masked
        self._made: httpx.AsyncClient | None = None
        self._closed = False
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Forget the connections in a child process: they are the parent's."""
        keep(self._made)
        self._made = None

    async def ask(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, Any] | list[tuple[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
        body: object = None,
        timeout: float,
        patience: float,
    ) -> Answer:
        """Send a request and return the answer.

        Arguments:
            method: of HTTP.
            url: what is asked.
            params: of the query.
            headers: of the request.
            body: to be sent as JSON; None for nothing.
            timeout: seconds for connecting and sending.
            patience: seconds for each wait for the answer.

        Raises:
            SourceFailed: there is none of status 200; no text of it has a secret.
        """
        try:
            response = await self._client().request(
                method,
                url,
                params=cast("Any", params),
                headers=headers,
                json=body,
                timeout=self._timeout(timeout, patience),
                extensions=self._extensions(),
            )
            _refuse_status(response.status_code, response.text, url, self._name, self._masked)
            return Answer(response.headers, _content_of(response.text, url, self._name))
        except Exception as error:
            self._fail(error, url)

    async def lines(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        body: object = None,
        timeout: float,
        patience: float,
    ) -> AsyncGenerator[Any]:
        """Send a request with an endless answer, and yield the JSON of each line.

        Arguments:
            method: of HTTP.
            url: what is asked.
            params: of the query.
            headers: of the request.
            body: to be sent as JSON; None for nothing.
            timeout: seconds for connecting and sending.
            patience: seconds without a byte after which it ends: silence proves nothing.

        Raises:
            SourceFailed: the answer is of another status than 200, or was broken off.
        """
        import httpx

        try:
            async with self._client().stream(
                method,
                url,
                params=params,
                headers=headers,
                json=body,
                timeout=self._timeout(timeout, patience),
                extensions=self._extensions(),
            ) as response:
                if response.status_code != 200:
                    text = (await response.aread()).decode(errors="replace")
                    _refuse_status(response.status_code, text, url, self._name, self._masked)
                async for line in response.aiter_lines():
                    if line.strip():
                        yield _content_of(line, url, self._name)
        except httpx.ReadTimeout:
            return
        except Exception as error:
            self._fail(error, url)

    def _fail(self, error: BaseException, url: str) -> NoReturn:
        raise _failed(without_traceback(error), url, self._name, self._masked) from None

    def _client(self) -> httpx.AsyncClient:
        if self._made is None or self._made.is_closed:
            if self._closed:
                raise SourceFailed(f"{self._name} is closed", source=self._name)
            import httpx

            # Without TLS nothing is verified, so no certificates are loaded.
            verify = False if self._tls is None else self._tls.context()
            self._made = httpx.AsyncClient(verify=verify, trust_env=False)
        return self._made

    def _timeout(self, seconds: float, patience: float) -> httpx.Timeout:
        import httpx

        return httpx.Timeout(seconds, read=patience)

    def _extensions(self) -> dict[str, Any]:
        named = None if self._tls is None else self._tls.server_name
        return {} if named is None else {"sni_hostname": named}

    async def close(self) -> None:
        """Close the connections; again does nothing."""
        self._closed = True
        made, self._made = self._made, None
        if made is not None:
            await made.aclose()


# Made by tools/derive_sync.py from the definitions above; edit those.


class HttpApi:
    """Sends requests to one HTTP API. Safe for threads.

    Arguments:
        name: of the source, for errors.
        tls: TLS settings; None is what the system trusts.
        masked: takes secrets out of a text.
    """

    def __init__(self, name: str, tls: TLS | Trust | None, masked: Callable[[str], str]) -> None:
        self._name = name
        self._tls = tls
        self._masked = masked
        self._made: httpx.Client | None = None
        self._closed = False
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Forget the connections in a child process: they are the parent's."""
        keep(self._made)
        self._made = None

    def ask(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, Any] | list[tuple[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
        body: object = None,
        timeout: float,
        patience: float,
    ) -> Answer:
        """Send a request and return the answer.

        Arguments:
            method: of HTTP.
            url: what is asked.
            params: of the query.
            headers: of the request.
            body: to be sent as JSON; None for nothing.
            timeout: seconds for connecting and sending.
            patience: seconds for each wait for the answer.

        Raises:
            SourceFailed: there is none of status 200; no text of it has a secret.
        """
        try:
            response = self._client().request(
                method,
                url,
                params=cast("Any", params),
                headers=headers,
                json=body,
                timeout=self._timeout(timeout, patience),
                extensions=self._extensions(),
            )
            _refuse_status(response.status_code, response.text, url, self._name, self._masked)
            return Answer(response.headers, _content_of(response.text, url, self._name))
        except Exception as error:
            self._fail(error, url)

    def lines(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        body: object = None,
        timeout: float,
        patience: float,
    ) -> Generator[Any]:
        """Send a request with an endless answer, and yield the JSON of each line.

        Arguments:
            method: of HTTP.
            url: what is asked.
            params: of the query.
            headers: of the request.
            body: to be sent as JSON; None for nothing.
            timeout: seconds for connecting and sending.
            patience: seconds without a byte after which it ends: silence proves nothing.

        Raises:
            SourceFailed: the answer is of another status than 200, or was broken off.
        """
        import httpx

        try:
            with self._client().stream(
                method,
                url,
                params=params,
                headers=headers,
                json=body,
                timeout=self._timeout(timeout, patience),
                extensions=self._extensions(),
            ) as response:
                if response.status_code != 200:
                    text = response.read().decode(errors="replace")
                    _refuse_status(response.status_code, text, url, self._name, self._masked)
                for line in response.iter_lines():
                    if line.strip():
                        yield _content_of(line, url, self._name)
        except httpx.ReadTimeout:
            return
        except Exception as error:
            self._fail(error, url)

    def _fail(self, error: BaseException, url: str) -> NoReturn:
        raise _failed(without_traceback(error), url, self._name, self._masked) from None

    def _client(self) -> httpx.Client:
        if self._made is None or self._made.is_closed:
            if self._closed:
                raise SourceFailed(f"{self._name} is closed", source=self._name)
            import httpx

            # Without TLS nothing is verified, so no certificates are loaded.
            verify = False if self._tls is None else self._tls.context()
            self._made = httpx.Client(verify=verify, trust_env=False)
        return self._made

    def _timeout(self, seconds: float, patience: float) -> httpx.Timeout:
        import httpx

        return httpx.Timeout(seconds, read=patience)

    def _extensions(self) -> dict[str, Any]:
        named = None if self._tls is None else self._tls.server_name
        return {} if named is None else {"sni_hostname": named}

    def close(self) -> None:
        """Close the connections; again does nothing."""
        self._closed = True
        made, self._made = self._made, None
        if made is not None:
            made.close()
