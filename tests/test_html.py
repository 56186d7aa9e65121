from __future__ import annotations

from html.parser import HTMLParser

import lxml.etree
import lxml.html
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeder.characters import safe_text
from feeder.html import check_selector, clean, first_words

BASE = "https://site.example/news/today/"


def content(body: str, locator: str = "a.html") -> str:
    return clean(body, locator=locator).content


def summary(body: str, locator: str = "a.html") -> str:
    return clean(body, locator=locator).summary


# ---------------------------------------------------------------- the gate for text


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        pytest.param("价格 up\tby\n5 %\r", "价格 up\tby\n5 %\r", id="nothing-to-do"),
        pytest.param("a\x00b\x08c\x0bd\x1fe", "abcde", id="c0-controls"),
        pytest.param("a\x7fb\x80c\x85d\x9fe", "abcde", id="delete-and-c1-controls"),
        pytest.param("a\ud800b\udfffc", "a\ufffdb\ufffdc", id="lone-surrogates"),
        pytest.param("a\ufffeb\uffffc", "abc", id="noncharacters"),
        pytest.param("a\U0001fffeb\U0001ffffc\U0010ffffd", "abcd", id="noncharacters-of-other-planes"),
        pytest.param("😀 𠮷", "😀 𠮷", id="astral-characters-stay"),
    ],
)
def test_text_is_safe(text: str, safe: str) -> None:
    assert safe_text(text) == safe


@settings(deadline=None)
@given(st.text(st.characters(codec=None, exclude_categories=())))
def test_safe_text_fits_into_xml_and_stays_as_it_is(text: str) -> None:
    safe = safe_text(text)
    element = lxml.etree.Element("title")
    element.text = safe
    assert lxml.etree.fromstring(lxml.etree.tostring(element)).text in {safe, None if safe == "" else safe}
    assert safe_text(safe) == safe


def test_fault_41_nul_and_backspace_references_are_gone() -> None:
    assert content("<p>one&#8;two&#0;three\x00four</p>") == "<p>onetwo�threefour</p>"


def test_fault_45_control_characters_in_a_body_are_gone_and_the_rest_is_kept() -> None:
    assert content("<p>Be\x07fore</p><p>af\x1bter</p>") == "<p>Before</p><p>after</p>"


def test_input_25_a_body_is_never_an_invalid_xml_file() -> None:
    written = content("<p>a\ufffe ]]&gt; ]]> \ud800 &#xFFFF; &#x1F; &#13; z</p>")
    assert written == "<p>a ]]&gt; ]]&gt; � z</p>"
    assert safe_text(written) == written


# ---------------------------------------------------------------- kinds of body


@pytest.mark.parametrize("locator", ["a.txt", "a.md", "a.html", ""])
def test_a_body_that_starts_with_a_tag_is_html(locator: str) -> None:
    assert content("\n  <div>\n<p>*one*</p><p>two</p></div>", locator) == "<p>*one*</p><p>two</p>"


def test_a_comment_before_markdown_does_not_make_it_html() -> None:
    assert content("<!-- more -->\n\n# Head\n", "a.md") == "<h1>Head</h1>"


def test_input_19_plain_text_becomes_paragraphs_and_line_breaks() -> None:
    assert content("First line\nsecond line\n  \n\n\u3000\nif a < b && c > d\n", "a.txt") == (
        "<p>First line<br>second line</p><p>if a &lt; b &amp;&amp; c &gt; d</p>"
    )


def test_input_19_character_references_in_plain_text_are_read() -> None:
    assert content("Salt &amp; pepper &#8211; &hellip;", "a.txt") == "<p>Salt &amp; pepper – …</p>"


def test_text_with_common_tags_is_html_wherever_it_comes_from() -> None:
    assert content("Hello <b>world</b>,<br>again", "") == "Hello <b>world</b>,<br>again"


def test_input_19_markdown_is_rendered() -> None:
    body = "# Head\n\nSome *words*, ~~old~~ and `x  y`.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n    code  here\n"
    assert content(body, "notes/A.MD") == (
        "<h1>Head</h1><p>Some <em>words</em>, <s>old</s> and <code>x  y</code>.</p>"
        "<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody></table>"
        "<pre><code>code  here\n</code></pre>"
    )


