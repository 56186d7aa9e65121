"""The command line: one thin function for each command. Only this module knows click."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import click
from click.shell_completion import BashComplete, CompletionItem, FishComplete, ZshComplete

from feeder import allocator
from feeder.errors import ConfigError, FeederError, StateInUse, UnknownName
from feeder.leaving import leave
from feeder.lock import check_owner

if TYPE_CHECKING:
    from feeder.app import App
    from feeder.config import Config
    from feeder.pipeline.polling import Polled
    from feeder.pipeline.publishing import Published
    from feeder.preview import SourcePreview, Subject
    from feeder.report import Summary
    from feeder.store import Store

DEFAULT_CONFIGS: Final = (Path("config.toml"), Path("/etc/feeder/config.toml"))
DONE, FAILED, WRONG, SOURCES_FAILED = 0, 1, 2, 3  # exit codes
INTERRUPTED: Final = 130  # as shells have it: 128 + SIGINT
PIPE_CLOSED: Final = 141  # 128 + SIGPIPE
TERMINATED: Final = 143  # 128 + SIGTERM

# What `feeder --help` lists, in this order. A command that is not named here comes last.
GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "Set up": ("init", "check", "preview", "opml", "adopt", "completion"),
    "Work": ("run", "once", "serve", "worker"),
    "Look": ("status", "explain", "doctor"),
    "Steer": ("poll", "pause", "resume", "accept", "remove", "reload"),
    "Keep": ("backup", "restore", "migrate"),
}
SHELLS: Final = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}
EPILOG: Final = """\b
Examples:
  feeder check                        is the config right, and what does it find?
  feeder preview newsroom             what would be read, before anything is published
  feeder preview https://example.org/ is there a feed, and what would it bring?
  feeder once --dry-run               which files would change
  feeder run                          the daemon
  feeder explain posts/rates.md       why is this article (not) in its feeds?
  feeder remove posts/x.md --note "court order 12/26"

\b
Exit codes:
  0  done                  2  wrong usage or configuration
  1  failed                3  done, but a source failed (once)

\b
Files:
  ./config.toml, /etc/feeder/config.toml   the configuration: the first that exists
  removed.txt                              takedowns, beside the configuration

\b
Environment:
  FEEDER_CONFIG                            another configuration
"""

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(slots=True, kw_only=True)
class Options:
    """What stands before or after the name of any command."""

    path: Path | None = None
    log_level: str | None = None


class _Groups(click.Group):
    """Lists its commands by what they are for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands in the order of GROUPS."""
        ordered = [name for names in GROUPS.values() for name in names if name in self.commands]
        return [*ordered, *(name for name in super().list_commands(ctx) if name not in ordered)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a list for each group."""
        grouped = {name for names in GROUPS.values() for name in names}
        rest = tuple(name for name in self.list_commands(ctx) if name not in grouped)
        for title, names in (*GROUPS.items(), ("Other", rest)):
            rows = [(name, self.commands[name].get_short_help_str(90)) for name in names if name in self.commands]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; if nobody reads its output any more, that is no fault of its own."""
        try:
            result = super().invoke(ctx)
            if sys.stdout:
                sys.stdout.flush()
        except BrokenPipeError:
            _drop_output()
            ctx.exit(PIPE_CLOSED)
        return result


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line; an error of ours is one line on standard error and an exit code."""
    _stand_in_for_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # titles are in any script, terminals are not
    allocator.keep_small()
    with _terminable():
        code = _run(arguments)
    leave(code)


