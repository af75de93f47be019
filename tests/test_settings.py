"""Promises of the configuration, on an invented family, so that no detector's table can break them."""

import contextlib
import dataclasses
import json
import os
import re
import sys
import tomllib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from detectors.bounds import Bounds
from detectors.contract import Level, every_detector, setting
from monitor.core.policy import DetectorPolicy, Mode
from monitor.settings import ConfigError, default_file, load, load_roads, load_text, sections
from monitor.settings.families import limits_of, number_max, scope_of
from monitor.settings.policy import policy_of
from monitor.settings.problems import plain_number
from monitor.settings.reading import partitions_of, session_start_ns
from monitor.settings.render import default_text, text_of, toml
from monitor.settings.secrets import kafka_password, mqtt_password, unreadable, webhook_url
from monitor.settings.sections import Section
from monitor.settings.toml_file import BYTES_MAX
from monitor.settings.unseen import unseen

LOAD = __import__("monitor.settings.load", fromlist=["load"])
UNSEEN = __import__("monitor.settings.unseen", fromlist=["unseen"])


@dataclass(frozen=True)
class DriftSettings:
    gap_ms_max: int = setting(500, "how long an answer may take")
    share: float = setting(0.5, "of what")
    floor: int = setting(0, "below it nothing is judged")
    names: tuple[str, ...] = setting((), "whom it concerns")

    def __post_init__(self) -> None:
        if self.share > 1:
            raise ValueError("share is above 1; write a share of 0 to 1")


@dataclass(frozen=True)
class CapsSettings:
    limit: tuple[dict, ...] = setting((), "limits, a row a scope")
    warn: float = setting(0.75, "share of the limit that warns")


class Drift:
    """Drift of an invented thing."""

    Settings = DriftSettings

    @classmethod
    def family(cls):
        return "drift"


class Caps:
    """Caps of an invented thing."""

    Settings = CapsSettings
    LIMIT_KEYS = ("gross", "quantity")
    LIMIT_WORDS: ClassVar = {"basis": ("intraday", "total"), "currency": ()}

    @classmethod
    def family(cls):
        return "caps"


INVENTED = {"caps": Caps, "drift": Drift}


@pytest.fixture(scope="module", autouse=True)
def invented():
    """Two families that do not exist, in the place of those that do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LOAD, "every_detector", lambda: INVENTED)
        patch.setattr(UNSEEN, "every_detector", lambda: INVENTED)
        LOAD.document_model.cache_clear()
        yield
    LOAD.document_model.cache_clear()


@pytest.fixture
def real():
    """The families that there are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LOAD, "every_detector", every_detector)
        patch.setattr(UNSEEN, "every_detector", every_detector)
        LOAD.document_model.cache_clear()
        yield
    LOAD.document_model.cache_clear()


HEAD = 'site = "nyc"\nenv = "prod"\n'


def problems(text, head=HEAD):
    with pytest.raises(ConfigError) as wrong:
        load_text(head + text, "knightwatch.toml")
    return {problem.key: problem.sentence for problem in wrong.value.problems}


def only(text, head=HEAD):
    found = problems(text, head)
    assert len(found) == 1, found
    return next(iter(found.items()))


# -- what is right


def test_only_site_and_env_must_be_written():
    config = load_text(HEAD)
    assert (config.site, config.env, config.issuer) == ("nyc", "prod", "monitor-1")
    assert config.detectors == {}
    assert problems("", head="") == {
        "site": 'is missing; write site = "nyc"',
        "env": 'is missing; write env = "prod"',
    }


def test_a_named_detector_runs_with_its_defaults_and_its_mode():
    config = load_text(HEAD + '[detectors.drift]\nmode = "page"\ngap_ms_max = 250\nnames = ["a"]')
    assert config.detectors["drift"].settings == DriftSettings(gap_ms_max=250, names=("a",))
    assert config.detectors["drift"].mode == "page"
    assert config.detectors["drift"].level is None


def test_a_level_of_the_ladder_reaches_its_detector():
    config = load_text(HEAD + '[ladder.levels]\ndrift = "halt_new"\n[detectors.drift]\nmode = "armed"')
    assert config.detectors["drift"].level is Level.HALT_NEW


