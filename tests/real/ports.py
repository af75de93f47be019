"""A loopback port that nobody else takes: neither another test run nor an outgoing connection.

A port is chosen below the range that the kernel hands out by itself, and a lock on a file of its name is held until
this process ends.  So two test runs side by side, of any checkout, never meet, and a server that was killed can
come back to the port it had.
"""

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

PORTS = range(18000, 32000)  # Linux hands out 32768 and up
LOCKS = Path(tempfile.gettempdir()) / f"knightwatch-ports-{os.getuid()}"

_held: list[int] = []  # open descriptors: closing one gives its port back


def free_port() -> int:
    LOCKS.mkdir(exist_ok=True)
    for port in random.sample(PORTS, len(PORTS)):
        lock = os.open(LOCKS / str(port), os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        except OSError:
            os.close(lock)
            continue
        _held.append(lock)
        return port
    raise RuntimeError(f"no free port among {PORTS}")
