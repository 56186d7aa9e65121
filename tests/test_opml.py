from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from desk import Desk
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from web import Web, serving

from feeder import config, opml
from feeder.config import Config
from feeder.errors import ConfigError, FeederError, ParseError
from feeder.parse.opml import MAX_BYTES, Subscription, read_opml

SITE = 'site = { title = "News", url = "https://feeds.example.org/", id = "example.org,2026" }\nserver.listen = ""\n'
INCLUDE = 'include = ["sources.d/*.toml"]\n'
LIST = """\
<?xml version="1.0" encoding="UTF-8"?>
<opml version="2.0">
  <head><title>Harbour</title></head>
  <body>
    <outline text="社区">
      <outline text="Ferries" title="Ferries and bridges" type="rss" xmlUrl="https://ferries.example.net/feed.xml"/>
      <outline text="Tech/IT">
        <outline text="Ferries and bridges" xmlUrl="http://it.example.net/rss?a=1&amp;b=2"/>
      </outline>
    </outline>
    <outline text="Weather" type="rss" xmlurl="https://weather.example.net/" category="/Harbour/Weather,/Other"/>
    <outline text="A page" type="link" url="https://example.net/page"/>
    <outline xmlUrl="feed://plain.example.net/atom.xml"/>
  </body>
</opml>
"""


@pytest.fixture(autouse=True)
def _in_a_directory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as web:
        yield web


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def configured(sources: str = "", include: str = INCLUDE) -> Config:
    path = Path("config.toml").absolute()
    path.write_text(include + SITE + sources, "utf-8")
    return config.load(path)


def listed(text: str = LIST, name: str = "harbour.opml") -> str:
    Path(name).write_text(text, "utf-8")
    return name


def outlines(*attributes: str) -> str:
    return "<opml><body>" + "".join(f"<outline {each}/>" for each in attributes) + "</body></opml>"


def sources_of(settings: Config) -> list[tuple[str, str | None, tuple[str, ...]]]:
    loaded = config.load(settings.path)
    return [(source.name, source.url, source.category) for source in loaded.sources]


# ---------------------------------------------------------------- import


def test_a_list_becomes_a_file_of_sources_that_the_config_reads() -> None:
    settings = configured()
    done = opml.import_list(listed(), settings)
    assert done == opml.Imported(
        path=settings.path.parent / "sources.d/harbour.toml",
        added=("Ferries and bridges", "Ferries and bridges 2", "Weather", "plain.example.net"),
    )
    assert sources_of(settings) == [
        ("Ferries and bridges", "https://ferries.example.net/feed.xml", ("社区",)),
        ("Ferries and bridges 2", "http://it.example.net/rss?a=1&b=2", ("社区", "Tech/IT")),
        ("Weather", "https://weather.example.net/", ("Harbour", "Weather")),
        ("plain.example.net", "http://plain.example.net/atom.xml", ()),
    ]


def test_a_list_may_lie_on_the_web(web: Web) -> None:
    settings = configured()
    done = opml.import_list(web.put("/list.opml", LIST), settings)
    assert done.path == settings.path.parent / "sources.d/127-0-0-1.toml"
    assert len(sources_of(settings)) == 4


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://example.net/a", id="same"),
        pytest.param("HTTPS://EXAMPLE.NET:443/a#news", id="the-same-in-other-words"),
        pytest.param("feed:https://example.net/a", id="feed-scheme"),
        pytest.param("feed://https://example.net/a", id="feed-scheme-twice"),
    ],
)
def test_feeds_that_are_sources_already_are_left_out(url: str) -> None:
    settings = configured('[[source]]\nname = "a"\nurl = "https://example.net/a"\n')
    done = opml.import_list(listed(outlines(f'xmlUrl="{url}"')), settings)
    assert done == opml.Imported(path=None, known=1)
    assert not Path("sources.d").exists()
    assert list(opml.report(done, settings)) == [
        "no feed of the list is new; nothing was written",
        "  1 feed of the list is a source already",
    ]