def test_nothing_in_a_config_can_be_changed():
    config = load_text(HEAD + '[detectors.caps]\nmode = "armed"\nlimit = [{ scope = "*", gross = 1 }]')
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.site = "other"
    with pytest.raises(ValueError, match="frozen"):
        config.kafka.bootstrap_servers = "a:1"
    with pytest.raises(TypeError):
        config.detectors["caps"] = None
    with pytest.raises(TypeError):
        config.detectors["caps"].settings.limit[0]["gross"] = 2


def test_a_person_can_stop_something_whatever_else_is_wrong_in_the_file(tmp_path):
    path = tmp_path / "f.toml"
    path.write_text(
        HEAD + "nonsense = 1\n[mqtt]\nport = 1884\n[detectors.gone]\n[telemetry]\nwitnesses = 3\n"
    )
    roads = load_roads(path)
    assert (roads.site, roads.mqtt.port, roads.policy_digest, dict(roads.detectors)) == ("nyc", 1884, "", {})
    path.write_text(HEAD + '[mqtt]\nport = "x"\n')
    with pytest.raises(ConfigError, match=r"mqtt\.port"):
        load_roads(path)


# -- limits


def test_a_named_id_inherits_what_it_does_not_set():
    rows = [
        {"scope": "account=33", "gross": 2.0},
        {"scope": "account=*", "gross": 25.0, "quantity": 9.0, "basis": "intraday"},
        {"scope": "symbol=*", "gross": 7.0},
        {"scope": "*", "gross": 100.0},
    ]
    assert limits_of(rows)[0] == {"scope": "account=33", "gross": 2.0, "quantity": 9.0, "basis": "intraday"}
    assert limits_of(rows)[1:] == tuple(rows[1:])


def test_the_nearest_default_wins():
    rows = [
        {"scope": "symbol=*&account=*", "gross": 1.0, "quantity": 1.0, "basis": "total"},
        {"scope": "account=33&symbol=*", "gross": 2.0, "quantity": 2.0},
        {"scope": "symbol=NOK&account=33", "gross": 3.0},
    ]
    assert limits_of(rows)[2] == {
        "scope": "account=33&symbol=NOK",
        "gross": 3.0,
        "quantity": 2.0,
        "basis": "total",
    }


def test_a_star_that_is_an_id_is_written_encoded():
    assert scope_of("account=%2A") == (("account", "*"),)
    assert scope_of("account=*") == (("account", None),)
    config = load_text(
        HEAD + '[detectors.caps]\nmode = "armed"\nlimit = [{ scope = "account=*", gross = 2 }, '
        '{ scope = "account=%2A", quantity = 1 }]'
    )
    assert [dict(row) for row in config.detectors["caps"].settings.limit] == [
        {"scope": "account=*", "gross": 2.0},
        {"scope": "account=%2A", "gross": 2.0, "quantity": 1.0},
    ]


def test_an_armed_detector_without_the_limit_that_it_needs_does_not_start():
    key, sentence = only('[detectors.caps]\nmode = "armed"')
    assert key == "detectors.caps.mode"
    assert sentence.startswith("armed, but it has no limit; write limit = [{ scope =")
    assert load_text(HEAD + '[detectors.caps]\nmode = "shadow"').detectors["caps"].settings.limit == ()


@pytest.mark.parametrize(
    ("row", "key", "said"),
    [
        ('{ scope = "account=*", gross = "25M" }', "limit[0].gross", "25M is not a number; write 25_000_000"),
        ('{ scope = "account=*", gross = "$2.5bn" }', "limit[0].gross", "write 2_500_000_000"),
        ('{ scope = "account=*", gross = true }', "limit[0].gross", "true is not a number"),
        ('{ scope = "account=*", gross = 0 }', "limit[0].gross", "0 is out of bounds; write a number above 0"),
        ('{ scope = "account=*", gross = nan }', "limit[0].gross", "nan is not a finite number"),
        ('{ scope = "account=*", gross = inf }', "limit[0].gross", "inf is not a finite number"),
        ('{ scope = "account=*", quantity = 1e18 }', "limit[0].quantity", "at most 90_000_000_000"),
        ('{ scope = "acount=*", gross = 1 }', "limit[0].scope", "'acount' is not a kind of scope; known:"),
        ('{ scope = "", gross = 1 }', "limit[0].scope", "write kind=id"),
        ("{ gross = 1 }", "limit[0].scope", 'is missing; write scope = "account=*"'),
        ('{ scope = "*", gros = 1 }', "limit[0].gros", "nearest: gross"),
        ('{ scope = "*", gross = 1, basis = "daily" }', "limit[0].basis", 'write "intraday" or "total"'),
        ('{ scope = "*" }', "limit[0]", "limits nothing; known: gross, quantity"),
        ('{ scope = "*", gross = 1 }, { scope = "*", gross = 2 }', "limit[1].scope", "limit[0] has the same scope"),
        ("7", "limit[0]", "7 is not a table"),
    ],
)  # fmt: skip
def test_a_wrong_limit_is_named_with_what_to_write(row, key, said):
    found = problems(f'[detectors.caps]\nmode = "armed"\nlimit = [{row}]')
    assert said in found[f"detectors.caps.{key}"], found


