"""Files to one Config, or to a list of all that is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

from feeder.cadence import MIN_INTERVAL
from feeder.categories import join_path
from feeder.config import naming, places, scopes, values
from feeder.config.files import File, included, read_file
from feeder.config.schema import (
    INCLUDED_KEYS,
    TOP_KEYS,
    AlertsTable,
    AnyTable,
    BucketTable,
    CategoryTable,
    DatesTable,
    DedupTable,
    DefaultsTable,
    FeedsTable,
    PagesTable,
    ServerTable,
    SiteTable,
    SourceTable,
    StorageTable,
    WebsubTable,
    read,
    unknown_key,
)
from feeder.errors import ConfigError
from feeder.model import (
    UTC_ZONE,
    AlertAfter,
    CategoryPath,
    CategorySettings,
    FeedSettings,
    PageSettings,
    Patterns,
    Redirect,
    Select,
    Site,
    Source,
)
from feeder.output import Bucket
from feeder.redirects import base_of, read_rule
from feeder.redirects import faults as faults_of_redirects
from feeder.store.address import State
from feeder.urls import is_own

_AnyPlace = TypeVar("_AnyPlace")
MOST_CATEGORIES: Final = 100  # of a URL's own, unless it says another number


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerts:
    """Who is told of silence, and the categories whose silence is told."""

    command: tuple[str, ...] = ()  # with its words
    timeout: timedelta = timedelta(minutes=1)
    categories: tuple[tuple[CategoryPath, AlertAfter], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All that the operator has decided, checked."""

    path: Path
    site: Site
    feeds: FeedSettings
    pages: PageSettings
    state: State
    local: Path  # what files of this machine lie beside, and are called after: the state, if it is a file
    output: Path | Bucket
    keep: timedelta | None = None  # how long articles are remembered that nobody offers any more; None: for good
    listen: values.Address | None
    admin: values.Address | None = None  # where health and status are told as well
    cache: int = 64 << 20  # bytes of files that the server keeps in memory
    sources: tuple[Source, ...]
    redirects: tuple[Redirect, ...] = ()
    after_publish: tuple[str, ...] = ()  # the command and its words
    after_publish_timeout: timedelta = timedelta(minutes=10)
    pinged_at_once: int = 1  # feeds that one ping to the hub names
    status_every: timedelta = timedelta(minutes=1)  # the file of the status is looked after; 0: there is none
    alerts: Alerts = Alerts()
    warnings: tuple[str, ...] = ()


def load(path: Path, *, to_write: bool = True) -> Config:
    """Return the config in the file at *path* and in the files it includes.

    Args:
        path: The main file.
        to_write: It is a fault if state and output cannot be written.

    Raises:
        ConfigError: With a line for each fault in all of them.
    """
    main = read_file(path)
    faults = _Faults()
    faults.add_unknown_keys(main, TOP_KEYS)
    site = _site(main, faults)
    websub = _table(main, "websub", WebsubTable, faults)
    feeds = _feeds(main, site, websub, faults)
    pages = _table(main, "pages", PagesTable, faults)
    alerts = _alerts(main, faults)
    redirects = tuple(_redirects(main, site, faults))
    server = _table(main, "server", ServerTable, faults)
    placed = tuple(_sources(main, site, faults))
    storage = _storage(main, placed, faults, to_write=to_write)
    _compare(placed, faults)
    _check_listen(main, server, storage, faults)
    if faults.lines or not (site and server and storage and websub and alerts):
        raise ConfigError(*faults.lines)
    return Config(
        path=path,
        site=site,
        feeds=feeds,
        pages=PageSettings(**pages.given()) if pages else PageSettings(),
        sources=tuple(each.source for each in placed),
        redirects=redirects,
        **_stored(storage),
        **_served(server, storage),
        pinged_at_once=websub.batch,
        alerts=alerts,
        warnings=tuple(_warnings(main, placed)),
    )


