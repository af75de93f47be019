"""Every scenario is what its file says it is: its figures, its truth, its consistency; clean days halt nothing."""

import hashlib
import json
import os
from collections import Counter, defaultdict

import pyarrow.parquet as pq
import pytest

from detectors.contract import every_detector
from detectors.names import Names
from monitor.core.decode import Decoder
from monitor.core.engine import Engine
from monitor.core.inputs import RecordsArrived, SourcePart
from monitor.replay import Trace
from monitor.scenarios import configuration, registry, simulate
from monitor.scenarios.incidents import INCIDENTS
from monitor.scenarios.incidents.clean_days import CLEAN_DAYS
from monitor.scenarios.stage import MS_NS, SECOND_NS
from monitor.settings import load_text
from monitor.settings.policy import policy_of

SCALE = {"knight": 0.05} | {name: 0.2 for name in registry() if name.startswith("knight_")}
STAGED = [each.name for each in INCIDENTS if not each.name.startswith("knight")]
CALM = [*(each.name for each in CLEAN_DAYS), "messy_day", "nyse_busts", "merrill_limits"]
RUNAWAYS = [each.name for each in INCIDENTS if each.name not in CALM]
SEEDS = int(os.environ.get("KNIGHTWATCH_SEEDS", "2"))  # of each clean day; the scoreboard has twenty
JUDGED = 4_096  # records of a batch


def lines_of(name, seed=1, scale=None):
    scale = SCALE.get(name, 1.0) if scale is None else scale
    return b"".join(lines for *_, lines in registry()[name].lines(seed, scale))


@pytest.fixture(scope="module")
def told():
    """Events of a scenario, told once."""
    kept = {}

    def tell(name):
        if name not in kept:
            kept.clear()
            kept[name] = [json.loads(line) for line in lines_of(name).splitlines()]
        return kept[name]

    return tell


def judged(name, seed=1):
    """What the engine says of a scenario with every family armed, and what was quarantined."""
    config = load_text(configuration(registry()[name]), name)
    engine, trace = Engine(policy_of(config)), Trace()
    engine.part_of(SourcePart(name, 0))
    decoder, lines = Decoder(engine.names), lines_of(name, seed).splitlines(keepends=True)
    for at in range(0, len(lines), JUDGED):
        piece = lines[at : at + JUDGED]
        decoded = decoder.decode_lines(b"".join(piece), 0, at + 1)
        trace.read(decoded)
        heard = RecordsArrived(decoded.batch, ((0, at + 1, at + len(piece)),), decoded.quarantined)
        trace.said(engine.handle(heard))
    return trace


def of(events, *kinds, **having):
    return [e for e in events if e["kind"] in kinds and all(e.get(k) == v for k, v in having.items())]


def wrong(events, name, *kinds):
    """Events of the session that goes wrong, from the onset on."""
    onset = registry()[name].truth(1)["onset_ts"]
    return [e for e in of(events, *kinds, session="R1") if e["ts"] >= onset]


def seconds(events):
    return (events[-1]["ts"] - events[0]["ts"]) / SECOND_NS


# One for all


@pytest.mark.parametrize("name", STAGED)
def test_the_same_seed_tells_the_same_and_a_smaller_scale_a_part_of_it(name):
    def digest(seed, scale=0.2):
        return hashlib.sha256(lines_of(name, seed, scale)).hexdigest()

    first = digest(1)
    assert first not in (digest(2), digest(3))
    assert digest(1) == first  # told anew: two others were told since, and no more than two are kept
    small = {_unnumbered(line) for line in lines_of(name, 1, 0.2).splitlines()}
    large = {_unnumbered(line) for line in lines_of(name, 1, 1.0).splitlines()}
    assert len(small) < len(large)
    flow = {line for line in small if '"calm' in line}
    assert flow <= large


def _unnumbered(line):
    return json.dumps({key: value for key, value in json.loads(line).items() if key != "seq"})


