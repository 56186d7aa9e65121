"""The command line: one thin function for each command. Only this room knows click."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Final, NoReturn

import click

from feeder import allocator
from feeder.cli import keeping, looking, setting_up, steering, working
from feeder.cli.ending import (
    DONE,
    FAILED,
    INTERRUPTED,
    PIPE_CLOSED,
    TERMINATED,
    WRONG,
    Terminated,
    drop_output,
    say,
    stand_in_for_closed_streams,
    terminable,
)
from feeder.cli.options import Options, common_options
from feeder.errors import ConfigError, FeederError, UnknownName
from feeder.leaving import leave

# What `feeder --help` lists, in this order.
GROUPS: Final[Mapping[str, tuple[click.Command, ...]]] = {
    "Set up": (
        setting_up.init,
        setting_up.check,
        setting_up.preview,
        setting_up.opml,
        setting_up.adopt,
        setting_up.completion,
    ),
    "Work": (working.run, working.once, working.serve, working.worker),
    "Look": (looking.status, looking.explain, looking.doctor),
    "Steer": (steering.poll, steering.pause, steering.resume, steering.accept, steering.remove, steering.reload),
    "Keep": (keeping.backup, keeping.restore, keeping.migrate),
}
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


class _Groups(click.Group):
    """Lists its commands by what they are for."""

    def list_commands(self, _context: click.Context) -> list[str]:
        """Return the names of all commands in the order of GROUPS."""
        return list(self.commands)

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a list for each group."""
        for title, commands in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(str(each.name), each.get_short_help_str(90)) for each in commands])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; if nobody reads its output any more, that is no fault of its own."""
        try:
            result = super().invoke(ctx)
            if sys.stdout:
                sys.stdout.flush()
        except BrokenPipeError:
            drop_output()
            ctx.exit(PIPE_CLOSED)
        return result


@click.group(
    cls=_Groups,
    commands=tuple(chain.from_iterable(GROUPS.values())),
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="feeder", message="%(prog)s %(version)s")
@common_options(envvar="FEEDER_CONFIG")
@click.pass_context
def feeder(context: click.Context) -> None:
    """Republish trees of articles as Atom, RSS and JSON feeds, one for every category."""
    context.ensure_object(Options)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line; an error of ours is one line on standard error and an exit code."""
    stand_in_for_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # titles are in any script, terminals are not
    allocator.keep_small()
    with terminable():
        code = _run(arguments)
    leave(code)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        result = feeder.main(arguments, standalone_mode=False, prog_name="feeder")
        if sys.stdout:
            sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return WRONG
    except (click.Abort, Terminated) as stop:
        word, code = ("interrupted", INTERRUPTED) if isinstance(stop, click.Abort) else ("terminated", TERMINATED)
        say(f"feeder: {word}; what was done stands, the rest is done at the next run")
        return code
    except ConfigError as error:
        say(*error.problems)
        return WRONG
    except FeederError as error:
        say(f"feeder: {error}")
        return WRONG if isinstance(error, UnknownName) else FAILED
    except OSError as error:
        drop_output()
        say(f"feeder: {error.filename or 'the output cannot be written'}: {error.strerror}")
        return FAILED
    return result if isinstance(result, int) else DONE