def kept(path: Path) -> tuple[State, str] | None:
    """Return where the state is, and the id of its site, by a config that may be wrong in all else; None: in that, too."""
    try:
        main = read_file(path)
    except ConfigError:
        return None
    faults = _Faults()
    site, table = _site(main, faults), _table(main, "storage", StorageTable, faults)
    state = _path(main, "state", table.state if table else None, places.state, faults)
    return (state, site.id) if site and state else None


class _Faults:
    """The faults found so far, a line each, in the order of the file."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, file: File, *parts: str) -> None:
        self.lines.append(_line(file, *parts))

    def add_unknown_keys(self, file: File, known: Collection[str]) -> None:
        for key in file.tables:
            if key not in known:
                main_only = f"{values.shown(key)} may stand in the main file only"
                self.add(file, main_only if key in TOP_KEYS else unknown_key(key, known))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placed:
    """A source, and what to call it in a message."""

    source: Source
    file: File
    label: str


def _line(file: File, *parts: str) -> str:
    return ": ".join((values.printable(str(file.path)), *parts))


def _table(file: File, name: str, kind: type[AnyTable], faults: _Faults) -> AnyTable | None:
    table, found = read(kind, file.tables.get(name, {}))
    for fault in found:
        faults.add(file, name, fault)
    return table


# ---------------------------------------------------------------- the tables that stand once


def _site(main: File, faults: _Faults) -> Site | None:
    table = _table(main, "site", SiteTable, faults)
    dates = _table(main, "dates", DatesTable, faults)
    dedup = _table(main, "dedup", DedupTable, faults)
    categories = tuple(_categories(main, faults))
    if table is None or dates is None or dedup is None:
        return None
    return Site(
        **{"author": table.title} | table.given(),
        zones=tuple(sorted(dates.zones.items())),
        never_merge=tuple(sorted(set(dedup.never))),
        categories=categories,
    )


def _categories(main: File, faults: _Faults) -> Iterator[CategorySettings]:
    tables = main.tables.get("categories", {})
    if not isinstance(tables, dict):
        faults.add(main, "categories", f"{values.shown(tables)} is not a table")
        return
    found: dict[str, CategorySettings] = {}
    for key, raw in tables.items():
        settings = _category(main, key, raw, faults)
        if settings:
            found[key] = settings
    for key, fault in naming.faults_of_categories(found):
        faults.add(main, _category_label(key), fault)
    yield from (each for each in found.values() if each != CategorySettings(path=each.path))


def _category(main: File, key: str, raw: object, faults: _Faults) -> CategorySettings | None:
    table, found = read(CategoryTable, raw)
    for fault in found:
        faults.add(main, _category_label(key), fault)
    try:
        path = values.category(key)
    except ValueError as error:
        faults.add(main, "categories", str(error))
        return None
    if table is None:
        return None
    if table.same_as and table.alert_after:
        faults.add(main, _category_label(key), "same_as stands alone: the other category's settings count")
    return CategorySettings(
        path=path, **{name: value for name, value in table.given().items() if name != "alert_after"}
    )


def _alerts(main: File, faults: _Faults) -> Alerts | None:
    table = _table(main, "alerts", AlertsTable, faults)
    return Alerts(**table.given(), categories=tuple(_watched(main))) if table else None


def _watched(main: File) -> Iterator[tuple[CategoryPath, AlertAfter]]:
    """Yield what `_categories` found to be good. How long a category may be silent is nothing that its feed shows."""
    tables = main.tables.get("categories", {})
    for key, raw in tables.items() if isinstance(tables, dict) else ():
        table, _ = read(CategoryTable, raw)
        with suppress(ValueError):
            if table and table.alert_after:
                yield values.category(key), table.alert_after


def _category_label(key: str) -> str:
    return f"categories.{values.shown(key)}"


def _redirects(main: File, site: Site | None, faults: _Faults) -> Iterator[Redirect]:
    written = main.tables.get("redirects", {})
    if not isinstance(written, dict) or not all(isinstance(target, str) for target in written.values()):
        faults.add(main, "redirects", 'is not a table of lines such as "/old.xml" = "/new.xml"')
        return
    base = base_of(site.url) if site else "/"
    rules: dict[Redirect, str] = {}
    for source, target in written.items():
        try:
            rules[read_rule(source, target, base=base)] = source
        except ValueError as error:
            faults.add(main, "redirects", values.shown(source), values.printable(str(error)))
    for rule, fault in faults_of_redirects(tuple(rules), base=base):
        faults.add(main, "redirects", values.shown(rules[rule]), values.printable(fault))
    yield from rules


def _feeds(main: File, site: Site | None, websub: WebsubTable | None, faults: _Faults) -> FeedSettings:
    before = len(faults.lines)
    table = _table(main, "feeds", FeedsTable, faults)
    feeds = FeedSettings(**table.given(), hub=websub.hub if websub else None) if table else FeedSettings()
    if len(faults.lines) > before:
        return feeds  # a default in place of a faulty number would bring up faults that are none
    limit = f"is more than max_entries, which is {feeds.max_entries}"
    if feeds.entries > feeds.max_entries:
        faults.add(main, "feeds", f"entries: {feeds.entries} {limit}")
    for category in site.categories if site else ():
        if (category.entries or 0) > feeds.max_entries:
            faults.add(main, _category_label(join_path(category.path)), f"entries: {category.entries} {limit}")
    return feeds


@dataclass(frozen=True, slots=True, kw_only=True)
class _Storage:
    """Where things are, and the table that says so."""

    table: StorageTable
    state: State
    local: Path
    output: Path | Bucket

    @property
    def key(self) -> str:
        """What says where the files of this machine are."""
        return "state" if self.state == self.local else "local"


def _storage(main: File, placed: Iterable[_Placed], faults: _Faults, *, to_write: bool) -> _Storage | None:
    table = _table(main, "storage", StorageTable, faults)
    state = _path(main, "state", table.state if table else None, places.state, faults)
    output = _path(main, "output", table.output if table else None, places.output_place, faults)
    if isinstance(output, Bucket):
        output = _in_bucket(main, output, faults)
    else:
        _table(main, "bucket", BucketTable, faults)
    for each in placed:
        path = each.source.path
        for fault in places.faults_of_source(path, output) if path and output else ():
            faults.add(each.file, each.label, fault)
    if table is None or state is None or output is None:
        return None
    local = state if isinstance(state, Path) else places.local(main.directory, table.local)
    storage = _Storage(table=table, state=state, local=local, output=output)
    for fault in places.faults_of_storage(local, output, key=storage.key):
        faults.add(main, "storage", fault)
    for fault in places.faults_of_config(main.directory, output):
        faults.add(main, "storage", fault)
    for fault in places.faults_of_writing(local, output, key=storage.key) if to_write else ():
        faults.add(main, "storage", fault)
    return storage


def _stored(storage: _Storage) -> dict[str, Any]:
    """Return what a config says of its storage."""
    table = storage.table
    return {
        "state": storage.state,
        "local": storage.local,
        "output": storage.output,
        "keep": table.keep,
        "status_every": table.status_every,
        "after_publish": tuple(table.after_publish),
        "after_publish_timeout": table.after_publish_timeout,
    }


def _in_bucket(main: File, bucket: Bucket, faults: _Faults) -> Bucket:
    """Return *bucket* with all that ``[bucket]`` says of it."""
    table = _table(main, "bucket", BucketTable, faults)
    given = table.given() if table else {}
    if ("access_key" in given) != ("secret_key" in given):
        faults.add(main, "bucket", "access_key and secret_key go together")
    return replace(bucket, **{"path_style": "endpoint" in given or "." in bucket.name} | given)


def _check_listen(main: File, server: ServerTable | None, storage: _Storage | None, faults: _Faults) -> None:
    is_wanted = server and server.listen and "listen" in server.model_fields_set
    if is_wanted and storage and isinstance(storage.output, Bucket):
        faults.add(main, "server", 'listen: what is in a bucket is served by it, or by a CDN before it: let it be ""')


def _served(server: ServerTable, storage: _Storage) -> dict[str, Any]:
    """Return what a config says of its web server."""
    return {
        "listen": values.address(server.listen) if server.listen and isinstance(storage.output, Path) else None,
        "admin": values.address(server.admin) if server.admin else None,
        "cache": server.cache,
    }


def _path(
    main: File, key: str, text: str | None, read_path: Callable[[Path, str], _AnyPlace], faults: _Faults
) -> _AnyPlace | None:
    if text is None:
        return None
    try:
        return read_path(main.directory, text)
    except ValueError as error:
        faults.add(main, "storage", f"{key}: {error}")
        return None


# ---------------------------------------------------------------- sources


def _sources(main: File, site: Site | None, faults: _Faults) -> Iterator[_Placed]:
    zone = site.timezone if site else UTC_ZONE
    order = count()
    names: dict[str, File] = {}
    for file in (main, *_included(main, faults)):
        defaults = _defaults(file, faults)
        for index, raw in enumerate(_tables_of_sources(file, faults), start=1):
            label = _source_label(raw, index)
            table, found = read(SourceTable, _merged(defaults, raw))
            for fault in (*_contradictions(raw), *_misfits(raw, defaults), *found, *_taken(raw, file, names)):
                faults.add(file, label, fault)
            if isinstance(raw, dict) and table and (table.path is None) != (table.url is None):
                source = _source(table, file, order=next(order), zone=zone)
                for fault in _faults_of_url(source, raw, site):
                    faults.add(file, label, fault)
                yield _Placed(source=source, file=file, label=label)


def imagined(settings: Config, **told: str) -> Source:
    """Return a source as the main file of *settings* would have it by its defaults, with a name and a path or url alone.

    Raises:
        ConfigError: The file is wrong by now, or what is *told*.
    """
    main = read_file(settings.path)
    faults = _Faults()
    table, found = read(SourceTable, _merged(_defaults(main, faults), told))
    for fault in found:
        faults.add(main, _source_label(told, 1), fault)
    if faults.lines or table is None:
        raise ConfigError(*faults.lines)
    return _source(table, main, order=len(settings.sources), zone=settings.site.timezone)


def _included(main: File, faults: _Faults) -> Iterator[File]:
    patterns = main.tables.get("include", [])
    if not isinstance(patterns, list) or not all(isinstance(each, str) and each for each in patterns):
        faults.add(main, f"include: {values.shown(patterns)} is not a list of file names")
        return
    for path in included(main, patterns):
        try:
            file = read_file(path)
        except ConfigError as error:
            faults.lines += error.problems
            continue
        faults.add_unknown_keys(file, INCLUDED_KEYS)
        yield file


def _defaults(file: File, faults: _Faults) -> Mapping[str, Any]:
    """Return the raw defaults of *file* without the faulty ones, which are reported here and not at each source."""
    raw = file.tables.get("defaults", {})
    table, found = read(DefaultsTable, raw)
    for fault in (*_contradictions(raw), *found):
        faults.add(file, "defaults", fault)
    return {key: raw[key] for key in table.model_fields_set} if table else {}


def _tables_of_sources(file: File, faults: _Faults) -> list[object]:
    tables = file.tables.get("source", [])
    if isinstance(tables, list):
        return tables
    faults.add(file, "source", "is one table; write [[source]] with double brackets")
    return []


def _source_label(raw: object, index: int) -> str:
    name = raw.get("name") if isinstance(raw, dict) else None
    return f"source {values.shown(name) if isinstance(name, str) else index}"


def _taken(raw: object, file: File, names: dict[str, File]) -> Iterator[str]:
    """Note the name of a source, which may have other faults; yield what is wrong if another has it."""
    name = raw.get("name") if isinstance(raw, dict) else None
    if not isinstance(name, str):
        return
    if name in names:
        yield f"name: is taken by another source in {values.printable(str(names[name].path))}"
    names.setdefault(name, file)


def _contradictions(raw: object) -> Iterator[str]:
    if isinstance(raw, dict) and "interval" in raw and "cron" in raw:
        yield "interval and cron exclude each other"


def _misfits(raw: object, defaults: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with what a source is: both a path and a url, neither, or keys for something else."""
    if not isinstance(raw, dict):
        return
    if "path" in raw and "url" in raw:
        yield "path and url exclude each other"
    elif "path" not in raw and "url" not in raw:
        yield "path or url is missing"
    yield from scopes.strangers(raw, defaults)