# -- what is wrong


def test_every_problem_is_named_at_once_in_the_order_of_the_file():
    text = '[detectors.drif]\nmode = "armed"\n[detectors.drift]\nmode = "armed"\ngap_ms = 1\n[kafak]\n[detectors.caps]\nmode = "armed"\n[[detectors.caps.limit]]\nscope = "account=*"\ngross = "25M"\n'
    with pytest.raises(ConfigError) as wrong:
        load_text(HEAD + text, "deploy/knightwatch.toml")
    assert str(wrong.value).splitlines() == [
        "deploy/knightwatch.toml: 4 problems",
        "  detectors.drif                  no such detector; known: caps, drift; nearest: drift",
        "  detectors.drift.gap_ms          no such setting; known: floor, gap_ms_max, mode, names, share; nearest: gap_ms_max",
        "  detectors.caps.limit[0].gross   25M is not a number; write 25_000_000",
        "  kafak                           no such section; known: audit, detectors, env, http, issuer, kafka, keys, ladder, memory, mqtt, pages, rollout, site, snapshot, telemetry; nearest: kafka",
    ]


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ("[detectors.drift]\n", "detectors.drift.mode", 'is missing; write mode = "shadow"'),
        ('[detectors.drift]\nmode = "on"', "detectors.drift.mode", 'write "shadow", "page" or "armed"'),
        ('[detectors.drift]\nmode = "armed"\nshare = 2', "detectors.drift", "share is above 1; write a share"),
        ('[detectors.drift]\nmode = "armed"\ngap_ms_max = 0', "detectors.drift.gap_ms_max", "above 0"),
        ('[detectors.drift]\nmode = "armed"\ngap_ms_max = 1.5', "detectors.drift.gap_ms_max", "not a whole number"),
        ('[detectors.drift]\nmode = "armed"\ngap_ms_max = 99999999999', "detectors.drift.gap_ms_max", "at most 604_800_000"),
        ('[detectors.drift]\nmode = "armed"\nfloor = -1', "detectors.drift.floor", "at least 0"),
        ('[detectors.drift]\nmode = "armed"\nlimit = []', "detectors.drift.limit", "no such setting"),
        ("detectors = 3", "detectors", "3 is not a table"),
        ('[ladder.levels]\ndrift = "disconnect"', "ladder.levels.drift", 'write "reduce_only", "halt_new" or "halt_cancel"'),
        ('[ladder.levels]\ndrif = "halt_new"', "ladder.levels.drif", "no such detector; known: caps, drift; nearest: drift"),
        ('issuer = "a b"', "issuer", '"a b" is not a plain name'),
        ("issuer = 7", "issuer", '7 is not a text; write "7"'),
        ('[kafka]\nbootstrap_servers = "localhost"', "kafka.bootstrap_servers", "write host:port"),
        ("[kafka]\ninputs = []", "kafka.inputs", "is empty; write inputs = ["),
        ('[kafka]\ninputs = "a"', "kafka.inputs", 'is not an array; write ["a"]'),
        ('[kafka]\ninputs = [{ topic = "t", kinds = ["fil"] }]', "kafka.inputs[0].kinds[0]", "nearest: fill"),
        ('[kafka]\ninputs = [{ topic = "t", sources = ["router", "omz"] }]', "kafka.inputs[0].sources[1]", "nearest: oms"),
        ('[kafka]\npartitions = "7-0"', "kafka.partitions", "runs backwards"),
        ('[telemetry]\nwitnesses = ["dropcopy"]', "telemetry.witnesses[0]", "nearest: drop_copy"),
        ('[telemetry]\nsession_start = "25:00"', "telemetry.session_start", 'write "HH:MM"'),
        ('[telemetry]\nsession_zone = "New York"', "telemetry.session_zone", "not a time zone known here"),
        ('[telemetry]\nsession_zone = "../../etc/passwd"', "telemetry.session_zone", "not a time zone known here"),
        ('[mqtt]\ntls = "yes"', "mqtt.tls", "write true or false"),
        ("[mqtt]\nport = 70000", "mqtt.port", "at most 65_535"),
        ('[audit]\nfolder = ""', "audit.folder", "is not a path"),
        ('[pages]\nwebhook_url = "example.com"', "pages.webhook_url", "is not a web address"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named_with_what_to_write(text, key, said):
    found_key, sentence = only(text)
    assert found_key == key
    assert said in sentence, sentence


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[kafka]\nsecurity_protocol = "SASL_SSL"\nsasl_username = "u"', "kafka.sasl_password_file"),
        ('[kafka]\nsasl_username = "u"', "kafka.sasl_username"),
        ('[kafka]\nca_file = "x"', "kafka.ca_file"),
        ('[kafka]\ninputs = [{ topic = "t" }, { topic = "t" }]', "kafka.inputs[1].topic"),
        ('[mqtt]\nusername = "u"\npassword_file = "a"\npassword_env = "B"', "mqtt.password_env"),
        ('[mqtt]\npassword_env = "B"', "mqtt.username"),
        ('[mqtt]\nca_file = "a"', "mqtt.ca_file"),
        ('[mqtt]\ntls = true\ncert_file = "a"', "mqtt.key_file"),
        ('[pages]\nwebhook_url = "http://a"\nwebhook_url_env = "B"', "pages.webhook_url_env"),
    ],
)
def test_settings_that_contradict_each_other_are_a_problem(text, key):
    assert only(text)[0] == key


