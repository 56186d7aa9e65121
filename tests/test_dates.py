from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeder.dates import GOOD_YEARS, MAX_LENGTH, parse_date
from feeder.model import Dating

SHANGHAI = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")
NAMES = {"CST": timedelta(hours=8)}
MORNING = datetime(2022, 2, 22, 8, 19, 50, tzinfo=UTC)
MINUTE = MORNING.replace(second=0)
MIDNIGHT = datetime(2022, 2, 21, 16, tzinfo=UTC)  # in Shanghai


def read(text: str | None, zone: ZoneInfo = SHANGHAI) -> tuple[datetime | None, Dating]:
    return parse_date(text, zone=zone, names=NAMES)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("Tue, 22 Feb 2022 08:19:50 GMT", MORNING),
        ("Tue, 22 Feb 2022 08:19 GMT", MINUTE),
        ("22 Feb 2022 08:19:50 GMT", MORNING),
        ("Sun, 22 Feb 2022 08:19:50 GMT", MORNING),  # it was a Tuesday
        ("TUE, 22 FEB 2022 08:19:50 gmt", MORNING),
        ("Tue, 22 Feb 22 08:19:50 UT", MORNING),
        ("Wed, 22 Feb 95 08:19:50 Z", MORNING.replace(year=1995)),
        ("Tuesday, 22-Feb-22 08:19:50 UTC", MORNING),
        ("Tuesday, 22 February 2022 08:19:50 +0000", MORNING),
        ("Tue, 22 Feb 2022 16:19:50 +0800", MORNING),
        ("Tue, 22 Feb 2022 03:19:50 -0500", MORNING),
        ("Tue, 22 Feb 2022 16:19:50 UTC+8", MORNING),
        ("周二, 22 2月 2022 08:19:50 GMT", MORNING),
        ("  Tue,  22  Feb  2022  08:19:50  GMT\n", MORNING),
        ("2022-02-22T08:19:50Z", MORNING),
        ("2022-02-22t08:19:50z", MORNING),
        ("2022-02-22 08:19:50 UTC", MORNING),
        ("2022-02-22T16:19:50+08:00", MORNING),
        ("2022-02-22 16:19:50 +0800", MORNING),
        ("2022-02-22 16:19:50+08", MORNING),
        ("2022-02-22T13:49:50+05:30", MORNING),
        ("2022-02-22T08:19:50.999999999Z", MORNING),
        ("2022-02-22T08:19:50,9Z", MORNING),
        ("2022-02-22 16:19:50 +0800 CST", MORNING),
        ("2022-02-22T16:19:50+08:00[Asia/Shanghai]", MORNING),
        ("20220222T081950Z", MORNING),
        ("Tue Feb 22 2022 16:19:50 GMT+0800 (中国标准时间)", MORNING),
        ("Tue Feb 22 2022 16:19:50 GMT+0800 (China Standard Time)", MORNING),
        ("Tue Feb 22 08:19:50 UTC 2022", MORNING),
        ("1645517990", MORNING),
        ("1645517990123", MORNING),
        ("1645517990.9", MORNING),
        ("1990-01-01T00:00:00Z", datetime(1990, 1, 1, tzinfo=UTC)),
        ("2199-12-31T23:59:59Z", datetime(2199, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_date_with_a_zone_is_the_instant_it_says(text: str, instant: datetime) -> None:
    assert read(text) == (instant, Dating.ZONED)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2022-02-22 16:19:50", MORNING),
        ("2022-02-22T16:19:50.123", MORNING),
        ("2022-02-22 16:19", MINUTE),
        ("2022-2-22 16:19:50", MORNING),
        ("2022/2/22 16:19", MINUTE),
        ("2022/02/22 16:19:50", MORNING),
        ("2022.02.22 16:19:50", MORNING),
        ("2022年2月22日 16:19", MINUTE),
        ("2022年02月22日16:19:50", MORNING),
        ("2022年2月22日 下午4:19", MINUTE),
        ("2022年2月22日 下午 16:19:50", MORNING),
        ("2022年2月22日 星期二 16:19:50", MORNING),
        ("2022年2月22日 16时19分", MINUTE),
        ("2022年2月22日 16时19分50秒", MORNING),
        ("2022/2/22 下午4:19:50", MORNING),
        ("２０２２年２月２２日　１６：１９", MINUTE),
        ("Feb 22, 2022, 4:19:50 PM", MORNING),
        ("Feb 22, 2022, 4:19:50\u202fPM", MORNING),
        ("February 22, 2022 at 4:19 pm", MINUTE),
        ("Tue Feb 22 16:19:50 2022", MORNING),
        ("22 Feb 2022 16:19", MINUTE),
        ("20220222161950", MORNING),
        ("2022-02-22", MIDNIGHT),
        ("2022/2/22", MIDNIGHT),
        ("2022年2月22日", MIDNIGHT),
        ("2022年2月22日 上午12:00", MIDNIGHT),
        ("2022年2月22日 下午12:19", MINUTE - timedelta(hours=4)),
        ("22 Feb 2022", MIDNIGHT),
        ("Feb 22nd, 2022", MIDNIGHT),
        ("20220222", MIDNIGHT),
    ],
)
def test_date_without_a_zone_is_in_the_zone_of_its_source(text: str, instant: datetime) -> None:
    assert read(text) == (instant, Dating.NAIVE)