def test_html_inside_markdown_is_cleaned() -> None:
    assert content("Hi <b onclick=x()>there</b><script>y()</script>\n", "a.markdown") == "<p>Hi <b>there</b></p>"


def test_markdown_links_without_brackets_stay_text() -> None:
    assert content("See https://example.org/x now", "a.md") == "<p>See https://example.org/x now</p>"


def test_markdown_that_is_too_long_is_shown_as_text() -> None:
    written = content("*a* b\n\n" * 20_000, "a.md")
    assert written.startswith("<p>*a* b</p><p>*a* b</p>")


# ---------------------------------------------------------------- tidiness


def test_input_17_comments_styles_scripts_and_empty_lines_are_gone() -> None:
    body = """<div>
<p>　　正文第一段。</p><!-- keyword,stock -->


<!-- end -->
<style>
.box_1&#123;border:1px solid #DDD;&#125;
.box_1 img&#123;width:70px;&#125;
</style>
<script>var a = "<p>no</p>";</script>
   <p class="ed">编辑：某人   QX001</p>
</div>
            """
    cleaned = clean(body, locator="a.txt")
    assert cleaned.content == "<p>　　正文第一段。</p><p>编辑：某人 QX001</p>"
    assert cleaned.summary == "正文第一段。 编辑：某人 QX001"


def test_input_17_what_selectors_name_is_taken_out() -> None:
    body = (
        '<p>Text</p><div class="qr"><img src="https://x.example/q.png"><p class="ad">Buy</p></div><p class="ad">x</p>'
    )
    cleaned = clean(body, locator="a.html", remove=(".qr", "p.ad, #none"))
    assert cleaned.content == "<p>Text</p>"
    assert cleaned.image is None


def test_selectors_look_through_a_body_without_elements() -> None:
    assert clean("", locator="a.html", remove=("p",)).content == ""


@pytest.mark.parametrize("selector", [".ad", "#x > p", "div:has(img)", "p, a[href*='qr']", "li:nth-child(2n+1)"])
def test_a_selector_is_known(selector: str) -> None:
    check_selector(selector)


@pytest.mark.parametrize("selector", ["", "..ad", "p >", "[", "p:foo", "a,", "$", "\ud800"])
def test_a_faulty_selector_is_refused(selector: str) -> None:
    with pytest.raises(ValueError, match="not a CSS selector"):
        check_selector(selector)


