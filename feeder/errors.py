"""What can go wrong, named after who must act. Everything raised on purpose is a FeederError."""

from __future__ import annotations

from datetime import timedelta


class FeederError(Exception):
    """The root of all errors of ours; its text is one line for people, without what has no bytes in UTF-8."""

    def __init__(self, *told: str) -> None:
        super().__init__(*map(_encodable, told))


def _encodable(text: str) -> str:
    r"""Return *text* with lone surrogates, as of names that are not UTF-8, as they are escaped: ``\udce9``."""
    return text.encode("utf-8", "backslashreplace").decode()


class ConfigError(FeederError):
    """The operator must mend the config. `problems` holds one line for each fault."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(map(_encodable, problems))


class UnknownName(FeederError):
    """The operator named what there is not."""


class FetchError(FeederError):
    """A source or document cannot be read now; wait and try again."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}")
        self.where = where
        self.reason = _encodable(reason)


class Vanished(FetchError):
    """A document is not there any more."""


class Unsettled(FetchError):
    """A document changed while it was read; look again in a moment."""


class Oversized(FetchError):
    """A document is larger than any that is read; it is not read before it changes."""


class Refused(FetchError):
    """A server answered, but with no document; `status` is that of HTTP."""

    def __init__(self, where: str, reason: str, *, status: int) -> None:
        super().__init__(where, reason)
        self.status = status


class Gone(Refused):
    """A server says that there is nothing at an address any more, and never will be."""


class ToldToWait(Refused):
    """A server asks to be left alone for `retry_after`; None: it does not say for how long."""

    def __init__(self, where: str, reason: str, *, status: int, retry_after: timedelta | None) -> None:
        super().__init__(where, reason, status=status)
        self.retry_after = retry_after


class ParseError(FeederError):
    """The author of this document must act. `line` counts from 1; None: the whole document."""

    def __init__(self, reason: str, *, line: int | None = None) -> None:
        super().__init__(f"line {line}: {reason}" if line else reason)
        self.reason = _encodable(reason)
        self.line = line


class Unfinished(ParseError):
    """The document ends inside its front matter: perhaps it is still being written."""


class InvalidItem(FeederError):
    """This one item cannot become an entry."""


class StoreError(FeederError):
    """The state cannot be used; the operator must act."""


class LeaseLost(StoreError):
    """Another node has the work by now; what was done is nothing, and nothing is to be done about it."""


class Unstorable(StoreError):
    """The database is well, and does not take a value such as this; what brought it fails alone."""


class Overtaken(StoreError):
    """Another process changed the same at the same time; what failed is to be done again, from its beginning."""


class Unheard(FeederError):
    """Somebody could not be told which files changed; tell again, after `wait` if they ask for that."""

    def __init__(self, reason: str, *, wait: timedelta | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class Declined(Unheard):
    """Somebody does not want to hear of a file, and need not be told of it again before it changes."""


class StateInUse(StoreError):
    """Another process writes the state; it will do what is noted there."""


class OutputError(FeederError):
    """Feeds cannot be written; the last good ones stay."""


class Replaced(OutputError):
    """Another process has put a file of its own in the place of ours; what was to be written is to be made anew."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path}: another process has replaced it meanwhile; it is made anew")


class Unreachable(OutputError):
    """The place where feeds are published does not answer now; wait and try again."""
