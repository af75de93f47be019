"""Pinned keys: a key is named by itself, a person is one person, and a wrong file is wrong at once."""

from __future__ import annotations

import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.keyring import BadKeyring, Keyring, PinnedKey, Role, Signer, key_id
from tests.gateway.words import ANNA, KEYRING, KW1


def table(**fields):
    whole = {
        "keyid": ANNA.keyid,
        "public": base64.b64encode(ANNA.public).decode(),
        "who": "anna",
        "role": "operator",
        **fields,
    }
    return "[[key]]\n" + "".join(
        f"{name} = {value!r}\n" for name, value in whole.items() if value is not None
    )


def problems(text):
    with pytest.raises(BadKeyring) as caught:
        Keyring.parse(text)
    return caught.value.problems


def test_a_keyring_is_written_and_read_back():
    text = "\n".join(key.toml for key in KEYRING)
    assert list(Keyring.parse(text)) == list(KEYRING)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(str.strip))
def test_any_name_is_written_and_read_back(who):
    key = ANNA.pinned(who, Role.RISK)
    assert list(Keyring.parse(key.toml)) == [key]


WRONG = {
    "no TOML": ("=", "not TOML"),
    "deep": ("a = " + "[" * 100_000, "not TOML"),
    "no keys": ("", "no keys"),
    "one table": ("[key]\nwho = 'x'", "no keys"),
    "a list of words": ("key = ['x']", "no keys"),
    "another setting": (table() + "[keys]\n", "keys: no such setting"),
    "another field": (table(email="x"), "no such setting: email"),
    "no role": (table(role=None), "role must be"),
    "another role": (table(role="root"), "role must be one of monitor"),
    "no base64": (table(public="??"), "not base64"),
    "a short key": (table(public="AAAA"), "32 bytes"),
    "another's id": (table(keyid=KW1.keyid), f"it would be {ANNA.keyid}"),
    "nobody": (table(who="  "), "somebody"),
    "twice": (table() + table(), "pinned twice"),
    "man and machine": (table() + KW1.pinned("ANNA", Role.MONITOR).toml, "both a person and a machine"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong(case):
    text, why = WRONG[case]
    assert why in " | ".join(problems(text))


def test_all_problems_are_named_at_once():
    assert len(problems(table(role="x") + table(public="x"))) == 2


@given(st.text(max_size=200) | st.text(max_size=20).map(lambda text: table(who=text)))
def test_any_text_is_a_keyring_or_bad(text):
    with suppress(BadKeyring):
        assert len(Keyring.parse(text)) == 1


def test_a_key_that_is_no_point_verifies_nothing():
    assert not PinnedKey(b"\xff" * 32, "x", Role.RISK).verifies(b"\0" * 64, b"")


def test_a_private_key_is_never_shown():
    signer = Signer(bytes(range(32)))
    assert repr(signer) == f"Signer({key_id(signer.public)})"
    assert bytes(range(32)).hex() not in repr(vars(type(signer)))


def test_too_many_keys_are_refused(monkeypatch):
    monkeypatch.setattr("monitor.core.keyring.KEYS_MAX", 1)
    with pytest.raises(BadKeyring, match="at most 1"):
        Keyring([ANNA.pinned("a", Role.RISK), KW1.pinned("b", Role.RISK)])
