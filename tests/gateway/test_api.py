"""The public surface of the gateway library: small, and nothing behind it does anything by itself."""

from __future__ import annotations

import subprocess
import sys

from monitor import gateway


def test_the_surface_is_twelve_names():
    assert gateway.__all__ == sorted(gateway.__all__)
    assert len(gateway.__all__) <= 12
    assert all(hasattr(gateway, name) for name in gateway.__all__)


def test_a_gateway_that_imports_it_gets_no_loop_no_socket_and_no_compiler():
    code = "import sys, monitor.gateway; print(*{'asyncio', 'socket', 'logging', 'numba', 'aiokafka', 'pydantic'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
