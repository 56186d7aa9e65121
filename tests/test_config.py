from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeder.config import (
    Config,
    address_text,
    fingerprint,
    fingerprints,
    keys,
    load,
    render_fingerprint,
    scopes,
    values,
)
from feeder.errors import ConfigError
from feeder.model import (
    CategorySettings,
    ContentPolicy,
    DatePolicy,
    Dialect,
    FeedSettings,
    Format,
    PageSettings,
    Redirect,
    Select,
    Site,
    Source,
    SourceKind,
    Watch,
)
from feeder.output import Bucket

ROOT = Path(__file__).parent.parent
SITE = 'site = { title = "News", url = "https://example.org/", id = "example.org,2026" }\n'
SOURCE = '[[source]]\nname = "a"\npath = "articles"\n'
FEED = '[[source]]\nname = "a"\nurl = "https://example.net/feed.xml"\n'


@pytest.fixture(autouse=True)
def _in_a_directory_with_articles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "articles").mkdir()
    monkeypatch.chdir(tmp_path)


def write(text: str, name: str = "config.toml") -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def loaded(text: str) -> Config:
    return load(write(text))


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        loaded(text)
    return caught.value.problems


# ---------------------------------------------------------------- what is read


def test_redirects_hub_and_command_are_read() -> None:
    found = loaded(
        f'{SITE}{SOURCE}[redirects]\n"/%E6%97%A7/{{slug}}" = "/categories/{{slug}}/"\n'
        '[websub]\nhub = "https://hub.example.org"\nbatch = 9\n'
        '[storage]\nafter_publish = ["./x", "a b"]\nafter_publish_timeout = "90s"\n'
    )
    assert found.redirects == (Redirect(source="/旧/{slug}", target="/categories/{slug}/"),)
    assert (found.feeds.hub, found.pinged_at_once) == ("https://hub.example.org", 9)
    assert (found.after_publish, found.after_publish_timeout) == (("./x", "a b"), timedelta(seconds=90))


def test_the_least_config_has_every_default(tmp_path: Path) -> None:
    config = loaded(SITE + SOURCE)
    assert config == Config(
        path=Path("config.toml"),
        site=Site(title="News", url="https://example.org/", id="example.org,2026", author="News"),
        feeds=FeedSettings(),
        pages=PageSettings(),
        state=tmp_path / "var/feeder.db",
        local=tmp_path / "var/feeder.db",
        output=tmp_path / "public",
        listen=("127.0.0.1", 8080),
        sources=(Source(name="a", order=0, path=tmp_path / "articles"),),
    )


def test_a_config_may_begin_with_a_byte_order_mark() -> None:
    assert loaded("\ufeff" + SITE + SOURCE).site.title == "News"


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        pytest.param('interval = "1h30m"', {"interval": timedelta(hours=1, minutes=30)}, id="interval"),
        pytest.param('interval = "2d"', {"interval": timedelta(days=2)}, id="days"),
        pytest.param('cron = "*/10 * * * 1-5"', {"cron": "*/10 * * * 1-5"}, id="cron"),
        pytest.param("watch = true", {"watch": Watch.ON}, id="watch"),
        pytest.param("watch = false", {"watch": Watch.OFF}, id="no watch"),
        pytest.param('watch = "auto"', {"watch": Watch.AUTO}, id="watch by itself"),
        pytest.param('date_offset = "-8h"', {"date_offset": timedelta(hours=-8)}, id="negative-offset"),
        pytest.param('timezone = "Asia/Shanghai"', {"timezone": ZoneInfo("Asia/Shanghai")}, id="zone"),
        pytest.param(r'category = "A\\/B/C"', {"category": ("A/B", "C")}, id="category"),
        pytest.param('dialect = "hugo"', {"dialect": Dialect.HUGO}, id="dialect"),
        pytest.param('dates = "ignore"', {"dates": DatePolicy.IGNORE}, id="dates"),
        pytest.param('exclude = ["/drafts/**"]', {"exclude": ("/drafts/**",)}, id="exclude"),
        pytest.param('remove = [".ad", "div > p"]', {"remove": (".ad", "div > p")}, id="remove"),
        pytest.param(
            'fields = { title = "headline", date = "on" }',
            {"fields": (("date", "on"), ("title", "headline"))},
            id="fields",
        ),
        pytest.param('base_url = "https://例子.cn/新"', {"base_url": "https://xn--fsqu00a.cn/%E6%96%B0"}, id="iri"),
        pytest.param(
            'permalink = "https://example.org/{year}/{slug}.html"',
            {"permalink": "https://example.org/{year}/{slug}.html"},
            id="permalink",
        ),
        pytest.param("limit = 3", {"limit": 3}, id="limit"),
        pytest.param('alert_after = "2d"', {"alert_after": timedelta(days=2)}, id="alert-after"),
        pytest.param('alert_after = "auto"', {"alert_after": "auto"}, id="alert-learned"),
    ],
)
def test_a_source_key_becomes_a_value(key: str, expected: Mapping[str, object]) -> None:
    [source] = loaded(SITE + SOURCE + key).sources
    assert {name: getattr(source, name) for name in expected} == expected


def test_a_source_keeps_dates_in_the_zone_of_the_site() -> None:
    config = loaded(SITE.replace("}", ', timezone = "Asia/Tokyo" }') + SOURCE)
    assert config.sources[0].timezone == ZoneInfo("Asia/Tokyo")


def test_what_is_watched_and_who_is_told_is_read() -> None:
    config = loaded(
        f"""
        alerts = {{ command = ["page", "me"], timeout = "5s" }}
        storage.status_every = "0s"
        categories."A/B".alert_after = "auto"
        categories.C = {{ title = "See", alert_after = "2d" }}
        {SITE}{SOURCE}"""
    )
    assert (config.alerts.command, config.alerts.timeout) == (("page", "me"), timedelta(seconds=5))
    assert config.status_every == timedelta()
    assert config.alerts.categories == ((("A", "B"), "auto"), (("C",), timedelta(days=2)))
    assert config.site.categories == (CategorySettings(path=("C",), title="See"),)


def test_every_table_is_read() -> None:
    config = loaded(
        SITE
        + """
        [feeds]
        formats = ["json", "atom"]
        entries = 10
        window = "0s"
        content = "summary"
        [server]
        listen = ""
        [dates.zones]
        cst = "+08:00"
        PST = "-07:30"
        [dedup]
        never = ["早报"]
        [categories."金融/新浪财经"]
        title = "Finance"
        slug = "finance"
        [categories."A"]
        same_as = "B/C"
        """
        + SOURCE
    )
    assert config.feeds == FeedSettings(
        formats=(Format.JSON, Format.ATOM), entries=10, window=timedelta(), content=ContentPolicy.SUMMARY
    )
    assert config.listen is None
    assert config.site.zones == (("CST", timedelta(hours=8)), ("PST", timedelta(hours=-7, minutes=-30)))
    assert config.site.never_merge == ("早报",)
    assert config.site.categories == (
        CategorySettings(path=("金融", "新浪财经"), title="Finance", slug="finance"),
        CategorySettings(path=("A",), same_as=("B", "C")),
    )


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        pytest.param("0.0.0.0:80", ("0.0.0.0", 80), id="everywhere"),  # noqa: S104 - text to be read
        pytest.param("[::1]:8080", ("::1", 8080), id="version-6"),
        pytest.param("localhost:0", ("localhost", 0), id="any-port"),
        pytest.param("unix:/run/feeder/http.sock", Path("/run/feeder/http.sock"), id="socket"),
    ],
)
def test_the_server_listens_at_a_host_and_a_port_or_at_a_socket(listen: str, expected: tuple[str, int] | Path) -> None:
    config = loaded(SITE + f'server = {{ listen = "{listen}", admin = "{listen}", cache = "1MiB" }}\n' + SOURCE)
    assert (config.listen, config.admin, config.cache) == (expected, expected, 1 << 20)
    assert address_text(expected) == listen


@pytest.mark.parametrize("path", ["", "relative.sock", "/directory/", "/" + "a" * 100, "/new\\nline"])
def test_a_socket_has_an_absolute_path_that_is_not_too_long(path: str) -> None:
    (problem,) = problems(SITE + f'server.admin = "unix:{path}"\n' + SOURCE)
    assert problem.startswith("config.toml: server: admin: ")


