"""What commands share: their options, the completion of names, and the configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from click.shell_completion import CompletionItem

from feeder.errors import ConfigError, FeederError

if TYPE_CHECKING:
    from feeder.app import App
    from feeder.config import Config, Kept

DEFAULT_CONFIGS: Final = (Path("config.toml"), Path("/etc/feeder/config.toml"))
Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(slots=True, kw_only=True)
class Options:
    """What stands before or after the name of any command."""

    path: Path | None = None
    log_level: str | None = None


def common_options(*, envvar: str | None = None) -> Callable[[Command], Command]:
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


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def complete_sources(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete the name of a source; without a good configuration there is nothing to complete."""
    from feeder import config

    options = context.find_root().ensure_object(Options)
    try:
        settings = config.load(options.path or _default_config(), to_write=False)
    except (FeederError, OSError):
        return []
    return [CompletionItem(source.name) for source in settings.sources if source.name.startswith(begun)]


def complete_files(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete the name of a file."""
    return [CompletionItem(begun, type="file")]


def complete_sources_or_files(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete the name of a source, or else of a file."""
    return complete_sources(context, parameter, begun) or complete_files(context, parameter, begun)


def load(obj: Options, *, level: str = "info", to_write: bool = True, is_quiet: bool = False) -> Config:
    """Return the configuration, and set up the log: at *level* unless the command line says otherwise."""
    from feeder import config, log

    log.configure(obj.log_level or level)
    settings = config.load(obj.path or _default_config(), to_write=to_write)
    for warning in () if is_quiet else settings.warnings:
        click.echo(f"warning: {warning}", err=True)
    return settings


def kept(obj: Options) -> Kept | None:
    """Return where the state is, though the configuration is wrong; None: that is so, too."""
    from feeder import config

    return config.kept(obj.path or _default_config())


def load_if_any(obj: Options) -> Config | None:
    """Return the configuration, or None where there is none and none was named."""
    from feeder import log

    if obj.path or any(path.exists() for path in DEFAULT_CONFIGS):
        return load(obj, level="error", to_write=False)  # what is wrong with documents is shown, not logged
    log.configure(obj.log_level or "error")
    return None


def clock() -> datetime:
    """Return the time as the state counts it: in UTC, in whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


@contextmanager
def beside(settings: Config) -> Iterator[App]:
    """Yield the whole for questions, and for notes to the process that works with the state."""
    from feeder import opening

    with opening.beside(settings) as app:
        yield app


def _note_level(context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    options = context.find_root().ensure_object(Options)
    options.log_level = value or options.log_level


def _note_path(context: click.Context, _parameter: click.Parameter, value: Path | None) -> None:
    options = context.find_root().ensure_object(Options)
    options.path = value or options.path


def _default_config() -> Path:
    found = next((path for path in DEFAULT_CONFIGS if path.exists()), None)
    if found is None:
        tried = " nor ".join(str(path) for path in DEFAULT_CONFIGS)
        raise ConfigError(f"there is no configuration: neither {tried}; `feeder init` writes one")
    return found