@pytest.mark.parametrize(
    ("body", "tidy"),
    [
        pytest.param("<div><div><div><p>x</p></div></div></div>", "<p>x</p>", id="wrappers-of-blocks"),
        pytest.param("<div>x</div><div>y</div>", "<div>x</div><div>y</div>", id="divs-with-text-are-lines"),
        pytest.param("<section><article>x</article></section>", "<div>x</div>", id="sections-are-divs"),
        pytest.param('<div dir="RTL"><p>x</p></div>', '<div dir="RTL"><p>x</p></div>', id="a-wrapper-with-a-meaning"),
        pytest.param(
            "<p>a</p><p>&nbsp;</p><p><br></p><p>\u200b</p><p>b</p>", "<p>a</p><p>b</p>", id="blank-paragraphs"
        ),
        pytest.param("a<p></p>b", "a<br>b", id="an-empty-block-still-parts-lines"),
        pytest.param("a<br>\n<p></p>b", "a<br>b", id="an-empty-block-after-a-line-break"),
        pytest.param("<p>a<br>\n<br/> <br><br>b<br></p>", "<p>a<br><br>b</p>", id="runs-of-line-breaks"),
        pytest.param("<p>a <b> </b><i></i>b</p>", "<p>a b</p>", id="empty-inline-elements"),
        pytest.param("<p> a <b> b</b>\n\tc </p>\n\n<p>d</p>", "<p>a <b>b</b> c</p><p>d</p>", id="white-space"),
        pytest.param("<p>　　字　字</p>", "<p>　　字　字</p>", id="ideographic-spaces-are-text"),
        pytest.param("<pre>\n\n a\r\n  b\n</pre>", "<pre> a\n  b</pre>", id="pre-keeps-its-lines"),
        pytest.param("<pre>a<br><br><br>b</pre>", "<pre>a<br><br><br>b</pre>", id="pre-keeps-its-line-breaks"),
        pytest.param("<pre><div>\n</div><div>x</div></pre>", "<pre><div>x</div></pre>", id="blank-blocks-in-pre"),
        pytest.param("<p>x<code> a  b </code></p>", "<p>x<code> a  b </code></p>", id="code-keeps-its-blanks"),
        pytest.param("<textarea> a\n  b</textarea>", "<pre> a\n  b</pre>", id="textarea-is-pre"),
        pytest.param("<p>a<hr>b", "<p>a</p><hr>b", id="rules"),
        pytest.param("<p>a<wbr>b</p>", "<p>a<wbr>b</p>", id="word-breaks"),
        pytest.param(
            "<table><tr><td></td><td>x</td></tr><tr><td> </td><td>&nbsp;</td></tr></table>",
            "<table><tbody><tr><td></td><td>x</td></tr></tbody></table>",
            id="empty-cells-hold-their-place",
        ),
        pytest.param(
            '<table width=1><colgroup><col></colgroup><tr><td colspan="2" rowspan=x>y</table>',
            '<table><tbody><tr><td colspan="2">y</td></tr></tbody></table>',
            id="spans",
        ),
        pytest.param(
            '<ol start="3" type=a reversed><li value=5>x</ol>',
            '<ol start="3" type="a" reversed=""><li value="5">x</li></ol>',
            id="numbered-lists",
        ),
        pytest.param(
            "<details open><summary>s</summary>t</details>",
            '<details open=""><summary>s</summary>t</details>',
            id="details",
        ),
        pytest.param(
            '<p class="c" id="i" style="color:red" data-x="1">a <font color=red>b</font> <span>c</span></p>',
            "<p>a b c</p>",
            id="dress",
        ),
        pytest.param(
            '<abbr title="a &quot;b&quot; &lt;">x</abbr>', '<abbr title="a &quot;b&quot; &lt;">x</abbr>', id="quotes"
        ),
        pytest.param("<math><mi>x</mi><mo>=</mo></math> <svg><text>no</text></svg>y", "x= y", id="mathml-and-svg"),
    ],
)
def test_html_is_tidied(body: str, tidy: str) -> None:
    assert content(body) == tidy


@pytest.mark.parametrize(
    ("body", "read"),
    [
        pytest.param("<p><<span>x</span>></p>", "<p>&lt;x&gt;</p>", id="doubled-brackets"),
        pytest.param("<div><p>a</p></div></div><p>b</p>", "<p>a</p><p>b</p>", id="one-end-tag-too-many"),
        pytest.param('<p style="font-family: "Courier New""><b>x</b></p>', "<p><b>x</b></p>", id="quotes-in-quotes"),
        pytest.param("<ul><li>a<li>b</ul><p>c<p>d", "<ul><li>a</li><li>b</li></ul><p>c</p><p>d</p>", id="unclosed"),
        pytest.param("<p><b>a<p>b</b>c", "<p><b>a</b></p><p><b>b</b>c</p>", id="misnested"),
        pytest.param("<p>a &lt;b&gt; & c &copy &amp;lt;</p>", "<p>a &lt;b&gt; &amp; c © &amp;lt;</p>", id="references"),
        pytest.param("<p>a<button><p>b</button>c</p>", "<p>a</p><p>b</p>c", id="paragraphs-inside-one-another"),
    ],
)
def test_input_18_broken_markup_is_read_as_browsers_do(body: str, read: str) -> None:
    assert content(body) == read


# ---------------------------------------------------------------- links and media


def test_links_are_absolute_or_gone() -> None:
    body = '<p><a href="../a?x=1&amp;y">1</a> <a href="//h.example/b">2</a> <a href="HTTP://h.example/c d">3</a></p>'
    assert clean(body, base_url=BASE).content == (
        '<p><a href="https://site.example/news/a?x=1&amp;y">1</a> <a href="https://h.example/b">2</a> '
        '<a href="http://h.example/c%20d">3</a></p>'
    )
    assert clean(body).content == (
        '<p>1 <a href="https://h.example/b">2</a> <a href="http://h.example/c%20d">3</a></p>'
    )


