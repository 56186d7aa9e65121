"""The command line: one thin function for each command. Only this module knows click and rich."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from feeder.errors import ConfigError, FeederError

if TYPE_CHECKING:
    from feeder.app import App, Progress
    from feeder.config import Config

DEFAULT_CONFIGS = (Path("config.toml"), Path("/etc/feeder/config.toml"))
DONE, FAILED, WRONG, SOURCES_FAILED = 0, 1, 2, 3  # exit codes

Command = TypeVar("Command", bound=Callable[..., Any])


def main() -> None:
    """Run the command line; an error of ours is one line on standard error and an exit code."""
    try:
        feeder(standalone_mode=False)
    except click.exceptions.Exit as exit_:
        sys.exit(exit_.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(WRONG)
    except click.Abort:
        sys.exit(130)
    except ConfigError as error:
        for problem in error.problems:
            click.echo(problem, err=True)
        sys.exit(WRONG)
    except FeederError as error:
        click.echo(f"feeder: {error}", err=True)
        sys.exit(FAILED)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="feeder")
@click.option(
    "-c",
    "--config",
    "path",
    envvar="FEEDER_CONFIG",
    type=click.Path(path_type=Path),
    help="The configuration. [default: ./config.toml, then /etc/feeder/config.toml]",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default=None,
    help="The least serious events to log. [default: info; warning on a terminal where a command reports itself]",
)
@click.pass_context
def feeder(context: click.Context, path: Path | None, log_level: str | None) -> None:
    """Republish trees of articles as Atom, RSS and JSON feeds, one for every category."""
    context.obj = {"path": path, "log_level": log_level}


@feeder.command()
@click.option("--all", "everything", is_flag=True, help="Poll every source, whether it is due or not.")
@click.option("--fresh", is_flag=True, help="Begin with a new state although feeds are published already.")
@click.option("--dry-run", is_flag=True, help="Say which files would change; change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.pass_obj
def once(obj: dict[str, Any], *, everything: bool, fresh: bool, dry_run: bool, as_json: bool) -> None:
    """Poll what is due, publish, and exit.

    Exit code 0: done; 1: a feed could not be written; 3: done, but a source failed.
    """
    from feeder import report
    from feeder.app import opened, rehearsed

    settings = _load(obj, quiet=sys.stderr.isatty())
    with _progress() as progress:
        whole = rehearsed(settings) if dry_run else opened(settings, is_fresh=fresh, progress=progress)
        with whole as app:
            summary = _run_once(app, everything=everything)
    click.echo(json.dumps(report.summary_values(summary), ensure_ascii=False) if as_json else report.summary(summary))
    sys.exit(FAILED if summary.published.failed else SOURCES_FAILED if summary.failed else DONE)


def _run_once(app: App, *, everything: bool) -> Any:
    from feeder import report

    now = _now()
    app.prepare(now)
    names = [s.name for s in app.config.sources if s.enabled] if everything else app.claim_due(now)
    polls = [app.poll(name, now) for name in names]
    return report.Summary(polls=tuple(polls), published=app.publish(_now(), settle=timedelta()), counts=dict(app.store.counts()))


@feeder.command()
@click.pass_obj
def run(obj: dict[str, Any]) -> None:
    """Run the daemon: poll, publish and serve until it is told to stop."""
    from feeder.app import opened
    from feeder.schedule import run as run_daemon

    settings = _load(obj)
    with opened(settings) as app:
        run_daemon(app, clock=_now)


@feeder.command()
@click.pass_obj
def check(obj: dict[str, Any]) -> None:
    """Check the configuration; exit code 2 and a line for each fault if it is wrong."""
    settings = _load(obj)
    click.echo(f"{settings.path}: good: {len(settings.sources)} source(s)")


# ---------------------------------------------------------------- what commands share


def _load(obj: dict[str, Any], *, quiet: bool = False) -> Config:
    from feeder import config, log

    log.configure(obj["log_level"] or ("warning" if quiet else "info"))
    settings = config.load(obj["path"] or _default_config())
    for warning in settings.warnings:
        click.echo(f"warning: {warning}", err=True)
    return settings


def _default_config() -> Path:
    found = next((path for path in DEFAULT_CONFIGS if path.exists()), None)
    if found is None:
        tried = " nor ".join(str(path) for path in DEFAULT_CONFIGS)
        raise ConfigError(f"there is no configuration: neither {tried}; `feeder init` writes one")
    return found


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@contextmanager
def _progress() -> Iterator[Progress | None]:
    """Show progress bars on a terminal, and nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int) -> None:
            task = tasks.setdefault(what, bars.add_task(what, total=total))
            bars.update(task, completed=done, total=total)

        yield show