def test_what_a_family_says_of_its_own_is_told_beside_everything_else():
    found = problems('nonsense = 1\n[detectors.drift]\nmode = "armed"\nshare = 2\n')
    assert found.keys() == {"nonsense", "detectors.drift"}


@pytest.mark.parametrize(
    "text",
    [
        '[kafka]\nsasl_password = "hunter2-x"',
        '[mqtt]\npassword = "hunter2-x"',
        '[mqtt]\npassword_env = "hunter2-x"',
        '[pages]\nwebhook_url = "https://me:hunter2-x@example.com/"',
        '[pages]\napi_key = "hunter2-x"',
        '[keys]\nprivate_key = "hunter2-x"',
        'secret = "hunter2-x"',
    ],
)
def test_a_secret_in_the_file_is_an_error_that_does_not_repeat_it(text):
    with pytest.raises(ConfigError) as wrong:
        load_text(HEAD + text)
    assert "hunter2" not in str(wrong.value)
    assert "hunter2" not in json.dumps(wrong.value.document)


def test_a_password_is_sent_to_its_file():
    assert only('[mqtt]\npassword = "x"')[1] == (
        "a secret does not belong in this file; write password_env or password_file"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = [1", "is not TOML"),
        ("a = 1\nb = = 2", "(line 2, column 5)"),
        ("[" * 5_000, "is not TOML"),
        ("a = " + "[" * 5_000, "nested too deep"),
        ("a = " + "9" * 5_000, "4300 digits"),
        ("a = 1\na = 2", "cannot overwrite a value"),
    ],
)
def test_what_is_not_toml_is_said_with_its_place(text, said):
    with pytest.raises(ConfigError) as wrong:
        load_text(text, "f.toml")
    assert said in str(wrong.value)


def test_files_that_cannot_be_read_are_a_problem(tmp_path):
    latin, huge = tmp_path / "latin.toml", tmp_path / "huge.toml"
    latin.write_bytes(b"a = 1\nb = '\xe9'\n")
    huge.write_bytes(b"#" * (BYTES_MAX + 1))
    for path, said in (
        (tmp_path / "none.toml", "no such file"),
        (tmp_path, "is a directory"),
        (latin, "(line 2)   is not UTF-8"),
        (huge, "over 1 MiB"),
        (Path("a\0b"), "null byte"),
    ):
        with pytest.raises(ConfigError) as wrong:
            load(path)
        assert said in str(wrong.value)


