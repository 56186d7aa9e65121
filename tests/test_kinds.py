"""What an answer is taken for."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeder.model import Answer, SourceKind
from feeder.parse.kinds import kind_of, surprise

FEED, PAGE, DOCUMENT, ARCHIVE = SourceKind.FEED, SourceKind.PAGE, SourceKind.DOCUMENT, SourceKind.ARCHIVE
RSS = '<rss version="2.0"><channel><title>Tides</title></channel></rss>'
HTML = "<!DOCTYPE html><html><head><title>Tides</title></head><body>High at noon</body></html>"


def answer(body: str | bytes, media_type: str | None = None, url: str = "https://harbour.example/x") -> Answer:
    return Answer(status=200, url=url, body=body.encode() if isinstance(body, str) else body, media_type=media_type)


def tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("tree/a.md"))
    return file.getvalue()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        pytest.param(RSS, FEED, id="rss"),
        pytest.param(
            f'<?xml version="1.0"?>\n<!-- made <html> here -->\n<?xml-stylesheet href="a"?>{RSS}', FEED, id="prolog"
        ),
        pytest.param(f"\ufeff\n {RSS}", FEED, id="mark"),
        pytest.param(f'<!DOCTYPE rss PUBLIC "-//Netscape//DTD RSS 0.91//EN" "x.dtd">{RSS}', FEED, id="doctype"),
        pytest.param("<!DOCTYPE rss [<!ENTITY a 'b'>]><rss/>", FEED, id="doctype-with-entities"),
        pytest.param('<feed xmlns="http://www.w3.org/2005/Atom"/>', FEED, id="atom"),
        pytest.param('<atom:feed xmlns:atom="http://www.w3.org/2005/Atom"/>', FEED, id="atom-with-prefix"),
        pytest.param('<rdf:RDF xmlns="http://purl.org/rss/1.0/">', FEED, id="rdf"),
        pytest.param('{"version": "https://jsonfeed.org/version/1.1", "items": []}', FEED, id="json"),
        pytest.param(
            '{"items": [{"id": 1}],\n"version":"https:\\/\\/jsonfeed.org\\/version\\/1"}', FEED, id="json-escaped"
        ),
        pytest.param(f"<br />\n<b>Warning</b>: oops in x.php\n{RSS}", FEED, id="junk-before"),
        pytest.param(RSS.encode("utf-16"), FEED, id="utf-16"),
        pytest.param(RSS.encode("utf-16-be"), FEED, id="utf-16-without-a-mark"),
        pytest.param(b"<?xml version='1.0' encoding='gbk'?><rss>\xb8\xdb\0", FEED, id="gbk"),
        pytest.param(HTML, PAGE, id="html"),
        pytest.param(f'<?xml version="1.0"?>{HTML}', PAGE, id="xhtml"),
        pytest.param("<!-- <rss> --><HTML lang=en>", PAGE, id="html-in-capitals"),
        pytest.param("<div>Log in</div>", PAGE, id="a-part-of-a-page"),
        pytest.param(f"Warning: oops\n{RSS}", FEED, id="plain-junk-before"),
        pytest.param(f"Notice: oops\n{HTML}", PAGE, id="junk-before-a-page"),
        pytest.param("---\ntitle: Tides\n---\n<html>", DOCUMENT, id="yaml"),
        pytest.param("\n\n---\ntitle: Tides\n---\n<rss>", DOCUMENT, id="yaml-after-blanks"),
        pytest.param("+++\ntitle = 'Tides'\n+++\n", DOCUMENT, id="toml"),
        pytest.param('{"title": "Tides"}\n\nHigh at noon.', DOCUMENT, id="json-front-matter"),
        pytest.param("Title: Tides\nDate: 2026-03-10\n\nHigh at noon.", DOCUMENT, id="headers"),
        pytest.param(tar(), ARCHIVE, id="tar"),
        pytest.param(gzip.compress(tar(), mtime=0), ARCHIVE, id="tar-gz"),
        pytest.param(lzma.compress(tar()), ARCHIVE, id="tar-xz"),
        pytest.param("", None, id="empty"),
        pytest.param("High at noon.", None, id="text"),
        pytest.param(gzip.compress(RSS.encode(), mtime=0), None, id="gzip-of-something-else"),
        pytest.param(b"\x1f\x8bxxxxxxxxxxx", None, id="no-gzip"),
        pytest.param(b"\xfd7zXZ\0xxxxxxxx", None, id="no-xz"),
        pytest.param(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", None, id="picture"),
        pytest.param("<urlset><url/></urlset>", None, id="other-xml"),
        pytest.param("<!-- never closed", None, id="a-comment-without-end"),
    ],
)
def test_bytes_tell_what_they_are(body: str | bytes, kind: SourceKind | None) -> None:
    assert kind_of(answer(body)) is kind


@pytest.mark.parametrize(
    ("body", "media_type", "kind"),
    [
        (RSS, "text/html", FEED),
        (HTML, "application/rss+xml", PAGE),
        ("---\ntitle: Tides\n---\n", "text/html", DOCUMENT),
        (gzip.compress(tar(), mtime=0), "text/html", ARCHIVE),
        ("High at noon.", "text/markdown", DOCUMENT),
        ("How to write an <rss > element.", "text/markdown", DOCUMENT),
        ("High at noon.", "text/html", PAGE),
        ("<urlset/>", "application/rss+xml", FEED),
        ("", "application/x-gtar", ARCHIVE),
        ('{"title": "Tides"}', "application/json", None),
        ('{"title": "Tides"}', "application/feed+json", FEED),
        ("High at noon.", "text/plain", None),
    ],
)
def test_bytes_come_before_the_media_type(body: str | bytes, media_type: str, kind: SourceKind | None) -> None:
    assert kind_of(answer(body, media_type)) is kind


@pytest.mark.parametrize(
    ("ending", "kind"),
    [
        *((".rss", FEED), (".XML?a=b.md", FEED), (".html#x", PAGE), (".md", DOCUMENT), (".txt", None), ("", None)),
        *((".tar.gz", ARCHIVE), (".tgz", ARCHIVE), (".tar.xz", ARCHIVE), (".gz", None)),
    ],
)
def test_the_address_tells_where_nothing_else_does(ending: str, kind: SourceKind | None) -> None:
    assert kind_of(answer("High at noon.", url=f"https://harbour.example/x{ending}")) is kind
    assert kind_of(answer("High at noon.", "text/markdown", f"https://harbour.example/x{ending}")) is DOCUMENT


@pytest.mark.parametrize(
    ("body", "expected", "told"),
    [
        (HTML, FEED, "a web page, not a feed"),
        (HTML, ARCHIVE, "a web page, not an archive"),
        (HTML, DOCUMENT, "a web page, not a front-matter document"),
        (RSS, PAGE, "a feed, not a web page"),
        (RSS, FEED, None),
        (RSS, SourceKind.AUTO, None),
        ("High at noon.", FEED, None),
    ],
)
def test_what_came_instead_is_told(body: str, expected: SourceKind, told: str | None) -> None:
    assert surprise(answer(body), expected=expected) == told


PIECES = st.sampled_from(
    ["<", "<?", "?>", "<!--", "-->", "<!DOCTYPE ", "rss", "html", ">", "{", '"version":', "---\n", "a: b\n", " "]
)


@settings(deadline=None, max_examples=300)
@given(
    st.one_of(st.binary(max_size=1200), st.lists(PIECES, max_size=60).map(lambda parts: "".join(parts).encode())),
    st.sampled_from([b"", b"\x1f\x8b\x08", b"\xfd7zXZ\0", b"\xff\xfe"]),
    st.one_of(st.none(), st.text(max_size=30)),
    st.text(max_size=40),
)
def test_anything_has_a_kind_or_none(body: bytes, start: bytes, media_type: str | None, url: str) -> None:
    found = kind_of(answer(start + body, media_type, url))
    assert found in {None, FEED, PAGE, DOCUMENT, ARCHIVE}


@pytest.mark.parametrize(
    "piece", ["<!--", "<?a?>", "<!-- a -->", "<a", "a: b\n", "- x\n", "{", '"version": ', " ", "<!DOCTYPE "]
)
def test_long_answers_are_looked_at_in_one_go(piece: str) -> None:
    assert kind_of(answer(piece * 1_000_000)) in {None, PAGE, DOCUMENT}
