"""The elements of HTML that bodies may have, what becomes of the others, and the attributes that they keep."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


BLOCKS = _names(
    "blockquote caption dd details div dl dt figcaption figure h1 h2 h3 h4 h5 h6 li ol p pre summary table tbody td "
    "tfoot th thead tr ul"
)
INLINES = _names(
    "a abbr b bdi bdo cite code del dfn em i ins kbd mark q rp rt ruby s samp small strong sub sup time u var"
)
CELLS = frozenset({"td", "th"})  # an empty one keeps its row in shape
_VERBATIM = frozenset({"code", "pre"})
GONE = _names(
    "-comment area base col colgroup datalist frame frameset head input link meta noembed noframes param script select "
    "source style svg template title track"
)

KEPT: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **dict.fromkeys(BLOCKS - {"pre"}, ("dir",)),
        **dict.fromkeys(CELLS, ("colspan", "rowspan", "dir")),
        "ol": ("start", "type", "reversed", "dir"),
        "li": ("value", "dir"),
        "details": ("open", "dir"),
        "bdi": ("dir",),
        "bdo": ("dir",),
        "abbr": ("title",),
        "time": ("datetime",),
    }
)


class Kind(NamedTuple):
    """What becomes of an element that is kept."""

    name: str
    is_block: bool
    is_verbatim: bool
    attributes: tuple[str, ...]


def _kind(name: str) -> Kind:
    return Kind(name, name in BLOCKS, name in _VERBATIM, KEPT.get(name, ()))


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        **{name: _kind(name) for name in BLOCKS | INLINES},
        **dict.fromkeys(
            _names(
                "address article aside center dialog dir fieldset footer form header hgroup legend main nav section"
            ),
            _kind("div"),
        ),
        **dict.fromkeys(("listing", "plaintext", "textarea", "xmp"), _kind("pre")),
        "acronym": _kind("abbr"),
        "menu": _kind("ul"),
        "strike": _kind("s"),
        "tt": _kind("code"),
    }
)
