"""A person's halt on real wire protocols: both roads, one road, none; and what `status` then says."""

import json
from pathlib import Path

import pytest

from detectors.scope import Scope
from monitor.cli import door, looking, tightening
from monitor.cli.picture_text import text_of
from monitor.core import envelope
from monitor.core.authority import Received, receive
from monitor.core.keyring import Keyring, Role, Signer
from monitor.edge import keys
from monitor.edge.embedded import EmbeddedKafka, EmbeddedMqtt
from monitor.settings import load_text

ANNA = Signer(bytes([1]) * 32)
MONITOR = Signer(bytes([2]) * 32)
RING = Keyring([ANNA.pinned("anna", Role.OPERATOR), MONITOR.pinned("monitor-1", Role.MONITOR)])


def config(kafka="127.0.0.1:1", mqtt_port=1, more=""):
    return load_text(
        f'site = "nyc"\nenv = "demo"\n[kafka]\nbootstrap_servers = "{kafka}"\n[mqtt]\nport = {mqtt_port}\n{more}'
    )


@pytest.fixture
async def brokers():
    async with EmbeddedKafka() as kafka, EmbeddedMqtt() as mqtt:
        yield kafka, mqtt


def person_halt(made):
    return tightening.person_halt(made, Scope.of(host="smars-8"), "halt_cancel", "it runs away", "anna")


def test_the_payload_is_the_contracts_and_its_key_may_say_it():
    made = config()
    raw = envelope.seal(person_halt(made), [ANNA])
    received = receive(raw, RING, "nyc", "demo")
    assert isinstance(received, Received)
    assert (received.type, received.people) == ("halt", ("anna",))
    assert received.payload["reason"] == "it runs away"
    assert received.payload["policy_digest"] == made.policy_digest


def test_a_person_is_named_as_their_key_is_pinned(tmp_path):
    keys.keygen(tmp_path / "ben.key", "ben", Role.OPERATOR)
    signer = keys.load_signer(tmp_path / "ben.key")
    pinned = tmp_path / "pinned.toml"
    made = config(more=f'[keys]\npinned_keys_file = "{pinned}"\n')
    assert tightening.name_of(made, signer, tmp_path / "ben.key") == "ben"
    pinned.write_text(signer.pinned("benjamin", Role.OPERATOR).toml)
    assert tightening.name_of(made, signer, tmp_path / "ben.key") == "benjamin"
    assert tightening.name_of(made, ANNA, tmp_path / "none.key") is None


def test_to_press_twice_is_one_halt():
    assert person_halt(config())["halt_id"] == person_halt(config())["halt_id"]


async def test_both_roads_take_it_and_status_finds_it_without_a_monitor(brokers, monkeypatch):
    kafka, mqtt = brokers
    made = config(kafka.bootstrap_servers, mqtt.port)
    sent = await tightening.publish(made, person_halt(made), ANNA)
    assert {one.road: one.ok for one in sent}["kafka"], sent
    assert "NOT taken" not in tightening.told(person_halt(made), sent[:1])
    seen = await looking.look(made, wait_s=3.0)
    halt = seen.document["open"][0]
    assert (halt["scope"], halt["level"], halt["reason"]) == (
        {"host": "smars-8"},
        "halt_cancel",
        "it runs away",
    )
    assert "no lease heard: whether any monitor judges is unknown" in seen.unknowns()
    assert "acknowledged: unknown" in text_of(seen.document)


async def test_one_road_is_enough(brokers, monkeypatch):
    monkeypatch.setattr(tightening, "DEADLINE_S", 2.0)
    kafka, _ = brokers
    made = config(kafka.bootstrap_servers)
    by_kafka, by_mqtt = await tightening.publish(made, person_halt(made), ANNA)
    assert (by_kafka.ok, by_mqtt.ok) == (True, False)
    assert "127.0.0.1:1" in by_mqtt.address
    assert "Say it again" not in tightening.told(person_halt(made), [by_kafka, by_mqtt])


