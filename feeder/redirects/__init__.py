"""Where old addresses lead: by the rules of the config, and by the directories that feeds have left.

Decides, does nothing. A path here is the decoded one of an address, behind its host: ``/categories/社区/rss.xml``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Final, TypeAlias
from urllib.parse import quote, unquote, urlsplit

from feeder.categories import renamed
from feeder.model import Node, Redirect
from feeder.urls import FILE_NAMES, OWN_FILES, PAGE, TOP

SLUG, PATH = "{slug}", "{path}"
NAMES: Final = frozenset({"", PAGE, *FILE_NAMES.values()})
"""What a feed has in its directory; "" is the directory itself."""

_PLACEHOLDER: Final = re.compile(r"(\{[a-z]*\})")
_NO_SIGN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\\?#<>\"`|^\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_VALUES: Final = {SLUG: r"((?!\.)[^/]+)", PATH: r"((?!\.)[^/]+(?:/(?!\.)[^/]+)*)"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What became of an address: where it leads to, as a relative reference in ASCII; None: it is gone."""

    location: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirects:
    """All redirects of a site. Directories are those below the output root; one leads to another, or is gone (None)."""

    base: str = "/"  # the path of the output root
    rules: tuple[Redirect, ...] = ()
    left: Mapping[str, str | None] = field(default_factory=lambda: MappingProxyType({}))

    def moved(self, path: str) -> Moved | None:
        """Return what became of *path*, which begins with "/" at the output root; None: it never was anything.

        Only for paths at which there is no file: a directory may have been left by one feed and be another's.
        """
        at = self.base + path[1:]
        target = self._ruled(at) or at
        directory, name = self._split(target)
        if directory in self.left and name in NAMES:
            now = self.left[directory]
            return Moved(location=None if now is None else _relative(at, self._file(now, name)))
        return Moved(location=_relative(at, target)) if target != at else None

    def shortened(self) -> Iterator[tuple[Redirect, str | None]]:
        """Yield each rule with where it leads in the end, as a rule's target; None: to a feed that is gone."""
        for rule in self.rules:
            directory, name = self._split(rule.target)
            if directory not in self.left or name not in NAMES:
                yield rule, rule.target
            else:
                now = self.left[directory]
                yield rule, None if now is None else self._file(now, name)

    def _ruled(self, path: str) -> str | None:
        exact = next((rule.target for rule in self.rules if rule.source == path), None)
        if exact is not None:
            return exact
        for rule in filter(is_pattern, self.rules):
            if found := _expression(rule.source).fullmatch(path):
                values = dict(zip(placeholders(rule.source), found.groups(), strict=True))
                return "".join(values.get(part, part) for part in pieces(rule.target))
        return None

    def _split(self, path: str) -> tuple[str, str]:
        """Return the directory below the output root, and the name; a directory may stand without its last slash."""
        below = path.removeprefix(self.base)
        if below in self.left:
            return below, ""
        directory, _, name = below.rpartition("/")
        return directory, name

    def _file(self, directory: str, name: str) -> str:
        return f"{self.base}{directory}/{name}"


def resolve(
    departures: Mapping[str, Node], places: Mapping[Node, str], aliases: Mapping[Node, Node]
) -> dict[str, str | None]:
    """Return where each directory leads that feeds have left, without those that are in use again.

    Args:
        departures: Each directory with the category whose feed was there.
        places: Where the feeds are now.
        aliases: Which category is another one now.
    """
    taken = frozenset(places.values())
    heirs = ((directory, places.get(heir(node, aliases))) for directory, node in sorted(departures.items()))
    return {directory: place for directory, place in heirs if directory not in taken}


def heir(node: Node, aliases: Mapping[Node, Node]) -> Node:
    """Return what *node* is called by now."""
    for _ in aliases:  # each serves once on a way that ends
        node = renamed(node, aliases)
    return node


def base_of(site_url: str) -> str:
    """Return the path of the output root at *site_url*."""
    return unquote(urlsplit(site_url).path)