def test_shorthand_is_turned_into_a_number():
    assert [plain_number(text) for text in ("25M", "1,000", "2.5 k", "1bn", "x", "", 7, "1e9")] == [
        "25_000_000", "1_000", "2_500", "1_000_000_000", "", "", "", "",
    ]  # fmt: skip


def test_no_setting_may_overflow_compiled_code():
    assert number_max("gap_ms_max") * 1_000_000 < 2**63
    assert number_max("halt_s_min") * 1_000_000_000 < 2**63
    assert number_max("order_quantity") * 100_000_000 < 2**63
    assert number_max("shares_max") * 100_000_000 < 2**63
    assert number_max("gross") * 10_000 < 2**63


# -- the digest


def test_the_digest_covers_what_judges_and_not_addresses():
    one = load_text(HEAD + '[detectors.drift]\nmode = "armed"')
    digest = one.policy_digest
    assert len(digest) == 64
    same = 'issuer = "other"\n[kafka]\nbootstrap_servers = "b:1"\n[http]\nport = 1\n[detectors.drift]\nmode = "armed"\ngap_ms_max = 500\n'
    assert load_text(HEAD + same).policy_digest == digest
    for other in (
        '[detectors.drift]\nmode = "page"',
        '[detectors.drift]\nmode = "armed"\ngap_ms_max = 501',
        '[detectors.drift]\nmode = "armed"\n[telemetry]\nclock_bound_ms = 101',
        '[detectors.drift]\nmode = "armed"\n[ladder.levels]\ndrift = "halt_new"',
        "",
    ):
        assert load_text(HEAD + other).policy_digest != digest
    assert load_text('site = "ldn"\nenv = "prod"\n[detectors.drift]\nmode = "armed"').policy_digest != digest


def test_bounds_of_memory_are_policy_where_they_are_not_the_shipped_ones():
    shipped = HEAD + "[memory]\norders_max = 2_097_152\nexecutions_max = 8_388_608\nparents_max = 1_048_576\n"
    assert load_text(shipped).policy_digest == load_text(HEAD).policy_digest
    assert policy_of(load_text(shipped)).bounds == Bounds()
    other = load_text(HEAD + "[memory]\nexecutions_max = 10_000_000\nparents_max = 100_000\n")
    assert other.policy_digest != load_text(HEAD).policy_digest
    assert policy_of(other).bounds == Bounds(executions=1 << 24, parents=1 << 17)


def test_the_engine_is_told_what_the_digest_covers():
    text = '[telemetry]\nwitnesses = ["drop_copy"]\nclock_bound_ms = 50\nparented = [{ hosts = ["a*"] }]\n'
    config = load_text(
        HEAD + text + '[ladder.levels]\ndrift = "halt_new"\n[detectors.drift]\nmode = "page"\n'
    )
    policy = policy_of(config)
    assert (policy.site, policy.env, policy.digest) == ("nyc", "prod", config.policy_digest)
    assert policy.detectors["drift"] == DetectorPolicy(Mode.PAGE, DriftSettings(), Level.HALT_NEW)
    assert (policy.witnesses, policy.clock_bound_ns) == (frozenset({"drop_copy"}), 50_000_000)
    assert policy.parented == ({"hosts": ("a*",), "strategies": ("*",)},)


# -- what is read


@pytest.mark.parametrize(
    ("now", "start"),
    [
        ("2012-08-01T14:00:00+00:00", "2012-08-01T08:00:00+00:00"),  # 10:00 in New York, since 04:00
        ("2012-08-01T08:00:00+00:00", "2012-08-01T08:00:00+00:00"),
        ("2012-08-01T07:59:59+00:00", "2012-07-31T08:00:00+00:00"),
        ("2012-12-01T14:00:00+00:00", "2012-12-01T09:00:00+00:00"),
        ("2012-11-04T12:00:00+00:00", "2012-11-04T09:00:00+00:00"),  # the day on which winter time began
    ],
)
def test_a_cold_start_begins_with_the_session(now, start):
    telemetry = load_text(
        HEAD + '[telemetry]\nsession_start = "04:00"\nsession_zone = "America/New_York"'
    ).telemetry
    begun_ns = session_start_ns(telemetry, int(datetime.fromisoformat(now).timestamp()) * 10**9)
    assert begun_ns == int(datetime.fromisoformat(start).timestamp()) * 10**9


