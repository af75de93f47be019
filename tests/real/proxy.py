"""A TCP proxy that misbehaves on request, between a client and a server; TLS goes through as it is.

async with Proxy(server_port) as proxy:
    connect(proxy.port)
    proxy.delay_s = 0.3          # every byte arrives this much later, both ways
    proxy.swallowing = True      # open, and deaf: a half-open connection; False lets later bytes through
    proxy.refusing = True        # new connections are reset before a byte
    proxy.cut_after(1000)        # a thousand more bytes towards the server, then cut, in mid-message
    proxy.cut()                  # FIN to both sides of every connection
    proxy.reset()                # RST to both sides
"""

import asyncio
import contextlib
import socket
import struct
from typing import Self

CHUNK_BYTES = 64 * 1024
CHUNKS_HELD_MAX = 1024  # 64 MB a direction at most; past it the sender feels the wait


class Proxy:
    def __init__(self, server_port: int, *, port: int = 0) -> None:
        self._server_port = server_port
        self.port = port
        self.delay_s = 0.0
        self.swallowing = False
        self.refusing = False
        self.connections_made = 0
        self._bytes_left: int | None = None
        self._listener: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._listener is not None
        self._listener.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.cut()

    def cut(self) -> None:
        for writer in list(self._writers):
            writer.close()

    def reset(self) -> None:
        for writer in list(self._writers):
            _reset(writer)

    def cut_after(self, byte_count: int) -> None:
        self._bytes_left = byte_count

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            _reset(writer)
            return
        try:
            to_server = await asyncio.open_connection("127.0.0.1", self._server_port)
        except OSError:
            _reset(writer)  # what a client sees of a server that is not there
            return
        self.connections_made += 1
        server_reader, server_writer = to_server
        self._writers |= {writer, server_writer}
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            ways = (
                asyncio.ensure_future(self._pass_on(reader, server_writer, counted=True)),
                asyncio.ensure_future(self._pass_on(server_reader, writer, counted=False)),
            )
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        finally:
            self._tasks.discard(task)
            self._writers -= {writer, server_writer}
            writer.close()
            server_writer.close()

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counted: bool
    ) -> None:
        """Until one side ends.  Reading never waits for a delayed write: delay is latency, not a rate."""
        held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(CHUNKS_HELD_MAX)
        releasing = asyncio.ensure_future(self._release(held, writer))
        clock = asyncio.get_running_loop().time
        try:
            while chunk := await _read(reader):
                if self.swallowing:
                    continue
                if counted and self._bytes_left is not None:
                    chunk, over = chunk[: self._bytes_left], len(chunk) >= self._bytes_left
                    self._bytes_left -= len(chunk)
                    await held.put((clock(), chunk))
                    if over:
                        self._bytes_left = None
                        break
                    continue
                await held.put((clock() + self.delay_s, chunk))
            await held.put((0.0, b""))
            await releasing
        finally:
            releasing.cancel()

    async def _release(self, held: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        clock = asyncio.get_running_loop().time
        with contextlib.suppress(ConnectionError):
            while True:
                due, chunk = await held.get()
                if not chunk:
                    return
                if (wait_s := due - clock()) > 0:
                    await asyncio.sleep(wait_s)
                writer.write(chunk)
                await writer.drain()


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(CHUNK_BYTES)
    except ConnectionError:
        return b""


def _reset(writer: asyncio.StreamWriter) -> None:
    """With SO_LINGER at zero, closing sends RST and drops what was still to be sent."""
    raw = writer.get_extra_info("socket")
    if raw is not None and raw.fileno() >= 0:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
