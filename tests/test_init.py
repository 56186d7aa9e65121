from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from feeder import config, starting
from feeder.config import Config
from feeder.errors import ConfigError
from feeder.model import CategoryMode, Dialect, Source
from feeder.opening import opened
from feeder.starting import Started, start

TODAY = date(2026, 5, 4)
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def write(path: Path, text: str = "---\ntitle: A\n---\nText.\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def begun(home: Path, dialect: Dialect, **given: str) -> tuple[Config, Started]:
    started = start(home / "feeder.toml", today=TODAY, like=(dialect, home), **given)  # type: ignore[arg-type] # texts only
    return config.load(home / "feeder.toml"), started


def source_of(home: Path, dialect: Dialect) -> Source:
    return begun(home, dialect)[0].sources[0]


# ---------------------------------------------------------------- without a generator


def test_an_empty_directory_gets_a_config_that_is_good(tmp_path: Path) -> None:
    home = tmp_path / "Village news"
    start(home / "config.toml", today=TODAY)
    settings = config.load(home / "config.toml")
    assert (settings.site.title, settings.site.author, settings.site.language) == ("Village news", "Village news", "en")
    assert (settings.site.url, settings.site.id) == ("http://127.0.0.1:8080/", "localhost,2026")
    assert settings.sources[0].path == home / "articles"
    assert settings.output == home / "public"


def test_what_is_given_is_written(tmp_path: Path) -> None:
    start(
        tmp_path / "config.toml",
        today=TODAY,
        title='The "Daily" \\ 日报',
        url="https://Feeds.example.org/news",
        articles=tmp_path / "texts",
        timezone="Asia/Shanghai",
    )
    settings = config.load(tmp_path / "config.toml")
    assert settings.site.title == 'The "Daily" \\ 日报'
    assert (settings.site.url, settings.site.id) == ("https://Feeds.example.org/news/", "feeds.example.org,2026")
    assert settings.site.timezone.key == "Asia/Shanghai"
    assert (settings.sources[0].name, settings.sources[0].path) == ("texts", tmp_path / "texts")


def test_every_documented_key_stays_in_the_file(tmp_path: Path) -> None:
    start(tmp_path / "config.toml", today=TODAY)
    documented = [line for line in starting.template().splitlines() if line.startswith("#")]
    written = set((tmp_path / "config.toml").read_text("utf-8").splitlines())
    assert [line for line in documented if line not in written and "As it stands" not in line] == []


def test_the_first_lines_speak_of_this_place(tmp_path: Path) -> None:
    start(tmp_path / "config.toml", today=TODAY)
    text = (tmp_path / "config.toml").read_text("utf-8")
    assert "As it stands" not in text
    assert "`feeder check`" in text


@pytest.mark.parametrize("place", ["source/_posts", "content", "_posts", "posts"])
def test_articles_are_looked_for_where_they_often_are(tmp_path: Path, place: str) -> None:
    write(tmp_path / place / "a.md")
    start(tmp_path / "config.toml", today=TODAY)
    assert config.load(tmp_path / "config.toml").sources[0].path == tmp_path / place


def test_feeds_do_not_go_among_the_articles(tmp_path: Path) -> None:
    home = tmp_path / "vault"
    write(home / "a.md")
    start(home / "config.toml", today=TODAY, articles=home)
    assert config.load(home / "config.toml").output == tmp_path / "vault-feeds"


def test_articles_elsewhere_are_named_by_their_whole_path(tmp_path: Path) -> None:
    start(tmp_path / "etc/config.toml", today=TODAY, articles=tmp_path / "disk")
    written = tomllib.loads((tmp_path / "etc/config.toml").read_text("utf-8"))
    assert written["source"][0]["path"] == str(tmp_path / "disk")


def test_the_written_config_runs(tmp_path: Path) -> None:
    write(tmp_path / "articles/a.md", "---\ntitle: A bridge\ndate: 2026-05-01 10:00:00 +0000\n---\nIt is open.\n")
    start(tmp_path / "config.toml", today=TODAY)
    with opened(config.load(tmp_path / "config.toml"), workers=1) as app:
        app.prepare(NOON)
        app.poll("articles", NOON)
        app.publish(NOON, settle=timedelta())
    assert b"A bridge" in (tmp_path / "public/atom.xml").read_bytes()


def test_a_config_that_is_there_is_left_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "config.toml", "mine")
    with pytest.raises(ConfigError, match=r"config\.toml: is there already"):
        start(path, today=TODAY)
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"url": "feeds.example.org"}, r'--url: "feeds\.example\.org" is not an absolute URL'),
        ({"title": "a\nb"}, r'--title: "a\\nb" is not a line of text'),
    ],
)
def test_a_value_that_is_not_good_is_refused(tmp_path: Path, given: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        start(tmp_path / "config.toml", today=TODAY, **given)  # type: ignore[arg-type] # texts only
    assert not (tmp_path / "config.toml").exists()


def test_a_config_that_would_not_do_is_taken_away_again(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="lies inside the output directory"):
        start(tmp_path / "config.toml", today=TODAY, articles=tmp_path / "public/articles")
    assert not (tmp_path / "config.toml").exists()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    write(tmp_path / "file")
    with pytest.raises(ConfigError, match="cannot be written"):
        start(tmp_path / "file/config.toml", today=TODAY)


def test_a_directory_whose_name_is_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not UTF-8"):
        start(tmp_path / "config.toml", today=TODAY, articles=tmp_path / "\udcff")
    assert not (tmp_path / "config.toml").exists()


@pytest.mark.parametrize(
    ("url", "id_"),
    [
        ("https://bücher.example/", "xn--bcher-kva.example,2026"),
        ("http://192.0.2.7:8080/", "192.0.2.7,2026"),
        ("http://[2001:db8::1]/", "localhost,2026"),
        ("http://localhost/", "localhost,2026"),
    ],
)
def test_the_id_is_made_from_the_host_and_the_year(tmp_path: Path, url: str, id_: str) -> None:
    start(tmp_path / "config.toml", today=TODAY, url=url)
    assert config.load(tmp_path / "config.toml").site.id == id_


def test_names_that_nobody_can_print_are_not_taken_over(tmp_path: Path) -> None:
    home = tmp_path / "a\u202eb"
    start(home / "config.toml", today=TODAY, articles=home)
    settings = config.load(home / "config.toml")
    assert (settings.site.title, settings.sources[0].name) == ("Feeder", "articles")


def test_what_is_guessed_is_told(tmp_path: Path) -> None:
    started = start(tmp_path / "config.toml", today=TODAY)
    assert [note.partition(":")[0] for note in started.notes] == ["site.url is a guess", "articles"]


def test_the_local_zone_is_one_or_none() -> None:
    zone = starting.local_zone()
    assert zone is None or zone in zone.strip()


def test_a_computer_without_a_zone_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "LOCAL_ZONE", tmp_path / "none")
    assert starting.local_zone() is None