def test_the_state_may_be_an_absolute_path(tmp_path: Path) -> None:
    text = f'storage.state = "sqlite:///{tmp_path}/elsewhere.db"\nstorage.output = "{tmp_path}/out"\n'
    config = loaded(SITE + text + SOURCE)
    assert (config.state, config.output) == (tmp_path / "elsewhere.db", tmp_path / "out")


def test_paths_are_relative_to_the_file_that_holds_them(tmp_path: Path) -> None:
    write(SOURCE.replace('"a"', '"b"'), "more/one.toml")
    write('include = ["more/*.toml"]\n' + SITE + SOURCE, "etc/config.toml")
    write(SOURCE.replace('"a"', '"c"'), "etc/more/two.toml")
    config = load(Path("etc/config.toml"))
    assert [source.path for source in config.sources] == [tmp_path / "etc/articles", tmp_path / "etc/more/articles"]
    assert config.output == tmp_path / "etc/public"


def test_sources_stand_in_the_order_of_the_files() -> None:
    write(SOURCE.replace('"a"', '"z"'), "d/1.toml")
    write(SOURCE.replace('"a"', '"y"'), "d/2.toml")
    write(SOURCE.replace('"a"', '"x"'), "last.toml")
    config = loaded('include = ["d/*.toml", "last.toml", "d/1.toml", "*.toml"]\n' + SITE + SOURCE)
    assert [(source.order, source.name) for source in config.sources] == [(0, "a"), (1, "z"), (2, "y"), (3, "x")]


def test_defaults_hold_for_the_sources_of_their_file() -> None:
    write('[defaults]\nlimit = 7\n[[source]]\nname = "b"\npath = "x"\n', "d/1.toml")
    config = loaded('include = ["d/*.toml"]\ndefaults.interval = "5m"\n' + SITE + SOURCE)
    first, second = config.sources
    assert (first.interval, first.limit) == (timedelta(minutes=5), None)
    assert (second.interval, second.limit) == (timedelta(minutes=10), 7)


def test_a_cron_of_a_source_overrides_the_interval_of_the_defaults() -> None:
    [source] = loaded('defaults.interval = "5m"\n' + SITE + SOURCE + 'cron = "@daily"').sources
    assert (source.cron, source.interval) == ("@daily", timedelta(minutes=10))


def test_an_interval_of_a_source_overrides_the_cron_of_the_defaults() -> None:
    [source] = loaded('defaults.cron = "@daily"\n' + SITE + SOURCE + 'interval = "1m"').sources
    assert (source.cron, source.interval) == (None, timedelta(minutes=1))


def test_a_missing_directory_is_a_warning() -> None:
    config = loaded(SITE + '[[source]]\nname = "disk"\npath = "/mnt/not-there"')
    assert config.warnings == (
        'config.toml: source "disk": path: "/mnt/not-there" is not a directory now; the source fails until it is',
    )


def test_a_disabled_source_is_not_looked_for() -> None:
    config = loaded(SITE + '[[source]]\nname = "disk"\npath = "/mnt/not-there"\nenabled = false')
    assert config.warnings == ("config.toml: no source is enabled; there is nothing to read",)


