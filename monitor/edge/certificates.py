"""Until when the certificates in a PEM file hold: read from the file each time, because files are rotated."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from cryptography import x509

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

NS_PER_S: Final = 1_000_000_000


def not_after_ns(path: Path, now_ns: int, *, chain: bool) -> int:
    """When this file next stops being good; `OSError` with its name if it cannot be read or holds none.

    Of a chain every link is needed: the first to end.  Of a bundle of authorities the next to end, for nobody
    knows by which of them the broker is believed; one that ended beside others that hold is only clutter.
    """
    ends = _ends_ns(path)
    if chain:
        return min(ends)
    return min((end for end in ends if end > now_ns), default=max(ends))


def date_of(at_ns: int) -> str:
    """As an operator compares it with `openssl x509 -enddate`."""
    return f"{datetime.fromtimestamp(at_ns // NS_PER_S, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _ends_ns(path: Path) -> list[int]:
    try:
        found: Iterable[x509.Certificate] = x509.load_pem_x509_certificates(path.read_bytes())
    except ValueError as broken:
        raise OSError(f"{path}: {broken}") from broken
    return [int(one.not_valid_after_utc.timestamp()) * NS_PER_S for one in found]