def is_pattern(rule: Redirect) -> bool:
    """Tell whether a rule is for more than one address."""
    return bool(placeholders(rule.source))


def pieces(text: str) -> list[str]:
    """Return what a path is made of: text and placeholders in turn."""
    return _PLACEHOLDER.split(text)


def placeholders(text: str) -> tuple[str, ...]:
    """Return the placeholders of a path, in order."""
    return tuple(_PLACEHOLDER.findall(text))


# ---------------------------------------------------------------- reading rules


def read_rule(source: str, target: str, *, base: str) -> Redirect:
    """Return the rule that leads from *source* to *target*, both as they are written.

    Raises:
        ValueError: One of them is no path that can be redirected, or to.
    """
    rule = Redirect(source=_read(source), target=_read(target))
    unknown = set(placeholders(rule.target)).difference(placeholders(rule.source))
    if unknown:
        raise ValueError(f"{_shown(target)} holds {min(unknown)}, which the old address does not")
    if not rule.target.startswith(base):
        raise ValueError(f"{_shown(target)} leads out of what is published, which begins with {_shown(base)}")
    return rule


def faults(rules: Sequence[Redirect], *, base: str) -> Iterator[tuple[Redirect, str]]:
    """Yield each rule that cannot stand beside the others, or hides what is published, with the reason."""
    exact = [rule for rule in rules if not is_pattern(rule)]
    patterns = [rule for rule in rules if is_pattern(rule)]
    yield from _exact_faults(exact, base)
    yield from _pattern_faults(patterns, base)
    by_source = {rule.source: rule for rule in exact}
    for rule in rules:
        # A target with placeholders may be any exact address; one without is at most one of them.
        others = exact if placeholders(rule.target) else filter(None, [by_source.get(rule.target)])
        further = next((each for each in (*patterns, *others) if _meet(rule.target, each.source)), None)
        if further:
            yield rule, f"{_shown(rule.target)} is redirected itself, by {_shown(further.source)}; name its end"


def _exact_faults(exact: Iterable[Redirect], base: str) -> Iterator[tuple[Redirect, str]]:
    seen: set[str] = set()
    for rule in exact:
        if rule.source in seen:
            yield rule, "is there twice"
        seen.add(rule.source)
        if rule.source.removeprefix(base) in OWN_FILES and rule.source.startswith(base):
            yield rule, "is an address of Feeder's own"


def _pattern_faults(patterns: Sequence[Redirect], base: str) -> Iterator[tuple[Redirect, str]]:
    for number, rule in enumerate(patterns):
        other = next((each for each in patterns[:number] if _meet(rule.source, each.source)), None)
        if other:
            yield rule, f"{_shown(other.source)} matches some of it, too; beside a pattern only an exact path may be"
        if any(_meet(rule.source, own) for own in _own(base)):
            yield rule, "matches addresses of Feeder's own"


def _read(text: str) -> str:
    if not text.startswith("/") or text.startswith("//"):
        raise ValueError(f'{_shown(text)} is not a path such as "/feeds/{{slug}}.xml"')
    try:
        path = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError(f"{_shown(text)} is not UTF-8") from None
    bare = _PLACEHOLDER.sub("", path)
    if _NO_SIGN.search(path) or "{" in bare or "}" in bare:
        raise ValueError(f"{_shown(text)} holds a sign that no path may hold here")
    steps = path.split("/")[1:]
    if not all(steps[:-1]) or any(step.startswith(".") for step in steps):
        raise ValueError(f"{_shown(text)} holds an empty name, or one that begins with a dot")
    _check_placeholders(text, path, steps)
    return path


def _check_placeholders(text: str, path: str, steps: Iterable[str]) -> None:
    found = placeholders(path)
    unknown = next((each for each in found if each not in _VALUES), None)
    if unknown:
        raise ValueError(f"{_shown(text)} holds {unknown}; there are {SLUG} and {PATH}")
    if len(set(found)) < len(found):
        raise ValueError(f"{_shown(text)} holds a placeholder twice")
    if any(PATH in step and step != PATH for step in steps):
        raise ValueError(f"{_shown(text)} holds {PATH} beside other text; it stands for whole names between slashes")


