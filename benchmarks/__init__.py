"""Measures what Feeder costs, and what Hugo costs for the same feeds: `python -m benchmarks -h`."""


class Wrong(Exception):
    """What came of a command is not what it has to be, so that its time says nothing."""