@pytest.mark.parametrize("written", ["http://[x", "https://", "http:///x", "https://h:port/", "  ", "#"])
def test_a_link_that_leads_nowhere_is_text(written: str) -> None:
    assert content(f'<p><a href="{written}">x</a></p>') == "<p>x</p>"


def test_a_link_that_cannot_be_joined_is_text() -> None:
    assert clean('<p><a href="//[">x</a> <a href="http">y</a></p>', base_url="http://[bad/").content == "<p>x y</p>"


def test_a_link_keeps_its_title_but_no_target() -> None:
    body = '<a href="https://h.example/" title="T" target="_blank" rel="x" onclick="y()">x</a>'
    assert content(body) == '<a href="https://h.example/" title="T">x</a>'


def test_input_23_only_known_schemes_are_linked() -> None:
    for scheme in (
        "javascript:alert(1)",
        "file:///etc/passwd",
        "ed2k://|file|x|",
        "magnet:?xt=urn:x",
        "data:text/html,x",
    ):
        assert content(f'<p onload="x()"><a href="{scheme}" onclick="y()">t</a><img src="{scheme}"></p>') == "<p>t</p>"
    for scheme in ("https://h.example/", "http://h.example/", "mailto:me@h.example", "tel:+8610"):
        assert content(f'<a href="{scheme}">t</a>') == f'<a href="{scheme}">t</a>'


@pytest.mark.parametrize(
    "attributes",
    [
        'data-src="https://h.example/real.jpg" src="data:image/gif;base64,R0lGOD"',
        'data-original="//h.example/real.jpg" src="https://h.example/img/loading.gif"',
        'data-lazy-src="https://h.example/real.jpg" src="https://h.example/low.jpg"',
        'data-actualsrc="https://h.example/real.jpg"',
        'data-srcset="https://h.example/s.jpg 320w, https://h.example/real.jpg 1280w" src="/images/blank.png"',
        'srcset="https://h.example/s.jpg 1x,https://h.example/real.jpg 2x"',
        'srcset="https://h.example/real.jpg"',
        'srcset="https://h.example/real.jpg, https://h.example/s.jpg .x"',
        'src="https://h.example/real.jpg" data-src="true"',
        'src="https://h.example/real.jpg" srcset="https://h.example/large.jpg 9x"',
    ],
)
def test_input_22_lazy_images_show_the_real_picture(attributes: str) -> None:
    body = clean(f"<p><img {attributes}></p>", base_url=BASE)
    assert body.content == '<p><img src="https://h.example/real.jpg" referrerpolicy="no-referrer"></p>'
    assert body.image == "https://h.example/real.jpg"


def test_input_22_a_picture_is_taken_from_the_sources_around_it() -> None:
    body = '<picture><source srcset="https://h.example/r.webp 2x"><!-- --><img src="data:,"></picture>'
    assert content(body) == '<img src="https://h.example/r.webp" referrerpolicy="no-referrer">'


def test_input_22_the_copy_for_browsers_without_scripts_is_not_shown_twice() -> None:
    real = '<img src="https://h.example/r.jpg">'
    lazy = '<img data-src="https://h.example/r.jpg">'
    shown = '<p><img src="https://h.example/r.jpg" referrerpolicy="no-referrer"></p>'
    assert content(f"<p>{lazy}<noscript>{real}</noscript></p>") == shown
    assert content(f"<p><noscript>{real}</noscript></p>") == shown


@pytest.mark.parametrize(
    "image",
    [
        '<img src="https://h.example/t.gif" width="1" height="1">',
        '<img src="https://h.example/t.gif" width="0px">',
        '<img src="https://h.example/images/404.gif">',
        '<img src="https://h.example/undefined">',
        '<img src="photo.jpg">',
        '<img alt="x">',
        "<picture><img></picture>",
        "<picture>" + "<i></i>" * 30 + "<img></picture>",
    ],
)
def test_trackers_placeholders_and_lost_images_are_gone(image: str) -> None:
    body = clean(f"<p>x{image}</p>", locator="a.html")
    assert (body.content, body.image) == ("<p>x</p>", None)