HUGO_SLUGS = 'baseURL = "https://e.org/"\n[permalinks.page]\nposts = "/:year/:slug/"\n'

# ---------------------------------------------------------------- Hexo

HEXO = """\
# Hexo Configuration
title: 新闻社
subtitle: ''
author: 编辑部
language:
  - zh-CN
  - en
timezone: Asia/Shanghai
url: https://news.example.org
permalink: :year/:month/:day/:title/
source_dir: source
skip_render:
"""


def test_hexo_s_settings_are_taken_over(tmp_path: Path) -> None:
    write(tmp_path / "_config.yml", HEXO)
    write(tmp_path / "source/_posts/a.md")
    settings, started = begun(tmp_path, Dialect.HEXO)
    site, [source] = settings.site, settings.sources
    assert (site.title, site.author, site.language) == ("新闻社", "编辑部", "zh-CN")
    assert (site.timezone.key, site.url, site.id) == (
        "Asia/Shanghai",
        "https://news.example.org/feeds/",
        "news.example.org,2026",
    )
    assert (source.name, source.path) == ("hexo", tmp_path / "source/_posts")
    assert (source.dialect, source.category_mode) == (Dialect.HEXO, CategoryMode.PATH)
    assert source.permalink == "https://news.example.org/{year}/{month}/{day}/{path}/"
    assert source.base_url == "https://news.example.org/"
    assert settings.output == tmp_path / "feeds"
    assert started.notes == (
        "site.url is a guess: https://news.example.org/feeds/; set it, and site.id, before the first feed is published",
    )


