"""Commands that look, and change nothing."""

from __future__ import annotations

from contextlib import closing, suppress
from typing import TYPE_CHECKING

import click

from feeder.cli.ending import DONE, FAILED, WRONG, say
from feeder.cli.options import Options, beside, clock, common_options, complete_files, json_option, kept, load
from feeder.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from feeder.config import Config, Kept
    from feeder.report.status import Standing


@click.command()
@common_options()
@click.option("--merges", is_flag=True, help="List the articles that were merged although their texts differ.")
@json_option
@click.pass_context
def status(context: click.Context, *, merges: bool, as_json: bool) -> None:
    """Show how sources, articles and feeds stand, also while the daemon runs.

    Where the configuration is wrong, that is told first, and then what the state remembers of the one before; exit code 2.

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
    from feeder import screen
    from feeder.report import status as told

    code = DONE
    try:
        stands = _standing(load(context.obj, level="warning", to_write=False), merges=merges)
    except ConfigError as error:
        place = kept(context.obj)
        found = _remembered(place, merges=merges) if place else None
        if found is None:
            raise
        say(*error.problems, "what follows is by the configuration of before")
        code, stands = WRONG, found
    if as_json:
        screen.show_json(told.values(stands))
    else:
        screen.show(told.blocks(stands, clock()))
    context.exit(code)


def _standing(settings: Config, *, merges: bool) -> Standing:
    from feeder.opening import is_begun
    from feeder.report import status as told

    if not is_begun(settings):
        return told.standing(settings, None, merges=merges)
    with beside(settings) as app:
        return told.standing(settings, app.store, merges=merges)


def _remembered(place: Kept, *, merges: bool) -> Standing | None:
    """Return how things stand by the configuration of before; None: nothing was kept yet, or it cannot be read."""
    from feeder.report import status as told
    from feeder.store.opening import is_there, open_to_read

    with suppress(StoreError):
        if is_there(place.state, site_id=place.site_id):
            with closing(open_to_read(place.state, site_id=place.site_id)) as store:
                return told.remembered(store, merges=merges)
    return None


@click.command()
@common_options()
@json_option
@click.argument("name", metavar="FILE|URL|ID", shell_complete=complete_files)
@click.pass_obj
def explain(obj: Options, name: str, *, as_json: bool) -> None:
    """Tell why an article is where it is, or why not, and its history.

    ID is what feeds say (tag:…), or its last 26 characters. FILE may be gone meanwhile. URL is the article's link. An
    entry of a feed is known by its guid as well.
    """
    from feeder import screen
    from feeder.explain import explain as explained
    from feeder.explain.finding import find
    from feeder.explain.people import blocks
    from feeder.explain.programs import values

    now = clock()
    with beside(load(obj, level="warning", to_write=False)) as app:
        told = explained(find(name, app), app, now)
        if as_json:
            screen.show_json(values(told))
        else:
            screen.show(blocks(told, app, now))


@click.command()
@common_options()
@click.option("--repair", "is_repair", is_flag=True, help="Mend what can be mended; best while no daemon runs.")
@json_option
@click.pass_context
def doctor(context: click.Context, *, is_repair: bool, as_json: bool) -> None:
    """Look whether all is well: rights, disks, the clock, the state, and the feeds beside it.

    Nothing is changed, and it may run beside the daemon. Exit code 1 if something has to be done.

    With --repair, what the state has counted and listed is worked out anew, feeds that differ are marked to be written
    again, and what interrupted runs left goes. Beside a daemon only feeds are marked.
    """
    from feeder import doctor as looking
    from feeder import screen

    settings = load(context.obj, level="error", to_write=False, is_quiet=True)
    told = looking.repair(settings, clock()) if is_repair else looking.examine(settings, clock())
    if as_json:
        screen.show_json(looking.values(told))
    else:
        screen.show(looking.blocks(told))
    context.exit(DONE if told.is_well else FAILED)
