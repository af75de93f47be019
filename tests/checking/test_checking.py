"""Each tooth of `check`: what it names, what it says to write, and what it must leave alone."""

import json

import pytest

from monitor.checking import Shown, fires, loose, matches_nobody, names_nobody, never, unlimited
from monitor.cli import door
from monitor.scenarios import registry, simulate
from monitor.settings import load_text

HEAD = 'site = "nyc"\nenv = "demo"\n'


def exposure(*rows, mode="armed", more=""):
    limit = ", ".join(f"{{ {row} }}" for row in rows)
    return load_text(f'{HEAD}{more}[detectors.exposure]\nmode = "{mode}"\nlimit = [{limit}]\n')


def keys(problems):
    return [problem.key for problem in problems]


EACH, FIRM = 'scope = "account=*"', 'scope = "*"'
THIN = Shown(volumes={"THIN": 79_000.0, "BAC": 80_000_000.0}, prices={"THIN": 20.0, "BAC": 16.0})


# -- looser than what trades


def test_five_million_shares_of_what_trades_79_000_a_day_is_merrills_limit():
    (problem,) = loose(exposure(f"{EACH}, gross = 1e9, order_quantity = 5_000_000"), THIN)
    assert problem.key == "detectors.exposure.limit[0].order_quantity"
    assert problem.what == "lets 5_000_000 pass where THIN trades 79_000 shares a day: 63 times"
    assert 'write { scope = "account=*&symbol=THIN", order_quantity = 3_900 }' in problem.write


@pytest.mark.parametrize(("rows", "wrong"), [
    ((f"{EACH}, order_quantity = 79_000",), []),
    ((f"{EACH}, order_quantity = 79_001",), ["detectors.exposure.limit[0].order_quantity"]),
    ((f"{EACH}, quantity = 100_000",), ["detectors.exposure.limit[0].quantity"]),
    ((f"{EACH}, order_notional = 1_580_001",), ["detectors.exposure.limit[0].order_notional"]),
    ((f"{EACH}, order_notional = 1_580_000",), []),
    ((f"{EACH}, gross = 1e12",), []),  # what a book may hold is no order
    # a tighter limit for every order in it, by whatever scope
    ((f"{EACH}, order_quantity = 5e6", 'scope = "symbol=THIN", order_quantity = 4_000'), []),
    ((f"{EACH}, order_quantity = 5e6", 'scope = "account=*&symbol=THIN", order_quantity = 4_000'), []),
    ((f"{EACH}, order_quantity = 5e6", f"{FIRM}, order_quantity = 50_000"), []),
    # of one account it is none for the others
    ((f"{EACH}, order_quantity = 5e6", 'scope = "account=33&symbol=THIN", order_quantity = 4_000'),
     ["detectors.exposure.limit[0].order_quantity"]),
    # a row that names another symbol does not meet this one; one that inherits is not told twice
    (('scope = "symbol=BAC", order_quantity = 5e6',), []),
    ((f"{EACH}, order_quantity = 5e6", 'scope = "account=33", gross = 5'), ["detectors.exposure.limit[0].order_quantity"]),
    (('scope = "symbol=*", order_quantity = 5e6', 'scope = "symbol=THIN", order_quantity = 4_000'), []),
])  # fmt: skip
def test_a_limit_is_loose_where_nothing_tighter_holds_for_everybody(rows, wrong):
    assert keys(loose(exposure(*rows), THIN)) == wrong


def test_the_worst_symbol_is_named_and_the_others_counted():
    shown = Shown(volumes={"A": 10.0, "B": 5.0, "C": 1e9})
    (problem,) = loose(exposure(f"{EACH}, quantity = 100"), shown)
    assert problem.what.endswith("where B trades 5 shares a day: 20 times, and of 1 more symbols")


# -- can never fire


@pytest.mark.parametrize(("rows", "wrong"), [
    ((f"{EACH}, gross = 2e9", f"{FIRM}, gross = 1e9"), ["detectors.exposure.limit[0].gross"]),
    ((f"{EACH}, gross = 1e9", f"{FIRM}, gross = 1e9"), []),
    ((f"{EACH}, net = 2e9", f"{FIRM}, net = 1e9"), []),  # nets cancel out: the firm's may be small
    ((f"{EACH}, gross = 5e6", 'scope = "account=33&symbol=NOK", gross = 9e6'), ["detectors.exposure.limit[1].gross"]),
    (('scope = "account=7", gross = 5e6', 'scope = "account=33&symbol=NOK", gross = 9e6'), []),
    ((f"{EACH}, gross = 5e6", 'scope = "account=33", gross = 99e6', 'scope = "account=33&symbol=NOK", gross = 9e6'), []),
    ((f"{EACH}, gross = 5e6", 'scope = "symbol=NOK", gross = 9e6'), []),
    ((f"{EACH}, gross = 2e9", f'{FIRM}, gross = 1e9, basis = "total"'), []),
])  # fmt: skip
def test_a_limit_above_that_of_a_wider_scope_can_never_fire(rows, wrong):
    assert keys(never(exposure(*rows))) == wrong


