"""What goes on beside the rest."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from feeder import life
from feeder.life import ended, kept_up


def test_what_ends_by_a_fault_of_ours_is_told_and_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(life, "AGAIN_SECONDS", 0.0)
    outcomes = [RuntimeError("can't start new thread"), ValueError("nobody foresaw this"), None]

    async def work() -> None:
        if outcome := outcomes.pop(0):
            raise outcome

    with capture_logs() as logs:
        asyncio.run(kept_up("status", work))
    assert [(log["event"], log["work"]) for log in logs] == [("work_crashed", "status")] * 2
    assert outcomes == []


def test_what_goes_on_ends_when_it_is_cancelled() -> None:
    async def cancel() -> bool:
        task = asyncio.create_task(kept_up("status", asyncio.Event().wait))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        await ended([task])
        return task.cancelled()

    assert asyncio.run(cancel())