def test_a_feed_that_a_list_names_twice_becomes_one_source() -> None:
    settings = configured()
    twice = ('text="A" xmlUrl="https://example.net/a"', 'text="B" xmlUrl="https://example.net/a#b"')
    done = opml.import_list(listed(outlines(*twice)), settings)
    assert (done.added, done.repeated) == (("A",), 1)
    assert list(opml.report(done, settings))[1:] == ["  1 repetition left out"]


def test_names_of_sources_and_of_what_they_were_are_taken() -> None:
    settings = configured('[[source]]\nname = "A"\nurl = "https://example.net/a"\nwas = "A 2"\n')
    done = opml.import_list(listed(outlines('text="A" xmlUrl="https://example.net/b"')), settings)
    assert done.added == ("A 3",)
    assert [name for name, _, _ in sources_of(settings)] == ["A", "A 3"]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        pytest.param("ftp://example.net/a", '"ftp://example.net/a" is not an absolute URL', id="scheme"),
        pytest.param("/feed.xml", '"/feed.xml" is not an absolute URL', id="relative"),
        pytest.param("https://me:hunter2@example.net/a", "holds a name or a password", id="password"),
        pytest.param("https://feeds.example.org/atom.xml", "is what this site publishes", id="our-own"),
        pytest.param("javascript:alert(1)", '"javascript:alert(1)" is not an absolute URL', id="script"),
    ],
)
def test_what_can_be_no_source_is_left_out_and_told(url: str, reason: str) -> None:
    settings = configured()
    done = opml.import_list(listed(outlines(f'xmlUrl="{url}"', 'text="B" xmlUrl="https://b.example.net/"')), settings)
    assert done.added == ("B",)
    [(label, told)] = done.left_out
    assert told.startswith(reason)
    assert "hunter2" not in "".join(opml.report(done, settings))
    assert len(list(opml.report(done, settings))) == 2
    assert label


def test_a_file_that_exists_is_left_alone_unless_it_is_forced() -> None:
    settings = configured()
    opml.import_list(listed(), settings)
    path = Path("sources.d/harbour.toml")
    path.write_text(path.read_text("utf-8") + "# mine\n", "utf-8")
    with pytest.raises(ConfigError, match=r"harbour.toml: is there already; --force replaces it"):
        opml.import_list(listed(), config.load(settings.path))
    assert path.read_text("utf-8").endswith("# mine\n")
    done = opml.import_list(listed(), config.load(settings.path), force=True)
    assert len(done.added) == 4
    assert "mine" not in path.read_text("utf-8")
    assert len(sources_of(settings)) == 4


def test_a_source_that_is_replaced_keeps_its_name() -> None:
    settings = configured()
    opml.import_list(listed(outlines('text="News" xmlUrl="https://example.net/a"')), settings)
    later = outlines('text="News" xmlUrl="https://example.net/b"', 'text="Old news" xmlUrl="https://example.net/a"')
    done = opml.import_list(listed(later), config.load(settings.path), force=True)
    assert done.added == ("News 2", "News")


def test_a_file_that_is_not_toml_may_be_replaced() -> None:
    settings = configured(include="")
    Path("sources.d").mkdir()
    Path("sources.d/harbour.toml").write_text("[[source", "utf-8")
    assert len(opml.import_list(listed(), settings, force=True).added) == 4


def test_an_import_says_if_the_config_does_not_read_its_file() -> None:
    settings = configured(include="")
    done = opml.import_list(listed(outlines('text="A" xmlUrl="https://example.net/a"')), settings)
    assert list(opml.report(done, settings)) == [
        f"{done.path}: written, with 1 source",
        f'  {settings.path} does not read it yet: write include = ["sources.d/*.toml"] at its top',
    ]


@pytest.mark.parametrize("before", [None, "# what was there\n"], ids=["new", "replaced"])
def test_a_file_that_would_not_do_is_taken_back(before: str | None) -> None:
    settings = configured()
    path = Path("sources.d/harbour.toml")
    if before:
        path.parent.mkdir()
        path.write_text(before, "utf-8")
    configured()
    settings.path.write_text(settings.path.read_text("utf-8") + "broken = 1\n", "utf-8")  # meanwhile
    with pytest.raises(ConfigError, match='unknown key "broken"'):
        opml.import_list(listed(), settings, force=True)
    assert (path.read_text("utf-8") if path.exists() else None) == before


