"""A tree of invented articles, as a generator that turns feeds into files leaves it; equal for an equal count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Final

ZONE: Final = UTC  # of dates without a zone; some generators take the GMT of the others for the zone of the site
OLDEST: Final = datetime(2024, 3, 1, tzinfo=UTC)
PACE: Final = timedelta(seconds=61)  # from one article to the next
JITTER_SECONDS: Final = 100_000
TOPICS: Final = (
    "港口",
    "手艺",
    "乐谱",
    "山野",
    "厨房",
    "铁道",
    "书店",
    "天文",
    "园艺",
    "戏台",
    "Workshops",
    "Maps & Ways",
)
OUTLETS: Final = 90
CHANNELS: Final = 200
OLD_PATHS: Final = 25  # of two levels, as files of former times have them
COPIES: Final = 0.03
COPIED_WITHIN: Final = 500  # articles
STRAYED: Final = 0.5  # copies that may be in another category
ILLUSTRATED: Final = 0.5  # bodies with the picture in them
NAIVE: Final = 0.3  # dates without a zone: the time of the generator's run
PLACEHOLDERS: Final = 0.4  # articles whose picture has another number after every run

NOUNS: Final = (
    "渡船 石阶 灯火 麦田 木桥 茶馆 陶窑 雨季 鼓楼 渔网 书架 车站 果园 山路 水井 风筝 邻居 工匠 老师 乐队 信件 地图 菜谱 屋檐 "
    "码头 琴弦 星图 铁匠 花圃 戏班 面包 纸张 棉布 轮渡 潮汐 梯田 集市 钟声 照片 名单 消息 传说 节目 课程"
).split()
VERBS: Final = (
    "修好了 送来了 记录着 打听到 搬进了 围绕着 发现了 带走了 等待着 谈起了 整理出 种下了 画出了 听见了".split()
)
OPENINGS: Final = "清晨 傍晚 入冬以后 那一年 隔着河 走到街口 据说 后来 从前 雨停了".split()
ENGLISH: Final = (
    "ferry lantern staircase barley teahouse kiln drum letter baker tide terrace atlas fiddle orchard mason cellar "
    "carries mends follows paints gathers remembers counts beside under across until before slowly again quietly"
).split()


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """An article of the tree, and the file it is in."""

    number: int
    text_of: int  # the number of the story that it copies, or its own
    title: str
    path: tuple[str, ...]
    moment: datetime
    is_naive: bool

    @property
    def locator(self) -> str:
        """Where it lies. The body is HTML, and said to be: indented HTML is code to readers of Markdown."""
        copy = f" ({self.number})" if self.number != self.text_of else ""
        folder = "/".join(part.replace("/", "_") for part in self.path)
        return f"{folder}/{self.title.replace('/', '_')}{copy}.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run of the generator: naive dates are the time of it, placeholders have numbers of it."""

    number: int = 1
    at: datetime | None = None  # None: every naive date is still that of the article


def stories(count: int) -> tuple[Story, ...]:
    """Return so many stories, some of them copies of earlier ones; fewer are the beginning of more."""
    told: list[Story] = []
    for number in range(count):
        random = Random(number)  # noqa: S311 - the same tree every time
        told.append(_copy(number, told, random) if told and random.random() < COPIES else _story(number, random))
    return tuple(told)


def news(count: int, told: tuple[Story, ...], *, at: datetime) -> tuple[Story, ...]:
    """Return so many stories that are no copies, dated at *at*, in categories that there are."""
    added = []
    for number in range(len(told), len(told) + count):
        random = Random(-number)  # noqa: S311
        story = _story(number, random)
        added.append(replace(story, moment=at, is_naive=False, path=random.choice(told).path))
    return tuple(added)


def write(root: Path, told: Iterable[Story], run: Run | None = None) -> None:
    """Write the file of every story, over the one that may be there."""
    known: set[Path] = set()
    for story in told:
        path = root / story.locator
        if path.parent not in known:
            path.parent.mkdir(parents=True, exist_ok=True)
            known.add(path.parent)
        path.write_bytes(text(story, run or Run()).encode())


def rewrite(root: Path, told: tuple[Story, ...], *, at: datetime, new: int = 50) -> tuple[Story, ...]:
    """Write every file as the next run of the generator does, and *new* more; return the stories of these."""
    added = news(new, told, at=at)
    write(root, (*told, *added), Run(number=2, at=at))
    return added


def sizes(told: Iterable[Story], *, with_copies: bool = False) -> Counter[tuple[str, ...]]:
    """Return how many articles each level of each category has; () is the whole site."""
    members = {
        (story.path[:depth], story.number if with_copies else story.text_of)
        for story in told
        for depth in range(len(story.path) + 1)
    }
    return Counter(path for path, _ in members)


def newest(told: Iterable[Story], count: int, *, with_copies: bool = False) -> list[str]:
    """Return the titles of the newest articles, sorted."""
    ranked = sorted(told, key=lambda story: story.moment, reverse=True)
    kept = [story for story in ranked if with_copies or story.number == story.text_of]
    return sorted(story.title for story in kept[:count])


