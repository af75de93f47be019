"""Our time only rises, follows the wall clock slowly, and sees its own absence."""

import asyncio
import os
import signal
import subprocess
import sys
import time

from hypothesis import given
from hypothesis import strategies as st

from monitor.edge.clock import Clock

SECOND = 1_000_000_000
HOUR = 3_600 * SECOND


class Hands:
    """A wall clock and a count of time that a test moves."""

    def __init__(self):
        self.wall, self.elapsed = 1_700_000_000 * SECOND, 5 * SECOND
        self.clock = Clock(lambda: self.wall, lambda: self.elapsed)

    def pass_(self, ns):
        self.wall += ns
        self.elapsed += ns


def test_with_a_good_wall_clock_it_is_the_wall_clock():
    hands = Hands()
    for _ in range(1000):
        hands.pass_(SECOND // 10)
        assert hands.clock.now_ns() == hands.wall
    assert hands.clock.skew_ns() == 0


def test_a_step_of_an_hour_is_followed_slowly_and_said():
    for step in (HOUR, -HOUR):
        hands = Hands()
        hands.pass_(SECOND)
        before = hands.clock.now_ns()
        hands.wall += step
        for _ in range(100):
            hands.pass_(SECOND)
            hands.clock.now_ns()
        passed = hands.clock.now_ns() - before
        assert abs(passed - 100 * SECOND) <= SECOND
        assert abs(hands.clock.skew_ns() - step) <= SECOND


def test_an_offset_of_a_second_is_gone_in_two_minutes():
    hands = Hands()
    hands.wall += SECOND
    for _ in range(1200):
        hands.pass_(SECOND // 10)
        hands.clock.now_ns()
    assert hands.clock.now_ns() == hands.wall


@given(st.lists(st.tuples(st.integers(-2 * HOUR, 2 * HOUR), st.integers(0, 10 * SECOND)), max_size=50))
def test_it_never_goes_back_whatever_the_wall_clock_does(moves):
    hands = Hands()
    last = hands.clock.now_ns()
    for step, passed in moves:
        hands.wall += step
        hands.pass_(passed)
        now = hands.clock.now_ns()
        assert 0.99 * passed - 1 <= now - last <= 1.01 * passed + 1
        last = now


async def test_ticks_come_each_period_and_a_blocked_loop_shows():
    late = []
    async with asyncio.timeout(5):
        async for tick in Clock().ticks(0.02):
            late.append(tick)
            if len(late) == 5:
                time.sleep(0.15)  # noqa: ASYNC251 - the blocked loop is what this is about
            if len(late) == 8:
                break
    assert late[5].late_ns >= 0.12 * SECOND
    assert late[5].gap_ns == 0
    assert late[6].monotonic_ns - late[5].monotonic_ns >= 0.01 * SECOND  # none is made up for
    assert [tick.wall_ns for tick in late] == sorted(tick.wall_ns for tick in late)


STOPPED = """
import asyncio
from monitor.edge.clock import Clock
async def main():
    n = 0
    async for tick in Clock().ticks(0.05):
        n += 1
        if n == 3: print("ready", flush=True)
        if tick.gap_ns: return print(tick.gap_ns, flush=True)
asyncio.run(main())
"""


def test_a_process_that_was_stopped_sees_its_own_gap():
    child = subprocess.Popen([sys.executable, "-c", STOPPED], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout.readline() == "ready\n"
        os.kill(child.pid, signal.SIGSTOP)
        time.sleep(1.4)
        os.kill(child.pid, signal.SIGCONT)
        assert SECOND <= int(child.stdout.readline()) < 3 * SECOND
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