def test_a_config_without_sources_is_a_warning() -> None:
    assert loaded(SITE).warnings == ("config.toml: no source is enabled; there is nothing to read",)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("feeds.entires = 3", 'feeds: unknown key "entires"; did you mean "entries"?', id="key"),
        pytest.param("fedes = 3", 'unknown key "fedes"; did you mean "feeds"?', id="table"),
        pytest.param("qqq = 3", 'unknown key "qqq"', id="far-from-any"),
        pytest.param("feeds = 3", "feeds: 3 is not a table", id="no-table"),
        pytest.param("storage = 3", "storage: 3 is not a table", id="no-storage"),
        pytest.param("feeds.entries = 0", "feeds: entries: 0 is not 1 or more", id="none"),
        pytest.param("feeds.entries = 2.5", "feeds: entries: 2.5 is not a whole number", id="fraction"),
        pytest.param("feeds.entries = true", "feeds: entries: true is not a whole number", id="truth"),
        pytest.param("feeds.max_entries = 1000001", "feeds: max_entries: 1000001 is more than 1000000", id="too-many"),
        pytest.param(
            "feeds.entries = 501", "feeds: entries: 501 is more than max_entries, which is 500", id="over-the-most"
        ),
        pytest.param(
            "categories.A.entries = 501",
            'categories."A": entries: 501 is more than max_entries, which is 500',
            id="category-over-the-most",
        ),
        pytest.param("feeds.formats = []", "feeds: formats: [] is empty", id="no-format"),
        pytest.param('feeds.formats = "rss"', 'feeds: formats: "rss" is not a list', id="no-list"),
        pytest.param(
            'feeds.formats = ["rdf"]', 'feeds: formats: "rdf" is not one of "atom", "rss", "json"', id="format"
        ),
        pytest.param('feeds.formats = ["rss", "rss"]', 'feeds: formats: "rss" stands there twice', id="double"),
        pytest.param('feeds.window = "-1d"', 'feeds: window: "-1d" is negative', id="negative"),
        pytest.param('feeds.settle = "99999d"', 'feeds: settle: "99999d" is longer than "3660d"', id="for-ever"),
        pytest.param('feeds.settle = "3660d1s"', 'feeds: settle: "3660d1s" is longer than "3660d"', id="just-over"),
        pytest.param('feeds.settle = "d"', 'feeds: settle: "d" is not a duration such as "10m"', id="unit-only"),
        pytest.param("feeds.settle = 10", 'feeds: settle: 10 is not a duration such as "10m"', id="unit-missing"),
        pytest.param(
            'server.listen = "8080"',
            'server: listen: "8080" is not a host and a port such as "127.0.0.1:8080", nor "unix:/run/feeder/http.sock", nor ""',
            id="no-host",
        ),
        pytest.param(
            'server.listen = "host:65536"',
            'server: listen: "host:65536" is not a host and a port such as "127.0.0.1:8080", nor "unix:/run/feeder/http.sock", nor ""',
            id="port",
        ),
        pytest.param(
            'dates.zones = { "C ST" = "+08:00" }',
            'dates: zones.C ST: "C ST" is not the short name of a zone such as "CST"',
            id="zone-name",
        ),
        pytest.param(
            'dates.zones = { gmt = "+08:00" }',
            'dates: zones.gmt: "gmt" always means +00:00; a source that means something else has date_offset',
            id="fixed-zone",
        ),
        pytest.param(
            'dates.zones = { CST = "+15:00" }',
            'dates: zones.CST: "+15:00" is not an offset such as "+08:00"',
            id="zone-offset",
        ),
        pytest.param("dedup.never = [1]", "dedup: never: 1 is not text", id="not-text"),
        pytest.param('dedup.never = [" "]', 'dedup: never: " " is not a line of text', id="blank"),
        pytest.param("include = [3]", "include: [3] is not a list of file names", id="include"),
        pytest.param('include = ["x.toml"]', "x.toml: cannot be read: No such file or directory", id="include-missing"),
        pytest.param("categories = 3", "categories: 3 is not a table", id="categories"),
        pytest.param("categories.A = 3", 'categories."A": 3 is not a table', id="category"),
        pytest.param(
            'categories."/" = {}', 'categories: "/" is not a path of names such as "Partners/Example"', id="no-name"
        ),
        pytest.param(
            'categories.A.slug = "My News"',
            'categories."A": slug: "My News" is not a slug such as "my-news": small letters, digits and "-"',
            id="slug",
        ),
        pytest.param(
            'categories.A.slug = "../etc"',
            'categories."A": slug: "../etc" is not a slug such as "my-news": small letters, digits and "-"',
            id="slug-that-leads-out",
        ),
        pytest.param(
            'categories.A.language = "zh_CN"',
            'categories."A": language: "zh_CN" is not a language tag such as "zh-CN"',
            id="language",
        ),
        pytest.param("source = 3", "source: is one table; write [[source]] with double brackets", id="source"),
        pytest.param(
            'source = { name = "a", path = "b" }',
            "source: is one table; write [[source]] with double brackets",
            id="single-brackets",
        ),
        pytest.param("source = [3]", "source 1: 3 is not a table", id="source-number"),
        pytest.param("defaults.limit = -1", "defaults: limit: -1 is not 1 or more", id="defaults"),
        pytest.param(
            'defaults.name = "x"',
            "defaults: name: is for one source alone; it may stand in [[source]] only",
            id="no-default",
        ),
        pytest.param(
            'defaults = { cron = "@daily", interval = "1h" }',
            "defaults: interval and cron exclude each other",
            id="contradiction",
        ),
        pytest.param(
            'storage.state = "postgresql://u:p@ss@db/feeder"',
            'storage: state: is not an address such as "postgresql://feeder@localhost/feeder"; are the password\'s special '
            "characters percent-encoded?",
            id="postgresql",
        ),
        pytest.param(
            'storage.state = "feeder.db"',
            'storage: state: "feeder.db" is not a database such as "sqlite:///var/feeder.db"',
            id="plain-state",
        ),
        pytest.param(
            'storage.state = "sqlite:///:memory:"',
            'storage: state: "sqlite:///:memory:" is not a database such as "sqlite:///var/feeder.db"',
            id="memory",
        ),
        pytest.param(
            "redirects = 3",
            'redirects: is not a table of lines such as "/old.xml" = "/new.xml"',
            id="redirects",
        ),
        pytest.param(
            'redirects = { "/a" = ["/b"] }',
            'redirects: is not a table of lines such as "/old.xml" = "/new.xml"',
            id="redirects-list",
        ),
        pytest.param(
            'redirects = { "/a" = "https://elsewhere.example/" }',
            'redirects: "/a": "https://elsewhere.example/" is not a path such as "/feeds/{slug}.xml"',
            id="redirect-to-another-host",
        ),
        pytest.param(
            'redirects = { "/a" = "/b", "/b" = "/c" }',
            'redirects: "/a": "/b" is redirected itself, by "/b"; name its end',
            id="redirect-in-two-steps",
        ),
        pytest.param(
            'redirects = { "/a/{slug}" = "/b", "/{path}/b" = "/c" }',
            'redirects: "/{path}/b": "/a/{slug}" matches some of it, too; beside a pattern only an exact path may be',
            id="redirects-that-overlap",
        ),
        pytest.param(
            'websub.hub = "hub.example.org"',
            'websub: hub: "hub.example.org" is not an absolute URL such as "https://example.org/"',
            id="hub",
        ),
        pytest.param(
            'websub.hub = "https://me:secret@hub.example.org/"',
            "websub: hub: holds a name or a password, which every feed would show",
            id="hub-with-password",
        ),
        pytest.param(
            'websub.hub = "https://hub.example.org/#a"',
            'websub: hub: "https://hub.example.org/#a" holds a fragment, which no server sees',
            id="hub-with-fragment",
        ),
        pytest.param("websub.batch = 0", "websub: batch: 0 is not 1 or more", id="batch"),
        pytest.param(
            'storage.after_publish = "rsync -a"',
            'storage: after_publish: "rsync -a" is not a list',
            id="command-as-text",
        ),
        pytest.param(
            'storage.after_publish = ["a", ""]',
            'storage: after_publish: "" is not a word that a program can be given',
            id="command-with-nothing",
        ),
        pytest.param(
            'storage.output = "gs://bucket/feeds"',
            'storage: output: "gs://bucket/feeds" is neither a directory nor a bucket such as "s3://feeds.example.org/news"',
            id="output-elsewhere",
        ),
        pytest.param(
            'storage.output = "s3://No/feeds"',
            'storage: output: "s3://No/feeds" names no bucket: 3 to 63 of a-z, 0-9, dot and hyphen',
            id="bucket-name",
        ),
        pytest.param(
            'storage.output = "s3://bucket/a//b"',
            'storage: output: "s3://bucket/a//b" has a prefix with more than letters, digits and !-_.*\'()',
            id="bucket-prefix",
        ),
        pytest.param(
            'storage.output = "s3://bucket"\nserver.listen = "127.0.0.1:8080"',
            'server: listen: what is in a bucket is served by it, or by a CDN before it: let it be ""',
            id="bucket-and-server",
        ),
        pytest.param(
            'storage.output = "s3://bucket"\nbucket.access_key = "env:KEY"',
            "bucket: access_key and secret_key go together",
            id="bucket-half-a-key",
        ),
        pytest.param(
            'storage.output = "s3://bucket"\nbucket.secret_key = "abc123"',
            'bucket: secret_key: is not the name of a secret such as "env:NAME" or "credential:NAME"; '
            "a secret itself does not belong here",
            id="bucket-secret-itself",
        ),
        pytest.param(
            'storage.output = "s3://bucket"\nbucket.region = "Frankfurt am Main"',
            'bucket: region: "Frankfurt am Main" is not a region such as "eu-central-1"',
            id="bucket-region",
        ),
        pytest.param(
            'bucket.endpoint = "https://s3.example.org/bucket"',
            'bucket: endpoint: "https://s3.example.org/bucket" is not the address of a store such as '
            '"https://s3.example.org:9000"',
            id="bucket-endpoint",
        ),
        pytest.param(
            'bucket.cache_control = "max-age=60\\n"',
            'bucket: cache_control: "max-age=60\\n" is not a line of ASCII without blanks around it',
            id="bucket-cache-control",
        ),
    ],
)
def test_fault_92_the_config_is_refused_in_plain_words(text: str, problem: str) -> None:
    prefix = "" if problem.startswith("x.toml") else "config.toml: "
    assert problems(f"{text}\n{SITE}") == (prefix + problem,)


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        pytest.param('interval = "10 parsecs"', 'interval: "10 parsecs" is not a duration such as "10m"', id="unit"),
        pytest.param('interval = "0s"', 'interval: "0s" is not longer than "0s"', id="zero"),
        pytest.param('interval = "-5m"', 'interval: "-5m" is negative', id="negative"),
        pytest.param('enabled = "yes"', 'enabled: "yes" is not true or false', id="truth"),
        pytest.param('dialect = "hugho"', None, id="dialect"),
        pytest.param(
            'cron = "* * *"',
            'cron: "* * *" is not a crontab line such as "*/10 * * * *": it has 3 fields in place of five',
            id="cron",
        ),
        pytest.param('cron = "@daily"\ninterval = "1h"', "interval and cron exclude each other", id="contradiction"),
        pytest.param(
            'timezone = "Asia/Shangai"',
            'timezone: "Asia/Shangai" is not a time zone such as "Asia/Shanghai"; did you mean "Asia/Shanghai"?',
            id="zone",
        ),
        pytest.param(
            'timezone = "new york"',
            'timezone: "new york" is not a time zone such as "Asia/Shanghai"; did you mean "America/New_York"?',
            id="city",
        ),
        pytest.param(
            'timezone = "Asia"',
            'timezone: "Asia" is not a time zone such as "Asia/Shanghai"',
            id="continent",
        ),
        pytest.param('remove = ["a >> b"]', 'remove: "a >> b" is not a CSS selector such as ".ad"', id="selector"),
        pytest.param(
            'exclude = ["../x"]', 'exclude: "../x" is not a pattern below the directory such as "*.md"', id="up"
        ),
        pytest.param(
            'permalink = "https://example.org/{yaer}"',
            'permalink: "https://example.org/{yaer}": "{yaer}" is no placeholder; did you mean "year"?',
            id="placeholder",
        ),
        pytest.param(
            'permalink = "https://example.org/{year"',
            'permalink: "https://example.org/{year" is not a template such as "https://example.org/{year}/{slug}/": '
            "a brace has no partner",
            id="brace",
        ),
        pytest.param(
            'permalink = "/{slug}/"',
            'permalink: "/{slug}/" is not a template such as "https://example.org/{year}/{slug}/"',
            id="relative-permalink",
        ),
        pytest.param(
            'fields = { titel = "headline" }',
            None,
            id="field",
        ),
        pytest.param(
            'base_url = "ftp://example.org/"',
            'base_url: "ftp://example.org/" is not an absolute URL such as "https://example.org/"',
            id="scheme",
        ),
        pytest.param(
            'base_url = "https://example.org:x/"',
            'base_url: "https://example.org:x/" is not an absolute URL such as "https://example.org/"',
            id="port",
        ),
        pytest.param('alert_after = "0s"', 'alert_after: "0s" is not longer than "0s"', id="no-patience"),
        pytest.param('url = "https://example.org/feed.xml"', "path and url exclude each other", id="url"),
        pytest.param(
            'interval = "auto"', 'interval: "auto" is for URLs; this source is a directory', id="learned-interval"
        ),
        pytest.param('timeout = "20s"', "timeout: is for URLs; this source is a directory", id="for-urls"),
        pytest.param("keep_ids = true", "keep_ids: is for feeds; this source is a directory", id="for-feeds"),
        pytest.param("first = 3", "first: is for feeds and pages; this source is a directory", id="for-windows"),
        pytest.param('select = { item = "p" }', "select: is for pages; this source is a directory", id="for-pages"),
        pytest.param('watch = "on"', 'watch: "on" is not one of "auto", true, false', id="watch"),
        pytest.param('exlude = ["x"]', 'unknown key "exlude"; did you mean "exclude"?', id="key"),
        pytest.param('was = "a"', 'was: "a" is a source of its own in this config', id="was"),
        pytest.param(
            'author = "a\\u001b[2J\\nconfig.toml: all is well"',
            'author: "a\\u001b[2J\\nconfig.toml: all is well" is not a line of text',
            id="escape-sequence",
        ),
        pytest.param('rights = "\u009b\u202e"', 'rights: "\\x9b\\u202e" is not a line of text', id="other-controls"),
    ],
)
def test_fault_92_a_source_is_refused_in_plain_words(key: str, problem: str | None) -> None:
    expected = (
        problem
        or {
            'dialect = "hugho"': 'dialect: "hugho" is not one of "auto", "hexo", "jekyll", "hugo", "pelican", "eleventy", '
            '"astro", "obsidian"',
            'fields = { titel = "headline" }': 'fields.titel: "titel" is not one of "title", "date", "updated", '
            '"categories", "tags", "author", "image", "link", "slug", "guid", "summary"',
        }[key]
    )
    assert problems(SITE + SOURCE + key) == (f'config.toml: source "a": {expected}',)


