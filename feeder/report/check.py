"""What is configured, and what its sources hold by their names alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from feeder.config import Address, Config, address_text
from feeder.errors import FetchError
from feeder.fetch import fetcher_of
from feeder.model import Place, Source, Unlisted
from feeder.screen import FEW, Block, Table
from feeder.wording import many, span


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A source, and how many documents it holds now; or why nobody knows."""

    source: Source
    documents: int = 0
    problem: str | None = None


def look(source: Source) -> Look:
    """Count the documents of *source*; nothing is read, and no server is asked."""
    if source.url:
        return Look(source=source)
    count, unlisted = 0, []
    try:
        for found in fetcher_of(source).look(source):
            if isinstance(found, Place):
                count += 1
            else:
                unlisted.append(found)
    except FetchError as error:
        return Look(source=source, problem=error.reason)
    return Look(source=source, documents=count, problem=_unlisted(unlisted))


def _unlisted(unlisted: Sequence[Unlisted]) -> str | None:
    return "; ".join(f"{each.locator} cannot be listed: {each.reason}" for each in unlisted[:FEW]) or None


def blocks(settings: Config, looks: Sequence[Look]) -> Iterator[Block]:
    """Yield what is configured."""
    site = settings.site
    yield Table(
        title=f"{settings.path}: good",
        rows=(
            ("site", f"{site.title} <{site.url}>"),
            ("ids", f"tag:{site.id}:…"),
            ("time zone", f"{site.timezone}"),
            ("formats", ", ".join(settings.feeds.formats)),
            ("output", str(settings.output)),
            ("state", _place(settings)),
            ("server", _where(settings.listen)),
            ("for the operator", _where(settings.admin)),
        ),
    )
    yield Table(
        title=many(len(looks), "source"),
        columns=("source", "documents", "polled", "path or url"),
        rows=tuple(map(_row, looks)),
    )


def _place(settings: Config) -> str:
    is_missing = isinstance(settings.state, Path) and not settings.state.exists()
    return f"{settings.state}{' (not there yet)' if is_missing else ''}"


def _where(address: Address | None) -> str:
    if address is None:
        return "off"
    return address_text(address) if isinstance(address, Path) else f"http://{address_text(address)}/"


def _row(look: Look) -> tuple[str, ...]:
    source = look.source
    polled = source.cron or ("as it publishes" if source.is_adaptive else f"every {span(source.interval)}")
    documents = str(look.documents) if look.documents or not (look.problem or source.url) else "?"
    place = f"{source.url or source.path}" + (f" ({look.problem})" if look.problem else "")
    return source.name, documents, polled if source.enabled else "no (enabled = false)", place


def values(settings: Config, looks: Sequence[Look]) -> dict[str, object]:
    """Return what is configured, as JSON has it."""
    return {
        "config": str(settings.path),
        "site": {"title": settings.site.title, "url": settings.site.url, "id": settings.site.id},
        "formats": [made.value for made in settings.feeds.formats],
        "output": str(settings.output),
        "state": str(settings.state),
        "state_exists": settings.state.exists() if isinstance(settings.state, Path) else None,
        "listen": None if settings.listen is None else address_text(settings.listen),
        "admin": None if settings.admin is None else address_text(settings.admin),
        "sources": [
            {
                "name": each.source.name,
                "path": None if each.source.path is None else str(each.source.path),
                "url": each.source.url,
                "enabled": each.source.enabled,
                "documents": None if each.source.url else each.documents,
                "problem": each.problem,
            }
            for each in looks
        ],
        "warnings": list(settings.warnings),
    }