def _merged(defaults: Mapping[str, Any], raw: object) -> object:
    """Return *raw* with the defaults that it does not override; interval and cron override one another."""
    if not isinstance(raw, dict):
        return raw
    timed = "interval" in raw or "cron" in raw
    fitting = scopes.without_strangers(defaults, raw)
    return {key: value for key, value in fitting.items() if not (timed and key in {"interval", "cron"})} | raw


def _source(table: SourceTable, file: File, *, order: int, zone: ZoneInfo) -> Source:
    given: dict[str, Any] = {"timezone": zone, "order": order} | table.given()
    if table.url:
        given.setdefault("max_categories", MOST_CATEGORIES)
    if table.interval == scopes.LEARNED:
        del given["interval"]
        given["is_adaptive"] = True
    for key in ("path", "tls_ca"):
        if key in given:
            given[key] = places.absolute(file.directory, given[key])
    for key in ("fields", "headers"):
        if key in given:
            given[key] = tuple(sorted(given[key].items()))
    if table.select:
        given["select"] = Select(**table.select.given())
    for key, patterns in (("only", table.only), ("without", table.without)):
        if patterns:
            given[key] = Patterns(**patterns.given())
    return Source(**given)


def _faults_of_url(source: Source, raw: Mapping[str, Any], site: Site | None) -> Iterator[str]:
    """Yield what is wrong with a URL's intervals, and with a URL of our own."""
    if source.url and site and is_own(source.url, site):
        yield f"url: {values.shown(source.url)} is what this site publishes; its feeds would be read as articles"
    least = source.min_interval
    if source.url is None or least is None:
        return
    if least > source.max_interval:
        yield "min_interval: is longer than max_interval" + ("" if "max_interval" in raw else ', which is "1d"')
    elif {"interval", "min_interval"} <= raw.keys() and source.interval < least and not source.is_adaptive:
        yield "interval: is shorter than min_interval"