@pytest.mark.parametrize(
    ("site", "problem"),
    [
        pytest.param('title = ""', 'title: "" is not a line of text', id="title"),
        pytest.param('url = "example.org"', None, id="relative"),
        pytest.param(
            'url = "https://example.org/?a"',
            'url: "https://example.org/?a" holds more than scheme, host and path',
            id="query",
        ),
        pytest.param('id = "example.org"', None, id="no-date"),
        pytest.param('id = "example.org,2026-13"', None, id="thirteenth-month"),
        pytest.param('id = "-example.org,2026"', None, id="no-domain"),
        pytest.param(
            'language = "german!"', 'language: "german!" is not a language tag such as "zh-CN"', id="language"
        ),
    ],
)
def test_fault_92_the_site_is_refused_in_plain_words(site: str, problem: str | None) -> None:
    key, found = site.split(" = ")
    default = {
        "id": f'id: {found} is not a domain and a date such as "feeds.example.org,2026"',
        "url": f'url: {found} is not an absolute URL such as "https://example.org/"',
    }
    whole = {"title": '"News"', "url": '"https://example.org/"', "id": '"example.org,2026"'} | {key: found}
    text = "[site]\n" + "\n".join(f"{name} = {value}" for name, value in whole.items())
    assert problems(text) == (f"config.toml: site: {problem or default[key]}",)


def test_what_must_be_there_is_missed() -> None:
    assert problems("[[source]]\nlimit = 3\n[[source]]\nname = 'b'\n") == (
        "config.toml: site: title: is missing",
        "config.toml: site: url: is missing",
        "config.toml: site: id: is missing",
        "config.toml: source 1: path or url is missing",
        "config.toml: source 1: name: is missing",
        'config.toml: source "b": path or url is missing',
    )


def test_all_faults_of_all_files_are_told_at_once() -> None:
    write('[defaults]\ninterval = "soon"\n[site]\n' + SOURCE + "limit = 0\n", "d/1.toml")
    write("[[source]\n", "d/2.toml")
    found = problems('include = ["d/*.toml"]\nfeeds.entries = "x"\nfeeds.max_entries = 20\n' + SITE + SOURCE)
    assert found == (
        'config.toml: feeds: entries: "x" is not a whole number',
        'd/1.toml: "site" may stand in the main file only',
        "d/2.toml: line 1, column 9: expected ']]' at the end of an array declaration",
        'd/1.toml: defaults: interval: "soon" is not a duration such as "10m"',
        'd/1.toml: source "a": limit: 0 is not 1 or more',
        'd/1.toml: source "a": name: is taken by another source in config.toml',
    )


def test_names_are_compared_whatever_else_is_wrong() -> None:
    twin = '[[source]]\nname = "a"\npath = "b"\n'
    assert problems(f"{SITE}{SOURCE}limit = 0\n{twin}{twin}dialect = 7\n") == (
        'config.toml: source "a": limit: 0 is not 1 or more',
        'config.toml: source "a": name: is taken by another source in config.toml',
        *problems(f"{SITE}{SOURCE}dialect = 7\n"),
        'config.toml: source "a": name: is taken by another source in config.toml',
    )


def test_a_state_that_is_no_file_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "state.db").symlink_to("/dev/null")
    found = problems(f'{SITE}storage.state = "sqlite:///state.db"\n{SOURCE}')
    assert found == (f'config.toml: storage: state: "{tmp_path}/state.db" is no regular file',)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        pytest.param(b"a = \nb = 1", "line 1, column 5: invalid value", id="value"),
        pytest.param(b"a = [1", "end of file: unclosed array", id="end"),
        pytest.param(b"[a]\n[a]", "line 2, column 3: cannot declare ('a',) twice", id="twice"),
        pytest.param(
            b"a = " + b"9" * 5000,
            "is not TOML: Exceeds the limit (4300 digits) for integer string conversion: value has 5000 digits; "
            "use sys.set_int_max_str_digits() to increase the limit",
            id="long-number",
        ),
        pytest.param(b"\n\xff", "is not UTF-8 at byte 1", id="encoding"),
        pytest.param(b"a = " + b"[" * 100_000, "line 1, column 105: nested deeper than 100 levels", id="depth"),
        pytest.param(
            b"\n[" + b"a." * 30_000 + b"a]", "line 2, column 201: nested deeper than 100 levels", id="dotted-table"
        ),
    ],
)
def test_what_is_not_toml_is_refused_with_its_place(body: bytes, problem: str) -> None:
    Path("config.toml").write_bytes(body)
    with pytest.raises(ConfigError, match=f"^config.toml: {re.escape(problem)}$"):
        load(Path("config.toml"))


@pytest.mark.parametrize(
    "name", [pytest.param("n" * 101, id="long"), pytest.param("a\u200bb", id="with-a-character-that-nobody-sees")]
)
def test_a_name_that_cannot_be_typed_is_refused(name: str) -> None:
    [problem] = problems(SITE + SOURCE.replace('"a"', f'"{name}"'))
    assert problem.endswith(" is not a name of up to 100 printable characters")


@pytest.mark.parametrize("title", ["新闻　中心", "👩\u200d💻 News", "Nyheter\u00a02026"])
def test_a_title_may_hold_what_people_write(title: str) -> None:
    assert loaded(SITE.replace("News", title) + SOURCE).site.title == title


def test_two_sources_cannot_have_been_the_same_one() -> None:
    text = SITE + SOURCE + 'was = "old"\n' + SOURCE.replace('"a"', '"b"') + 'was = "old"'
    assert problems(text) == ('config.toml: source "b": was: "old" is what another source was, too',)


