"""A name that is answered late, or never, holds up nothing: not the loop, not its threads, not its end."""

import asyncio
import socket
import threading
import time

import pytest

from monitor.edge import resolver
from monitor.edge.resolver import QUESTIONS_MAX, ResolvingLoop, addresses_of

FOUND = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 9092))]


class Server:
    """In the place of the system's resolver."""

    def __init__(self, monkeypatch):
        self.answers, self.answering, self.asked = FOUND, threading.Event(), 0
        monkeypatch.setattr(socket, "getaddrinfo", self.ask)
        monkeypatch.setattr(resolver, "ANSWER_S_MAX", 0.05)

    def ask(self, *_args, **_kind):
        self.asked += 1
        self.answering.wait(10)
        if isinstance(self.answers, OSError):
            raise self.answers
        return self.answers


@pytest.fixture
def server(monkeypatch):
    server = Server(monkeypatch)
    yield server
    server.answering.set()


def run(work):
    with asyncio.Runner(loop_factory=ResolvingLoop) as runner:
        return runner.run(work)


def test_an_answer_is_the_resolvers(server):
    server.answering.set()
    assert run(addresses_of("kafka", 9092)) == FOUND


def test_one_that_hangs_is_an_error_in_its_time_asked_once_and_nobody_waits_for_it_at_the_end(server):
    async def ask_often():
        for _ in range(20):
            with pytest.raises(OSError, match="no address of kafka"):
                await addresses_of("kafka", 9092)
        return await asyncio.to_thread(lambda: "the pool is free")

    began_s = time.monotonic()
    assert run(ask_often()) == "the pool is free"
    assert time.monotonic() - began_s < 5
    assert server.asked == 1


@pytest.mark.parametrize("answers", [FOUND, OSError("no such name")], ids=["late", "refused"])
def test_what_was_known_is_taken_where_the_answer_is_late_or_refused(server, answers):
    async def ask_twice():
        server.answering.set()
        first = await addresses_of("kafka", 9092)
        if answers is FOUND:
            server.answering.clear()
        server.answers = answers
        return first, await addresses_of("kafka", 9092)

    assert run(ask_twice()) == (FOUND, FOUND)


def test_a_name_that_is_refused_and_was_never_known_is_an_error(server):
    server.answers = OSError("no such name")
    server.answering.set()
    with pytest.raises(OSError, match="no such name"):
        run(addresses_of("kafka", 9092))


def test_questions_are_bounded(server):
    async def ask_many():
        asked = (addresses_of(f"host-{n}", 1) for n in range(QUESTIONS_MAX + 1))
        return await asyncio.gather(*asked, return_exceptions=True)

    *late, refused = run(ask_many())
    assert {str(one).partition(" host")[0] for one in late} == {"no address of"}
    assert "host-64 is not asked for" in str(refused)