def test_hexo_s_category_map_is_taken_over(tmp_path: Path) -> None:
    names = "category_map:\n  金融: finance\n  C/C++: c-cpp\n  Tech: tech\n  Odd: Odd/Thing\n  Empty:\n"
    write(tmp_path / "_config.yml", HEXO + names)
    settings, started = begun(tmp_path, Dialect.HEXO)
    assert {rule.path: rule.slug for rule in settings.site.categories} == {
        ("金融",): "finance",
        ("C/C++",): "c-cpp",
    }
    assert any(note.startswith('the slug of the category "Odd" was left out: ') for note in started.notes)


def test_an_address_that_is_given_beats_the_generator_s(tmp_path: Path) -> None:
    write(tmp_path / "_config.yml", HEXO)
    settings, started = begun(tmp_path, Dialect.HEXO, url="https://feeds.example.org/")
    assert settings.site.url == "https://feeds.example.org/"
    assert started.notes == ("source/_posts: there is no such directory yet",)


@pytest.mark.parametrize(
    ("lines", "permalink"),
    [
        ("", "https://e.org/{year}/{month}/{day}/{path}/"),
        ("permalink: :year/:name.html\n", "https://e.org/{year}/{name}.html"),
        ("permalink: p/:title/\nnew_post_name: :year-:month-:day-:title.md\n", "https://e.org/p/{slug}/"),
        ("permalink: p/:title/\nnew_post_name: :i_month-:title.md\n", None),
        ("permalink: posts/:abbrlink/\n", None),
        ("permalink: :category/:title/\n", None),
        ('permalink: "{year}/:title/"\n', None),
    ],
)
def test_hexo_s_permalinks(tmp_path: Path, lines: str, permalink: str | None) -> None:
    write(tmp_path / "_config.yml", "title: T\nurl: https://e.org\n" + lines)
    assert source_of(tmp_path, Dialect.HEXO).permalink == permalink


def test_a_permalink_that_cannot_be_translated_is_left_as_a_comment(tmp_path: Path) -> None:
    write(tmp_path / "_config.yml", "url: https://e.org\npermalink: posts/:abbrlink/\n")
    _, started = begun(tmp_path, Dialect.HEXO)
    text = (tmp_path / "feeder.toml").read_text("utf-8")
    assert '# Hexo has "posts/:abbrlink/", which cannot be told from the files alone.' in text
    assert 'the permalink "posts/:abbrlink/" was left out; see the comment on permalink' in started.notes


def test_a_site_below_a_directory_keeps_it(tmp_path: Path) -> None:
    write(tmp_path / "_config.yml", "url: https://e.org/blog\npermalink: /:title/\n")
    assert source_of(tmp_path, Dialect.HEXO).permalink == "https://e.org/blog/{path}/"


def test_values_that_are_not_good_are_left_out_and_told(tmp_path: Path) -> None:
    write(tmp_path / "_config.yml", "title: T\nurl: e.org\ntimezone: Peking\nlanguage: '???'\nauthor:\n")
    settings, started = begun(tmp_path, Dialect.HEXO)
    assert (settings.site.timezone.key, settings.site.language, settings.site.author) == ("UTC", "en", "T")
    assert settings.sources[0].base_url is None
    assert [note.partition(":")[0] for note in started.notes[:2]] == [
        "the language was left out",
        "the timezone was left out",
    ]


# ---------------------------------------------------------------- Jekyll


def test_jekyll_s_settings_are_taken_over(tmp_path: Path) -> None:
    text = """\
title: My blog
author:
  name: Jane Doe
  email: jane@example.org
url: "https://example.org"
baseurl: /blog
lang: en_US
timezone: Europe/Berlin
permalink: /:year/:month/:title:output_ext
collections:
  essays:
    output: true
  notes:
    output: false
  gone:
    output: true
  posts:
    output: true
"""
    write(tmp_path / "_config.yml", text)
    write(tmp_path / "_posts/2026-01-02-First-post.md")
    write(tmp_path / "_essays/one.md")
    write(tmp_path / "_notes/one.md")
    settings, _ = begun(tmp_path, Dialect.JEKYLL)
    posts, essays = settings.sources
    assert (settings.site.title, settings.site.author, settings.site.language) == ("My blog", "Jane Doe", "en-US")
    assert settings.site.timezone.key == "Europe/Berlin"
    assert (posts.dialect, posts.category_mode) == (Dialect.JEKYLL, CategoryMode.FLAT)
    assert posts.permalink == "https://example.org/blog/{year}/{month}/{slug}.html"
    assert posts.path == tmp_path / "_posts"
    assert (essays.name, essays.path, essays.dialect) == ("essays", tmp_path / "_essays", Dialect.JEKYLL)


