"""Memory that is let go of goes back to the system."""

from __future__ import annotations

import subprocess
import sys

LETS_GO = """\
import re
from pathlib import Path
from feeder import allocator

def held():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) >> 10

allocator.keep_small()
large, small = [], []
for _ in range(1000):  # what stays lies between the pieces that go
    large.append(bytearray(100_000))
    small.append(bytearray(1_000))
full = held()
large.clear()
print(full - held())
"""


def test_what_is_let_go_of_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", LETS_GO], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 80  # MB of about 100; without it, next to none
