"""The benchmark of the web server, for which wrk must be installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.__main__ import main


def test_the_server_can_be_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["server", "--runs", "1", "--seconds", "0.5", "--dir", str(tmp_path)]) == 0
    assert "| server: " in capsys.readouterr().out