def test_a_family_whose_kinds_no_topic_lets_in_can_never_fire():
    only = '[kafka]\ninputs = [{ topic = "t", kinds = ["mark", "heartbeat"] }]\n'
    assert keys(never(exposure(f"{EACH}, gross = 5", more=only))) == ["detectors.exposure"]
    more = only.replace('"heartbeat"', '"fill"')
    assert keys(never(exposure(f"{EACH}, gross = 5", more=more))) == []


def test_a_fleet_without_manifest_and_grants_can_never_fire():
    assert keys(never(load_text(f'{HEAD}[detectors.fleet]\nmode = "page"\n'))) == ["detectors.fleet"]


# -- nobody


SEEN = Shown(
    ids={
        "account": frozenset({"EQ-7", "EQ-8"}),
        "host": frozenset({"smars-1"}),
        "strategy": frozenset({"vwap"}),
    }
)


def test_a_limit_of_an_account_that_nobody_saw_is_most_likely_misspelt():
    (problem,) = names_nobody(exposure(f"{EACH}, gross = 5", 'scope = "account=EQ7", gross = 4'), SEEN)
    assert problem.key == "detectors.exposure.limit[1].scope"
    assert problem.sentence == 'names account "EQ7", which is not in the recording; write "EQ-7"?'


def test_grants_parented_flow_and_manifest_that_match_nobody_are_named():
    config = load_text(
        f'{HEAD}[telemetry]\nparented = [{{ hosts = ["smars-*"], strategies = ["twap"] }}]\n'
        '[detectors.fleet]\nmode = "armed"\nmanifest = [{ role = "router", hosts = ["smar-*"], count = 1 }]\n'
        'grants = [{ hosts = ["smars-?"], strategies = ["v*"], accounts = ["CL*"] }]\n'
    )
    assert keys(names_nobody(config, SEEN)) == [
        "detectors.fleet.grants[0].accounts",
        "telemetry.parented[0].strategies",
    ]
    assert keys(matches_nobody(config, SEEN)) == ["detectors.fleet.manifest[0].hosts"]
    assert keys(matches_nobody(config, Shown())) == []  # a list of instruments knows no hosts


@pytest.mark.parametrize(("rows", "mode", "wrong"), [
    (('scope = "account=EQ-7", gross = 5',), "armed", 1),
    (('scope = "account=EQ-7", gross = 5',), "shadow", 0),
    (('scope = "account=EQ-7", gross = 5', 'scope = "account=EQ-8", gross = 5'), "armed", 0),
    (('scope = "account=EQ-7", gross = 5', f"{EACH}, gross = 9"), "armed", 0),
    (('scope = "account=EQ-7", gross = 5', f"{FIRM}, gross = 9"), "armed", 0),
])  # fmt: skip
def test_armed_with_somebody_who_has_no_limit(rows, mode, wrong):
    found = list(unlimited(exposure(*rows, mode=mode), SEEN))
    assert len(found) == wrong
    assert all('account "EQ-8" has no limit' in problem.what for problem in found)


# -- fires


def breach(severity="halt", measured=120.0, limit=100.0, reason="gross", scope=None, detector="exposure"):
    return {
        "detector": detector, "reason_code": reason, "severity": severity, "measured": measured, "limit": limit,
        "unit": "USD", "scope": scope if scope is not None else {"account": "33"},
    }  # fmt: skip


def test_what_fires_is_named_once_with_its_row_and_room_above_the_worst():
    config = exposure(
        f"{EACH}, gross = 100, net = 7", 'scope = "account=33", gross = 100', f"{FIRM}, gross = 100"
    )
    shown = Shown(
        breaches=[breach(), breach(measured=200.0), breach("warn", 900.0), breach(scope={"account": "7"})]
    )
    first, second = fires(config, shown)
    assert (first.key, second.key) == (
        "detectors.exposure.limit[1].gross",
        "detectors.exposure.limit[0].gross",
    )
    assert "2 times to a halt: 200 USD of account=33, limit 100" in first.what
    assert first.write.endswith("write gross = 250")


def test_a_setting_that_is_no_limit_is_found_by_its_value():
    config = load_text(f'{HEAD}[detectors.child_parent]\nmode = "armed"\n[detectors.storm]\nmode = "page"\n')
    shown = Shown(breaches=[breach(detector="storm", reason="unknown_reason", limit=None, scope={})])
    assert keys(fires(config, shown)) == ["detectors.storm"]
    shown = Shown(breaches=[breach("high", 1.0, 0, "child_after_done", {"host": "a"}, "child_parent")])
    (problem,) = fires(config, shown)
    assert problem.key.startswith("detectors.child_parent")
    assert 'mode = "shadow"' in problem.write


