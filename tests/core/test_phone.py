"""One line for a phone: fixed in form, and nothing that came from outside can change it."""

from hypothesis import given
from hypothesis import strategies as st

from monitor.core import phone


def test_the_first_line_is_the_one_that_people_were_promised():
    line = phone.stopped(
        "host=smars-8", "halt_cancel", "3 children after parent done", 96_400.0, "7f3a9c", "runbook",
        "child_after_done", others=True,
    )  # fmt: skip
    assert line == (
        "STOPPED host=smars-8 (no new, cancelling) | why: 3 children after parent done | exposed $96k"
        " | others trading | halt 7f3a | next: runbook#child-after-done"
    )


@given(st.text(max_size=300), st.text(max_size=300))
def test_no_text_from_outside_makes_another_line_or_another_part(scope, why):
    line = phone.stopped(scope, "halt_new", why, None, "7f3a", "r", "gross", others=False)
    assert line.count(" | ") == 5
    assert line.isprintable()
    assert len(line) < 3 * phone.TEXT_MAX + 200


def test_unknown_money_is_said_and_never_zero():
    assert "exposed unknown" in phone.stopped("*", "halt_new", "x", None, "ab", "r", "gross", others=False)


def test_a_halt_of_the_firm_does_not_say_that_others_trade():
    assert "whole firm" in phone.stopped("*", "halt_new", "x", 1.0, "ab", "r", "gross", others=True)
    assert "no other flow seen" in phone.stopped(
        "host=a", "halt_new", "x", 1.0, "ab", "r", "gross", others=False
    )


def test_a_page_that_stops_nothing_says_so_and_why_it_only_looks():
    line = phone.warned("host=a", "x", 12.0, "page", "r", "gross")
    assert line.startswith("LOOK host=a (nothing stopped, page)")
    assert phone.warned("host=a", "x", 12.0, "armed", "r", "gross").startswith(
        "LOOK host=a (nothing stopped) |"
    )


def test_who_did_not_answer_is_named():
    assert "no answer from g1, g2" in phone.unanswered("host=a", ("g1", "g2"), "7f3a9c", "r")
    assert "no answer from any gateway" in phone.unanswered("host=a", ("",), "7f3a9c", "r")
