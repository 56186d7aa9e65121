from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeder import robots

AGENT = "Feeder/1.0 (+https://example.org/about)"


def allowed(rules: str, path: str = "/news/today.html", agent: str = AGENT) -> bool:
    return robots.allows(rules, f"https://example.net{path}", agent)


@pytest.mark.parametrize(
    ("rules", "path", "expected"),
    [
        pytest.param("", "/", True, id="nothing-said"),
        pytest.param("User-agent: *\nDisallow: /", "/a", False, id="all-forbidden"),
        pytest.param("User-agent: *\nDisallow:", "/a", True, id="an-empty-rule"),
        pytest.param("User-agent: *\nDisallow: /", "/robots.txt", True, id="itself"),
        pytest.param("user-AGENT: FEEDER\ndisALLOW: /a", "/a/b", False, id="our-name-in-any-case"),
        pytest.param("User-agent: Feeder/2.0\nDisallow: /a", "/a", False, id="our-name-with-a-version"),
        pytest.param("User-agent: Feed\nDisallow: /", "/a", True, id="a-name-that-ours-begins-with"),
        pytest.param("User-agent: Feeder-Plus\nDisallow: /", "/a", True, id="a-name-that-begins-with-ours"),
        pytest.param("User-agent: example\nDisallow: /", "/a", True, id="a-word-of-our-contact"),
        pytest.param("User-agent: *\nDisallow: /\n\nUser-agent: feeder\nAllow: /", "/a", True, id="our-group-alone"),
        pytest.param(
            "User-agent: x\nUser-agent: feeder\nUser-agent: y\nDisallow: /a", "/a", False, id="one-of-several"
        ),
        pytest.param(
            "User-agent: feeder\nDisallow: /a\n\nUser-agent: feeder\nDisallow: /b", "/a", False, id="merged-1"
        ),
        pytest.param(
            "User-agent: feeder\nDisallow: /a\n\nUser-agent: feeder\nDisallow: /b", "/b", False, id="merged-2"
        ),
        pytest.param("User-agent: x\nDisallow: /a\nUser-agent: feeder\nDisallow: /b", "/a", True, id="another's"),
        pytest.param("Disallow: /a\nUser-agent: *\nDisallow: /b", "/a", True, id="a-rule-for-nobody"),
        pytest.param("User-agent: *\nDisallow: /a\nAllow: /a/b", "/a/b/c", True, id="longer-allow"),
        pytest.param("User-agent: *\nAllow: /a\nDisallow: /a/b", "/a/b/c", False, id="longer-disallow"),
        pytest.param("User-agent: *\nDisallow: /a\nAllow: /a", "/a", True, id="equals-allow"),
        pytest.param("User-agent: *\nDisallow: /*.php$", "/a/b.php", False, id="wildcard"),
        pytest.param("User-agent: *\nDisallow: /*.php$", "/a/b.php?c", True, id="end"),
        pytest.param("User-agent: *\nDisallow: /新闻", "/%E6%96%B0%E9%97%BB/1", False, id="percent-encoded"),
        pytest.param("User-agent: *\nDisallow: /a # not yet", "/a", False, id="comment"),
        pytest.param("\ufeffUser-agent: *\rDisallow: /a", "/a", False, id="carriage-returns"),
        pytest.param("<html><body>Not found</body></html>", "/a", True, id="a-web-page"),
    ],
)
def test_rules_are_read_as_the_standard_has_it(rules: str, path: str, *, expected: bool) -> None:
    assert allowed(robots.meaning(200, rules.encode()), path) is expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param(200, False, id="a-file"),
        pytest.param(301, True, id="redirects-without-end"),
        pytest.param(401, True, id="unauthorized"),
        pytest.param(404, True, id="absent"),
        pytest.param(410, True, id="gone"),
        pytest.param(429, False, id="too-many-requests"),
        pytest.param(500, False, id="server-error"),
        pytest.param(503, False, id="unavailable"),
        pytest.param(None, False, id="no-answer"),
    ],
)
def test_what_no_file_means(status: int | None, *, expected: bool) -> None:
    assert allowed(robots.meaning(status, robots.NOTHING.encode())) is expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        pytest.param("https://example.org/a/b?c#d", "https://example.org/robots.txt", id="path"),
        pytest.param("http://example.org:8080", "http://example.org:8080/robots.txt", id="port"),
        pytest.param("https://me:secret@example.org/a", "https://example.org/robots.txt", id="password"),
    ],
)
def test_the_file_lies_at_the_root_of_the_site(url: str, expected: str) -> None:
    assert robots.place(url) == expected


def test_more_than_half_a_mebibyte_is_not_read() -> None:
    body = b"User-agent: *\n" + b"#" * robots.MAX_BYTES + b"\nDisallow: /\n"
    assert allowed(robots.meaning(200, body))


@pytest.mark.parametrize(
    ("names", "rules"),
    [
        pytest.param("User-agent: a{}\n", "Disallow: /{}\n", id="as-written"),
        pytest.param("user agent b{}\n", "disallow: $/{}\n", id="as-nobody-should-write"),
        pytest.param("useragent\tc{}\n", "Disallow: /{}*\n", id="wildcards"),
    ],
)
def test_many_names_of_other_robots_are_read_as_one(names: str, rules: str) -> None:
    many = "".join(names.format(number) for number in range(20_000))
    body = many + "User-agent: *\n" + "".join(rules.format(number) for number in range(20_000))
    found = robots.meaning(200, body.encode())
    assert robots.allows(found, "https://example.net/a", AGENT)  # names times rules would take minutes
    assert len({robots._of_interest(line, "feeder") for line in found.splitlines() if "gent" in line}) == 2


def test_what_is_no_url_is_not_allowed() -> None:
    assert not robots.allows("User-agent: *\nDisallow: /a", "http://[/robots.txt", AGENT)


@given(st.text(), st.text(), st.text())
@settings(deadline=None)
def test_any_text_allows_or_does_not(rules: str, url: str, agent: str) -> None:
    assert robots.allows(rules, url, agent) in {True, False}
