"""What `status` says follows from what was said: joined, closed only by a resume, unknown where nobody spoke."""

import pytest

from detectors.scope import Scope
from monitor.cli.picture import Picture
from monitor.cli.picture_text import text_of
from monitor.cli.tightening import person_halt
from monitor.core import envelope
from monitor.core.keyring import Keyring, Role, Signer
from monitor.settings import load_text

SECOND_NS = 1_000_000_000
ANNA, BEN, MONITOR, GATEWAY, EVE = (Signer(bytes([n]) * 32) for n in range(1, 6))
RING = Keyring(
    [
        ANNA.pinned("anna", Role.OPERATOR),
        BEN.pinned("ben", Role.RISK),
        MONITOR.pinned("monitor-1", Role.MONITOR),
        GATEWAY.pinned("gw-1", Role.GATEWAY),
    ]
)
CONFIG = load_text('site = "nyc"\nenv = "demo"\n')
HALT = person_halt(CONFIG, Scope.of(host="smars-8"), "halt_new", "runs away", "anna")
NOW_NS = HALT["issued_at"] + 2 * SECOND_NS


def message(kind, issuer, at_ns=NOW_NS, **fields):
    common = {"v": 1, "type": kind, "site": "nyc", "env": "demo", "issuer": issuer, "boot": "b", "seq": 1}
    return common | {"issued_at": at_ns} | fields


def lease(at_ns=NOW_NS, **fields):
    return message("lease", "monitor-1", at_ns, **({"status": "judging", "blind_of": []} | fields))


def state(*halts, at_ns=NOW_NS, part=1, parts=1):
    return message("state", "monitor-1", at_ns, open=list(halts), closed=[], part=part, parts=parts)


def ack(word, at_ns=NOW_NS):
    fields = {"halt_id": HALT["halt_id"], "gateway": "gw-1", "state": word, "level": "halt_new", "ts": at_ns}
    return message("ack", "gw-1", **fields, working=2, orders_refused=7)


def resume(at_ns):
    stages = [{"level": "active", "after_s": 0}]
    fields = {
        "resume_id": "r",
        "closes": [HALT["halt_id"]],
        "stages": stages,
        "reason": "mended",
        "policy_digest": "",
    }
    return message("resume", "anna", at_ns, **fields, expires=at_ns + SECOND_NS)


@pytest.fixture
def picture():
    seen = Picture("nyc", "demo", RING, NOW_NS)
    seen.commands_read = True
    return seen


def hear(picture, *said):
    for payload, *signers in said:
        picture.hear(envelope.seal(payload, signers))
    return picture


def test_an_open_halt_is_told_with_its_acknowledgement(picture):
    hear(
        picture,
        (lease(), MONITOR),
        (state(HALT), MONITOR),
        (ack("received"), GATEWAY),
        (ack("applied"), GATEWAY),
    )
    halt = picture.document["open"][0]
    assert (halt["level"], halt["age_s"], halt["gateways"][0]["state"]) == ("halt_new", 2.0, "applied")
    assert "gw-1: applied halt_new, 2 working" in text_of(picture.document)
    assert picture.unknowns() == []


def test_a_gateway_that_owes_an_answer_is_named_first(picture):
    """Whom nobody heard, or who answered a lower level, trades on: seven of eight is not a yes."""
    picture.keyring = Keyring([*RING, EVE.pinned("gw-2", Role.GATEWAY)])
    hear(picture, (lease(), MONITOR), (state(HALT), MONITOR), (ack("applied"), GATEWAY))
    text = text_of(picture.document)
    assert "applied by 1 of 2 gateways, NOT by gw-2: stop it there by hand" in text
    assert text.index("gw-2: NO ANSWER") < text.index("gw-1: applied")
    higher = HALT | {"level": "halt_cancel", "issuer": "monitor-1"}
    hear(picture, (higher, MONITOR))
    assert "applied by 0 of 2 gateways, NOT by gw-1, gw-2" in text_of(picture.document)


def test_a_gateway_that_said_hello_owes_an_answer_also_where_nobody_is_pinned():
    seen = Picture("nyc", "demo", None, NOW_NS)
    fields = {"gateway": "gw-9", "scopes": [{}], "levels": ["halt_new"], "kinds": ["host"], "cod": True}
    hear(seen, (HALT, ANNA), (message("hello", "gw-9", **fields, key_id="k"), EVE))
    assert "gw-9: NO ANSWER" in text_of(seen.document)


