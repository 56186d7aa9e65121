"""Bodies in few bytes, as the state keeps them and as processes hand them to one another."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any, Final

from feeder.model import Body

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_LEVEL: Final = 1  # three times as fast as zlib's, and no larger
_to_json = json.JSONEncoder(ensure_ascii=False, check_circular=False).encode
_PACKER: Final = zstd.ZstdCompressor(_LEVEL)  # making one takes longer than packing a body


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The body of an article that lies in no file, as written."""

    text: str
    base_url: str | None = None
    is_html: bool = False


def pack(body: Body) -> bytes:
    """Return *body* in few bytes."""
    return _packed([body.content, body.summary, body.image])


def unpack(packed: bytes) -> Body:
    """Return what `pack` was given."""
    content, summary, image = _unpacked(packed)
    return Body(content=content, summary=summary, image=image)


def pack_document(document: Document) -> bytes:
    """Return *document* in few bytes."""
    return _packed([document.text, document.base_url, document.is_html])


def unpack_document(packed: bytes) -> Document:
    """Return what `pack_document` was given."""
    text, base_url, is_html = _unpacked(packed)
    return Document(text=text, base_url=base_url, is_html=is_html)


def _packed(values: list[object]) -> bytes:
    text = _to_json(values).encode("utf-8", "surrogatepass")
    return _PACKER.compress(text, zstd.ZstdCompressor.FLUSH_FRAME)


def _unpacked(packed: bytes) -> Any:
    return json.loads(zstd.decompress(packed).decode("utf-8", "surrogatepass"))
