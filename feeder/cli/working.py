"""Commands that work: the daemon, one run, the server alone, a node of several."""

from __future__ import annotations

import faulthandler
import sys
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING

import click

from feeder.cli.ending import DONE, FAILED, SOURCES_FAILED, Terminated
from feeder.cli.options import Options, clock, common_options, json_option, load
from feeder.errors import ConfigError, FeederError

if TYPE_CHECKING:
    from feeder.app import App
    from feeder.config import Address
    from feeder.pipeline.edition import Published
    from feeder.pipeline.polling import Polled
    from feeder.report.once import Summary


@click.command()
@common_options()
@click.pass_obj
def run(obj: Options) -> None:
    """Run the daemon: poll, publish and serve until it is told to stop.

    SIGTERM or SIGINT stops it after the piece of work in hand; the state is whole at any time. SIGHUP, or `feeder
    reload`, has it read the configuration anew.
    """
    with suppress(OSError, ValueError, RuntimeError):  # of a standard error that is no file, or closed
        faulthandler.enable()  # a service manager that ends a daemon that hangs leaves a trace of where
    with suppress(KeyboardInterrupt, Terminated):  # before the daemon takes signals, or after, they mean the same
        from feeder.opening import opened
        from feeder.schedule import run as run_daemon

        with opened(load(obj)) as app:
            run_daemon(app, clock=clock)


@click.command()
@common_options()
@click.option("--all", "everything", is_flag=True, help="Poll every source, whether it is due or not.")
@click.option("--dry-run", is_flag=True, help="Name the files that would change, and what other settings would do.")
@click.option("--fresh", is_flag=True, help="Begin with a new state although feeds are published already.")
@json_option
@click.pass_context
def once(context: click.Context, *, everything: bool, fresh: bool, dry_run: bool, as_json: bool) -> None:
    """Poll what is due, publish, and exit.

    Sources whose settings changed are due. A dry run works on a copy of the state and changes nothing; it also says
    what other settings would do to articles and feeds that are there already.

    \b
    Exit codes:
      0  done
      1  a feed could not be written, or the state cannot be used
      2  wrong usage or configuration
      3  done, but a source failed; its articles stay as they were
    """  # noqa: D301 - click's mark of lines that stay as they are
    from feeder import screen
    from feeder.opening import opened, rehearsed
    from feeder.report import once as told

    level = "error" if sys.stderr.isatty() else "warning" if dry_run else "info"  # a log would run into the bars
    settings = load(context.obj, level=level)
    with screen.progress() as progress:
        if dry_run:
            whole = rehearsed(settings, is_fresh=fresh, progress=progress)
        else:
            whole = opened(settings, is_fresh=fresh, progress=progress)
        with whole as app:
            done = _rehearse(app, everything=everything) if dry_run else _run_once(app, everything=everything)
    if as_json:
        screen.show_json(told.values(done))
    else:
        screen.show(told.blocks(done))
    context.exit(FAILED if done.published.failed else SOURCES_FAILED if done.failed else DONE)


@click.command()
@common_options()
@click.pass_obj
def serve(obj: Options) -> None:
    """Serve what is published, and nothing else: for a directory that another process or machine fills.

    SIGTERM or SIGINT stops it. The state is only read, for the status page.
    """
    with suppress(KeyboardInterrupt, Terminated):
        from feeder.serve.alone import run as run_server

        run_server(load(obj, to_write=False), clock=clock)


