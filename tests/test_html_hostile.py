"""What is written to harm readers, or this program: nothing live is left, and an end is found."""

from __future__ import annotations

import re

import lxml.html
import pytest

from feeder.html import clean, first_words
from feeder.markup import LONGEST_BODY

LIVE_TAGS = {
    "script", "style", "object", "embed", "applet", "base", "meta", "link", "form", "input", "button", "textarea", "select",
    "svg", "math", "template", "noscript", "frame", "frameset", "title", "xmp", "plaintext", "noembed", "animate", "portal",
}  # fmt: skip
URL_ATTRIBUTES = {"href", "src", "poster"}
KNOWN_ATTRIBUTES = URL_ATTRIBUTES | {
    "alt", "title", "width", "height", "referrerpolicy", "allowfullscreen", "controls", "preload", "colspan", "rowspan", "dir",
    "start", "type", "reversed", "value", "open", "datetime",
}  # fmt: skip
GOOD_URL = re.compile(r"(?:https?://|mailto:|tel:)[!-~]+", re.IGNORECASE)

VECTORS = {
    "handlers": [
        "<img src=x onerror=alert(1)>",
        "<img src=https://x.example/a.png onerror=alert(1) onload=alert(1)>",
        "<body onload=alert(1)><p onmouseover='alert(1)'>x",
        "<img/src=x/onerror=alert(1)//>",
        '<img """><script>alert(1)</script>">',
        "<details open ontoggle=alert(1)>x</details>",
        "<video src=https://x.example/v.mp4 onloadstart=alert(1)><source onerror=alert(1)></video>",
        "<a href=https://x.example/ OnClIcK\n=\nalert(1)>x</a>",
        "<p \x00onclick=alert(1) on\x00click=alert(1)>x",
        "<marquee onstart=alert(1)>x</marquee>",
    ],
    "schemes": [
        "<a href=javascript:alert(1)>x</a>",
        "<a href=' JaVaScRiPt:alert(1)'>x</a>",
        "<a href='java\tscript:alert(1)'>x</a>",
        "<a href='java&#10;script:alert(1)'>x</a>",
        "<a href='&#106;&#97;&#118;&#97;script&colon;alert(1)'>x</a>",
        "<a href='&#x6A&#x61&#x76&#x61&#x73&#x63&#x72&#x69&#x70&#x74:alert(1)'>x</a>",
        "<a href='\x01javascript:alert(1)'>x</a>",
        "<a href='vbscript:x'>x</a><a href='feed:javascript:alert(1)'>x</a>",
        "<a href='data:text/html;base64,PHNjcmlwdD4='>x</a>",
        "<a href='//javascript:alert(1)'>x</a>",
        "<img src='javascript:alert(1)'><img srcset='javascript:alert(1) 2x' src='data:image/svg+xml,<svg onload=x>'>",
        "<img data-src='javascript:/alert(1)' src='vbscript:/x'>",
        "<iframe src='javascript:alert(1)'></iframe><iframe src='data:text/html,x'></iframe>",
        "<video poster='javascript:alert(1)' src='javascript:alert(1)'><source src='javascript:alert(1)'></video>",
        "<a href='https://x.example/\"onmouseover=alert(1) x'>x</a>",
        "<a xlink:href='javascript:alert(1)' formaction='javascript:alert(1)'>x</a>",
    ],
    "frames": [
        "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
        "<iframe src=https://www.youtube.com/embed/x srcdoc='<script>x' onload=alert(1)></iframe>",
        "<iframe src='https://www.youtube.com/embed/\"onload=alert(1)//'></iframe>",
        "<iframe src='https://www.youtube.com@evil.example/embed/'></iframe>",
        "<iframe></iframe/><script>alert(1)</script>",
        "<frameset><frame src=javascript:alert(1)></frameset>",
        "<object data='javascript:alert(1)'><param name=x><embed src='javascript:alert(1)'></object>",
        "<embed src='data:image/svg+xml,x' type=image/svg+xml><applet code=x>y</applet><portal src=javascript:x>",
    ],
    "page": [
        "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>x",
        "<base href='javascript:alert(1)//'><a href='/x'>x</a>",
        "<link rel=stylesheet href='javascript:alert(1)'><link rel=import href=x>",
        "<form action='javascript:alert(1)'><input type=submit formaction=javascript:x><button>x</button></form>",
        "<isindex action='javascript:alert(1)' type=image>",
        "<select autofocus onfocus=alert(1)><option>x</select><textarea autofocus onfocus=alert(1)>y</textarea>",
    ],
    "styles": [
        "<p style='background:url(javascript:alert(1))'>x</p>",
        "<div style='width:expression(alert(1))'>x</div>",
        "<style>@import 'javascript:alert(1)';</style><p>x",
        "<style><img src='</style><img src=x onerror=alert(1)>'>",
        "<table background='javascript:alert(1)'><td background='javascript:alert(1)'>x",
    ],
    "foreign": [
        "<svg onload=alert(1)><script>alert(1)</script></svg>",
        "<svg><a xlink:href='javascript:alert(1)'><text>x</text></a><animate attributeName=href values=javascript:x /></svg>",
        "<svg><foreignObject><iframe onload=alert(1)></iframe></foreignObject></svg>",
        "<math href='javascript:alert(1)'><mtext><a href='javascript:alert(1)'>x</a></mtext></math>",
        "<math><maction actiontype=statusline xlink:href=javascript:alert(1)>x</maction></math>",
        "<svg><desc><![CDATA[</desc><script>alert(1)</script>]]></desc></svg>",
        "<svg><style>&lt;img src=x onerror=alert(1)&gt;</style></svg>",
    ],
    "mutations": [
        "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
        "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
        "<svg></p><style><a id='</style><img src=1 onerror=alert(1)>'>",
        "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
        "<template><script>alert(1)</script><img src=x onerror=alert(1)></template>",
        "<textarea><img title='</textarea><img src=x onerror=alert(1)>'>",
        "<xmp><p title='</xmp><svg/onload=alert(1)>'>",
        "<noembed><img title='</noembed><img src=x onerror=alert(1)>'></noembed>",
        "<listing>&lt;img src=x onerror=alert(1)&gt;</listing>",
        "<math><annotation-xml encoding='text/html'><style><img src=x onerror=alert(1)></style></annotation-xml></math>",
        "<svg><title><style><img src='</style><img src=x onerror=alert(1)>'></title></svg>",
        "<a href='https://x.example/'><table><a href='javascript:alert(1)'>x</a></table></a>",
        "<p title='`<img src=x onerror=alert(1)>'>x</p><abbr title='`><img src=x onerror=alert(1)>'>y</abbr>",
        "<select><style></select><img src=x onerror=alert(1)></style>",
        "<plaintext><script>alert(1)</script>",
    ],
    "tokens": [
        "<![CDATA[<script>alert(1)</script>]]>",
        "<?xml version='1.0'?><?php echo '<script>alert(1)</script>' ?>",
        "<!--><img src=x onerror=alert(1)>--><!--!><script>alert(1)</script>-->",
        "<!DOCTYPE html [<!ENTITY x '<script>alert(1)</script>'>]>&x;",
        "<scr<script>ipt>alert(1)</scr</script>ipt>",
        "<<script>alert(1);//<</script>",
        "<script/src=//x.example/a.js></script><script\x0c>alert(1)</script>",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "<img src=x onerror=alert(1)",
        "<a href='x' <script>alert(1)</script>>x</a>",
        "\ufeff<script>alert(1)</script>",
        "<ſcript>alert(1)</ſcript><ıframe src=javascript:x>",
    ],
}  # fmt: skip


