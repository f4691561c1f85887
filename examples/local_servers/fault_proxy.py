"""A TCP proxy that breaks connections on demand: delay, black hole, refusal, reset."""

import asyncio
import socket
import ssl
import struct
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

from local_servers.ports import HOST, free_port

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER with a zero timeout: close() sends RST


class FaultProxy:
    """Passes TCP connections on to a server of this machine and injects faults; end it with `stop` or `with`.

    All methods may be called from any thread, and take effect before they return.

    Args:
        target_port: the loopback port of the server behind the proxy.
        tls: what clients speak to the proxy, which speaks plainly to the server.
    """

    host = HOST

    def __init__(self, target_port: int, *, tls: ssl.SSLContext | None = None) -> None:
        self._target_port = target_port
        self._tls = tls
        self._port = 0
        self._delay = 0.0
        self._swallow = False
        self._listener: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy")
        self._thread.start()
        try:
            self._run(self._listen())
        except BaseException:
            self._end_loop()
            raise

    @property
    def port(self) -> int:
        """The port that clients connect to, the same before and after a refusal."""
        return self._port

    @property
    def address(self) -> str:
        """`host:port` of the proxy."""
        return f"{HOST}:{self._port}"

    def pass_through(self) -> None:
        """Be a good proxy (again)."""
        self._run(self._set(delay=0.0, swallow=False))

    def delay(self, seconds: float) -> None:
        """Hold every piece that a client sends for this long."""
        self._run(self._set(delay=seconds, swallow=False))

    def black_hole(self) -> None:
        """Accept connections and swallow all that clients and the server send."""
        self._run(self._set(delay=0.0, swallow=True))

    def reset(self) -> None:
        """Break every open connection with an RST; new ones work."""
        self._run(self._reset())

    def refuse(self) -> None:
        """Break every open connection and refuse new ones, until another method is called."""
        self._run(self._refuse())

    def stop(self) -> None:
        """Refuse for ever and end the proxy's thread; again does nothing."""
        if not self._loop.is_closed():
            self._run(self._refuse())
            self._end_loop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    # What follows runs on the proxy's own loop, except for the next two.

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> None:
        """Listen on the proxy's port; on a new one as long as it has none."""
        if self._listener is not None:
            return
        for attempt in range(100):
            port = self._port or free_port()
            try:
                self._listener = await asyncio.start_server(self._serve, HOST, port, ssl=self._tls)
            except OSError:
                if attempt == 99:
                    raise
                await asyncio.sleep(0.01)
            else:
                self._port = port
                return

    async def _set(self, *, delay: float, swallow: bool) -> None:
        self._delay, self._swallow = delay, swallow
        await self._listen()

    async def _reset(self) -> None:
        tasks = dict(self._connections)
        for task, writer in tasks.items():
            _abort_with_reset(writer)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _refuse(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        await self._reset()

    def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._relay(reader, writer))
        self._connections[task] = writer
        task.add_done_callback(self._connections.pop)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect a client with the server until one of them hangs up."""
        upstream: asyncio.StreamWriter | None = None
        try:
            answers, upstream = await asyncio.open_connection(HOST, self._target_port)
            await _first_to_end(
                self._pump(reader, upstream, from_client=True),
                self._pump(answers, writer, from_client=False),
            )
        except OSError:
            # The server is gone: the client sees what it would see without a proxy.
            _abort_with_reset(writer)
        finally:
            for end in (writer, upstream):
                if end is not None:
                    end.close()

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, from_client: bool
    ) -> None:
        while piece := await source.read(65536):
            if from_client and self._delay:
                await asyncio.sleep(self._delay)
            if not self._swallow:
                sink.write(piece)
                await sink.drain()


async def _first_to_end(*pumps: Coroutine[Any, Any, None]) -> None:
    """Run both directions until the first ends, then end the other; raise what the first raised."""
    tasks = [asyncio.ensure_future(pump) for pump in pumps]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


def _abort_with_reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    if raw is not None and raw.fileno() >= 0:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()
