"""In a process of its own: what is loaded is the whole process's business."""

import subprocess
import sys

STORY = """
import sys
from monitor.warm import warm_up
warm_up([])
print("pandas" in sys.modules)
import exchange_calendars, pandas
print(pandas.Timestamp("2012-08-01").year)
"""


def test_decoding_loads_no_pandas_and_who_wants_it_still_gets_it():
    told = subprocess.run([sys.executable, "-c", STORY], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["False", "2012"]
