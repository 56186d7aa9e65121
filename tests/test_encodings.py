"""Documents in every encoding to text."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeder.errors import ParseError
from feeder.parse.encoding import decode

CHINESE = "---\ntitle: 湖边的一天\ndate: 2022-02-22\n---\n<p>昨天记者在山谷里看到了第一朵花，随后发布了照片。</p>\n"
TRADITIONAL = "---\ntitle: 湖邊的一天\ndate: 2022-02-22\n---\n<p>昨天記者在山谷裡看到了第一朵花，隨後發布了照片。</p>\n"
JAPANESE = (
    "---\ntitle: 湖畔の一日\ndate: 2022-02-22\n---\n<p>記者は昨日、谷で最初の花を見て、写真を公開しました。</p>\n"
)
KOREAN = "---\ntitle: 호숫가의 하루\ndate: 2022-02-22\n---\n<p>기자는 어제 계곡에서 첫 꽃을 보고 사진을 공개했다.</p>\n"
RUSSIAN = "---\ntitle: День у озера\ndate: 2022-02-22\n---\n<p>Корреспондент вчера увидел первый цветок.</p>\n"
FRENCH = "---\ntitle: L’été au lac\ndate: 2022-02-22\n---\n<p>Déjà « la première » fleur éclose, garçon.</p>\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (CHINESE, "gb18030"),
        (CHINESE, "gbk"),
        (CHINESE, "gb2312"),
        (CHINESE + "㐀𠀀\n", "gb18030"),
        (TRADITIONAL, "big5"),
        (TRADITIONAL, "gb18030"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc_jp"),
        (KOREAN, "euc_kr"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8_r"),
        (FRENCH, "cp1252"),
    ],
)
def test_input_26_an_encoding_is_detected_and_named(text: str, encoding: str) -> None:
    found, warnings = decode(text.encode(encoding))
    assert found == text
    assert len(warnings) == 1
    assert warnings[0].startswith("not UTF-8; read as ")


@pytest.mark.parametrize("encoding", ["gb18030", "big5"])
def test_an_encoding_is_detected_by_the_beginning_of_a_large_document(encoding: str) -> None:
    text = "湖邊的一天，記者看到了花。\n" * 20_000
    assert decode(text.encode(encoding))[0] == text


LINE = "中文新闻报道的一行很长的文字，没有任何换行符，继续写下去。"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(LINE * 5_000, id="one-line"),
        pytest.param(LINE * 5_000 + "<b>完</b>", id="one-line-with-tags"),
        pytest.param("<p>" + "word " * 20_000 + "</p>" + LINE, id="far-below"),
        pytest.param("x" * 70_000 + LINE * 5_000, id="far-below-on-one-line"),
        pytest.param("x" + "朱镕基在北京发表了讲话。" * 5_000 + "\n", id="letters-inside-characters"),
    ],
)
def test_an_encoding_is_detected_wherever_its_characters_stand(text: str) -> None:
    document = f"---\ntitle: x\n---\n{text}"
    assert decode(document.encode("gbk")) == (document, ("not UTF-8; read as gb18030",))


def test_a_few_broken_bytes_far_below_do_not_make_utf_8_another_encoding() -> None:
    body = ("x" * 70_000 + LINE).encode() + b"\xff\n"
    text, warnings = decode(body)
    assert text.startswith("x" * 70_000 + LINE)
    assert warnings[0] == "not valid UTF-8"


@pytest.mark.parametrize(
    ("text", "encoding", "declared"),
    [
        (CHINESE, "gb18030", "encoding: gb2312"),
        (TRADITIONAL, "big5", "charset: 'Big5'"),
        (JAPANESE, "shift_jis", "charset = Shift_JIS"),
        (JAPANESE, "euc_jp", '<meta charset="euc-jp">'),
        (KOREAN, "euc_kr", "content='text/html; charset=euc-kr'"),
        (RUSSIAN, "koi8_r", "encoding: KOI8-R"),
        (FRENCH, "cp1252", "encoding: ISO-8859-1"),
    ],
)
def test_input_26_a_declared_encoding_is_used(text: str, encoding: str, declared: str) -> None:
    text += declared
    assert decode(text.encode(encoding)) == (text, ())


@pytest.mark.parametrize("declared", ["utf-7", "unicode_escape", "no-such-thing", "rot13", "cp037"])
def test_an_encoding_that_is_unknown_or_hides_markup_is_not_used(declared: str) -> None:
    text = f"encoding: {declared}\n+ADw-script {CHINESE}"
    assert decode(text.encode("gb18030")) == (text, ("not UTF-8; read as gb18030",))


def test_a_wrong_declaration_is_passed_over() -> None:
    text = f"{JAPANESE}charset: big5"
    assert decode(text.encode("euc_jp"))[0] == text


def test_a_declaration_does_not_count_against_utf_8() -> None:
    assert decode(f"{CHINESE}charset: gbk".encode())[0] == f"{CHINESE}charset: gbk"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["no-mark", "mark"])
def test_input_26_unicode_is_read_with_and_without_a_mark(encoding: str, mark: str) -> None:
    assert decode((mark + CHINESE).encode(encoding)) == (CHINESE, ())


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(codecs.BOM_UTF16_LE + "湖".encode("utf-16-le") + b"\x3d\xd8", id="half-a-pair"),
        pytest.param(codecs.BOM_UTF16_BE + "湖".encode("utf-16-be") + b"\x00", id="odd-length"),
        pytest.param(codecs.BOM_UTF8 + "湖".encode() + b"\xe6\xb9", id="cut"),
        pytest.param(codecs.BOM_UTF32_LE + "湖".encode("utf-32-le") + b"\xff\xff\xff\xff", id="no-character"),
        pytest.param(("湖边的一天，" * 9).encode() + b"\xe6\xb9", id="cut-without-a-mark"),
        pytest.param(("湖边的一天，" * 9).encode() + b"\xed\xa0\xbd\xed\xb8\x80", id="surrogates"),
    ],
)
def test_fault_42_broken_unicode_becomes_u_fffd_with_a_warning(body: bytes) -> None:
    text, warnings = decode(body)
    assert text.startswith("湖")
    assert "\ufffd" in text
    assert warnings[-1] == "line 1: holds U+FFFD, the mark of a lost character"


@pytest.mark.parametrize("overlong", [b"\xc0\xbc", b"\xe0\x80\xbc", b"\xf0\x80\x80\xbc", b"\xfc\x80\x80\x80\x80\xbc"])
@pytest.mark.parametrize("around", ["", "plain ", "湖边的一天，记者看到了花。" * 5], ids=["alone", "ascii", "chinese"])
def test_fault_42_an_overlong_form_is_never_markup(overlong: bytes, around: str) -> None:
    text, warnings = decode(around.encode() + overlong + b"script>")
    assert "<" not in text
    assert warnings


def test_a_lost_character_of_the_author_is_noted_too() -> None:
    assert decode("one\r\ntwo \ufffd".encode())[1] == ("line 2: holds U+FFFD, the mark of a lost character",)


def test_bytes_of_no_encoding_are_kept_with_a_warning() -> None:
    text, warnings = decode(bytes(range(0x80, 0x100)) * 3 + b"\xff\xfe\x81")
    assert warnings
    assert text


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", id="png"),
        pytest.param(b"---\ntitle: a\n---\nOne sentence.\n" + bytes(4096), id="zeroes-after-a-crash"),
        pytest.param(b"---\ntitle: a\n---\n" + bytes(range(256)) * 8, id="bytes-after-front-matter"),
        pytest.param(b"\x00\x00\x00\x00", id="zeroes"),
        pytest.param("湖\0\0".encode("utf-16"), id="nul-in-utf-16"),
    ],
)
def test_fault_45_a_binary_file_is_refused(body: bytes) -> None:
    with pytest.raises(ParseError, match="binary"):
        decode(body)


@pytest.mark.parametrize(
    ("body", "text", "line"),
    [
        (b"---\ntitle: a\x00b\n---\n", "---\ntitle: ab\n---\n", 2),
        (
            b"---\ntitle: ab\n-\x00--\n" + b"some words of a text \x00" * 20,
            "---\ntitle: ab\n---\n" + "some words of a text " * 20,
            3,
        ),
        ("湖\0".encode("utf-16"), "湖", 1),
    ],
)
def test_fault_45_a_stray_nul_character_is_left_out_with_a_warning(body: bytes, text: str, line: int) -> None:
    assert decode(body) == (text, (f"line {line}: holds a NUL character, which is left out",))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_is_a_line_feed(end: str) -> None:
    assert decode(f"a{end}{end}b{end}".encode())[0] == "a\n\nb\n"


@given(st.text())
@settings(deadline=None)
def test_utf_8_reads_back(text: str) -> None:
    if "\0" not in text and not text.startswith("\ufeff"):
        assert decode(text.encode())[0] == text.replace("\r\n", "\n").replace("\r", "\n")


@given(st.binary())
@settings(deadline=None)
def test_whatever_is_decoded_is_text_that_can_be_written(body: bytes) -> None:
    try:
        text, warnings = decode(body)
    except ParseError:
        return
    assert text.encode().decode() == text
    assert warnings or "\ufffd" not in text