def _own(base: str) -> Iterator[str]:
    for name in NAMES:
        yield from (f"{base}{name}", f"{base}{TOP}/{PATH}/{name}")


def _shown(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


# ---------------------------------------------------------------- what two patterns have in common

_Step: TypeAlias = "tuple[str, bool]"  # a sign, or "" for any but a slash, or "/*" for any; and whether it repeats


def _meet(one: str, other: str) -> bool:
    """Tell whether there is a path that two patterns match both."""
    if not placeholders(one) and not placeholders(other):
        return one == other
    return any(_cross(a, b) for a in _shapes(one) for b in _shapes(other))


def _shapes(pattern: str) -> Iterator[list[_Step]]:
    """Yield what a pattern is made of; {path} is one name, or more than one."""
    name: list[_Step] = [("", False), ("", True)]
    names: list[_Step] = [("", False), ("/*", True), ("", False)]
    for value in (name, names) if PATH in pattern else (name,):
        shape: list[_Step] = []
        for part in pieces(pattern):
            shape += {SLUG: name, PATH: value}.get(part) or [(sign, False) for sign in part]
        yield shape


def _cross(one: Sequence[_Step], other: Sequence[_Step]) -> bool:
    """Tell whether two shapes have a text in common, by going through both at once."""
    seen: set[tuple[int, int]] = set()
    waiting = [(0, 0)]
    while waiting:
        at = waiting.pop()
        if at in seen:
            continue
        seen.add(at)
        if at == (len(one), len(other)):
            return True
        waiting += _onward(at, one, other)
    return False


def _onward(at: tuple[int, int], one: Sequence[_Step], other: Sequence[_Step]) -> Iterator[tuple[int, int]]:
    i, j = at
    mine = one[i] if i < len(one) else None
    theirs = other[j] if j < len(other) else None
    if mine and mine[1]:
        yield i + 1, j
    if theirs and theirs[1]:
        yield i, j + 1
    if mine and theirs and _agree(mine[0], theirs[0]):
        yield i + (not mine[1]), j + (not theirs[1])


def _agree(one: str, other: str) -> bool:
    if "/*" in (one, other):
        return True
    if "" in (one, other):
        return "/" not in (one, other)
    return one == other


# ---------------------------------------------------------------- addresses


@lru_cache(maxsize=1024)
def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile("".join(_VALUES.get(part) or re.escape(part) for part in pieces(pattern)))


def _relative(start: str, end: str) -> str:
    """Return *end* as seen from *start*: it holds behind a proxy that adds a prefix, and leads to no other host."""
    above, below = start.split("/")[1:-1], end.split("/")[1:]
    shared = 0
    while shared < min(len(above), len(below) - 1) and above[shared] == below[shared]:
        shared += 1
    steps = [".."] * (len(above) - shared) + [quote(name, safe="") for name in below[shared:]]
    return "/".join([".", *steps])


# ---------------------------------------------------------------- as bytes


def dump(redirects: Redirects) -> bytes:
    """Return *redirects* as JSON that `load` reads."""
    rules = [[rule.source, rule.target] for rule in redirects.rules]
    told = {"base": redirects.base, "rules": rules, "left": dict(redirects.left)}
    return json.dumps(told, ensure_ascii=False, indent=1).encode() + b"\n"


def load(body: bytes) -> Redirects:
    """Return what `dump` wrote.

    Raises:
        ValueError: It is something else.
    """
    try:
        told = json.loads(body)
        rules = tuple(Redirect(source=source, target=target) for source, target in told["rules"])
        return Redirects(base=told["base"], rules=rules, left=MappingProxyType(dict(told["left"])))
    except (KeyError, TypeError) as error:
        raise ValueError(f"it is no list of redirects: {error}") from error
