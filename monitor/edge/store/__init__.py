"""Snapshots on disk: written beside the stream by a child that sees memory as it was, the last three kept.

`Store` is the folder and the child together; a store of another kind has its two methods.
"""

from monitor.edge.store.folder import KEPT, Folder, Piece, snapshots_in
from monitor.edge.store.forked import ChildCrashed, ForkFailed, in_a_child
from monitor.edge.store.store import Store

__all__ = ["KEPT", "ChildCrashed", "Folder", "ForkFailed", "Piece", "Store", "in_a_child", "snapshots_in"]
