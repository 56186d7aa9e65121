"""What nginx and Caddy are given says the same as our own server. The servers themselves are run in tests/servers."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import MappingProxyType
from urllib.parse import quote, unquote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from test_redirects import LEFT, RULES, end, names, rules, written_rules

from feeder import redirects
from feeder.model import Redirect
from feeder.redirects import Redirects, snippets

HOST = "https://feeds.example.org"
NGINX = re.compile(r'^    "~(.*)" "(.*)";$', re.MULTILINE)
CADDY = re.compile(r"^\t`~(.*)` `(.*)`$", re.MULTILINE)


def nginx(found: Redirects, path: str) -> str | None:
    """Return where nginx leads in one step, "" for nowhere, None for gone; by what it was given."""
    moved, matched = snippets.nginx(found, f"{HOST}{found.base}").decode().split("map $request_uri")
    for table, asked in ((moved, path), (matched, f"{quote(path)}?utm=1")):
        for expression, target in NGINX.findall(table):
            if match := re.fullmatch(expression.replace("(?<", "(?P<"), asked, re.ASCII):
                values = match.groupdict(default="")
                return _location(re.sub(r"\$\{(\w+)\}", lambda name, got=values: got[name[1]], target))  # type: ignore[misc]
    return ""


def caddy(found: Redirects, path: str) -> str | None:
    moved, matched = snippets.caddy(found, f"{HOST}{found.base}").decode().split("map {http.request.orig_uri}")
    for table, asked in ((moved, path), (matched, quote(path))):
        for expression, target in CADDY.findall(table):
            if match := re.fullmatch(expression, asked, re.ASCII):
                values = match.groups(default="")
                return _location(re.sub(r"\$\{(\d)\}", lambda number, got=values: got[int(number[1]) - 1], target))  # type: ignore[misc]
    return ""


def _location(target: str) -> str | None:
    if target == snippets.GONE:
        return None
    assert re.fullmatch(rf"{HOST}/[!-~]*", target)
    return unquote(target.removeprefix(HOST))


@pytest.mark.parametrize("server", [nginx, caddy])
@given(
    written=st.lists(written_rules(), max_size=3) | st.just(list(rules(RULES))),
    values=st.lists(names, min_size=1, max_size=3),
    further=st.sampled_from(["/categories/old/rss.xml", "/categories/old", "/categories/gone/", "/nothing"]),
)
def test_other_servers_lead_where_ours_does(
    server: Callable[[Redirects, str], str | None], written: list[Redirect], values: list[str], further: str
) -> None:
    assume(not list(redirects.faults(written, base="/")))
    found = Redirects(rules=tuple(written), left=MappingProxyType(LEFT))
    sources = [rule.source.replace("{slug}", values[0]).replace("{path}", "/".join(values)) for rule in written]
    for path in (*sources, further):
        first = server(found, path)
        last = server(found, first) if first else first
        assert (last or first or (path if first == "" else None)) == end(found, path)


@pytest.mark.parametrize("asked", ["/:/a", "/%3A/a", "/%3a/a"])
def test_signs_may_be_sent_percent_encoded(asked: str) -> None:
    found = Redirects(rules=(Redirect(source="/:/{slug}", target="/{slug}"),))
    for expression in (NGINX, CADDY):
        make = snippets.nginx if expression is NGINX else snippets.caddy
        ((pattern, _),) = expression.findall(make(found, HOST).decode())
        assert re.fullmatch(pattern.replace("(?<", "(?P<"), asked, re.ASCII)


def test_a_file_says_who_writes_it() -> None:
    assert all(make(Redirects(), HOST).startswith(b"# Written by Feeder") for make in (snippets.nginx, snippets.caddy))
