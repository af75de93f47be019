"""What systemd is told: that we are ready, that we live, that we stop (sd_notify(3), a datagram each).

Without NOTIFY_SOCKET, or where nobody listens, nothing happens: a supervisor is no road of a halt.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping


class Systemd:
    """The supervisor's socket, if there is one."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        path = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + path[1:] if path.startswith("@") else path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.settimeout(0)

    def ready(self) -> None:
        self._say("READY=1")

    def alive(self, status: str) -> None:
        """By the loop that judges, each second; `WatchdogSec` ends us where it does not come."""
        self._say(f"WATCHDOG=1\nSTATUS={status}")

    def stopping(self) -> None:
        self._say("STOPPING=1")

    def _say(self, what: str) -> None:
        if self._address:
            with contextlib.suppress(OSError):
                self._socket.sendto(what.encode(), self._address)