def test_input_05_naive_date_moves_with_the_zone() -> None:
    assert read("2021-10-28 14:08:07", BERLIN)[0] == datetime(2021, 10, 28, 12, 8, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "   ",
        "Invalid Date",
        "NaN",
        "null",
        "0",
        "2022",
        "2022-02",
        "2022-02-30",
        "2022-13-01",
        "2022-00-10",
        "25:00:00",
        "16:19:50",
        "2/22/2022",
        "22.02.2022",
        "2022-W08-2",
        "Tue, 22 Foo 2022 08:19:50 GMT",
        "today",
        "164551799",
        "16455179901",
        "²⁰²²",
    ],
)
def test_input_06_what_is_no_date_is_missing(text: str | None) -> None:
    assert read(text) == (None, Dating.NONE)


@pytest.mark.parametrize("text", ["1970-01-20", "1970-01-20T01:05:17.990Z", "9999-12-31", "1989-12-31T23:59:59Z"])
def test_input_07_slips_of_the_pen_are_missing(text: str) -> None:
    assert read(text) == (None, Dating.NONE)


@pytest.mark.parametrize(
    ("zone", "expected"),
    [("CST", (MORNING, Dating.ZONED)), ("cst", (MORNING, Dating.ZONED)), ("GMT", (None, Dating.ZONED))],
)
def test_input_08_names_of_zones_mean_what_the_operator_says(
    zone: str, expected: tuple[datetime | None, Dating]
) -> None:
    instant, dating = read(f"Tue, 22 Feb 2022 16:19:50 {zone}", BERLIN)
    assert (instant, dating) == (expected[0] or MORNING + timedelta(hours=8), expected[1])


@pytest.mark.parametrize("name", ["CST", "EST", "IST", "PDT", "A", "XYZ"])
def test_name_that_may_mean_several_zones_is_no_zone(name: str) -> None:
    found = parse_date(f"Tue, 22 Feb 2022 16:19:50 {name}", zone=SHANGHAI, names={})
    assert found == (MORNING, Dating.NAIVE)


def test_offset_beats_the_name_beside_it() -> None:
    assert read("2022-02-22 03:19:50 CST-0500") == (MORNING, Dating.ZONED)


@pytest.mark.parametrize(
    "text",
    [
        "29 Feb 2022 00:00:00 GMT",
        "2022-02-29",
        "2022-02-22 24:00:00",
        "2022-02-22T24:00:00Z",
        "2022-02-22 08:60:00",
        "2022-02-22 23:59:60",
        "0000-01-01",
        "2022-02-22T08:19:50+25:00",
        "2022-02-22T08:19:50+24:00",
        "2022-02-22T08:19:50+08:60",
    ],
)
def test_fault_62_dates_that_do_not_exist_are_missing(text: str) -> None:
    assert read(text) == (None, Dating.NONE)


@pytest.mark.parametrize(
    "text",
    [
        "1601-01-01T00:00:00Z",
        "9999-12-31T23:59:59-12:00",
        "9999-12-31 23:59:59",
        "0001-01-01T00:00:00+08:00",
        "12022-01-01",
        "9999999999",
    ],
)
def test_fault_65_years_far_off_are_missing(text: str) -> None:
    assert read(text) == (None, Dating.NONE)


