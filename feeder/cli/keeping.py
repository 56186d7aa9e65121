"""Commands that keep: a copy of the state, and the way back to it."""

from __future__ import annotations

from pathlib import Path

import click

from feeder.cli.options import Options, clock, common_options, load


@click.command()
@common_options()
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
    settings = load(obj, level="warning", to_write=False)
    screen.show(keeping.report_backup(keeping.backup(target, settings, clock(), force=force, keep=keep)))


@click.command()
@common_options()
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_obj
def restore(obj: Options, file: Path) -> None:
    """Put the state in a backup in place of the one that is there, which is kept beside it.

    The daemon must be stopped. What feeds have shown since the backup was made keeps its ids.
    """
    from feeder import backup as keeping
    from feeder import screen

    settings = load(obj, level="warning")
    screen.show(keeping.report_restore(keeping.restore(file, settings, clock()), settings))


@click.command()
@common_options()
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.pass_obj
def migrate(obj: Options, source: str, target: str) -> None:
    """Move the state to another database: sqlite:///… to postgresql://…, or back.

    Daemon and workers must be stopped. No id and no feed is another one afterwards. FROM stays as it is.
    """
    from feeder import migration, screen

    settings = load(obj, level="warning", to_write=False)
    screen.show(migration.report(migration.move(source, target, settings)))
