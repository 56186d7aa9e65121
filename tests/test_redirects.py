"""Old addresses: what a rule may be, where it leads, and what becomes of directories that feeds have left."""

from __future__ import annotations

import re
from types import MappingProxyType
from urllib.parse import quote, unquote, urljoin, urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from feeder import redirects
from feeder.model import Node, Redirect
from feeder.redirects import Moved, Redirects, faults, read_rule

BASE = "/"
RULES = {
    "/index.xml": "/rss.xml",
    "/category/{path}/feed/": "/categories/{path}/rss.xml",
    "/categories/{slug}/index.xml": "/categories/{slug}/rss.xml",
    "/feeds/{slug}.atom.xml": "/categories/{slug}/atom.xml",
    "/feeds/all.atom.xml": "/atom.xml",
    "/%E5%88%86%E7%B1%BB/x y": "/categories/分类/x y.xml",
}
LEFT = {"categories/old": "categories/new 新", "categories/gone": None}


def rules(written: dict[str, str], base: str = BASE) -> tuple[Redirect, ...]:
    return tuple(read_rule(source, target, base=base) for source, target in written.items())


def site(written: dict[str, str] | None = None, base: str = BASE) -> Redirects:
    return Redirects(base=base, rules=rules(written or {}, base), left=MappingProxyType(LEFT))


def end(found: Redirects, path: str, host: str = "https://feeds.example.org") -> str | None:
    """Return the path that a client comes to, None if it is told that it is gone, or the same if there is nothing."""
    moved = found.moved(path)
    if moved is None:
        return path
    return None if moved.location is None else unquote(urlsplit(urljoin(host + quote(path), moved.location)).path)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/index.xml", "/rss.xml"),
        ("/category/a/feed/", "/categories/a/rss.xml"),
        ("/category/金融/每日/feed/", "/categories/金融/每日/rss.xml"),
        ("/category/a/feed", "/category/a/feed"),
        ("/category/feed/", "/category/feed/"),
        ("/category/../feed/", "/category/../feed/"),
        ("/category/a/.git/feed/", "/category/a/.git/feed/"),
        ("/categories/a b/index.xml", "/categories/a b/rss.xml"),
        ("/categories/a/b/index.xml", "/categories/a/b/index.xml"),
        ("/feeds/a.b.atom.xml", "/categories/a.b/atom.xml"),
        ("/feeds/.atom.xml", "/feeds/.atom.xml"),
        ("/feeds/all.atom.xml", "/atom.xml"),
        ("/分类/x y", "/categories/分类/x y.xml"),
        ("/categories/old/rss.xml", "/categories/new 新/rss.xml"),
        ("/categories/old/", "/categories/new 新/"),
        ("/categories/old", "/categories/new 新/"),
        ("/categories/old/index.html", "/categories/new 新/index.html"),
        ("/categories/old/photo.png", "/categories/old/photo.png"),
        ("/categories/old/child/rss.xml", "/categories/old/child/rss.xml"),
        ("/categories/gone/atom.xml", None),
        ("/categories/gone", None),
        ("/categories/gone/photo.png", "/categories/gone/photo.png"),
        ("/category/old/feed/", "/categories/new 新/rss.xml"),
        ("/feeds/gone.atom.xml", None),
        ("/", "/"),
        ("/nothing", "/nothing"),
    ],
)
def test_an_old_address_leads_to_its_end_at_once(path: str, target: str | None) -> None:
    assert end(site(RULES), path) == target


def test_below_another_path_rules_are_written_with_it_and_answers_hold_behind_a_proxy_that_strips_it() -> None:
    found = site({"/feeds/old.xml": "/feeds/categories/old/rss.xml"}, "/feeds/")
    assert found.moved("/old.xml") == Moved(location="./categories/new%20%E6%96%B0/rss.xml")
    assert found.moved("/categories/gone/") == Moved(location=None)


def test_rules_are_shortened_for_other_servers() -> None:
    found = site({"/a": "/categories/old/rss.xml", "/b": "/categories/gone/rss.xml", "/c": "/rss.xml"})
    assert [where for _, where in found.shortened()] == ["/categories/new 新/rss.xml", None, "/rss.xml"]


# ---------------------------------------------------------------- directories that were left


def test_a_directory_leads_to_where_its_category_is_by_whatever_name() -> None:
    aliases: dict[Node, Node] = {("b",): ("c",), ("c",): ("d", "e")}
    departures: dict[str, Node] = {
        "categories/a": ("a",),
        "categories/b": ("b", "x"),
        "categories/n": ("n",),
        "categories/used": ("a",),
    }
    places: dict[Node, str] = {("a",): "categories/a2", ("d", "e", "x"): "categories/d/e/x", ("u",): "categories/used"}
    assert redirects.resolve(departures, places, aliases) == {
        "categories/a": "categories/a2",
        "categories/b": "categories/d/e/x",
        "categories/n": None,
    }


