"""A document that ends whatever process reads it is set aside alone: the rest is published, and it is not read again before it changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from deadly import DeadlyWorkers

from feeder import config
from feeder.app import App
from feeder.model import Status
from feeder.opening import opened
from feeder.pipeline import work
from feeder.pipeline.work import KILLED

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
CONFIG = """\
[site]
title = "Harbour"
url = "https://feeds.example.org/"
id = "feeds.example.org,2026"
[server]
listen = ""
[[source]]
name = "newsroom"
path = "articles"
"""
NAMES = ("lamp", "quay", "deadly", "tide", "rope")


@contextmanager
def newsroom(folder: Path, workers: DeadlyWorkers) -> Iterator[App]:
    (folder / "articles").mkdir()
    for name in NAMES:
        write(folder, name)
    (folder / "config.toml").write_text(CONFIG, "utf-8")
    with opened(config.load(folder / "config.toml")) as app:
        app.parts = replace(app.parts, workers=workers)
        app.prepare(NOW)
        workers.start()
        yield app


def write(folder: Path, name: str, text: str = "The lamp is lit.") -> None:
    front = f"---\ntitle: The {name[::-1]}\ndate: 2026-03-01 08:00:00 +0000\n---\n"
    (folder / "articles" / f"{name}.md").write_text(f"{front}{text}\n", "utf-8")


def titles(folder: Path) -> set[str]:
    return {item["title"] for item in json.loads((folder / "public" / "feed.json").read_bytes())["items"]}


GOOD = {f"The {name[::-1]}" for name in NAMES if name != "deadly"}


def test_a_document_that_kills_its_readers_is_rejected_alone(tmp_path: Path) -> None:
    with newsroom(tmp_path, DeadlyWorkers(work.read)) as app:
        polled = app.poll("newsroom", NOW)
        assert polled.error is None
        assert (polled.statuses[Status.GOOD], polled.statuses[Status.BROKEN]) == (4, 1)
        again = app.poll("newsroom", NOW)
        assert again.statuses[Status.BROKEN] == 0
        app.publish(NOW)
    assert titles(tmp_path) == GOOD


def test_an_article_that_kills_its_renderers_is_left_out_alone(tmp_path: Path) -> None:
    with newsroom(tmp_path, DeadlyWorkers(work.render)) as app:
        assert app.poll("newsroom", NOW).statuses[Status.GOOD] == 5
        app.publish(NOW)
        assert titles(tmp_path) == GOOD
        faults = [str(fault) for fault in app.store.faults()]
        assert any(KILLED in fault for fault in faults)