def assert_harmless(written: str) -> None:
    """Check what an independent parser finds in *written*."""
    for element in lxml.html.document_fromstring(f"<html><body><div>{written}</div></body></html>").iter():
        assert isinstance(element.tag, str), "a comment or an instruction is left"
        assert element.tag not in LIVE_TAGS
        assert set(element.keys()) <= KNOWN_ATTRIBUTES
        for name in URL_ATTRIBUTES & set(element.keys()):
            assert GOOD_URL.fullmatch(element.get(name) or "")
        if element.tag == "iframe":
            assert (element.get("src") or "").startswith("https://www.youtube.com/embed/")


@pytest.mark.parametrize("locator", ["a.html", "a.md", "a.txt"])
@pytest.mark.parametrize("base_url", [None, "https://site.example/a/"])
@pytest.mark.parametrize("family", VECTORS)
def test_fault_97_no_vector_leaves_anything_live(family: str, base_url: str | None, locator: str) -> None:
    for vector in VECTORS[family]:
        for body in (vector, f"<p>text</p>{vector}", f"words {vector} <b>and</b> more"):
            assert_harmless(clean(body, locator=locator, base_url=base_url).content)


@pytest.mark.parametrize("family", VECTORS)
def test_a_vector_in_a_large_body_leaves_nothing_live_either(family: str) -> None:
    for vector in VECTORS[family]:
        assert_harmless(clean("<p><i>x</i></p>" * 600 + vector, locator="a.html").content)


