"""What a replay says to a person: also what would have halted, had it been armed."""

import pytest

from monitor.cli.replayed import HALTS_SHOWN, text_of

AT_NS = 1343827801_098_146_425


def breach(severity="halt", mode="shadow", reason="child_after_done", ts=AT_NS, measured=3):
    return {
        "ts": ts, "detector": "child_parent", "reason_code": reason, "severity": severity, "mode": mode,
        "scope": {"host": "smars-8"}, "measured": measured, "limit": 3, "unit": "children", "evidence": [],
    }  # fmt: skip


def halt():
    return {"type": "halt", "level": "halt_cancel", "halt_id": "7f3a" * 16, "event_ts": AT_NS} | {
        name: value for name, value in breach().items() if name not in ("ts", "severity", "mode")
    }


def told(breaches=(), commands=()):
    counts = {"events": 5_856, "quarantined": 0, "passed_over": 2}
    return text_of(
        counts
        | {"breaches": list(breaches), "commands": list(commands), "policy_digest": "p", "trace_digest": "t"}
    ).splitlines()


def test_a_halt_has_its_line_with_a_time_that_can_be_read():
    lines = told([breach(mode="armed")], [halt()])
    assert lines[0] == "5,856 events, 0 quarantined, 2 passed over, 1 breaches"
    assert lines[1] == (
        "HALT halt_cancel host=smars-8 | child_parent.child_after_done: 3 children, limit 3"
        " | at 2012-08-01 13:30:01.098Z | halt 7f3a7f3a"
    )
    assert "no halt" not in "\n".join(lines)


@pytest.mark.parametrize(
    ("severity", "mode", "does"),
    [
        ("halt", "shadow", "would halt"),
        ("halt", "page", "pages, would halt if armed"),
        ("halt", "armed", "halts"),
        ("high", "shadow", "would page"),
        ("high", "armed", "pages"),
        ("warn", "shadow", "recorded"),
    ],
)
def test_what_each_reason_does_or_would_do_is_said(severity, mode, does):
    (line,) = (line for line in told([breach(severity, mode)]) if "child_after_done" in line)
    assert line.strip().split("  ")[0] == does


def test_what_is_in_shadow_is_no_clean_day():
    assert "no halt, because nothing is armed that found one: 1 would have been" in told([breach()])
    assert "no halt" in told([breach("high")])
    assert "no halt" in told()


def test_a_reason_is_one_line_with_its_count_and_its_first_worst_first():
    later = [breach("warn", ts=AT_NS + n, measured=1.06325865 + n, reason="ratio") for n in (2, 1)]
    lines = told([*later, breach()])
    would, recorded = (line for line in lines if "child_parent" in line)
    assert "1 x  first host=smars-8 at 2012-08-01 13:30:01.098Z: 3 children, limit 3" in would
    assert "2 x  first host=smars-8 at 2012-08-01 13:30:01.098Z: 2.06 children, limit 3" in recorded


def test_a_day_of_a_thousand_halts_is_not_a_thousand_lines():
    lines = told([breach(mode="armed")], [halt()] * 1_000)
    assert len(lines) < HALTS_SHOWN + 10
    assert f"... and {1_000 - HALTS_SHOWN} halts more" in lines
