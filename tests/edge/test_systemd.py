"""What a supervisor hears, and that a deaf one stops nobody."""

import socket

import pytest

from monitor.edge.systemd import Systemd


@pytest.fixture(params=["path", "abstract"])
def listener(request, tmp_path):
    """(its socket, its name as systemd passes it)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.settimeout(5)
        if request.param == "path":
            name = str(tmp_path / "notify")
            heard.bind(name)
        else:
            heard.bind("\0knightwatch-" + tmp_path.name)
            name = "@knightwatch-" + tmp_path.name
        yield heard, name


def test_it_hears_each_step(listener):
    heard, name = listener
    systemd = Systemd({"NOTIFY_SOCKET": name})
    systemd.ready()
    systemd.alive("judging")
    systemd.stopping()
    assert [heard.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1\nSTATUS=judging", b"STOPPING=1"]


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/nobody/there"}])
def test_without_one_nothing_happens(environ):
    Systemd(environ).ready()
