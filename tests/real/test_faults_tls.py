"""Kafka's certificates end and are rotated under a monitor that runs: said before, named when it breaks, no restart."""

import contextlib
import time
from datetime import UTC, datetime, timedelta

import pytest
import trustme

from monitor.certifying import WARNED_DAYS
from tests.real.kafka import Kafka
from tests.real.live import REFERENCE, TELEMETRY, Listener, Live, place_of_its_own, until

RUNAWAY = "P1 C A F B done +300ms C C C"
DAY_S = 86_400
LEFT = 'knightwatch_certificate_seconds_left{link="kafka",role="client"}'


def show(folder, authority, *, days):
    """What a monitor shows and believes, from its next connection on; returns the certificate's last second."""
    last = datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
    ours = authority.issue_cert("monitor", not_after=last)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    ours.private_key_pem.write_to_path(folder / "our.key")
    (folder / "our.pem").write_bytes(b"".join(blob.bytes() for blob in ours.cert_chain_pems))
    return f"{last:%Y-%m-%d %H:%M:%S} UTC"


def left_days(live):
    (row,) = [row for row in live.metrics().splitlines() if row.startswith(LEFT)]
    return float(row.rsplit(" ", 1)[1]) / DAY_S


@pytest.mark.slow
@pytest.mark.real("kafka", "mosquitto")
async def test_kafkas_certificates_are_warned_of_named_when_they_ended_and_rotated_without_a_restart(
    mosquitto, tmp_path, measured
):
    authority = trustme.CA()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(place_of_its_own(tmp_path / "monitor"))
        kafka = stack.enter_context(Kafka(tmp_path, authority=authority))
        kafka.create_topic(TELEMETRY)
        kafka.create_topic(REFERENCE)
        soon = show(folder, authority, days=10)
        files = f'ca_file = "{folder}/ca.pem"\ncert_file = "{folder}/our.pem"\nkey_file = "{folder}/our.key"'
        live = Live(
            folder, kafka.bootstrap_servers, mosquitto, kafka_by=kafka.tls_servers,
            kafka_more=f'security_protocol = "SSL"\n{files}',
        )  # fmt: skip
        await live.start()
        async with Listener(live) as gateway:
            await until(lambda: live.pages("certificate kafka client"), "it warns")
            assert f"certificate kafka client ends {soon}" in live.pages("certificate kafka client")[0]
            assert 9.9 < left_days(live) < 10
            await gateway.next(0, "lease", status="judging")  # a warning is no doubt

            ended = show(folder, authority, days=-1)
            await until(lambda: left_days(live) < 0, "it reads the file again")
            kafka.kill9(1)
            await kafka.restart(1)
            await until(
                lambda: [
                    link
                    for link in live.lines("link.changed")
                    if link["link"] == f"{TELEMETRY}/0"
                    and f"certificate kafka client ended {ended}" in link["detail"]
                ],
                "the link's own word names it",
            )
            await gateway.next(0, "lease", status="blind")

            other = trustme.CA()
            kafka.kill9(1)
            kafka.certify(other)
            show(folder, other, days=WARNED_DAYS + 1)
            await kafka.restart(1)
            back_s = time.monotonic()
            judging_s, _ = await gateway.next(back_s, "lease", status="judging")
            await live.send(RUNAWAY)
            await gateway.next(back_s, "halt")
            await until(
                lambda: [
                    page
                    for page in live.lines("page.commanded")
                    if "certificate kafka client: over" in page["summary"]
                ],
                "the page ends",
            )
            assert left_days(live) > WARNED_DAYS
            measured(judging_s=judging_s)
        assert await live.terminate() == 143