@given(
    st.integers(0, 4 * 10**18),
    st.times(),
    st.sampled_from(["UTC", "America/New_York", "Australia/Lord_Howe"]),
)
def test_a_session_began_at_most_a_day_ago_and_never_in_the_future(now_ns, at, zone):
    text = f'[telemetry]\nsession_start = "{at:%H:%M}"\nsession_zone = "{zone}"'
    begun_ns = session_start_ns(load_text(HEAD + text).telemetry, now_ns)
    assert 0 <= now_ns - begun_ns <= 25 * 3_600 * 10**9


def test_partitions_are_read_as_ranges():
    assert partitions_of("") is None
    assert partitions_of("0-2,7") == {0, 1, 2, 7}
    for wrong in ("a", "1-", "3-1", "1,,2", " 1"):
        with pytest.raises(ValueError, match=r"partitions|runs backwards"):
            partitions_of(wrong)


# -- secrets


def test_secrets_come_from_files_and_the_environment(tmp_path, monkeypatch):
    file = tmp_path / "secret"
    file.write_text("s3cret\nsecond line\n")
    monkeypatch.setenv("KW_TEST", "from-env")
    config = load_text(
        HEAD
        + f'[kafka]\nsecurity_protocol = "SASL_PLAINTEXT"\nsasl_username = "u"\nsasl_password_file = "{file}"\n'
        '[mqtt]\nusername = "u"\npassword_env = "KW_TEST"\n[pages]\nwebhook_url = "http://a/"'
    )
    assert (kafka_password(config), mqtt_password(config), webhook_url(config)) == (
        "s3cret",
        "from-env",
        "http://a",
    )
    assert list(unreadable(config)) == []
    assert "s3cret" not in repr(config) + text_of(config) + json.dumps(config.document)


def test_what_the_machine_does_not_have_is_said_by_key(tmp_path, monkeypatch):
    monkeypatch.delenv("KW_TEST", raising=False)
    (tmp_path / "empty").write_text("\n")
    config = load_text(
        HEAD
        + '[kafka]\nsecurity_protocol = "SASL_SSL"\nsasl_username = "u"\nsasl_password_file = "/none"\nca_file = "/none.pem"\n'
        f'[mqtt]\nusername = "u"\npassword_env = "KW_TEST"\n[pages]\nwebhook_url_file = "{tmp_path / "empty"}"'
    )
    assert [problem.key for problem in unreadable(config)] == [
        "kafka.sasl_password_file",
        "mqtt.password_env",
        "pages.webhook_url_file",
        "kafka.ca_file",
    ]


# -- what is left in the dark


def test_what_cannot_be_seen_is_said():
    dark = {
        (each.key, each.what.split(";")[0])
        for each in unseen(load_text(HEAD + '[detectors.caps]\nmode = "page"'))
    }
    assert dark >= {
        ("telemetry.witnesses", "parent_fill is not declared"),
        ("telemetry.witnesses", "order_ack is not declared"),
        ("telemetry.witnesses", "drop_copy is not declared"),
        ("telemetry.parented", "is empty"),
        ("detectors.caps.mode", "is page: it halts nobody"),
        ("detectors.caps.limit", "is empty: there is nothing to compare with"),
        ("detectors.drift", "is not named: it does not run"),
        ("pages", "names no Alertmanager and no webhook: nobody is woken"),
    }


# -- round trips


def test_a_configuration_written_out_is_the_same_configuration():
    text = (
        HEAD
        + '[telemetry]\nparented = [{ hosts = ["a\\"b", "\\u0007"], strategies = ["*"] }]\n[detectors.drift]\nmode = "armed"\n'
        'names = ["x", "é"]\n[detectors.caps]\nmode = "armed"\nlimit = [{ scope = "account=*", gross = 1.5 }]\n[ladder.levels]\ndrift = "halt_new"'
    )
    config = load_text(text)
    again = load_text(text_of(config))
    assert again.document == config.document
    assert again.policy_digest == config.policy_digest


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | st.text(), lambda inner: st.lists(inner.filter(lambda x: x is not None), max_size=3) | st.dictionaries(st.text(), inner, max_size=3)).filter(lambda x: x is not None))  # fmt: skip
def test_toml_reads_back_what_was_written(value):
    def without_none(each):
        if isinstance(each, dict):
            return {k: without_none(v) for k, v in each.items() if v is not None}
        return [without_none(v) for v in each] if isinstance(each, list) else each

    assert tomllib.loads(f"x = {toml(value)}")["x"] == without_none(value)


