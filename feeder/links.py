"""Links and pictures in bodies: from the URL as written to one that may be shown, or none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeAlias
from urllib.parse import urljoin

from feeder.urls import encoded

Attributes: TypeAlias = Mapping[str, str | None]

_WEB = re.compile(r"https?://[^/?#\s]", re.IGNORECASE)
_CONTACT = re.compile(r"(?:mailto|tel):\S", re.IGNORECASE)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_AS_IT_IS = re.compile(r"https?://[0-9A-Za-z](?:[!#$&'()*+,\-./0-9:;=?@A-Z_a-z~]++|%[0-9A-Fa-f]{2})*+")
_BROKEN_UP = str.maketrans("", "", "\t\n\r")  # browsers read "java\nscript:" as one word
_AROUND = "".join(map(chr, range(0x21))) + "\u3000\xa0"

# Where scripts look for the URL that they put into `src` once a picture scrolls into view.
_LAZY = (
    "data-src",
    "data-original",
    "data-lazy-src",
    "data-actualsrc",
    "data-original-src",
    "data-lazyload",
    "data-lazy",
    "data-croporisrc",
    "data-backsrc",
    "data-echo",
    "data-url",
    "zoomfile",
    "file",
    "real_src",
    "_src",
)
_LAZY_NAMES = frozenset(_LAZY)
_SRCSETS = ("data-srcset", "data-lazy-srcset", "srcset")
_DESCRIPTOR = re.compile(r"([0-9.]{1,12})[wx](?:,(.*))?")
_LONGEST_SRCSET = 8000  # characters
_DUMMY = re.compile(
    r"/(?:(?:loading|lazy|lazyload|blank|spacer|transparent|pixel|gr[ae]y|placeholder|1x1|404)\.(?:gif|png|svg|jpe?g|webp)"
    r"|undefined|null)(?:[?#]|$)",
    re.IGNORECASE,
)
_PLAYERS = (
    "https://www.youtube.com/embed/",
    "https://youtube.com/embed/",
    "https://www.youtube-nocookie.com/embed/",
    "https://player.vimeo.com/video/",
    "https://player.bilibili.com/player.html",
    "https://www.bilibili.com/blackboard/html5mobileplayer.html",
    "https://v.qq.com/txp/iframe/",
    "https://v.qq.com/iframe/",
    "https://player.youku.com/embed/",
    "https://music.163.com/outchain/",
    "https://www.dailymotion.com/embed/",
    "https://geo.dailymotion.com/player.html",
    "https://geo.dailymotion.com/player/",
    "https://player.twitch.tv/",
    "https://embed.ted.com/talks/",
    "https://w.soundcloud.com/player/",
    "https://open.spotify.com/embed/",
    "https://open.spotify.com/embed-podcast/",
    "https://embed.music.apple.com/",
    "https://embed.podcasts.apple.com/",
    "https://bandcamp.com/EmbeddedPlayer/",
    "https://archive.org/embed/",
)
_PLAYER = re.compile(
    "|".join(f"{re.escape(player)}{'' if player[-1] == '/' else '(?=[/?#]|$)'}" for player in _PLAYERS)
)
# A browser, or a server that decodes too much, would go up from here: to any page of that site.
_CLIMB = re.compile(r"(?:[/\\]|%2f|%5c)(?:\.|%2e){1,2}(?:[/\\?#]|%2f|%5c|$)", re.IGNORECASE)


def web_url(written: str | None, base: str | None) -> str | None:
    """Return the absolute http(s) URL that is meant, encoded; None if there is none."""
    if written and _AS_IT_IS.fullmatch(written):
        return written
    url = (written or "").translate(_BROKEN_UP).strip(_AROUND)
    if url.startswith("//"):
        url = "https:" + url
    elif url and base and not _SCHEME.match(url):
        url = _joined(base, url)
    return encoded(url) if _WEB.match(url) else None


def link_target(written: str | None, base: str | None) -> str | None:
    """Return where a link may lead: a web page, an e-mail address or a telephone; else None."""
    if web := web_url(written, base):
        return web
    url = (written or "").translate(_BROKEN_UP).strip(_AROUND)
    return encoded(url) if _CONTACT.match(url) else None


def picture_url(attributes: Attributes, base: str | None) -> str | None:
    """Return the URL of the real picture behind an image's *attributes*; None for a mere placeholder."""
    if not _LAZY_NAMES.isdisjoint(attributes):
        for name in _LAZY:
            written = attributes.get(name) or ""
            if "/" in written and (url := _real(written, base)):
                return url
    if url := _real(attributes.get("src"), base):
        return url
    return srcset_url((attributes.get(name) or "" for name in _SRCSETS), base)


def srcset_url(srcsets: Iterable[str], base: str | None) -> str | None:
    """Return the URL of the largest picture in the first of *srcsets* that names one."""
    return next((url for srcset in srcsets if (url := _real(_largest(srcset), base))), None)


def player_url(url: str) -> str | None:
    """Return *url*, by https, if it is a player that may be embedded."""
    secure = "https://" + url.partition("://")[2]
    return secure if _PLAYER.match(secure) and not _CLIMB.search(secure) else None


def _joined(base: str, url: str) -> str:
    try:
        return urljoin(base, url)
    except ValueError:  # brackets that hold no address
        return ""


def _real(written: str | None, base: str | None) -> str | None:
    url = web_url(written, base)
    return None if url is None or _DUMMY.search(url) else url


def _largest(srcset: str) -> str:
    """Return the candidate with the greatest width or density; URLs may hold commas."""
    best, size, pending = "", 0.0, ""
    for word in srcset[:_LONGEST_SRCSET].split():
        described = _DESCRIPTOR.fullmatch(word.removesuffix(","))
        if described is None:
            best, pending = best or word.rstrip(","), word.rstrip(",")
            continue
        number = _number(described[1])
        if pending and number > size:
            best, size = pending, number
        pending = described[2] or ""
    return best


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
