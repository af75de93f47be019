"""Several families, one cause: one page, and a second witness for what must not halt alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.contract import Breach, Evidence, Level, Severity
from detectors.scope import Scope
from monitor.core import commands as cmd
from monitor.core.incidents import INCIDENTS_MAX, TOGETHER_NS, Incidents
from tests.playbook import Halt, Page, Playbook, crash_and_restore, engine, says
from tests.streams import MS, SECOND

BOTH = {"scripted": {}, "witness": {}}


def a_breach(scope, at_ns=0, family="scripted"):
    return Breach(family, "scripted", Severity.HIGH, Scope.parse(scope), 5, 3, "events", Evidence(), at_ns, 0)


def together(*told):
    """The identities of the incidents that these verdicts are part of: (scope, sender, seconds)."""
    incidents = Incidents()
    return [
        incidents.join(str(n), a_breach(scope, int(at * SECOND)), sender, is_armed=True).identity
        for n, (scope, sender, at) in enumerate(told)
    ]


# -- what is one cause ---------------------------------------------------------------------------


def test_a_scope_within_another_is_the_same_cause_whoever_came_first():
    assert together(("account=33&symbol=NOK", None, 0), ("account=33", None, 1)) == ["0", "0"]
    assert together(("account=33", None, 0), ("account=33&symbol=NOK", None, 1)) == ["0", "0"]


def test_the_same_sender_under_two_scopes_is_the_same_cause():
    router = {"host": "smars-8", "account": "33"}
    assert together(("host=smars-8", router, 0), ("account=33", router, 1)) == ["0", "0"]
    assert together(("host=smars-8", router, 0), ("*", router, 1)) == ["0", "0"]


def test_a_sender_that_nobody_accused_before_is_another_cause():
    one, other = {"host": "a", "account": "1"}, {"host": "b", "account": "2"}
    assert together(("host=a", one, 0), ("account=2", other, 1)) == ["0", "1"]
    assert together(("host=a", one, 0), ("host=b", other, 1)) == ["0", "1"]


def test_an_attribute_that_a_sender_lacks_proves_nothing():
    assert together(("strategy=s", {"host": "b"}, 0), ("host=b", {"host": "b"}, 1)) == ["0", "1"]


def test_a_minute_without_a_verdict_ends_it():
    at = TOGETHER_NS / SECOND
    assert together(("host=a", None, 0), ("host=a", None, at), ("host=a", None, 2 * at)) == ["0", "0", "0"]
    assert together(("host=a", None, 0), ("host=a", None, at + 1)) == ["0", "1"]


def test_a_firm_wide_verdict_by_time_alone_is_an_incident_of_its_own():
    assert together(("host=a", None, 0), ("*", None, 1)) == ["0", "1"]


def test_more_than_its_bound_are_not_kept():
    incidents = Incidents()
    for n in range(INCIDENTS_MAX + 1):
        incidents.join(str(n), a_breach(f"host=h{n}"), None, is_armed=True)
    assert len(incidents.snapshot()) == INCIDENTS_MAX
    assert incidents.join("again", a_breach("host=h0"), None, is_armed=True).identity == "again"


scopes = st.sampled_from(["host=a", "host=b", "account=1", "account=1&symbol=S", "*", "session=x"])
senders = st.none() | st.fixed_dictionaries(
    {"host": st.sampled_from("ab"), "account": st.sampled_from("12"), "session": st.sampled_from("xy")}
)


@given(st.lists(st.tuples(scopes, senders, st.integers(0, 90)), max_size=20), st.integers(0, 20))
def test_a_restart_anywhere_changes_nothing(told, cut):
    whole, parts = Incidents(), Incidents()
    for n, (scope, sender, after_s) in enumerate(told):
        if n == cut:
            state = parts.snapshot()
            parts = Incidents()
            parts.restore(state)
        breach = a_breach(scope, n * 10 * SECOND + after_s * SECOND)
        found = [one.join(str(n), breach, sender, is_armed=bool(n % 2)).identity for one in (whole, parts)]
        assert found[0] == found[1]
    assert whole.snapshot() == parts.snapshot()


# -- a second family -----------------------------------------------------------------------------


def test_a_statistic_alone_pages_and_never_halts():
    book = Playbook(engine(**BOTH)) >> says("host=a", "high", "statistic")
    book << Page("host=a", "high")
    for _ in range(5):
        book >> says("host=a", "high", "statistic") << None
    assert book.of(cmd.Halt) == []


@pytest.mark.parametrize("reason", ["statistic", "with_witness"])
def test_with_a_second_family_it_halts_its_own_scope(reason):
    book = Playbook(engine(**BOTH)) >> says("host=a", "high", family="witness")
    book >> says("host=a", "high", reason) << Halt("host=a", reason)


@pytest.mark.parametrize("reason", ["statistic", "with_witness"])
def test_and_so_it_does_where_the_second_comes_later_also_after_a_restart(reason):
    book = Playbook(engine(**BOTH)) >> says("host=a", "high", reason) >> crash_and_restore()
    book >> says("host=a", "high", family="witness") << Halt("host=a", reason)
    assert book.recorded("halt.confirmed")[0]["by"] == "witness"
    book >> says("host=a", "high", reason) << None


def test_its_own_family_is_no_second_one():
    book = Playbook(engine(**BOTH)) >> says("host=a", "high") >> says("host=a", "high", "statistic")
    assert book.of(cmd.Halt) == []
    book >> says("host=b", "high", "with_witness") >> says("host=b", "high")
    assert book.of(cmd.Halt) == []


def test_a_warning_another_cause_or_a_family_that_is_not_armed_is_none_either():
    book = Playbook(engine(**BOTH)) >> says("host=a", "warn", family="witness")
    book >> says("host=a", "high", "statistic") >> says("host=b", "high", family="witness")
    assert book.of(cmd.Halt) == []
    for mode in ("page", "shadow"):
        book = Playbook(engine(scripted={}, witness={"mode": mode}))
        book >> says("host=a", "high", family="witness") >> says("host=a", "high", "statistic")
        assert book.of(cmd.Halt) == []


def test_a_minute_later_it_is_too_late():
    book = Playbook(engine(**BOTH)) >> says("host=a", "high", family="witness")
    book.desk.now += TOGETHER_NS + SECOND
    book >> says("host=a", "high", "statistic")
    assert book.of(cmd.Halt) == []


@pytest.mark.parametrize(("after_s", "halts"), [(600, 1), (601, 0)])
def test_the_one_family_that_may_witness_it_stands_as_long_as_its_page(after_s, halts):
    """Knight's eighth server ran the old build from 08:00 on; its first e-mails came minutes later."""
    book = Playbook(engine(**BOTH)) >> says("host=a", "high", family="witness") >> crash_and_restore()
    book.desk.now += after_s * SECOND - MS
    book >> says("host=b", "high", "with_witness")
    assert book.of(cmd.Halt) == []
    book >> says("host=a", "high", "with_witness", at=-MS)
    assert len(book.of(cmd.Halt)) == halts