def _stand_in_for_closed_streams() -> None:
    """Put the null device where a standard stream is closed: else the next file that is opened would be taken for it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest number that is free, which is this one
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115 - it is open until the end
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def _run(arguments: Sequence[str] | None) -> int:
    try:
        result = feeder.main(arguments, standalone_mode=False, prog_name="feeder")
        if sys.stdout:
            sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return WRONG
    except (click.Abort, _Terminated) as stop:
        word, code = ("interrupted", INTERRUPTED) if isinstance(stop, click.Abort) else ("terminated", TERMINATED)
        _say(f"feeder: {word}; what was done stands, the rest is done at the next run")
        return code
    except ConfigError as error:
        _say(*error.problems)
        return WRONG
    except FeederError as error:
        _say(f"feeder: {error}")
        return WRONG if isinstance(error, UnknownName) else FAILED
    except OSError as error:
        _drop_output()
        _say(f"feeder: {error.filename or 'the output cannot be written'}: {error.strerror}")
        return FAILED
    return result if isinstance(result, int) else DONE


def _drop_output() -> None:
    """Leave what is in the buffer, which nobody takes: the interpreter must not fail over it on its way out."""
    if sys.stdout:
        with suppress(OSError):  # in tests it has no number
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Terminated(BaseException):
    """SIGTERM came; what is open is closed on the way up."""


@contextmanager
def _terminable() -> Iterator[None]:
    # asyncio would put a handler of its own in place of Python's, and turn the first interrupt into a cancelled task.
    handlers = {signal.SIGTERM: _terminate, signal.SIGINT: _interrupt}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise _Terminated


def _say(*lines: str) -> None:
    from feeder.screen import printable

    for line in lines:
        click.echo(printable(line), err=True)


def _note_level(context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    options = context.find_root().ensure_object(Options)
    options.log_level = value or options.log_level


def _note_path(context: click.Context, _parameter: click.Parameter, value: Path | None) -> None:
    options = context.find_root().ensure_object(Options)
    options.path = value or options.path


def _common_options(*, envvar: str | None = None) -> Callable[[Command], Command]:
    """Let `-c` and `--log-level` stand before a command's name, and behind it as well."""
    config = click.option(
        "-c",
        "--config",
        type=click.Path(path_type=Path),
        envvar=envvar,
        expose_value=False,
        callback=_note_path,
        help="The configuration. [default: ./config.toml, then /etc/feeder/config.toml]",
    )
    level = click.option(
        "--log-level",
        type=click.Choice(["debug", "info", "warning", "error"]),
        expose_value=False,
        callback=_note_level,
        help="The least serious events to log. [default: info; where a command reports by itself: warning or error]",
    )
    return lambda command: config(level(command))


