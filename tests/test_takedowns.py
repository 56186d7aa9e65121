from __future__ import annotations

import fcntl
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from build import PREFIX
from desk import Desk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from worlds import scratch, without_privileges

from feeder import takedowns
from feeder.errors import ConfigError, OutputError
from feeder.takedowns import Takedown

ID = PREFIX + "0" * 26
NOW = datetime(2026, 4, 1, tzinfo=UTC)
TAKEDOWN = Takedown(id=ID, keys=(b"\x00\x23", b"k" * 16), note="on request of A. # 2026")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / takedowns.NAME


def test_without_a_file_nothing_is_taken_down(path: Path) -> None:
    assert takedowns.load(path) == ()


def test_what_is_appended_is_loaded_in_order(path: Path) -> None:
    others = (TAKEDOWN, Takedown(id="https://old.example.org/?p=7", keys=()), Takedown(id=ID, keys=(), note="again"))
    for takedown in others:
        takedowns.append(path, takedown)
    assert takedowns.load(path) == others


def test_what_an_operator_wrote_stays(path: Path) -> None:
    path.write_text(f"\ufeff# by the desk\n\n  {ID}   6b6b,6c\t6d # a note\r\n{ID} # no keys", "utf-8")
    takedowns.append(path, TAKEDOWN)
    assert path.read_text("utf-8").startswith("\ufeff# by the desk\n\n")
    assert takedowns.load(path) == (
        Takedown(id=ID, keys=(b"kk", b"l", b"m"), note="a note"),
        Takedown(id=ID, keys=(), note="no keys"),
        TAKEDOWN,
    )


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(note=st.text(st.characters()), keys=st.lists(st.binary(min_size=1), max_size=3))
def test_whatever_the_note_a_takedown_is_one_line_and_holds(path: Path, note: str, keys: list[bytes]) -> None:
    path.unlink(missing_ok=True)
    takedowns.append(path, Takedown(id=ID, keys=tuple(keys), note=note))
    takedowns.append(path, TAKEDOWN)
    [first, second] = takedowns.load(path)
    assert (first.id, first.keys, second) == (ID, tuple(keys), TAKEDOWN)


@pytest.mark.parametrize(
    ("note", "read"),
    [
        pytest.param("two\nlines\r\nand\u2028more", "two lines and more", id="lines"),
        pytest.param("# 7 # 8", "# 7 # 8", id="number-signs"),
        pytest.param("  ", "", id="blank"),
        pytest.param("应要求 👍", "应要求 👍", id="any-script"),
        pytest.param("bytes \udcff", "bytes \\udcff", id="what-is-no-text"),
    ],
)
def test_a_note_is_one_line(path: Path, note: str, read: str) -> None:
    takedowns.append(path, Takedown(id=ID, keys=(), note=note))
    assert takedowns.load(path) == (Takedown(id=ID, keys=(), note=read),)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        pytest.param(f"{ID} 6b6b,xyz", "removed.txt: line 3: a key is not hexadecimal", id="key"),
        pytest.param(f"{ID} because we were asked to", "removed.txt: line 3: a key is not hexadecimal", id="note"),
        pytest.param("articles/a.md", 'removed.txt: line 3: "articles/a.md" is not the id of an article', id="file"),
    ],
)
def test_a_line_that_is_no_takedown_is_named(path: Path, line: str, told: str) -> None:
    path.write_text(f"# taken down\n{ID}\n{line}\n{ID}\n", "utf-8")
    with pytest.raises(ConfigError) as refused:
        takedowns.load(path)
    assert str(refused.value).startswith(f"{path.parent}/{told}; mend the line")
    assert str(refused.value).endswith("or delete it")


def test_a_file_that_is_no_text_is_the_operator_s_to_mend(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"removed.txt: cannot be read"):
        takedowns.load(path)


def test_a_file_that_cannot_be_read_is_the_operator_s_to_mend(path: Path) -> None:
    path.mkdir()
    with pytest.raises(ConfigError, match=r"removed.txt: cannot be read"):
        takedowns.load(path)


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written: No such file or directory"):
        takedowns.append(tmp_path / "nowhere" / "removed.txt", TAKEDOWN)


