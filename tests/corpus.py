"""A newsroom tree of invented articles, written over and over by a generator that turns feeds into files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")
NEWEST = datetime(2026, 2, 27, 9, 0, tzinfo=UTC)
TOPICS = ("社区", "手艺", "出行")
OUTLETS = ("河岸日报", "灯塔 - 周刊", "石桥通讯", "Lantern/Post", "北岭（晚报）")
CHANNELS = ("首页", "资讯", "读者来信", "C++", "－ 专题")
SYLLABLES = ("云", "桥", "灯", "舟", "麦", "岭", "渔", "窑", "巷", "钟", "梨", "堤", "苔", "砚", "帆", "井")
COPIES = 0.03


class Dated(StrEnum):
    """How a story says when it is from."""

    ZONED = "zoned"
    NAIVE = "naive"  # with the time of the generator's run
    INVALID = "invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """An article of the tree, and the file it is in."""

    path: tuple[str, str, str]
    title: str
    name: str
    moment: datetime
    dated: Dated
    has_picture: bool
    words: tuple[str, ...]

    @property
    def locator(self) -> str:
        """Where it lies."""
        folder = "/".join(part.replace("/", "_") for part in self.path)
        return f"{folder}/{self.name}.md"

    def text(self, *, ran_at: datetime, run: int) -> str:
        """Return the file as one run of the generator writes it."""
        picture = f"https://img.example/{self.moment:%Y/%m}/{abs(self.moment.minute)}.jpg"
        image = picture if self.has_picture else f"https://picsum.photos/400/300?random={run}{self.moment.second}"
        return DOCUMENT.format(
            title=self.title,
            categories="\n".join(f" - {part}" for part in self.path),
            image=image,
            outlet=self.path[1],
            date=self._date(ran_at),
            body="\n".join(f"<p>　　{word}</p>" for word in self.words),
        )

    def _date(self, ran_at: datetime) -> str:
        return {
            Dated.ZONED: f"{self.moment:%a, %d %b %Y %H:%M:%S} GMT",
            Dated.NAIVE: f"{ran_at.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}",
            Dated.INVALID: "Invalid Date",
        }[self.dated]


DOCUMENT = """
---
title: '{title}'
categories:\x20
{categories}
headimg: '{image}'
author: {outlet}
comments: false
date: {date}
thumbnail: '{image}'
---

<div>\x20\x20\x20
{body}
<!-- end of text -->



<!-- code start -->
            <style>
            .code_wrap&#123;border:1px solid #E6E6E6;padding:8px;&#125;
            </style>


</div>
            """


def stories(count: int, *, seed: int = 7) -> tuple[Story, ...]:
    """Return so many different stories, and a copy under another name of some."""
    random = Random(seed)  # noqa: S311 - the same tree every time
    made = tuple(_story(number, random) for number in range(count))
    copied = random.sample(made, round(count * COPIES))
    return (*made, *(_copy(story, random) for story in copied))


def write(root: Path, held: Iterable[Story], *, ran_at: datetime, run: int = 1) -> None:
    """Write every file anew."""
    for story in held:
        path = root / story.locator
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(story.text(ran_at=ran_at, run=run), encoding="utf-8")


def _story(number: int, random: Random) -> Story:
    title = f"{_word(random)}{_word(random)}，{_word(random)}第{number}号"
    return Story(
        path=(random.choice(TOPICS), random.choice(OUTLETS), random.choice(CHANNELS)),
        title=title,
        name=title.replace("，", "_"),
        moment=NEWEST - timedelta(minutes=random.randrange(60 * 24 * 30), seconds=random.randrange(60)),
        dated=random.choices(tuple(Dated), weights=(72, 22, 6))[0],
        has_picture=random.random() < 0.58,
        words=tuple(_sentences(random)),
    )


def _copy(story: Story, random: Random) -> Story:
    return replace(story, name=f"{story.name} (2)", path=(*story.path[:2], random.choice(CHANNELS)))


def _sentences(random: Random) -> Iterator[str]:
    for _ in range(random.randrange(2, 6)):
        yield "，".join(_word(random) for _ in range(random.randrange(4, 12))) + "。"


def _word(random: Random) -> str:
    return "".join(random.choices(SYLLABLES, k=random.randrange(2, 5)))
