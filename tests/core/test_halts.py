"""Halts join: in any order, from anybody, the book holds the highest level of each, and only grows."""

from hypothesis import given
from hypothesis import strategies as st

from monitor.core.halts import OPEN_MAX, HaltBook, level_of

LEVELS = ("throttle", "reduce_only", "halt_new", "halt_cancel", "disconnect")
halts = st.lists(
    st.builds(
        lambda name, level, issuer: {"halt_id": name, "level": level, "issuer": issuer, "event_ts": 7},
        st.sampled_from("abc"),
        st.sampled_from(LEVELS),
        st.sampled_from(("m1", "m2", "anna")),
    ),
    max_size=12,
)


def book_of(said):
    book = HaltBook()
    for halt in said:
        book.add(halt)
    return {name: level_of(halt) for name, halt in book.open.items()}


@given(halts, st.randoms())
def test_the_order_in_which_halts_come_changes_nothing(said, random):
    mixed = random.sample(said, len(said))
    assert book_of(mixed) == book_of(said) == book_of([*said, *mixed])


@given(halts)
def test_no_halt_lowers_a_level_and_what_changes_nothing_says_so(said):
    book = HaltBook()
    for halt in said:
        before = level_of(book.open[halt["halt_id"]]) if halt["halt_id"] in book.open else 0
        changed = book.add(halt)
        after = level_of(book.open[halt["halt_id"]])
        assert after == max(before, level_of(halt))
        assert changed == (after > before)


def test_a_closed_halt_stays_closed_for_what_happened_before():
    book = HaltBook()
    book.closed["a"] = 10
    assert not book.add({"halt_id": "a", "level": "halt_new", "event_ts": 10})
    assert book.add({"halt_id": "a", "level": "halt_new", "event_ts": 11})


def test_the_book_says_when_it_is_full_and_survives_a_restart():
    book = HaltBook()
    for n in range(OPEN_MAX):
        assert not book.is_full
        book.add({"halt_id": str(n), "level": "halt_new"})
    assert book.is_full
    other = HaltBook()
    other.restore(book.snapshot())
    assert other.open == book.open


def test_what_we_only_heard_of_we_decide_as_well_and_once():
    """Whoever said it may be gone, on one road only, or a life of ours before this one."""
    book = HaltBook()
    heard = {"halt_id": "a", "level": "halt_new", "event_ts": 5, "issuer": "monitor-2"}
    own = {name: value for name, value in heard.items() if name != "issuer"}
    assert book.add(heard)
    assert book.decide(own)
    assert not book.decide(own)
    assert not book.add(heard)
    assert list(book.open.values()) == [own]


def test_what_was_heard_at_a_higher_level_stays_there():
    book = HaltBook()
    heard = {"halt_id": "a", "level": "halt_cancel", "event_ts": 5, "issuer": "monitor-2"}
    book.add(heard)
    assert not book.decide({"halt_id": "a", "level": "halt_new", "event_ts": 5})
    assert book.open["a"] is heard


def test_what_was_closed_is_not_decided_again_because_a_peer_still_says_it():
    book = HaltBook()
    book.add({"halt_id": "a", "level": "halt_new", "event_ts": 5, "issuer": "monitor-2"})
    book.closed["a"] = 9
    assert not book.decide({"halt_id": "a", "level": "halt_new", "event_ts": 5})


def test_one_id_over_another_scope_takes_nothing_away_whatever_comes_first():
    """A person's key may tighten: it may not narrow what another halt stops by naming its id."""
    wide = {"halt_id": "a", "level": "halt_cancel", "scope": {"host": "x"}, "event_ts": 5}
    narrow = {**wide, "level": "disconnect", "scope": {"host": "x", "parent": "p"}, "issuer": "anna"}
    for said in ([wide, narrow], [narrow, wide]):
        book = HaltBook()
        assert [book.add(halt) for halt in (*said, *said)] == [True, True, False, False]
        other = HaltBook()
        other.restore(book.snapshot())
        assert list(other.open.values()) == list(book.open.values()) == said


def test_a_drill_takes_nothing_from_the_live_halt_of_its_id():
    live = {"halt_id": "a", "level": "halt_new", "scope": {}, "event_ts": 5, "mode": "live"}
    drill = {**live, "level": "disconnect", "mode": "drill", "issuer": "anna"}
    for said in ([live, drill], [drill, live]):
        book = HaltBook()
        assert [book.decide(halt) if halt is live else book.add(halt) for halt in said] == [True, True]
        assert book.open["a"] is live
        assert list(book.open.values()) == said
