"""Promises of the command line: statuses, one JSON document, no traceback for a user's mistake."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from monitor.cli import door, looking, output, restarting, settings_verbs
from monitor.cli.app import NOT_YET, app
from monitor.cli.picture import Picture
from monitor.edge.audit import AuditTrail
from monitor.serve import _keys
from monitor.settings import ConfigError, load

ROOT = Path(__file__).parent.parent
HEAD = 'site = "nyc"\nenv = "demo"\n'


@pytest.fixture
def knightwatch(capsys, monkeypatch, tmp_path):
    """Run one command line in an empty folder: its status, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*args):
        status = door.run([str(arg) for arg in args])
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return status, said.out, said.err

    return run


@pytest.fixture
def config(tmp_path):
    def write(text=""):
        path = tmp_path / "knightwatch.toml"
        path.write_text(HEAD + text)
        return path

    return write


def child(*args, **options):
    """A process of its own, as the console script starts it."""
    code = "import sys; sys.argv[0] = 'knightwatch'; from monitor.cli import main; main()"
    flags = options.pop("flags", ())
    return subprocess.Popen(
        [sys.executable, *flags, "-c", code, *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=options.pop("cwd", ROOT),
        **options,
    )


# -- the table of verbs


def test_every_verb_is_there_and_explains_itself(knightwatch):
    verbs = {command.name or command.callback.__name__ for command in app.registered_commands}
    assert verbs == {
        "demo",
        "run",
        "check",
        "replay",
        "simulate",
        "halt",
        "status",
        "doctor",
        "version",
        "tune",
        "ready",
    }
    groups = {
        group.name: {c.callback.__name__ for c in group.typer_instance.registered_commands}
        for group in app.registered_groups
    }
    assert groups == {"audit": {"verify"}, "config": {"schema", "show", "keygen"}}
    for words in [*((verb,) for verb in verbs), *((g, v) for g, vs in groups.items() for v in vs)]:
        status, out, _ = knightwatch(*words, "--help")
        assert status == 0
        assert "Usage: knightwatch" in out


def test_the_list_of_verbs_says_each_whole_and_none_that_is_not_there(knightwatch):
    for words in ([], ["audit"], ["config"]):
        _, out, _ = knightwatch(*words, "--help")
        assert "..." not in out.partition("Commands:")[2]
    known = {command.name or command.callback.__name__ for command in app.registered_commands}
    assert not known & NOT_YET.keys()


def test_status_names_the_configuration_and_says_so_where_it_is_only_the_packaged_one(
    knightwatch, config, monkeypatch
):
    async def look(loaded):
        return Picture(loaded.site, loaded.env, None, 1)

    monkeypatch.setattr(looking, "look", look)
    path = config()
    status, out, _ = knightwatch("status", "-c", path)
    assert (status, out.splitlines()[0]) == (69, f"site nyc, env demo by {path}")
    assert "name yours with -c" not in out
    assert "name yours with -c FILE" in knightwatch("status")[1]
    assert json.loads(knightwatch("status", "-c", path, "-o", "json")[1])["config"] == str(path)


def test_help_needs_neither_numba_nor_a_client():
    code = "import sys, monitor.cli; print([m for m in ('numba', 'numpy', 'aiokafka', 'pydantic', 'asyncio') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT).strip() == "[]"


def test_a_persons_halt_waits_for_no_compiler():
    code = (
        "import sys; from monitor.cli import looking, tightening; from monitor.settings import load_roads; load_roads();"
        "print([m for m in sys.modules if m.split('.')[0] in ('numba', 'river', 'pyarrow')])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT).strip() == "[]"


# -- statuses


@pytest.mark.parametrize(
    ("args", "status", "said"),
    [
        (["nothing"], 2, "No such command 'nothing'"),
        (["resume"], 2, "`resume` is not in this version: a latch stays shut"),
        (["override", "--limit", "2"], 2, "`override` is not in this version"),
        (["replay"], 2, "Missing argument"),
        (["replay", "none.ndjson"], 2, "none.ndjson"),
        (["check", "--colour"], 2, "No such option"),
        (["check", "-o", "yaml"], 2, "yaml"),
        (["check", "a.toml", "-c", "b.toml"], 2, "two configurations"),
        (["simulate", "knigth", "--out", "x.ndjson"], 78, "nearest: knight"),
        (["simulate", "knight"], 2, "nothing to write"),
        (["simulate", "knight", "--out", "x.csv", "--scale", "0.0001"], 2, "x.csv"),
        (["halt", "--scope", "hots=a", "--reason", "x", "--key", "k"], 2, "--scope: 'hots' is not a kind of scope"),
        (["halt", "--scope", "*", "--reason", "", "--key", "k"], 2, "--reason"),
        (["halt", "--scope", "*", "--reason", "x", "--key", "k", "--level", "stop"], 2, "no level; known: reduce_only"),
        (["halt", "--scope", "*", "--reason", "x", "--key", "k"], 77, "config keygen"),
        (["halt", "--scope", "*", "--reason", "x", "--key", "k"], 77, "stops nothing until the gateways have pinned"),
        (["config", "keygen", "k", "--role", "king"], 2, "no role; known: monitor"),
        (["config", "keygen", "no/such/folder/k"], 77, "choose a folder"),
        (["check", "none.toml"], 78, "no such file"),
        (["run", "-c", "none.toml"], 78, "no such file"),
        (["run", "--partitions", "7-0"], 2, "runs backwards"),
        (["doctor"], 2, "--restart"),
        (["status", "-c", "none.toml"], 78, "no such file"),
        (["config", "show", "-c", "none.toml"], 78, "no such file"),
    ],
)  # fmt: skip
def test_a_users_mistake_is_a_sentence_and_its_status(knightwatch, config, args, status, said):
    if args[0] == "halt":
        args = [*args, "-c", config()]
    found, out, err = knightwatch(*args)
    assert (found, said in out + err) == (status, True), (found, out, err)
    assert out == "" or args[0] == "check"


def test_doctor_without_a_broker_is_unreachable_and_not_a_promise(knightwatch, monkeypatch):
    def examine(_loaded):
        return restarting.Restart(
            losses=["k:1 does not say what it still has: no broker answers"], is_unanswered=True
        )

    monkeypatch.setattr(restarting, "examine", examine)
    status, out, _ = knightwatch("doctor", "--restart", "-o", "json")
    assert (status, json.loads(out)["loses_nothing"]) == (69, False)


def test_a_start_without_keys_names_both_files_at_once(config, tmp_path):
    with pytest.raises(ConfigError) as wrong:
        _keys(load(config(f'[keys]\nsigning_key_file = "{tmp_path}/k"\npinned_keys_file = "{tmp_path}/p"\n')))
    assert [problem.key for problem in wrong.value.problems] == [
        "keys.signing_key_file",
        "keys.pinned_keys_file",
    ]
    assert all("; " in problem.what for problem in wrong.value.problems)  # what to do


def test_simulate_list_names_every_scenario_with_a_line(knightwatch):
    from monitor.scenarios import registry

    status, out, _ = knightwatch("simulate", "list")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == list(registry())
    assert all(registry()[line.split()[0]].claim in line for line in out.splitlines())
    status, out, _ = knightwatch("simulate", "list", "-o", "json")
    told = json.loads(out)["scenarios"]
    assert [each["name"] for each in told] == list(registry())
    assert all(each["start_ts"] < each["end_ts"] and each["claim"] for each in told)


@pytest.mark.parametrize("spelling", [["-o", "json"], ["--output", "json"], ["--output=json"], ["-ojson"]])
@pytest.mark.parametrize(
    ("args", "status"),
    [
        (["check", "none.toml"], 78),
        (["config", "show", "-c", "none.toml"], 78),
        (["replay", "none.ndjson"], 2),
        (["config", "keygen", "no/such/folder/k"], 77),
        (["version"], 0),
        (["config", "schema"], 0),
    ],
)
def test_with_o_json_there_is_exactly_one_document_on_standard_output(knightwatch, args, status, spelling):
    found, out, _ = knightwatch(*args, *spelling)
    assert found == status
    assert isinstance(json.loads(out), dict)
    assert out.count("\n") == 1


def test_what_a_library_prints_never_reaches_the_json(knightwatch, monkeypatch):
    genuine = settings_verbs.platform.python_version

    def chatty():
        print("hello from a library")
        return genuine()

    monkeypatch.setattr(settings_verbs.platform, "python_version", chatty)
    _, out, err = knightwatch("version", "-o", "json")
    assert json.loads(out)["python"] == genuine()
    assert "hello from a library" in err


@pytest.mark.parametrize(
    ("raised", "status"),
    [
        (ConnectionRefusedError("nobody there"), 69),
        (TimeoutError("no answer"), 69),
        (PermissionError(13, "Permission denied", "x"), 77),
        (FileNotFoundError(2, "No such file", "x"), 2),
        (OSError(28, "No space left on device", "x"), 1),
        (OSError(28, "No space left on device"), 1),
        (OSError(30, "Read-only file system", "x"), 77),
        (KeyboardInterrupt(), 130),
        (SystemExit(143), 143),
        (output.CannotError(77, "not yours"), 77),
    ],
)
def test_every_way_to_end_has_its_status(knightwatch, monkeypatch, raised, status):
    def end():
        raise raised

    monkeypatch.setattr(settings_verbs.platform, "python_version", end)
    assert knightwatch("version")[0] == status
    found, out, _ = knightwatch("version", "-o", "json")
    assert found == status
    assert json.loads(out)["status"] == status


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (OSError(28, "No space left on device", "x"), "x: no space left on device; make room there"),
        (OSError(28, "No space left on device"), "knightwatch: no space left on device; make room there"),
        (OSError(30, "Read-only file system", "x"), "x: read-only file system; write elsewhere"),
        (PermissionError(13, "Permission denied", "x"), "x: permission denied; let this user in"),
    ],
)
def test_a_disk_that_refuses_is_said_with_what_to_do(knightwatch, monkeypatch, raised, said):
    def end():
        raise raised

    monkeypatch.setattr(settings_verbs.platform, "python_version", end)
    assert said in knightwatch("version")[2]


