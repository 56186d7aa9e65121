"""Looks at the whole: what is wrong, in plain words, and what to do; and mends what can be mended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from feeder.app import App
from feeder.config import Config
from feeder.doctor import publication, surroundings
from feeder.doctor.findings import Area, Finding, Mend
from feeder.errors import FeederError, OutputError, StateInUse
from feeder.opening import beside, is_begun, opened
from feeder.pipeline import polling
from feeder.report.status import unfilled
from feeder.screen import Block, Table
from feeder.store import Store
from feeder.store.invariants import RESTOOD, is_of_indexes
from feeder.wording import many

MUCH_SPARE: Final = 64 << 20  # bytes
ROUNDS: Final = 3  # of mending: what is mended first may show what is wrong behind it

_RESTORE: Final = (
    "stop the daemon and `feeder restore` a backup; without one, move the state away and take over the ids of the "
    "published feeds (`feeder adopt …/feeds.json`)"
)
_REBUILD: Final = "stop the daemon, then `feeder doctor --repair`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What is wrong, and what was mended."""

    findings: tuple[Finding, ...]
    mended: tuple[Finding, ...] = ()
    is_in_use: bool = False  # by a daemon, which was left notes to publish what differs

    @property
    def is_well(self) -> bool:
        """Whether there is nothing that has to be done."""
        return not any(finding.is_fault for finding in self.findings)


def examine(settings: Config, now: datetime) -> Diagnosis:
    """Look at everything, also beside a daemon; nothing is changed."""
    return Diagnosis(findings=tuple(_look(settings, now)))


def repair(settings: Config, now: datetime) -> Diagnosis:
    """Mend what can be mended, and tell what was and what is left.

    Beside a daemon, feeds are marked for it to be written again; all else needs the state for itself.
    """
    before = tuple(_look(settings, now))
    wanted = {finding.mend for finding in before if finding.mend}
    is_in_use = False
    try:
        if wanted:
            with opened(settings) as app:
                for mend in (mend for mend in Mend if mend in wanted):
                    _MENDS[mend](app, now)
    except StateInUse:
        is_in_use = True
        if Mend.PUBLISH in wanted:
            with beside(settings) as app:
                _publish_again(app, now)
    after = tuple(_look(settings, now))
    mended = tuple(finding for finding in before if finding.mend and finding not in after)
    return Diagnosis(findings=after, mended=mended, is_in_use=is_in_use)


def blocks(told: Diagnosis) -> Iterator[Block]:
    """Yield what was found, for people."""
    columns = ("where", "what", "what to do")
    for title, is_fault in (("Wrong", True), ("To be looked at", False)):
        chosen = (finding for finding in told.findings if finding.is_fault is is_fault)
        yield Table(title=title, columns=columns, rows=tuple((f.area.value, f.what, f.do) for f in chosen))
    yield Table(title="Mended", rows=tuple((f.area.value, f.what) for f in told.mended))
    if told.is_in_use:
        yield "A daemon works with the state: stop it to have all mended; feeds that differ are written again by it."
    if told.is_well:
        yield f"Nothing is wrong: looked at {', '.join(area.value for area in Area)}."


def values(told: Diagnosis) -> dict[str, object]:
    """Return what was found, as JSON has it."""
    return {
        "is_well": told.is_well,
        "findings": [_values(finding) for finding in told.findings],
        "mended": [_values(finding) for finding in told.mended],
        "in_use": told.is_in_use,
    }


def _values(finding: Finding) -> dict[str, object]:
    level = "fault" if finding.is_fault else "warning"
    mend = finding.mend and finding.mend.value
    return {"where": finding.area.value, "level": level, "what": finding.what, "do": finding.do, "repair": mend}


# ---------------------------------------------------------------- looking


