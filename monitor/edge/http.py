"""/metrics, /livez and /readyz, on loopback unless the configuration says otherwise.

/livez answers as long as the loop turns, whatever Kafka does: a supervisor that restarts a
monitor because of its broker makes things worse.  /readyz says why not.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.requests import Request

METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
STOP_S_MAX: Final = 2
CONNECTIONS_MAX: Final = 64
ASK_S_MAX: Final = 5.0  # a scrape asks in the same breath in which it connects
CONNECTION_S_MAX: Final = 60.0  # what scrapes for longer connects again


class _Connection(H11Protocol):
    """One that asks nothing, or goes on for ever, is closed: each holds a file that a broker's may need."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._ends = [
            self.loop.call_later(ASK_S_MAX, self._close_unless_asked),
            self.loop.call_later(CONNECTION_S_MAX, transport.abort),
        ]
        if len(self.connections) > CONNECTIONS_MAX:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        for end in self._ends:
            end.cancel()
        super().connection_lost(exc)

    def _close_unless_asked(self) -> None:
        if self.cycle is None:
            self.transport.abort()


class _Server(uvicorn.Server):
    """Signals are the monitor's own business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Http:
    """`bind()` once, so that a port in use is known at start; then `run()` until cancelled."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        exposition: Callable[[], bytes],
        not_ready: Callable[[], list[str]],
    ) -> None:
        self._host = host
        self._port = port
        self._exposition = exposition
        self._not_ready = not_ready
        self._socket: socket.socket | None = None

    def bind(self) -> int:
        """The port that it is; raises `OSError` if it cannot be had."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((self._host, self._port))
            self._socket.listen(64)
        except OSError:
            self._socket.close()
            raise
        self._port = self._socket.getsockname()[1]
        return self._port

    async def run(self) -> None:
        """Serve until cancelled."""
        if self._socket is None:
            self.bind()
        assert self._socket is not None
        config = uvicorn.Config(
            self._app(),
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            http=_Connection,
            limit_concurrency=CONNECTIONS_MAX + 1,  # else the last one would be answered with 503
            timeout_keep_alive=5,
            timeout_graceful_shutdown=STOP_S_MAX,
        )
        server = _Server(config)
        try:
            await server.serve(sockets=[self._socket])
        except asyncio.CancelledError:
            server.should_exit = True
            server.force_exit = True
            with contextlib.suppress(Exception):
                async with asyncio.timeout(STOP_S_MAX):
                    await server.shutdown(sockets=[self._socket])
            raise
        finally:
            self._socket.close()

    def _app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/metrics", self._metrics),
                Route("/livez", self._live),
                Route("/readyz", self._ready),
            ]
        )

    async def _metrics(self, _request: Request) -> Response:
        return Response(self._exposition(), headers={"Content-Type": METRICS_TYPE})

    async def _live(self, _request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def _ready(self, _request: Request) -> Response:
        why = self._not_ready()
        return JSONResponse({"ready": not why, "why_not": why}, status_code=503 if why else 200)