# ---------------------------------------------------------------- categories


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        pytest.param(
            'categories."A/B" = {}\ncategories."a/b" = {}',
            ['categories."a/b": is the same category as "A/B"'],
            id="the-same",
        ),
        pytest.param(
            'categories.A.slug = "b"\ncategories.B = {}',
            ['categories."B": its feeds would be written over those of "A"; give one of them another slug'],
            id="slug-of-another-name",
        ),
        pytest.param(
            'categories.A.slug = "x"\ncategories.B.slug = "x"\ncategories."A/C".slug = "y"\ncategories."B/C".slug = "y"',
            [
                'categories."B": its feeds would be written over those of "A"; give one of them another slug',
                'categories."B/C": its feeds would be written over those of "A/C"; give one of them another slug',
            ],
            id="equal-slugs",
        ),
        pytest.param(
            'categories.A.slug = "b"\ncategories."B/C".title = "D"\ncategories."B/E".title = "F"',
            [
                'categories."B/C": the feeds of "B" would be written over those of "A"; give one of them another slug',
            ],
            id="slug-of-a-parent-s-name",
        ),
        pytest.param(
            'categories.A.slug = "b"\ncategories.C.same_as = "B"',
            ['categories."C": the feeds of "B" would be written over those of "A"; give one of them another slug'],
            id="slug-of-a-category-that-gets-articles",
        ),
        pytest.param(
            'categories.A.same_as = "a"', ['categories."A": same_as: "a" leads back here'], id="same-as-itself"
        ),
        pytest.param(
            'categories.A.same_as = "A/B"', ['categories."A": same_as: "A/B" leads back here'], id="same-as-below"
        ),
        pytest.param(
            'categories.A.same_as = "B"\ncategories.B.same_as = "C"\ncategories.C.same_as = "A"\n'
            'categories.D.same_as = "A"',
            [
                'categories."A": same_as: "B" leads back here',
                'categories."B": same_as: "C" leads back here',
                'categories."C": same_as: "A" leads back here',
            ],
            id="circle-of-three",
        ),
        pytest.param(
            'categories.A.same_as = "B/C"\ncategories.B.same_as = "A"',
            [
                'categories."A": same_as: "B/C" leads back here',
                'categories."B": same_as: "A" leads back here',
            ],
            id="circle-by-way-of-a-parent",
        ),
        pytest.param(
            'categories.A = { same_as = "B", title = "C" }',
            ['categories."A": same_as stands alone: the other category\'s settings count'],
            id="settings-that-nobody-sees",
        ),
        pytest.param(
            'categories.A = { same_as = "B", alert_after = "2d" }',
            ['categories."A": same_as stands alone: the other category\'s settings count'],
            id="silence-of-nothing",
        ),
    ],
)
def test_fault_92_categories_that_cannot_stand_together_are_refused(tables: str, expected: list[str]) -> None:
    assert problems(f"{tables}\n{SITE}") == tuple(f"config.toml: {line}" for line in expected)


@pytest.mark.parametrize(
    "tables",
    [
        pytest.param('categories."A/B".slug = "x"\ncategories."C/B".slug = "x"', id="equal-slugs-of-two-parents"),
        pytest.param('categories.A.same_as = "B"\ncategories.B.same_as = "C"', id="a-chain"),
        pytest.param('categories."A/B".same_as = "A"', id="up"),
        pytest.param(
            'categories.X.slug = "b"\ncategories.A.same_as = "B"\ncategories.B.same_as = "C"', id="a-slug-nobody-needs"
        ),
        pytest.param('categories."C++".entries = 1\ncategories."C#".entries = 1', id="names-that-look-alike"),
    ],
)
def test_categories_that_can_stand_together_are_taken(tables: str) -> None:
    assert loaded(f"{tables}\n{SITE}").site.categories


# ---------------------------------------------------------------- places


@pytest.mark.parametrize(
    ("storage", "path", "expected"),
    [
        pytest.param(
            'output = "articles/public"',
            "articles",
            'source "a": path: "{here}/articles" holds the output directory; feeds would be read as articles',
            id="output-in-source",
        ),
        pytest.param(
            'output = "articles"',
            "articles",
            'source "a": path: "{here}/articles" holds the output directory; feeds would be read as articles',
            id="one-directory-for-both",
        ),
        pytest.param(
            'output = "public"',
            "public/posts",
            'source "a": path: "{here}/public/posts" lies inside the output directory, where only feeds are kept',
            id="source-in-output",
        ),
        pytest.param(
            'state = "sqlite:///public/feeder.db"',
            "articles",
            'storage: state: "{here}/public/feeder.db" lies inside the output directory, where everybody could fetch it',
            id="state-in-output",
        ),
        pytest.param(
            'output = "."\nstate = "sqlite:////var/lib/feeder-elsewhere/feeder.db"',
            "/srv/articles-elsewhere",
            'storage: output: "{here}" holds the configuration, which everybody could fetch',
            id="config-in-output",
        ),
        pytest.param(
            'state = "sqlite:///articles"',
            "articles",
            'storage: state: "{here}/articles" is a directory',
            id="state-is-a-directory",
        ),
        pytest.param(
            'output = "config.toml/public"',
            "articles",
            'storage: output: "{here}/config.toml" is not a directory',
            id="output-below-a-file",
        ),
        pytest.param("state = 3", "articles", "storage: state: 3 is not text", id="state-is-a-number"),
    ],
)
def test_fault_96_output_and_sources_are_kept_apart(storage: str, path: str, expected: str, tmp_path: Path) -> None:
    found = problems(f'{SITE}[storage]\n{storage}\n[[source]]\nname = "a"\npath = "{path}"')
    assert found == (f"config.toml: {expected.format(here=tmp_path)}",)


def test_a_link_does_not_hide_a_loop(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("articles")
    [problem] = problems(SITE + 'storage.output = "link/public"\n' + SOURCE)
    assert problem.endswith("holds the output directory; feeds would be read as articles")


def test_loading_touches_nothing(tmp_path: Path) -> None:
    loaded(SITE + SOURCE)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["articles", "config.toml"]


def test_directories_without_permission_are_told_apart(tmp_path: Path) -> None:
    """Root may do everything, so nobody looks, into directories that nobody may enter."""
    (tmp_path / "articles").chmod(0o000)
    (tmp_path / "state.db").touch(0o444)
    tmp_path.chmod(0o555)
    above = [each for each in tmp_path.parents if each.name.startswith(("pytest-", "popen-"))]  # pytest's, for us alone
    for each in above:
        each.chmod(0o755)
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from feeder.config import places\n"
        "here = Path(sys.argv[1])\n"
        "os.geteuid() or os.setuid(65534)\n"
        "print(*places.faults_of_writing(here / 'state.db', here / 'public'), sep='\\n')\n"
        "print(places.doubt(here / 'articles'), places.doubt(here / 'articles/deep'), sep='\\n')\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    finally:
        for each in (tmp_path / "articles", tmp_path, *above):
            each.chmod(0o700)
    assert done.stdout.splitlines() == [
        f'state: "{tmp_path}" cannot be written to',
        f'output: "{tmp_path}" cannot be written to',
        f'state: "{tmp_path}/state.db" cannot be written',
        f'path: "{tmp_path}/articles" cannot be read now; the source fails until it can',
        f'path: "{tmp_path}/articles/deep" is not a directory now; the source fails until it is',
    ], done.stderr


# ---------------------------------------------------------------- URLs


def problems_of(source: str) -> list[str]:
    return [problem.removeprefix('config.toml: source "a": ') for problem in problems(SITE + source)]


def test_the_least_source_with_a_url_has_every_default() -> None:
    config = loaded(SITE + FEED)
    assert config.sources == (Source(name="a", order=0, url="https://example.net/feed.xml", max_categories=100),)
    assert config.warnings == ()


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        pytest.param('kind = "archive"', {"kind": SourceKind.ARCHIVE}, id="kind"),
        pytest.param('interval = "auto"', {"is_adaptive": True, "interval": timedelta(minutes=10)}, id="learned"),
        pytest.param('min_interval = "0s"', {"min_interval": timedelta()}, id="no-minimum"),
        pytest.param('max_interval = "7d"', {"max_interval": timedelta(days=7)}, id="maximum"),
        pytest.param('timeout = "5s"', {"timeout": timedelta(seconds=5)}, id="timeout"),
        pytest.param('max_size = "200KiB"', {"max_size": 200 << 10}, id="size"),
        pytest.param('max_size = "1GiB"', {"max_size": 1 << 30}, id="largest-size"),
        pytest.param("max_categories = 3", {"max_categories": 3}, id="categories"),
        pytest.param("first = 3", {"first": 3}, id="first"),
        pytest.param("keep_ids = true", {"keep_ids": True}, id="ids"),
        pytest.param(
            'allow_private = ["10.0.3.7", "fd00::/8"]',
            {"allow_private": ("10.0.3.7/32", "fd00::/8")},
            id="networks",
        ),
        pytest.param(
            'headers = { X-Key = "env:KEY", Accept-Language = "zh-CN, en;q=0.5" }',
            {"headers": (("Accept-Language", "zh-CN, en;q=0.5"), ("X-Key", "env:KEY"))},
            id="headers",
        ),
        pytest.param('auth = "basic:env:PARTNER"', {"auth": "basic:env:PARTNER"}, id="basic"),
        pytest.param('auth = "bearer:credential:a.b-c"', {"auth": "bearer:credential:a.b-c"}, id="bearer"),
        pytest.param('cookies = "credential:jar"', {"cookies": "credential:jar"}, id="cookies"),
        pytest.param('proxy = "http://proxy:3128"', {"proxy": "http://proxy:3128"}, id="proxy"),
        pytest.param(
            'select = { item = "li:has(a)", title = "h3:-soup-contains(a)" }',
            {"select": Select(item="li:has(a)", title="h3:-soup-contains(a)")},
            id="select",
        ),
        pytest.param('include = ["*.md"]', {"include": ("*.md",)}, id="what-an-archive-may-need"),
    ],
)
def test_a_key_of_a_url_becomes_a_value(key: str, expected: Mapping[str, object]) -> None:
    [source] = loaded(SITE + FEED + key).sources
    assert {name: getattr(source, name) for name in expected} == expected


