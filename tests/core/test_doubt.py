"""What the monitor cannot see, its lease says: judging, degraded, blind; and one page a cause."""

from dataclasses import replace

import numpy as np

from detectors import event as ev
from detectors.bounds import Bounds
from detectors.contract import Batch, Result
from monitor.core.commands import Save, State
from monitor.core.inputs import (
    LifeBegan,
    LinkChanged,
    Quarantined,
    ReadingStarted,
    RecordsArrived,
    RecordsLost,
    TimePassed,
)
from tests.playbook import Lease, Page, Playbook, crash_and_restore, engine, engine_of, policy, wait
from tests.streams import SECOND


def a_book():
    return Playbook(engine(scripted={})) >> "P1" >> wait(1)


def down(book, link="kafka"):
    return LinkChanged(link, False, book.now, "refused")


def up(book, link="kafka"):
    return LinkChanged(link, True, book.now)


def test_a_feed_that_is_down_for_two_seconds_is_blind_and_pages_once():
    book = a_book()
    book >> down(book) << None
    book >> wait(1.9) << None
    book >> wait(0.1) << Page("link kafka down", "self")
    book >> wait(3) << [Lease("blind")] * 3
    book << None
    assert [dict(scope) for scope in book.engine.doubt.status()[1]] == [{}]
    book >> up(book) >> wait(0.1)
    book << Page("link kafka down: over", resolved=True)
    book >> wait(1) << Lease("judging")


def test_one_partition_whose_fetches_are_not_answered_blinds_too():
    book = a_book()
    book >> down(book, "trading.telemetry.v1/3") >> wait(3)
    book << Page("trading.telemetry.v1/3")
    assert book.engine.doubt.status()[0] == "blind"


def test_a_road_that_is_down_does_not_blind():
    book = a_book()
    book >> down(book, "mqtt") >> wait(3) << None
    assert book.engine.doubt.status()[0] == "judging"


def test_a_short_breath_of_the_link_is_nothing():
    book = a_book()
    book >> down(book) >> wait(1) >> up(book) >> wait(5) << None


def test_a_partition_with_records_that_does_not_advance_is_blind():
    book = a_book() >> wait(2.5, lagging=(0,))
    book << Page("partition 0 does not advance", "self")
    assert book.engine.doubt.status()[0] == "blind"
    book >> "C" >> wait(0.1, lagging=(0,))
    assert book.engine.doubt.status()[0] == "degraded"  # it moves, and lags
    book >> wait(0.1)
    assert book.engine.doubt.status()[0] == "judging"


def test_a_parent_that_finds_no_room_degrades_and_pages_once():
    """It counts, and no question about single parents sees it."""
    chosen = replace(policy(scripted={}), bounds=Bounds(parents=4))
    book = Playbook(engine_of(chosen)) >> "P1" >> "P2" >> "P3" >> wait(2)
    assert book.engine.doubt.status()[0] == "judging"
    book >> "P4" >> wait(0.1) << Page("they have no name", "self")
    book >> wait(5) >> crash_and_restore() >> wait(5)
    assert book.engine.doubt.status() == ("degraded", (), ("overflow/books",))


def test_while_the_feed_is_down_the_streams_time_stands():
    book = a_book()
    low = book.engine.ledger.low_ns
    book >> down(book) >> wait(60)
    assert book.engine.ledger.low_ns == low
    book >> up(book) >> wait(2)
    assert book.engine.ledger.low_ns == low + SECOND


def test_lost_records_page_and_degrade_until_somebody_has_looked():
    book = a_book()
    book >> RecordsLost("trading.telemetry.v1", 0, 10, 90, "retention", book.now)
    book << Page("records 10 to 90 are lost (retention)", "self")
    assert book.recorded("gap.marked")[0]["why"] == "retention"
    book >> wait(60)
    assert book.engine.doubt.status()[0] == "degraded"


def broken_records(count, first):
    bad = tuple(Quarantined(0, first + n, "", "not_json", "x", b"{") for n in range(count))
    batch = Batch(np.zeros((0, ev.COLUMNS), np.int64), np.zeros(0, np.uint8))
    return RecordsArrived(batch, ((0, first, first + 99),), bad)


def test_one_record_in_a_hundred_that_cannot_be_read_degrades_and_pages():
    book = a_book()
    book >> broken_records(1, 100) >> wait(11) << None
    book >> broken_records(2, 200) >> wait(11)
    book << [Page("cannot be read", "self")]
    assert book.engine.doubt.status()[0] == "degraded"
    book >> wait(11) << Page("over", resolved=True)


def test_what_a_detector_does_not_know_is_said_and_is_not_clear():
    book = a_book()
    book.scripted.results = lambda: {"gross account=7": Result.STALE, "net account=7": Result.CLEAR}
    book >> wait(1) << Lease("degraded")
    assert book.engine.doubt.status()[2] == ("scripted gross account=7",)


