"""A blocked loop ends its process; a process that was stopped as a whole goes on."""

import os
import signal
import subprocess
import sys
import time

from hypothesis import given
from hypothesis import strategies as st

from monitor.edge.watchdog import BLOCKED_S, EXIT_STATUS, LOOK_EVERY_S, PAUSED_S, Watchdog

LIVING = """
import sys, time
from monitor.edge.watchdog import Watchdog
dog = Watchdog()
dog.start()
print("begun", flush=True)
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    dog.alive()
    time.sleep(0.05)
{then}
print("over", flush=True)
"""


class Time:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def dog_of(clock):
    return Watchdog(blocked=lambda silent_s: None, now_s=clock)


@given(st.lists(st.tuples(st.floats(0.01, LOOK_EVERY_S), st.booleans()), max_size=60))
def test_it_barks_when_the_loop_was_silent_for_two_seconds_of_looking_and_not_before(steps):
    clock = Time()
    dog, silent = dog_of(clock), 0.0
    for passed, is_alive in steps:
        clock.now += passed
        silent += passed
        if is_alive:
            dog.alive()
            silent = 0.0
        if abs(silent - BLOCKED_S) > 1e-6:  # sums of floats
            assert dog.look() == (silent > BLOCKED_S)


def test_after_a_pause_of_the_whole_process_counting_begins_anew():
    clock = Time()
    dog = dog_of(clock)
    for pause_s in (PAUSED_S, 10, 3_600):
        clock.now += pause_s
        assert not dog.look()
    for _ in range(7):
        clock.now += LOOK_EVERY_S
        assert not dog.look()
    clock.now += LOOK_EVERY_S
    assert dog.look()


def process(then, lives_s):
    command = [sys.executable, "-c", LIVING.format(then=then), str(lives_s)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_blocked_process_ends_and_says_where_it_stood():
    with process("def stuck():\n    time.sleep(30)\nstuck()", 0.3) as blocked:
        out, err = blocked.communicate(timeout=20)
    assert blocked.returncode == EXIT_STATUS
    assert "over" not in out
    assert "the loop was blocked for 2" in err
    assert "in stuck" in err


def test_a_stopped_process_goes_on():
    with process("", 2.0) as stopped:
        assert stopped.stdout.readline() == "begun\n"
        os.kill(stopped.pid, signal.SIGSTOP)
        time.sleep(BLOCKED_S + 1)
        os.kill(stopped.pid, signal.SIGCONT)
        out, err = stopped.communicate(timeout=20)
    assert (stopped.returncode, out, err) == (0, "over\n", "")
