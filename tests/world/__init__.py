"""The seeded world: real engine, real shell and real clients, in simulated time on simulated ends.

    python -m tests.world --seed 12345         one seed, again, to the last byte of its trace
    python -m tests.world --hours 1            fresh seeds, for so long

`plan` draws what will happen; `world` runs it; `watch` and `verdict` hold what DESIGN promises.
`loop`, `kafka`, `mqtt`, `disk`, `pagers` are the simulated ends, `ends` puts the product's clients on them.
"""

import os

# Engines come and go by the hundred here: a huge page zeroed for each first touch costs a tenth of it all.
os.environ.setdefault("NUMPY_MADVISE_HUGEPAGE", "0")