def test_certificates_are_looked_for_beside_the_file_that_names_them(tmp_path: Path) -> None:
    write(FEED + 'tls_ca = "ca.pem"', "more/one.toml")
    config = loaded('include = ["more/*.toml"]\n' + SITE)
    path = tmp_path / "more/ca.pem"
    assert config.sources[0].tls_ca == path
    assert config.warnings == (
        f'more/one.toml: source "a": tls_ca: "{path}" is not a file now; the source fails until it is',
    )
    path.touch()
    assert loaded('include = ["more/*.toml"]\n' + SITE).warnings == ()


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        pytest.param('kind = "rss"', None, id="kind"),
        pytest.param('kind = ["feed"]', None, id="kinds"),
        pytest.param("watch = true", "watch: is for directories; this source is a URL", id="watch"),
        pytest.param(
            'kind = "feed"\nwithdraw_after = "1d"',
            "withdraw_after: is for directories and archives; this source is a feed",
            id="a-window",
        ),
        pytest.param(
            'kind = "page"\nselect.item = "p"\ndialect = "hexo"',
            "dialect: is for directories, archives and documents; this source is a page",
            id="front-matter",
        ),
        pytest.param(
            'kind = "archive"\nfirst = 3', "first: is for feeds and pages; this source is an archive", id="a-tree"
        ),
        pytest.param(
            'kind = "feed"\nselect = { item = "p" }', "select: is for pages; this source is a feed", id="select"
        ),
        pytest.param(
            'kind = "page"',
            'select: is missing; a page is read by selectors, such as select.item = "article"',
            id="no-select",
        ),
        pytest.param("select = 3", "select: 3 is not a table", id="select-is-a-number"),
        pytest.param('select = { title = "p" }', "select.item: is missing", id="no-item"),
        pytest.param(
            'select = { item = "p", titel = "p" }',
            'select: unknown key "titel"; did you mean "title"?',
            id="unknown-selector",
        ),
        pytest.param(
            'select = { item = "p >" }',
            'select.item: "p >" is not a CSS selector such as "article h2": Invalid character \' \' position 1',
            id="selector",
        ),
        pytest.param('max_size = "15MB"', 'max_size: "15MB" is not a size such as "15MiB"', id="size"),
        pytest.param("max_size = 15", 'max_size: 15 is not a size such as "15MiB"', id="size-without-unit"),
        pytest.param('max_size = "0B"', 'max_size: "0B" is not between "1B" and "1GiB"', id="no-size"),
        pytest.param('max_size = "2GiB"', 'max_size: "2GiB" is not between "1B" and "1GiB"', id="too-large"),
        pytest.param('timeout = "301s"', 'timeout: "301s" is longer than "5m"', id="too-patient"),
        pytest.param('timeout = "0s"', 'timeout: "0s" is not longer than "0s"', id="no-time"),
        pytest.param(
            'allow_private = ["10.0.3.7/24"]',
            'allow_private: "10.0.3.7/24" is not a network such as "10.0.3.7/32"; did you mean "10.0.3.0/24"?',
            id="half-a-network",
        ),
        pytest.param(
            'allow_private = ["intranet"]',
            'allow_private: "intranet" is not a network such as "10.0.3.7/32"',
            id="no-network",
        ),
        pytest.param(
            'allow_private = ["10.0.3.7", "10.0.3.7/32"]',
            'allow_private: "10.0.3.7/32" stands there twice',
            id="network-twice",
        ),
        pytest.param('allow_private = "10.0.3.7"', 'allow_private: "10.0.3.7" is not a list', id="no-list"),
        pytest.param(
            'headers = { authorization = "x" }',
            'headers.authorization: "authorization" is not for headers; '
            'give it by auth = "bearer:env:NAME" or "basic:env:NAME"',
            id="authorization",
        ),
        pytest.param(
            'headers = { Cookie = "x" }',
            'headers.Cookie: "Cookie" is not for headers; give it by cookies = "env:NAME"',
            id="cookie-header",
        ),
        pytest.param(
            'headers = { Proxy-Authorization = "x" }',
            'headers.Proxy-Authorization: "Proxy-Authorization" is not for headers; '
            "a proxy is reached without a password",
            id="proxy-authorization",
        ),
        pytest.param(
            'headers = { Host = "x" }',
            'headers.Host: "Host" is not for headers; it is what the url says',
            id="host",
        ),
        pytest.param(
            'headers = { If-None-Match = "x" }',
            'headers.If-None-Match: "If-None-Match" is for Feeder to say: it goes with how an answer is read',
            id="validator",
        ),
        pytest.param(
            'headers = { "X Y" = "x" }',
            'headers.X Y: "X Y" is not the name of a header such as "Accept-Language"',
            id="header-name",
        ),
        pytest.param(
            'headers = { X = "a\\r\\nHost: b" }',
            'headers.X: "a\\r\\nHost: b" is not a line of ASCII without blanks around it',
            id="header-injection",
        ),
        pytest.param('headers = { X = "a", x = "b" }', 'headers: "x" stands there twice', id="header-twice"),
        pytest.param(
            'headers = { X = "env:A B" }',
            'headers.X: "env:A B" is not the name of a secret such as "env:NAME" or "credential:NAME"',
            id="header-secret",
        ),
        pytest.param("headers = 3", "headers: 3 is not a table", id="headers"),
        pytest.param(
            'proxy = "socks5://proxy"',
            'proxy: "socks5://proxy" is not an absolute URL such as "https://example.org/"',
            id="proxy",
        ),
        pytest.param(
            'proxy = "http://proxy/path"',
            'proxy: "http://proxy/path" holds more than scheme, host and port',
            id="proxy-path",
        ),
        pytest.param(
            'min_interval = "2d"', 'min_interval: is longer than max_interval, which is "1d"', id="above-the-default"
        ),
        pytest.param(
            'min_interval = "2d"\nmax_interval = "1d"', "min_interval: is longer than max_interval", id="crossed"
        ),
        pytest.param(
            'min_interval = "1h"\ninterval = "30m"', "interval: is shorter than min_interval", id="below-the-minimum"
        ),
    ],
)
def test_fault_92_a_url_is_refused_in_plain_words(key: str, problem: str | None) -> None:
    kinds = 'is not one of "auto", "feed", "page", "document", "archive"'
    expected = problem or f"kind: {key.removeprefix('kind = ')} {kinds}"
    assert problems_of(FEED + key) == [expected]


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        pytest.param("url", "https://me:hunter2@example.net/", 'give them by auth = "basic:env:NAME"', id="url"),
        pytest.param("url", "https://hunter2@example.net/", 'give them by auth = "basic:env:NAME"', id="name-in-url"),
        pytest.param("url", "https://me:hunter2@exa mple/", 'give them by auth = "basic:env:NAME"', id="broken-url"),
        pytest.param("url", "me:hunter2@example.net", 'give them by auth = "basic:env:NAME"', id="no-scheme"),
        pytest.param("proxy", "http://me:hunter2@proxy/", "a proxy is reached without", id="proxy"),
        pytest.param("auth", "basic:me:hunter2", "a secret itself does not belong here", id="basic"),
        pytest.param("auth", "hunter2", "a secret itself does not belong here", id="auth"),
        pytest.param("auth", "bearer:env:", "a secret itself does not belong here", id="no-name"),
        pytest.param("auth", "bearer:credential:../hunter2", "a secret itself does not belong here", id="climbing"),
        pytest.param("auth", "bearer:credential:..", "a secret itself does not belong here", id="above"),
        pytest.param("cookies", "sid=hunter2", "cookies themselves do not belong here", id="cookies"),
        pytest.param("cookies", ["hunter2"], "cookies themselves do not belong here", id="list-of-cookies"),
    ],
)
def test_a_secret_in_clear_is_refused_and_not_repeated(key: str, value: object, expected: str) -> None:
    first = "" if key == "url" else 'url = "https://example.net/"\n'
    [problem] = problems_of(f'[[source]]\nname = "a"\n{first}{key} = {value!r}\n')
    assert problem.startswith(f"{key}: ")
    assert problem.endswith(expected)
    assert "hunter2" not in problem


