"""What is made of an answer, of every kind."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import pytest
from build import site, source
from hypothesis import given
from hypothesis import strategies as st
from remote import DAY, NOON, document, item, rss, tar_gz

from feeder import normalize
from feeder.model import Answer, DatePolicy, RawItem, Select, Source, SourceKind, Status
from feeder.parse import frontmatter
from feeder.pipeline.answers import AnswerJob, Received, receive
from feeder.store.packing import unpack_document

URL = "https://lake.example/feed"
PAGE = b"""<!DOCTYPE html><html><head><title>Lake</title></head><body>
<article><h2><a href="/a">Bridge opens</a></h2><time datetime="2026-03-10T12:00:00Z">today</time><p>Calm.</p></article>
<article><h2><a href="/b">Ferry sinks</a></h2><time datetime="2026-03-09T12:00:00Z">then</time><p>Rough.</p></article>
</body></html>"""
ANNOUNCING = b'<!DOCTYPE html><html><head><link rel="alternate" type="application/rss+xml" href="/f.xml"></head></html>'
LOGIN = b"<!DOCTYPE html><html><head><title>Log in</title></head><body><form><input name=user></form></body></html>"


def remote(**fields: Any) -> Source:
    return replace(source("lake", url=URL), **fields)


def received(body: bytes, *, media_type: str | None = None, url: str = URL, **fields: Any) -> Received:
    answer = Answer(status=200, url=url, body=body, media_type=media_type)
    return receive(AnswerJob(source=remote(**fields), site=site(), answer=answer))


def titles(found: Received) -> list[str]:
    return [reading.article.title for reading in found.readings if reading.article]


# ---------------------------------------------------------------- kinds


@pytest.mark.parametrize(
    ("body", "fields", "kind", "expected"),
    [
        pytest.param(rss(item("A"), item("B")), {}, "feed", ["A", "B"], id="feed"),
        pytest.param(rss(), {}, "feed", [], id="empty-feed"),
        pytest.param(
            PAGE, {"select": Select(item="article")}, "page", ["Bridge opens", "Ferry sinks"], id="page-with-selectors"
        ),
        pytest.param(document("Bridge opens"), {}, "document", ["Bridge opens"], id="document"),
        pytest.param(document("A", more="draft: true"), {}, "document", [], id="draft"),
        pytest.param(rss(item("A")), {"kind": SourceKind.FEED}, "feed", ["A"], id="named-feed"),
        pytest.param(document("A"), {"kind": SourceKind.DOCUMENT}, "document", ["A"], id="named-document"),
    ],
)
def test_what_an_answer_holds_is_read(body: bytes, fields: dict[str, Any], kind: str, expected: list[str]) -> None:
    found = received(body, **fields)
    assert (found.kind, found.problem, found.elsewhere, titles(found)) == (kind, None, None, expected)
    assert set(found.documents) == {reading.place.locator for reading in found.readings if reading.article}
    assert found.feed is not None
    assert found.feed.items == ()


def test_a_page_may_only_say_where_its_feed_is() -> None:
    found = received(ANNOUNCING)
    assert (found.kind, found.elsewhere, found.readings) == (SourceKind.PAGE, "https://lake.example/f.xml", ())


def test_an_archive_is_for_whoever_can_write_it() -> None:
    found = received(tar_gz({"a.md": document("A")}))
    assert found == Received(kind=SourceKind.ARCHIVE)


@pytest.mark.parametrize(
    ("body", "fields", "problem"),
    [
        pytest.param(LOGIN, {"kind": SourceKind.FEED}, "is a web page, not a feed", id="login-page-for-a-feed"),
        pytest.param(LOGIN, {}, "cannot be read: a web page that announces no feed", id="login-page"),
        pytest.param(
            b"\x00\x01\x02 nonsense", {}, "is neither a feed nor a page, a document or an archive", id="nonsense"
        ),
        pytest.param(b"nonsense", {"kind": SourceKind.FEED}, "cannot be read: a text that begins with", id="text"),
        pytest.param(rss(), {"kind": SourceKind.DOCUMENT}, "is a feed, not a front-matter document", id="no-document"),
    ],
)
def test_the_problem_of_an_answer_is_told(body: bytes, fields: dict[str, Any], problem: str) -> None:
    found = received(body, **fields)
    assert found.problem is not None
    assert found.problem.startswith(problem)
    assert (found.readings, found.documents) == ((), {})


@given(st.binary(max_size=200), st.sampled_from(SourceKind))
def test_any_bytes_come_to_something(body: bytes, kind: SourceKind) -> None:
    found = received(body, kind=kind)
    assert found.problem is None or "\n" not in found.problem


def test_what_nobody_foresaw_is_a_problem_of_this_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: Any, **__: Any) -> RawItem:
        raise RecursionError("too deep")

    monkeypatch.setattr(frontmatter, "parse", crash)
    assert received(document("A")).problem == "cannot be read: RecursionError: too deep"


def test_what_is_read_can_pass_between_processes() -> None:
    found = received(rss(item("A", categories=("News",))))
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301 - our own


# ---------------------------------------------------------------- items


def test_a_bad_item_does_not_cost_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    real = normalize.normalize

    def crash(raw: RawItem, *rest: Any) -> Any:
        if raw.title == "Bad":
            raise RuntimeError("nobody\nforesaw it")
        return real(raw, *rest)

    monkeypatch.setattr(normalize, "normalize", crash)
    found = received(rss(item("A"), item("Bad"), item("B")))
    statuses = {reading.place.locator: (reading.status, reading.reason) for reading in found.readings}
    assert titles(found) == ["A", "B"]
    assert statuses["urn:Bad"] == (Status.BROKEN, "could not be read: RuntimeError: nobody foresaw it")
    assert "urn:Bad" not in found.documents


def test_an_item_that_is_no_article_says_why() -> None:
    found = received(rss(item("", guid="\u200b", body='<img src="a.png">'), item("A")))
    assert [(reading.status, reading.reason) for reading in found.readings] == [
        (Status.BROKEN, "nothing in it can serve as a title"),
        (Status.GOOD, None),
    ]


def digests(body: bytes, **fields: Any) -> dict[str, bytes]:
    return {reading.place.locator: reading.digest for reading in received(body, **fields).readings}


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(rss(item("A"), title="Lake and Sea"), id="title-of-the-feed"),
        pytest.param(rss(item("A"), head="<copyright>Lake</copyright><ttl>5</ttl>"), id="rights-of-the-feed"),
        pytest.param(rss(item("B"), item("A")), id="another-item"),
        pytest.param(rss(item("A")).replace(b"<item>", b"\n  <item>"), id="white-space-between"),
        pytest.param(rss(item("A"), head="<lastBuildDate>Tue, 10 Mar 2026 12:00:00 GMT</lastBuildDate>"), id="built"),
    ],
)
def test_what_else_stands_in_a_feed_is_no_news_of_an_item(after: bytes) -> None:
    assert digests(after)["urn:A"] == digests(rss(item("A")))["urn:A"]


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(item("A", body="Rough."), id="body"),
        pytest.param(item("A!", guid="urn:A"), id="title"),
        pytest.param(item("A", date=NOON - DAY), id="date"),
        pytest.param(item("A", categories=("News",)), id="category"),
    ],
)
def test_what_an_item_says_is_news_of_it(after: str) -> None:
    assert digests(rss(after))["urn:A"] != digests(rss(item("A")))["urn:A"]


def test_settings_are_no_news_of_an_item() -> None:
    assert digests(rss(item("A"))) == digests(rss(item("A")), dates=DatePolicy.IGNORE, author="Desk")


# ---------------------------------------------------------------- bodies


def test_a_body_is_kept_as_written_with_what_its_links_are_relative_to() -> None:
    found = received(
        rss(item("A", body='<img src="a.png"> & <script>1</script>')).replace(
            b"<link>https://lake.example/</link>", b""
        ),
        url="https://lake.example/feeds/all.xml",
    )
    kept = unpack_document(found.documents["urn:A"])
    assert (kept.text, kept.is_html) == ('<img src="a.png"> & <script>1</script>', True)
    assert kept.base_url == "https://lake.example/feeds/all.xml"


def test_a_document_is_known_by_its_address_wherever_that_leads() -> None:
    found = received(document("A", body="*Calm*"), url="https://mirror.example/a.md", kind=SourceKind.DOCUMENT)
    [reading] = found.readings
    assert reading.place.locator == URL
    assert reading.article is not None
    assert reading.article.link == "https://mirror.example/a.md"
    assert unpack_document(found.documents[URL]).base_url == "https://mirror.example/a.md"


@pytest.mark.parametrize(
    ("fields", "address"),
    [({}, URL), ({"auth": "bearer:env:TOKEN"}, None), ({"headers": (("X-Key", "env:KEY"),)}, None)],
)
def test_where_an_article_is_from_is_told_unless_the_address_is_private(
    fields: dict[str, Any], address: str | None
) -> None:
    [reading] = received(rss(item("A")), **fields).readings
    assert reading.article
    assert reading.article.origin
    assert reading.article.origin.url == address
