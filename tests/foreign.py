"""What servers of others answer with, in tests: feeds, documents and archives."""

from __future__ import annotations

import io
import tarfile

ENTRY = (
    "<item><title>{title}</title><guid isPermaLink='false'>{guid}</guid><link>https://harbour.example/{guid}</link>"
    "<pubDate>{date}</pubDate><category>{category}</category><description>{body}</description></item>"
)
DOCUMENT = "---\ntitle: {title}\ndate: 2026-03-10T12:00:00Z\ncategories: [City, Roads]\n---\nThe {title} is open.\n"


def item(number: int, *, category: str = "Sea", title: str | None = None, body: str = "It sails.") -> str:
    day = 1 + number % 28
    return ENTRY.format(
        title=title or f"Ferry {number}",
        guid=f"ferry-{number}",
        date=f"{day:02} Mar 2026 12:00:00 GMT",
        category=category,
        body=body,
    )


def rss(*items: str) -> bytes:
    channel = "<title>Harbour</title><link>https://harbour.example/</link>"
    return f'<?xml version="1.0"?><rss version="2.0"><channel>{channel}{"".join(items)}</channel></rss>'.encode()


def tree(**files: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"tree-1/{name}.md")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return packed.getvalue()