def _compare(placed: Collection[_Placed], faults: _Faults) -> None:
    """Find the sources that cannot both be what another was."""
    names = {each.source.name for each in placed}
    heirs: set[str] = set()
    for each in placed:
        was = each.source.was
        if was in names:
            faults.add(each.file, each.label, f"was: {values.shown(was)} is a source of its own in this config")
        elif was in heirs:
            faults.add(each.file, each.label, f"was: {values.shown(was)} is what another source was, too")
        elif was:
            heirs.add(was)


def _warnings(main: File, placed: Collection[_Placed]) -> Iterator[str]:
    if not any(each.source.enabled for each in placed):
        yield _line(main, "no source is enabled; there is nothing to read")
    first: dict[str, str] = {}
    for each in placed:
        for doubt in _doubts(each.source) if each.source.enabled else ():
            yield _line(each.file, each.label, doubt)
        if each.source.url and first.setdefault(each.source.url, each.label) != each.label:
            yield _line(each.file, each.label, f"url: is that of {first[each.source.url]}, too")


def _doubts(source: Source) -> Iterator[str]:
    if source.path and (doubt := places.doubt(source.path)):
        yield doubt
    if source.tls_ca and not source.tls_ca.is_file():
        yield f"tls_ca: {values.shown_path(source.tls_ca)} is not a file now; the source fails until it is"
    is_timed = source.url and source.cron is None and not source.is_adaptive
    if is_timed and source.min_interval is None and source.interval < MIN_INTERVAL:
        yield "interval: a URL is polled every 10 minutes at most, unless min_interval is shorter"
