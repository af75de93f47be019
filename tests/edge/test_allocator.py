"""In a process of its own: how memory is allocated is the whole process's business."""

import subprocess
import sys

STORY = """
import numpy, psutil
from monitor.edge.allocator import map_tables_apart
map_tables_apart()
for _ in range(3):
    used = numpy.ones(24_000_000, numpy.uint8)
    del used
before = psutil.Process().memory_info().rss
table = numpy.zeros(20_000_000, numpy.uint8)
print(psutil.Process().memory_info().rss - before)
"""


def test_a_table_costs_nothing_before_it_is_used_also_where_memory_was_freed():
    told = subprocess.run([sys.executable, "-c", STORY], capture_output=True, text=True, check=True)
    assert int(told.stdout) < 2_000_000