def test_the_check_of_these_tests_sees_what_is_live() -> None:
    for live in (
        "<script>x</script>",
        "<p onclick=x>",
        "<a href=javascript:x>y</a>",
        "<!-- x -->",
        "<iframe></iframe>",
    ):
        with pytest.raises(AssertionError):
            assert_harmless(live)


@pytest.mark.parametrize(
    "body", ["<![><img", "<![", "<!", "<", "</", "<a", "<a href", "<a href='", "<!--", "&", "&#", "<p/", "\x00<"]
)
@pytest.mark.parametrize("locator", ["a.html", "a.md", "a.txt", ""])
def test_fault_98_a_document_that_ends_too_early_raises_nothing(body: str, locator: str) -> None:
    once = clean(body, locator=locator).content
    assert clean(once, locator="a.html").content == once
    assert_harmless(once)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param("<div>" * 200_000 + "deep", "", id="cut-before-its-text"),
        pytest.param("<div>" * 80_000 + "deep", "deep", id="div"),
        pytest.param("<i>" * 400 + "deep", "deep", id="not-large-but-deep-formatting"),
        pytest.param("<b>" * 150_000 + "deep", "deep", id="formatting"),
        pytest.param("<ul><li>" * 20_000 + "deep", "deep", id="lists"),
        pytest.param("<table><tr><td>" * 30_000 + "deep", "deep", id="tables"),
        pytest.param("<div>" * 500 + "deep", "deep", id="not-large-but-deep"),
        pytest.param(
            "".join(f"<b id={i}>" for i in range(20_000)) + "<p>x" * 20_000, "x x x", id="reopened-formatting"
        ),
        pytest.param(
            "".join(f"<b id={i}><!--</b>-->" for i in range(9_000)) + "<p>x" * 9_000, "x x x", id="hidden-ends"
        ),
        pytest.param("<div>" * 300 + "a" + "</div>" * 300 + "<p>b", "a b", id="what-is-left-out-is-closed-too"),
    ],
)
def test_fault_07_nesting_is_capped_and_its_text_is_kept(body: str, text: str) -> None:
    cleaned = clean(body, locator="a.html")
    assert cleaned.summary.startswith(text)
    assert cleaned.content.count("<") < 60_000
    assert clean(cleaned.content, locator="a.html").content == cleaned.content


