"""What fails beside the judgement begins again, and everybody who must know hears of it."""

import asyncio
import contextlib
from types import SimpleNamespace

import pytest

from monitor import supervising
from monitor.edge import logs
from monitor.edge.metrics import Metrics
from monitor.supervising import Supervisor, kept_running


@pytest.fixture
async def world(monkeypatch):
    monkeypatch.setattr(supervising, "AGAIN_AFTER_S", 0.01)
    told = []
    metrics = Metrics(detectors=[], quarantine_reasons=[], topics=[], now_ns=lambda: 1, version="1")
    clock = SimpleNamespace(now_ns=lambda: 7)
    begun = []

    def run(work):
        begun.append(
            asyncio.create_task(kept_running("pager", work, clock, metrics, logs.logger(), told.append))
        )

    yield SimpleNamespace(run=run, told=told, metrics=metrics)
    for task in begun:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_task_that_fails_or_ends_begins_again_and_is_told_and_counted(world):
    lives, lasting = [], asyncio.Event()

    async def work():
        lives.append(len(lives))
        if len(lives) == 1:
            raise RuntimeError("nobody foresaw this")
        if len(lives) == 3:
            await lasting.wait()

    world.run(work)
    while len(lives) < 3:
        await asyncio.sleep(0.01)
    assert [(fact.link, fact.up) for fact in world.told] == [("task pager", False), ("task pager", True)] * 2
    assert [fact.detail for fact in world.told if not fact.up] == [
        "RuntimeError: nobody foresaw this",
        "ended",
    ]
    assert b'knightwatch_task_failures_total{task="pager"} 2.0' in world.metrics.exposition()


async def test_a_task_that_is_cancelled_ends(world):
    task = asyncio.current_task()
    assert task is not None

    async def work():
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await kept_running("pager", work, None, world.metrics, logs.logger(), world.told.append)
    assert world.told == []


def test_nobody_is_told_that_we_judge_but_by_a_tick_and_a_lease():
    heard = []
    dog = SimpleNamespace(
        start=lambda: heard.append("start"),
        alive=lambda: heard.append("tick"),
        stop=lambda: heard.append("stop"),
    )
    systemd = SimpleNamespace(
        ready=lambda: heard.append("ready"), alive=heard.append, stopping=lambda: heard.append("stopping")
    )
    one = Supervisor(dog, systemd)
    one.ready()
    one.alive()
    one.judging("degraded")
    one.stopping()
    assert heard == ["start", "ready", "tick", "degraded", "stop", "stopping"]
