"""In a process of its own: how memory is allocated is the whole process's business."""

import re
import subprocess
import sys

import pytest

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


SMALL_PAGES = """
import numpy, pathlib
from monitor.edge.allocator import map_tables_apart
map_tables_apart()
table = numpy.ones(64_000_000, numpy.uint8)
print(pathlib.Path("/proc/self/smaps_rollup").read_text())
"""


def told_by(story):
    return subprocess.run([sys.executable, "-c", story], capture_output=True, text=True, check=True).stdout


def test_a_table_costs_nothing_before_it_is_used_also_where_memory_was_freed():
    assert int(told_by(STORY)) < 2_000_000


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="huge pages are asked of Linux")
def test_no_table_grows_by_huge_pages_whatever_numpy_asks_for():
    found = re.search(r"AnonHugePages: +(\d+) kB", told_by(SMALL_PAGES))
    assert found is not None
    assert int(found[1]) == 0