@pytest.mark.parametrize("tags", [1, 1_000])
def test_fault_08_attributes_are_capped(tags: int) -> None:
    attributes = " ".join(f"a{i}=1" for i in range(40_000 // tags))
    body = f"<div dir=rtl {attributes}>text</div>" * tags + "<p>after"
    assert clean(body, locator="a.html").content == '<div dir="rtl">text</div>' * tags + "<p>after</p>"


def test_fault_08_two_hundred_thousand_attributes_come_to_an_end() -> None:
    attributes = " ".join(f"a{i}=1" for i in range(200_000))
    assert clean(f"<div {attributes}>text</div>", locator="a.html").content == ""


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("<a " * 150_000, id="tags-without-end"),
        pytest.param('<a b=">" ' * 50_000, id="brackets-in-quotes"),
        pytest.param("<" * 400_000, id="brackets"),
        pytest.param("<!--" * 100_000, id="comments"),
        pytest.param("<!-- -" * 80_000, id="open-comments"),
        pytest.param("<!" * 200_000, id="declarations"),
        pytest.param("<script>" * 60_000, id="scripts"),
        pytest.param("<iframe src=https://x.example/>" * 15_000, id="frames"),
        pytest.param("<p>x" * 20_000, id="paragraphs"),
        pytest.param("&" * 400_000, id="ampersands"),
        pytest.param("<p>" + " \n" * 200_000 + "x", id="white-space"),
        pytest.param('<img srcset="' + "a," * 200_000 + '">', id="srcset"),
        pytest.param('<img src=https://x.example/ width="5' + " " * 300_000 + 'x">', id="blanks-in-a-width"),
        pytest.param("<picture>" + "<source srcset=x>" * 9_000 + "<img>" * 9_000, id="sources"),
        pytest.param("<svg>" * 90_000, id="svg"),
        pytest.param("<template>" * 45_000, id="templates"),
        pytest.param("<button><p>" * 40_000, id="buttons"),
        pytest.param("<a href=https://x.example/><table>" * 14_000, id="links-in-tables"),
        pytest.param("word " * 100_000, id="text"),
        pytest.param("\n" * 400_000, id="empty-lines"),
        pytest.param("\ud800\x00" * 200_000, id="unsafe-characters"),
        pytest.param("[" * 20_000, id="markdown-brackets"),
        pytest.param("![[" * 7_000, id="markdown-images"),
        pytest.param("x\n\n" + "> " * 40_000, id="markdown-quotations"),
        pytest.param("|a" * 300 + "\n" + "|-" * 300 + "\n" + "|b\n" * 300, id="markdown-table"),
    ],
)
@pytest.mark.parametrize("locator", ["a.html", "a.md"])
def test_large_bodies_come_to_an_end_and_stay_as_they_are(body: str, locator: str) -> None:
    cleaned = clean(body, locator=locator)
    assert len(cleaned.content) < 3 * LONGEST_BODY
    assert clean(cleaned.content, locator="a.html").content == cleaned.content
    assert len(first_words(body)) <= 80


def test_an_unknown_frame_at_the_greatest_depth_is_its_address() -> None:
    cleaned = clean("<blockquote>" * 101 + "x<iframe src=https://x.example/></iframe>" + "</blockquote>" * 101)
    assert "xhttps://x.example/<" in cleaned.content.replace("<br>", "")
    assert clean(cleaned.content).content == cleaned.content


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("|a" * 180 + "\n" + "|-" * 180 + "\n" + "|b\n" * 360, id="one-table"),
        pytest.param(("|a" * 50 + "\n" + "|-" * 50 + "\n" + "|b\n" * 100 + "\n") * 20, id="many-tables"),
    ],
)
def test_tables_have_no_more_cells_than_characters(body: str) -> None:
    cleaned = clean(body, locator="a.md")
    assert 0 < cleaned.content.count("<td>") < len(body)
    assert len(re.findall(r"[>|]b\b", cleaned.content)) == body.count("b")


def test_a_table_whose_rows_are_full_is_a_table_to_its_end() -> None:
    body = "a|b\n-|-\n" + "1|2\n" * 1000
    assert clean(body, locator="a.md").content.count("<td>") == 2000


def test_the_text_after_a_large_inline_picture_is_kept() -> None:
    body = '<p>before</p><img src="data:image/png;base64,' + "A" * 3_000_000 + '"><p>after</p>'
    assert clean(body, locator="a.html").content == "<p>before</p><p>after</p>"