def test_input_24_every_image_is_asked_for_without_a_referrer() -> None:
    assert content(
        '<img src="https://h.example/a.png" alt="A &amp; B" title=t width=640 height="480.5px" onerror=x>'
    ) == (
        '<img src="https://h.example/a.png" alt="A &amp; B" title="t" width="640" height="480" referrerpolicy="no-referrer">'
    )


def test_the_image_is_the_first_real_picture() -> None:
    body = (
        '<img src="https://h.example/face.png" width="24"><img src="https://picsum.photos/400?random=3">'
        '<img src="https://h.example/图 1.png"><img src="https://h.example/2.png">'
    )
    assert clean(body, locator="a.html").image == "https://h.example/%E5%9B%BE%201.png"


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        pytest.param(
            '<iframe src="//player.bilibili.com/player.html?aid=1&page=1" width="100%" height=400 onload=x>no</iframe>',
            '<iframe src="https://player.bilibili.com/player.html?aid=1&amp;page=1" height="400" allowfullscreen=""></iframe>',
            id="player",
        ),
        pytest.param(
            '<iframe src="http://www.youtube.com/embed/x" srcdoc="<script>x</script>"></iframe>',
            '<iframe src="https://www.youtube.com/embed/x" allowfullscreen=""></iframe>',
            id="player-by-http",
        ),
        pytest.param(
            '<iframe src="about:blank" data-src="https://maps.example/?a=1&b"></iframe>',
            '<a href="https://maps.example/?a=1&amp;b">https://maps.example/?a=1&amp;b</a>',
            id="other-frame",
        ),
        pytest.param(
            '<embed src="https://www.youtube.com.evil.example/embed/x">',
            '<a href="https://www.youtube.com.evil.example/embed/x">https://www.youtube.com.evil.example/embed/x</a>',
            id="a-name-that-only-begins-like-a-player",
        ),
        pytest.param(
            "<iframe src=https://open.spotify.com/embedded>",
            '<a href="https://open.spotify.com/embedded">https://open.spotify.com/embedded</a>',
            id="a-path-that-only-begins-like-a-player",
        ),
        pytest.param(
            '<a href="https://h.example/">x<iframe src="https://maps.example/"></iframe></a>',
            '<a href="https://h.example/">x</a>',
            id="frame-inside-a-link",
        ),
        pytest.param("<iframe srcdoc='<p>x'></iframe>", "", id="frame-of-nothing"),
        pytest.param(
            '<video src="https://h.example/v.mp4" poster="//h.example/p.jpg" width=640 autoplay loop>old browser</video>',
            '<video src="https://h.example/v.mp4" poster="https://h.example/p.jpg" width="640" controls="" preload="none">'
            "</video>",
            id="video",
        ),
        pytest.param(
            '<audio autoplay><source src="https://h.example/a.ogg"><source src="x.mp3"><p>none</p></audio>',
            '<audio controls="" preload="none"><source src="https://h.example/a.ogg"></audio>',
            id="audio-with-sources",
        ),
        pytest.param(
            '<video src="blob:https://h.example/1" poster="https://h.example/p.jpg"></video>',
            '<img src="https://h.example/p.jpg" referrerpolicy="no-referrer">',
            id="video-that-cannot-be-played",
        ),
        pytest.param("<video></video><audio src='blob:x'></audio>", "", id="nothing-to-play"),
    ],
)
def test_input_21_players_are_kept_and_other_frames_are_links(body: str, kept: str) -> None:
    assert content(body) == kept


@pytest.mark.parametrize(
    ("written", "linked"),
    [
        ("../redirect?q=x", "../redirect?q=x"),
        ("./../redirect", "./../redirect"),
        ("a/%2e%2E/%2e./redirect", "a/%2e%2E/%2e./redirect"),
        ("..\\redirect", "..%5Credirect"),
        ("..%2fredirect", "..%2fredirect"),
        ("..", ".."),
    ],
)
def test_a_way_up_from_a_player_is_no_player(written: str, linked: str) -> None:
    url = f"https://www.youtube.com/embed/{linked}"
    assert (
        clean(f'<iframe src="https://www.youtube.com/embed/{written}"></iframe>').content
        == f'<a href="{url}">{url}</a>'
    )