def test_a_halt_of_one_gateway_asks_no_other(picture):
    picture.keyring = Keyring([*RING, EVE.pinned("gw-2", Role.GATEWAY)])
    hear(picture, (HALT | {"scope": {"gateway": "gw-1"}}, ANNA), (ack("completed"), GATEWAY))
    assert "applied by 1 of 1 gateways" in text_of(picture.document)


def test_where_no_monitor_said_what_is_open_that_is_unknown_and_the_next_step_is_named(picture):
    assert "open halts: UNKNOWN" in text_of(picture.document)
    hear(picture, (lease(), MONITOR), (state(), MONITOR))
    assert "no open halt" in text_of(picture.document).splitlines()
    hear(picture, (HALT, ANNA))
    assert "next: runbook#operator-halt" in text_of(picture.document)


def test_no_halt_is_a_statement_and_not_a_silence(picture):
    assert "whether any monitor judges is unknown" in " ".join(picture.unknowns())
    hear(picture, (lease(), MONITOR), (state(), MONITOR))
    assert picture.document["open"] == []
    assert picture.unknowns() == []


def test_halts_join_whoever_says_them_and_the_higher_level_counts(picture):
    higher = HALT | {"level": "halt_cancel", "issuer": "monitor-1"}
    hear(picture, (higher, MONITOR), (HALT, ANNA), (state(), MONITOR))
    halt = picture.document["open"][0]
    assert (halt["level"], len(halt["issuers"])) == ("halt_cancel", 2)


def test_only_a_later_resume_of_two_people_closes(picture):
    hear(picture, (HALT, ANNA), (resume(HALT["event_ts"] - 1), ANNA, BEN))
    assert len(picture.open_halts()) == 1
    hear(picture, (resume(HALT["event_ts"] + 1), ANNA))
    assert len(picture.open_halts()) == 1
    hear(picture, (resume(HALT["event_ts"] + 1), ANNA, BEN))
    assert picture.open_halts() == {}


def test_what_a_stranger_says_counts_for_nothing(picture):
    hear(picture, (HALT, EVE), (lease(), EVE), (HALT | {"env": "prod"}, ANNA))
    picture.hear(b"not an envelope")
    assert picture.open_halts() == {}
    assert picture.document["monitors"] == []
    assert picture.document["ignored"] == 4


def test_without_pinned_keys_nothing_is_called_verified():
    seen = hear(Picture("nyc", "demo", None, NOW_NS), (HALT, EVE))
    seen.hear(b"{}")
    seen.hear(b"\xff")
    assert len(seen.open_halts()) == 1
    assert seen.document["verified"] is False
    assert any("no signature was checked" in text for text in seen.unknowns())


def test_a_stale_lease_and_a_blind_one_are_said(picture):
    hear(picture, (lease(NOW_NS - 4 * SECOND_NS, status="blind", blind_of=[{}]), MONITOR))
    assert "blind of *, lease 4.0 s old, STALE" in text_of(picture.document)


def test_a_state_counts_when_all_its_parts_are_there(picture):
    hear(picture, (lease(), MONITOR), (state(HALT, part=1, parts=2), MONITOR))
    assert not picture.is_whole
    assert picture.open_halts() == {}
    hear(picture, (state(part=2, parts=2), MONITOR))
    assert picture.is_whole
    assert len(picture.open_halts()) == 1


def test_an_older_state_never_replaces_a_newer_one(picture):
    hear(picture, (state(HALT), MONITOR), (state(at_ns=NOW_NS - SECOND_NS), MONITOR))
    assert len(picture.open_halts()) == 1


@pytest.mark.parametrize("drill_first", [True, False])
def test_a_drill_under_the_same_id_hides_no_live_halt(picture, drill_first):
    """One person's drill after their halt has its id, its issuer and its key."""
    live, drill = HALT, HALT | {"mode": "drill", "level": "disconnect"}
    said = [drill, live] if drill_first else [live, drill]
    hear(picture, *((halt, ANNA) for halt in said), (state(*said), MONITOR))
    halt = picture.document["open"][0]
    assert (halt["mode"], halt["level"]) == ("live", "halt_new")


def test_the_same_id_again_after_a_resume_is_open_again(picture):
    later = NOW_NS + 2 * SECOND_NS
    hear(picture, (HALT, ANNA), (resume(NOW_NS + SECOND_NS), ANNA, BEN), (HALT | {"event_ts": later}, ANNA))
    assert [halt["since"] for halt in picture.document["open"]] == [later]
