"""A process ends as it is told to, whatever a thread of its own still computes."""

from __future__ import annotations

import subprocess
import sys

import pytest

READING = """
import sys
from io import BytesIO
from threading import Event
from lxml import etree
from feeder.leaving import begin_beside, leave

begun = Event()
document = b"<a>" + b"<b c='d'>e</b>" * 300_000 + b"</a>"

def read():
    for number, _ in enumerate(etree.iterparse(BytesIO(document))):
        if number == 1000:
            begun.set()

for _ in range(int(sys.argv[1])):
    begin_beside(read)
if sys.argv[1] != "0":
    begun.wait()
print("all that was said", end="")
leave(3)
"""


@pytest.mark.parametrize("threads", [0, 3])
def test_what_is_still_being_read_harms_nobody(threads: int) -> None:
    command = [sys.executable, "-c", READING, str(threads)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (3, "all that was said", "")
