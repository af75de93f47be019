"""A name server on loopback, and a process that asks it alone: answering, or deaf.

with Names() as names:
    live = Live(..., kafka_by="kafka.test:9092", within=names.within(folder))
    names.deaf = True       # each question now hangs for what glibc waits: ten seconds
"""

import os
import socket
import struct
import subprocess
import threading
from pathlib import Path
from typing import Self

import pytest

from tests.real.fixtures import IN_CI

ADDRESS = "127.0.0.77"  # a resolver's port cannot be chosen, so it has an address of its own
A = 1
HEADER_BYTES = 12


class Names:
    """Every name is 127.0.0.1."""

    def __init__(self) -> None:
        self.deaf = False
        self.asked = 0

    def __enter__(self) -> Self:
        try:
            subprocess.run(["unshare", "-m", "true"], check=True, capture_output=True)
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._socket.bind((ADDRESS, 53))
        except (OSError, subprocess.CalledProcessError) as refused:
            why = f"needs root, for a name server and a namespace of mounts: {refused}"
            pytest.fail(why) if IN_CI and os.geteuid() == 0 else pytest.skip(why)
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def within(self, folder: Path) -> list[str]:
        """A command in whose place the next one lives with this name server and no other."""
        (folder / "resolv.conf").write_text(f"nameserver {ADDRESS}\n")
        script = f'mount --bind {folder}/resolv.conf /etc/resolv.conf && exec "$@"'
        return ["unshare", "-m", "sh", "-c", script, "sh"]

    def _serve(self) -> None:
        while True:
            try:
                question, asker = self._socket.recvfrom(512)
            except OSError:
                return  # closed
            self.asked += 1
            if not self.deaf:
                self._socket.sendto(_answer(question), asker)


def _answer(question: bytes) -> bytes:
    end = question.index(0, HEADER_BYTES) + 5  # the name, its type and class
    (kind,) = struct.unpack(">H", question[end - 4 : end - 2])
    found = b"\xc0\x0c" + struct.pack(">HHIH4s", A, 1, 0, 4, socket.inet_aton("127.0.0.1"))
    counts = struct.pack(">HHHHH", 0x8180, 1, int(kind == A), 0, 0)
    return question[:2] + counts + question[HEADER_BYTES:end] + (found if kind == A else b"")