def text(story: Story, run: Run) -> str:
    """Return the file as one run of the generator writes it."""
    random = Random(story.text_of)  # noqa: S311
    picture = f"https://img{story.text_of % 7}.example.org/{story.moment:%Y/%m}/{story.text_of:07}.jpg"
    if random.random() < PLACEHOLDERS:
        picture = f"https://picsum.photos/640/360?random={run.number}{story.number}"
    return DOCUMENT.format(
        title=story.title.replace("'", "''"),
        categories="\n".join(f" - '{part}'" for part in story.path),
        picture=picture,
        outlet=story.path[1],
        date=_date(story, run),
        body="\n".join(_paragraphs(story, picture, random)),
        box=story.text_of % 9,
        editor=f"{NOUNS[story.text_of % len(NOUNS)]} {story.text_of % 997:03}",
    )


DOCUMENT: Final = """
---
title: '{title}'
categories:\x20
{categories}
headimg: '{picture}'
author: '{outlet}'
comments: false
date: {date}
thumbnail: '{picture}'
---

<div>\x20\x20\x20
{body}
<!-- end of text -->



<!-- below the text -->

            <!-- code start -->
            <style>
            .frame_{box}&#123;border:1px solid #CCC;padding:6px;margin:12px 0;&#125;
            .frame_{box} img&#123;width:72px;height:72px;float:left;&#125;
            .frame_{box} .words&#123;font-size:17px;line-height:72px;color:#333;padding-left:16px;&#125;
            </style>
            <div class="clearfix frame_{box}">
                <div class="sign"><img src="https://img.example.org/sign/{box}.png" referrerpolicy="no-referrer"></div>
                <div class="words">{editor}&nbsp;&hellip;</div>
            </div>
            <!-- code end -->



<p class="editor">编辑：{editor}</p>
<!-- editor end -->


</div>
            """


def _story(number: int, random: Random) -> Story:
    return Story(
        number=number,
        text_of=number,
        title=_title(number, random),
        path=_path(random),
        moment=OLDEST + number * PACE + timedelta(seconds=random.randrange(JITTER_SECONDS)),
        is_naive=random.random() < NAIVE,
    )


def _copy(number: int, told: list[Story], random: Random) -> Story:
    first = told[told[random.randrange(max(0, number - COPIED_WITHIN), number)].text_of]
    path = _path(random) if random.random() < STRAYED else first.path
    return replace(first, number=number, path=path)


def _title(number: int, random: Random) -> str:
    if _is_english(number):
        return f"The {' '.join(random.choices(ENGLISH, k=5))}: it's no. {number}"
    return f"{random.choice(OPENINGS)}，{random.choice(NOUNS)}{random.choice(VERBS)}{random.choice(NOUNS)} 第{number}号"


def _path(random: Random) -> tuple[str, ...]:
    paths, weights = _paths()
    return random.choices(paths, cum_weights=weights)[0]


@cache
def _paths() -> tuple[tuple[tuple[str, ...], ...], tuple[float, ...]]:
    """Return all paths, and their weights summed up: a few channels have most articles.

    Every name is used once, so that generators whose categories are names and not paths make as many feeds.
    """
    random = Random("paths")  # noqa: S311
    outlets = [(TOPICS[number % len(TOPICS)], f"{random.choice(NOUNS)}日报{number:02}") for number in range(OUTLETS)]
    channels = []
    for number in range(CHANNELS):
        topic, outlet = outlets[number] if number < OUTLETS else random.choice(outlets)
        dash = " - " if number % 5 else "－"
        channels.append((topic, outlet, f"{outlet}{dash}{random.choice(NOUNS)}{number:03}"))
    paths = [*channels, *random.sample(outlets, OLD_PATHS)]
    random.shuffle(paths)
    return tuple(paths), tuple(accumulate(1 / rank for rank in range(1, len(paths) + 1)))


def _date(story: Story, run: Run) -> str:
    if story.is_naive:
        return f"{(run.at or story.moment).astimezone(ZONE):%Y-%m-%d %H:%M:%S}"
    return f"{story.moment.astimezone(UTC):%a, %d %b %Y %H:%M:%S} GMT"


def _paragraphs(story: Story, picture: str, random: Random) -> list[str]:
    chinese, english = _pools()
    count = random.randrange(4, 7)
    if _is_english(story.text_of):
        told = [f"<p>{paragraph} {_link(random)}</p>" for paragraph in random.choices(english, k=count * 2)]
    else:
        told = [f"<p>　　{paragraph}</p>" for paragraph in random.choices(chinese, k=count)]
    image = f'<p align="center"><img src="{picture}" alt="{story.path[0]}" referrerpolicy="no-referrer"></p>'
    return [told[0], image, *told[1:]] if random.random() < ILLUSTRATED else told


def _is_english(number: int) -> bool:
    return number % 5 == 0


def _link(random: Random) -> str:
    return f'<a href="https://example.org/read?page={random.randrange(10**6)}&amp;from=feed" target="_blank">more</a>'


@cache
def _pools() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return ready paragraphs; every article mixes its own."""
    random = Random("paragraphs")  # noqa: S311
    chinese = tuple("".join(_sentence(random) for _ in range(4)) for _ in range(3000))
    english = tuple(
        ". ".join(" ".join(random.choices(ENGLISH, k=11)).capitalize() for _ in range(4)) + " &amp; so on."
        for _ in range(1000)
    )
    return chinese, english


def _sentence(random: Random) -> str:
    clauses = (
        f"{random.choice(NOUNS)}{random.choice(VERBS)}{random.choice(NOUNS)}的{random.choice(NOUNS)}"
        for _ in range(random.randrange(2, 5))
    )
    return f"{random.choice(OPENINGS)}，{'，'.join(clauses)}。"
