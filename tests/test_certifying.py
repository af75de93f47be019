"""A certificate that ends within two weeks is a page; one that was rotated ends it; one that ended is named."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
import trustme

from monitor import certifying
from monitor.certifying import WARNED_DAYS, Certifying
from monitor.core.inputs import LinkChanged
from monitor.edge import certificates
from monitor.settings.sections import Kafka, Mqtt

CA = trustme.CA()
SOON = timedelta(days=WARNED_DAYS - 1)
LATE = timedelta(days=WARNED_DAYS + 1)


def issue(path, *lasts):
    """A file with a certificate for each of these lifetimes."""
    now = datetime.now(UTC)
    path.write_bytes(
        b"".join(CA.issue_cert("m", not_after=now + last).cert_chain_pems[0].bytes() for last in lasts)
    )
    return path


class Watched:
    """What is told and measured, a look at a time."""

    def __init__(self, monkeypatch, kafka=None, mqtt=None):
        self.told, self.ends = [], {}
        config = SimpleNamespace(kafka=kafka or Kafka(), mqtt=mqtt or Mqtt())
        self.one = Certifying(config, SimpleNamespace(now_ns=time.time_ns), self, self.told.append)
        monkeypatch.setattr(certifying, "LOOK_EVERY_S", 0.01)

    def certificate_ends(self, link, role, at_ns):
        self.ends[link, role] = at_ns

    async def look(self):
        running = asyncio.create_task(self.one.run())
        await asyncio.sleep(0.1)
        running.cancel()
        told, self.told[:] = list(self.told), []
        return told


@pytest.fixture
def ours(tmp_path):
    return issue(tmp_path / "our.pem", LATE)


async def test_a_file_that_ends_soon_is_told_once_and_once_that_it_was_rotated(ours, monkeypatch):
    watched = Watched(monkeypatch, Kafka(security_protocol="SSL", cert_file=ours, key_file=ours))
    assert await watched.look() == []
    issue(ours, SOON)
    (said,) = await watched.look()
    assert (said.link, said.up) == ("certificate kafka client", False)
    assert said.detail.startswith("certificate kafka client ends 20")
    assert said.detail.endswith(f" UTC ({ours})")
    assert await watched.look() == []
    issue(ours, LATE)
    (said,) = await watched.look()
    assert (said.link, said.up) == ("certificate kafka client", True)


async def test_a_file_that_cannot_be_read_any_more_is_told(ours, monkeypatch):
    watched = Watched(monkeypatch, mqtt=Mqtt(tls=True, ca_file=ours))
    assert await watched.look() == []
    ours.write_text("half a certifica")
    (said,) = await watched.look()
    assert (said.link, said.up) == ("certificate mqtt authority", False)
    assert f"cannot be read: {ours}" in said.detail


async def test_only_what_tls_uses_is_watched(ours, monkeypatch):
    issue(ours, SOON)
    watched = Watched(monkeypatch, Kafka(cert_file=ours, key_file=ours), Mqtt(ca_file=ours))
    assert (await watched.look(), watched.ends) == ([], {})


@pytest.mark.parametrize(
    ("link", "named"),
    [("kafka", True), ("kafka_out", True), ("orders/0", True), ("mqtt", False), ("audit_disk", False)],
)
async def test_a_link_that_breaks_names_what_has_ended(ours, monkeypatch, link, named):
    issue(ours, -SOON)
    watched = Watched(monkeypatch, Kafka(security_protocol="SSL", cert_file=ours, key_file=ours))
    await watched.look()
    broken = watched.one.explained(LinkChanged(link, up=False, at_ns=1, detail="refused"))
    assert ("refused; certificate kafka client ended" in broken.detail) is named
    assert watched.one.explained(LinkChanged(link, up=True, at_ns=1)).detail == ""


def test_a_chain_ends_with_its_first_link_and_a_bundle_with_the_next_that_does(tmp_path):
    file = issue(tmp_path / "some.pem", LATE, -SOON, SOON)
    now_ns = time.time_ns()

    def left_days(*, chain):
        return round((certificates.not_after_ns(file, now_ns, chain=chain) - now_ns) / 86_400e9)

    assert left_days(chain=True) == 1 - WARNED_DAYS
    assert left_days(chain=False) == WARNED_DAYS - 1
