"""Too little memory, too little processor: said or survived, never a judgement that differs."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from monitor.edge.audit import verify
from tests.real.live import Listener, monitor_on, until

pytestmark = [pytest.mark.real("kafka", "mosquitto"), pytest.mark.slow]

RUNAWAY = "P{n} C A F B done +300ms C C C"
BUSY = "while True: pass"
RIVALS = 2 * (os.cpu_count() or 1)
STARVED_S = 8


@contextlib.contextmanager
def rivals():
    """Processes that want all of the processors, and leave when we do."""
    running = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(RIVALS)]
    try:
        yield
    finally:
        for one in running:
            one.kill()
            one.wait()


def leave_no_memory(pid):
    """From now on it may map nothing more."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    (mapped_kib,) = [int(line.split()[1]) for line in status if line.startswith("VmSize:")]
    subprocess.run(["prlimit", f"--as={mapped_kib * 1024}", "--pid", str(pid)], check=True)


async def test_beside_processes_that_take_the_processors_it_halts_and_is_not_ended(
    kafka_own, mosquitto, tmp_path, measured
):
    async with (
        monitor_on(kafka_own, mosquitto, tmp_path / "monitor") as live,
        Listener(live) as gateway,
    ):
        await gateway.next(0, "lease", status="judging")
        pid = live.server.pid
        with rivals():
            starved_s = time.monotonic()
            await asyncio.sleep(STARVED_S)
            sent_s = time.monotonic()
            await live.send(RUNAWAY.format(n=1))
            halted_s, _ = await gateway.next(sent_s, "halt")
        silence_s = gateway.longest_silence_s(starved_s, "lease")
        measured(halted_s=halted_s, lease_silence_s=silence_s)
        assert (live.server.running, live.server.pid) == (True, pid), "slow is not blocked: nobody ends it"
        assert live.pages("blind") == []
        assert silence_s < 3
        assert live.metric("knightwatch_loop_latency_seconds_count") > 0, (
            "and how late it was can be alerted on"
        )


async def test_refused_every_page_of_memory_it_judges_on_or_ends_aloud_and_the_next_life_judges_all(
    kafka_own, mosquitto, tmp_path, measured
):
    """No byte more may be mapped, whatever asks: what it cannot do it does not pretend to have done."""
    async with (
        monitor_on(kafka_own, mosquitto, tmp_path / "monitor") as live,
        Listener(live) as gateway,
    ):
        await gateway.next(0, "lease", status="judging")
        await until(lambda: list((live.folder / "snapshot").glob("*.kws")), "it saves")
        leave_no_memory(live.server.pid)
        for n in range(20):
            await live.send(" ".join(f"P{n}.{m} C A F B done" for m in range(50)))
        live.desk.name = "b"
        sent_s = time.monotonic()
        await live.send(RUNAWAY.format(n=1))
        await until(
            lambda: not live.server.running or gateway.since(sent_s, "halt", scope={"host": "b-gw-1"}),
            "it halts, or it ends",
        )
        ended = not live.server.running
        if ended:
            assert await live.ended() not in {0, 143}
        else:
            assert await live.terminate() == 143
        await live.start()
        await until(lambda: gateway.of("halt", scope={"host": "b-gw-1"}), "the halt is there")
        await until(lambda: live.lines("breach.seen"), "with its breach")
        await until(
            lambda: [
                state
                for _, state in gateway.since(sent_s, "state")
                if {"host": "b-gw-1"} in [halt["scope"] for halt in state["open"]]
            ],
            "and it is open",
        )
        measured(ended=float(ended))
    assert live.lines("records.lost") == []
    assert verify([live.audit], keyring=live.keyring).ok
