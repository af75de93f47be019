"""The deploy gate as a command: its statuses, its document, its record, and what it refuses to answer."""

import asyncio
import json
import time

import pytest
from aiokafka import AIOKafkaProducer

from monitor.cli import door, readying
from monitor.core.keyring import Role
from monitor.edge import keys
from monitor.edge.audit import read
from monitor.edge.embedded import EmbeddedKafka
from monitor.scenarios import registry, simulate
from monitor.scenarios.day import OPEN_NS

SECOND = 10**9
T = 1_343_800_000 * SECOND
HOSTS = tuple(f"smars-{n}" for n in range(1, 9))
ROW = '{ role = "router", hosts = ["smars-*"], count = 8, build = "rlp", flags = ["rlp"] }'
TOPIC = "trading.telemetry.v1"


@pytest.fixture
def knightwatch(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    keys.keygen(tmp_path / "monitor.key", "monitor-1", Role.MONITOR)

    def run(*args):
        status = door.run([str(arg) for arg in args])
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return status, said.out, said.err

    return run


@pytest.fixture
def config(tmp_path):
    def write(manifest=ROW, kafka="127.0.0.1:1", more=""):
        path = tmp_path / "knightwatch.toml"
        path.write_text(
            f'site = "nyc"\nenv = "demo"\n[kafka]\nbootstrap_servers = "{kafka}"\n'
            f'[keys]\nsigning_key_file = "monitor.key"\n[audit]\nfolder = "audit"\n{more}\n'
            f'[detectors.fleet]\nmode = "page"\nmanifest = [{manifest}]\n'
        )
        return path

    return write


def beat(host, ts=T, build="rlp", **more):
    return {
        "kind": "heartbeat", "source": "fleet", "ts": ts, "host": host, "build": build, "flags": ["rlp"],
    } | more  # fmt: skip


@pytest.fixture
def recording(tmp_path):
    def write(*events):
        path = tmp_path / "morning.ndjson"
        path.write_text("".join(json.dumps(event) + "\n" for event in events))
        return path

    return write


def ready(knightwatch, path, *args):
    status, out, err = knightwatch("ready", "--role", "router", "-c", path, "-o", "json", *args)
    return status, json.loads(out), err


def test_a_recorded_fleet_that_is_as_declared_exits_0_and_is_on_record(
    knightwatch, config, recording, tmp_path
):
    status, told, _ = ready(knightwatch, config(), recording(*map(beat, HOSTS)))
    assert (status, told["ready"], told["declared"], told["arrived"]) == (0, True, 8, 8)
    (line,) = [line for line in read([tmp_path / "audit" / "ready"]) if line.what == "readiness.judged"]
    assert line.fields == {name: value for name, value in told.items() if name != "audit"}
    assert (line.n, line.hash) == (told["audit"]["head"]["count"], told["audit"]["head"]["hash"])


def test_an_examiner_verifies_the_record_with_the_pinned_key(knightwatch, config, recording, tmp_path):
    file = recording(*map(beat, HOSTS))
    told = [ready(knightwatch, config(), file)[1] for _ in range(2)]
    folder, pinned = tmp_path / "audit" / "ready", tmp_path / "monitor.key.pub"
    status, out, _ = knightwatch("audit", "verify", folder, "--pinned", pinned, "-o", "json")
    report = json.loads(out)
    assert (status, report["ok"]) == (0, True)
    assert report["signed_through"] > told[1]["audit"]["head"]["count"]
    (trail,) = folder.glob("audit-*.ndjson")
    trail.write_bytes(trail.read_bytes().replace(b'"ready":true,"role"', b'"ready":null,"role"', 1))
    assert knightwatch("audit", "verify", folder, "--pinned", pinned)[0] == 1


def test_one_host_that_is_not_as_declared_exits_1_and_is_in_the_table(knightwatch, config, recording):
    file = recording(*map(beat, HOSTS[:6]), beat("smars-7", build="pegged"))
    status, out, _ = knightwatch("ready", "--role", "router", "-c", config(), file)
    assert status == 1
    assert "runs pegged, expected rlp" in out
    assert "detectors.fleet.manifest[0]: declared 8, arrived 7" in out
    assert "NOT READY" in out


def test_an_empty_recording_is_a_failure(knightwatch, config, recording):
    assert ready(knightwatch, config(), recording())[0] == 1


@pytest.mark.parametrize(("manifest", "key"), [
    (ROW.replace("count = 8, ", ""), "detectors.fleet.manifest[0].count"),
    (ROW.replace('build = "rlp", ', ""), "detectors.fleet.manifest[0].build"),
    ("", "detectors.fleet.manifest"),
])  # fmt: skip
def test_a_manifest_that_cannot_answer_is_refused(knightwatch, config, recording, manifest, key):
    status, told, _ = ready(knightwatch, config(manifest), recording(*map(beat, HOSTS)))
    assert (status, [problem["key"] for problem in told["problems"]]) == (78, [key])
    assert all(problem["write"] for problem in told["problems"])


@pytest.mark.parametrize(
    ("args", "status", "said"),
    [
        (["--role", "ruoter"], 2, "nearest: router"),
        (["--role", "router", "--wait", "soon"], 2, "--wait"),
        (["--role", "router", "--wait", "2h"], 2, "at most 1h"),
        (["--role", "router", "--since", "1d"], 2, "--since"),
        (["--role", "router", "--key", "none.key"], 77, "an answer must be signed"),
        (["--role", "router", "none.ndjson"], 2, "none.ndjson"),
        ([], 2, "--role"),
    ],
)
def test_a_users_mistake_is_a_sentence(knightwatch, config, args, status, said):
    found, out, err = knightwatch("ready", *args, "-c", config())
    assert (found, out) == (status, "")
    assert said in err


def test_kafka_that_does_not_answer_is_69_and_on_record_as_a_no(knightwatch, config, tmp_path):
    status, told, _ = ready(knightwatch, config(), "--wait", "500ms")
    assert (status, told["ready"]) == (69, False)
    assert any("kafka 127.0.0.1:1" in problem for problem in told["problems"])
    assert [
        line.fields["ready"] for line in read([tmp_path / "audit" / "ready"]) if "ready" in line.fields
    ] == [False]


def test_a_record_that_was_changed_is_no_witness_of_a_builds_age(knightwatch, config, recording, tmp_path):
    path, file = config(more="[rollout]\npilot_days = 5\n"), recording(*map(beat, HOSTS))
    status, told, _ = ready(knightwatch, path, file)
    assert (status, "younger than 5" in told["problems"][0]) == (1, True)
    (trail,) = (tmp_path / "audit" / "ready").glob("audit-*.ndjson")
    trail.write_bytes(trail.read_bytes().replace(b'"ready":false,"role"', b'"ready":true ,"role"', 1))
    status, _, err = knightwatch("ready", "--role", "router", "-c", path, file)
    assert (status, "cannot be believed" in err) == (1, True)


def test_a_build_ages_by_its_first_live_pass_and_a_recording_ages_nobody(tmp_path):
    keys.keygen(tmp_path / "k", "monitor-1", Role.MONITOR)
    signer = keys.load_signer(tmp_path / "k")
    said = {"ready": True, "live": True, "builds": {"v1": 8}, "at": 100}
    for change in (
        {"live": False, "at": 1},
        {"ready": False, "at": 2},
        {},
        {"at": 200, "builds": {"v1": 7, "v2": 1}},
    ):
        readying.keep(tmp_path / "ready", signer, said | change)
    assert readying.first_passes(tmp_path / "ready") == {"v1": 100, "v2": 200}


def test_a_pilot_limit_that_names_the_build_lets_it_pass(knightwatch, config, recording):
    more = (
        '[rollout]\npilot_days = 5\n[detectors.exposure]\nmode = "armed"\n'
        'limit = [{ scope = "account=*", gross = 1e9 }, { scope = "build=rlp", gross = 1e6 }]\n'
    )
    assert ready(knightwatch, config(more=more), recording(*map(beat, HOSTS)))[0] == 0
    shadow = more.replace('mode = "armed"', 'mode = "shadow"')  # a limit that stops nobody is none
    assert ready(knightwatch, config(more=shadow), recording(*map(beat, HOSTS)))[0] == 1


@pytest.mark.parametrize("late", [None, "smars-8"])
async def test_a_live_fleet_passes_as_soon_as_its_last_host_is_there(config, tmp_path, monkeypatch, late):
    """On a broker's wire: with one host silent it waits, and says no when time is up."""
    monkeypatch.chdir(tmp_path)
    keys.keygen(tmp_path / "monitor.key", "monitor-1", Role.MONITOR)
    async with EmbeddedKafka(topics={TOPIC: 2, "trading.reference.v1": 1}) as kafka:
        path = config(kafka=kafka.bootstrap_servers)
        producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers)
        await producer.start()

        async def fleet():
            while True:
                for host in HOSTS:
                    if host != late:
                        raw = json.dumps(beat(host, ts=time.time_ns())).encode()
                        await producer.send(TOPIC, raw, key=host.encode())
                await asyncio.sleep(0.3)

        beating = asyncio.ensure_future(fleet())
        try:
            args = ["ready", "--role", "router", "-c", str(path), "--wait", "6s" if late else "30s"]
            began_s = time.monotonic()
            status = await asyncio.to_thread(door.run, args)
            took_s = time.monotonic() - began_s
        finally:
            beating.cancel()
            await producer.stop()
    assert (status, took_s < 25) == (1 if late else 0, True)
    (line,) = [line for line in read([tmp_path / "audit" / "ready"]) if line.what == "readiness.judged"]
    assert (line.fields["live"], line.fields["arrived"]) == (True, 7 if late else 8)
    assert line.fields["read"]


