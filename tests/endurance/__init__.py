"""Trials of the whole daemon that take minutes: `python -m tests.endurance.soak`, from the root of the tree."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [
    str(HERE.parents[1]),
    str(HERE.parent),
]  # a trial that is run as a program uses what tests have, as tests do