# -- fuzz: a Config or a ConfigError, nothing else

KEYS = st.sampled_from(
    ["site", "env", "issuer", "kafka", "mqtt", "telemetry", "detectors", "drift", "caps", "mode", "limit", "scope", "gross",
     "inputs", "topic", "kinds", "ladder", "levels", "pages", "alertmanager_urls", "witnesses", "parented", "hosts", "port",
     "bootstrap_servers", "folder", "session_zone", "password", "names", "gap_ms_max", "basis"]
) | st.text(min_size=1, max_size=5)  # fmt: skip
VALUES = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["armed", "account=*", "*", "a=%ff", "halt_new", "fill", "a:1", "http://[", "http://a:99999", "UTC"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(KEYS, VALUES, max_size=5))
@example({"site": "a", "env": "b", "detectors": {"caps": {"mode": "armed", "limit": [{"scope": "a=%ff"}]}}})
def test_a_fuzzed_document_is_a_config_or_a_named_problem(document):
    with contextlib.suppress(ConfigError):
        try:
            LOAD.validated(document, "fuzz")
        finally:
            wrong = sys.exc_info()[1]
            problems = getattr(wrong, "problems", ())
            assert wrong is None or problems
            assert all(problem.key and problem.what for problem in problems)
            assert "\n" not in "".join(problem.key for problem in problems)


@given(st.text(max_size=60))
def test_fuzzed_text_is_a_config_or_a_named_problem(text):
    with pytest.raises(ConfigError):
        load_text(text)


@given(st.binary(max_size=60))
def test_fuzzed_bytes_are_a_config_or_a_named_problem(tmp_path_factory, raw):
    path = tmp_path_factory.mktemp("fuzz") / "f.toml"
    path.write_bytes(raw)
    with pytest.raises(ConfigError):
        load(path)


# -- the fleet's tables

FLEET = '[detectors.fleet]\nmode = "armed"\n'
EVERYBODY = 'grants = [{ hosts = ["*"] }]\n'


@pytest.mark.usefixtures("real")
@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ("", "mode", "armed, but it has no grants; write grants = [...]"),
        ('grants = [{ hosts = ["a"], accounts = [] }]', "grants[0].accounts", 'is empty: it grants nobody anything; write for instance ["*"]'),
        (EVERYBODY + 'manifest = [{ role = "r", hosts = [] }]', "manifest[0].hosts", 'matches no host; write hosts = ["name-*"]'),
        (EVERYBODY + 'manifest = [{ role = "r", hosts = ["a"], count = 2 }]', "manifest[0].count", "is 2, but 1 hosts are named; write 1"),
        (EVERYBODY + 'manifest = [{ role = "r", hosts = ["a", "b"], count = 1 }]', "manifest[0].count", "is 1, but 2 hosts are named; write 2"),
        (EVERYBODY + 'manifest = [{ role = "r", hosts = ["a-*"], count = -1 }]', "manifest[0].count", "is -1; write how many there are"),
        (EVERYBODY + 'manifest = [{ role = "r", hosts = [""] }]', "manifest[0].hosts", 'matches no host; write hosts = ["name-*"]'),
        (EVERYBODY + 'manifest = [{ role = "r", hosts = ["a", ""] }]', "manifest[0].hosts[1]", "matches no host; remove it"),
        (EVERYBODY + f'manifest = [{{ role = "r", hosts = ["{"h" * 65}"] }}]', "manifest[0].hosts", 'matches no host; write hosts = ["name-*"]'),
        (EVERYBODY + 'manifest = [{ role = "r", hosts = ["a", "a"] }]', "manifest[0].hosts[1]", "a is there twice; name each host once"),
        (EVERYBODY + 'manifest = [{ role = "", hosts = ["a"] }]', "manifest[0].role", 'is empty; write for instance role = "router"'),
        ('grants = [{ hosts = [""] }]', "grants[0].hosts", 'is empty: it grants nobody anything; write for instance ["*"]'),
        (
            EVERYBODY + 'manifest = [{ role = "r", hosts = ["a-*"] }, { role = "s", hosts = ["b", "*-8"] }]',
            "manifest[1].hosts", "*-8 names a host that manifest[0] (a-*) names too; name each host once",
        ),
        (EVERYBODY + 'manifest = [{ hosts = ["a"] }]', "manifest[0].role", "is missing; write role = ..."),
        (EVERYBODY + 'manifest = [{ role = "r", hosts = ["a"], biuld = "v2" }]', "manifest[0].biuld", "no such setting; known: build, calendar, config_hash, count, flags, hosts, role; nearest: build"),
    ],
)  # fmt: skip
def test_a_fleet_that_cannot_be_meant_is_named(text, key, said):
    assert problems(FLEET + text) == {f"detectors.fleet.{key}": said}


