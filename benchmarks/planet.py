"""Invented feeds in many forms, languages and charsets, with copies across them; equal for an equal count."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Final
from xml.sax.saxutils import escape

ENTRIES: Final = 25  # of a feed
LEAST_BYTES: Final = 2_000  # of a body, before it is written in its charset
MOST_BYTES: Final = 4_000
OLDEST: Final = datetime(2025, 1, 1, tzinfo=UTC)
PACE: Final = timedelta(seconds=61)
COPIES: Final = 0.06
LABELS: Final = 2  # categories of an entry, at most
HOSTS: Final = 250  # of a network 127.1.N.0/24


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """A language, and the charsets that its feeds come in."""

    charsets: tuple[str, ...]
    topics: tuple[str, ...]
    words: tuple[str, ...]
    gap: str = " "
    stop: str = ". "


VOICES: Final = (
    Voice(
        charsets=("gb18030", "utf-8", "gb18030", "utf-16"),
        topics=tuple("港口 手艺 乐谱 山野 厨房 铁道 书店 天文".split()),
        words=tuple("渡船 石阶 灯火 麦田 木桥 茶馆 陶窑 雨季 修好了 送来了 记录着 打听到 邻居 工匠 清晨 傍晚".split()),
        gap="",
        stop="。",
    ),
    Voice(
        charsets=("shift_jis", "euc-jp", "utf-8"),
        topics=tuple("港町 手仕事 楽譜 山歩き 台所 鉄道 古書 天体".split()),
        words=tuple(
            "渡し船 石段 あかり 麦畑 木の橋 茶店 窯元 つゆどき 直した とどけた メモした 聞いた 職人 ノート".split()
        ),
        gap="",
        stop="。",
    ),
    Voice(
        charsets=("koi8-r", "windows-1251", "utf-8"),
        topics=tuple("Гавань Ремёсла Ноты Горы Кухня Поезда Книги Звёзды".split()),
        words=tuple(
            "паром лестница фонарь поле мост чайная печь дождь чинит несёт пишет слышит сосед мастер утром".split()
        ),
    ),
    Voice(
        charsets=("windows-1252", "iso-8859-15", "utf-8"),
        topics=tuple("Häfen Handwerk Gehör Gebirge Küche Züge Bücher Übersee".split()),
        words=tuple(
            "Fähre Stöße Öfen Mühle Brücke Töpfer Übung façade élève naïve cœur forêt été à bientôt señor".split()
        ),
    ),
    Voice(
        charsets=("iso-8859-2", "windows-1250", "utf-8"),
        topics=tuple("Porty Rzemiosło Muzyka Góry Kuchnia Koleje Książki Księżyc".split()),
        words=tuple(
            "prom schody światło żyto kładka herbaciarnia piec dżdżysty naprawił przyniósł źródło sąsiad ćma".split()
        ),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An entry of a feed."""

    number: int
    text_of: int  # the number of the item that it copies, or its own
    title: str
    labels: tuple[str, ...]
    moment: datetime
    voice: Voice

    @property
    def link(self) -> str:
        """Where its page would be."""
        return f"https://origin-{self.number // ENTRIES}.example.org/read/{self.number}"