@pytest.mark.parametrize(
    ("dialect", "config", "text", "post", "permalink"),
    [
        (
            Dialect.HEXO,
            "_config.yml",
            "url: https://e.org\npermalink: p/:abbrlink/\n",
            "source/_posts/a.md",
            "p/{slug}/",
        ),
        (Dialect.HUGO, "hugo.toml", HUGO_SLUGS, "content/posts/A.md", "{year}/{slug}/"),
        (Dialect.PELICAN, "pelicanconf.py", 'SITEURL = "https://e.org"\n', "A b.md", "{slug}.html"),
    ],
)
def test_slugs_that_all_articles_bring_are_known(
    tmp_path: Path, *, dialect: Dialect, config: str, text: str, post: str, permalink: str
) -> None:
    write(tmp_path / config, text)
    write(tmp_path / post, "---\ntitle: A\nslug: a\nabbrlink: 4a17b156\n---\n")
    assert source_of(tmp_path, dialect).permalink == f"https://e.org/{permalink}"
    (tmp_path / "feeder.toml").unlink()
    write((tmp_path / post).with_name("b_B.md"), "---\ntitle: B\n---\nslug\n")
    assert source_of(tmp_path, dialect).permalink is None


@pytest.mark.parametrize(
    ("permalink", "name", "translated"),
    [
        ("/:year/:title/", "2026-01-02-a.md", "https://e.org/{year}/{slug}/"),
        ("/:year/:title/", "2026-01-02-a b.md", None),
        ("/:categories/:title/", "2026-01-02-a.md", None),
        ("pretty", "2026-01-02-a.md", None),
    ],
)
def test_jekyll_s_permalinks(tmp_path: Path, permalink: str, name: str, translated: str | None) -> None:
    write(tmp_path / "_config.yml", f"url: https://e.org\npermalink: {permalink}\n")
    write(tmp_path / "_posts" / name)
    assert source_of(tmp_path, Dialect.JEKYLL).permalink == translated


# ---------------------------------------------------------------- Hugo

HUGO_TOML = """\
baseURL = "https://example.org/"
languageCode = "en-gb"
title = "Hugo's site"
timeZone = "Europe/London"
[params]
  [params.author]
  name = "Sam"
[permalinks]
  posts = "/:section/:year/:slugorfilename/"
"""
HUGO_YAML = """\
baseURL: https://example.org/
languageCode: en-gb
title: Hugo's site
timeZone: Europe/London
params:
  author: Sam
permalinks:
  page:
    posts: /:section/:year/:slugorfilename/
  section:
    posts: /x/
"""
HUGO_JSON = """\
{"baseURL": "https://example.org/", "languageCode": "en-gb", "title": "Hugo's site", "timeZone": "Europe/London",
 "author": {"name": "Sam"}, "permalinks": {"posts": "/:section/:year/:slugorfilename/"}}
"""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("hugo.toml", HUGO_TOML),
        ("hugo.yaml", HUGO_YAML),
        ("hugo.json", HUGO_JSON),
        ("config.toml", HUGO_TOML),
        ("config/_default/hugo.yml", HUGO_YAML),
    ],
)
def test_hugo_s_settings_are_taken_over(tmp_path: Path, name: str, text: str) -> None:
    write(tmp_path / name, text)
    write(tmp_path / "content/posts/first-post.md")
    write(tmp_path / "content/posts/_index.md")
    settings, _ = begun(tmp_path, Dialect.HUGO)
    site, [source] = settings.site, settings.sources
    assert (site.title, site.author, site.language) == ("Hugo's site", "Sam", "en-gb")
    assert site.timezone.key == "Europe/London"
    assert (source.dialect, source.category_mode) == (Dialect.HUGO, CategoryMode.FLAT)
    assert source.path == tmp_path / "content/posts"
    assert source.permalink == "https://example.org/posts/{year}/{slug}/"
    assert source.exclude == ("_index.md",)