@pytest.mark.usefixtures("real")
def test_a_fleet_as_the_contract_shows_it():
    row = '{ role = "router", hosts = ["smars-*"], count = 8, build = "rlp-2012.07.27", flags = ["rlp"] }'
    config = load_text(HEAD + FLEET + EVERYBODY + f"manifest = [{row}]")
    [router] = config.detectors["fleet"].settings.rows
    assert (router.role, router.hosts, router.count, router.flags) == ("router", ("smars-*",), 8, ("rlp",))
    assert load_text(text_of(config)).policy_digest == config.policy_digest


# -- the shipped default, on the families that there are


@pytest.mark.usefixtures("real")
def test_the_shipped_default_shows_every_setting_with_the_codes_own_default():
    """`UPDATE_GOLDEN=1` writes it anew; the diff is reviewed like code."""
    shipped = default_file()
    if os.environ.get("UPDATE_GOLDEN"):
        shipped.write_text(default_text())
    assert shipped.read_text() == default_text()


@pytest.mark.usefixtures("real")
def test_the_shipped_default_names_every_family_and_show_prints_the_settings_of_each():
    shipped = default_file().read_text()
    for name, cls in every_detector().items():
        assert name in shipped, name
        shown = text_of(load_text(HEAD + f'[detectors.{name}]\nmode = "shadow"'))
        assert all(f"{field.name} =" in shown for field in dataclasses.fields(cls.Settings)), name


@pytest.mark.usefixtures("real")
def test_the_shipped_default_is_what_the_contract_shows():
    config = load()
    assert (config.site, config.env) == ("demo", "demo")
    assert {name: one.mode for name, one in config.detectors.items()} == {
        "child_parent": "armed",
        "exposure": "armed",
        "fill_gap": "armed",
    }
    limits = [dict(row) for row in config.detectors["exposure"].settings.limit]
    assert limits[1] == {
        "scope": "account=33",
        "gross": 2_000_000,
        "net": 25_000_000,
        "currency": "USD",
        "basis": "intraday",
    }
    assert set(config.telemetry.witnesses) == {"parent_fill", "order_ack", "drop_copy"}


@pytest.mark.usefixtures("real")
def test_every_family_explains_every_setting_and_takes_its_own_defaults():
    for name, cls in every_detector().items():
        for field in dataclasses.fields(cls.Settings):
            assert field.metadata["doc"].strip(), f"{name}.{field.name}"
        config = load_text(HEAD + f'[detectors.{name}]\nmode = "shadow"')
        assert config.detectors[name].settings == cls.Settings()


@pytest.mark.usefixtures("real")
def test_the_schema_says_what_the_validator_says():
    model = LOAD.document_model().model_json_schema()
    assert model["additionalProperties"] is False
    assert set(model["required"]) == {"site", "env"}
    families = model["$defs"]["Detectors"]["properties"]
    assert set(families) == set(every_detector())


def test_every_setting_is_read_by_somebody():
    """A setting that nothing reads promises what nobody keeps."""
    shown = ("sections.py", "render.py")
    texts = (f.read_text() for f in (Path(sections.__file__).parents[1]).rglob("*.py") if f.name not in shown)
    code = "\n".join(texts)
    tables = [
        value for value in vars(sections).values() if isinstance(value, type) and issubclass(value, Section)
    ]
    assert len(tables) > 8
    unread = [
        f"{t.__name__}.{key}" for t in tables for key in t.model_fields if not re.search(rf"\.{key}\b", code)
    ]
    assert unread == []
