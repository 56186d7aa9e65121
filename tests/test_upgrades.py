"""A state that a released version left, and its feeds, under the present code: no subscriber notices."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import upgrading
from upgrading import DAY, SECOND, UPGRADES

from feeder import config
from feeder.opening import opened
from feeder.store.database import scripts


def files(root: Path) -> dict[str, tuple[bytes, int, int]]:
    """Return the bytes, the time and the inode of every published file."""
    found = (path for path in sorted((root / "public").rglob("*")) if path.is_file())
    return {
        str(path.relative_to(root / "public")): (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino)
        for path in found
    }


def feeds(root: Path) -> dict[str, bytes]:
    return {
        path: body for path, (body, _, _) in files(root).items() if path.endswith(("atom.xml", "rss.xml", "feed.json"))
    }


def entries(root: Path) -> dict[str, list[Any]]:
    """Return what readers know of the entries of each feed."""
    kept = ("id", "date_published", "date_modified", "title", "url")
    return {
        path: [[item.get(name) for name in kept] for item in json.loads(body)["items"]]
        for path, body in feeds(root).items()
        if path.endswith("feed.json")
    }


@pytest.mark.parametrize("name", upgrading.released())
def test_a_state_of_before_is_taken_over_and_nothing_quiet_moves(name: str, tmp_path: Path) -> None:
    upgrading.lay_out(name, tmp_path)
    before, known, listed = files(tmp_path), feeds(tmp_path), entries(tmp_path)
    assert len(listed) > 5
    with opened(config.load(tmp_path / "config.toml"), workers=0) as app:
        is_same_look = all(feed.fingerprint == app.parts.fingerprint for feed in app.store.feeds())
        ids = {id_ for part in app.store.id_slices() for id_ in part}
        for hours in (0, 1):
            published = upgrading.run(app, SECOND + DAY + timedelta(hours=hours))
            assert not published.failed
        assert (app.store.damage(), app.store.breaches()) == ((), ())
        assert {id_ for part in app.store.id_slices() for id_ in part} == ids
    assert entries(tmp_path) == listed
    if json.loads((UPGRADES / name / "versions.json").read_text("utf-8")) == upgrading.versions():
        assert feeds(tmp_path) == known
        assert {path: files(tmp_path)[path] for path in known} == {path: before[path] for path in known}
    if is_same_look:
        assert files(tmp_path) == before


@pytest.mark.parametrize("name", upgrading.released())
def test_what_happens_after_an_upgrade_goes_on_from_there(name: str, tmp_path: Path) -> None:
    upgrading.lay_out(name, tmp_path)
    listed = {item[0] for item in entries(tmp_path)["feed.json"]}
    new = "---\ntitle: After the upgrade\ndate: 2026-03-08T06:00:00Z\ncategories: [Notes]\n---\nText.\n"
    (tmp_path / "articles/notes/new.md").write_text(new, "utf-8")
    with opened(config.load(tmp_path / "config.toml"), workers=0) as app:
        upgrading.run(app, SECOND + DAY)
        assert app.store.breaches() == ()
    now = {item[0] for item in entries(tmp_path)["feed.json"]}
    assert len(now - listed) == 1
    assert len(now & listed) == 3
    assert b"Taken down" not in b"".join(feeds(tmp_path).values())


def test_what_this_version_would_leave_is_what_it_left(tmp_path: Path) -> None:
    newest = upgrading.released()[-1]
    upgrading.give(UPGRADES / newest, tmp_path)
    upgrading.keep(tmp_path)
    if json.loads((UPGRADES / newest / "versions.json").read_text("utf-8")) == upgrading.versions():
        assert feeds(tmp_path) == feeds(UPGRADES / newest)


def test_the_oldest_state_has_come_all_the_way(tmp_path: Path) -> None:
    upgrading.lay_out(upgrading.released()[0], tmp_path)
    with opened(config.load(tmp_path / "config.toml"), workers=0) as app:
        assert app.store.damage() == ()
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(scripts("sqlite")),)
