"""The three pages, their answers, and a stop that leaves the port free."""

import asyncio
import contextlib
import signal
import socket

import httpx
import pytest

from monitor.edge import http as page
from monitor.edge.http import Http
from monitor.edge.metrics import Metrics
from tests.real.prometheus import Prometheus


class Served:
    def __init__(self, **options):
        self.why = []
        self.http = Http(
            "127.0.0.1",
            0,
            exposition=options.get("exposition", lambda: b"up 1\n"),
            not_ready=lambda: self.why,
        )
        self.url = f"http://127.0.0.1:{self.http.bind()}"

    async def get(self, path, method="GET"):
        async with httpx.AsyncClient() as client:
            return await client.request(method, self.url + path)


@contextlib.asynccontextmanager
async def running(**options):
    served = Served(**options)
    task = asyncio.ensure_future(served.http.run())
    try:
        yield served
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=4)
        assert task.cancelled()


async def test_metrics_and_life():
    async with running() as served:
        metrics = await served.get("/metrics")
        assert metrics.text == "up 1\n"
        assert metrics.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert (await served.get("/livez")).status_code == 200
        assert (await served.get("/elsewhere")).status_code == 404
        assert (await served.get("/metrics", "POST")).status_code == 405


async def test_readiness_says_why_not():
    async with running() as served:
        assert (await served.get("/readyz")).json() == {"ready": True, "why_not": []}
        served.why = ["trading.telemetry.v1/3 lags by 9.0 s"]
        answer = await served.get("/readyz")
        assert answer.status_code == 503
        assert answer.json() == {"ready": False, "why_not": ["trading.telemetry.v1/3 lags by 9.0 s"]}


async def test_connections_are_bounded_and_who_asks_nothing_is_closed(monkeypatch):
    """Each is a file: without a bound a stranger's could take those of the brokers."""
    monkeypatch.setattr(page, "CONNECTIONS_MAX", 8)
    monkeypatch.setattr(page, "ASK_S_MAX", 0.5)
    async with running() as served:
        port = int(served.url.rpartition(":")[2])
        opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
        ended = [asyncio.ensure_future(reader.read()) for reader, _ in opened]
        done, waiting = await asyncio.wait(ended, timeout=0.2)
        assert (len(done), len(waiting)) == (12, 8)
        _, waiting = await asyncio.wait(ended, timeout=2)
        assert not waiting
        assert (await served.get("/livez")).status_code == 200
        for _, writer in opened:
            writer.close()


async def test_who_never_ends_is_ended(monkeypatch):
    monkeypatch.setattr(page, "CONNECTION_S_MAX", 0.3)
    async with running() as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(served.url.rpartition(":")[2]))
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /livez HTTP/1.1\r\nHost:")
        answered = await asyncio.wait_for(reader.read(), 2)
        assert answered.startswith(b"HTTP/1.1 200")
        writer.close()


async def test_signals_stay_the_monitors_own():
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    async with running() as served:
        await served.get("/livez")
        assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before


async def test_a_port_in_use_is_known_at_start_and_free_after_the_end():
    async with running() as served:
        port = int(served.url.rpartition(":")[2])
        with pytest.raises(OSError):
            Http("127.0.0.1", port, exposition=lambda: b"", not_ready=list).bind()
        async with httpx.AsyncClient() as lasting:  # a connection that nobody closes
            await lasting.get(served.url + "/livez")
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.real("prometheus")
async def test_prometheus_scrapes_it(tmp_path):
    metrics = Metrics(detectors=[], quarantine_reasons=[], topics=[], now_ns=lambda: 1, version="1.2.3")
    metrics.events.inc(41)
    async with running(exposition=metrics.exposition) as served:
        with Prometheus(tmp_path, served.url[7:]) as prometheus:
            async with asyncio.timeout(20):
                while not (found := await asyncio.to_thread(prometheus.query, "knightwatch_events_total")):
                    await asyncio.sleep(0.2)
    assert float(found[0]["value"][1]) == 41
