"""Text to aware UTC, and how far it can be trusted: a function of the text and the settings, of no clock or locale."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from feeder.model import EPOCH, Dating

MAX_LENGTH: Final = 100  # characters; a JavaScript date with its zone's long name has about 60
GOOD_YEARS: Final = range(1990, 2200)  # outside lie slips: seconds read as milliseconds, 9999 for "never"
TWO_DIGIT_PIVOT: Final = 50  # RFC 2822, 4.3: 00-49 are 2000-2049
MISSING: Final = (None, Dating.NONE)
MAX_SHIFT: Final = timedelta(hours=24)
NOON: Final = 12
ZERO: Final = timedelta()

# Names that mean one thing everywhere. "CST" is Chinese, Central or Cuban time, "IST" Indian, Irish or Israeli,
# "EST" American or Australian: those go by the operator's list, or count as no zone at all.
UTC_NAMES: Final = {"Z": ZERO, "UTC": ZERO, "GMT": ZERO, "UT": ZERO}

MONTH_NAMES: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
MONTHS: Final = {
    spelling: number
    for number, name in enumerate(MONTH_NAMES, start=1)
    for spelling in (name, f"{number}", f"{number:02}", f"{number}月")
}
AFTERNOON: Final = frozenset({"pm", "下午", "午後", "오후"})

_PARTS: Final = ("year", "month", "day", "hour", "minute", "second", "early", "late", "name", "shift")
_WEEKDAY = r"(?:(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6}|[^\W\d_a-z]{1,3})\.?(?:,\s*|\s+))?"
_CHINESE_WEEKDAY = r"(?:\s*\(?(?:星期|周|週)[一二三四五六日天]\)?)?"
_MONTH = (
    rf"(?P<month>{'|'.join(MONTH_NAMES)}|\d{{1,2}}月)"
    r"(?:uary|ruary|ch|il|e|y|ust|t|tember|ober|ember)?\.?"
)
_HALF = "am|pm|上午|下午|午前|午後|오전|오후"
_TIME = (
    rf"(?:(?P<early>{_HALF})\s*)?"
    r"(?P<hour>\d{1,2})[:时時点點](?P<minute>\d{1,2})(?:[:分](?P<second>\d{1,2})(?:[.,]\d{1,18})?)?[分秒]?"
    rf"(?:\s*(?P<late>{_HALF})\b)?"
)
_ZONE = (
    r"(?:\s*(?P<name>[a-z]{1,12})(?![a-z]))?"
    r"(?:\s*(?P<shift>[+-]\d{1,2}(?::?\d{2})?)(?:\s+[a-z]{1,12})?)?"
    r"(?:\s*(?:\([^()]*\)|\[[^\[\]]*\]))?"  # a zone's long name says nothing that the offset does not
)
_ABSENT = r"(?P<early>(?!))?(?P<late>(?!))?"  # so that every shape has all of _PARTS
_YEAR_FIRST = (
    rf"(?P<year>\d{{4}})(?:[-/.]|年\s*)(?P<month>\d{{1,2}})(?:[-/.]|月\s*)(?P<day>\d{{1,2}})日?{_CHINESE_WEEKDAY}"
    rf"(?:(?:t|,?\s+|(?<=[日)一二三四五六天])){_TIME}{_ZONE})?"
)
_COMPACT = (
    r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})"
    rf"(?:t?(?P<hour>\d{{2}})(?P<minute>\d{{2}})(?P<second>\d{{2}}){_ZONE})?{_ABSENT}"
)
_SHAPES = (
    # Tue, 22 Feb 2022 08:19:50 GMT; 22-Feb-22 08:19 +0800; 周二, 22 2月 2022 08:19:50 GMT
    rf"{_WEEKDAY}(?P<day>\d{{1,2}})[\s-]+{_MONTH},?[\s-]+(?P<year>\d{{4}}|\d{{2}})(?:,?\s+{_TIME}{_ZONE})?",
    # 2022-02-22 16:19:50 +0800; 2022-02-22T08:19:50.123Z; 2022/2/22 16:19; 2022年2月22日 下午4:19
    _YEAR_FIRST,
    # Tue Feb 22 2022 16:19:50 GMT+0800 (中国标准时间); Feb 22, 2022, 4:19 PM
    rf"{_WEEKDAY}{_MONTH}\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year>\d{{4}})(?:(?:,|\s+at)?\s+{_TIME}{_ZONE})?",
    # Tue Feb 22 16:19:50 CST 2022
    rf"{_WEEKDAY}{_MONTH}\s+(?P<day>\d{{1,2}})\s+{_TIME}{_ZONE}\s+(?P<year>\d{{4}})",
    # 20220222; 20220222T161950+0800; 20220222161950
    _COMPACT,
)
SHAPES: Final = tuple(re.compile(shape, re.IGNORECASE) for shape in _SHAPES)
EPOCH_SECONDS: Final = re.compile(r"(\d{10})(?:\d{3}|\.\d+)?", re.ASCII)  # or milliseconds: 13 digits


def parse_date(
    text: str | None, *, zone: ZoneInfo, names: Mapping[str, timedelta], offset: timedelta = ZERO
) -> tuple[datetime | None, Dating]:
    """Return the instant that *text* names, and how it was dated; whatever is no good date is missing.

    Args:
        text: As written. Fractions of a second are cut.
        zone: Of dates that name none, or one that is neither UTC's nor in *names*. An hour that clocks show twice is
            the first one; an hour that they skip is read as if they had not yet been moved.
        names: What the operator says that zone names mean; upper case.
        offset: Added to every date, those with a zone too.
    """
    if not text or len(text) > MAX_LENGTH:
        return MISSING
    # NFKC: full-width digits and colons, no-break and ideographic blanks.
    plain = (text if text.isascii() else unicodedata.normalize("NFKC", text)).strip()
    try:
        instant, dating = _read(plain, zone, names)
        instant += offset
    except (ValueError, OverflowError):
        return MISSING
    return (instant, dating) if instant.year in GOOD_YEARS else MISSING


def _read(text: str, zone: ZoneInfo, names: Mapping[str, timedelta]) -> tuple[datetime, Dating]:
    for shape in SHAPES:
        if match := shape.fullmatch(text):
            return _assemble(match, zone, names)
    if match := EPOCH_SECONDS.fullmatch(text):
        return EPOCH + timedelta(seconds=int(match[1])), Dating.ZONED
    raise ValueError(text)


def _assemble(match: re.Match[str], zone: ZoneInfo, names: Mapping[str, timedelta]) -> tuple[datetime, Dating]:
    year, month, day, hour, minute, second, early, late, name, shift = match.group(*_PARTS)
    ahead = _ahead(name, shift, names)
    clock = datetime(  # raises ValueError for 29 February 2022, 24:00, :60 and the year 0
        _full_year(year),
        MONTHS.get(month.lower(), 0),
        int(day),
        _full_hour(hour, early or late),
        int(minute or 0),
        int(second or 0),
        tzinfo=zone if ahead is None else UTC,
    )
    if ahead is None:
        return clock.astimezone(UTC), Dating.NAIVE
    return clock - ahead, Dating.ZONED


def _ahead(name: str | None, shift: str | None, names: Mapping[str, timedelta]) -> timedelta | None:
    """Return how far the zone is ahead of UTC; None if none is named, or an unknown one."""
    if shift is not None:
        return _shift(shift)  # "GMT+0800" is eight hours ahead, whatever POSIX makes of such names
    if name is None:
        return None
    known = name.upper()
    return names.get(known, UTC_NAMES.get(known))


@lru_cache(maxsize=256)
def _shift(text: str) -> timedelta:
    """Return the meaning of "+0800", "+08:00" or "+8"."""
    digits = text[1:].replace(":", "")
    hours, minutes = (digits[:-2], digits[-2:]) if len(digits) > len("08") else (digits, "0")
    ahead = timedelta(hours=int(hours), minutes=int(minutes))
    if int(minutes) > 59 or ahead >= MAX_SHIFT:  # noqa: PLR2004  # an hour has 60 minutes
        raise ValueError(text)
    return -ahead if text[0] == "-" else ahead


def _full_year(digits: str) -> int:
    year = int(digits)
    if len(digits) > len("22"):
        return year
    return year + (2000 if year < TWO_DIGIT_PIVOT else 1900)


def _full_hour(digits: str | None, half: str | None) -> int:
    hour = int(digits or 0)
    if half is None or hour > NOON:  # "下午 16:19" is written as well
        return hour
    return hour % NOON + (NOON if half.lower() in AFTERNOON else 0)