def test_a_limit_whose_key_has_another_name_than_its_reason_is_found_by_its_value():
    config = load_text(
        f'{HEAD}[detectors.rate]\nmode = "armed"\n'
        'limit = [{ scope = "session=*", messages_per_s = 1_000 }, { scope = "host=*", messages_per_s = 10_000 }]\n'
    )
    cap = breach("high", 10_001.0, 10_000.0, "message_cap", {"host": "a"}, "rate")
    (problem,) = fires(config, Shown(breaches=[cap]))
    assert problem.key == "detectors.rate.limit[1].messages_per_s"
    assert problem.write.endswith("write messages_per_s = 13_000")


# -- the command


@pytest.fixture
def check(capsys, tmp_path):
    def run(text, *recordings):
        path = tmp_path / "knightwatch.toml"
        path.write_text(HEAD + text)
        words = [word for file in recordings for word in ("--recording", str(file))]
        status = door.run(["check", str(path), "-o", "json", *words])
        return status, json.loads(capsys.readouterr().out)

    return run


LIMITS = '[detectors.exposure]\nmode = "armed"\nlimit = [{ scope = "account=*", gross = 1e9, order_quantity = 5_000_000 }]\n'


def test_merrills_limits_fail_the_check_and_tighter_ones_pass_it(check, tmp_path):
    file = tmp_path / "merrill.ndjson.gz"
    simulate(registry()["merrill_limits"], seed=1, scale=1.0, out=file, truth=None)
    status, told = check(LIMITS, file)
    assert (status, told["ok"]) == (1, False)
    assert [one["key"] for one in told["problems"]] == ["detectors.exposure.limit[0].order_quantity"]
    assert "THIN trades 79_000 shares a day" in told["problems"][0]["problem"]
    assert check(LIMITS)[0] == 0  # nobody said what trades
    mended = LIMITS.replace("}]", '}, { scope = "symbol=THIN", order_quantity = 3_900 }]')
    assert check(mended, file) == (0, check(mended)[1])


def test_a_list_of_instruments_is_enough_to_know_the_volumes(check, tmp_path):
    file = tmp_path / "instruments.ndjson"
    file.write_text('{"kind":"instrument","source":"market","ts":1,"symbol":"THIN","adv":79000}\n')
    assert check(LIMITS, file)[0] == 1


def test_a_halt_on_a_given_recording_fails_the_check(check, tmp_path):
    file = tmp_path / "day.ndjson"
    order = {
        "kind": "order_new",
        "account": "33",
        "symbol": "S",
        "side": "buy",
        "price": 10,
        "host": "h",
        "session": "s",
    }
    file.write_text(
        "".join(
            json.dumps(order | {"ts": 10**18 + n, "order_id": str(n), "qty": 100}) + "\n" for n in range(20)
        )
    )
    status, told = check(
        '[detectors.exposure]\nmode = "shadow"\nlimit = [{ scope = "account=*", gross = 5_000 }]\n', file
    )
    assert (status, told["problems"][0]["key"]) == (1, "detectors.exposure.limit[0].gross")
    assert "fires on the recording" in told["problems"][0]["problem"]


def test_a_manifest_for_another_fleet_is_a_wrong_configuration(check, tmp_path):
    file = tmp_path / "beats.ndjson"
    file.write_text(
        '{"kind":"heartbeat","source":"fleet","ts":1000000000000000000,"host":"smars-1","build":"b"}\n'
    )
    fleet = '[detectors.fleet]\nmode = "shadow"\nmanifest = [{ role = "router", hosts = ["smar-*"], build = "b" }]\n'
    status, told = check(fleet, file)
    assert (status, told["problems"][0]["key"]) == (78, "detectors.fleet.manifest[0].hosts")


def test_a_rule_that_can_never_fire_fails_the_check(check):
    rows = '[{ scope = "account=*", gross = 2e9 }, { scope = "*", gross = 1e9 }]'
    status, told = check(f'[detectors.exposure]\nmode = "armed"\nlimit = {rows}\n')
    assert (status, [one["key"] for one in told["problems"]]) == (1, ["detectors.exposure.limit[0].gross"])


def test_an_armed_detector_with_an_unset_limit_is_a_wrong_configuration(check):
    status, told = check('[detectors.exposure]\nmode = "armed"\n')
    assert (status, told["problems"][0]["key"]) == (78, "detectors.exposure.mode")


def test_a_recording_that_cannot_be_read_is_said(check, tmp_path):
    file = tmp_path / "broken.ndjson.gz"
    file.write_bytes(b"no gzip")
    status, told = check(LIMITS, file)
    assert (status, "broken.ndjson.gz" in told["error"]) == (1, True)
