"""Bytes to text. Only this module knows charset-normalizer."""

from __future__ import annotations

import codecs
import re

from charset_normalizer import from_bytes

from feeder.errors import ParseError

LOST = "\ufffd"
"""What stands in for bytes that are no text."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_MARKS = tuple(mark for mark, _ in _BOMS)

# A document of ours begins with an ASCII character (a fence, a blank): its zero bytes give wide encodings away.
_WIDE = (
    (re.compile(rb"[^\0]\0\0\0"), "utf-32-le"),
    (re.compile(rb"\0\0\0[^\0]"), "utf-32-be"),
    (re.compile(rb"[^\0]\0"), "utf-16-le"),
    (re.compile(rb"\0[^\0]"), "utf-16-be"),
)

_DECLARED = re.compile(rb"(?:charset|encoding)[ \t]{0,4}[:=][ \t]{0,4}[\"']?([A-Za-z0-9_:.-]{2,30})", re.IGNORECASE)
_DECLARED_WITHIN = 4096  # bytes; HTML asks for the first 1,024, front matter may be longer

_ASCII = bytes(range(128))
_WESTERN = frozenset({"cp1252", "iso8859-15"})
_RUN = re.compile(rb"[\x80-\xff]{4,}")  # as no Western word has
_SHIFTED = "iso2022_jp_ext"  # seven bits: only its escapes tell it from ASCII
_ESCAPES = (b"\x1b$", b"\x1b(J")

# What may be declared, and how it is really read (as https://encoding.spec.whatwg.org has it): never an encoding in
# which "<" can be written with other letters, as in UTF-7.
_READ_AS = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "gb18030": "gb18030",
    "cp936": "gb18030",
    "big5": "big5hkscs",
    "big5hkscs": "big5hkscs",
    "cp950": "big5hkscs",
    "shift_jis": "cp932",
    "cp932": "cp932",
    "euc_jp": "euc_jp",
    "iso2022_jp": _SHIFTED,
    "euc_kr": "cp949",
    "cp949": "cp949",
    "latin_1": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-15": "iso8859-15",
    **{f"iso8859-{number}": f"iso8859-{number}" for number in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 16)},
    "iso8859-9": "cp1254",
    "koi8-r": "koi8-r",
    "koi8-u": "koi8-u",
    "mac-cyrillic": "mac-cyrillic",
    "cp866": "cp866",
    "tis-620": "cp874",
    "iso8859-11": "cp874",
    **{f"cp{number}": f"cp{number}" for number in (874, *range(1250, 1259))},
}
_DETECTED_AMONG = ["gb18030", "big5", "cp932", "euc_jp", "cp949", "cp1252", "cp1251", "koi8_r"]
_DETECTED_WITHIN = 65_536  # bytes; detection is slow
_FOREIGN = re.compile(rb"[\x80-\xff]")
# No encoding looked for has one of these inside a character; letters and digits may be its second half.
_WHOLE = re.compile(rb"[\0-/:-?]")
_LETTERS = re.compile("[\u3131-\u318e]")
_SYLLABLES = re.compile("[\uac00-\ud7a3]")
_SYLLABLES_A_LETTER = 8
_BINARY = "a binary file: it holds NUL characters"
_CONTROLS = re.compile("[\0-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_CHARACTERS_A_CONTROL = 20  # a slip leaves one or two in a text; of random bytes, every tenth is one
_MEANT_AS_UTF8 = 8  # this many good characters for every broken one


def decode(body: bytes) -> tuple[str, tuple[str, ...]]:
    r"""Return *body* as text whose lines end in ``\n``, and what people should know about its encoding.

    Raises:
        ParseError: It is not text.
    """
    text, warnings = _decoded(body)
    if b"\0" in body and "\0" in text:  # bytes are searched faster
        if len(_CONTROLS.findall(text)) > max(1, len(text) // _CHARACTERS_A_CONTROL):
            raise ParseError(_BINARY)
        line = text.count("\n", 0, text.index("\0")) + 1
        text, warnings = text.replace("\0", ""), (*warnings, f"line {line}: holds a NUL character, which is left out")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if LOST in text:
        line = text.count("\n", 0, text.index(LOST)) + 1
        warnings = (*warnings, f"line {line}: holds U+FFFD, the mark of a lost character")
    return text, warnings


def decode_sent(body: bytes, *, charset: str | None = None) -> tuple[str, tuple[str, ...]]:
    """Return as text what a server sent, and what people should know about its encoding; line ends stay.

    Servers say the wrong thing, documents rarely, bytes never: a byte order mark comes first, then good UTF-8, the
    document's own declaration, and *charset* only then (RFC 7303, 3.2, but for its trust in servers).

    Raises:
        ParseError: It is not text, or so many characters would be lost that it is in another encoding than it says.
    """
    if body.startswith(_MARKS) or b"\0" in body[:4]:
        return _decoded(body)
    labels = tuple(label for label in (_declared(body), _known(charset)) if label and _can_be(body, label))
    if _SHIFTED in labels and any(escape in body for escape in _ESCAPES):
        return body.decode(_SHIFTED, "replace"), ()
    try:
        return body.decode("utf-8"), ()
    except UnicodeDecodeError:
        return _sent_otherwise(body, labels)


def _can_be(body: bytes, label: str) -> bool:
    """Tell whether *body* is not plainly Asian or Cyrillic behind a label that servers put on everything."""
    if label not in _WESTERN:
        return True
    in_runs = sum(match.end() - match.start() for match in _RUN.finditer(body))
    return 2 * in_runs <= len(body.translate(None, _ASCII))


def _sent_otherwise(body: bytes, labels: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    for label in labels:
        if (text := _strictly(body, label)) is not None:
            return text, ()
    for label in labels:  # a summary is often cut inside a character
        if _is_mostly_sound(text := body.decode(label, "replace")):
            return text, (f"not valid {label}",)
    text, warnings = _foreign(body)
    if LOST in text and not _is_mostly_sound(text):
        if "\0" in text:
            raise ParseError(_BINARY)
        raise ParseError("in another encoding than it says, and it cannot be told in which")
    return text, warnings


def _is_mostly_sound(text: str) -> bool:
    """Tell whether few of the characters beyond ASCII are lost."""
    foreign = len(text) - len(text.encode("ascii", "ignore"))
    return foreign > (_MEANT_AS_UTF8 + 1) * text.count(LOST)


def _decoded(body: bytes) -> tuple[str, tuple[str, ...]]:
    if body.startswith(_MARKS):
        return _marked(body), ()
    if b"\0" in body[:4]:
        return _wide(body), ()
    try:
        return body.decode("utf-8"), ()
    except UnicodeDecodeError:
        return _foreign(body)


def _marked(body: bytes) -> str:
    mark, encoding = next(pair for pair in _BOMS if body.startswith(pair[0]))
    return body[len(mark) :].decode(encoding, "replace")


def _wide(body: bytes) -> str:
    for start, encoding in _WIDE:
        if start.match(body):
            return body.decode(encoding, "replace")
    raise ParseError(_BINARY)


def _foreign(body: bytes) -> tuple[str, tuple[str, ...]]:
    """Return the text of a document that is not (all) UTF-8."""
    declared = _declared(body)
    if declared is not None and (text := _strictly(body, declared)) is not None:
        return text, ()
    lossy = body.decode("utf-8", "replace")
    start = next(_FOREIGN.finditer(body)).start()  # of what tells encodings apart, in bytes as in characters
    if not _is_mostly_utf8(lossy[start : start + _DETECTED_WITHIN]):
        detected = _detected(body, start)
        if detected is not None and (text := _strictly(body, detected)) is not None:
            return text, (f"not UTF-8; read as {detected}",)
    return lossy, ("not valid UTF-8",)


def _declared(body: bytes) -> str | None:
    match = _DECLARED.search(body, 0, _DECLARED_WITHIN)
    return _known(match[1].decode("ascii")) if match else None


def _known(label: str | None) -> str | None:
    try:
        return _READ_AS.get(codecs.lookup(label).name) if label else None
    except (LookupError, ValueError):  # a name with a NUL in it
        return None


def _strictly(body: bytes, encoding: str) -> str | None:
    try:
        return body.decode(encoding)
    except UnicodeDecodeError:
        return None


def _is_mostly_utf8(lossy: str) -> bool:
    """Tell whether a few bytes are broken in what else is plainly UTF-8."""
    broken = lossy.count(LOST)
    good = sum(character > "\x7f" for character in lossy) - broken
    return good > _MEANT_AS_UTF8 * broken


def _detected(body: bytes, start: int) -> str | None:
    end = _WHOLE.search(body, start + _DETECTED_WITHIN)
    matches = from_bytes(
        body[start : end.start() if end else len(body)], cp_isolation=_DETECTED_AMONG, enable_fallback=False
    )
    return next((match.encoding for match in matches if not _is_kana_in_disguise(str(match))), None)


def _is_kana_in_disguise(text: str) -> bool:
    """Tell whether single Korean letters, which running text has few of, stand where EUC-JP has its kana."""
    return len(_LETTERS.findall(text)) * _SYLLABLES_A_LETTER > len(_SYLLABLES.findall(text))