# ---------------------------------------------------------------- what a takedown outlives

LINK = "https://example.org/2026/bridge/"
OLD_FEED = f"""\
<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>urn:old:7</id><title>Bridge opens</title>
<link href="{LINK}"/><published>2026-03-10T12:00:00Z</published></entry></feed>
"""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Return a desk with an article that shall go, another one, and feeds of both."""
    desk = Desk(tmp_path)
    desk.settle("newsroom", "partner")
    desk.write("newsroom/a.md", more=f"categories: [City, Roads]\nlink: {LINK}")
    desk.write("newsroom/b.md", title="Second", body="Another text.")
    desk.run("once")
    return desk


def is_gone(desk: Desk) -> bool:
    """Publish, and tell whether no file speaks of the article while all of them hold the other one."""
    desk.run("once", "--all")
    told = desk.run("once", "--all")
    public = desk.tree("public")
    feeds = [body for path, body in public.items() if path.endswith((".xml", "feed.json"))]
    assert (told.code, len(feeds)) == (0, 9)
    assert all(b"Second" in body for body in feeds)
    return not [path for path, body in public.items() if b"Bridge opens" in body or b"is open" in body]


def lose_state(desk: Desk) -> None:
    shutil.rmtree(desk.folder / "var")


@pytest.mark.parametrize(
    "url", [LINK, "http://EXAMPLE.org/2026/bridge/index.html#top", "https://example.org/2026/bridge"]
)
def test_an_article_is_taken_down_by_its_link(desk: Desk, url: str) -> None:
    assert not is_gone(desk)
    assert "Bridge opens" in desk.run("explain", url).out
    assert desk.run("remove", url, "--note", "on request").code == 0
    assert is_gone(desk)


def test_a_link_that_two_articles_have_names_neither(desk: Desk) -> None:
    desk.write("newsroom/c.md", title="Third", more=f"link: {LINK}")
    desk.run("once", "--all")
    told = desk.run("remove", LINK)
    assert (told.code, "2 articles have this link; name one by its id: tag:" in told.err) == (2, True)


def test_a_link_that_no_article_has_is_told(desk: Desk) -> None:
    told = desk.run("remove", "https://example.org/elsewhere/")
    assert (told.code, told.err) == (
        1,
        "feeder: https://example.org/elsewhere/: no article has this id or link, and there is no such file\n",
    )


def test_a_takedown_outlives_the_state(desk: Desk) -> None:
    desk.run("remove", LINK)
    lose_state(desk)
    desk.run("once", "--fresh")
    assert is_gone(desk)


def test_a_takedown_outlives_a_backup_that_does_not_know_it(desk: Desk) -> None:
    shutil.copytree(desk.folder / "var", desk.folder / "backup")
    shutil.copytree(desk.folder / "public", desk.folder / "before")
    desk.run("remove", LINK)
    lose_state(desk)
    shutil.rmtree(desk.folder / "public")
    (desk.folder / "backup").rename(desk.folder / "var")
    (desk.folder / "before").rename(desk.folder / "public")
    assert is_gone(desk)


def test_a_takedown_holds_for_a_copy_in_another_source(desk: Desk) -> None:
    desk.run("remove", LINK)
    desk.write("partner/copy.md", body="Their own words. It is open.")
    assert is_gone(desk)
    (desk.folder / "newsroom/a.md").unlink()
    assert is_gone(desk)
    lose_state(desk)
    desk.run("once", "--fresh")
    assert is_gone(desk)


def test_a_takedown_holds_for_every_title_the_article_had(desk: Desk) -> None:
    desk.write("newsroom/a.md", title="Bridge closed", more=f"link: {LINK}")
    desk.run("once", "--all")
    desk.run("remove", LINK)
    lose_state(desk)
    desk.write("newsroom/a.md")
    desk.run("once", "--fresh")
    assert is_gone(desk)


def test_a_takedown_holds_for_a_new_title(desk: Desk) -> None:
    desk.run("remove", LINK)
    desk.write("newsroom/a.md", title="Bridge: it is open")
    assert is_gone(desk)
    desk.run("once", "--all")
    assert is_gone(desk)


def test_a_takedown_holds_for_a_renamed_file(desk: Desk) -> None:
    desk.run("remove", LINK)
    (desk.folder / "newsroom/a.md").rename(desk.folder / "newsroom/z.md")
    assert is_gone(desk)


def test_a_takedown_outlives_adopting(desk: Desk) -> None:
    feed = desk.put("old.xml", OLD_FEED)
    desk.run("remove", LINK)
    desk.run("adopt", feed)
    assert is_gone(desk)
    lose_state(desk)
    desk.run("adopt", feed)
    assert is_gone(desk)


def test_a_takedown_of_an_adopted_article_outlives_the_state(desk: Desk) -> None:
    feed = desk.put("old.xml", OLD_FEED)
    for name in ("var", "public"):
        shutil.rmtree(desk.folder / name)
    desk.run("adopt", feed)
    desk.run("once")
    assert desk.run("remove", "urn:old:7").code == 0
    lose_state(desk)
    desk.run("once", "--fresh")
    assert is_gone(desk)
    lose_state(desk)
    desk.run("adopt", feed)
    assert is_gone(desk)
    desk.put("removed.txt", "")
    assert not is_gone(desk)


def test_a_deleted_line_brings_the_article_back_as_it_was(desk: Desk) -> None:
    before = desk.tree("public")
    desk.run("remove", LINK)
    desk.put("removed.txt", "# nobody\n")
    desk.run("once")
    assert desk.tree("public") == before


# ---------------------------------------------------------------- what an article is called after its takedown


@pytest.mark.parametrize(
    "after",
    [
        pytest.param({"title": "Bridge: it is open"}, id="retitled"),
        pytest.param({"date": "2026-03-14T12:00:00Z"}, id="redated"),
    ],
)
@pytest.mark.parametrize("fresh", [True, False], ids=["begun-anew", "adopted"])
def test_a_takedown_outlives_the_state_under_a_later_title_and_date(
    desk: Desk, after: dict[str, str], *, fresh: bool
) -> None:
    desk.run("remove", LINK, "--note", "on request")
    desk.write("newsroom/a.md", **after)
    assert is_gone(desk)
    lose_state(desk)
    if fresh:
        desk.run("once", "--fresh")
    else:
        desk.run("adopt", desk.folder / "public/feeds.json")
    assert is_gone(desk)
    [taken] = takedowns.load(desk.folder / "removed.txt")
    assert (len(taken.keys), taken.note) == (2, "on request")


def test_a_dry_run_leaves_the_list_as_it_is(desk: Desk) -> None:
    desk.run("remove", LINK)
    before = (desk.folder / "removed.txt").read_bytes()
    desk.write("newsroom/a.md", title="Bridge: it is open")
    desk.run("once", "--all", "--dry-run")
    assert (desk.folder / "removed.txt").read_bytes() == before


def test_a_list_that_cannot_be_brought_up_to_date_is_told_once(desk: Desk) -> None:
    desk.run("remove", LINK)
    good = (desk.folder / "removed.txt").read_text("utf-8")
    with desk.daemon() as app, capture_logs() as logs:
        for title, text in (
            ("Open", "nonsense"),
            ("Still open", "nonsense"),
            ("Open for good", good),
            ("Shut", "nonsense"),
        ):
            desk.put("removed.txt", text)
            desk.write("newsroom/a.md", title=title)
            app.poll("newsroom", NOW)
    told = [each for each in logs if each["event"] == "takedowns_not_kept"]
    assert ([each["log_level"] for each in told], "is not the id of an article" in told[0]["error"]) == (
        ["warning"] * 2,
        True,
    )


# ---------------------------------------------------------------- a line that is brought up to date

OTHER = PREFIX + "1" * 26
LINES = f"""\
\ufeff# by the desk
\r
{OTHER} 01 # another
  {ID}   6b6b,6c\t6d  # a note \r
{ID}
{OTHER} # 6b6b
"""


def test_only_what_lacks_keys_is_written_anew(path: Path) -> None:
    path.write_text(LINES, "utf-8", newline="")
    path.chmod(0o640)
    assert takedowns.complete(path, [(ID, b"kk"), (ID, b"nn"), (OTHER, b"\x01")]) == 3
    changed = (
        LINES.replace("6c\t6d", "6c\t6d,6e6e")
        .replace(f"\n{ID}\n", f"\n{ID} 6b6b,6e6e\n")
        .replace(f"{OTHER} # 6b6b", f"{OTHER} 01 # 6b6b")
    )
    assert path.read_bytes() == changed.encode()
    assert (path.stat().st_mode & 0o777, [*path.parent.iterdir()]) == (0o640, [path])


def test_a_line_without_news_is_not_touched(path: Path) -> None:
    path.write_text(LINES, "utf-8")
    before = path.stat()
    assert takedowns.complete(path, [("urn:x", b"kk1")]) == 0
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_without_a_list_none_is_made(path: Path) -> None:
    assert takedowns.complete(path, [(ID, b"kk")]) == 0
    assert not path.exists()


def test_a_line_holds_for_what_shares_a_key_with_it(path: Path) -> None:
    takedowns.append(path, TAKEDOWN)
    takedowns.complete(path, [(OTHER, b"k" * 16), (OTHER, b"m")])
    [taken] = takedowns.load(path)
    assert (taken.id, taken.keys, taken.note) == (ID, (*TAKEDOWN.keys, b"m"), TAKEDOWN.note)


def test_a_link_stays_a_link(path: Path) -> None:
    real = path.parent / "elsewhere.txt"
    path.symlink_to(real)
    takedowns.append(path, TAKEDOWN)
    takedowns.complete(path, [(ID, b"m")])
    assert (path.is_symlink(), takedowns.load(real)[0].keys) == (True, (*TAKEDOWN.keys, b"m"))


def test_a_list_in_a_place_that_takes_no_file_is_told() -> None:
    with scratch() as folder:
        path = folder / takedowns.NAME
        takedowns.append(path, TAKEDOWN)
        folder.chmod(0o555)
        path.chmod(0o444)
        before = path.read_bytes()
        with without_privileges(), pytest.raises(OutputError, match="cannot be written: Permission denied"):
            takedowns.complete(path, [(ID, b"m")])
        folder.chmod(0o755)
        assert path.read_bytes() == before


def test_no_takedown_is_lost_between_two_processes(path: Path) -> None:
    takedowns.append(path, TAKEDOWN)
    ids = [f"urn:{number}" for number in range(200)]

    def add() -> None:
        for id_ in ids:
            takedowns.append(path, Takedown(id=id_, keys=()))

    with ThreadPoolExecutor(2) as pool:
        adding = pool.submit(add)
        mending = pool.submit(lambda: [takedowns.complete(path, [(ID, bytes([n]))]) for n in range(100)])
        adding.result()
        mending.result()
    first, *rest = takedowns.load(path)
    assert ([taken.id for taken in rest], first.keys) == (ids, (*TAKEDOWN.keys, *(bytes([n]) for n in range(100))))


def test_a_lock_that_a_stranger_holds_is_not_waited_for_without_end(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    takedowns.append(path, TAKEDOWN)
    monkeypatch.setattr(takedowns, "PATIENCE_SECONDS", 0.1)
    with path.open("rb") as stranger:  # who may read the file, and no more
        fcntl.flock(stranger, fcntl.LOCK_SH)
        with pytest.raises(OutputError, match="another process holds it locked"):
            takedowns.append(path, TAKEDOWN)
    takedowns.append(path, TAKEDOWN)
    assert takedowns.load(path) == (TAKEDOWN, TAKEDOWN)
