"""What each released version left behind: a state, its feeds, and the articles they were made from.

Run as a program at a release, it keeps those of this version in tests/upgrades/VERSION, made from the articles of the
version before. `--again` makes them once more, as long as the version is not released.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from feeder import config, html, render
from feeder.app import App
from feeder.config import fingerprints
from feeder.model import Answer
from feeder.opening import opened
from feeder.pipeline import auditing
from feeder.pipeline.answers import AnswerJob, receive
from feeder.pipeline.edition import Published
from feeder.pipeline.receiving import Heard

UPGRADES = Path(__file__).parent / "upgrades"
GIVEN = ("config.toml", "feed.xml", "articles")
FIRST = datetime(2026, 3, 6, 8, tzinfo=UTC)
SECOND = datetime(2026, 3, 7, 8, tzinfo=UTC)
DAY = timedelta(days=1)


def released() -> list[str]:
    """Return the versions whose states are kept, the oldest first."""
    names = (path.name for path in UPGRADES.iterdir() if path.is_dir())
    return sorted(names, key=lambda name: [int(part) for part in name.split(".")])


def lay_out(name: str, root: Path) -> None:
    """Lay out what a version left as it was on the disk then."""
    shutil.copytree(UPGRADES / name, root, dirs_exist_ok=True)
    with closing(sqlite3.connect(root / "state.db")) as connection:
        connection.executescript((root / "state.sql").read_text("utf-8"))


def give(source: Path, target: Path) -> None:
    """Copy what a version made its state and feeds from."""
    for name in GIVEN:
        copy = shutil.copytree if (source / name).is_dir() else shutil.copy
        copy(source / name, target / name)


def run(app: App, now: datetime) -> Published:
    """Read everything once more, look after the output, and publish."""
    app.prepare(now)
    app.poll("newsroom", now)
    app.take({"lake": heard(app)}, now)
    auditing.audit(app.parts)
    return app.publish(now, settle=timedelta())


def heard(app: App) -> Heard:
    """Return what the server of the feed says, which never changes."""
    body = (app.config.path.parent / "feed.xml").read_bytes()
    source = next(source for source in app.config.sources if source.url)
    answer = Answer(status=200, url=source.url or "", body=body, media_type="application/rss+xml", etag='"1"')
    received = receive(AnswerJob(source=source, site=app.config.site, answer=answer))
    return Heard(answer=answer, digest=sha256(body).hexdigest(), received=received)


def versions() -> Mapping[str, int]:
    """Return the versions that are raised when the same articles are to look otherwise."""
    return {
        "READ_VERSION": fingerprints.READ_VERSION,
        "RENDER_VERSION": fingerprints.RENDER_VERSION,
        "html.VERSION": html.VERSION,
        "render.VERSION": render.VERSION,
    }


def keep(target: Path) -> None:
    """Live through a small history with the articles in *target*, and keep what is left of it there."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        give(target, root)
        _live(root)
        shutil.rmtree(target / "public", ignore_errors=True)
        shutil.copytree(root / "public", target / "public")
        shutil.copy(root / "removed.txt", target)
        (target / "state.sql").write_text(_dump(root / "state.db"), "utf-8")
    (target / "versions.json").write_text(json.dumps(versions(), indent=2) + "\n", "utf-8")


def _live(root: Path) -> None:
    """Publish, have editors work, and publish again."""
    articles = root / "articles"
    later = (articles / "notes/later.md").rename(root / "later.md")
    edited = (articles / "城市/edited.md").rename(root / "edited.md")
    (articles / "城市/edited.md").write_text(edited.read_text("utf-8").replace("周六上午", "周日上午"), "utf-8")
    (articles / "notes/renamed.md").rename(articles / "notes/first-name.md")
    gone = articles / "notes/gone.md"
    gone.write_text("---\ntitle: A short life\ndate: 2026-03-06T07:00:00Z\ncategories: [Notes]\n---\nGone.\n", "utf-8")
    with opened(config.load(root / "config.toml"), workers=0) as app:
        run(app, FIRST)
    later.rename(articles / "notes/later.md")
    edited.replace(articles / "城市/edited.md")
    (articles / "notes/first-name.md").rename(articles / "notes/renamed.md")
    gone.unlink()
    with opened(config.load(root / "config.toml"), workers=0) as app:
        taken = app.store.row("newsroom", "notes/removed.md")
        assert taken
        assert taken.sighting
        app.remove(taken.sighting.id, "as an example", SECOND)
        for minutes in range(3):
            run(app, SECOND + timedelta(minutes=minutes))


def _dump(state: Path) -> str:
    with closing(sqlite3.connect(state)) as connection:
        names = ("application_id", "user_version")
        stamps = [f"PRAGMA {name} = {connection.execute(f'PRAGMA {name}').fetchone()[0]};" for name in names]
        return "\n".join([*stamps, *connection.iterdump()]) + "\n"


def _main(arguments: list[str]) -> None:
    name = version("feeder")
    target = UPGRADES / name
    if (target / "state.sql").exists() and arguments != ["--again"]:
        sys.exit(f"{target}: is there already; `--again` makes it once more, if {name} is not released")
    if not target.exists():
        before = UPGRADES / released()[-1]
        shutil.copytree(before, target, ignore=lambda _, names: [each for each in names if _is_made(each)])
    keep(target)


def _is_made(name: str) -> bool:
    return name in {"public", "state.sql", "versions.json", "removed.txt"}


if __name__ == "__main__":
    _main(sys.argv[1:])
