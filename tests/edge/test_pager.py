"""One page a cause, to everyone who should have it, whatever is down; and nobody waits for it."""

import asyncio
import contextlib
import json
import time

import pytest

from monitor.core.commands import Page
from monitor.edge.pager import PAGES_MAX, Alertmanager, Webhook

DEADLINE_S = 20
STOPPED = Page(
    key="7f3a",
    severity="halt",
    summary="STOPPED host=smars-8 (no new, cancelling) | why: 3 children after parent done | halt 7f3a",
    labels={"scope": "host=smars-8", "reason": "after_done", "9 odd/name": "x" * 1000, "empty": ""},
    details={"measured": float("nan"), "children": 3},
)
OVER = Page(key="7f3a", severity="halt", summary=STOPPED.summary, labels=STOPPED.labels, resolved=True)
SELF = Page(key="lag", severity="self", summary="BLIND", labels={"reason": "lag"})


class Listener:
    """An HTTP server that remembers what it was sent and answers as it is told."""

    def __init__(self):
        self.got, self.headers = [], []
        self.answers = []  # statuses, or None: keep silent
        self.extra = ""

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        self._server.close()

    async def _serve(self, reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
                self.headers.append(headers)
                self.got.append(json.loads(await reader.readexactly(int(headers["content-length"]))))
                status = self.answers.pop(0) if self.answers else 200
                if status is None:
                    await asyncio.sleep(60)
                writer.write(f"HTTP/1.1 {status} x\r\nContent-Length: 0\r\n{self.extra}\r\n".encode())
                await writer.drain()


@pytest.fixture
async def listener():
    async with Listener() as listener:
        yield listener


@contextlib.asynccontextmanager
async def running(pager):
    task = asyncio.ensure_future(pager.run())
    try:
        yield
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(true):
    async with asyncio.timeout(DEADLINE_S):
        while not true():
            await asyncio.sleep(0.02)


def told(settled):
    return lambda key, outcome: settled.append((key, outcome.ok, outcome.detail))


@pytest.mark.real("alertmanager")
async def test_amtool_sees_the_page_and_then_its_end(alertmanager):
    settled = []
    pager = Alertmanager([alertmanager.url], now_ns=time.time_ns, on_settled=told(settled))
    async with running(pager):
        pager.submit(STOPPED)
        await until(lambda: settled)
        (alert,) = await asyncio.to_thread(alertmanager.alerts, "cause=7f3a")
        assert alert["labels"]["scope"] == "host=smars-8"
        assert alert["labels"]["_9_odd_name"] == "x" * 256
        assert alert["annotations"]["summary"].startswith("STOPPED host=smars-8")
        assert alert["endsAt"] > alert["startsAt"]
        pager.submit(OVER)
        await until(lambda: len(settled) == 2)
        assert await asyncio.to_thread(alertmanager.alerts, "cause=7f3a") == []
    assert [ok for _, ok, _ in settled] == [True, True]


@pytest.mark.real("alertmanager")
async def test_a_member_that_was_dead_learns_of_it_and_the_other_does_not_wait(alertmanager, listener):
    settled = []
    pager = Alertmanager([alertmanager.url, listener.url], now_ns=time.time_ns, on_settled=told(settled))
    await asyncio.to_thread(alertmanager.kill9)
    async with running(pager):
        began = time.monotonic()
        pager.submit(STOPPED)
        await until(lambda: ("7f3a", True, "") in settled)
        assert time.monotonic() - began < 2
        await alertmanager.restart()
        await until(lambda: pager._open["7f3a"].told == {0, 1})
        assert len(await asyncio.to_thread(alertmanager.alerts)) == 1


async def test_what_changes_for_the_router_is_another_alert_and_ends_the_old_one(listener):
    pager = Alertmanager([listener.url], now_ns=time.time_ns, on_settled=told([]))
    async with running(pager):
        pager.submit(Page("7f3a", "high", "watch"))
        await until(lambda: not pager.waiting)
        pager.submit(STOPPED)
        await until(lambda: not pager.waiting)
    ended, begun = listener.got[-1]
    assert (ended["labels"]["severity"], begun["labels"]["severity"]) == ("high", "halt")
    assert ended["endsAt"] < begun["endsAt"]
    assert json.loads(begun["annotations"]["details"])["children"] == 3


async def test_one_alert_that_is_refused_takes_no_other_with_it(listener):
    settled = []
    listener.answers = [400, 400, 200]
    pager = Alertmanager([listener.url], now_ns=time.time_ns, on_settled=told(settled))
    pager.submit(SELF)
    pager.submit(STOPPED)
    async with running(pager):
        await until(lambda: ("7f3a", True, "") in settled)
        assert [(key, ok) for key, ok, _ in settled] == [("lag", False), ("7f3a", True)]
        await until(lambda: not pager.waiting)


async def test_what_was_opened_before_a_restart_can_be_ended_after_it(listener):
    pager = Alertmanager([listener.url], now_ns=time.time_ns, on_settled=told([]))
    async with running(pager):
        pager.submit(OVER)
        await until(lambda: not pager.waiting)
    ((ended,),) = listener.got
    assert ended["labels"]["cause"] == "7f3a"
    assert ended["endsAt"] <= time.strftime("%Y-%m-%dT%H:%M:%S.999Z", time.gmtime())


async def test_a_page_is_repeated_so_that_it_does_not_end_by_itself(listener, monkeypatch):
    monkeypatch.setattr("monitor.edge.pager.REPEAT_S", 0.2)
    settled = []
    pager = Alertmanager([listener.url], now_ns=time.time_ns, on_settled=told(settled))
    async with running(pager):
        pager.submit(STOPPED)
        await until(lambda: len(listener.got) >= 3)
    assert len(settled) == 1
    assert len({json.dumps(alert["labels"]) for (alert,) in listener.got}) == 1
    assert len({alert["startsAt"] for (alert,) in listener.got}) == 1


async def test_a_webhook_gets_each_change_once_under_its_key(listener):
    settled = []
    webhook = Webhook(listener.url, now_ns=time.time_ns, on_settled=told(settled))
    async with running(webhook):
        webhook.submit(STOPPED)
        await until(lambda: len(listener.got) == 1)
        webhook.submit(OVER)
        await until(lambda: len(settled) == 2)
    assert [got["status"] for got in listener.got] == ["firing", "resolved"]
    assert listener.got[0]["summary"] == STOPPED.summary
    assert listener.got[0]["details"] == {"measured": "NaN", "children": 3}
    assert {headers["idempotency-key"] for headers in listener.headers} == {"7f3a"}


async def test_429_and_silence_are_waited_out_under_the_same_key(listener, monkeypatch):
    monkeypatch.setattr("monitor.edge.pager.REQUEST_S_MAX", 0.3)
    monkeypatch.setattr("monitor.edge.pager.BACKOFF_S", (0.05,))
    listener.answers = [429, None, 200]
    settled = []
    webhook = Webhook(f"{listener.url}/hooks/SECRET", now_ns=time.time_ns, on_settled=told(settled))
    async with running(webhook):
        webhook.submit(STOPPED)
        await until(lambda: not webhook.waiting)
    assert [ok for _, ok, _ in settled] == [False, True]
    assert "429" in settled[0][2]
    assert "SECRET" not in settled[0][2]
    assert len({headers["idempotency-key"] for headers in listener.headers}) == 1


async def test_nobody_there_is_said_once_and_tried_for_ever(monkeypatch):
    monkeypatch.setattr("monitor.edge.pager.BACKOFF_S", (0.02,))
    settled = []
    webhook = Webhook("http://127.0.0.1:9/", now_ns=time.time_ns, on_settled=told(settled))
    async with running(webhook):
        began = time.monotonic()
        webhook.submit(STOPPED)
        assert time.monotonic() - began < 0.05
        await asyncio.sleep(0.3)
    assert [(key, ok) for key, ok, _ in settled] == [("7f3a", False)]
    assert webhook.waiting == 1


def test_when_all_is_full_a_halt_takes_the_place_of_what_is_less_and_nothing_else_does():
    settled = []
    for pager in (
        Webhook("http://127.0.0.1:9/", now_ns=time.time_ns, on_settled=told(settled)),
        Alertmanager(["http://127.0.0.1:9"], now_ns=time.time_ns, on_settled=told(settled)),
    ):
        for n in range(PAGES_MAX):
            pager.submit(Page(f"p{n}", "high", "x"))
        pager.submit(SELF)
        assert pager.refused == 1
        assert settled.pop()[:2] == ("lag", False)
        pager.submit(STOPPED)
        assert pager.refused == 1
        assert not settled


async def test_what_is_open_is_posted_again_in_another_life_and_ends_under_its_own_labels(listener):
    """Alertmanager may have forgotten it, or its day may end; and an end must find the same alert."""
    lives = [Alertmanager([listener.url], now_ns=time.time_ns, on_settled=lambda *_: None) for _ in range(2)]
    lives[0].submit(STOPPED)
    lives[0].submit(SELF)  # a doubt of that life
    async with running(lives[0]):
        await until(lambda: listener.got)
    first, told = listener.got.pop(), json.loads(json.dumps(lives[0].plain()))
    lives[1].restore(told)
    async with running(lives[1]):
        await until(lambda: listener.got)
        (again,) = listener.got.pop()
        assert again["labels"] in [alert["labels"] for alert in first]
        assert again["startsAt"] == next(a["startsAt"] for a in first if a["labels"] == again["labels"])
        lives[1].submit(Page(STOPPED.key, "halt", "over", resolved=True))
        await until(lambda: listener.got)
        assert listener.got[-1][0]["labels"] == again["labels"]
        assert lives[1].plain() == []


async def test_what_was_not_delivered_is_delivered_by_another_life_and_only_that(listener):
    """OPERATING.md: a page that no receiver had taken is asked for again."""
    lives = [Webhook(listener.url, now_ns=time.time_ns, on_settled=lambda *_: None) for _ in range(3)]
    lives[0].submit(STOPPED)
    lives[1].restore(json.loads(json.dumps(lives[0].plain())))
    async with running(lives[1]):
        await until(lambda: listener.got and not lives[1].waiting)
    assert [document["summary"] for document in listener.got] == [STOPPED.summary]
    assert lives[1].plain() == []


async def test_an_end_that_was_not_heard_is_told_by_another_life(listener):
    lives = [Alertmanager([listener.url], now_ns=time.time_ns, on_settled=lambda *_: None) for _ in range(2)]
    lives[0].submit(STOPPED)
    lives[0].submit(OVER)
    lives[1].restore(json.loads(json.dumps(lives[0].plain())))
    async with running(lives[1]):
        await until(lambda: listener.got)
    assert listener.got[0][0]["annotations"]["summary"] == OVER.summary
    assert lives[1].plain() == []
