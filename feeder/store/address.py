"""Where a state is: a file, or a schema of a PostgreSQL database. Nothing is opened here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

SCHEMES: Final = ("postgresql", "postgres")
SCHEMA: Final = "feeder"  # that of a site which names none
MASK: Final = "***"

_DATABASE: Final = re.compile(r"/[^/@]+")
_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A schema of a PostgreSQL database. As text it tells no password."""

    url: str = field(repr=False)  # as libpq reads it, the password included
    schema: str
    shown: str
    secrets: tuple[str, ...] = field(repr=False, default=())  # that no message may hold

    def __str__(self) -> str:
        return self.shown


State: TypeAlias = Path | Address


def address(text: str) -> Address:
    """Return the schema that "postgresql://user@host/database?schema=name" leads to.

    Raises:
        ValueError: It is something else; the message does not repeat it, as there may be a password in it.
    """
    try:
        parts = urlsplit(text)
        options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise ValueError("cannot be read as a URL; are the password's special characters percent-encoded?") from error
    # A slash in a password ends the host: the rest of it would be taken for the database, and be shown.
    if parts.fragment or parts.netloc.count("@") > 1 or not _DATABASE.fullmatch(parts.path):
        raise ValueError(
            'is not an address such as "postgresql://feeder@localhost/feeder"; are the password\'s special characters '
            "percent-encoded?"
        )
    names = [value for name, value in options if name == "schema"] or [SCHEMA]
    if len(names) > 1 or not _NAME.fullmatch(names[0]):
        raise ValueError("schema: one name of small letters, digits and _ is wanted")
    rest = [(name, value) for name, value in options if name != "schema"]
    secrets = [value for name, value in rest if name.endswith("password")]
    user, at, host = parts.netloc.rpartition("@")
    name, colon, password = user.partition(":")
    secrets += [password, unquote(password)]
    plain = [(key, MASK if key.endswith("password") else value) for key, value in options]
    return Address(
        url=_joined(parts, parts.netloc, rest),
        schema=names[0],
        shown=_joined(parts, f"{name}{colon and f':{MASK}'}{at}{host}", plain),
        secrets=tuple(dict.fromkeys(filter(None, secrets))),
    )


def _joined(parts: SplitResult, netloc: str, options: list[tuple[str, str]]) -> str:
    # libpq does not read "+" as a blank
    query = urlencode(options, quote_via=quote, safe="/*,")
    return f"{parts.scheme}://{netloc}{parts.path}{query and f'?{query}'}"