def test_an_at_sign_in_a_path_is_no_password() -> None:
    assert loaded(SITE + FEED.replace("feed.xml", "@me:x/feed")).sources[0].url == "https://example.net/@me:x/feed"


@pytest.mark.parametrize(
    "path", ["", "atom.xml", "feeds.json", "index.html", "categories/a/rss.xml", "archive/1/atom.xml", "feed.json#top"]
)
def test_fault_96_what_this_site_publishes_is_no_source(path: str) -> None:
    url = f"https://example.org/{path}"
    assert problems_of(FEED.replace("https://example.net/feed.xml", url)) == [
        f'url: "{url}" is what this site publishes; its feeds would be read as articles'
    ]


@pytest.mark.parametrize("url", ["https://example.org/blog/atom.xml", "https://example.org.example.net/atom.xml"])
def test_what_else_lies_on_the_same_host_may_be_a_source(url: str) -> None:
    assert loaded(SITE + FEED.replace("https://example.net/feed.xml", url)).sources[0].url == url


def test_a_url_that_would_be_polled_too_often_is_a_warning() -> None:
    config = loaded(SITE + FEED + 'interval = "1m"')
    assert config.warnings == (
        'config.toml: source "a": interval: a URL is polled every 10 minutes at most, unless min_interval is shorter',
    )
    assert loaded(SITE + FEED + 'interval = "1m"\nmin_interval = "1m"').warnings == ()


def test_a_url_that_two_sources_have_is_a_warning() -> None:
    config = loaded(SITE + FEED + FEED.replace('"a"', '"b"'))
    assert config.warnings == ('config.toml: source "b": url: is that of source "a", too',)


def test_defaults_that_are_for_other_kinds_of_sources_are_passed_over() -> None:
    defaults = '[defaults]\ninterval = "auto"\nwatch = true\nfirst = 7\nkind = "feed"\nkeep_deleted = true\n'
    config = loaded(SITE + defaults + SOURCE + FEED.replace('"a"', '"b"'))
    directory, feed = config.sources
    assert (directory.watch, directory.is_adaptive, directory.keep_deleted) == (Watch.ON, False, True)
    assert directory.first == Source(name="a", order=0).first
    assert (feed.first, feed.is_adaptive, feed.keep_deleted, feed.watch) == (7, True, False, Watch.AUTO)


@pytest.mark.parametrize("key", ["url", "select", "headers", "auth", "cookies"])
def test_what_is_sent_to_one_server_is_no_default(key: str) -> None:
    assert problems(f'{SITE}[defaults]\n{key} = "x"') == (
        f"config.toml: defaults: {key}: is for one source alone; it may stand in [[source]] only",
    )


def test_no_key_may_have_a_scope_that_is_not_a_key() -> None:
    assert {f"source.{key}" for key in scopes.SCOPES} <= set(keys())


@pytest.mark.parametrize(
    "key",
    [
        pytest.param('kind = "feed"', id="kind"),
        pytest.param('select.item = "p"', id="select"),
        pytest.param("keep_ids = true", id="keep-ids"),
        pytest.param("max_categories = 3", id="max-categories"),
        pytest.param('headers = { Accept-Language = "de" }', id="headers"),
        pytest.param('exclude = ["x"]', id="exclude"),
        pytest.param('dialect = "hexo"', id="dialect"),
    ],
)
def test_a_setting_that_reads_a_url_otherwise_moves_the_fingerprint(key: str) -> None:
    assert reading(loaded(SITE + FEED + key)) != reading(loaded(SITE + FEED))


def test_another_url_moves_the_fingerprint() -> None:
    assert reading(loaded(SITE + FEED.replace("feed.xml", "atom.xml"))) != reading(loaded(SITE + FEED))


@pytest.mark.parametrize(
    "key",
    [
        pytest.param('interval = "auto"', id="interval"),
        pytest.param('timeout = "5s"', id="timeout"),
        pytest.param('max_size = "1MiB"', id="size"),
        pytest.param('auth = "basic:env:NAME"', id="auth"),
        pytest.param('cookies = "env:NAME"', id="cookies"),
        pytest.param('min_interval = "5m"', id="minimum"),
        pytest.param("first = 3", id="first"),
        pytest.param('allow_private = ["10.0.3.7/32"]', id="networks"),
    ],
)
def test_how_a_url_is_fetched_does_not_move_the_fingerprint(key: str) -> None:
    assert reading(loaded(SITE + FEED + key)) == reading(loaded(SITE + FEED))


# ---------------------------------------------------------------- the file that comes with the program


def optional_lines_taken_in(text: str) -> str:
    return re.sub(r"(?m)^#(?=[^ \n])", "", text)


def tables_of(text: str) -> Mapping[str, object]:
    return tomllib.loads(optional_lines_taken_in(text))


def test_the_config_that_comes_along_serves_the_examples() -> None:
    config = load(ROOT / "config.toml")
    assert config.warnings == ()
    assert [(source.name, source.path) for source in config.sources] == [("examples", ROOT / "examples/articles")]
    assert config.listen == ("127.0.0.1", 8080)


def test_the_config_that_comes_along_loads_with_every_option() -> None:
    text = (ROOT / "config.toml").read_text(encoding="utf-8")
    config = loaded(optional_lines_taken_in(text))
    assert [source.name for source in config.sources] == ["examples", "nightly", "partner", "notices"]


@pytest.mark.parametrize("key", keys())
def test_every_key_stands_in_the_config_that_comes_along(key: str) -> None:
    found: list[object] = [tables_of((ROOT / "config.toml").read_text(encoding="utf-8"))]
    for part in key.split("."):
        tables = [table for each in found for table in (each if isinstance(each, list) else [each])]
        found = [
            value
            for table in tables
            if isinstance(table, dict)
            for value in (table.values() if part == "*" else [table[part]] if part in table else [])
        ]
    assert found


def defaults_shown(start: str, end: str) -> str:
    """Return the optional lines between two headers whose comment says nothing of an example or another default."""
    text = (ROOT / "config.toml").read_text(encoding="utf-8")
    part = text[text.index(f"\n{start}\n") : text.index(f"\n{end}\n")]
    found = re.findall(r"(?m)^((?:# [^\n]*\n)*)#(\w[^\n]*)$", part)
    return "\n".join(line for comment, line in found if comment and not re.search("xample[.s]|Default:", comment))


def test_the_defaults_that_the_config_shows_are_the_defaults() -> None:
    feeds, pages = defaults_shown("[feeds]", "[pages]"), defaults_shown("[pages]", "[storage]")
    source = defaults_shown("[[source]]", "#[[source]]")
    assert loaded(f"{SITE}[feeds]\n{feeds}\n[pages]\n{pages}\n{SOURCE}{source}") == loaded(SITE + SOURCE)
    assert (feeds.count("\n"), pages.count("\n"), source.count("\n")) == (7, 0, 14)


def test_the_defaults_that_the_config_shows_for_a_url_are_the_defaults() -> None:
    shown = defaults_shown(
        '#url = "https://example.org/feed.xml"',
        "# A web page without a feed: CSS selectors say where its articles are.",
    )
    assert loaded(SITE + FEED + shown) == loaded(SITE + FEED)
    assert shown.count("\n") == 7


# ---------------------------------------------------------------- fingerprints


def test_every_setting_of_a_source_is_weighed() -> None:
    weighed = {
        *fingerprints.READ_OF_SOURCE,
        *fingerprints.READ_OF_URL,
        *fingerprints.READ_WHERE_SET,
        *fingerprints.RENDER_OF_SOURCE,
        *fingerprints.NEITHER_OF_SOURCE,
    }
    assert weighed == {field.name for field in fields(Source)}


def test_every_setting_of_site_and_feeds_is_weighed() -> None:
    assert {*fingerprints.READ_OF_SITE, *fingerprints.RENDER_OF_SITE} == {field.name for field in fields(Site)}
    assert {*fingerprints.RENDER_OF_FEEDS, *fingerprints.NEITHER_OF_FEEDS} == {
        field.name for field in fields(FeedSettings)
    }
    assert set(fingerprints.RENDER_OF_PAGES) == {field.name for field in fields(PageSettings)}


def config_of(key: str = "", top: str = "") -> Config:
    return loaded(f"{top}\n{SITE}{SOURCE}{key}")


