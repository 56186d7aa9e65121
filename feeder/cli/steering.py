"""Commands that steer: what is polled, what is gone for good, and by which configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from feeder.cli.ending import DONE, FAILED, say
from feeder.cli.options import (
    Command,
    Options,
    beside,
    clock,
    common_options,
    complete_files,
    complete_sources,
    kept,
    load,
)
from feeder.cli.working import tell
from feeder.errors import ConfigError, FeederError, StateInUse, UnknownName
from feeder.lock import check_owner

if TYPE_CHECKING:
    from feeder.app import App
    from feeder.config import Config, Kept
    from feeder.store import Store


def _names(command: Command) -> Command:
    return click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=complete_sources)(command)


@click.command()
@common_options()
@_names
@click.pass_obj
def poll(obj: Options, names: tuple[str, ...]) -> None:
    """Make sources due at once.

    The daemon polls them within a second; without one, the next `feeder once` does.
    """

    def act(store: Store, name: str) -> str:
        store.request_poll(name, clock())
        is_paused = any(state.is_paused for state in store.sources() if state.name == name)
        return f"{name}: is paused; `feeder resume {name}` has it polled" if is_paused else f"{name}: is due now"

    _steer(obj, names, act)


@click.command()
@common_options()
@_names
@click.pass_obj
def pause(obj: Options, names: tuple[str, ...]) -> None:
    """Stop polling sources until `feeder resume`; their articles stay."""

    def act(store: Store, name: str) -> str:
        store.set_paused(name, paused=True)
        return f"{name}: is paused; `feeder resume {name}` ends that"

    _steer(obj, names, act)


@click.command()
@common_options()
@_names
@click.pass_obj
def resume(obj: Options, names: tuple[str, ...]) -> None:
    """Poll paused sources again."""

    def act(store: Store, name: str) -> str:
        store.set_paused(name, paused=False)
        return f"{name}: is polled again"

    _steer(obj, names, act)


@click.command()
@common_options()
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
        store.accept(name, clock())
        return f"{name}: {missing} of {store.count(name)} articles are missing; the next poll withdraws them"

    _steer(obj, names, act)


def _steer(obj: Options, names: tuple[str, ...], act: Callable[[Store, str], str]) -> None:
    """Do something to each source, all or none, and say what."""
    settings = load(obj, level="warning")
    check_owner(settings.local)
    with beside(settings) as app:
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
            raise FeederError(
                f"{name}: has not been taken over from the configuration yet: `feeder reload` or `feeder once`"
            )


@click.command()
@common_options()
@click.pass_obj
def reload(obj: Options) -> None:
    """Have the daemon read the configuration anew, and wait until it goes by it.

    Sources and settings change without a restart; storage, server and site.id need one. With a configuration that is
    wrong, the daemon goes on by the one of before, and this ends with 2.
    """
    from feeder.reload import reload as ask
    from feeder.wording import many

    try:
        settings = load(obj, level="warning", to_write=False)
    except ConfigError as error:
        raise ConfigError(*error.problems, *_told(kept(obj))) from error
    process = ask(settings.kept)
    click.echo(f"process {process} goes by {settings.path} now, with {many(len(settings.sources), 'source')}")


def _told(place: Kept | None) -> Iterator[str]:
    """Have the daemon see for itself that the configuration is wrong, so that its status and its log tell; yield what it does."""
    from feeder.reload import GOES_ON
    from feeder.reload import reload as ask

    if place:
        try:
            ask(place)
        except ConfigError:
            yield GOES_ON
        except FeederError:  # there is none
            return


@click.command()
@common_options()
@click.option("--note", default="", help="Why, for removed.txt and `feeder explain`.")
@click.argument("name", metavar="ID|FILE|URL", shell_complete=complete_files)
@click.pass_context
def remove(context: click.Context, name: str, *, note: str) -> None:
    """Take an article down: out of every feed, for good, whatever source brings it again.

    ID is what feeds say (tag:…), or its last 26 characters; URL is the article's link.

    The takedown is a line of removed.txt beside the configuration. Deleting the line and `feeder once` (or a restart
    of the daemon) undo it.
    """
    from feeder.explain.finding import find

    settings = load(context.obj, level="warning")
    check_owner(settings.local)  # before the list of takedowns is written
    with beside(settings) as app:
        found = find(name, app)
        if found.id is None:
            raise FeederError(f"{name}: is no article, so there is nothing to take down")
        memory, copies = app.store.copies([found.id])[found.id]
        if memory.removed:
            click.echo(f"{found.id}: was taken down already")
            return
        feeds = len(app.store.feeds_of(found.id))
        app.remove(found.id, note, clock())
    _say_taken_down(found.id, copies)
    context.exit(_publish_removal(settings, feeds))


def _say_taken_down(id_: str, copies: tuple[Any, ...]) -> None:
    from feeder.screen import show

    title = copies[0].article.title if copies else "an article that no source holds now"
    show([f"taken down: {title}", f"  {id_}", *(f"  {copy.source}: {copy.locator}" for copy in copies)])


def _publish_removal(settings: Config, feeds: int) -> int:
    from feeder.opening import opened
    from feeder.wording import many

    try:
        with opened(settings) as app:
            published = app.publish(clock(), settle=timedelta())
            tell(app)
    except StateInUse:
        click.echo(f"  it leaves {many(feeds, 'feed')} as soon as the daemon publishes, within moments")
        return DONE
    say(*(f"  failed: {'/'.join(node)}: {reason}" for node, reason in published.failed.items()))
    click.echo(f"  it has left {many(feeds, 'feed')}: {many(len(published.written), 'file')} written")
    return FAILED if published.failed else DONE
