"""mosquitto on loopback: open to all, or with TLS, passwords and an access list, as a firm would run it.

The access list is the contract's: a monitor says what it says and reads acknowledgements; a gateway reads halts and
writes only under its own name.  Without `keeps_retained`, retained messages die with a `kill9`.
"""

import os
import ssl
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

import trustme

from tests.real.parts import program
from tests.real.ports import free_port
from tests.real.server import Server, listens

SITE = "demo"
USERS = {"monitor": "monitors-secret", "gw-1": "first-secret", "gw-2": "second-secret"}
ACCESS = f"""\
user monitor
topic readwrite risk/v1/{SITE}/#

pattern read risk/v1/{SITE}/halt/#
pattern read risk/v1/{SITE}/resume/#
pattern read risk/v1/{SITE}/state/#
pattern read risk/v1/{SITE}/lease/#
pattern write risk/v1/{SITE}/ack/%u
"""


@dataclass(frozen=True)
class Guard:
    """TLS by a certificate authority of our own, one password a user, and who may speak where."""

    ca: trustme.CA
    users: Mapping[str, str]
    access: str

    @classmethod
    def of_the_contract(cls) -> Self:
        return cls(trustme.CA(), USERS, ACCESS)

    def client_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.ca.configure_trust(context)
        return context


class Mosquitto:
    host = "127.0.0.1"

    def __init__(self, folder: Path, *, guard: Guard | None = None, keeps_retained: bool = False) -> None:
        self.guard = guard
        self.port = free_port()
        home = folder / "mosquitto"
        home.mkdir(parents=True)
        self.server = Server("mosquitto", [program("mosquitto"), "-c", home / "mosquitto.conf"], home)
        lines = [
            "user root" if os.geteuid() == 0 else "",  # giving up root would undo the promise to die with us
            f"listener {self.port} {self.host}",
            "log_dest stdout",
            *(f"log_type {kind}" for kind in ("error", "warning", "notice", "information")),
            f"persistence {'true' if keeps_retained else 'false'}",
            f"persistence_location {home}/",
            "autosave_interval 1",
            "autosave_on_changes true",
            *(self._guarded(guard, home) if guard else ["allow_anonymous true"]),
        ]
        (home / "mosquitto.conf").write_text("\n".join(lines) + "\n")

    @property
    def ca_pem(self) -> Path:
        """For a client that is told a file."""
        assert self.guard is not None
        return self.server.folder / "ca.pem"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.close()

    def start(self) -> None:
        self.server.start()
        self.server.wait_until(self._listens)

    def kill9(self) -> None:
        self.server.kill9()

    async def restart(self) -> None:
        self.server.start()
        await self.server.ready_when(self._listens)

    def certify(self, ca: trustme.CA, *, not_after: datetime | None = None) -> None:
        """Another certificate, of this authority: shown from its next start on."""
        certificate = ca.issue_cert("localhost", self.host, not_after=not_after)
        home = self.server.folder
        ca.cert_pem.write_to_path(home / "ca.pem")
        certificate.private_key_pem.write_to_path(home / "server.key")
        (home / "server.pem").write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))

    def _listens(self) -> bool:
        return listens(self.port)

    def _guarded(self, guard: Guard, home: Path) -> list[str]:
        self.certify(guard.ca)
        (home / "access").write_text(guard.access)
        (home / "access").chmod(0o600)
        (home / "passwords").touch(mode=0o600)
        for user, password in guard.users.items():
            subprocess.run(
                [program("mosquitto_passwd"), "-b", home / "passwords", user, password], check=True
            )
        return [
            f"cafile {home}/ca.pem",
            f"certfile {home}/server.pem",
            f"keyfile {home}/server.key",
            "tls_version tlsv1.3",
            "allow_anonymous false",
            f"password_file {home}/passwords",
            f"acl_file {home}/access",
        ]
