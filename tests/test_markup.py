from __future__ import annotations

import pytest

from feeder.html import clean
from feeder.markup import bearable, paragraphs

MANY = "<p>x</p>" * 600  # so many tags that all is written anew


@pytest.mark.parametrize(
    ("written", "anew"),
    [
        pytest.param("<P Class=a B='c' d=\"e\" f g=h>x</P>", '<p Class="a" B="c" d="e" f="" g="h">x</p>', id="attributes"),
        pytest.param("<p a='x\"y' b==c 1=2>x", '<p a="x&quot;y" b="=c">x</p>', id="odd-attributes"),
        pytest.param("<br/><img src=a.png/>", '<br><img src="a.png/">', id="void-elements"),
        pytest.param("a</br>b", "a<br>b", id="an-end-tag-that-breaks-lines"),
        pytest.param("<p>a<p>b<div>c", "<p>a</p><p>b</p><div>c</div>", id="paragraphs-close"),
        pytest.param("<ul><li>a<li><p>b<li>c</ul>d", "<ul><li>a</li><li><p>b</p></li><li>c</li></ul>d", id="items-close"),
        pytest.param("<table><tr><td>a<td><p>b<tr><th>c</table>", "<table><tr><td>a</td><td><p>b</p></td></tr><tr><th>c</th></tr></table>", id="cells-close"),
        pytest.param("<b><i>x</b>y</i>", "<b><i>x</i></b>y", id="misnested"),
        pytest.param("</x>a</div>", "a", id="ends-of-nothing"),
        pytest.param("a<!-- <b> -->b<!-->c<!--->d<!-- x --!>e", "abcde", id="comments"),
        pytest.param("a<!x>b<?y>c</ z>d</>e", "abcde", id="bogus-comments"),
        pytest.param("a < b <3 <", "a &lt; b &lt;3 &lt;", id="brackets-that-open-nothing"),
        pytest.param("a<script>b<i></SCRIPT >c<style>d</styles></style>e<title>f</title>", "ace", id="scripts-and-styles"),
        pytest.param("<textarea><b>x</textarea>y", "<pre>&lt;b>x</pre>y", id="raw-text-that-is-shown"),
        pytest.param("<iframe src=x><b></iframe>y", '<iframe src="x"></iframe>y', id="frames"),
        pytest.param("<a$b>x</a$b>", "x", id="odd-names"),
        pytest.param("x<script>y", "x", id="a-script-without-end"),
        pytest.param('x<p title="y>z', "x", id="a-quotation-without-end"),
        pytest.param("x<p title='y", "x", id="a-tag-without-end"),
    ],
)  # fmt: skip
def test_large_markup_is_written_anew(written: str, anew: str) -> None:
    assert bearable(MANY + written) == MANY + anew


def test_small_markup_is_left_alone() -> None:
    assert bearable("<p><b>x</p>") == "<p><b>x</p>"


@pytest.mark.parametrize(
    "body",
    [
        "<p>a<b>c</b></p><ul><li>d<li>e</ul><table><tr><td>f<td>g</table>",
        '<p>a <a href="https://x.example/">b</a><br>c<pre>\n d\n</pre>',
        "<div><p>a<!-- x --></div></div><style>b</style><h2>c</h2>",
    ],
)
def test_large_and_small_bodies_read_alike(body: str) -> None:
    before = clean(MANY, locator="a.html").content
    assert clean(MANY + body, locator="a.html").content == before + clean(body, locator="a.html").content


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("", ""),
        ("\n\n \n", ""),
        ("a\nb", "<p>a<br>b</p>"),
        ("a\r\n\r\n\r\n\r\nb\n\n\u3000\n\nc\n", "<p>a</p>\n<p>b</p>\n<p>c</p>"),
        ("AT&T &lt; &#38; &x y <b>", "<p>AT&amp;T &lt; &#38; &amp;x y &lt;b&gt;</p>"),
    ],
)
def test_plain_text_becomes_paragraphs(text: str, markup: str) -> None:
    assert paragraphs(text) == markup