def reading(config: Config) -> str:
    return fingerprint(config.sources[0], config.site)


@pytest.mark.parametrize(
    ("key", "top"),
    [
        pytest.param('dialect = "hexo"', "", id="dialect"),
        pytest.param('date_offset = "-8h"', "", id="offset"),
        pytest.param('timezone = "Asia/Tokyo"', "", id="zone"),
        pytest.param('fields = { title = "headline" }', "", id="fields"),
        pytest.param('category = "A/B"', "", id="category"),
        pytest.param('remove = [".ad"]', "", id="remove"),
        pytest.param("", 'dates.zones = { CST = "+08:00" }', id="zones"),
        pytest.param("", 'dedup.never = ["早报"]', id="never"),
        pytest.param("", 'categories.A.same_as = "B"', id="alias"),
    ],
)
def test_a_setting_that_reads_otherwise_moves_the_fingerprint(key: str, top: str) -> None:
    assert reading(config_of(key, top)) != reading(config_of())


@pytest.mark.parametrize(
    ("key", "top"),
    [
        pytest.param('interval = "3h"', "", id="interval"),
        pytest.param("limit = 3", "", id="limit"),
        pytest.param('rights = "mine"', "", id="rights"),
        pytest.param("", 'categories.A.title = "B"', id="category-title"),
        pytest.param("", "feeds.entries = 3", id="entries"),
    ],
)
def test_other_settings_do_not_move_the_fingerprint(key: str, top: str) -> None:
    assert reading(config_of(key, top)) == reading(config_of())


@pytest.mark.parametrize(
    ("key", "top"),
    [
        pytest.param("limit = 3", "", id="limit"),
        pytest.param('rights = "mine"', "", id="rights"),
        pytest.param('content = "summary"', "", id="content"),
        pytest.param("", 'categories.A.title = "B"', id="category-title"),
        pytest.param("", "feeds.entries = 3", id="entries"),
        pytest.param("", 'feeds.window = "1d"', id="window"),
        pytest.param("", "pages.articles = false", id="pages"),
    ],
)
def test_a_setting_that_renders_otherwise_moves_the_render_fingerprint(key: str, top: str) -> None:
    assert render_fingerprint(config_of(key, top)) != render_fingerprint(config_of())


@pytest.mark.parametrize(
    ("key", "top"),
    [
        pytest.param('interval = "3h"', "", id="interval"),
        pytest.param("", 'feeds.settle = "3h"', id="settle"),
        pytest.param("", 'server.listen = ""', id="listen"),
        pytest.param("", 'server.admin = "127.0.0.1:9080"', id="admin"),
        pytest.param("", 'server.cache = "1MiB"', id="cache"),
        pytest.param("", 'storage.output = "elsewhere"', id="output"),
        pytest.param("", 'alerts.command = ["true"]', id="alert-command"),
        pytest.param("", 'categories.A.alert_after = "2d"', id="category-alert"),
        pytest.param('alert_after = "2d"', "", id="alert"),
    ],
)
def test_other_settings_do_not_move_the_render_fingerprint(key: str, top: str) -> None:
    assert render_fingerprint(config_of(key, top)) == render_fingerprint(config_of())


def test_another_look_of_pages_moves_the_render_fingerprint() -> None:
    assert render_fingerprint(config_of(), look="a") != render_fingerprint(config_of(), look="b")


@pytest.mark.parametrize(("said", "expected"), [("'auto'", True), ("false", False)])
def test_articles_have_pages_or_none(said: str, expected: bool) -> None:  # noqa: FBT001 - a table's column
    assert config_of(top=f"pages.articles = {said}").pages == PageSettings(articles=expected)


@pytest.mark.parametrize("said", ["true", "'always'", "1", "0"])
def test_there_are_no_other_words_for_pages(said: str) -> None:
    with pytest.raises(ConfigError, match=r'pages: articles: .* is not one of "auto", false'):
        config_of(top=f"pages.articles = {said}")


def test_fingerprints_are_the_same_in_every_run_and_version() -> None:
    config = config_of('dialect = "hexo"', 'categories.A.same_as = "B"\ndates.zones = { CST = "+08:00" }')
    assert (reading(config)[:16], render_fingerprint(config)[:16]) == ("1dc02c95409d1851", "d3940df35f79d696")


# ---------------------------------------------------------------- laws


@given(st.text())
@settings(deadline=None)
def test_any_text_is_a_duration_or_refused_in_one_line(text: str) -> None:
    try:
        assert values.duration(text) >= timedelta()
    except ValueError as error:
        assert str(error).isprintable()  # noqa: PT017 - either way is right


@pytest.mark.parametrize(
    "read",
    [
        values.auth,
        values.cookies,
        values.header_name,
        values.header_value,
        values.interval,
        values.network,
        values.page_selector,
        values.proxy,
        values.size,
        values.source_url,
        values.timeout,
    ],
)
@given(text=st.text())
@settings(deadline=None)
def test_any_text_is_a_value_of_a_url_or_refused_in_one_line(read: Callable[[object], object], text: str) -> None:
    try:
        read(text)
    except ValueError as error:
        assert str(error).isprintable()  # noqa: PT017 - either way is right


@given(st.integers(0, 3000), st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))
@settings(deadline=None)
def test_a_duration_is_the_sum_of_its_parts(days: int, hours: int, minutes: int, seconds: int) -> None:
    text = f"{days}d{hours}h{minutes}m{seconds}s"
    assert values.duration(text) == timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


@given(st.dictionaries(st.sampled_from([*values.PLACEHOLDERS, "site", "source", "feeds", "server"]), st.text()))
@settings(deadline=None)
def test_whatever_stands_in_a_config_is_told_in_printable_lines(tables: dict[str, str]) -> None:
    quoted = {key: values.shown(value).replace("…", "") for key, value in tables.items()}
    path = write("\n".join(f"{key} = {value}" for key, value in quoted.items()), "law.toml")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert all(line.isprintable() and line.startswith("law.toml: ") for line in caught.value.problems)


@pytest.mark.parametrize(
    "tag", ["zh", "zh-CN", "zh-Hant-TW", "de-1996", "sl-rozaj-biske", "en-a-bbb-x-ccc", "es-419", "zh-yue-HK"]
)
def test_language_tags_are_known(tag: str) -> None:
    assert values.language(tag) == tag


@pytest.mark.parametrize(
    "text", ["example.org,2026", "example.org,2026-02", "me@example.org,2026-02-28", "localhost,1999"]
)
def test_site_ids_are_known(text: str) -> None:
    assert values.site_id(text) == text


@pytest.mark.parametrize("text", [":80", "host:", "::1:80", "[::1:80", "a b:1", "host:-1", "host:٣"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        values.address(text)


# ---------------------------------------------------------------- a bucket


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('storage.output = "s3://feeds"', Bucket(name="feeds"), id="plain"),
        pytest.param('storage.output = "s3://feeds/a/b/"', Bucket(name="feeds", prefix="a/b"), id="prefix"),
        pytest.param(
            'storage.output = "s3://feeds.example.org"', Bucket(name="feeds.example.org", path_style=True), id="dots"
        ),
        pytest.param(
            'storage.output = "s3://feeds"\nbucket.endpoint = "http://127.0.0.1:9000/"',
            Bucket(name="feeds", endpoint="http://127.0.0.1:9000", path_style=True),
            id="endpoint",
        ),
        pytest.param(
            'storage.output = "s3://feeds"\n[bucket]\nendpoint = "https://s3.example.org"\nregion = "eu-central-1"\n'
            'path_style = false\naccess_key = "env:KEY"\nsecret_key = "credential:s3"\ncache_control = "no-cache"\n',
            Bucket(
                name="feeds",
                endpoint="https://s3.example.org",
                region="eu-central-1",
                access_key="env:KEY",
                secret_key="credential:s3",  # noqa: S106 - a name
                cache_control="no-cache",
            ),
            id="all",
        ),
    ],
)
def test_a_bucket_is_an_output(text: str, expected: Bucket) -> None:
    loaded = load(write(f"{SITE}{text}\n{SOURCE}"))
    assert (loaded.output, loaded.listen) == (expected, None)
    assert "KEY" not in repr(loaded)


def test_a_bucket_is_called_by_its_url() -> None:
    assert [str(Bucket(name="feeds")), str(Bucket(name="feeds", prefix="a/b"))] == ["s3://feeds", "s3://feeds/a/b"]
