"""The ladder has no holes, and nothing that the stream says leads down from `halted`."""

import itertools

from detectors.contract import Severity
from monitor.core.ladder import LADDER, OF_SEVERITY, Rung, Verdict

HEIGHT = {rung: height for height, rung in enumerate(Rung)}


def test_every_rung_answers_every_verdict():
    assert set(LADDER) == set(itertools.product(Rung, Verdict))


def test_nothing_the_stream_says_releases_a_halt():
    assert {LADDER[Rung.HALTED, verdict] for verdict in Verdict} == {Rung.HALTED}


def test_only_clear_leads_down():
    for (rung, verdict), after in LADDER.items():
        if verdict is not Verdict.CLEAR:
            assert HEIGHT[after] >= HEIGHT[rung], (rung, verdict)


def test_unknown_is_never_clear():
    for rung in Rung:
        assert LADDER[rung, Verdict.STALE] not in (Rung.WATCHING, Rung.WARNED)
        assert LADDER[rung, Verdict.FAULT] not in (Rung.WATCHING, Rung.WARNED)


def test_every_severity_has_its_verdict():
    assert set(OF_SEVERITY) == set(Severity)
    assert all(LADDER[rung, OF_SEVERITY[Severity.HALT]] is Rung.HALTED for rung in Rung)