def test_one_that_kafka_does_not_have_is_to_be_said_again():
    """Monitors hear halts by Kafka: without it no state would tell a gateway that restarts."""
    taken = tightening.RoadOutcome("mqtt", "m:1883", True, 0.01, "")
    missed = tightening.RoadOutcome("kafka", "k:9092", False, 3.0, "no broker")
    assert "Say it again" in tightening.told(person_halt(config()), [missed, taken])


def test_no_road_is_said_aloud_and_is_69(tmp_path: Path, capsys, monkeypatch):
    monkeypatch.setattr(tightening, "DEADLINE_S", 0.5)
    monkeypatch.setattr(looking, "WAIT_S_MAX", 0.5)
    keys.keygen(tmp_path / "anna.key", "anna", Role.OPERATOR)
    file = tmp_path / "knightwatch.toml"
    file.write_text(
        'site = "nyc"\nenv = "demo"\n[kafka]\nbootstrap_servers = "127.0.0.1:1"\n[mqtt]\nport = 1\n'
    )
    args = ["halt", "--scope", "*", "--reason", "now", "--key", str(tmp_path / "anna.key"), "-c", str(file)]
    assert door.run(args) == 69
    assert "Stop it at the gateway or the venue by hand, now." in capsys.readouterr().out
    assert door.run([*args, "-o", "json"]) == 69
    document = json.loads(capsys.readouterr().out)
    assert (document["taken"], [road["ok"] for road in document["roads"]]) == (False, [False, False])
    assert document["halt"]["scope"] == {}


@pytest.mark.parametrize(
    ("key", "who", "words"),
    [
        ("gw", None, "halt by gw-1 (gateway)"),
        ("eve", "eve", "is not pinned"),
        ("anna", "ben", "its issuer is 'ben'"),
    ],
    ids=["a gateway's key", "a key that nobody pinned", "another's name"],
)
def test_a_key_that_no_gateway_would_obey_is_77_and_sends_nothing(
    tmp_path, capsys, monkeypatch, key, who, words
):
    pinned = [keys.keygen(tmp_path / "anna.key", "anna", Role.OPERATOR)]
    pinned += [keys.keygen(tmp_path / "gw.key", "gw-1", Role.GATEWAY)]
    keys.keygen(tmp_path / "eve.key", "eve", Role.OPERATOR)
    (tmp_path / "pinned.toml").write_text("\n".join(one.toml for one in pinned))
    file = tmp_path / "knightwatch.toml"
    file.write_text(f'site = "nyc"\nenv = "demo"\n[keys]\npinned_keys_file = "{tmp_path}/pinned.toml"\n')
    monkeypatch.setattr(tightening, "publish", None)
    args = ["halt", "--scope", "*", "--reason", "now", "--key", str(tmp_path / f"{key}.key"), "-c", str(file)]
    assert door.run([*args, "--who", who] if who else args) == 77
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--reason", ""),
        ("--reason", "\udcff"),
        ("--reason", "é" * 257),
        ("--who", "\udcff"),
        ("--who", "é" * 33),
    ],
)
def test_words_that_cannot_be_sent_are_a_usage_mistake(tmp_path, capsys, option, text):
    keys.keygen(tmp_path / "anna.key", "anna", Role.OPERATOR)
    (tmp_path / "k.toml").write_text('site = "nyc"\nenv = "demo"\n')
    words = {"--scope": "*", "--reason": "now", "--key": f"{tmp_path}/anna.key", "-c": f"{tmp_path}/k.toml"}
    assert door.run(["halt", *(word for pair in {**words, option: text}.items() for word in pair)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"knightwatch: {option}: write 1 to")


def test_without_pinned_keys_here_a_person_halts_all_the_same():
    assert tightening.disbelieved(config(), person_halt(config()), ANNA) == ""