def test_a_witness_that_warned_or_is_not_armed_does_not_stand():
    for severity, mode in (("warn", "armed"), ("high", "page")):
        book = Playbook(engine(scripted={}, witness={"mode": mode})) >> says(
            "host=a", severity, family="witness"
        )
        book.desk.now += 300 * SECOND
        book >> says("host=a", "high", "with_witness")
        assert book.of(cmd.Halt) == []


# -- one page ------------------------------------------------------------------------------------


def test_two_families_about_one_host_are_one_page():
    book = Playbook(engine(**BOTH)) >> says("host=a", "high") << Page("host=a", "high")
    book >> says("host=a", "high", family="witness") << None
    assert book.recorded("page.joined")[0]["key"] == "witness/scripted/host=a"


def test_a_halt_takes_the_place_of_its_incidents_page():
    book = Playbook(engine(**BOTH)) >> says("host=a", "high") >> says("host=a", family="witness")
    ended, told = book.of(cmd.Page)
    assert (ended.key, ended.resolved) == ("scripted/scripted/host=a", True)
    assert (told.severity, told.resolved) == ("halt", False)
    assert told.summary.startswith("STOPPED host=a")


def test_a_second_halt_of_the_incident_renews_its_page_only_where_it_stops_more():
    book = Playbook(engine(**BOTH)) >> says("account=33")
    (first,) = book.of(cmd.Page)
    book >> says("account=33", family="witness")
    (halt,) = book.of(cmd.Halt)
    assert book.of(cmd.Page) == []
    assert halt.payload["incident_id"] == first.key
    book >> says("account=33&symbol=NOK", family="witness")
    assert book.of(cmd.Page) == []
    book >> says(
        "account=33", reason="statistic"
    )  # as a family would never say it: to see that pages are by scope
    assert book.of(cmd.Page) == []


def test_the_incident_is_named_by_its_first_verdict():
    book = Playbook(engine(**BOTH)) >> says("host=a", "high", "only_pages")
    book >> says("host=a", family="witness")
    (halt,) = book.of(cmd.Halt)
    assert halt.payload["incident_id"] != halt.payload["halt_id"]
    alone = Playbook(engine(**BOTH)) >> says("host=a", family="witness")
    (halt,) = alone.of(cmd.Halt)
    assert halt.payload["incident_id"] == halt.payload["halt_id"]
    assert Level.HALT_NEW.word == halt.payload["level"]