@pytest.mark.parametrize(
    ("permalinks", "name"),
    [
        pytest.param("", "posts/A-post.md", id="none-and-names-that-change"),
        pytest.param("", "Posts/a.md", id="none-and-directories-that-change"),
        pytest.param("", "posts/a.de.md", id="languages-in-names"),
        pytest.param("uglyURLs = true\n", "posts/a.md", id="ugly"),
        pytest.param("[uglyURLs]\nposts = true\n", "posts/a.md", id="partly-ugly"),
        pytest.param("defaultContentLanguageInSubdir = true\n", "posts/a.md", id="below-a-language"),
        pytest.param('[frontmatter]\ndate = [":filename"]\n', "posts/2026-01-02-a.md", id="dates-in-names"),
        pytest.param('[permalinks]\nposts = "/:slugorfilename/"\n', "posts/2026-01-02-a.md", id="names-with-dates"),
        pytest.param('[permalinks]\nposts = "/:year/:slug/"\n', "posts/a.md", id="slugs-of-titles"),
        pytest.param('[permalinks]\nposts = "/:filename/"\n', "posts/A-post.md", id="names-that-change"),
        pytest.param('[permalinks]\nposts = "/:filename/"\n', "posts/a/index.md", id="bundles"),
        pytest.param('[permalinks]\nposts = "/:year/"\nnews = "/:month/"\n', "posts/a.md", id="two-sections"),
        pytest.param('[permalinks]\nposts = "/:filename/"\n', "a.md", id="no-such-section"),
    ],
)
def test_hugo_s_permalinks_that_the_files_do_not_tell(tmp_path: Path, permalinks: str, name: str) -> None:
    write(tmp_path / "hugo.toml", 'baseURL = "https://e.org/"\n' + permalinks)
    write(tmp_path / "content" / name)
    source = source_of(tmp_path, Dialect.HUGO)
    assert (source.permalink, source.path) == (None, tmp_path / "content")


@pytest.mark.parametrize("name", ["posts/a.md", "posts/2026-01-02-a.md", "posts/a/index.md", "新闻/桥.md"])
def test_hugo_s_pages_lie_at_the_paths_of_their_files(tmp_path: Path, name: str) -> None:
    lists = '[permalinks.section]\nposts = "/x/"\n'
    write(tmp_path / "hugo.toml", 'baseURL = "https://e.org/"\nuglyURLs = false\n' + lists)
    write(tmp_path / "content" / name)
    write(tmp_path / "content/posts/_index.md")
    assert source_of(tmp_path, Dialect.HUGO).permalink == "https://e.org/{page}/"


def test_hugo_s_tables_may_lie_in_files_of_their_own(tmp_path: Path) -> None:
    write(tmp_path / "config/_default/hugo.toml", 'baseURL = "https://e.org/"\ndefaultContentLanguage = "de"\n')
    write(tmp_path / "config/_default/params.yaml", "author: Sam\n")
    write(tmp_path / "config/_default/permalinks.toml", 'posts = "/p/:slugorfilename/"\n')
    text = '[en]\ntitle = "Harbour"\n[de]\ntitle = "Hafen"\nlocale = "de-AT"\ncontentDir = "inhalt"\n'
    write(tmp_path / "config/_default/languages.toml", text)
    write(tmp_path / "config/_default/README.md", "not a config")
    write(tmp_path / "inhalt/posts/a.md")
    settings, _ = begun(tmp_path, Dialect.HUGO)
    site, [source] = settings.site, settings.sources
    assert (site.title, site.language, site.author) == ("Hafen", "de-AT", "Sam")
    assert (source.path, source.permalink) == (tmp_path / "inhalt/posts", "https://e.org/p/{slug}/")


# ---------------------------------------------------------------- Pelican


def test_pelican_s_settings_are_taken_over(tmp_path: Path) -> None:
    text = """\
import os
AUTHOR = 'Ana'
SITENAME = 'Ana writes'
SITEURL = ""
PATH = "content"
TIMEZONE = 'Europe/Lisbon'
DEFAULT_LANG = 'pt'
SLUGIFY_SOURCE = "basename"
ARTICLE_URL = "{date:%Y}/{date:%m}/{slug}/"
LINKS = (("a", "b"),)
DEFAULT_PAGINATION = 10
SITE.name = "x"
open("ran", "w")
"""
    write(tmp_path / "pelicanconf.py", text)
    write(tmp_path / "publishconf.py", 'from pelicanconf import *\nSITEURL = "https://ana.example.org"\n')
    write(tmp_path / "content/a-post.md")
    settings, _ = begun(tmp_path, Dialect.PELICAN)
    site, [source] = settings.site, settings.sources
    assert (site.title, site.author, site.language) == ("Ana writes", "Ana", "pt")
    assert (site.timezone.key, site.url) == ("Europe/Lisbon", "https://ana.example.org/feeds/")
    assert (source.dialect, source.category_mode) == (Dialect.PELICAN, CategoryMode.FLAT)
    assert (source.path, source.exclude) == (tmp_path / "content", ("pages/**",))
    assert source.permalink == "https://ana.example.org/{year}/{month}/{slug}/"
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    ("lines", "permalink"),
    [
        ("", None),
        ('SLUGIFY_SOURCE = "basename"\n', "https://e.org/{slug}.html"),
        ('SLUGIFY_SOURCE = "basename"\nARTICLE_URL = "{category}/{slug}/"\n', None),
        ('SLUGIFY_SOURCE = "basename"\nARTICLE_URL = "{slug"\n', None),
    ],
)
def test_pelican_s_permalinks(tmp_path: Path, lines: str, permalink: str | None) -> None:
    write(tmp_path / "pelicanconf.py", 'SITEURL = "https://e.org"\nPATH = "content"\n' + lines)
    write(tmp_path / "content/a-post.md")
    assert source_of(tmp_path, Dialect.PELICAN).permalink == permalink