@dataclass(slots=True)
class Told:
    """What readers are to find of all items with one title on one day."""

    moment: datetime  # of the one whose feed comes first
    labels: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A format of feeds."""

    media_type: str
    write: Callable[[int, tuple[Item, ...], str], str]


def items(feed: int, *, edition: int = 0) -> tuple[Item, ...]:
    """Return the entries of a feed, newest first; each *edition* has one more than the last, and lets the oldest go."""
    first = feed * ENTRIES
    added = [_news(feed, number) for number in range(edition, 0, -1)]
    return (*added, *(item(number) for number in reversed(range(first + edition, first + ENTRIES))))


def text(feed: int, *, edition: int = 0) -> bytes:
    """Return the document of a feed."""
    charset = charset_of(feed)
    return form_of(feed).write(feed, items(feed, edition=edition), charset).encode(charset)


def write(folder: Path, feeds: Iterable[int], *, edition: int = 0) -> None:
    """Write the documents of feeds, each called as its number."""
    folder.mkdir(parents=True, exist_ok=True)
    for feed in feeds:
        (folder / str(feed)).write_bytes(text(feed, edition=edition))


def told(feeds: Iterable[int], *, edition: int = 0) -> Mapping[tuple[str, date], Told]:
    """Return what readers are to find, whichever editions they have seen: by title and day, copies as one."""
    found: dict[tuple[str, date], Told] = {}
    for feed in feeds:
        for one in {*items(feed), *items(feed, edition=edition)}:
            known = found.setdefault((one.title, one.moment.date()), Told(moment=one.moment))
            known.labels.update(one.labels)
    return found


def sizes(found: Mapping[tuple[str, date], Told]) -> Counter[tuple[str, ...]]:
    """Return how many articles each category has; () is the whole site."""
    counts: Counter[tuple[str, ...]] = Counter((label,) for one in found.values() for label in one.labels)
    counts[()] = len(found)
    return counts


def address(feed: int) -> str:
    """Return the address of a feed's own host."""
    return f"127.1.{feed // HOSTS}.{feed % HOSTS + 1}"


def voice_of(feed: int) -> Voice:
    """Return the language of a feed."""
    return VOICES[feed % len(VOICES)]


