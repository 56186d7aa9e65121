"""What pages and feeds look like in a browser, and the script of the pages: bytes, addresses and versions."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from importlib import resources
from types import MappingProxyType
from typing import Final

from feeder.model import Category, Site
from feeder.render.language import language_of
from feeder.urls import ASSETS

OF_PAGES: Final = {"style": f"{ASSETS}/site.css", "script": f"{ASSETS}/site.js", "icon": f"{ASSETS}/icon.svg"}
FEED_STYLE: Final = f"{ASSETS}/feed.css"
PATHS: Final = (*OF_PAGES.values(), FEED_STYLE)
_FOLDER: Final = resources.files("feeder.render") / "look"
_WORDS: Final = ("feed_is", "feed_use", "feed_address")  # "$feed_is" in the style of feeds
_END_OF_DECLARATION: Final = b"?>\n"


@lru_cache(maxsize=16)  # a site has one language
def files(language: str) -> Mapping[str, bytes]:
    """Return the bytes of each path below the output root; feeds speak *language* in a browser."""
    texts = {path: (_FOLDER / path.rpartition("/")[2]).read_text("utf-8") for path in PATHS}
    for word in _WORDS:
        texts[FEED_STYLE] = texts[FEED_STYLE].replace(f"${word}", _quoted(language_of(language)[word]))
    return MappingProxyType({path: text.encode() for path, text in texts.items()})


def version(path: str, language: str) -> str:
    """Return what changes when the bytes at *path* do."""
    return sha256(files(language)[path]).hexdigest()[:8]


def address(path: str, *, root: str, language: str) -> str:
    """Return the address of *path* from a page that is *root* away from the top.

    It names the version, so that no browser takes an old file for the new one; the path stays, so that a page of before
    finds its file, too.
    """
    return f"{root}{path}?v={version(path, language)}"


def root_from(category: Category) -> str:
    """Return the way from the page of *category* to the top: it holds wherever the site is."""
    return "../" * (len(category.slugs) + 1) if category.slugs else ""


def instruction(category: Category, site: Site) -> bytes:
    """Return the processing instruction that has browsers show a feed of *category* to people."""
    href = address(FEED_STYLE, root=root_from(category), language=site.language)
    return f'<?xml-stylesheet type="text/css" href="{href}"?>\n'.encode()


def styled(body: bytes, style: bytes) -> bytes:
    """Return *body* with the instruction *style* after its XML declaration; what is no XML stays as it is."""
    if not body.startswith(b"<?xml "):
        return body
    declaration, end, rest = body.partition(_END_OF_DECLARATION)
    return b"".join((declaration, end, style, rest))


def _quoted(text: str) -> str:
    r"""Return *text* as a string of CSS: what could end one is written as a number."""
    return '"' + "".join(f"\\{ord(sign):x} " if sign in '"\\\n' else sign for sign in text) + '"'
