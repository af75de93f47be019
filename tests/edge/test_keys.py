"""Private keys are nobody else's business, and every problem names its file and its remedy."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.envelope import open_envelope, seal
from monitor.core.keyring import Role
from monitor.edge import keys
from monitor.edge.keys import KeyProblem, keygen, load_keyring, load_signer, public_of, signer_from_env


def pem(private, encryption=None):
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


@pytest.fixture
def pair(tmp_path):
    path = tmp_path / "kw-1.key"
    keygen(path, "kw-1", Role.MONITOR)
    return path


def test_a_new_pair_signs_and_is_believed(pair):
    assert pair.stat().st_mode & 0o777 == 0o600
    opened = open_envelope(seal(b"{}", [load_signer(pair)]), load_keyring(public_of(pair)))
    assert [(key.who, key.role) for key in opened.signers] == [("kw-1", Role.MONITOR)]


def test_pinned_keys_are_their_public_files_one_after_the_other(tmp_path, pair):
    keygen(tmp_path / "anna.key", "anna", Role.OPERATOR)
    pinned = tmp_path / "pinned.toml"
    pinned.write_text(public_of(pair).read_text() + public_of(tmp_path / "anna.key").read_text())
    assert [key.who for key in load_keyring(pinned)] == ["kw-1", "anna"]


def test_nothing_is_overwritten(pair):
    before = pair.read_bytes(), public_of(pair).read_bytes()
    with pytest.raises(KeyProblem, match=r"kw-1.key.*not overwritten"):
        keygen(pair, "x", Role.RISK)
    pair.unlink()
    with pytest.raises(KeyProblem, match=r"kw-1.key.pub.*not overwritten"):
        keygen(pair, "x", Role.RISK)
    assert (not pair.exists(), public_of(pair).read_bytes()) == (True, before[1])
    public_of(pair).unlink()
    pair.write_bytes(b"precious")
    with pytest.raises(KeyProblem, match="not overwritten"):
        keygen(pair, "x", Role.RISK)
    assert pair.read_bytes() == b"precious"


def test_a_private_key_is_not_written_through_a_link(tmp_path):
    (tmp_path / "link.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeyProblem):
        keygen(tmp_path / "link.key", "x", Role.RISK)
    assert not (tmp_path / "elsewhere").exists()


def test_a_name_that_could_not_be_pinned_makes_no_key(tmp_path):
    with pytest.raises(KeyProblem, match="who must be"):
        keygen(tmp_path / "x.key", "x" * 65, Role.RISK)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(KeyProblem, match="choose a folder"):
        keygen(tmp_path / "no" / "x.key", "x", Role.RISK)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602, 0o777])
def test_a_private_key_that_others_may_touch_is_refused(pair, mode):
    pair.chmod(mode)
    with pytest.raises(KeyProblem, match=rf"kw-1.key.*mode 0{mode:o}.*chmod 600"):
        load_signer(pair)


def test_a_read_only_private_key_is_fine(pair):
    pair.chmod(0o400)
    assert load_signer(pair).keyid


PRIVATE = {
    "nothing": (b"", "not a private key"),
    "a certificate": (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "not a private key"),
    "another curve": (pem(ec.generate_private_key(ec.SECP256R1())), "not an Ed25519 key"),
    "with a password": (
        pem(Ed25519PrivateKey.generate(), BestAvailableEncryption(b"x")),
        "encrypted with a password",
    ),
    "huge": (b"x" * (keys.PRIVATE_BYTES_MAX + 1), "no private key"),
}


@pytest.mark.parametrize("case", PRIVATE)
def test_no_private_key(tmp_path, case):
    text, why = PRIVATE[case]
    path = tmp_path / "x.key"
    path.write_bytes(text)
    path.chmod(0o600)
    with pytest.raises(KeyProblem, match=why) as caught:
        load_signer(path)
    assert str(path) in str(caught.value)
    with pytest.raises(KeyProblem, match=rf"^\$KEY: .*{why}"):
        signer_from_env("KEY", {"KEY": text.decode()})


def test_no_file_and_no_variable(tmp_path):
    with pytest.raises(KeyProblem, match=r"x.key: No such file.*config keygen .*x\.key"):
        load_signer(tmp_path / "x.key")
    with pytest.raises(KeyProblem, match=r"\$KEY: not set"):
        signer_from_env("KEY", {})
    with pytest.raises(KeyProblem, match=r"p.toml: No such file"):
        load_keyring(tmp_path / "p.toml")
    with pytest.raises(KeyProblem, match="dev/null: not a file"):
        load_signer(Path("/dev/null"))


def test_a_private_key_from_the_environment(pair, monkeypatch):
    monkeypatch.setenv("KW_KEY", pair.read_text())
    assert signer_from_env("KW_KEY").keyid == load_signer(pair).keyid


def test_problems_of_pinned_keys_name_the_file(tmp_path):
    path = tmp_path / "p.toml"
    path.write_text("[[key]]\nwho = 'x'\n[[key]]\nrole = 'y'\n")
    with pytest.raises(KeyProblem) as caught:
        load_keyring(path)
    assert [line.split(": ")[:2] for line in str(caught.value).splitlines()] == [
        [str(path), "key 1"],
        [str(path), "key 2"],
    ]
    path.write_bytes(b"\xff")
    with pytest.raises(KeyProblem, match="not UTF-8"):
        load_keyring(path)
    path.write_bytes(b"#" * (keys.PINNED_BYTES_MAX + 1))
    with pytest.raises(KeyProblem, match="over 1048576 bytes"):
        load_keyring(path)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_key_or_a_problem(tmp_path_factory, raw):
    path = tmp_path_factory.mktemp("keys") / "x"
    path.write_bytes(raw)
    path.chmod(0o600)
    for load in (load_signer, load_keyring):
        with suppress(KeyProblem):
            load(path)
