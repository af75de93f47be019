"""What the configuration says of a login is what the clients are made with."""

import pathlib
import ssl

import pytest
import trustme

from monitor.edge.login import kafka_client, mqtt_tls, tls
from monitor.settings.sections import Kafka, Mqtt


@pytest.fixture
def files(tmp_path):
    ca = trustme.CA()
    ours = ca.issue_cert("monitor")
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    ours.private_key_pem.write_to_path(tmp_path / "our.key")
    ours.cert_chain_pems[0].write_to_path(tmp_path / "our.pem")
    return tmp_path


def test_plain_needs_no_more_than_an_address():
    assert kafka_client(Kafka(), None, client_id="m-1") == {
        "bootstrap_servers": "127.0.0.1:9092",
        "client_id": "m-1",
        "security_protocol": "PLAINTEXT",
    }
    assert mqtt_tls(Mqtt()) is None


def test_tls_and_a_password(files):
    kafka = Kafka(
        security_protocol="SASL_SSL",
        ca_file=files / "ca.pem",
        cert_file=files / "our.pem",
        key_file=files / "our.key",
        sasl_username="monitor",
    )
    client = kafka_client(kafka, "secret", client_id="m-1")
    assert (client["sasl_mechanism"], client["sasl_plain_username"], client["sasl_plain_password"]) == (
        "SCRAM-SHA-512",
        "monitor",
        "secret",
    )
    assert client["ssl_context"].verify_mode is ssl.CERT_REQUIRED
    assert client["ssl_context"].check_hostname
    context = mqtt_tls(Mqtt(tls=True, ca_file=files / "ca.pem"))
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_a_file_that_is_not_there_or_no_certificate_is_named(files):
    (files / "rubbish.pem").write_text("rubbish")
    for ca, cert in (
        (files / "missing.pem", None),
        (files / "rubbish.pem", None),
        (None, files / "missing.pem"),
        (None, files / "rubbish.pem"),
    ):
        with pytest.raises(OSError, match=pathlib.Path(ca or cert).name):
            tls(ca, cert, files / "our.key")
