"""Files to one Config, or to a list of all that is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from feeder.categories import join_path
from feeder.config import naming, values
from feeder.config.faults import Faults, table_of
from feeder.config.files import File, read_file
from feeder.config.schema import (
    TOP_KEYS,
    AlertsTable,
    CategoryTable,
    DatesTable,
    DedupTable,
    FeedsTable,
    PagesTable,
    ServerTable,
    SiteTable,
    StorageTable,
    WebsubTable,
    read,
)
from feeder.config.settings import Alerts, Config, Kept
from feeder.config.sources import compare, source_of, sources_of, warnings_of
from feeder.config.storage import check_listen, local_of, served, state_of, storage_of, stored
from feeder.errors import ConfigError
from feeder.model import (
    AlertAfter,
    CategoryPath,
    CategorySettings,
    FeedSettings,
    PageSettings,
    Redirect,
    Site,
    Source,
)
from feeder.redirects import base_of, read_rule
from feeder.redirects import faults as faults_of_redirects


def load(path: Path, *, to_write: bool = True) -> Config:
    """Return the config in the file at *path* and in the files it includes.

    Args:
        path: The main file.
        to_write: It is a fault if state and output cannot be written.

    Raises:
        ConfigError: With a line for each fault in all of them.
    """
    main = read_file(path)
    faults = Faults()
    faults.add_unknown_keys(main, TOP_KEYS)
    site = _site(main, faults)
    websub = table_of(main, "websub", WebsubTable, faults)
    feeds = _feeds(main, site, websub, faults)
    pages = table_of(main, "pages", PagesTable, faults)
    alerts = _alerts(main, faults)
    redirects = tuple(_redirects(main, site, faults))
    server = table_of(main, "server", ServerTable, faults)
    placed = tuple(sources_of(main, site, faults))
    storage = storage_of(main, placed, faults, to_write=to_write)
    compare(placed, faults)
    check_listen(main, server, storage, faults)
    if faults.lines or not (site and server and storage and websub and alerts):
        raise ConfigError(*faults.lines)
    return Config(
        path=path,
        site=site,
        feeds=feeds,
        pages=PageSettings(**pages.given()) if pages else PageSettings(),
        sources=tuple(each.source for each in placed),
        redirects=redirects,
        **stored(storage),
        **served(server, storage),
        pinged_at_once=websub.batch,
        alerts=alerts,
        warnings=tuple(warnings_of(main, placed)),
    )


def imagined(settings: Config, **told: str) -> Source:
    """Return a source as the main file of *settings* would have it by its defaults, with a name and a path or url alone.

    Raises:
        ConfigError: The file is wrong by now, or what is *told*.
    """
    faults = Faults()
    source = source_of(read_file(settings.path), settings.site, faults, **told)
    if source is None:
        raise ConfigError(*faults.lines)
    return source


def kept(path: Path) -> Kept | None:
    """Return where the state is by a config that may be wrong in all else; None: in that, too."""
    try:
        main = read_file(path)
    except ConfigError:
        return None
    faults = Faults()
    site = _site(main, faults)
    table = table_of(main, "storage", StorageTable, faults)
    state = state_of(main, table, faults)
    if site is None or table is None or state is None:
        return None
    return Kept(state=state, local=local_of(main, table, state), site_id=site.id)


def _site(main: File, faults: Faults) -> Site | None:
    table = table_of(main, "site", SiteTable, faults)
    dates = table_of(main, "dates", DatesTable, faults)
    dedup = table_of(main, "dedup", DedupTable, faults)
    categories = tuple(_categories(main, faults))
    if table is None or dates is None or dedup is None:
        return None
    return Site(
        **{"author": table.title} | table.given(),
        zones=tuple(sorted(dates.zones.items())),
        never_merge=tuple(sorted(set(dedup.never))),
        categories=categories,
    )


def _categories(main: File, faults: Faults) -> Iterator[CategorySettings]:
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


def _category(main: File, key: str, raw: object, faults: Faults) -> CategorySettings | None:
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


def _alerts(main: File, faults: Faults) -> Alerts | None:
    table = table_of(main, "alerts", AlertsTable, faults)
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


def _redirects(main: File, site: Site | None, faults: Faults) -> Iterator[Redirect]:
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


def _feeds(main: File, site: Site | None, websub: WebsubTable | None, faults: Faults) -> FeedSettings:
    before = len(faults.lines)
    table = table_of(main, "feeds", FeedsTable, faults)
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