def test_a_directory_that_cannot_be_written_is_told() -> None:
    settings = configured()
    Path("sources.d").write_text("", "utf-8")
    with pytest.raises(ConfigError, match=r"harbour.toml: cannot be written: "):
        opml.import_list(listed(), settings)


def test_a_directory_in_the_place_of_the_file_is_told() -> None:
    settings = configured()
    Path("sources.d/harbour.toml").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"harbour.toml: cannot be written: Is a directory"):
        opml.import_list(listed(), settings, force=True)
    assert [each.name for each in Path("sources.d").iterdir()] == ["harbour.toml"]


@pytest.mark.parametrize(
    ("where", "stem"),
    [
        pytest.param("my list (2).opml", "my-list-2", id="blanks"),
        pytest.param("订阅.opml", "订阅", id="other-scripts"),
        pytest.param("....opml", "feeds", id="nothing-left"),
        pytest.param(f"{'a' * 200}.opml", "a" * 50, id="long"),
    ],
)
def test_the_file_is_called_like_the_list(where: str, stem: str) -> None:
    done = opml.import_list(listed(name=where), configured())
    assert done.path
    assert done.path.name == f"{stem}.toml"


# ---------------------------------------------------------------- what is no list


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("", "not valid XML", id="nothing"),
        pytest.param("<opml><body>", "line 1: not valid XML", id="cut-short"),
        pytest.param("<rss/>", "not an OPML list", id="a-feed"),
        pytest.param("<opml/>", "the list names no feed", id="empty"),
        pytest.param(
            '<!DOCTYPE opml [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><opml><outline xmlUrl="&c;"/></opml>',
            "it holds a document type",
            id="entities",
        ),
        pytest.param(
            '<!DOCTYPE opml SYSTEM "file:///etc/passwd"><opml/>', "it holds a document type", id="external-dtd"
        ),
        pytest.param("<opml>" + "<outline>" * 100_000, "not valid XML", id="depth"),
        pytest.param("<opml/>" + " " * MAX_BYTES, "larger than 16 MiB", id="size"),
    ],
)
def test_what_is_no_list_is_refused(text: str, reason: str) -> None:
    with pytest.raises(FeederError, match=rf"^harbour.opml: (line \d+: )?{reason}"):
        opml.import_list(listed(text), configured())


def test_a_list_that_is_not_there_is_told() -> None:
    with pytest.raises(FeederError, match=r"^nowhere.opml: cannot be read: No such file"):
        opml.import_list("nowhere.opml", configured())


def test_the_password_of_a_list_is_not_told(web: Web) -> None:
    url = web.put("/list.opml", "<opml/>").replace("//", "//me:hunter2@")
    with pytest.raises(FeederError) as caught:
        opml.import_list(url, configured())
    assert "hunter2" not in str(caught.value)


def test_many_feeds_of_one_name_are_all_numbered() -> None:
    many = 3000
    text = outlines(*(f'text="News" xmlUrl="https://example.net/{number}"' for number in range(many)))
    done = opml.import_list(listed(text), configured())
    assert len(set(done.added)) == many
    assert done.added[-1] == f"News {many}"


def test_folders_may_be_deep_and_nameless() -> None:
    text = (
        '<opml><outline/><outline text="A"><outline text=" "><outline text="B" xmlUrl="u"/></outline></outline></opml>'
    )
    assert read_opml(text.encode()) == (Subscription(url="u", title="B", folders=("A",)),)
    deep = "<opml>" + '<outline text="a">' * 200 + '<outline xmlUrl="u"/>' + "</outline>" * 200 + "</opml>"
    assert len(read_opml(deep.encode())[0].folders) == 200


@given(st.binary(max_size=200).map(lambda noise: b"<opml>" + noise + b"</opml>") | st.binary(max_size=300))
@settings(deadline=None)
def test_any_bytes_are_a_list_or_refused(body: bytes) -> None:
    with suppress(ParseError):
        assert isinstance(read_opml(body), tuple)


texts = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=0, max_size=130
)


