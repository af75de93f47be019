"""The scoreboard says what happened, also where it is wrong, and draws it."""

import dataclasses

from benchmarks import scoreboard
from monitor.scenarios import registry


def test_the_scoreboard_of_two_scenarios(tmp_path):
    figures = scoreboard.run(names=["prop303", "merrill_limits"], folder=tmp_path)
    assert (figures["runaways"], figures["runaways_right"]) == (1, 1)
    assert (figures["clean_days"], figures["false_halts"], figures["wrong"]) == (1, 0, [])
    table = (tmp_path / "scoreboard.md").read_text()
    assert "| `prop303` |" in table
    assert "rate.message_cap | `session=R1` |" in table
    assert "| `merrill_limits` | 0 | 0 | - | 1/1 |" in table
    assert (tmp_path / "scoreboard.svg").read_text().count(">prop303<") == 1


def test_a_halt_of_another_scope_or_too_late_is_not_right():
    prop303 = registry()["prop303"]

    def with_truth(change):
        def told(seed, scale):
            return prop303.told(seed, scale) | change(prop303.told(seed, scale))

        return scoreboard.judge(dataclasses.replace(prop303, told=told), 1, 0.2)

    assert with_truth(lambda _: {}).is_right
    assert not with_truth(lambda _: {"scopes": [{"session": "other"}]}).is_right
    early = [{"detector": "rate", "not_later_than_ts": prop303.truth(1)["onset_ts"]}]
    assert not with_truth(lambda _: {"expected": early}).is_right
    assert with_truth(lambda _: {"expected": early}).late == ("rate",)
    assert not with_truth(lambda _: {"expected": [], "scopes": []}).is_right  # a false halt on a clean day