def form_of(feed: int) -> Form:
    """Return the format of a feed."""
    return FORMS[feed // len(VOICES) % len(FORMS)]


def charset_of(feed: int) -> str:
    """Return the charset of a feed; JSON has but one."""
    if form_of(feed).media_type == "application/feed+json":
        return "utf-8"
    charsets = voice_of(feed).charsets
    return charsets[feed // (len(VOICES) * len(FORMS)) % len(charsets)]


def item(number: int) -> Item:
    """Return an item, perhaps a copy of one in an earlier feed of the same language."""
    random, feed = Random(number), number // ENTRIES  # noqa: S311 - the same planet every time
    earlier = range(feed % len(VOICES), feed, len(VOICES))
    if earlier and random.random() < COPIES:
        first = item(random.choice(earlier) * ENTRIES + number % ENTRIES)
        moment = first.moment.replace(hour=random.randrange(24), minute=random.randrange(60))
        return _item(number, first.text_of, first.title, moment, random)
    return _item(number, number, _title(number, voice_of(feed), random), OLDEST + number * PACE, random)


def body(one: Item) -> str:
    """Return what an item says: some paragraphs, which begin with its title."""
    random = Random(-one.number)  # noqa: S311
    wanted = random.randrange(LEAST_BYTES, MOST_BYTES)
    parts = [f"<p>{escape(one.title)}</p>", f'<p><img src="https://img.example.org/{one.number}.jpg" alt=""></p>']
    size = 0
    while size < wanted:
        parts.append(f'<p>{random.choice(_paragraphs(one.voice))} <a href="{one.link}?p={len(parts)}">#</a></p>')
        size += len(parts[-1].encode())
    return "\n".join(parts)


# ---------------------------------------------------------------- items


def _item(number: int, text_of: int, title: str, moment: datetime, random: Random) -> Item:
    voice = voice_of(number // ENTRIES)
    labels = tuple(random.sample(voice.topics, random.randint(1, LABELS)))
    return Item(number=number, text_of=text_of, title=title, labels=labels, moment=moment, voice=voice)


def _news(feed: int, edition: int) -> Item:
    number = (edition + 1) * 10_000_000 + feed
    random, voice = Random(number), voice_of(feed)  # noqa: S311
    moment = OLDEST + timedelta(days=120 + edition, seconds=feed)
    labels = tuple(random.sample(voice.topics, 1))
    title = _title(number, voice, random)
    return Item(number=number, text_of=number, title=title, labels=labels, moment=moment, voice=voice)


def _title(number: int, voice: Voice, random: Random) -> str:
    return f"{voice.gap.join(random.choices(voice.words, k=4))} {number}"


@cache
def _paragraphs(voice: Voice) -> tuple[str, ...]:
    random = Random("paragraphs")  # noqa: S311

    def sentence() -> str:
        return voice.gap.join(random.choices(voice.words, k=9)) + voice.stop

    return tuple("".join(sentence() for _ in range(4)) for _ in range(500))


# ---------------------------------------------------------------- forms


def _rss(feed: int, entries: tuple[Item, ...], charset: str) -> str:
    return _filled(RSS, RSS_ITEM, feed, entries, charset)


def _rdf(feed: int, entries: tuple[Item, ...], charset: str) -> str:
    return _filled(RDF, RDF_ITEM, feed, entries, charset)


def _atom(feed: int, entries: tuple[Item, ...], charset: str) -> str:
    return _filled(ATOM, ATOM_ENTRY, feed, entries, charset)


def _json(feed: int, entries: tuple[Item, ...], _charset: str) -> str:
    found = [
        {
            "id": one.link,
            "url": one.link,
            "title": one.title,
            "date_published": one.moment.isoformat(),
            "tags": one.labels,
            "content_html": body(one),
        }
        for one in entries
    ]
    head = {"version": "https://jsonfeed.org/version/1.1", "title": f"Feed {feed}"}
    return json.dumps({**head, "items": found}, ensure_ascii=feed % 2 == 0)


def _filled(whole: str, each: str, feed: int, entries: tuple[Item, ...], charset: str) -> str:
    return whole.format(charset=charset, feed=feed, entries="".join(_entries(each, entries)))


def _entries(each: str, entries: tuple[Item, ...]) -> Iterator[str]:
    for one in entries:
        yield each.format(
            link=one.link,
            title=escape(one.title),
            rfc822=f"{one.moment:%a, %d %b %Y %H:%M:%S} GMT",
            iso=one.moment.isoformat(),
            labels="".join(f"<category>{escape(label)}</category>" for label in one.labels),
            subjects="".join(f"<dc:subject>{escape(label)}</dc:subject>" for label in one.labels),
            terms="".join(f'<category term="{escape(label)}"/>' for label in one.labels),
            raw=body(one),
            escaped=escape(body(one)),
        )


RSS: Final = """<?xml version="1.0" encoding="{charset}"?>
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel>
<title>Feed {feed}</title><link>https://origin-{feed}.example.org/</link><description>Invented</description>
{entries}</channel></rss>
"""
RSS_ITEM: Final = """<item><title>{title}</title><link>{link}</link><guid>{link}</guid><pubDate>{rfc822}</pubDate>{labels}
<description>Short.</description><content:encoded><![CDATA[{raw}]]></content:encoded></item>
"""
RDF: Final = """<?xml version="1.0" encoding="{charset}"?>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:content="http://purl.org/rss/1.0/modules/content/">
<channel rdf:about="https://origin-{feed}.example.org/"><title>Feed {feed}</title>
<link>https://origin-{feed}.example.org/</link><description>Invented</description></channel>
{entries}</rdf:RDF>
"""
RDF_ITEM: Final = """<item rdf:about="{link}"><title>{title}</title><link>{link}</link><dc:date>{iso}</dc:date>{subjects}
<content:encoded>{escaped}</content:encoded></item>
"""
ATOM: Final = """<?xml version="1.0" encoding="{charset}"?>
<feed xmlns="http://www.w3.org/2005/Atom"><title>Feed {feed}</title><id>https://origin-{feed}.example.org/</id>
<updated>2025-01-01T00:00:00Z</updated>
{entries}</feed>
"""
ATOM_ENTRY: Final = """<entry><title>{title}</title><id>{link}</id><link href="{link}"/><published>{iso}</published>
<updated>{iso}</updated>{terms}<content type="html">{escaped}</content></entry>
"""
FORMS: Final = (
    Form(media_type="application/rss+xml", write=_rss),
    Form(media_type="application/atom+xml", write=_atom),
    Form(media_type="application/rdf+xml", write=_rdf),
    Form(media_type="application/feed+json", write=_json),
)
