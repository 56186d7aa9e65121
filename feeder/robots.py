"""What a site's robots.txt lets us read (RFC 9309). Only this module knows Protego; fetching the file is not done here."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from protego import Protego

MAX_BYTES: Final = 500 << 10  # RFC 9309, 2.5: as much has to be read
EVERYTHING: Final = ""  # a robots.txt that lets us read all of a site
NOTHING: Final = "User-agent: *\nDisallow: /\n"

OK, REDIRECT, TOO_MANY, SERVER_ERROR = 200, 300, 429, 500

_AGENT = re.compile(r"\s*user(?:-|\s*)agent\s*:?(.*)", re.IGNORECASE | re.DOTALL)
_TOKEN = re.compile(r"\s*([a-z_-]+|\*)", re.IGNORECASE | re.ASCII)
_OTHERS: Final = "/"  # in place of the names of other robots; no name of a robot is that


def place(url: str) -> str:
    """Return the address of the robots.txt that speaks of *url*."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/robots.txt"


def meaning(status: int | None, body: bytes = b"") -> str:
    """Return the rules that an answer to a request for robots.txt stands for.

    No file (any 4xx) forbids nothing. A server that fails, or tells us to slow down, forbids everything: RFC 9309,
    2.3.1.4, until it is well again.

    Args:
        status: Of the answer after redirects; None: there was none.
        body: What came with it; of more than MAX_BYTES the rest is not read.
    """
    if status is None or status == TOO_MANY or status >= SERVER_ERROR:
        return NOTHING
    if not OK <= status < REDIRECT:
        return EVERYTHING
    return body[:MAX_BYTES].decode("utf-8-sig", errors="replace")


def allows(rules: str, url: str, agent: str) -> bool:
    """Tell whether *rules*, the text of a robots.txt, let the robot *agent* read *url*.

    The longest pattern that matches decides; of equals the one that allows. *agent* is a product token or a whole
    User-Agent header that begins with it.
    """
    name = _token(agent)
    try:
        return bool(_read(rules, name).can_fetch(url, name))
    except ValueError:  # it is no URL
        return False


@lru_cache(maxsize=64)  # the pages of one site follow one another
def _read(rules: str, name: str) -> Protego:
    return Protego.parse("\n".join(_of_interest(line, name) for line in rules.splitlines()))


def _of_interest(line: str, name: str) -> str:
    """Return *line* with one stand-in for the names of all other robots.

    Protego takes a name that only begins like ours for ours, and keeps every rule of a group for every name above it:
    thousands of each would take minutes.
    """
    found = _AGENT.match(line)
    if not found:
        return line
    token = _TOKEN.match(found[1].partition("#")[0])
    named = token[1].lower() if token else _OTHERS
    return f"User-agent: {named if named in {name, '*'} else _OTHERS}"


def _token(agent: str) -> str:
    found = _TOKEN.match(agent)
    return found[1].lower() if found else agent.lower()
