"""Knight's morning on real Kafka and a real mosquitto: stopped within the same figures as in the demo."""

import json
from pathlib import Path

import pytest

from monitor.demo.figures import document_of
from monitor.demo.folder import claimed
from monitor.demo.gateways import REFERENCE, TELEMETRY, Brokers
from monitor.demo.plan import tell
from monitor.demo.run import closed_loop
from monitor.demo.view import View
from monitor.edge.audit import verify
from monitor.edge.keys import load_keyring
from monitor.replay import replay
from monitor.scenarios import registry
from monitor.settings import load
from monitor.warm import warm_up

pytestmark = [pytest.mark.real("kafka", "mosquitto"), pytest.mark.slow]

SEED, SCALE = 1, 0.2


@pytest.fixture
async def morning(kafka_own, mosquitto, tmp_path):
    """One run: the folder and the figures.  The Kafka is its own, because topics have the contract's names."""
    config, scenario = load(), registry()["knight"]
    warm_up(config.detectors)
    told = tell(scenario, SEED, SCALE)
    kafka_own.create_topic(TELEMETRY, 4)
    kafka_own.create_topic(REFERENCE)
    brokers = Brokers(kafka_own.bootstrap_servers, mosquitto.host, mosquitto.port)
    with claimed(tmp_path / "demo") as folder:
        happened = await closed_loop(config, folder, brokers, told, seed=SEED, scale=SCALE, shown=View())
    history = scenario.history(SEED, SCALE)
    return folder, document_of(
        happened, history, folder, scenario="knight", seed=SEED, scale=SCALE, source=""
    )


async def test_the_faulty_server_is_stopped_on_real_brokers_as_in_the_demo(morning, capsys):
    folder, document = morning
    between = document["children_before_applied"] - document["children_before_halt"]
    with capsys.disabled():
        print(
            f"\nreal Kafka and mosquitto: halted {document['halted_after_s']:.3f} s after the first wrong child, "
            f"obeyed after {document['applied_after_s']:.3f} s; {document['children_before_halt']} children before "
            f"the decision, {between} between decision and applied, {document['orders_after_applied']} after; "
            f"heard after {document['heard_after_ms']} ms"
        )
    assert document["stopped"], json.dumps(document, indent=1)
    assert document["first_halt"]["scope"] == {"host": "smars-8"}
    assert set(document["heard_after_ms"]) == {"kafka", "mqtt"}

    report = verify([folder.audit], document["first_halt"], load_keyring(folder.pinned_keys))
    assert report.ok, report.first_bad
    assert report.halts == 1

    again = replay([Path(document["recording"])], load())["commands"][0]
    for name in ("halt_id", "event_ts", "scope", "level", "measured"):
        assert again[name] == document["first_halt"][name]
