"""The configuration's file, changed while the monitor runs: a fact whole and valid, or every problem in it."""

import asyncio
import contextlib

import pytest

from monitor import reloading
from monitor.core.inputs import PolicyBroken, PolicyRead
from monitor.edge.clock import Clock
from monitor.edge.metrics import Metrics
from monitor.reloading import Reloading
from monitor.settings import load

CONFIG = 'site = "demo"\nenv = "demo"\n[detectors.child_parent]\nmode = "shadow"\n'


@pytest.fixture
async def run(tmp_path, monkeypatch):
    """(path, what was told, ask, metrics) of a file that is watched."""
    monkeypatch.setattr(reloading, "LOOK_EVERY_S", 0.02)
    path, told = tmp_path / "watch.toml", asyncio.Queue()
    path.write_text(CONFIG)
    metrics = Metrics(detectors=[], quarantine_reasons=[], topics=[], now_ns=lambda: 1, version="1")
    one = Reloading(load(path), Clock(), metrics, told.put_nowait)
    running = asyncio.create_task(one.run())
    await asyncio.sleep(0.05)
    yield path, lambda: asyncio.wait_for(told.get(), 10), one.ask, metrics
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


def is_broken(metrics):
    return b"knightwatch_config_broken 1.0" in metrics.exposition()


async def test_a_file_that_changes_is_read_whole(run):
    path, told, _, metrics = run
    path.write_text(CONFIG.replace("shadow", "armed"))
    read = await told()
    assert isinstance(read, PolicyRead)
    assert read.policy.detectors["child_parent"].mode.value == "armed"
    assert load(path).policy_digest == read.policy.digest
    assert not is_broken(metrics)


async def test_a_signal_reads_it_though_it_did_not_change(run):
    _, told, ask, _ = run
    ask()
    assert isinstance(await told(), PolicyRead)


async def test_a_broken_file_is_every_problem_and_a_metric_until_it_is_mended(run):
    path, told, _, metrics = run
    path.write_text(CONFIG.replace("shadow", "armd") + 'colour = "red"\n')
    broken = await told()
    assert isinstance(broken, PolicyBroken)
    assert {one.split(":")[0] for one in broken.problems} == {
        "detectors.child_parent.mode",
        "detectors.child_parent.colour",
    }
    assert is_broken(metrics)
    path.write_text(CONFIG)
    assert isinstance(await told(), PolicyRead)
    assert not is_broken(metrics)


async def test_a_file_that_is_gone_is_broken(run):
    path, told, _, _ = run
    path.unlink()
    assert isinstance(await told(), PolicyBroken)


async def test_what_wants_a_restart_is_named_and_nothing_of_the_file_is_taken(run):
    path, told, _, _ = run
    armed = CONFIG.replace("shadow", "armed")
    path.write_text(armed.replace("[detectors", '[kafka]\nbootstrap_servers = "other:1"\n[detectors'))
    broken = await told()
    assert isinstance(broken, PolicyBroken)
    assert [one.split(":")[0] for one in broken.problems] == ["kafka.bootstrap_servers"]
    assert "restart" in broken.problems[0]
