"""A halt that was commanded leaves before anything else is done, and the trail's order stays that of the facts."""

import asyncio
import contextlib
from collections import deque
from types import SimpleNamespace

import pytest

from monitor import serve
from monitor.core import commands as cmd
from monitor.core.inputs import CommandSettled, LinkChanged
from monitor.edge import logs
from monitor.serve import EVIDENCE_AT_ONCE_MAX, Monitor

HALT = cmd.Halt({"halt_id": "7f3a"})
PAGE, NOTE = cmd.Page("p", "halt", "STOPPED"), cmd.Record("halt.decided", {})
SETTLED = CommandSettled("halt", "7f3a", "mqtt", True, 1, "")
LINK = LinkChanged("mqtt", True, 1, "")


@pytest.fixture
async def world():
    """A monitor's way from facts to deeds, with nothing around it; `answers` are the engine's, fact by fact."""
    done, answers, left = [], {}, asyncio.Event()
    monitor = Monitor.__new__(Monitor)
    monitor._facts, monitor._telling, monitor._rest = deque(), False, []
    monitor._pending, monitor._pending_more = [], {}
    monitor.engine = SimpleNamespace(
        answers=lambda fact: iter(answers.get(fact, [])), sequencer=SimpleNamespace(is_catching_up=False)
    )
    monitor.audit = SimpleNamespace(together=contextlib.nullcontext)
    monitor._certifying = SimpleNamespace(explained=lambda fact: fact)
    monitor.performer = SimpleNamespace(
        perform=done.append, write=lambda what, _fields: done.append(what), let_halts_leave=left.wait
    )
    async with asyncio.TaskGroup() as tasks:
        monitor._tasks = tasks
        yield SimpleNamespace(tell=monitor.tell, done=done, answers=answers, left=left)
        left.set()


async def turns():
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_is_commanded_after_a_halt_is_done_when_it_has_left(world):
    world.answers[LINK] = [NOTE, HALT, NOTE, PAGE]
    world.tell(LINK)
    assert world.done == ["link.moved", NOTE, HALT]
    await turns()
    assert world.done == ["link.moved", NOTE, HALT]
    world.left.set()
    await turns()
    assert world.done == ["link.moved", NOTE, HALT, NOTE, PAGE]


async def test_a_halt_has_left_before_what_is_said_of_it_is_decided(world):
    def decided():
        yield NOTE
        yield HALT
        world.done.append("the page is written")
        yield PAGE
        yield HALT
        yield NOTE

    world.answers[LINK] = decided()
    world.tell(LINK)
    assert world.done == ["link.moved", NOTE, HALT, "the page is written", PAGE, HALT]
    world.left.set()
    await turns()
    assert world.done[-2:] == [HALT, NOTE]


async def test_the_next_fact_finds_it_done(world):
    world.answers[LINK] = [HALT, PAGE]
    world.tell(LINK)
    world.answers[LINK] = [NOTE]
    world.tell(LINK)
    assert world.done == ["link.moved", HALT, PAGE, "link.moved", NOTE]
    world.left.set()
    await turns()
    assert world.done == ["link.moved", HALT, PAGE, "link.moved", NOTE]


async def test_what_became_of_it_on_one_road_does_not_hurry_it(world):
    world.answers[LINK] = [HALT, PAGE]
    world.tell(LINK)
    world.tell(SETTLED)
    assert world.done == ["link.moved", HALT]
    world.left.set()
    await turns()
    assert world.done == ["link.moved", HALT, PAGE, "command.settled"]


async def test_where_no_halt_is_commanded_all_is_done_at_once(world):
    world.answers[LINK] = [NOTE, PAGE]
    world.tell(LINK)
    assert world.done == ["link.moved", NOTE, PAGE]


async def test_evidence_that_cannot_be_copied_is_said_and_ends_nothing(monkeypatch):
    """Each halt's copy has a client of its own: there are few at once, however many halts."""
    monkeypatch.setattr(serve, "EVIDENCE_AFTER_S", 0)
    asked, written, free = [], [], asyncio.Event()

    async def fetch(wanted):
        asked.append(wanted)
        await free.wait()
        raise AssertionError("a client's own mistake")

    monitor = Monitor.__new__(Monitor)
    monitor.engine, monitor.log = SimpleNamespace(parts=[]), logs.logger()
    monitor.outside = SimpleNamespace(fetch=fetch)
    monitor._copying = asyncio.Semaphore(EVIDENCE_AT_ONCE_MAX)
    monitor.performer = SimpleNamespace(write=lambda what, fields: written.append((what, fields["why"])))
    async with asyncio.TaskGroup() as tasks:
        for _ in range(20):
            monitor._keep_evidence(tasks, HALT)
        await asyncio.sleep(0.01)
        assert len(asked) == EVIDENCE_AT_ONCE_MAX
        free.set()
    assert written == [("evidence.lost", "AssertionError: a client's own mistake")] * 20


async def test_a_task_that_does_not_end_does_not_keep_us_from_our_last_words(monkeypatch):
    monkeypatch.setattr(serve, "LAST_WORDS_S", 0.01)
    over, said = asyncio.Event(), []

    async def deaf():
        while not over.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await over.wait()

    async def publish(*_, **__):
        said.append("lease")

    async def finish(_):
        said.append("saved")

    road = SimpleNamespace(publish=publish)
    monitor = Monitor.__new__(Monitor)
    monitor._supervisor = SimpleNamespace(stopping=lambda: None)
    monitor._work, monitor.config = lambda: None, SimpleNamespace(issuer="monitor-1")
    monitor.engine = SimpleNamespace(policy=SimpleNamespace(digest=""))
    message = SimpleNamespace(topic="", payload=b"")
    monitor.performer = SimpleNamespace(
        roads=SimpleNamespace(kafka=road, mqtt=road), lease_message=lambda *_: message
    )
    monitor.saving = SimpleNamespace(finish=finish)
    async with asyncio.TaskGroup() as tasks:
        monitor._judging = [tasks.create_task(deaf())]
        await asyncio.sleep(0)
        await monitor._say_goodbye()
        over.set()
    assert said == ["lease", "lease", "saved"]


async def test_a_measurement_that_breaks_does_not_end_the_tick():
    happened = []

    async def ticks():
        for wall_ns in (1, 2):
            yield SimpleNamespace(wall_ns=wall_ns)

    def broken(_tick):
        raise RuntimeError("a metric")

    @contextlib.contextmanager
    def beside(task):
        with contextlib.suppress(RuntimeError):
            yield
        happened.append(task)

    monitor = Monitor.__new__(Monitor)
    monitor.clock, monitor._measure = SimpleNamespace(ticks=ticks), broken
    monitor.performer = SimpleNamespace(beside=beside)
    monitor.feed = SimpleNamespace(passed=lambda fact: happened.append(fact.now_ns), lagging=tuple)
    monitor.kafka_in = SimpleNamespace(read_to_ns=lambda: 0)
    monitor._supervisor = SimpleNamespace(alive=lambda: happened.append("alive"))
    await monitor._tick()
    assert happened == ["metrics", 1, "alive", "metrics", 2, "alive"]
