"""Knight's morning of 1 August 2012, once more, with a monitor: `knightwatch demo`.

`run` starts brokers, monitor and fleet; `morning` is the closed loop over any brokers;
`figures` says what came of it, `cockpit` and `view` show it while it passes.
"""

from monitor.demo.figures import summary
from monitor.demo.folder import FolderTaken
from monitor.demo.morning import NotReady
from monitor.demo.run import demo

__all__ = ["FolderTaken", "NotReady", "demo", "summary"]
