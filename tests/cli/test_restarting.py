"""What a restart would lose is said before it is done, and nothing is touched by asking."""

import json

import pytest

from monitor.cli import restarting
from monitor.cli.restarting import examine
from monitor.core import snapshot
from monitor.core.engine import Engine
from monitor.core.inputs import ReadingStarted
from monitor.edge.store import Folder
from monitor.settings import load_text
from monitor.settings.policy import policy_of

TOPIC = "trading.telemetry.v1"
NOBODY = "127.0.0.1:9"


def config_of(folder, scope="account=*", limit=5):
    return load_text(
        f'site = "demo"\nenv = "demo"\n[snapshot]\nfolder = "{folder}"\n[kafka]\nbootstrap_servers = "{NOBODY}"\n'
        f'[detectors.exposure]\nmode = "armed"\nlimit = [{{ scope = "{scope}", gross = {limit} }}]\n'
    )


@pytest.fixture
def folder(tmp_path):
    """With a snapshot that stands at offset 500 of one partition."""
    engine = Engine(policy_of(config_of(tmp_path)))
    engine.handle(ReadingStarted(TOPIC, 0, 500, "session"))
    state = engine.snapshot() | {"shell": {"bearings": {"topic_ids": {}, "epochs": []}, "audit_lines": 3}}
    Folder(tmp_path).write(snapshot.encode(state), 1)
    return tmp_path


@pytest.fixture
def broker(monkeypatch):
    """A broker that says where its one partition begins and ends."""
    bounds = {"first": 0, "end": 700}

    class Consumer:
        def __init__(self, **_):
            pass

        async def start(self):
            pass

        async def stop(self):
            pass

        async def beginning_offsets(self, partitions):
            return dict.fromkeys(partitions, bounds["first"])

        async def end_offsets(self, partitions):
            return dict.fromkeys(partitions, bounds["end"])

    monkeypatch.setattr(restarting, "AIOKafkaConsumer", Consumer)
    return bounds


def test_where_all_is_there_nothing_is_lost(folder, broker):
    found = examine(config_of(folder))
    assert found.losses == []
    assert found.document["records_to_read"] == 200
    assert found.document["open_halts"] == 0


@pytest.mark.parametrize(
    ("first", "end", "says"), [(600, 700, "500 to 600 are gone"), (0, 400, "another log")]
)
def test_what_the_broker_no_longer_has_is_lost(folder, broker, first, end, says):
    broker |= {"first": first, "end": end}
    [loss] = examine(config_of(folder)).losses
    assert says in loss


def test_a_broker_that_does_not_answer_is_no_promise(folder):
    found = examine(config_of(folder))
    assert "does not say what it still has: no broker answers" in found.losses[0]
    assert found.is_unanswered


def test_a_broker_that_answers_is_not_unreachable_whatever_is_lost(folder, broker):
    assert not examine(config_of(folder)).is_unanswered


def test_a_family_that_would_begin_anew_is_named_and_another_limit_is_not(folder, broker):
    assert examine(config_of(folder, limit=6)).losses == []
    assert "detector exposure would begin anew" in examine(config_of(folder, scope="symbol=*")).losses[0]


def test_a_torn_snapshot_is_named_the_one_before_it_counts_and_both_stay(folder, broker):
    torn = folder / "snapshot-00000000000000000009.kws"
    torn.write_bytes(b"torn")
    found = examine(config_of(folder))
    assert torn.name in found.losses[0]
    assert found.document["records_to_read"] == 200
    assert torn.read_bytes() == b"torn"


def test_without_a_snapshot_the_session_is_read_again(tmp_path, broker):
    [loss] = examine(config_of(tmp_path)).losses
    assert "read again" in loss
    assert json.dumps(examine(config_of(tmp_path)).document)