def test_naive_date_at_the_end_of_the_calendar_is_missing() -> None:
    west = ZoneInfo("America/Los_Angeles")
    assert read("9999-12-31 23:59:59", west) == read("0001-01-01 00:00:00", SHANGHAI) == (None, Dating.NONE)


def test_future_date_is_as_good_as_any() -> None:
    assert read("2031-01-01T00:00:00Z") == (datetime(2031, 1, 1, tzinfo=UTC), Dating.ZONED)


@pytest.mark.parametrize(
    ("text", "dating"), [("Tue, 22 Feb 2022 16:19:50 GMT", Dating.ZONED), ("2022-02-23 00:19:50", Dating.NAIVE)]
)
def test_offset_of_a_source_is_added_with_and_without_a_zone(text: str, dating: Dating) -> None:
    found = parse_date(text, zone=SHANGHAI, names={}, offset=timedelta(hours=-8))
    assert found == (MORNING, dating)


def test_offset_out_of_the_calendar_makes_a_date_missing() -> None:
    far = timedelta(days=999_999_999)
    assert parse_date("2022-02-22", zone=SHANGHAI, names={}, offset=far) == (None, Dating.NONE)


def test_hour_that_clocks_show_twice_is_the_first_one() -> None:
    assert read("2022-10-30 02:30", BERLIN)[0] == datetime(2022, 10, 30, 0, 30, tzinfo=UTC)


def test_hour_that_clocks_skip_is_read_as_before_the_change() -> None:
    assert read("2022-03-27 02:30", BERLIN)[0] == datetime(2022, 3, 27, 1, 30, tzinfo=UTC)


def test_fault_100_month_names_are_english_in_every_locale() -> None:
    program = (
        "import locale\nfrom zoneinfo import ZoneInfo\nfrom feeder.dates import parse_date\n"
        "try: locale.setlocale(locale.LC_ALL, '')\nexcept locale.Error: pass\n"
        "print(parse_date('Tue, 22 Feb 2022 08:19:50 GMT', zone=ZoneInfo('UTC'), names={})[0])"
    )
    environment = {**os.environ, "LC_ALL": "zh_CN.UTF-8", "TZ": "America/New_York"}
    answer = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, check=True, text=True
    )
    assert answer.stdout.strip() == "2022-02-22 08:19:50+00:00"


@pytest.mark.parametrize("piece", ["1", " ", "1 ", "(", "Tue, ", "22 Feb 2022 ", "-", "2022-02-22T", "一", "\ud800"])
def test_long_text_is_missing_whatever_it_holds(piece: str) -> None:
    for text in (piece * 500_000, (piece * MAX_LENGTH)[:MAX_LENGTH]):
        assert read(text) == (None, Dating.NONE)


@given(st.text() | st.text(alphabet="0123456789-/:.TZ +年月日上下午GMTUCueFb,()", max_size=40))
@settings(deadline=None)
def test_no_text_raises_and_what_is_found_is_aware_and_whole(text: str) -> None:
    instant, dating = read(text)
    assert (instant is None) == (dating is Dating.NONE)
    if instant is not None:
        assert instant.tzinfo is UTC
        assert instant.microsecond == 0
        assert instant.year in GOOD_YEARS


@given(
    st.datetimes(datetime(1990, 1, 2), datetime(2199, 12, 30)),  # noqa: DTZ001  # hypothesis wants them naive
    st.integers(-23 * 60, 23 * 60),
)
@settings(deadline=None)
def test_what_python_writes_is_read_back(moment: datetime, minutes: int) -> None:
    instant = moment.replace(tzinfo=UTC)
    whole = instant.replace(microsecond=0)
    shift = timedelta(minutes=minutes)
    sign, size = "+-"[minutes < 0], abs(minutes)
    local = (moment + shift).replace(tzinfo=None)
    written = f"{local.isoformat()}{sign}{size // 60:02}:{size % 60:02}"
    assert read(written) == read(format_datetime(instant)) == read(instant.isoformat()) == (whole, Dating.ZONED)