def _sources(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete the name of a source; without a good configuration there is nothing to complete."""
    from feeder import config

    options = context.find_root().ensure_object(Options)
    try:
        settings = config.load(options.path or _default_config(), to_write=False)
    except (FeederError, OSError):
        return []
    return [CompletionItem(source.name) for source in settings.sources if source.name.startswith(begun)]


def _files(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    return [CompletionItem(begun, type="file")]


def _sources_or_files(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    return _sources(context, parameter, begun) or _files(context, parameter, begun)


_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


@click.group(
    cls=_Groups,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="feeder", message="%(prog)s %(version)s")
@_common_options(envvar="FEEDER_CONFIG")
@click.pass_context
def feeder(context: click.Context) -> None:
    """Republish trees of articles as Atom, RSS and JSON feeds, one for every category."""
    context.ensure_object(Options)


@feeder.command()
@_common_options()
@click.pass_obj
def serve(obj: Options) -> None:
    """Serve what is published, and nothing else: for a directory that another process or machine fills.

    SIGTERM or SIGINT stops it. The state is only read, for the status page.
    """
    with suppress(KeyboardInterrupt, _Terminated):
        from feeder.serve.alone import run as run_server

        run_server(_load(obj, to_write=False), clock=_now)


@feeder.command()
@_common_options()
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
    with suppress(KeyboardInterrupt, _Terminated):
        from feeder.config.values import address
        from feeder.store.opening import EXTRA

        try:
            from feeder.cluster import node
        except ImportError as error:
            raise FeederError(f"a worker needs more than is installed: pip install '{EXTRA}' ({error})") from error
        try:
            place = address(admin) if admin else None
        except ValueError as error:
            raise ConfigError(f"--admin: {error}") from error
        duties = node.Duties(
            roles=node.roles_of(roles), slots=concurrency, admin=place, **({"name": name} if name else {})
        )
        node.run(_load(obj), duties, clock=_now)


# ---------------------------------------------------------------- set up


@feeder.command()
@click.option(
    "--from",
    "like",
    nargs=2,
    metavar="KIND DIR",
    type=(click.Choice(["hexo", "hugo", "jekyll", "pelican"]), click.Path(path_type=Path)),
    help="Read what the config of a hexo, hugo, jekyll or pelican site in DIR says.",
)
@click.option("--title", help="What the site is called. [default: the name of the directory]")
@click.option("--url", help="Where readers find the output directory.")
@click.option("--articles", type=click.Path(path_type=Path), help="The directory with the articles.")
@click.argument("file", type=click.Path(path_type=Path), default=Path("config.toml"))
def init(
    *, like: tuple[str, Path] | None, title: str | None, url: str | None, articles: Path | None, file: Path
) -> None:
    """Write a commented configuration to FILE (./config.toml).

    A file that exists is left alone.
    """
    from feeder import screen
    from feeder.model import Dialect
    from feeder.starting import local_zone, start

    site = (Dialect(like[0]), like[1]) if like else None
    today = datetime.now().astimezone().date()
    started = start(file, today=today, title=title, url=url, articles=articles, like=site, timezone=local_zone())
    notes = (f"  note: {note}" for note in started.notes)
    screen.show([f"{started.path}: written; `feeder check` says what it configures", *notes])


@feeder.group()
def opml() -> None:
    """Take over the feeds of a subscription list (OPML), or write one."""


@opml.command("import")
@_common_options()
@click.option("--force", is_flag=True, help="Replace the file that an import of a list of this name wrote.")
@_json_option
@click.argument("file_or_url", metavar="FILE|URL", shell_complete=_files)
@click.pass_obj
def import_(obj: Options, file_or_url: str, *, force: bool, as_json: bool) -> None:
    """Write the feeds of a list into a file of sources of its own, in sources.d/ beside the configuration.

    Folders become categories. Feeds that are sources already are left out. Nothing is fetched but the list.
    """
    from dataclasses import asdict

    from feeder import opml as lists
    from feeder import screen

    settings = _load(obj, level="warning", to_write=False)
    done = lists.import_list(file_or_url, settings, force=force)
    if as_json:
        screen.show_json(asdict(done) | {"path": done.path and str(done.path)})
    else:
        screen.show(lists.report(done, settings))


@opml.command()
@_common_options()
@click.pass_obj
def export(obj: Options) -> None:
    """Write the feeds that are sources to standard output, as OPML 2.0; their categories are folders."""
    from feeder.app import is_begun
    from feeder.opml import export_list

    settings = _load(obj, level="warning", to_write=False)
    if is_begun(settings):
        with _beside(settings) as app:
            body, others = export_list(settings, app.found())
    else:
        body, others = export_list(settings)
    click.echo(body, nl=False)
    if others:
        _say(f"note: left out, as they are no feeds: {others} of the URLs")


@feeder.command()
@_common_options()
@_json_option
@click.argument("feeds", metavar="FEED...", nargs=-1, required=True, shell_complete=_files)
@click.pass_context
def adopt(context: click.Context, *, feeds: tuple[str, ...], as_json: bool) -> None:
    """Take over the ids of feeds that subscribers already have, before the first poll.

    FEED is an Atom, RSS or JSON feed: a file, or an address on the web, whose further pages are read as well. Or it is
    the feeds.json of a Feeder that lost its state. The sources are read to tell which articles match; nothing is published.
    """
    from dataclasses import asdict

    from feeder import adopt as adopting
    from feeder import screen

    settings = _load(context.obj, level="error")  # what cannot be read in sources is for the first poll to tell
    with screen.progress() as progress:
        done = adopting.adopt(feeds, settings, now=_now(), progress=progress)
    if as_json:
        screen.show_json(asdict(done))
    else:
        screen.show(adopting.report(done))
    context.exit(DONE if (done.adopted or done.known) and not done.unread else FAILED)


# ---------------------------------------------------------------- work


@feeder.command()
@_common_options()
@click.option("--all", "everything", is_flag=True, help="Poll every source, whether it is due or not.")
@click.option("--dry-run", is_flag=True, help="Name the files that would change, and what other settings would do.")
@click.option("--fresh", is_flag=True, help="Begin with a new state although feeds are published already.")
@_json_option
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
    from feeder import report, screen
    from feeder.app import opened, rehearsed

    level = "error" if sys.stderr.isatty() else "warning" if dry_run else "info"  # a log would run into the bars
    settings = _load(context.obj, level=level)
    with screen.progress() as progress:
        if dry_run:
            whole = rehearsed(settings, is_fresh=fresh, progress=progress)
        else:
            whole = opened(settings, is_fresh=fresh, progress=progress)
        with whole as app:
            done = _rehearse(app, everything=everything) if dry_run else _run_once(app, everything=everything)
    if as_json:
        screen.show_json(report.summary_values(done))
    else:
        screen.show(report.summary(done))
    context.exit(FAILED if done.published.failed else SOURCES_FAILED if done.failed else DONE)


def _run_once(app: App, *, everything: bool) -> Summary:
    from feeder import report

    now = _now()
    app.prepare(now)
    polls = _polls(app, _wanted(app, now, everything=everything), now)
    published = _published(app)
    _alerted(app)
    app.prune(now)
    _told(app)
    counts, problems = app.store.counts(), app.store.problems()
    return report.Summary(polls=polls, published=published, counts=counts, problems=problems)


def _polls(app: App, names: tuple[str, ...], now: datetime) -> tuple[Polled, ...]:
    if not any(app.is_remote(name) for name in names):
        return tuple(app.poll(name, now) for name in names)
    from feeder import asking  # what speaks to the web takes a while to load

    return asking.poll_all(app, names, now)


def _published(app: App) -> Published:
    published = app.publish(_now(), settle=timedelta())
    published.removed += [path for path in app.clear() if path not in published.removed]  # a dry run removes nothing
    _tell(app)
    return published


def _tell(app: App) -> None:
    if not app.is_rehearsal and app.parts.listeners:
        import asyncio

        from feeder.telling import tell_all

        asyncio.run(tell_all(app, _now))


def _alerted(app: App) -> None:
    """Tell of what has fallen silent, if anybody wants to know."""
    if app.config.alerts.categories or any(source.alert_after for source in app.config.sources) or app.store.alerts():
        import asyncio

        from feeder.alerts import attend
        from feeder.life import at_once

        asyncio.run(attend(app, at_once, _now))


def _told(app: App) -> None:
    from feeder.bulletin import Bulletin

    if app.config.status_every:
        Bulletin().write(app.config, _now())


def _wanted(app: App, now: datetime, *, everything: bool) -> tuple[str, ...]:
    if everything:
        return tuple(source.name for source in app.config.sources if source.enabled)
    return tuple(chain.from_iterable(iter(lambda: app.claim_due(now), ())))  # it leases some at a time


def _rehearse(app: App, *, everything: bool) -> Summary:
    from feeder import report

    now = _now()
    other = app.reread()
    before = report.census(app.store) if other or app.rerender() else None
    app.prepare(now)
    polls = _polls(app, _wanted(app, now, everything=everything), now)
    published = _published(app)
    return report.Summary(
        polls=polls,
        published=published,
        counts=app.store.counts(),
        problems=app.store.problems(),
        effect=report.effect_of(other, app.store, before=before) if before else None,
        rehearsal=True,
    )


@feeder.command()
@_common_options()
@click.pass_obj
def run(obj: Options) -> None:
    """Run the daemon: poll, publish and serve until it is told to stop.

    SIGTERM or SIGINT stops it after the piece of work in hand; the state is whole at any time. SIGHUP, or `feeder
    reload`, has it read the configuration anew.
    """
    with suppress(OSError, ValueError, RuntimeError):  # of a standard error that is no file, or closed
        faulthandler.enable()  # a service manager that ends a daemon that hangs leaves a trace of where
    with suppress(KeyboardInterrupt, _Terminated):  # before the daemon takes signals, or after, they mean the same
        from feeder.app import opened
        from feeder.schedule import run as run_daemon

        with opened(_load(obj)) as app:
            run_daemon(app, clock=_now)


# ---------------------------------------------------------------- set up


@feeder.command()
@_common_options()
@_json_option
@click.pass_obj
def check(obj: Options, *, as_json: bool) -> None:
    """Check the configuration, and say what it configures.

    Exit code 2 and a line for each fault if it is wrong. Nothing is read but names, and nothing is changed.
    """
    from feeder import report, screen, takedowns

    settings = _load(obj, level="warning")
    takedowns.load(settings.path.parent / takedowns.NAME)
    looks = [report.look(source) for source in settings.sources]
    if as_json:
        screen.show_json(report.check_values(settings, looks))
    else:
        screen.show(report.check(settings, looks))


@feeder.command()
@_common_options()
@_json_option
@click.argument("what", metavar="SOURCE|FILE|URL", shell_complete=_sources_or_files)
@click.pass_obj
def preview(obj: Options, what: str, *, as_json: bool) -> None:
    """Show what would be read of a source, a file, a directory or a URL; nothing is stored.

    A file need not lie in a source, and there need not be a configuration yet: then the settings of the first source,
    or the defaults, are used. Any URL is asked once, by the same rules as when it is polled; that of no source with
    the defaults.
    """
    from feeder import preview as reading
    from feeder import screen

    chosen = reading.subject(what, _load_if_any(obj))
    if chosen.note:
        _say(f"note: {chosen.note}")
    if chosen.locator is None:
        source = _previewed(chosen)
        blocks, values = reading.source_blocks(source, chosen), reading.source_values(source, chosen)
    else:
        document = reading.of_document(chosen)
        blocks, values = reading.document_blocks(document, chosen), reading.document_values(document, chosen)
    if as_json:
        screen.show_json(values)
    else:
        screen.show(blocks)


def _previewed(chosen: Subject) -> SourcePreview:
    if chosen.source.url:
        from feeder.preview_web import of_url

        return of_url(chosen, now=_now())
    from feeder.preview import of_source

    return of_source(chosen, now=_now())


@feeder.command()
@click.argument("shell", type=click.Choice(list(SHELLS)))
def completion(shell: str) -> None:
    """Print what has a shell complete commands, options, files and the names of sources.

    \b
    For all users:
      feeder completion bash > /etc/bash_completion.d/feeder
      feeder completion zsh > /usr/local/share/zsh/site-functions/_feeder
      feeder completion fish > /etc/fish/completions/feeder.fish
    """  # noqa: D301 - as in `once`
    click.echo(SHELLS[shell](feeder, {}, "feeder", "_FEEDER_COMPLETE").source())


# ---------------------------------------------------------------- look


@feeder.command()
@_common_options()
@click.option("--merges", is_flag=True, help="List the articles that were merged although their texts differ.")
@_json_option
@click.pass_obj
def status(obj: Options, *, merges: bool, as_json: bool) -> None:
    """Show how sources, articles and feeds stand, also while the daemon runs.

    \b
    A source is
      ok       polled without a fault
      failing  not to be read now; its articles stay, and it is tried again ever more rarely
      ended    gone for good, as its server says (410); its articles stay
      paused   by `feeder pause`
      off      enabled = false
      new      not polled yet
      gone     not in the configuration any more
    """  # noqa: D301 - as in `once`
    from feeder import report, screen
    from feeder.app import is_begun

    settings = _load(obj, level="warning", to_write=False)
    if is_begun(settings):
        with _beside(settings) as app:
            stands = report.standing(settings, app.store, merges=merges)
    else:
        stands = report.standing(settings, None, merges=merges)
    if as_json:
        screen.show_json(report.status_values(stands))
    else:
        screen.show(report.status(stands, _now()))


@feeder.command()
@_common_options()
@_json_option
@click.argument("name", metavar="FILE|URL|ID", shell_complete=_files)
@click.pass_obj
def explain(obj: Options, name: str, *, as_json: bool) -> None:
    """Tell why an article is where it is, or why not, and its history.

    ID is what feeds say (tag:…), or its last 26 characters. FILE may be gone meanwhile. URL is the article's link. An
    entry of a feed is known by its guid as well.
    """
    from feeder import explain as why
    from feeder import screen

    now = _now()
    with _beside(_load(obj, level="warning", to_write=False)) as app:
        told = why.explain(why.find(name, app), app, now)
        if as_json:
            screen.show_json(why.values(told))
        else:
            screen.show(why.blocks(told, app, now))


@feeder.command()
@_common_options()
@click.option("--repair", "is_repair", is_flag=True, help="Mend what can be mended; best while no daemon runs.")
@_json_option
@click.pass_context
def doctor(context: click.Context, *, is_repair: bool, as_json: bool) -> None:
    """Look whether all is well: rights, disks, the clock, the state, and the feeds beside it.

    Nothing is changed, and it may run beside the daemon. Exit code 1 if something has to be done.

    With --repair, what the state has counted and listed is worked out anew, feeds that differ are marked to be written
    again, and what interrupted runs left goes. Beside a daemon only feeds are marked.
    """
    from feeder import doctor as looking
    from feeder import screen

    settings = _load(context.obj, level="error", to_write=False, is_quiet=True)
    told = looking.repair(settings, _now()) if is_repair else looking.examine(settings, _now())
    if as_json:
        screen.show_json(looking.values(told))
    else:
        screen.show(looking.blocks(told))
    context.exit(DONE if told.is_well else FAILED)


# ---------------------------------------------------------------- steer


def _names(command: Command) -> Command:
    return click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=_sources)(command)


@feeder.command()
@_common_options()
@_names
@click.pass_obj
def poll(obj: Options, names: tuple[str, ...]) -> None:
    """Make sources due at once.

    The daemon polls them within a second; without one, the next `feeder once` does.
    """

    def act(store: Store, name: str) -> str:
        store.request_poll(name, _now())
        return f"{name}: is due now"

    _steer(obj, names, act)


@feeder.command()
@_common_options()
@_names
@click.pass_obj
def pause(obj: Options, names: tuple[str, ...]) -> None:
    """Stop polling sources until `feeder resume`; their articles stay."""

    def act(store: Store, name: str) -> str:
        store.set_paused(name, paused=True)
        return f"{name}: is paused; `feeder resume {name}` ends that"

    _steer(obj, names, act)


@feeder.command()
@_common_options()
@_names
@click.pass_obj
def resume(obj: Options, names: tuple[str, ...]) -> None:
    """Poll paused sources again."""

    def act(store: Store, name: str) -> str:
        store.set_paused(name, paused=False)
        return f"{name}: is polled again"

    _steer(obj, names, act)


@feeder.command()
@_common_options()
@_names
@click.pass_obj
def accept(obj: Options, names: tuple[str, ...]) -> None:
    """Confirm that what is missing from sources is gone for good.

    When too many articles vanish at once, Feeder withdraws none of them: a disk may not be mounted. This says that it
    is right so; the next poll withdraws them.
    """

    def act(store: Store, name: str) -> str:
        missing = sum(1 for gone in store.missing(name) if gone.id)
        if not missing:
            return f"{name}: nothing is missing; nothing is changed"
        store.accept(name, _now())
        return f"{name}: {missing} of {store.count(name)} articles are missing; the next poll withdraws them"

    _steer(obj, names, act)


@feeder.command()
@_common_options()
@click.pass_obj
def reload(obj: Options) -> None:
    """Have the daemon read the configuration anew, and wait until it goes by it.

    Sources and settings change without a restart; storage, server and site.id need one. With a configuration that is
    wrong, the daemon goes on by the one of before, and this ends with 2.
    """
    from feeder.reload import reload as ask
    from feeder.report import many

    settings = _load(obj, level="warning", to_write=False)
    process = ask(settings)
    click.echo(f"process {process} goes by {settings.path} now, with {many(len(settings.sources), 'source')}")


@feeder.command()
@_common_options()
@click.option("--note", default="", help="Why, for removed.txt and `feeder explain`.")
@click.argument("name", metavar="ID|FILE|URL", shell_complete=_files)
@click.pass_context
def remove(context: click.Context, name: str, *, note: str) -> None:
    """Take an article down: out of every feed, for good, whatever source brings it again.

    ID is what feeds say (tag:…), or its last 26 characters; URL is the article's link.

    The takedown is a line of removed.txt beside the configuration. Deleting the line and `feeder once` (or a restart
    of the daemon) undo it.
    """
    from feeder.explain import find

    settings = _load(context.obj, level="warning")
    check_owner(settings.local)  # before the list of takedowns is written
    with _beside(settings) as app:
        found = find(name, app)
        if found.id is None:
            raise FeederError(f"{name}: is no article, so there is nothing to take down")
        memory, copies = app.store.copies([found.id])[found.id]
        if memory.removed:
            click.echo(f"{found.id}: was taken down already")
            return
        feeds = len(app.store.feeds_of(found.id))
        app.remove(found.id, note, _now())
    _say_taken_down(found.id, copies)
    context.exit(_publish_removal(settings, feeds))


def _say_taken_down(id_: str, copies: tuple[Any, ...]) -> None:
    from feeder.screen import show

    title = copies[0].article.title if copies else "an article that no source holds now"
    show([f"taken down: {title}", f"  {id_}", *(f"  {copy.source}: {copy.locator}" for copy in copies)])


def _publish_removal(settings: Config, feeds: int) -> int:
    from feeder.app import opened
    from feeder.report import many

    try:
        with opened(settings) as app:
            published = app.publish(_now(), settle=timedelta())
            _tell(app)
    except StateInUse:
        click.echo(f"  it leaves {many(feeds, 'feed')} as soon as the daemon publishes, within moments")
        return DONE
    _say(*(f"  failed: {'/'.join(node)}: {reason}" for node, reason in published.failed.items()))
    click.echo(f"  it has left {many(feeds, 'feed')}: {many(len(published.written), 'file')} written")
    return FAILED if published.failed else DONE


# ---------------------------------------------------------------- keep


@feeder.command()
@_common_options()
@click.option("--force", is_flag=True, help="Replace FILE.")
@click.option("--keep", type=click.IntRange(min=1), help="Keep so many backups in DIR; the oldest go.")
@click.argument("target", metavar="FILE|DIR", type=click.Path(path_type=Path))
@click.pass_obj
def backup(obj: Options, target: Path, *, force: bool, keep: int | None) -> None:
    """Write the state and the list of takedowns to one file, also while the daemon runs.

    In a directory the file is named after the state and the time.
    """
    from feeder import backup as keeping
    from feeder import screen

    if keep and not target.is_dir():
        raise click.UsageError(f"--keep is for a directory, and {target} is none")
    settings = _load(obj, level="warning", to_write=False)
    screen.show(keeping.report_backup(keeping.backup(target, settings, _now(), force=force, keep=keep)))


@feeder.command()
@_common_options()
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_obj
def restore(obj: Options, file: Path) -> None:
    """Put the state in a backup in place of the one that is there, which is kept beside it.

    The daemon must be stopped. What feeds have shown since the backup was made keeps its ids.
    """
    from feeder import backup as keeping
    from feeder import screen

    settings = _load(obj, level="warning")
    screen.show(keeping.report_restore(keeping.restore(file, settings, _now()), settings))


@feeder.command()
@_common_options()
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.pass_obj
def migrate(obj: Options, source: str, target: str) -> None:
    """Move the state to another database: sqlite:///… to postgresql://…, or back.

    Daemon and workers must be stopped. No id and no feed is another one afterwards. FROM stays as it is.
    """
    from feeder import migration, screen

    settings = _load(obj, level="warning", to_write=False)
    screen.show(migration.report(migration.move(source, target, settings)))


# ---------------------------------------------------------------- what commands share


def _load(obj: Options, *, level: str = "info", to_write: bool = True, is_quiet: bool = False) -> Config:
    from feeder import config, log

    log.configure(obj.log_level or level)
    settings = config.load(obj.path or _default_config(), to_write=to_write)
    for warning in () if is_quiet else settings.warnings:
        click.echo(f"warning: {warning}", err=True)
    return settings


def _load_if_any(obj: Options) -> Config | None:
    from feeder import log

    if obj.path or any(path.exists() for path in DEFAULT_CONFIGS):
        return _load(obj, level="error", to_write=False)  # what is wrong with documents is shown, not logged
    log.configure(obj.log_level or "error")
    return None


def _default_config() -> Path:
    found = next((path for path in DEFAULT_CONFIGS if path.exists()), None)
    if found is None:
        tried = " nor ".join(str(path) for path in DEFAULT_CONFIGS)
        raise ConfigError(f"there is no configuration: neither {tried}; `feeder init` writes one")
    return found


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@contextmanager
def _beside(settings: Config) -> Iterator[App]:
    from feeder.app import beside

    with beside(settings) as app:
        yield app


def _steer(obj: Options, names: tuple[str, ...], act: Callable[[Store, str], str]) -> None:
    """Do something to each source, all or none, and say what."""
    settings = _load(obj, level="warning")
    check_owner(settings.local)
    with _beside(settings) as app:
        _check_known(names, app)
        with app.store.transaction():
            lines = [act(app.store, name) for name in names]
    for line in lines:
        click.echo(line)


def _check_known(names: tuple[str, ...], app: App) -> None:
    from feeder.config.values import suggestion

    states = {state.name for state in app.store.sources() if state.rank is not None}
    sources = {source.name for source in app.config.sources}
    for name in names:
        if name not in sources:
            raise UnknownName(f'there is no source "{name}"{suggestion(name, sources)}')
        if name not in states:
            raise FeederError(f"{name}: has not been taken over from the configuration yet: restart the daemon")