def nested(folders: list[str], title: str, url: str) -> etree._Element:
    outline = etree.Element("outline", {"text": title, "xmlUrl": url})
    for folder in reversed(folders):
        above = etree.Element("outline", {"text": folder})
        above.append(outline)
        outline = above
    return outline


@given(st.lists(st.tuples(st.lists(texts, max_size=12), texts, st.integers(0, 5)), min_size=1, max_size=8))
@settings(deadline=None, max_examples=30)
def test_whatever_a_list_says_its_import_loads_and_its_export_is_the_same_list(
    tmp_path_factory: pytest.TempPathFactory, feeds: list[tuple[list[str], str, int]]
) -> None:
    home = tmp_path_factory.mktemp("any")
    root = etree.Element("opml")
    for folders, title, number in feeds:
        root.append(nested(folders, title, f"https://{'a' * 60}.{'b' * 60}.example.net/{number}"))
    (home / "any.opml").write_bytes(etree.tostring(root))
    (home / "config.toml").write_text(INCLUDE + SITE, "utf-8")
    done = opml.import_list(str(home / "any.opml"), config.load(home / "config.toml"))
    first = config.load(home / "config.toml")
    assert [source.name for source in first.sources] == list(done.added)
    assert len(done.added) + done.repeated == len(feeds)
    (home / "any.opml").write_bytes(opml.export_list(first)[0])
    opml.import_list(str(home / "any.opml"), first, force=True)
    second = {(source.name, source.url, source.category) for source in config.load(home / "config.toml").sources}
    assert second == {(source.name, source.url, source.category) for source in first.sources}


# ---------------------------------------------------------------- export and commands


def test_an_export_holds_the_feeds_in_folders() -> None:
    settings = configured(
        '[[source]]\nname = "a"\nurl = "https://example.net/a"\ncategory = "A/B"\n'
        '[[source]]\nname = "b & c"\nurl = "https://example.net/b?c&d"\ncategory = "A"\n'
        '[[source]]\nname = "disk"\npath = "articles"\n'
        '[[source]]\nname = "tree"\nurl = "https://example.net/tree.tar.gz"\nkind = "archive"\n'
        '[[source]]\nname = "d"\nurl = "https://example.net/d"\nkind = "feed"\n'
    )
    body, others = opml.export_list(settings)
    assert others == 1
    root = etree.parse(io.BytesIO(body)).getroot()
    assert (root.get("version"), root.findtext("head/title")) == ("2.0", "News")
    found = [(each.get("text"), each.get("type"), each.get("xmlUrl")) for each in root.iter("outline")]
    assert found == [
        ("A", None, None),
        ("B", None, None),
        ("a", "rss", "https://example.net/a"),
        ("b & c", "rss", "https://example.net/b?c&d"),
        ("d", "rss", "https://example.net/d"),
    ]


def test_the_commands_import_and_export_a_list(desk: Desk) -> None:
    desk.settle("newsroom")
    desk.config.write_text(INCLUDE + desk.config.read_text("utf-8"), "utf-8")
    told = desk.call("opml", "import", "-c", desk.config, desk.put("harbour.opml", LIST))
    assert (told.code, told.out) == (0, f"{desk.folder / 'sources.d/harbour.toml'}: written, with 4 sources\n")
    again = desk.call("opml", "import", "-c", desk.config, "--force", "--json", desk.folder / "harbour.opml")
    assert (again.code, len(again.json["added"])) == (0, 4)
    assert again.json["path"] == str(desk.folder / "sources.d/harbour.toml")
    told = desk.program("opml", "export")
    assert (len(read_opml(told.out.encode())), told.err) == (4, "")
    desk.put("sources.d/tree.toml", '[[source]]\nname = "t"\nurl = "https://example.net/t.tgz"\nkind = "archive"\n')
    assert desk.program("opml", "export").err == "note: left out, as they are no feeds: 1 of the URLs\n"


def test_a_list_that_cannot_be_imported_is_one_line_and_an_exit_code(desk: Desk) -> None:
    desk.settle()
    told = desk.call("opml", "import", "-c", desk.config, desk.put("a.opml", "<rss/>"))
    assert (told.code, told.err) == (1, f"feeder: {desk.folder / 'a.opml'}: not an OPML list\n")