def _look(settings: Config, now: datetime) -> Iterator[Finding]:
    yield from surroundings.of_config(settings)
    yield from surroundings.of_rights(settings)
    yield from surroundings.of_takedowns(settings)
    yield from surroundings.of_readers(settings)
    yield from surroundings.of_disks(settings)
    yield from surroundings.of_bucket(settings)
    try:
        if not is_begun(settings):
            do = "`feeder once` or `feeder run` does"
            yield Finding(area=Area.STATE, what="nothing has been polled yet", do=do, is_fault=False)
            return
        with beside(settings) as app:
            yield from _look_inside(app, now)
    except OutputError as error:
        yield Finding(area=Area.OUTPUT, what=str(error), do="the line says it")
    except FeederError as error:
        yield Finding(area=Area.STATE, what=str(error), do="the line says it; `feeder restore` if there is a backup")


def _look_inside(app: App, now: datetime) -> Iterator[Finding]:
    damage = app.store.damage()
    for line in damage:
        mend = Mend.REBUILD if is_of_indexes(damage) else None
        yield Finding(area=Area.STATE, what=line, do=_REBUILD if mend else _RESTORE, mend=mend)
    if damage:
        return  # what it says cannot be trusted
    yield from surroundings.of_clock(app.store.sources(), now)
    yield from _contradictions(app.store)
    yield from _spare(app.store)
    yield from _failing(app.store)
    yield from _nodes(app.store, now)
    yield from publication.of_faults(app.parts)
    yield from publication.of_files(app.parts)
    yield from publication.of_strays(app.parts, now)


def _contradictions(store: Store) -> Iterator[Finding]:
    for breach in store.breaches():
        what = f"{len(breach.found)} {breach.told}, such as {breach.found[0]}"
        yield Finding(area=Area.STATE, what=what, do=_REBUILD, mend=Mend.REBUILD)


def _spare(store: Store) -> Iterator[Finding]:
    spare, whole = store.spare_bytes()
    if spare >= MUCH_SPARE and spare > whole // 2:
        what = f"{spare >> 20} of the {whole >> 20} MiB that the state takes are not in use"
        do = "they go back to the disk little by little; `feeder doctor --repair` does it at once, while no daemon runs"
        yield Finding(area=Area.STATE, what=what, do=do, is_fault=False, mend=Mend.COMPACT)


def _failing(store: Store) -> Iterator[Finding]:
    for state in store.sources():
        if state.error and state.rank is not None:
            what = f"{state.name}: fails since {many(state.failures, 'poll')}: {state.error}"
            do = "`feeder status` tells when it is tried again; its articles stay"
            yield Finding(area=Area.SOURCES, what=what, do=do, is_fault=False)


def _nodes(store: Store, now: datetime) -> Iterator[Finding]:
    for what in unfilled(store.peers(), now):
        do = "`feeder worker` with this role, on whatever machine; `feeder status` lists the nodes"
        yield Finding(area=Area.NODES, what=what.rstrip("."), do=do)


# ---------------------------------------------------------------- mending


def _rebuild(app: App, now: datetime) -> None:
    """Mend what contradicts itself in the state."""
    if app.store.damage():
        app.store.rebuild_indexes()
    with app.store.transaction():
        app.store.sync_sources(app.config.sources)
        for _ in range(ROUNDS):
            for breach in app.store.breaches():
                app.store.mend(breach, now)
                if breach.name in RESTOOD:
                    polling.restand(breach.found, app.parts, now=now)


def _publish_again(app: App, _now: datetime) -> None:
    publication.mark(app.parts)


def _compact(app: App, _now: datetime) -> None:
    app.store.compact()


def _clear(app: App, _now: datetime) -> None:
    app.parts.output.sweep()
    app.clear()


_MENDS: Final[Mapping[Mend, Callable[[App, datetime], None]]] = MappingProxyType(
    {Mend.REBUILD: _rebuild, Mend.PUBLISH: _publish_again, Mend.COMPACT: _compact, Mend.CLEAR: _clear}
)
