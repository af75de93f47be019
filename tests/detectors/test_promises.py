"""The promises every detector keeps, written once and met by each family that lies in the folder.

Where the stream is cut changes nothing; a restart from its own snapshot changes nothing; duplicates are
no-ops; another account's flow changes nothing for this one; the batch is not written to, memory stays
under its bound and nobody asks to be woken in the past (those three `tests.run` asserts at every step).
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.contract import Level, every_detector
from detectors.event import Kind
from tests.detectors.tight import settings_for
from tests.run import in_words, run
from tests.streams import MESSY, MS, SECOND, START, WILD, Desk, merged, moves, play, world_events

if TYPE_CHECKING:
    from detectors.contract import Breach
    from tests.streams import Told

FAMILIES = every_detector()
each_family = pytest.mark.parametrize("make", FAMILIES.values(), ids=FAMILIES)
SOON_FORGOTTEN_NS = 2 * SECOND
ALWAYS_TOLD_ONCE = (
    "parent_new",
    "order_new",
    "order_reject",
    "order_cancel",
    "fill",
    "fill_bust",
    "fill_correct",
)


@st.composite
def streams(draw: st.DrawFn, names: tuple[str, ...] = (*WILD, *MESSY), **desk: Any) -> list[Told]:
    return merged(draw(world_events()), play(Desk(**desk), draw(moves(names, size_max=25))))


@st.composite
def positions(draw: st.DrawFn, stream: list[Told]) -> set[int]:
    return draw(st.sets(st.integers(1, len(stream) - 1), max_size=8)) if len(stream) > 1 else set()


@st.composite
def passing_time(draw: st.DrawFn, stream: list[Told]) -> dict[int, int]:
    """Positions at which time passes between two events, and how far."""
    gaps = {
        at: (before["arrival_ts"], after["arrival_ts"])
        for at, (before, after) in enumerate(itertools.pairwise(stream), 1)
        if after["arrival_ts"] - before["arrival_ts"] > MS
    }
    chosen = draw(st.sets(st.sampled_from(sorted(gaps)), max_size=4)) if gaps else set()
    return {at: gaps[at][0] + (gaps[at][1] - gaps[at][0]) * draw(st.integers(1, 9)) // 10 for at in chosen}


@each_family
@given(data=st.data())
def test_where_the_stream_is_cut_changes_nothing(make, data):
    """Kafka decides where a batch ends; the verdict must not.  Codes are recycled meanwhile."""
    stream = data.draw(streams())
    settings, ticks = data.draw(settings_for(make)), data.draw(passing_time(stream))
    cuts = data.draw(positions(stream))
    told = {"settings": settings, "ticks": ticks, "retain_ns": SOON_FORGOTTEN_NS}
    whole = run(make, stream, **told)
    assert in_words(run(make, stream, cuts=cuts, **told)) == in_words(whole)
    assert in_words(run(make, stream, cuts=range(len(stream)), **told)) == in_words(whole)


@each_family
@given(data=st.data())
def test_a_restart_from_its_own_snapshot_changes_nothing(make, data):
    stream = data.draw(streams())
    settings, ticks = data.draw(settings_for(make)), data.draw(passing_time(stream))
    restarts = data.draw(positions(stream))
    told = {"settings": settings, "ticks": ticks, "retain_ns": SOON_FORGOTTEN_NS}
    assert in_words(run(make, stream, restarts=restarts, **told)) == in_words(run(make, stream, **told))


@each_family
@given(data=st.data())
def test_the_same_stream_says_the_same(make, data):
    stream = data.draw(streams())
    settings = data.draw(settings_for(make))
    assert in_words(run(make, stream, settings=settings)) == in_words(run(make, stream, settings=settings))


@each_family
@given(data=st.data(), with_seq=st.booleans())
def test_an_event_told_twice_is_told_once(make, data, with_seq):
    """At once or later; without numbers later only what carries an identity of its own."""
    stream = data.draw(streams(with_seq=with_seq))
    settings = data.draw(settings_for(make))
    again = sorted(data.draw(positions(stream)))
    doubled: list[tuple[int, Told]] = []
    late: list[tuple[int, int]] = []  # (position, offset)
    for offset, told in enumerate(stream):
        doubled += [(at + len(stream), stream[at]) for due, at in late if due == offset]
        doubled.append((offset, told))
        if offset in again:
            can_wait = with_seq or told["kind"] in ALWAYS_TOLD_ONCE
            wait = data.draw(st.integers(1, 30)) if can_wait else 1
            late.append((offset + wait, offset))
    offsets = [offset for offset, _ in doubled]
    once = run(make, stream, settings=settings)
    twice = run(make, [told for _, told in doubled], settings=settings, offsets=offsets)
    assert in_words(twice, without={"row"}) == in_words(once, without={"row"})


@each_family
@given(data=st.data())
def test_another_desks_flow_changes_nothing_for_this_one(make, data):
    """Other hosts, sessions, accounts, parents and orders in the same symbols, on a partition of their own.

    The world has no marks here: a symbol's reference price is everybody's, and so is the trade that confirms it.
    Another partition also holds LOW back, so that a window or a timer may be judged later: which rung each
    question reaches at most is the same, not by which event, nor by how much, nor whether a lower one is said again.
    """
    world = [told for told in data.draw(world_events()) if told["kind"] != "mark"]
    # A partition says first that it is there: before it does, LOW is nobody's.
    here = ("heartbeat", 0, 0, 0)
    ours = play(Desk("a", with_delays=False), [here, *data.draw(moves((*WILD, *MESSY), 15))])
    theirs = play(Desk("b", with_delays=False), data.draw(moves((*WILD, *MESSY), 15)))
    theirs = [told for told in theirs if told["kind"] != "session_phase"]  # a venue's close is everybody's
    settings = data.draw(settings_for(make))
    until = max((told["ts"] for told in (*world, *ours, *theirs)), default=START) + 30 * SECOND

    def judged(*streams: list[Told]) -> dict[tuple[str, str], int]:
        stream = merged(*streams)
        part_of = {id(told): part for part, each in enumerate(streams) for told in each}
        parts = [part_of[id(told)] for told in stream]
        offsets = [streams[part].index(told) for part, told in zip(parts, stream, strict=True)]
        heard = run(make, stream, settings=settings, parts=parts, offsets=offsets, until_ns=until)
        said = [(b.severity, b.reason, b.scope.text) for b in heard if is_ours(b)]
        return {(reason, scope): int(severity) for severity, reason, scope in sorted(said)}

    assert judged(world, ours, theirs) == judged(world, ours)


def is_ours(breach: Breach) -> bool:
    """Whether a scope is desk a's own, and the question not one of LOW's seconds."""
    return breach.reason not in ("time_to_limit", "velocity") and any(
        v.startswith("a") for _, v in breach.scope.conditions
    )


@each_family
def test_every_reason_says_its_claim_and_its_unit(make):
    assert make.reasons
    for reason in make.reasons:
        assert reason.code.islower()
        assert reason.claim
        assert reason.unit
        assert reason.level in (None, *Level)
        assert make.reason(reason.code) is reason


@each_family
def test_every_setting_has_a_default_and_a_sentence(make):
    assert dataclasses.is_dataclass(make.Settings)
    assert make.Settings.__dataclass_params__.frozen
    make.Settings()
    for setting in dataclasses.fields(make.Settings):
        assert setting.metadata.get("doc"), f"{make.family()}.{setting.name} has no sentence"


@each_family
def test_what_a_family_lives_on_are_kinds_of_events(make):
    """`control` lives on changes of the configuration, too."""
    assert set(make.LIVES_ON) <= {kind.name.lower() for kind in Kind}
    assert make.LIVES_ON or make.family() == "control"


def test_no_two_families_share_a_reason():
    codes = Counter(reason.code for make in FAMILIES.values() for reason in make.reasons)
    assert [code for code, count in codes.items() if count > 1] == []


def test_a_family_is_found_by_lying_in_the_folder():
    assert all(name == make.family() for name, make in FAMILIES.items())
    assert FAMILIES