@click.command()
@common_options()
@click.option("--roles", default="poll,publish,dispatch", show_default=True, help="What this node does.")
@click.option("--concurrency", type=click.IntRange(1, 64), default=4, show_default=True, help="Jobs done at once.")
@click.option("--admin", metavar="ADDRESS", help="Where metrics, health and status of this node are told.")
@click.option("--name", help="What logs and `feeder status` call this node.  [default: host and process]")
@click.pass_obj
def worker(obj: Options, roles: str, concurrency: int, admin: str | None, name: str | None) -> None:
    """Run a node of a cluster: share the work of one daemon with others.

    All nodes have the same configuration, with a state in PostgreSQL, and feeds in a bucket or a directory that all of
    them see. Nodes may come and go at any time; SIGTERM ends one after the jobs in hand.
    """
    with suppress(OSError, ValueError, RuntimeError):
        faulthandler.enable()
    with suppress(KeyboardInterrupt, Terminated):
        from feeder.store.opening import EXTRA

        try:
            from feeder.cluster import node
        except ImportError as error:
            raise FeederError(f"a worker needs more than is installed: pip install '{EXTRA}' ({error})") from error
        called = {"name": _name(name)} if name else {}
        duties = node.Duties(roles=node.roles_of(roles), slots=concurrency, admin=_address(admin), **called)
        node.run(load(obj), duties, clock=clock)


def _name(text: str) -> str:
    from feeder.config.values import name

    try:
        return name(text)
    except ValueError as error:
        raise ConfigError(f"--name: {error}") from error


def _address(admin: str | None) -> Address | None:
    from feeder.config.values import address

    try:
        return address(admin) if admin else None
    except ValueError as error:
        raise ConfigError(
            f'--admin: {error} is not a place such as "127.0.0.1:9101" or "unix:/run/feeder/http.sock"'
        ) from error


def _run_once(app: App, *, everything: bool) -> Summary:
    from feeder.report.once import Summary

    now = clock()
    app.prepare(now)
    polls = _polls(app, _wanted(app, now, everything=everything), now)
    published = _published(app)
    _alerted(app)
    app.prune(now)
    _told(app)
    counts, problems = app.store.counts(), app.store.problems()
    return Summary(polls=polls, published=published, counts=counts, problems=problems)


def _rehearse(app: App, *, everything: bool) -> Summary:
    from feeder.report.once import Summary, census, effect_of

    now = clock()
    other = app.reread()
    before = census(app.store) if other or app.rerender() else None
    app.prepare(now)
    polls = _polls(app, _wanted(app, now, everything=everything), now)
    published = _published(app)
    return Summary(
        polls=polls,
        published=published,
        counts=app.store.counts(),
        problems=app.store.problems(),
        effect=effect_of(other, app.store, before=before) if before else None,
        rehearsal=True,
    )


def _wanted(app: App, now: datetime, *, everything: bool) -> tuple[str, ...]:
    if everything:
        return tuple(source.name for source in app.config.sources if source.enabled)
    return tuple(chain.from_iterable(iter(lambda: app.claim_due(now), ())))  # it leases some at a time


def _polls(app: App, names: tuple[str, ...], now: datetime) -> tuple[Polled, ...]:
    if not any(app.is_remote(name) for name in names):
        return tuple(app.poll(name, now) for name in names)
    from feeder import asking  # what speaks to the web takes a while to load

    return asking.poll_all(app, names, now)


def _published(app: App) -> Published:
    published = app.publish(clock(), settle=timedelta())
    published.removed += [path for path in app.clear() if path not in published.removed]  # a dry run removes nothing
    tell(app)
    return published


def tell(app: App) -> None:
    """Tell a command and a hub, if the config names them, what files have changed."""
    if not app.is_rehearsal and app.parts.listeners:
        import asyncio

        from feeder.telling import tell_all

        asyncio.run(tell_all(app, clock))


def _alerted(app: App) -> None:
    """Tell of what has fallen silent, if anybody wants to know."""
    if app.config.alerts.categories or any(source.alert_after for source in app.config.sources) or app.store.alerts():
        import asyncio

        from feeder.alerts import attend
        from feeder.life import at_once

        asyncio.run(attend(app, at_once, clock))


def _told(app: App) -> None:
    from feeder.bulletin import Bulletin

    if app.config.status_every:
        Bulletin().write(app.config, clock())