@pytest.mark.parametrize(
    "url",
    [
        "https://www.youtube.com/embed/..a.?from=..b",
        "https://player.bilibili.com/player.html",
        "https://geo.dailymotion.com/player.html?video=x",
        "https://geo.dailymotion.com/player/x5.html",
        "https://open.spotify.com/embed-podcast/episode/1",
    ],
)
def test_players_stay_as_they_are_written(url: str) -> None:
    assert clean(f'<iframe src="{url}"></iframe>').content == f'<iframe src="{url}" allowfullscreen=""></iframe>'


# ---------------------------------------------------------------- plain text


@pytest.mark.parametrize(
    "body",
    [
        "",
        "  \n ",
        "<div>\n</div>",
        '<p><img src="https://h.example/a.png" alt="words"></p>',
        '<video src="https://h.example/v.mp4">old browser</video>',
        '<iframe src="https://www.youtube.com/embed/x"></iframe>',
        '<iframe src="https://maps.example/"></iframe>',
        "<p>&nbsp;\u200b</p>",
    ],
)
def test_input_20_a_body_without_words_has_an_empty_summary(body: str) -> None:
    assert summary(body) == ""
    assert first_words(body) == ""


def test_a_short_text_is_its_own_summary() -> None:
    assert summary("<p>A &amp; B</p><ul><li>c<li>d</ul><p>　　字\n<br>e</p>") == "A & B c d 字 e"


def test_a_summary_ends_with_a_sentence() -> None:
    text = "第一句话说完了。" * 40
    assert summary(f"<p>{text}</p>") == "第一句话说完了。" * 37
    english = "One more sentence of some length is told here. " * 10
    assert summary(f"<p>{english}</p>") == ("One more sentence of some length is told here. " * 6).strip()


def test_a_closing_quotation_mark_belongs_to_its_sentence() -> None:
    text = "他说：“好。”" + "字" * 400
    assert summary("长" * 150 + text).endswith("他说：“好。”")


def test_many_closing_signs_are_no_end_of_a_sentence() -> None:
    assert len(summary("长" * 150 + "好。" + "”" * 400)) < 170


def test_a_summary_ends_the_directions_that_its_cut_leaves_open() -> None:
    assert summary("<p>\u202b" + "字" * 400 + "\u202c</p>") == "\u202b" + "字" * 298 + "…\u202c"


def test_a_summary_is_cut_between_words() -> None:
    cut = summary(f"<p>{'lengthy ' * 60}</p>")
    assert cut == "lengthy " * 36 + "lengthy…"
    assert summary("<p>" + "字，" * 200 + "</p>") == ("字，" * 150)[:-1] + "…"


@pytest.mark.parametrize("whole", ["👩‍👩‍👧", "e\u0301", "👍🏽"])
def test_a_summary_never_cuts_what_is_one_character_to_readers(whole: str) -> None:
    cut = summary("字" * (300 - len(whole)) + whole + "字" * 50)
    assert cut == "字" * (300 - len(whole)) + "…"


def test_a_single_long_word_is_cut_anywhere() -> None:
    assert summary("x" * 500) == "x" * 299 + "…"


def test_a_summary_holds_no_references() -> None:
    cut = summary(f"<p>{'&amp;&lt; ' * 300}</p>")
    assert cut == ("&< " * 100).strip() + "…"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param("<p>　　第一段，不长。</p><p>第二段</p>", "第一段，不长。", id="html"),
        pytest.param("\n## A *short* [head](https://h.example/)\n\ntext", "A short head", id="markdown"),
        pytest.param("***\n\nPlain words\nand more", "Plain words and more", id="text"),
        pytest.param("<p>★★★</p><div>Words <b>here</b></div>", "Words here", id="symbols-are-no-title"),
        pytest.param("Before <b>the tag</b>", "Before the tag", id="text-with-tags"),
        pytest.param("<p>" + "word " * 50, ("word " * 15 + "word…"), id="long-words"),
        pytest.param("字" * 200, "字" * 79 + "…", id="long-text"),
        pytest.param("<style>a{}</style><p>x\x00\ud800y</p>", "x�y", id="unsafe"),
    ],
)
def test_first_words(body: str, words: str) -> None:
    assert first_words(body) == words


