"""A baseline: learned from recordings, signed, loaded by what judges; and refused where it is not to be believed."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from detectors.baseline import BINS, Rates
from detectors.rate.abnormal import bin_of
from monitor.cli import door
from monitor.core.baseline import known
from monitor.core.engine import Engine
from monitor.core.envelope import encode, seal
from monitor.core.keyring import Role, Signer
from monitor.edge.keys import keygen, load_signer, public_of
from monitor.settings import ConfigError, load, load_text
from monitor.settings.baseline import baseline_of, build
from monitor.settings.policy import policy_of
from monitor.tune import bins_of, learn, opens_or_midnights
from tests.desk import SECOND, START

if TYPE_CHECKING:
    from collections.abc import Callable

Run = tuple[int, str, str]
DETECTORS = """
[detectors.rate]
mode = "page"
[detectors.fleet]
mode = "page"
manifest = [{ role = "router", hosts = ["h1"], build = "v1", flags = ["rlp"] }]
[detectors.storm]
mode = "page"
"""


def ordinary(per_second: int, seconds: int, start: int = START) -> str:
    """A recording: one host and strategy, an error, a flag."""
    told: list[dict[str, Any]] = [
        {"kind": "error", "ts": start, "host": "h1", "reason": "Order 4711 too late"},
        {"kind": "heartbeat", "ts": start, "source": "fleet", "host": "h1", "build": "v1", "flags": ["rlp"]},
    ]
    for n in range(per_second * seconds):
        order = {
            "order_id": f"O{start}-{n}",
            "account": "A",
            "symbol": "S",
            "side": "buy",
            "qty": 10,
            "price": 2,
        }
        ts = start + n * SECOND // per_second
        told.append({"kind": "order_new", "ts": ts, "host": "h1", "strategy": "st", "session": "s1", **order})
    return "".join(json.dumps(each) + "\n" for each in sorted(told, key=lambda each: each["ts"]))


@pytest.fixture
def firm(tmp_path, monkeypatch, capsys):
    """A folder with a monitor's key, pinned, a configuration and a recording; and the command line in it."""
    monkeypatch.chdir(tmp_path)
    keygen(Path("monitor.key"), "monitor-1", Role.MONITOR)
    Path("pinned.toml").write_text(public_of(Path("monitor.key")).read_text())
    write_config()
    Path("day.ndjson").write_text(ordinary(10, 120))

    def run(*args: Any) -> Run:
        status = door.run([str(arg) for arg in args])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def write_config(baseline: str = "", telemetry: str = "") -> None:
    named = f'baseline_file = "{baseline}"\n' if baseline else ""
    text = f'site = "nyc"\nenv = "demo"\n[telemetry]\n{named}{telemetry}\n[keys]\nsigning_key_file = "monitor.key"\npinned_keys_file = "pinned.toml"\n'
    Path("c.toml").write_text(text + DETECTORS)


def tuned(firm: Callable[..., Run]) -> dict[str, Any]:
    status, out, err = firm("tune", "day.ndjson", "--out", "b.dsse", "-c", "c.toml", "-o", "json")
    assert status == 0, err
    told: dict[str, Any] = json.loads(out)
    return told


def payload(file: str = "b.dsse") -> dict[str, Any]:
    told: dict[str, Any] = json.loads(base64.b64decode(json.loads(Path(file).read_bytes())["payload"]))
    return told


# -- learning --------------------------------------------------------------------------------------


