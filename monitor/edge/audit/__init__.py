"""The audit trail on disk: `AuditTrail` writes it, `read` and `verify` read it, `Keeping` is its rule.

The form of a line is `monitor.core.trail`'s.  A folder holds `audit-<first line>.ndjson` files,
the records of each halt in `evidence-<halt>-<line>.ndjson`, and what a crash tore in `*.torn-*`.
"""

from monitor.edge.audit.disk import TrailProblem
from monitor.edge.audit.evidence import RawRecord
from monitor.edge.audit.reader import BadTrail, Report, read, verify
from monitor.edge.audit.writer import AuditStatus, AuditTrail, Keeping

__all__ = [
    "AuditStatus",
    "AuditTrail",
    "BadTrail",
    "Keeping",
    "RawRecord",
    "Report",
    "TrailProblem",
    "read",
    "verify",
]