# ---------------------------------------------------------------- what a rule may be


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        ("old.xml", "/rss.xml", "is not a path"),
        ("//host/x", "/rss.xml", "is not a path"),
        ("/x", "//host/rss.xml", "is not a path"),
        ("/x", "https://elsewhere.example/", "is not a path"),
        ("/x", r"/\host/", "holds a sign"),
        ("/x", "/%5Chost/", "holds a sign"),
        ("/x", "/a%0d%0aSet-Cookie: x", "holds a sign"),
        ("/x?a=1", "/rss.xml", "holds a sign"),
        ("/x#a", "/rss.xml", "holds a sign"),
        ("/x", "/a$", None),
        ("/x{", "/rss.xml", "holds a sign"),
        ("/{Slug}", "/rss.xml", "holds a sign"),
        ("/{name}", "/rss.xml", "holds {name}; there are {slug} and {path}"),
        ("/{slug}/{slug}", "/rss.xml", "holds a placeholder twice"),
        ("/a-{path}", "/rss.xml", "beside other text"),
        ("/a", "/{slug}", "holds {slug}, which the old address does not"),
        ("/a//b", "/rss.xml", "holds an empty name"),
        ("/a/../b", "/rss.xml", "begins with a dot"),
        ("/a", "/%2e%2e/b", "begins with a dot"),
        ("/%ff", "/rss.xml", "is not UTF-8"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_with_the_reason(source: str, target: str, reason: str | None) -> None:
    if reason is None:
        read_rule(source, target, base=BASE)
        return
    with pytest.raises(ValueError, match=re.escape(reason)):
        read_rule(source, target, base=BASE)


def test_a_target_that_leads_out_of_what_is_published_is_refused() -> None:
    with pytest.raises(ValueError, match="leads out of what is published"):
        read_rule("/feeds/x", "/rss.xml", base="/feeds/")


@pytest.mark.parametrize(
    ("written", "reasons"),
    [
        (RULES, []),
        ({"/a": "/b", "/b": "/c"}, ['"/b" is redirected itself, by "/b"']),
        ({"/a": "/b", "/b": "/a"}, ["is redirected itself", "is redirected itself"]),
        ({"/a": "/a"}, ["is redirected itself"]),
        ({"/a/{path}": "/a/b/{path}"}, ["is redirected itself"]),
        ({"/a/{slug}": "/b/{slug}", "/b/c": "/d"}, ['"/b/{slug}" is redirected itself, by "/b/c"']),
        ({"/a/{slug}": "/b/{slug}/x", "/b/{path}": "/d"}, ["is redirected itself"]),
        ({"/a/{path}/x": "/1", "/a/{slug}/{path}": "/2"}, ["matches some of it"]),
        ({"/a/{path}": "/1", "/a/{slug}/": "/2"}, []),
        ({"/a/{slug}": "/1", "/a/b/{slug}": "/2"}, []),
        ({"/a b": "/1", "/a%20b": "/2"}, ["is there twice"]),
        ({"/atom.xml": "/1"}, ["Feeder's own"]),
        ({"/": "/1"}, ["Feeder's own"]),
        ({"/categories/{path}": "/1/{path}"}, ["Feeder's own"]),
        ({"/{path}/rss.xml": "/1"}, ["Feeder's own"]),
        ({"/categories/new/rss.xml": "/1"}, []),
    ],
)
def test_rules_that_cannot_stand_beside_one_another_are_told(written: dict[str, str], reasons: list[str]) -> None:
    told = [reason for _, reason in faults(rules(written), base=BASE)]
    assert len(told) == len(reasons)
    assert all(part in reason for part, reason in zip(reasons, told, strict=True))


# ---------------------------------------------------------------- laws

names = st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1, max_size=6)
steps = st.lists(names | st.sampled_from(["a", "b", "{slug}", "x-{slug}.xml", "{path}"]), min_size=1, max_size=4)


@st.composite
def written_rules(draw: st.DrawFn) -> Redirect:
    source, target = ("/" + "/".join(draw(steps)) for _ in range(2))
    try:
        return read_rule(source, target, base=BASE)
    except ValueError:
        assume(condition=False)
        raise


@given(found=st.lists(written_rules(), max_size=4), path=st.text(max_size=20) | steps.map("/".join))
def test_no_address_leads_to_another_host_or_out(found: list[Redirect], path: str) -> None:
    moved = Redirects(rules=tuple(found), left=MappingProxyType(LEFT)).moved(f"/{path}")
    location = moved.location if moved and moved.location else "./"
    assert re.fullmatch(r"\.(?:/[A-Za-z0-9._~%-]*)+", location)
    assert "//" not in location
    before = "/" + "/".join("x" for _ in path.split("/"))
    assert urljoin(f"https://feeds.example.org{before}", location).startswith("https://feeds.example.org/")


@given(written=st.lists(written_rules(), min_size=1, max_size=4), values=st.lists(names, min_size=2, max_size=3))
def test_rules_without_a_fault_lead_to_an_end_in_one_step(written: list[Redirect], values: list[str]) -> None:
    assume(not any(value.startswith(".") for value in values))
    assume(not list(faults(written, base=BASE)))
    found = Redirects(rules=tuple(written))
    for rule in written:
        for path in (values[0], "/".join(values)):
            start = rule.source.replace("{slug}", values[0]).replace("{path}", path)
            target = rule.target.replace("{slug}", values[0]).replace("{path}", path)
            first = end(found, start)
            assert first == target or not redirects.is_pattern(rule) or start in {each.source for each in written}
            assert first is not None
            assert found.moved(first) is None


@given(st.lists(written_rules(), max_size=4))
def test_what_is_written_for_the_server_is_read_back(written: list[Redirect]) -> None:
    found = Redirects(base="/x/", rules=tuple(written), left=MappingProxyType(LEFT))
    assert redirects.load(redirects.dump(found)) == found


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", b'{"base": "/", "rules": [1], "left": {}}'])
def test_what_is_no_list_of_redirects_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        redirects.load(body)
