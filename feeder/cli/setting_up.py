"""Commands that set up: the first configuration, a look at it, and what subscribers have already."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from click.shell_completion import BashComplete, FishComplete, ZshComplete

from feeder.cli.ending import DONE, FAILED, say
from feeder.cli.options import (
    Options,
    beside,
    clock,
    common_options,
    complete_files,
    complete_sources_or_files,
    json_option,
    load,
    load_if_any,
)

if TYPE_CHECKING:
    from feeder.preview.choosing import Subject
    from feeder.preview.source import SourcePreview

SHELLS: Final = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}


@click.command()
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


@click.command()
@common_options()
@json_option
@click.pass_obj
def check(obj: Options, *, as_json: bool) -> None:
    """Check the configuration, and say what it configures.

    Exit code 2 and a line for each fault if it is wrong. Nothing is read but names, and nothing is changed.
    """
    from feeder import screen, takedowns
    from feeder.report import check as told

    settings = load(obj, level="warning")
    takedowns.load(settings.path.parent / takedowns.NAME)
    looks = [told.look(source) for source in settings.sources]
    if as_json:
        screen.show_json(told.values(settings, looks))
    else:
        screen.show(told.blocks(settings, looks))


@click.command()
@common_options()
@json_option
@click.argument("what", metavar="SOURCE|FILE|URL", shell_complete=complete_sources_or_files)
@click.pass_obj
def preview(obj: Options, what: str, *, as_json: bool) -> None:
    """Show what would be read of a source, a file, a directory or a URL; nothing is stored.

    A file need not lie in a source, and there need not be a configuration yet: then the settings of the first source,
    or the defaults, are used. Any URL is asked once, by the same rules as when it is polled; that of no source with
    the [defaults] of the configuration.
    """
    from feeder import screen
    from feeder.preview import people, programs
    from feeder.preview.choosing import subject
    from feeder.preview.document import of_document

    chosen = subject(what, load_if_any(obj))
    if chosen.note:
        say(f"note: {chosen.note}")
    if chosen.locator is None:
        source = _previewed(chosen)
        blocks, values = people.source_blocks(source, chosen), programs.source_values(source, chosen)
    else:
        document = of_document(chosen)
        blocks, values = people.document_blocks(document, chosen), programs.document_values(document, chosen)
    if as_json:
        screen.show_json(values)
    else:
        screen.show(blocks)


def _previewed(chosen: Subject) -> SourcePreview:
    if chosen.source.url:
        from feeder.preview.web import of_url

        return of_url(chosen, now=clock())
    from feeder.preview.source import of_source

    return of_source(chosen, now=clock())


@click.group()
def opml() -> None:
    """Take over the feeds of a subscription list (OPML), or write one."""


@opml.command("import")
@common_options()
@click.option("--force", is_flag=True, help="Replace the file that an import of a list of this name wrote.")
@json_option
@click.argument("file_or_url", metavar="FILE|URL", shell_complete=complete_files)
@click.pass_obj
def import_(obj: Options, file_or_url: str, *, force: bool, as_json: bool) -> None:
    """Write the feeds of a list into a file of sources of its own, in sources.d/ beside the configuration.

    Folders become categories. Feeds that are sources already are left out. Nothing is fetched but the list.
    """
    from dataclasses import asdict

    from feeder import opml as lists
    from feeder import screen

    settings = load(obj, level="warning", to_write=False)
    done = lists.import_list(file_or_url, settings, force=force)
    if as_json:
        screen.show_json(asdict(done) | {"path": done.path and str(done.path)})
    else:
        screen.show(lists.report(done, settings))


@opml.command()
@common_options()
@click.pass_obj
def export(obj: Options) -> None:
    """Write the feeds that are sources to standard output, as OPML 2.0; their categories are folders."""
    from feeder.opening import is_begun
    from feeder.opml import export_list

    settings = load(obj, level="warning", to_write=False)
    if is_begun(settings):
        with beside(settings) as app:
            body, others = export_list(settings, app.polls.memos())
    else:
        body, others = export_list(settings)
    click.echo(body, nl=False)
    if others:
        say(f"note: left out, as they are no feeds: {others} of the URLs")


@click.command()
@common_options()
@json_option
@click.argument("feeds", metavar="FEED...", nargs=-1, required=True, shell_complete=complete_files)
@click.pass_context
def adopt(context: click.Context, *, feeds: tuple[str, ...], as_json: bool) -> None:
    """Take over the ids of feeds that subscribers already have, before the first poll.

    FEED is an Atom, RSS or JSON feed: a file, or an address on the web, whose further pages are read as well. Or it is
    the feeds.json of a Feeder that lost its state. The sources are read to tell which articles match; nothing is published.
    """
    from dataclasses import asdict

    from feeder import adopt as adopting
    from feeder import screen

    settings = load(context.obj, level="error")  # what cannot be read in sources is for the first poll to tell
    with screen.progress() as progress:
        done = adopting.adopt(feeds, settings, now=clock(), progress=progress)
    if as_json:
        screen.show_json(asdict(done))
    else:
        screen.show(adopting.report(done))
    context.exit(DONE if (done.adopted or done.known) and not done.unread else FAILED)


@click.command()
@click.argument("shell", type=click.Choice(list(SHELLS)))
@click.pass_context
def completion(context: click.Context, *, shell: str) -> None:
    """Print what has a shell complete commands, options, files and the names of sources.

    \b
    For all users:
      feeder completion bash > /etc/bash_completion.d/feeder
      feeder completion zsh > /usr/local/share/zsh/site-functions/_feeder
      feeder completion fish > /etc/fish/completions/feeder.fish
    """  # noqa: D301 - as in `once`
    click.echo(SHELLS[shell](context.find_root().command, {}, "feeder", "_FEEDER_COMPLETE").source())