def started(partition, why, offset=0):
    return ReadingStarted("trading.telemetry.v1", partition, offset, why)


def test_it_is_cold_while_any_partition_began_in_the_middle():
    book = Playbook(engine(scripted={}))
    book >> started(0, "beginning", offset=5)
    assert book.engine.ledger.cold
    book >> started(1, "session", offset=7)
    assert book.engine.ledger.cold
    book >> crash_and_restore() >> started(0, "snapshot") >> started(1, "snapshot")
    assert book.engine.ledger.cold
    book >> started(0, "session")
    assert not book.engine.ledger.cold


def test_a_partition_that_is_new_has_no_past_that_we_missed():
    book = Playbook(engine(scripted={})) >> started(0, "session") >> started(1, "new_partition")
    assert not book.engine.ledger.cold
    book >> started(2, "new_partition", offset=4)
    assert book.engine.ledger.cold


def test_the_first_tick_after_a_restart_says_what_is_known_then():
    book = a_book() >> crash_and_restore()
    book >> TimePassed(book.now + 90 * SECOND) << Lease("judging")


def test_a_trail_that_is_not_written_degrades_and_pages_after_two_seconds():
    book = a_book()
    book >> down(book, "audit_disk") >> wait(1.8) << None
    book >> wait(1.2) << Page("audit-disk")
    book >> wait(1) << Lease("degraded") >> up(book, "audit_disk") >> wait(1) << [Lease("judging")]


def unseen(seconds, read_to_s):
    """Ticks for so long; what is read is what was there `read_to_s` before the first of them."""

    def do(book):
        read_to = book.now - int(read_to_s * SECOND)
        said = []
        for _ in range(round(seconds * 10)):
            book.now += SECOND // 10
            said += book.engine.handle(TimePassed(book.now, (), read_to))
        return said

    return do


def status(book):
    return book.engine.doubt.status()[0]


def test_a_feed_that_is_down_degrades_at_once_and_one_that_is_back_until_all_is_read():
    book = a_book()
    book >> down(book)
    book >> unseen(0.1, 0)
    assert status(book) == "degraded"
    book >> up(book) >> unseen(0.5, 0.001)
    assert status(book) == "degraded"
    assert book.engine.doubt.status()[2] == ("what came meanwhile is not read yet",)
    book >> unseen(0.1, 0)
    assert status(book) == "judging"


def test_a_life_does_not_judge_before_what_it_found_is_read():
    book = a_book()
    book >> LifeBegan(restored=True, unreadable=(), lived_before=True, at_ns=book.now)
    book >> unseen(0.3, 0.001)
    assert status(book) == "degraded"
    book >> unseen(0.1, 0)
    assert status(book) == "judging"


def test_who_was_stopped_does_not_know_what_came_meanwhile():
    book = a_book() >> wait(0.1)
    assert status(book) == "judging"
    stopped_at = book.now
    book.now += 10 * SECOND
    book >> TimePassed(book.now, (), stopped_at) << Lease("degraded")
    book >> unseen(0.1, 0)
    assert status(book) == "judging"


def an_hour_back(book):
    """Another life, whose clock is right: that of the life before was an hour ahead."""
    book >> crash_and_restore()
    book.now -= 3_600 * SECOND
    book >> LifeBegan(restored=True, unreadable=(), lived_before=True, at_ns=book.now)
    book >> unseen(0.1, 0)
    assert status(book) == "judging"


def test_who_was_stopped_knows_it_though_an_earlier_life_had_its_clock_ahead():
    book = a_book()
    an_hour_back(book)
    stopped_at = book.now
    book.now += 10 * SECOND
    book >> TimePassed(book.now, (), stopped_at)
    assert status(book) == "degraded"


def test_a_partition_that_stands_blinds_though_an_earlier_life_had_its_clock_ahead():
    book = a_book()
    an_hour_back(book)
    book >> "P2" >> wait(0.1) >> wait(2, lagging=(0,)) << Page("partition 0 does not advance", "self")
    assert status(book) == "blind"


def test_state_and_snapshots_are_not_kept_back_by_a_clock_that_was_ahead():
    book = a_book()
    an_hour_back(book)
    book >> wait(31)
    assert book.of(Save)
    assert book.of(State)


def test_a_certificate_that_ends_soon_is_a_page_with_its_date_and_no_doubt():
    book = a_book()
    link = "certificate kafka client"
    book >> LinkChanged(link, False, book.now, "it ends 2026-12-01") >> wait(0.1)
    book << Page("it ends 2026-12-01", "self")
    book >> wait(3)
    assert book.engine.doubt.status()[0] == "judging"
    book >> up(book, link) >> wait(0.1) << Page(f"{link}: over", resolved=True)
