"""The tables ``[[source]]`` of all files, with the defaults of each file."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Final
from zoneinfo import ZoneInfo

from feeder.cadence import MIN_INTERVAL
from feeder.config import places, scopes, values
from feeder.config.faults import Faults, line_of
from feeder.config.files import File, included, read_file
from feeder.config.schema import INCLUDED_KEYS, DefaultsTable, SourceTable, read
from feeder.errors import ConfigError
from feeder.model import UTC_ZONE, Patterns, Select, Site, Source
from feeder.urls import is_own

MOST_CATEGORIES: Final = 100  # of a URL's own, unless it says another number


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A source, and what to call it in a message."""

    source: Source
    file: File
    label: str


def sources_of(main: File, site: Site | None, faults: Faults) -> Iterator[Placed]:
    """Yield all sources without a fault that keeps them from being one, in their order."""
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
                yield Placed(source=source, file=file, label=label)


def source_of(main: File, site: Site, faults: Faults, **told: str) -> Source | None:
    """Return a source of *main* that has its defaults and what is *told*; None if that is wrong."""
    table, found = read(SourceTable, _merged(_defaults(main, faults), told))
    for fault in found:
        faults.add(main, _source_label(told, 1), fault)
    return None if faults.lines or table is None else _source(table, main, order=0, zone=site.timezone)


def compare(placed: Collection[Placed], faults: Faults) -> None:
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


def warnings_of(main: File, placed: Collection[Placed]) -> Iterator[str]:
    """Yield what is no fault, and yet may be none of the operator's intent."""
    if not any(each.source.enabled for each in placed):
        yield line_of(main, "no source is enabled; there is nothing to read")
    first: dict[str, str] = {}
    for each in placed:
        for doubt in _doubts(each.source) if each.source.enabled else ():
            yield line_of(each.file, each.label, doubt)
        if each.source.url and first.setdefault(each.source.url, each.label) != each.label:
            yield line_of(each.file, each.label, f"url: is that of {first[each.source.url]}, too")


def _included(main: File, faults: Faults) -> Iterator[File]:
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


def _defaults(file: File, faults: Faults) -> Mapping[str, Any]:
    """Return the raw defaults of *file* without the faulty ones, which are reported here and not at each source."""
    raw = file.tables.get("defaults", {})
    table, found = read(DefaultsTable, raw)
    for fault in (*_contradictions(raw), *found):
        faults.add(file, "defaults", fault)
    return {key: raw[key] for key in table.model_fields_set} if table else {}


def _tables_of_sources(file: File, faults: Faults) -> list[object]:
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


def _doubts(source: Source) -> Iterator[str]:
    if source.path and (doubt := places.doubt(source.path)):
        yield doubt
    if source.tls_ca and not source.tls_ca.is_file():
        yield f"tls_ca: {values.shown_path(source.tls_ca)} is not a file now; the source fails until it is"
    is_timed = source.url and source.cron is None and not source.is_adaptive
    if is_timed and source.min_interval is None and source.interval < MIN_INTERVAL:
        yield "interval: a URL is polled every 10 minutes at most, unless min_interval is shorter"
