"""The metrics page is clean, whole from the start, and nothing of the stream can become a series."""

import pytest

from monitor.edge.kafka_in import facts
from monitor.edge.metrics import GAPS, OVER_BOUND, Metrics
from tests.real.prometheus import promtool_check

NOW = 1_700_000_000 * 10**9


@pytest.fixture
def metrics():
    return Metrics(
        detectors=["child_parent", "exposure"],
        quarantine_reasons=["not_json", "missing"],
        topics=["trading.telemetry.v1"],
        now_ns=lambda: NOW,
        version="1.2.3",
    )


def page(metrics):
    return metrics.exposition().decode()


def used(metrics):
    metrics.events.inc(3)
    metrics.quarantined("not_json").inc()
    metrics.lag_seconds("trading.telemetry.v1", 3).set(0.25)
    metrics.breaches("exposure", "halt").inc()
    metrics.publish_seconds("mqtt").observe(0.003)
    metrics.say_status("blind")
    metrics.snapshot_saved(NOW - 5 * 10**9)
    return metrics


@pytest.mark.real("prometheus")
def test_promtool_finds_nothing_wrong(metrics):
    assert promtool_check(page(metrics)) == ""
    assert promtool_check(page(used(metrics))) == ""


def test_what_can_happen_is_there_at_zero_before_it_does(metrics):
    text = page(metrics)
    for series in (
        'knightwatch_records_quarantined_total{reason="not_json"} 0.0',
        'knightwatch_breaches_total{detector="exposure",severity="halt"} 0.0',
        'knightwatch_halt_publish_seconds_count{road="kafka"} 0.0',
        *(f'knightwatch_gaps_total{{why="{why}"}} 0.0' for why in GAPS),
    ):
        assert series in text


def test_the_closed_lists_are_those_of_who_says_the_words():
    assert GAPS == facts.GAPS


def test_what_happened_is_told(metrics):
    text = page(used(metrics))
    for series in (
        "knightwatch_events_total 3.0",
        'knightwatch_lag_seconds{partition="3",topic="trading.telemetry.v1"} 0.25',
        'knightwatch_judging_status{status="blind"} 1.0',
        'knightwatch_judging_status{status="judging"} 0.0',
        "knightwatch_snapshot_age_seconds 5.0",
        'knightwatch_build_info{version="1.2.3"} 1.0',
    ):
        assert series in text


def test_what_the_tables_hold_is_asked_for_when_the_page_is_read(metrics):
    held = [1]
    metrics.know_tables(lambda: held[0], {what: lambda: 10 * held[0] for what in OVER_BOUND})
    held[0] = 7
    for series in ("tables_bytes 7.0", *(f'over_bound{{what="{what}"}} 70.0' for what in OVER_BOUND)):
        assert f"knightwatch_{series}" in page(metrics)


def test_a_name_of_the_stream_never_becomes_a_series(metrics):
    before = page(metrics).count("\n")
    for name in ("NOK", "order\n-1", "x" * 10_000):
        metrics.quarantined(name).inc()
        metrics.breaches(name, "halt").inc()
        metrics.halts(name).inc()
        metrics.link_up(name).set(1)
        metrics.lag_records(name, 7_000_000).set(1)
    text = page(metrics)
    assert text.count("\n") == before + 1  # topic="other", partition="other"
    assert 'knightwatch_halts_total{detector="other"} 3.0' in text
    assert "NOK" not in text