# ---------------------------------------------------------------- laws

TAGS = (
    "p div b i a span h1 h2 table tr td th tbody caption ul li ol dl dt dd pre code img br hr iframe video audio source "
    "button object form select option textarea svg math mi mtext foreignObject title style script noscript template ruby "
    "rt details summary figure blockquote nobr font center picture listing xmp plaintext body html frameset col embed"
)
ATTRIBUTES = (
    "",
    ' href="https://x.example/a"',
    " href=/relative",
    ' src="https://x.example/p.png"',
    " src=//x.example/y.jpg",
    " dir=rtl",
    ' title="q&quot;<>"',
    " width=640",
    " open",
)
TEXTS = (
    "x",
    " ",
    "\n\n",
    "a b",
    "&nbsp;",
    "　",
    "字。",
    "&lt;p&gt;",
    "<",
    "&",
    "&#8;",
    "&#13;",
    "\r\n",
    "\u200b",
    "\ufeff",
    "<!-- c -->",
    "</",
    '"',
)
SOUP = st.lists(
    st.one_of(
        st.builds("<{}{}>".format, st.sampled_from(TAGS.split()), st.sampled_from(ATTRIBUTES)),
        st.builds("</{}>".format, st.sampled_from(TAGS.split())),
        st.sampled_from(TEXTS),
        st.text(max_size=5),
    ),
    max_size=30,
).map("".join)


@settings(deadline=None, max_examples=300)
@given(SOUP, st.sampled_from(["a.html", "a.md", "a.txt", ""]), st.sampled_from([None, BASE]))
def test_cleaning_twice_changes_nothing(body: str, locator: str, base_url: str | None) -> None:
    once = clean(body, locator=locator, base_url=base_url)
    assert clean(once.content, locator="again.html") == once


@settings(deadline=None, max_examples=50)
@given(SOUP)
def test_cleaning_a_large_body_twice_changes_nothing(body: str) -> None:
    once = clean("<p>x</p>" * 600 + body, locator="a.html")
    assert clean(once.content, locator="again.html") == once


@settings(deadline=None)
@given(SOUP)
def test_equal_bodies_are_cleaned_to_equal_bytes_that_xml_can_hold(body: str) -> None:
    written = content(body)
    assert written == content(body)
    assert safe_text(written) == written


def test_marks_before_the_text_are_no_byte_order_marks() -> None:
    body = "<p>\ufeff</p>" + "\ufeff" * 9 + "&#xFEFF; <br>x\ufeffy"
    once = clean(body, locator="a.html")
    assert once.content == "x\ufeffy"
    assert clean(once.content, locator="a.html") == once


def test_of_a_body_that_never_settles_the_text_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feeder.html._ROUNDS", 0)  # no such body is known
    body = clean("<p>a &amp;<b>b</b> <script>c()</script></p><p onclick=x()>d</p>", locator="a.html")
    assert (body.content, body.summary) == ("<p>a &amp;b</p><p>d</p>", "a &b d")


class Balance(HTMLParser):
    """Checks that each end tag belongs to the last start tag that is open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, _: list[tuple[str, str | None]]) -> None:
        if tag not in {"br", "hr", "img", "source", "wbr"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@settings(deadline=None)
@given(SOUP)
def test_every_element_is_closed_in_its_place(body: str) -> None:
    balance = Balance()
    balance.feed(content(body))
    balance.close()
    assert balance.open == []


def test_another_parser_reads_the_same_text() -> None:
    written = content("<div><p>a &amp;lt; b</p><ul><li>c<li>d&nbsp;e</ul>f</div>")
    assert lxml.html.fromstring(written).xpath("string()") == "a &lt; bcd\xa0ef"