def test_pelican_s_articles_may_lie_beside_its_config(tmp_path: Path) -> None:
    home = tmp_path / "blog"
    write(home / "pelicanconf.py", 'SITENAME = "B"\n')
    settings, _ = begun(home, Dialect.PELICAN)
    assert (settings.sources[0].path, settings.output) == (home, tmp_path / "pelican-feeds")


# ---------------------------------------------------------------- what cannot be read


@pytest.mark.parametrize(
    ("dialect", "name", "text", "problem"),
    [
        (Dialect.HEXO, "_config.yml", "title: [a\nurl: b\n", r"_config\.yml: line 2: "),
        (Dialect.HEXO, "_config.yml", "title: a\nx: &a b\n", r"_config\.yml: line 2: an anchor"),
        (Dialect.JEKYLL, "_config.yml", "title: a\n\turl: b\n", r"_config\.yml: line 2: "),
        (Dialect.JEKYLL, "_config.yml", "a: " + "[" * 5000, r"_config\.yml: .*nested deeper"),
        (Dialect.HUGO, "hugo.toml", 'title = "a"\nbaseURL = \n', r"hugo\.toml: line 2: "),
        (Dialect.HUGO, "hugo.json", '{"title": "a",\n}', r"hugo\.json: line 2: "),
        (Dialect.HUGO, "hugo.json", "[1]", r"hugo\.json: line 1: not a JSON object"),
        (Dialect.PELICAN, "pelicanconf.py", "A = 1\nB = (\n", r"pelicanconf\.py: line 2: "),
        (Dialect.PELICAN, "pelicanconf.py", "A = '\0'\n", r"pelicanconf\.py: "),
        (Dialect.PELICAN, "pelicanconf.py", "A = " + "-" * 200_000 + "1", r"pelicanconf\.py: "),
        (Dialect.HEXO, "_config.yml", "a: " + "b" * (1 << 20), r"_config\.yml: larger than 1 MiB"),
    ],
)
def test_a_config_that_cannot_be_read_is_named_with_its_line(
    tmp_path: Path, dialect: Dialect, name: str, text: str, problem: str
) -> None:
    write(tmp_path / name, text)
    with pytest.raises(ConfigError, match=problem):
        start(tmp_path / "feeder.toml", today=TODAY, like=(dialect, tmp_path))
    assert not (tmp_path / "feeder.toml").exists()


def test_text_that_is_not_utf_8_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "_config.yml").write_bytes("author: a\ntitle: 新闻\n".encode("gb18030"))
    with pytest.raises(ConfigError, match=r"_config\.yml: line 2: not UTF-8"):
        start(tmp_path / "feeder.toml", today=TODAY, like=(Dialect.HEXO, tmp_path))


@pytest.mark.parametrize(
    ("dialect", "name"),
    [
        (Dialect.HEXO, "_config.yml"),
        (Dialect.JEKYLL, "_config.yml"),
        (Dialect.HUGO, "hugo.toml"),
        (Dialect.PELICAN, "pelicanconf.py"),
    ],
)
def test_a_directory_without_a_config_is_told(tmp_path: Path, dialect: Dialect, name: str) -> None:
    with pytest.raises(ConfigError, match=rf"{name}: cannot be read: No such file"):
        start(tmp_path / "feeder.toml", today=TODAY, like=(dialect, tmp_path))
