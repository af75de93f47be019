"""What is wrong with a configuration that is right by the letter: `knightwatch check` beyond its grammar.

`never` (rules that cannot fire) asks the configuration alone.  The others ask it of recordings, which
`showing` reads once: `volumes` (limits looser than a day trades), `nobody` (scopes that name nobody, and who
has no limit), `fires` (what fires on days that were ordinary).
"""

from monitor.checking.fires import fires
from monitor.checking.never import never
from monitor.checking.nobody import matches_nobody, names_nobody, unlimited
from monitor.checking.showing import Shown, show
from monitor.checking.volumes import loose

__all__ = ["Shown", "fires", "loose", "matches_nobody", "names_nobody", "never", "show", "unlimited"]