def test_an_error_of_the_system_that_nobody_foresaw_is_our_own_fault(capsys, monkeypatch):
    def end():
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr(settings_verbs.platform, "python_version", end)
    assert door.run(["version", "-o", "json"]) == 70
    assert json.loads(capsys.readouterr().out)["status"] == 70


def test_our_own_fault_is_a_traceback_and_none_of_the_contracts_statuses(capsys, monkeypatch):
    monkeypatch.setattr(settings_verbs.platform, "python_version", lambda: 1 // 0)
    assert door.run(["version"]) == 70
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_the_assertions_are_part_of_the_safety():
    refused = child("version", flags=["-O"])
    out, err = refused.communicate(timeout=60)
    assert (refused.returncode, out) == (78, "")
    assert "refuses to run under python -O" in err


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_verb_with_its_status(config, sent, status, tmp_path):
    path = config('[kafka]\nbootstrap_servers = "127.0.0.1:1"\n[mqtt]\nport = 1\n')
    waiting = child("status", "-c", path)  # listens for seven seconds
    deadline_s = time.monotonic() + 30
    while time.monotonic() < deadline_s and not listening(waiting.pid):
        time.sleep(0.05)
    time.sleep(0.5)
    waiting.send_signal(sent)
    _, err = waiting.communicate(timeout=30)
    assert waiting.returncode == status, err
    assert "Traceback" not in err


def listening(pid):
    """Whether it has come so far as to have an event loop."""
    folder = Path(f"/proc/{pid}/fd")
    try:
        return any("eventpoll" in str(link.readlink()) for link in folder.iterdir())
    except OSError:
        return False


def test_a_reader_that_goes_away_is_no_mistake():
    shown = child("config", "schema")
    shown.stdout.close()
    err = shown.stderr.read()
    assert shown.wait(60) == output.PIPE_CLOSED
    assert err == ""


# -- check


def test_check_names_every_problem(knightwatch, config):
    path = config('[kafak]\n[detectors.fil_gap]\nmode = "armed"\n')
    status, out, err = knightwatch("check", path)
    assert (status, err) == (78, "")
    assert out.splitlines()[0] == f"{path}: 2 problems"
    status, out, _ = knightwatch("check", "-c", path, "-o", "json")
    document = json.loads(out)
    assert (status, document["ok"], document["file"]) == (78, False, str(path))
    assert [problem["key"] for problem in document["problems"]] == ["kafak", "detectors.fil_gap"]


def test_check_says_what_is_armed_and_what_cannot_be_seen(knightwatch, config):
    status, out, _ = knightwatch("check", config('[detectors.child_parent]\nmode = "armed"\n'))
    assert status == 0
    assert "armed   child_parent" in out
    assert "drop_copy is not declared" in out
    status, out, _ = knightwatch("check", config('[detectors.child_parent]\nmode = "armed"\n'), "-o", "json")
    document = json.loads(out)
    assert document["detectors"] == {"child_parent": "armed"}
    assert len(document["policy_digest"]) == 64
    assert {"key", "what"} == set(document["unseen"][0])


def test_check_notices_files_that_the_machine_does_not_have(knightwatch, config):
    status, out, _ = knightwatch("check", config('[mqtt]\nusername = "u"\npassword_file = "none.secret"\n'))
    assert status == 78
    assert "mqtt.password_file" in out


def test_the_packaged_default_is_right(knightwatch):
    status, out, _ = knightwatch("check")
    assert status == 0, out


# -- config and version


def test_show_prints_a_configuration_that_reads_back_the_same(knightwatch, config, tmp_path):
    _, shown, _ = knightwatch("config", "show", "-c", config('[detectors.child_parent]\nmode = "page"\n'))
    again = tmp_path / "again.toml"
    again.write_text(shown)
    first = json.loads(
        knightwatch(
            "config", "show", "-c", config('[detectors.child_parent]\nmode = "page"\n'), "-o", "json"
        )[1]
    )
    second = json.loads(knightwatch("config", "show", "-c", again, "-o", "json")[1])
    assert first["config"] == second["config"]
    assert first["policy_digest"] == second["policy_digest"]


def test_schema_is_a_json_schema_of_the_whole_file(knightwatch):
    status, out, _ = knightwatch("config", "schema")
    schema = json.loads(out)
    assert status == 0
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert {"site", "env", "kafka", "detectors"} <= set(schema["properties"])


def test_keygen_makes_a_pair_and_never_overwrites(knightwatch, tmp_path):
    status, out, _ = knightwatch(
        "config", "keygen", "anna.key", "--who", "anna", "--role", "risk", "-o", "json"
    )
    document = json.loads(out)
    assert (status, document["who"], document["role"]) == (0, "anna", "risk")
    assert (tmp_path / "anna.key").stat().st_mode & 0o777 == 0o600
    assert document["keyid"] in (tmp_path / "anna.key.pub").read_text()
    before = (tmp_path / "anna.key").read_bytes()
    assert knightwatch("config", "keygen", "anna.key", "--who", "eve", "--role", "risk")[0] == 77
    assert (tmp_path / "anna.key").read_bytes() == before


def test_version_names_the_code_that_judges(knightwatch):
    document = json.loads(knightwatch("version", "-o", "json")[1])
    assert set(document) == {"knightwatch", "python", "numba", "kernels", "kernel_cache"}
    assert len(document["kernels"]) == 16


# -- simulate


def test_simulate_writes_events_and_truth(knightwatch, tmp_path):
    status, out, _ = knightwatch(
        "simulate", "knight", "--scale", "0.0001", "--out", "k.ndjson.gz", "--truth", "t.json", "-o", "json"
    )
    document = json.loads(out)
    assert status == 0
    assert document["events"] > 0
    assert (tmp_path / "k.ndjson.gz").stat().st_size > 0
    assert json.loads((tmp_path / "t.json").read_text())["scenario"] == "knight"


# -- audit verify


def test_audit_verify_says_ok_or_the_first_bad_line(knightwatch, tmp_path):
    at_ns = 1_343_800_000_000_000_000
    trail = AuditTrail(tmp_path / "trail", at_ns=at_ns)
    for number in range(20):
        trail.append("link.changed", {"number": number}, at_ns + number)
    assert trail.close(at_ns + 20)
    status, out, _ = knightwatch("audit", "verify", "trail")
    assert (status, out.split()[0]) == (0, "OK")
    assert "no signature was checked: name the pinned keys with --pinned FILE" in out
    assert json.loads(knightwatch("audit", "verify", "trail", "-o", "json")[1])["ok"] is True

    lease = tmp_path / "lease.json"
    lease.write_text(json.dumps({"issuer": "m", "audit_head": {"count": 10_000, "hash": "0" * 64}}))
    assert knightwatch("audit", "verify", "trail", "--against", lease)[0] == 1
    lease.write_text("[]")
    assert knightwatch("audit", "verify", "trail", "--against", lease)[0] == 2

    (file,) = (tmp_path / "trail").glob("audit-*.ndjson")
    file.write_bytes(file.read_bytes().replace(b'"number":7', b'"number":8'))
    status, out, _ = knightwatch("audit", "verify", "trail")
    assert status == 1
    assert out.startswith("NOT OK ")
    assert json.loads(knightwatch("audit", "verify", "trail", "-o", "json")[1])["ok"] is False
    assert knightwatch("audit", "verify", "none")[0] == 1


def test_a_monitor_without_its_assertions_does_not_start():
    run = "import sys; sys.argv = ['knightwatch', 'run']; from monitor.cli import main; main()"
    done = subprocess.run([sys.executable, "-O", "-c", run], capture_output=True, text=True, check=False)
    assert done.returncode == 78
    assert "-O" in done.stderr
    assert "Traceback" not in done.stderr


def test_kernels_that_others_may_write_are_not_run(tmp_path):
    cache = tmp_path / "kernels"
    cache.mkdir()
    cache.chmod(0o777)
    run = "import sys; sys.argv = ['knightwatch', 'run']; from monitor.cli import main; main()"
    environ = {**os.environ, "KNIGHTWATCH_KERNELS": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", run], capture_output=True, text=True, check=False, env=environ
    )
    assert done.returncode == 78
    assert f"chmod -R go-w {cache}" in done.stderr.replace("\n", " ")