def test_a_pilot_limit_stops_the_young_build_and_not_the_old_one(knightwatch, config, recording):
    more = (
        '[detectors.exposure]\nmode = "armed"\n'
        'limit = [{ scope = "account=*", gross = 1e9 }, { scope = "build=rlp-2", gross = 50_000 }]\n'
    )
    order = {"kind": "order_new", "account": "33", "symbol": "S", "side": "buy", "price": 10, "session": "s"}
    flow = [
        order
        | {
            "ts": T + n,
            "order_id": str(n),
            "qty": 1_000,
            "host": f"smars-{1 + n % 2}",
            "build": f"rlp-{1 + n % 2}",
        }
        for n in range(20)
    ]
    status, out, _ = knightwatch("replay", recording(*flow), "-c", config(more=more), "-o", "json")
    (halt,) = [command for command in json.loads(out)["commands"] if command["reason_code"] == "gross"]
    assert (status, halt["scope"], halt["limit"]) == (0, {"build": "rlp-2"}, 50_000)


def test_knights_morning_is_not_ready_before_the_open_and_it_is_the_eighth_server(
    knightwatch, config, tmp_path
):
    file, before = tmp_path / "knight.ndjson", tmp_path / "before.ndjson"
    simulate(registry()["knight"], seed=1, scale=0.0005, out=file, truth=None)
    lines = file.read_text().splitlines(keepends=True)
    before.write_text("".join(line for line in lines if json.loads(line)["ts"] < OPEN_NS))
    status, told, _ = ready(
        knightwatch, config(ROW.replace('"rlp", flags', '"rlp-2012.07.27", flags')), before
    )
    wrong = [host for host in told["hosts"] if not host["ready"]]
    assert (status, [host["host"] for host in wrong], told["problems"]) == (1, ["smars-8"], [])
    assert wrong[0]["rollout"] == "rlp-2012.07.27 planned"
    assert any("expected rlp-2012.07.27" in problem for problem in wrong[0]["problems"])