@pytest.mark.parametrize("name", STAGED)
def test_what_is_told_adds_up(name, told):
    """Each order is announced before it lives, is filled no further than it goes, and each id is used once."""
    filled, leaves, executions, seqs = Counter(), {}, Counter(), defaultdict(int)
    for e in told(name):
        kind, stamp = e["kind"], (e.get("trade_date"), e.get("order_id"))
        if "seq" in e:
            stream = (e["source"], e.get("host"), e.get("boot"), e["stream"])
            assert e["seq"] == seqs[stream] + 1
            seqs[stream] = e["seq"]
        if kind == "order_new":
            assert stamp not in leaves, e
            leaves[stamp] = e["qty"]
        elif kind == "order_replace":
            before = (e.get("trade_date"), e["orig_order_id"])
            filled[stamp] = filled[before]
            leaves[stamp] = e["qty"]
        elif kind == "fill" and not e.get("poss_dup") and e.get("origin") is None:
            executions[e.get("trade_date"), e["venue"], e["exec_id"]] += 1
            if e.get("multileg") != "leg" and stamp in leaves:
                filled[stamp] += e["last_qty"]
                assert filled[stamp] <= leaves[stamp], e
    assert set(executions.values()) <= {1}
    assert len(leaves) > 100


@pytest.mark.parametrize("name", STAGED)
def test_a_table_of_columns_says_the_same_as_lines(name, tmp_path):
    """Each field has its column; the engine's own decoder reads both alike."""
    file = tmp_path / "told.parquet"
    simulate(registry()[name], seed=1, scale=0.05, out=file)
    table = pq.read_table(file)
    lines = [json.loads(line) for line in lines_of(name, 1, 0.05).splitlines()]
    assert table.num_rows == len(lines)
    for line, row in zip(lines[::97], table.take(list(range(0, len(lines), 97))).to_pylist(), strict=True):
        assert {key: value for key, value in row.items() if value is not None} == line
    decoded = Decoder(Names()).decode_table(table, 0, 1)
    assert (decoded.events, len(decoded.quarantined)) == (len(lines), 0)


@pytest.mark.parametrize("name", [name for name in registry() if name != "knight"])
def test_the_truth_is_of_the_form_that_others_read(name):
    scenario = registry()[name]
    truth = scenario.truth(1, SCALE.get(name, 1.0))
    assert set(truth) == {"scenario", "onset_ts", "scopes", "expected"}
    assert truth["scenario"] == name
    if name in CALM:
        assert (truth["onset_ts"], truth["scopes"], truth["expected"]) == (None, [], [])
        return
    assert scenario.blocks[0] <= truth["onset_ts"] < scenario.blocks[-1]
    assert all(scope and all(isinstance(value, str) for value in scope.values()) for scope in truth["scopes"])
    for each in truth["expected"]:
        assert set(each) == {"detector", "not_later_than_ts"}
        assert each["detector"] in set(every_detector())
        assert (
            each["detector"] == "storm" or truth["onset_ts"] < each["not_later_than_ts"] < scenario.blocks[-1]
        )


@pytest.mark.parametrize("name", RUNAWAYS)
def test_a_runaway_is_stopped_by_the_right_family_at_the_right_scope_in_time(name):
    trace = judged(name)
    truth = registry()[name].truth(1, SCALE.get(name, 1.0))
    assert trace.quarantined == 0
    for each in truth["expected"]:
        spoke = [
            b["ts"] for b in trace.breaches if b["detector"] == each["detector"] and b["severity"] != "warn"
        ]
        assert spoke, each
        assert spoke[0] <= each["not_later_than_ts"], each
    first = trace.halts[0]
    assert first["scope"] in truth["scopes"]
    assert first["event_ts"] <= max(each["not_later_than_ts"] for each in truth["expected"])
    early = [b for b in trace.breaches if b["severity"] == "halt" and b["ts"] < truth["onset_ts"]]
    assert {b["detector"] for b in early} <= {
        "fleet"
    }  # it sees the wrong server before its first wrong child


def assert_silent(name, seed):
    trace = judged(name, seed)
    paged = [b for b in trace.breaches if b["severity"] != "warn"]
    assert (trace.quarantined, trace.passed_over, trace.halts) == (0, 0, [])
    assert len(paged) <= 1, paged


