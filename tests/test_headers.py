from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeder.headers import MAX_FRESH, MAX_WAIT, content_type, fresh_for, links, retry_after

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("120", timedelta(seconds=120)),
        (" 0 ", timedelta()),
        ("Sun, 01 Mar 2026 13:00:00 GMT", hours(1)),
        ("Sunday, 01-Mar-26 13:00:00 GMT", hours(1)),
        ("Sun Mar  1 13:00:00 2026", hours(1)),
        ("Sun, 01 Mar 2026 11:00:00 GMT", timedelta()),
        ("Wed, 01 Jan 2031 00:00:00 GMT", MAX_WAIT),
        ("99999999999", MAX_WAIT),
        ("9" * 5000, None),
        ("-1", None),
        ("1.5", None),
        ("٣", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_how_long_a_server_asks_to_be_left_alone(value: str | None, wait: timedelta | None) -> None:
    assert retry_after(value, now=NOW) == wait


@pytest.mark.parametrize(
    ("cache_control", "expires", "fresh"),
    [
        ("max-age=3600", None, hours(1)),
        ('public, Max-Age="3600"', None, hours(1)),
        ("max-age=0", "Sun, 01 Mar 2026 14:00:00 GMT", timedelta()),
        ("max-age=" + "9" * 5000, None, MAX_FRESH),
        ("s-maxage=3600", None, None),
        ("s-maxage=60", "Sun, 01 Mar 2026 14:00:00 GMT", hours(2)),
        ("max-age=3600, no-cache", None, None),
        ('no-cache="Set-Cookie", max-age=3600', None, None),
        ("no-store", "Sun, 01 Mar 2026 14:00:00 GMT", None),
        ("max-age=-5", None, None),
        ("max-age", None, None),
        (None, "Sun, 01 Mar 2026 14:00:00 GMT", hours(2)),
        (None, "Sun, 01 Mar 2026 10:00:00 GMT", timedelta()),
        (None, "0", None),
        (None, None, None),
    ],
)
def test_how_long_an_answer_stays_good(cache_control: str | None, expires: str | None, fresh: timedelta | None) -> None:
    assert fresh_for(cache_control, expires=expires, date="Sun, 01 Mar 2026 12:00:00 GMT") == fresh


def test_an_answer_without_a_date_is_good_for_an_unknown_time() -> None:
    assert fresh_for(None, expires="Sun, 01 Mar 2026 14:00:00 GMT", date=None) is None


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("application/rss+xml", ("application/rss+xml", None)),
        ("Text/XML; Charset=GB18030", ("text/xml", "gb18030")),
        ('text/html ;level=1; charset="utf-8"', ("text/html", "utf-8")),
        ("text/html;charset='utf-8'", ("text/html", "utf-8")),
        ("text/xml, text/html", ("text/xml", None)),
        ("; charset=utf-8", (None, "utf-8")),
        ("text", (None, None)),
        ("text/html x", (None, None)),
        ("text/ html", (None, None)),
        ("", (None, None)),
        (None, (None, None)),
    ],
)
def test_what_a_body_is(value: str | None, found: tuple[str | None, str | None]) -> None:
    assert content_type(value) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("<https://hub.example/>; rel=hub", [("hub", "https://hub.example/")]),
        (
            '</a,b;c>; title="x, <y>; rel=no"; REL="Self  next"; rel=prev',
            [("self", "https://example.org/a,b;c"), ("next", "https://example.org/a,b;c")],
        ),
        ("<?page=2>;rel=next;rel=prev", [("next", "https://example.org/f/x?page=2")]),
        (
            '<a>; rel="ne\\xt", <b> ; rel = prev',
            [("next", "https://example.org/f/a"), ("prev", "https://example.org/f/b")],
        ),
        ('<a>; rel=next; anchor="#other"', []),
        ("<http://[>; rel=next, <b>; rel=next", [("next", "https://example.org/f/b")]),
        ("<a>", []),
        ("a; rel=next", []),
        ("<a>; rel", []),
        ("", []),
        (None, []),
    ],
)
def test_where_an_answer_links_to(value: str | None, found: list[tuple[str, str]]) -> None:
    assert links(value, base="https://example.org/f/x") == tuple(found)


@given(st.text() | st.from_regex(r"(max-age=|no-|\"|,|=|;|[0-9]|<|>|rel){0,20}"))
def test_garbage_says_nothing_and_raises_nothing(text: str) -> None:
    assert timedelta() <= (retry_after(text, now=NOW) or timedelta()) <= MAX_WAIT
    assert timedelta() <= (fresh_for(text, expires=text, date=text) or timedelta()) <= MAX_FRESH
    assert timedelta() <= (fresh_for(None, expires="Sun, 01 Mar 2026 14:00:00 GMT", date=text) or timedelta())
    content_type(text)
    links(text, base="https://example.org/")


@given(st.datetimes(min_value=datetime(1990, 1, 2), max_value=datetime(2199, 1, 1)))  # noqa: DTZ001 - made aware below
def test_no_date_makes_a_wait_longer_than_a_day(instant: datetime) -> None:
    text = f"{instant:%a, %d} {'Jan'} {instant:%Y %H:%M:%S} GMT"
    wait = retry_after(text, now=NOW)
    assert wait is None or timedelta() <= wait <= MAX_WAIT


@pytest.mark.parametrize("unit", ["<", "<a>;", '<a>;x="', ";charset", "max-age=1,", "<a>; rel=a ", "\\", "; "])
def test_reading_is_linear(unit: str) -> None:
    text = unit * (200_000 // len(unit))
    links(text, base="https://example.org/")
    content_type(text)
    fresh_for(text, expires=text, date=text)
    retry_after(text, now=NOW)


def test_of_a_header_without_an_end_the_beginning_is_read() -> None:
    found = links(", ".join(["<a>; rel=x"] * 700_000), base="https://example.org/")
    assert 1000 < len(found) < 2000
    assert len(links(f'<a>;rel="{"a " * 4_000_000}"', base="https://example.org/")) == 0
    assert fresh_for("a," * 4_000_000 + "max-age=60", expires=None, date=None) is None
