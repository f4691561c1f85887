"""A TCP proxy that breaks connections on demand: delay, drip, loss both ways or one way, half-open, refusal, reset."""

import asyncio
import socket
import ssl
import struct
import threading
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from local_servers.ports import HOST, free_port

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER with a zero timeout: close() sends RST


@dataclass(frozen=True)
class _Fault:
    """What is wrong with the proxy now; nothing by default. Times are seconds."""

    delay: float = 0.0  # that each piece of a client is held
    drip: float = 0.0  # between two bytes of an answer
    holds_requests: bool = False
    holds_answers: bool = False
    resets: bool = False


@dataclass(eq=False)
class _Connection:
    """One connection of a client; a half-open one carries nothing any more, and nobody is told."""

    writer: asyncio.StreamWriter
    half_open: bool = False


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
        self._fault = _Fault()
        self._changed = asyncio.Event()  # set, and replaced, when the fault is another one
        self._listener: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], _Connection] = {}
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
        """Be a good proxy (again); connections that are half-open stay so."""
        self._run(self._set(_Fault()))

    def delay(self, seconds: float) -> None:
        """Hold every piece that a client sends for this long."""
        self._run(self._set(_Fault(delay=seconds)))

    def drip(self, seconds: float) -> None:
        """Pass on what the server sends byte by byte, with this long a pause after each."""
        self._run(self._set(_Fault(drip=seconds)))

    def black_hole(self) -> None:
        """Accept connections and let nothing through in either direction.

        What was sent meanwhile comes through when the proxy is good again, as TCP sends again what was lost.
        """
        self._run(self._set(_Fault(holds_requests=True, holds_answers=True)))

    def lose_answers(self) -> None:
        """Pass on what clients send, and hold what the server answers: loss in one direction."""
        self._run(self._set(_Fault(holds_answers=True)))

    def half_open(self) -> None:
        """Let nothing through on the connections that are open now, for good; new ones work.

        So it is when a router between the two forgot its connections, or a host lost its power.
        """
        self._run(self._forget())

    def reset(self) -> None:
        """Break every open connection with an RST; new ones work."""
        self._run(self._reset())

    def reset_always(self) -> None:
        """Break every open connection with an RST, and each new one when its client sends something."""
        self._run(self._reset_always())

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

    async def _set(self, fault: _Fault) -> None:
        self._fault = fault
        self._changed.set()
        self._changed = asyncio.Event()
        await self._listen()

    async def _forget(self) -> None:
        for connection in self._connections.values():
            connection.half_open = True
        await self._set(_Fault())

    async def _reset_always(self) -> None:
        await self._set(_Fault(resets=True))
        await self._reset()

    async def _reset(self) -> None:
        tasks = dict(self._connections)
        for task, connection in tasks.items():
            _abort_with_reset(connection.writer)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _refuse(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        await self._reset()

    def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(writer)
        task = self._loop.create_task(self._relay(reader, connection))
        self._connections[task] = connection
        task.add_done_callback(self._connections.pop)

    async def _relay(self, reader: asyncio.StreamReader, connection: _Connection) -> None:
        """Connect a client with the server until one of them hangs up."""
        upstream: asyncio.StreamWriter | None = None
        try:
            answers, upstream = await asyncio.open_connection(HOST, self._target_port)
            await _first_to_end(
                self._pass_requests(connection, reader, upstream),
                self._pass_answers(connection, answers),
            )
        except OSError:
            # The server is gone: the client sees what it would see without a proxy.
            _abort_with_reset(connection.writer)
        finally:
            for end in (connection.writer, upstream):
                if end is not None:
                    end.close()

    async def _pass_requests(
        self, connection: _Connection, source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        while piece := await source.read(65536):
            if self._fault.delay:
                await asyncio.sleep(self._fault.delay)
            while connection.half_open or self._fault.holds_requests:
                await self._changed.wait()
            if self._fault.resets:
                raise ConnectionResetError
            sink.write(piece)
            await sink.drain()

    async def _pass_answers(self, connection: _Connection, source: asyncio.StreamReader) -> None:
        while piece := await source.read(65536):
            for part in self._parts(piece):
                while connection.half_open or self._fault.holds_answers:
                    await self._changed.wait()
                connection.writer.write(part)
                await connection.writer.drain()
                if self._fault.drip:
                    await asyncio.sleep(self._fault.drip)

    def _parts(self, piece: bytes) -> Iterable[bytes]:
        return [bytes([byte]) for byte in piece] if self._fault.drip else [piece]


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
    try:
        raw = writer.get_extra_info("socket")
    except AttributeError:
        raw = None  # a TLS transport that has ended has let go of its socket
    if raw is not None and raw.fileno() >= 0:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()