@pytest.mark.parametrize("name", CALM)
def test_a_clean_day_halts_nothing(name):
    for seed in range(1, SEEDS + 1):
        assert_silent(name, seed)


def test_clean_flow_is_as_violent_as_real_flow(told):
    """Variance of one-second counts over their mean is 20 to 60 on real order streams."""
    events = told("clean_new_strategy")
    counts = Counter(e["ts"] // SECOND_NS for e in of(events, "order_new"))
    whole = [counts[second] for second in range(min(counts), max(counts) + 1)]
    mean = sum(whole) / len(whole)
    assert 8 < sum((count - mean) ** 2 for count in whole) / len(whole) / mean < 80
    assert max(whole) > 10 * mean
    quotes = of(events, "order_new", strategy="quote")
    names = {e["order_id"] for e in quotes}
    out = sum(e["order_id"].partition("~")[0] in names for e in of(events, "order_cancel"))
    assert 0.8 < out / len(quotes) < 0.95


# The figures of each


def test_infinium_crude_buys_6767_lots_in_three_seconds(told):
    events = told("infinium_crude")
    orders = wrong(events, "infinium_crude", "order_new")
    assert (len(orders), {e["qty"] for e in orders}) == (6_767, {1})
    assert seconds(orders) < 3
    names = {e["order_id"] for e in orders}
    fills = [e for e in of(events, "fill") if e["order_id"] in names]
    assert (len(fills), min(e["last_px"] for e in fills), max(e["last_px"] for e in fills)) == (
        4_612,
        76.67,
        77.45,
    )
    assert sum(e["order_id"] in names for e in of(events, "order_cancel")) == 2_155
    assert 1.0e6 < registry()["infinium_crude"].history(1).loss < 1.06e6


def test_infinium_emini_grows_from_136_to_1086_and_sells_6958(told):
    events = told("infinium_emini")
    first, *others = wrong(events, "infinium_emini", "order_new")
    chain = [e for e in of(events, "order_replace") if e["order_id"].startswith(f"{first['order_id']}~")]
    assert (first["qty"], first["price"], chain[0]["qty"], chain[0]["price"]) == (136, 1716.25, 340, 1714.5)
    assert (chain[-1]["qty"], chain[-1]["ts"] - first["ts"] < 4 * SECOND_NS) == (1_086, True)
    assert len(others) == 5
    assert registry()["infinium_emini"].history(1).shares == 6_958


def test_deutsche_sends_one_order_6910_times_for_16_7_trillion_yen(told):
    events = told("deutsche_osaka")
    orders = wrong(events, "deutsche_osaka", "order_new")
    assert len(orders) == 6_910
    assert len({(e["symbol"], e["qty"], e["price"], e["side"]) for e in orders}) == 2
    size = {"NKM0": 1_000, "NKMM0": 100}
    assert 16.6e12 < sum(e["qty"] * e["price"] * size[e["symbol"]] for e in orders) < 16.8e12
    traded = registry()["deutsche_osaka"].history(1).gross * 91
    assert 54e9 < traded < 57e9
    assert {e["trade_date"] for e in events} == {"2010-06-01"}
    assert [e for e in of(events, "mark") if e["price"] == 0]


def test_ubs_is_told_nothing_for_two_minutes_and_then_everything_is_filled(told):
    events = told("ubs_facebook")
    orders = wrong(events, "ubs_facebook", "order_new")
    times = Counter(e["parent_id"] for e in orders)
    assert set(times.values()) == {8}
    answers = of(events, "order_ack")
    names = {e["order_id"] for e in orders}
    mine = [e["ts"] for e in answers if e["order_id"] in names]
    assert len(mine) == len(orders) == 3_200
    assert min(mine) - orders[0]["ts"] >= 119 * SECOND_NS
    assert abs(registry()["ubs_facebook"].history(1).loss - 349e6 * 1.06) < 1


def test_citadel_sends_filled_orders_again_for_a_minute(told):
    events = told("citadel_resend")
    orders = wrong(events, "citadel_resend", "order_new")
    assert 59 < seconds(orders) < 61
    done = {e["parent_id"]: e["ts"] for e in of(events, "parent_done")}
    assert all(done[e["parent_id"]] < e["ts"] for e in orders)


def test_everbright_sends_26082_orders_in_two_seconds_for_23_4_billion_yuan(told):
    orders = wrong(told("everbright"), "everbright", "order_new")
    assert (len(orders), len({e["symbol"] for e in orders})) == (26_082, 180)
    assert seconds(orders) < 2
    assert 23.2e9 < sum(e["qty"] * e["price"] / 1.1 * 1.0596 for e in orders) < 23.6e9
    assert 7.2e9 < registry()["everbright"].history(1).gross / 0.1634 < 7.28e9


def test_goldman_sends_16000_orders_at_one_dollar_and_a_breaker_is_lifted(told):
    events = told("goldman_options")
    orders = wrong(events, "goldman_options", "order_new")
    assert (len(orders), {e["price"] for e in orders}) == (16_000, {1.0})
    assert {e["symbol"][0] for e in orders} == set("IJK")
    assert registry()["goldman_options"].history(1).shares == 1_500_000
    opened = next(e["ts"] for e in of(events, "session_phase", phase="open"))
    names = {e["order_id"] for e in orders}
    assert all(e["ts"] > opened for e in of(events, "fill") if e["order_id"] in names)
    assert len(of(events, "limit_change")) == 1


def test_hanmag_loses_46_2_billion_won_in_143_seconds(told):
    orders = wrong(told("hanmag"), "hanmag", "order_new")
    assert (len(orders), len({e["symbol"] for e in orders})) == (36_100, 42)
    assert 142 < seconds(orders) <= 143
    assert 46.1e9 < registry()["hanmag"].history(1).loss * 1_055 < 46.3e9


def test_citi_accepts_189_billion_and_sells_1_4_billion(told):
    events = told("citi_basket")
    parents = of(events, "parent_new", account="D1")
    assert len(parents) == 349
    price = {e["symbol"]: e["price"] for e in parents}
    assert 188e9 < sum(e["qty"] * price[e["symbol"]] for e in parents) < 190e9
    assert 1.39e9 < registry()["citi_basket"].history(1).gross < 1.41e9


def test_jcom_sells_610000_shares_of_14500_and_cannot_cancel(told):
    events = told("jcom")
    (order,) = wrong(events, "jcom", "order_new")
    assert (order["qty"], order["price"], order["origin"]) == (610_000, 1.0, "manual")
    out = next(e["shares_out"] for e in of(events, "instrument", symbol=order["symbol"]))
    assert round(order["qty"] / out) == 42
    refused = [e for e in of(events, "cancel_reject") if e["orig_order_id"] == order["order_id"]]
    assert len(refused) == 3


def test_merrill_may_send_five_million_shares_of_a_stock_that_trades_79000(told):
    thin = next(e for e in of(told("merrill_limits"), "instrument", symbol="THIN"))
    limits = registry()["merrill_limits"].policy["detectors"]["exposure"]["limit"]
    assert (thin["adv"], limits[0]["order_quantity"]) == (79_000, 5_000_000)


def test_303_asks_27000_times_within_two_seconds_and_sends_no_order(told):
    events = told("prop303")
    asked = of(events, "session_event", event="resend_request")
    assert len(asked) > 27_000
    assert seconds(asked) < 2
    assert wrong(events, "prop303", "order_new") == []


def test_traditum_goes_round_3540_times_in_two_minutes(told):
    orders = wrong(told("traditum"), "traditum", "order_new")
    assert Counter(e["side"] for e in orders) == {"buy": 3_540, "sell": 3_540}
    assert ({e["qty"] for e in orders}, 119 < seconds(orders) <= 120.1) == ({1}, True)
    history = registry()["traditum"].history(1)
    assert history.shares == 7_080
    assert history.loss > 35_000


def test_allston_cancels_within_ten_milliseconds_what_it_sends(told):
    events = told("allston")
    sent = {e["order_id"]: e["ts"] for e in wrong(events, "allston", "order_new")}
    gone = {e["order_id"]: e["ts"] for e in of(events, "order_cancel") if e["order_id"] in sent}
    assert len(gone) == len(sent) == 9_000
    assert all(gone[name] - ts < 10 * MS_NS for name, ts in sent.items())


def test_marquette_enters_again_what_was_cancelled_by_hand(told):
    events = told("marquette")
    orders = wrong(events, "marquette", "order_new")
    assert len({(e["symbol"], e["side"], e["qty"], e["price"]) for e in orders}) == 1
    names = {e["order_id"] for e in orders}
    gone = [e["ts"] for e in of(events, "order_cancel") if e["order_id"] in names]
    again = [e["ts"] for e in orders if e["ts"] > gone[0]]
    assert len(again) == len(gone) == 40
    assert all(0 < a - g < 20 * MS_NS for a, g in zip(again, gone, strict=True))


def test_tower_sends_a_notional_as_contracts_within_milliseconds(told):
    orders = wrong(told("tower_units"), "tower_units", "order_new")
    assert ({e["qty"] for e in orders}, {e["tif"] for e in orders}) == ({400_000}, {"ioc"})
    assert seconds(orders) < 0.01
    assert registry()["tower_units"].history(1).loss > 0


def test_two_systems_of_one_entity_trade_with_each_other(told):
    events = told("two_ats")
    matched = defaultdict(set)
    strategy = {e["order_id"]: e["strategy"] for e in of(events, "order_new")}
    for e in of(events, "fill", entity="tfgm"):
        matched[e["match_id"]].add(strategy[e["order_id"]])
    assert len(matched) == 900
    assert set(map(frozenset, matched.values())) == {frozenset({"auto-spreader", "second-ats"})}


def test_nyse_busts_4341_trades_in_251_symbols(told):
    events = told("nyse_busts")
    busts = {e["exec_ref_id"] for e in of(events, "fill_bust")}
    fills = [e for e in of(events, "fill") if e["exec_id"] in busts]
    assert len(busts) == len(fills) == 4_341
    symbol = {e["order_id"]: e["symbol"] for e in of(events, "order_new")}
    assert len({symbol[e["order_id"]] for e in fills}) == 251


def test_the_knights_that_name_no_parent_are_knight_otherwise():
    """Only what an order of the missed server says of its parent differs."""
    changed = {}
    for name in ("knight_no_parent_id", "knight_random_parent_id"):
        mine, theirs = lines_of(name, 1, 0.05).splitlines(), lines_of("knight", 1, 0.05).splitlines()
        known = {e["parent_id"] for e in map(json.loads, theirs) if e["kind"] == "parent_new"}
        differing = [(json.loads(a), json.loads(b)) for a, b in zip(mine, theirs, strict=False) if a != b]
        assert len(differing) > 500
        for ours, knights in differing:
            assert (ours["kind"], ours["host"]) == ("order_new", "smars-8")
            assert {k: v for k, v in ours.items() if k != "parent_id"} == {
                k: v for k, v in knights.items() if k != "parent_id"
            }
            assert ours.get("parent_id") not in known
        changed[name] = {ours.get("parent_id") for ours, _ in differing}
    assert changed["knight_no_parent_id"] == {None}
    assert len(changed["knight_random_parent_id"]) > 500


def test_the_late_monitor_hears_nothing_from_before_0940():
    events = [json.loads(line) for line in lines_of("knight_restart_at_0940", 1, 0.05).splitlines()]
    assert min(e["ts"] for e in events) >= registry()["knight_restart_at_0940"].blocks[0] + 30 * SECOND_NS
    assert of(events, "parent_new", strategy="rlp", parent_id="R001") == []


def test_dollars_until_a_time_are_a_part_of_history():
    scenario = registry()["hanmag"]
    whole, half = (
        scenario.history(1),
        scenario.history(1, until=scenario.truth(1)["onset_ts"] + 70 * SECOND_NS),
    )
    assert 0.4 < half.loss / whole.loss < 0.6
    assert 0.4 < half.gross / whole.gross < 0.6


def test_a_family_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="no such family: child_parents"):
        configuration(registry()["hanmag"], ["child_parents"])