def test_what_is_learned_says_of_which_days_and_by_what(firm):
    told = tuned(firm)
    assert (told["days"], told["build"], told["events"], told["hosts_and_strategies"]) == (
        ["2012-08-01"],
        build(),
        1202,
        1,
    )
    [file] = payload()["files"]
    assert (file["name"], len(file["sha256"])) == ("day.ndjson", 64)
    assert payload()["reasons"] == ["order # too late"]
    assert payload()["flags"] == {"rlp": START // (86_400 * SECOND)}
    [rate] = payload()["rates"]
    assert (rate["host"], rate["strategy"]) == ("h1", "st")
    assert rate["usual"] == [[10, 0, 100, 0, 200, 0]]


def test_one_wild_minute_changes_little(tmp_path):
    (tmp_path / "day").write_text(ordinary(10, 200) + ordinary(900, 20, START + 200 * SECOND))
    (tmp_path / "day").rename(tmp_path / "day.ndjson")
    learned = learn([tmp_path / "day.ndjson"])
    [usual] = [bins for pair, bins in learned.rates(opens_or_midnights(None)).items() if pair == ("h1", "st")]
    assert [each[:2] for each in usual.values()] == [[10, 0]]


def test_a_few_seconds_say_nothing(tmp_path):
    (tmp_path / "day.ndjson").write_text(ordinary(10, 19))
    assert learn([tmp_path / "day.ndjson"]).rates(opens_or_midnights(None)) == {}


def test_a_session_begins_at_its_open_for_who_learns_and_for_who_judges():
    opens = np.array([START - 86_400 * SECOND, START, START + 90_000 * SECOND], np.int64)
    times = START + np.arange(-40 * 3600, 60 * 3600, 977, dtype=np.int64) * SECOND
    assert bins_of(times, opens).tolist() == [int(bin_of(opens, at)) for at in times.tolist()]
    assert bins_of(np.array([START]), opens).tolist() == [8 * 3600 // 300]
    assert bins_of(np.array([START + 17 * 3600 * SECOND]), np.array([START])).tolist() == [-1]
    assert set(bins_of(times, Rates().opens).tolist()) <= set(range(BINS))


def test_an_exchange_knows_its_holidays_and_its_summer():
    pytest.importorskip("exchange_calendars", reason="make setup installs it")
    from monitor.edge.exchange import NoCalendar, opens_ns

    opens = opens_ns("XNYS")
    assert START in opens  # 09:30 in New York, in summer
    assert not [each for each in opens if each // (86_400 * SECOND) == 15_525]  # 4 July 2012
    with pytest.raises(NoCalendar, match="XNIX is no exchange calendar; known"):
        opens_ns("XNIX")


def test_a_baseline_is_not_overwritten_and_a_key_is_needed(firm):
    tuned(firm)
    status, _, err = firm("tune", "day.ndjson", "--out", "b.dsse", "-c", "c.toml")
    assert (status, "not overwritten" in err) == (2, True)
    Path("monitor.key").unlink()
    assert firm("tune", "day.ndjson", "--out", "other.dsse", "-c", "c.toml")[0] == 77


# -- using -----------------------------------------------------------------------------------------


def test_what_judges_knows_what_was_learned(firm):
    digest = tuned(firm)["digest"]
    cold = policy_of(load(Path("c.toml")))
    assert cold.baseline.is_cold
    write_config("b.dsse")
    policy = policy_of(load(Path("c.toml")))
    assert (policy.baseline.digest, policy.baseline.signers) == (digest, ("monitor-1",))
    assert policy.digest not in (cold.digest, load(Path("c.toml")).policy_digest)
    view = Engine(policy)._view
    assert (view.known_reasons, view.flags_seen["rlp"]) == ({"order # too late"}, 15_553)
    assert view.rates.medians[view.rates.row("h1", "st")].max() == 200
    assert Engine(cold)._view.known_reasons is None


def test_a_replay_is_judged_by_the_baseline_that_the_configuration_names(firm):
    tuned(firm)
    Path("wild.ndjson").write_text(ordinary(500, 10, START + 10 * SECOND))

    def pages() -> set[str]:
        status, out, err = firm("replay", "wild.ndjson", "-c", "c.toml", "-o", "json")
        assert status == 0, err
        return {b["reason_code"] for b in json.loads(out)["breaches"] if b["severity"] == "high"}

    assert "abnormal" not in pages()
    write_config("b.dsse")
    assert "abnormal" in pages()


def test_a_configuration_without_one_says_that_it_is_cold(firm):
    assert "the monitor is cold" in firm("check", "c.toml")[1]
    tuned(firm)
    write_config("b.dsse")
    assert "is cold" not in firm("check", "c.toml")[1]


# -- what is refused -------------------------------------------------------------------------------


def resealed(signer: Signer | None = None, **changed: Any) -> None:
    told = encode(payload() | changed)
    Path("b.dsse").write_bytes(seal(told, [signer or load_signer(Path("monitor.key"))]))


def broken_signature() -> None:
    told = json.loads(Path("b.dsse").read_bytes())
    told["payload"] = base64.b64encode(encode(payload() | {"reasons": ["anything"]})).decode()
    Path("b.dsse").write_text(json.dumps(told))


def by_a_gateway() -> None:
    keygen(Path("gw.key"), "gw-1", Role.GATEWAY)
    with Path("pinned.toml").open("a") as pinned:
        pinned.write(public_of(Path("gw.key")).read_text())
    resealed(load_signer(Path("gw.key")))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (broken_signature, "bad_signature"),
        (lambda: resealed(Signer(bytes(range(32)))), "unknown_key"),
        (by_a_gateway, "signed by gw-1, a gateway; let a monitor learn it"),
        (lambda: resealed(build="0.0.1"), "was learned by build 0.0.1, this is"),
        (lambda: resealed(calendar="XNYS"), "learned by calendar XNYS, telemetry.calendar is empty; learn it anew"),
        (lambda: resealed(site="ldn"), "is of ldn/demo, not of nyc/demo"),
        (lambda: resealed(type="halt"), "is a 'halt' of version 1, not a baseline"),
        (lambda: resealed(rates=[{"host": "h", "strategy": "s", "bins": [1], "usual": [[1]]}]), "rates of h s are not whole"),
        (lambda: resealed(rates=[{"host": "h", "strategy": "s", "bins": [288], "usual": [[0] * 6]}]), "not whole"),
        (lambda: resealed(days=7), "is no baseline"),
        (lambda: Path("b.dsse").write_text("{"), "bad_envelope"),
        (lambda: Path("b.dsse").unlink(), "cannot be read (No such file or directory); learn one"),
        (lambda: Path("pinned.toml").unlink(), "pinned.toml"),
    ],
)  # fmt: skip
def test_a_baseline_that_is_not_to_be_believed_is_refused(firm, spoil, said):
    tuned(firm)
    write_config("b.dsse")
    spoil()
    with pytest.raises(ConfigError) as wrong:
        policy_of(load(Path("c.toml")))
    [problem] = wrong.value.problems
    assert problem.key == "telemetry.baseline_file"
    assert said in problem.sentence
    for verb in (("check", "c.toml"), ("replay", "day.ndjson", "-c", "c.toml"), ("run", "-c", "c.toml")):
        status, out, err = firm(*verb)
        assert (status, said in out + err) == (78, True), verb


def test_another_baseline_wants_a_restart(firm):
    tuned(firm)
    write_config("b.dsse")
    policy = policy_of(load(Path("c.toml")))
    resealed(reasons=["other"])
    from monitor.core import reload

    other = policy_of(load(Path("c.toml")))
    with pytest.raises(ValueError, match="the baseline is another one: restart"):
        reload.rebuilt({}, policy, other, {}, Engine(policy)._view)


def test_without_a_baseline_there_is_an_empty_one():
    assert baseline_of(load_text('site = "a"\nenv = "b"')).is_cold
    with pytest.raises(ValueError, match="no baseline"):
        known(b"[]")
