"""Names from outside that are longer than a row of an index may be: they are cut, in both kinds of state alike."""

from __future__ import annotations

import random

import pytest
from databases import Postgres
from nodes import tree_of
from remote import NOON, Newsroom, document, item, rss, tar_gz
from servers import Server

from feeder.asking import poll

WIDE = 20_000  # characters of four bytes, none of which says anything of the next: nothing packs them
LENGTHS = (600, 700, 900, 1000, 2000, 9000, 60_000)


def wide(length: int, seed: int) -> str:
    """Return text that stays as long as it is, however it is packed."""
    chance = random.Random(seed)  # noqa: S311  # nothing is to be kept from anybody
    return "".join(chr(0x20000 + chance.randrange(WIDE)) for _ in range(length))


def digits(length: int) -> str:
    """Return so many bytes in hexadecimal."""
    return random.Random(length).randbytes(length).hex()  # noqa: S311  # likewise


def long_feed() -> bytes:
    plain = [f"urn:{digits(length)}" for length in LENGTHS]
    shouted = wide(200, 3).translate({ord(wide(1, 3)): '"'})
    paths = [
        "/".join(wide(200, seed) for seed in range(10)),
        "/".join([shouted, '"' * 200, "\\" * 200]),
        "\ufdfa" * 200,  # folds to eighteen times as many
    ]
    return rss(
        *(item(f"Plain {number}", guid=guid) for number, guid in enumerate(plain)),
        *(item(f"Wide {length}", guid=f"urn:{wide(length, -length)}") for length in LENGTHS),
        *(item(wide(length, length), categories=(wide(length, 1),)) for length in LENGTHS),
        *(item(f"Path {number}", categories=(path,)) for number, path in enumerate(paths)),
        *(item(f"Link {n}", more=f"<link>https://lake.example/{wide(n, n)}</link>") for n in LENGTHS),
    )


def long_page() -> bytes:
    links = "".join(f'<li><a href="/{wide(n, n)}">Page {n}</a></li>' for n in LENGTHS)
    plain = "".join(f'<li><a href="/{digits(n)}">Hex {n}</a></li>' for n in (1400, 1900))
    return f"<html><body><ul>{links}{plain}</ul></body></html>".encode()


@pytest.fixture
def long_room(room: Newsroom, server: Server) -> Newsroom:
    feed = server.put("/feed", long_feed(), content_type="application/rss+xml")
    page = server.put("/page", long_page(), content_type="text/html")
    tree = tar_gz(
        {
            "/".join(["top", *(wide(60, n) for n in range(depth)), f"{depth}.md"]): document(f"Depth {depth}")
            for depth in range(4)
        }
    )
    archive = server.put("/tree.tar.gz", tree, content_type="application/gzip")
    feeds = ("lake", "kept", "path")
    more = {
        "lake": "first = 500",
        "kept": "keep_ids = true\nfirst = 500",
        "path": 'category_mode = "path"\nfirst = 500',
    }
    deep = room.root / "deep"
    deep.mkdir()
    for depth in range(1, 15):
        deep = deep / wide(60, depth)
        deep.mkdir()
        (deep / f"{depth}.md").write_bytes(document(f"Level {depth}"))
    room.settle(
        *(f'{name}\nurl = "{feed}"\n{more[name]}' for name in feeds),
        f'page\nurl = "{page}"\nkind = "page"\nselect.item = "li"',
        f'archive\nurl = "{archive}"\nkind = "archive"\ncategory_from = "path"',
        'tree\npath = "deep"\ncategory_from = "path"',
    )
    return room


def share(room: Newsroom, state: str) -> None:
    """Have the state in PostgreSQL, and the feeds in another directory."""
    text = room.config.read_text("utf-8").replace("sqlite:///state.db", state).replace('"public"', '"shared"')
    room.config.write_text(text.replace("[storage]", '[storage]\nlocal = "local"'), "utf-8")


def test_long_names_make_the_same_feeds_whatever_keeps_the_state(long_room: Newsroom, postgres: Postgres) -> None:
    names = ("lake", "kept", "path", "page", "archive", "tree")
    alone = long_room.poll(*names)
    assert not alone.error
    expected = dict(tree_of(long_room.public))
    schema = postgres.address()
    share(long_room, postgres.text(schema))
    try:
        polled = long_room.poll(*names)
        assert not polled.error
    finally:
        postgres.drop(schema)
    found = tree_of(long_room.root / "shared")
    assert sorted(found) == sorted(expected)
    assert {path for path in found if found[path] != expected[path]} == set()
    assert len(long_room.entries()) > len(LENGTHS)


def test_what_a_database_does_not_take_fails_its_source_alone(
    room: Newsroom, server: Server, postgres: Postgres
) -> None:
    feeds = {"lake": rss(item("Calm")), "loud": rss(item(wide(1000, 1))), "river": rss(item("Flow"))}
    room.settle(*(f'{name}\nurl = "{server.put(f"/{name}", body)}"' for name, body in feeds.items()))
    schema = postgres.address()
    share(room, postgres.text(schema))
    try:
        with room.opened() as app:
            postgres.execute(schema, "CREATE INDEX ON sightings (title)")
            polled = {each.source: each for each in poll(app, list(feeds), NOON)}
            assert not app.publish(NOON).failed
    finally:
        postgres.drop(schema)
    assert (polled["lake"].error, polled["river"].error) == (None, None)
    assert "does not take what it brings: index row" in (polled["loud"].error or "")
    shared = (room.root / "shared" / "feed.json").read_text("utf-8")
    assert "Calm" in shared
    assert "Flow" in shared
